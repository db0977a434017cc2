"""Builds models in a warehouse, and tests them there."""

# ruff: noqa: S608 - identifiers are quoted, and the SQL is that of the project's own models

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from target_warehouse.warehouses.dialect import listed
from target_warehouse.warehouses.registry import connect
from target_warehouse.warehouses.transaction import transact

from attribution_elt.core.errors import OpsError
from attribution_elt.models.folder import Folder, Seed
from attribution_elt.models.plan import Plan, plan, select
from attribution_elt.models.rendering import DIALECTS, Renderer
from attribution_elt.models.seeds import select_of, selects_of
from attribution_elt.models.tables import Tables, no_rows

_T = TypeVar("_T")
_SPARE = "__new"
_SORT_IN_MEMORY = """SELECT set_config('work_mem',
    greatest(pg_size_bytes(current_setting('work_mem')), 67108864) / 1024 || 'kB', false)"""
"""PostgreSQL sorts larger sets on disk; its default is 4 MB."""


@dataclass(frozen=True)
class Built:
    """A model or seed that was built."""

    name: str
    is_view: bool
    rows: int | None
    """Number of rows of a table; None for a view."""
    seconds: float


@dataclass(frozen=True)
class Tested:
    """A test and its outcome."""

    name: str
    failures: int
    """Number of rows that violate the test."""
    warns_only: bool

    @property
    def passed(self) -> bool:
        """Whether the outcome leaves the exit code 0."""
        return not self.failures or self.warns_only


class Models:
    """The models of a folder in one schema of a warehouse.

    Args:
        folder: the dbt project.
        url: URL of the warehouse, as `target-warehouse` takes it.
        schema: the schema of the models; it is created if it does not exist. None: the default.
        tables: the tables that taps have loaded.
        variables: values that replace the folder's defaults.

    Raises:
        OpsError: the folder is not valid.
        WarehouseError: the warehouse cannot be used.
    """

    def __init__(
        self,
        folder: Folder,
        url: str,
        schema: str | None,
        tables: Tables,
        variables: Mapping[str, Any] | None = None,
    ) -> None:
        scheme = urlsplit(url).scheme.partition("+")[0]
        self._folder = folder
        self.tables = tables
        self._adapter = connect(url, schema)
        self._dialect = DIALECTS.get(scheme, scheme)
        self._renderer = Renderer(
            folder, self._dialect, self._adapter.types, tables, variables or {}
        )
        self.plan: Plan = plan(folder, self._renderer, tables)
        self._chosen: Collection[str] = ()
        if self._dialect == "postgres":
            self._adapter.execute(_SORT_IN_MEMORY)
            self._adapter.commit()

    def close(self) -> None:
        """Close the connection."""
        self._adapter.close()

    def chosen(self, wanted: Iterable[str]) -> list[str]:
        """Return the models to build, in order; all models if `wanted` is empty.

        Raises:
            OpsError: a name is unknown, or a model needs one that is not built.
        """
        names = select(self.plan, self._folder, wanted)
        for name in names:
            for ref in self.plan.parsed[name].refs:
                is_given = ref in names or ref in self.plan.left_out or ref in self.plan.seeds
                if not is_given and not self._adapter.columns(ref):
                    raise OpsError(f"{name} reads {ref}, which is not built: --select +{name}")
        return names

    def build(self, chosen: Collection[str]) -> Iterator[Built]:
        """Build models in the order of the plan, each in its own transaction; yield each.

        Raises:
            OpsError: a model cannot be built.
        """
        self._chosen = chosen
        needed = {ref for name in chosen for ref in self.plan.parsed[name].refs}
        for name in self.plan.seeds:
            if name in needed:
                yield self._timed(name, partial(self._plant, self._folder.seeds[name]))
        for name in self.plan.order:
            if name in chosen:
                yield self._timed(name, partial(self._make, name))

    def test(self, chosen: Collection[str]) -> Iterator[Tested]:
        """Run the tests of built models; yield the outcome of each.

        A test that reads several models runs if all of those are built.

        Raises:
            OpsError: a test cannot be run.
        """
        for name, sql, config in self._tests(chosen):
            failures = self._run(name, partial(self._failures, sql))
            yield Tested(name, failures, config.get("severity") == "warn")

    def alone(self, name: str) -> str:
        """Return a model as one SELECT that includes the models and seeds that it reads."""
        parts: dict[str, str] = {}

        def add(ref: str) -> str:
            if ref in self._folder.seeds:
                parts.setdefault(ref, select_of(self._folder.seeds[ref], self._dialect))
            elif ref not in parts:
                text = self._folder.models[ref].text
                parts[ref] = self._renderer.render(ref, text, add).sql
            return ref

        body = self._renderer.render(name, self._folder.models[name].text, add).sql
        named = ",\n".join(f"{ref} AS (\n{sql}\n)" for ref, sql in parts.items())
        return f"WITH {named}\nSELECT * FROM (\n{body}\n) AS body"

    def _timed(self, name: str, work: Callable[[], tuple[bool, int | None]]) -> Built:
        start = time.monotonic()
        is_view, rows = self._run(name, work)
        return Built(name, is_view, rows, time.monotonic() - start)

    def _run(self, name: str, work: Callable[[], _T]) -> _T:
        try:
            return transact(self._adapter, work)
        except self._adapter.errors as error:
            raise OpsError(f"{name}: {self._adapter.explain(error)}") from None

    # models

    def _path(self, name: str) -> str:
        return self._adapter.path(name)

    def _ref(self, name: str) -> str:
        return self._renderer.empty(name) if name in self.plan.left_out else self._path(name)

    def _make(self, name: str) -> tuple[bool, int | None]:
        rendered = self._renderer.render(name, self._folder.models[name].text, self._ref)
        # A view in SQLite would need functions that only this project's connections have.
        if rendered.config.get("materialized") == "view" and self._dialect != "sqlite":
            self._replace_view(name, rendered.sql)
            return True, None
        return False, self._replace_table(name, rendered.sql)

    def _replace_view(self, name: str, sql: str) -> None:
        """Replace a view; PostgreSQL refuses that if its columns change."""
        if self._dialect == "postgres" and self._kind(name) == "view":
            spare = name + _SPARE
            self._adapter.execute(f"CREATE VIEW {self._path(spare)} AS {sql}")
            new, held = (
                [(column, each.type) for column, each in self._adapter.columns(view).items()]
                for view in (spare, name)
            )
            self._drop(spare)
            if new == held:
                self._adapter.execute(f"CREATE OR REPLACE VIEW {self._path(name)} AS {sql}")
                return
        self._recreate(name, f"CREATE VIEW {self._path(name)} AS {sql}")

    def _replace_table(self, name: str, sql: str) -> int:
        """Replace a table's rows, or the table if its columns differ; return the number of rows.

        PostgreSQL refuses to drop a table that other users' views read. Queries of the table wait
        until the transaction ends.
        """
        if self._dialect == "postgres" and self._kind(name) == "table":
            spare = name + _SPARE
            self._adapter.execute(
                f"CREATE TABLE {self._path(spare)} AS SELECT * FROM ({sql}) AS body LIMIT 0"
            )
            # lists, because INSERT assigns values by position
            new, held = (list(self._adapter.columns(each).items()) for each in (spare, name))
            self._adapter.drop(spare)
            if new == held:
                self._adapter.execute(f"TRUNCATE {self._path(name)}")  # DELETE leaves dead rows
                self._adapter.execute(f"INSERT INTO {self._path(name)} {sql}")
                return self._measured(name)
        self._recreate(name, f"CREATE TABLE {self._path(name)} AS {sql}")
        return self._measured(name)

    def _recreate(self, name: str, create: str) -> None:
        """Drop a model and create it with another statement.

        PostgreSQL refuses to drop what a view reads. The models' views over this one are dropped
        too. Those that this build does not reach are created again.
        """
        views = self._views_over(name) if self._dialect == "postgres" else []
        for each in (*reversed(views), name):
            self._drop(each)
        self._adapter.execute(create)
        for each in views:
            if each not in self._chosen:
                self._make(each)

    def _views_over(self, name: str) -> list[str]:
        """Return the models' views that read a model, in the order of the plan."""
        names = [name]
        for each in self.plan.order:
            reads = any(ref in names for ref in self.plan.parsed[each].refs)
            if reads and self._kind(each) == "view":
                names.append(each)
        return names[1:]

    def _measured(self, name: str) -> int:
        # statistics: without them, PostgreSQL joins new tables as if they were small
        if self._dialect == "postgres":
            self._adapter.execute(f"ANALYZE {self._path(name)}")
        return self._adapter.count(name)

    def _drop(self, name: str) -> None:
        kind = self._kind(name)
        if kind:
            self._adapter.execute(f"DROP {kind.upper()} {self._path(name)}")

    def _kind(self, name: str) -> str | None:
        """Return `table` or `view`, or None if neither exists."""
        if name in self._adapter.tables(views=False):
            return "table"
        return "view" if name in self._adapter.tables() else None

    def _plant(self, seed: Seed) -> tuple[bool, int | None]:
        """Create or replace the table of a seed."""
        self._replace_table(seed.name, no_rows(seed.columns))
        names = listed(seed.columns)
        for sql in selects_of(seed, self._dialect):
            self._adapter.execute(f"INSERT INTO {self._path(seed.name)} ({names}) {sql}")
        return False, self._measured(seed.name)

    # tests

    def _tests(self, chosen: Collection[str]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Yield name, SQL and configuration of the tests that apply."""
        order = self.plan.order
        built = {each for each in order if each in chosen or self._adapter.columns(each)}
        for name in order:
            described = self._folder.descriptions.get(name)
            for macro, arguments in described.tests if described and name in chosen else ():
                settings = dict(arguments)
                target = settings.get("to")
                if target is not None:
                    model = target.split("'")[1]
                    if model not in built:
                        continue
                    settings["to"] = self._path(model)
                sql = self._renderer.macro(f"test_{macro}")(self._path(name), **settings)
                yield f"{macro} of {name}", sql, {}
        for name, text in self._folder.tests.items():
            rendered = self._renderer.render(name, text, self._ref)
            models = set(rendered.refs) - self._folder.seeds.keys()
            reads = models <= built and (models & set(chosen) or not models)
            if reads and (models or any(self.tables.has(*each) for each in rendered.sources)):
                yield name, rendered.sql, rendered.config

    def _failures(self, sql: str) -> int:
        ((count,),) = self._adapter.execute(f"SELECT count(*) FROM ({sql}) AS failure")
        return int(count)
