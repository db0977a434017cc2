"""The tables that taps have loaded, as models read them."""

# ruff: noqa: S608 - identifiers are quoted, and nothing else is put into SQL

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from target_warehouse.columns import ColumnType, kind_of
from target_warehouse.table_names import VERSIONS
from target_warehouse.warehouses.base import Adapter
from target_warehouse.warehouses.dialect import quoted
from target_warehouse.warehouses.history import DELETED_AT, VALID_FROM, VALID_TO

from attribution_elt.core.errors import OpsError
from attribution_elt.core.events import RUNS
from attribution_elt.meltano.project import Extractor, Loader
from attribution_elt.meltano.warehouse import existing

_VALIDITY = {VALID_FROM: ColumnType.TIMESTAMP, VALID_TO: ColumnType.TIMESTAMP}
_RUNS = {
    "stream": ColumnType.TEXT,
    "run_id": ColumnType.TEXT,
    "finished_at": ColumnType.TIMESTAMP,
    "complete": ColumnType.BOOLEAN,
}


@dataclass(frozen=True)
class Table:
    """A table of the warehouse."""

    path: str
    """Quoted name of the table with its schema."""
    columns: frozenset[str]


@dataclass(frozen=True)
class Tables:
    """The tables of a project's taps, by source (`tap_ecdp`) and name of the table."""

    found: Mapping[tuple[str, str], Table] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Further accounts of a vendor, with the account whose tables are read instead."""

    def has(self, source: str, name: str) -> bool:
        """Return whether a table exists."""
        return (source, name) in self.found

    def select(self, source: str, name: str, types: Mapping[ColumnType, str]) -> str:
        """Return SQL of a table for a FROM clause: live rows, with all columns of its schema.

        Args:
            source: name of the source in models, such as `tap_ecdp`.
            name: name of the table.
            types: the warehouse's type of each kind of column.
        """
        kinds = columns_of(source, name)
        wanted = {column: types[kind].format(scale=9) for column, kind in kinds.items()}
        table = self.found.get((source, name))
        if table is None:
            return f"({no_rows(wanted)})"
        held = table.columns
        if held.issuperset(wanted) and DELETED_AT not in held:
            return table.path
        parts = [
            quoted(column) if column in held else f"CAST(NULL AS {type_}) AS {quoted(column)}"
            for column, type_ in wanted.items()
        ]
        live = f" WHERE {DELETED_AT} IS NULL" if DELETED_AT in held else ""
        return f"(SELECT {', '.join(parts)} FROM {table.path}{live})"


def read_tables(loader: Loader, extractors: Iterable[Extractor]) -> Tables:
    """Find the tables that taps have loaded into a loader's warehouse.

    The models of a vendor read one account: the first one that has tables.
    """
    found: dict[tuple[str, str], Table] = {}
    left_out = {}
    accounts: dict[str, str] = {}
    for extractor in extractors:
        source = extractor.tap.name.replace("-", "_")
        if not streams_of(source):
            continue
        tables: dict[tuple[str, str], Table] = {}
        schema = loader.schema_of(extractor.load_schema)
        with existing(loader.url, schema, is_needed=extractor.configured) as adapter:
            if adapter is not None:
                tables = dict(_described(adapter, source))
        if tables and source in accounts:
            left_out[extractor.name] = accounts[source]
        elif tables:
            accounts[source] = extractor.name
            found |= tables
    return Tables(found, left_out)


def _described(adapter: Adapter, source: str) -> Iterator[tuple[tuple[str, str], Table]]:
    streams = streams_of(source)
    for name in (*streams, *(f"{stream}{VERSIONS}" for stream in streams), RUNS):
        if columns := adapter.columns(name):
            held = frozenset(column.lower() for column in columns)
            yield (source, name), Table(adapter.path(name), held)


def no_rows(columns: Mapping[str, str]) -> str:
    """Return a SELECT with columns of these types and without rows."""
    parts = [f"CAST(NULL AS {type_}) AS {quoted(name)}" for name, type_ in columns.items()]
    return f"SELECT {', '.join(parts)} WHERE 1 = 0"


@cache
def streams_of(source: str) -> tuple[str, ...]:
    """Return the streams of a source from its schema files; empty if it has none."""
    folder = files("schemas") / source.removeprefix("tap_")
    if not folder.is_dir():
        return ()
    names = (each.name for each in folder.iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in names if name.endswith(".json")))


@cache
def _schema(source: str, stream: str) -> Mapping[str, Any]:
    file = files("schemas") / source.removeprefix("tap_") / f"{stream}.json"
    if not file.is_file():
        raise OpsError(f"{source} has no stream {stream}")
    found: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def columns_of(source: str, name: str) -> dict[str, ColumnType]:
    """Return the columns of a table from the stream's schema, with nested values flattened.

    Raises:
        OpsError: the tap has no such stream.
    """
    if name == RUNS:
        return dict(_RUNS)
    properties = _schema(source, name.removesuffix(VERSIONS))["properties"]
    columns = {column: kind_of(schema) or ColumnType.TEXT for column, schema in properties.items()}
    return columns | (_VALIDITY if name.endswith(VERSIONS) else {})
