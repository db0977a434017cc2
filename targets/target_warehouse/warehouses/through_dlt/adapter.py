"""Loads all other warehouses through dlt; the loader passes it deduplicated, named and typed rows.

Only dlt's DDL, load jobs and merges are used, not its inference, naming and state. Each table has a
separate dlt schema, which dlt stores in the warehouse. Later runs read the kinds of columns from
it, because types alone do not determine them.
"""

# ruff: noqa: S608 - identifiers are quoted, and nothing else is put into SQL

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import dlt
import pyarrow as pa
from dlt.common.exceptions import DltException
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.pipeline.exceptions import PipelineStepFailed
from typing_extensions import override

from target_warehouse.columns import Column, Columns
from target_warehouse.warehouses.base import Claimed, Merged, Sweep, TableError, WarehouseError
from target_warehouse.warehouses.through_dlt import columns as dlt_columns
from target_warehouse.warehouses.through_dlt import sql as dlt_sql
from target_warehouse.warehouses.through_dlt.connection import (
    DltConnection,
    RefusedError,
    cause_of,
    is_of_data,
)
from target_warehouse.warehouses.through_dlt.destinations import file_format

_VALUES = "sweep_values"


class DltAdapter(DltConnection):
    """Passes rows to dlt as Parquet, if the warehouse reads Parquet.

    Each load is complete when `merge` or `append` returns: `commit` has nothing to do. Rows that a
    killed run had not loaded are in its temporary folder, which no other run reads.
    """

    @override
    def use_schema(self) -> None:
        with self._explained(), self._client() as client:
            if self.schema:
                client.initialize_storage()
            else:
                client.is_storage_initialized()  # any query, to test the connection

    @override
    def tables(self, *, views: bool = True) -> list[str]:
        if not self.schema:
            raise WarehouseError("this url needs default_target_schema too: the dataset of dlt")
        with self._client() as client, contextlib.suppress(DatabaseUndefinedRelation):
            sql = client.sql_client
            name = sql.escape_column_name("schema_name")
            versions = sql.make_qualified_table_name(client.schema.version_table_name)
            return sorted({row[0] for row in sql.execute_sql(f"SELECT {name} FROM {versions}")})
        return []

    @override
    def columns(self, table: str) -> dict[str, Column]:
        with self._client(table) as client:
            _, stored = client.get_storage_table(table)
            version = client.get_stored_schema(table) if stored else None
        tables = json.loads(version.schema)["tables"] if version else {}
        described = tables.get(table, {}).get("columns", {})
        own_types = self._own_types(table) if stored.keys() - described.keys() else {}
        return {
            name: dlt_columns.column(held, described.get(name, {}), own_types.get(name))
            for name, held in stored.items()
        }

    def _own_types(self, table: str) -> dict[str, str]:
        """Return the names of types in the destination; dlt reports unknown ones as text."""
        literal = self.dialect.literal
        with contextlib.suppress(DltException):  # not every destination has the view
            rows = self.execute(
                "SELECT column_name, data_type FROM information_schema.columns "
                f"WHERE table_schema = {literal(self.schema)} AND table_name = {literal(table)}"
            )
            return dict(rows)
        return {}

    @override
    def ensure(self, table: str, columns: Columns, keys: Sequence[str]) -> dict[str, Column]:
        existing = self.columns(table)
        columns = {
            name: existing[name].widest(column) if name in existing else column
            for name, column in columns.items()
        }
        wanted = existing | columns
        narrow = [
            name
            for name, column in columns.items()
            if name in existing and existing[name].is_narrower(column)
        ]
        empty = bool(narrow) and self.is_empty(table)
        for name in narrow:
            try:
                wanted[name] = self._alter(table, name, existing[name], columns[name], empty=empty)
            except DltException as error:
                if not empty or table not in self.tables():
                    raise TableError(
                        f"the column {name!r} of the table {table!r} is {existing[name].type} and "
                        f"has to become {columns[name].kind}: {self.explain(error)}"
                    ) from error
                self.drop(table)
                break
        self._describe(table, wanted, keys)
        return wanted

    @override
    def create(self, table: str, columns: Columns, keys: Sequence[str]) -> None:
        self._describe(table, columns, keys)

    @override
    def key(self, table: str, keys: Sequence[str], columns: Columns) -> None:
        """Do nothing: `merge` takes the keys as an argument."""

    @override
    def is_empty(self, table: str) -> bool:
        return not self.count(table)  # not every destination has LIMIT

    @override
    def stage(self, table: str, rows: pa.Table, columns: Columns) -> None:
        self._staged = dlt_columns.typed(rows, columns)

    @override
    def merge(
        self, table: str, columns: Columns, keys: Sequence[str], history: str | None = None
    ) -> Merged:
        upserts = "upsert" in (self._capabilities.supported_merge_strategies or ())
        strategy = "upsert" if upserts else "delete-insert"
        merge = {"disposition": "merge", "strategy": strategy, "deduplicated": True}
        self._load(table, self._staged, merge)
        return Merged(None, None)

    @override
    def sweep(self, sweep: Sweep, permit: Callable[[Claimed], bool]) -> int:
        # Types of instants differ, so they are staged like rows.
        bounds = [each for claim in sweep.claims for pair in claim.ranges.values() for each in pair]
        values = {
            (type(each), each): f"v{index}"
            for index, each in enumerate([sweep.started_at, sweep.swept_at, *bounds])
            if each is not None
        }
        columns = {name: dlt_columns.of_value(each) for (_, each), name in values.items()}
        row = {name: dlt_columns.arrow_value(each) for (_, each), name in values.items()}
        path = self._put_aside(_VALUES, columns, [pa.table(row)])
        quoted = self.dialect.identifier
        self._values = {key: f"(SELECT {quoted(name)} FROM {path})" for key, name in values.items()}
        count = super().sweep(sweep, permit)
        self.discard(path)
        return count

    @override
    def value(self, value: object) -> str:
        return self._values[type(value), value]

    @override
    def stage_aside(
        self,
        name: str,
        table: str,
        columns: Mapping[str, tuple[str, Column]],
        chunks: Iterable[pa.Table],
    ) -> str:
        return self._put_aside(name, {own: column for own, (_, column) in columns.items()}, chunks)

    def _put_aside(self, name: str, columns: Columns, chunks: Iterable[pa.Table]) -> str:
        table = f"target_warehouse_{name}"
        path = self.path(table)
        self._aside[path] = table
        self.discard(path)  # a killed run may have left it
        self._describe(table, columns, ())
        for chunk in chunks:
            self._load(table, dlt_columns.typed(chunk, columns), "append")
        return path

    @override
    def discard(self, path: str) -> None:
        self.drop(self._aside[path])

    @override
    def insert(self, path: str, rows: pa.Table, columns: Columns) -> None:
        self.append(self._aside[path], rows, columns)

    @override
    def atomically(self, statements: Sequence[str]) -> list[tuple[Any, ...]]:
        with self._client() as client:
            sql = client.sql_client
            with sql.begin_transaction() if self._is_atomic else contextlib.nullcontext():
                for statement in statements:
                    sql.execute_sql(statement)
        return []

    @property
    def _is_atomic(self) -> bool:
        limits = self._capabilities
        return bool(limits.supports_ddl_transactions or limits.supports_transactions)

    @override
    def append(self, table: str, rows: pa.Table, columns: Columns) -> None:
        self._load(table, dlt_columns.typed(rows, columns), "append")

    @override
    def drop(self, table: str) -> None:
        # In a new schema, dlt's own table of versions is missing too.
        with self._client(table) as client, contextlib.suppress(DatabaseUndefinedRelation):
            client.drop_tables(table)
            with client.with_staging_dataset():
                client.drop_tables(table, delete_schema=False)

    @override
    def commit(self) -> None:
        """Do nothing: dlt has already committed."""

    @override
    def rollback(self) -> None:
        """Do nothing: dlt does not load a failed package."""

    def _describe(self, table: str, columns: Columns, keys: Sequence[str]) -> None:
        """Create the table or change its columns, and describe them to dlt."""
        described = {
            name: dlt_columns.description(name, column) for name, column in columns.items()
        }
        # columns of the key must not have nulls
        sorts = self._capabilities.sqlglot_dialect == "clickhouse"
        for key in keys:
            described[key].update(primary_key=True, nullable=not sorts)
        schema = dlt.Schema(table)
        whole: Any = {
            "name": table,
            "columns": described,
            "write_disposition": "merge" if keys else "append",
        }
        schema.update_table(whole)
        self._described[table] = schema
        self._pipeline.schemas.save_schema(schema)
        with self._client(table) as client:
            client.update_stored_schema(force=True)
            if keys:
                with client.with_staging_dataset():
                    # Files of an earlier run may have narrower types, which would round.
                    client.initialize_storage()
                    client.drop_tables(table, delete_schema=False)
                    client.update_stored_schema(force=True)
                    dlt_sql.index(client, table, [described[key] for key in keys])

    def _alter(self, table: str, name: str, held: Column, wanted: Column, *, empty: bool) -> Column:
        """Change the type of a column and return it; it becomes text if nothing else is certain."""
        with self._client(table) as client:
            _, stored = client.get_storage_table(table)
            *others, last = dlt_columns.wider(held, wanted, empty=empty)
            for column in others:
                described = dlt_columns.description(name, column)
                with contextlib.suppress(DltException):
                    dlt_sql.alter(client, table, held, stored[name], described)
                    return column
            described = dlt_columns.description(name, last)
            dlt_sql.alter(client, table, held, stored[name], described)
            return last

    def _load(self, table: str, rows: pa.Table, disposition: Any) -> None:
        schema = self._described[table]
        try:
            self._pipeline.extract(
                rows,
                table_name=table,
                schema=schema,
                columns=schema.tables[table]["columns"],
                write_disposition=disposition,
                schema_contract="freeze",
                loader_file_format=file_format(self._capabilities, has_bucket=bool(self._bucket)),
            )
            self._pipeline.normalize()
            self._pipeline.load(workers=1)
        except PipelineStepFailed as error:
            self._begin()  # the next load must not load the files of this one
            if is_of_data(cause_of(error)):
                raise RefusedError(self.explain(error)) from error
            raise


ADAPTER = DltAdapter
