"""The views that a tap reads from, such as `ihc_journeys`, a model of `transform/`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from target_warehouse.warehouses.base import Adapter
from target_warehouse.warehouses.registry import connect, is_through_dlt

from attribution_elt.core.errors import OneLineError, OpsError, in_a_line
from attribution_elt.meltano.project import Extractor, Loader, Project
from attribution_elt.meltano.warehouse import file_of, has_schema, keep_secret

HAVE_VIEWS = {"duckdb", "postgres", "postgresql", "snowflake"}
"""Schemes of URLs of warehouses in which views are created."""


@dataclass(frozen=True)
class View:
    """A model of `transform/` that is a view in the schema of a tap.

    Attributes:
        name: name of the view and of the model.
        executable: the tap whose tables the view reads.
        tables: the tables that the view reads.
    """

    name: str
    executable: str
    tables: frozenset[str]


VIEWS = (
    View(
        "ihc_journeys",
        "tap-attribution-io",
        frozenset({"events", "touchpoints"}),
    ),
)


@dataclass(frozen=True)
class Place:
    """A schema in which a view belongs.

    Attributes:
        view: the view.
        schema: the schema of the view and its tables.
        missing: tables that do not exist yet.
        exists: whether the view exists.
    """

    view: View
    schema: str
    missing: frozenset[str]
    exists: bool

    @property
    def title(self) -> str:
        """The view's name with its schema."""
        return f"{self.schema}.{self.view.name}"


Definition = Callable[[Loader, View, str], str]
"""Returns the SELECT of a view in a schema of a loader's warehouse."""


def views_of(extractor: Extractor) -> list[View]:
    """Return the views that an extractor's settings name."""
    settings = " ".join(each for each in extractor.settings.values() if isinstance(each, str))
    return [view for view in VIEWS if view.name in settings]


def places(project: Project, loader: Loader, views: Iterable[View] = VIEWS) -> list[Place]:
    """Return the schemas of a loader's warehouse in which the views belong.

    Raises:
        OpsError: the warehouse cannot be read.
    """
    return list(_look(project, loader, views, None))


def create(
    project: Project, loader: Loader, definition: Definition, views: Iterable[View] = VIEWS
) -> list[Place]:
    """Create or replace the views whose tables exist; return the schemas of all views.

    Raises:
        OpsError: the warehouse refuses a view, or cannot be read.
    """
    return list(_look(project, loader, views, definition))


def _look(
    project: Project, loader: Loader, views: Iterable[View], definition: Definition | None
) -> Iterator[Place]:
    scheme = loader.url.partition(":")[0].partition("+")[0]
    file = file_of(loader.url)
    if scheme not in HAVE_VIEWS or is_through_dlt(loader.url) or (file and not file.exists()):
        return
    keep_secret(loader.url)
    try:
        with closing(connect(loader.url, None)) as adapter:
            found = [
                (view, schema)
                for view in views
                for schema in _schemas(project, loader, view)
                if has_schema(adapter, schema)
            ]
        for view, schema in found:
            with closing(connect(loader.url, schema)) as adapter:
                place = _place(adapter, view, schema)
                if definition and not place.missing:
                    path = adapter.path(view.name)
                    select = definition(loader, view, schema)
                    adapter.execute(f"DROP VIEW IF EXISTS {path}")
                    adapter.execute(f"CREATE VIEW {path} AS {select}")
                    adapter.commit()
            yield place
    except OneLineError:
        raise
    except Exception as error:
        reason = in_a_line(error)
        raise OpsError(f"{loader.name}: views cannot be created: {reason}") from error


def _schemas(project: Project, loader: Loader, view: View) -> list[str]:
    schemas = [
        loader.schema_of(each)
        for each in project.extractors.values()
        if each.tap.name == view.executable
    ]
    return list(dict.fromkeys(filter(None, schemas)))


def _place(adapter: Adapter, view: View, schema: str) -> Place:
    missing = frozenset(table for table in view.tables if not adapter.columns(table))
    return Place(view, schema, missing, bool(adapter.columns(view.name)))
