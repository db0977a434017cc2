"""The views of `transform/` that a tap reads from, such as `ihc_journeys`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from target_warehouse.warehouses.base import Adapter
from target_warehouse.warehouses.registry import connect, is_through_dlt

from attribution_elt.core.errors import OpsError, in_a_line
from attribution_elt.meltano.project import Extractor, Loader, Project
from attribution_elt.meltano.warehouse import file_of, has_schema, keep_secret

USE_SCHEMA = {
    "duckdb": "USE {}",
    "postgres": "SET search_path TO {}",
    "postgresql": "SET search_path TO {}",
    "snowflake": "USE SCHEMA {}",
}
"""By scheme of the URL: the statement that makes a schema the default of unqualified names."""


@dataclass(frozen=True)
class View:
    """A view that is defined in `transform/`.

    Attributes:
        name: name of the view and of its file.
        executable: the tap whose tables it is made of.
        tables: those tables.
    """

    name: str
    executable: str
    tables: frozenset[str]


VIEWS = (
    View(
        "ihc_journeys",
        "tap-attribution-io",
        frozenset({"events", "event_attributions", "pageviews", "touchpoints"}),
    ),
)


@dataclass(frozen=True)
class Place:
    """A schema that a view belongs in.

    Attributes:
        view: the view.
        schema: the schema with its tables.
        missing: tables that do not exist yet.
        exists: whether the view exists.
    """

    view: View
    schema: str
    missing: frozenset[str]
    exists: bool

    @property
    def title(self) -> str:
        """The name of the view with its schema."""
        return f"{self.schema}.{self.view.name}"


def views_of(extractor: Extractor) -> list[View]:
    """Return the views that an extractor's settings name."""
    settings = " ".join(each for each in extractor.settings.values() if isinstance(each, str))
    return [view for view in VIEWS if view.name in settings]


def places(project: Project, loader: Loader, views: Iterable[View] = VIEWS) -> list[Place]:
    """Return the schemas of a loader's warehouse in which the views belong.

    Raises:
        OpsError: the warehouse cannot be read.
    """
    return list(_look(project, loader, views, create=False))


def create(project: Project, loader: Loader, views: Iterable[View] = VIEWS) -> list[Place]:
    """Create the views, or replace them, where their tables exist; return every place.

    Raises:
        OpsError: the warehouse refuses a view, or cannot be read.
    """
    return list(_look(project, loader, views, create=True))


def _look(
    project: Project, loader: Loader, views: Iterable[View], *, create: bool
) -> Iterator[Place]:
    scheme = loader.url.partition(":")[0].partition("+")[0]
    file = file_of(loader.url)
    if scheme not in USE_SCHEMA or is_through_dlt(loader.url) or (file and not file.exists()):
        return
    keep_secret(loader.url)
    try:
        with closing(connect(loader.url, None)) as adapter:
            for view in views:
                for schema in _schemas(project, loader, view):
                    if has_schema(adapter, schema):
                        adapter.schema = schema
                        place = _place(adapter, view, schema)
                        if create and not place.missing:
                            adapter.execute(
                                USE_SCHEMA[scheme].format(adapter.dialect.identifier(schema))
                            )
                            adapter.execute(sql_of(view))
                            adapter.commit()
                        yield place
    except Exception as error:  # noqa: BLE001 - each driver has its own
        raise OpsError(f"{loader.name}: views cannot be created: {in_a_line(error)}") from None


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


def sql_of(view: View) -> str:
    """Return the statement that creates a view."""
    return (_transform() / f"{view.name}.sql").read_text(encoding="utf-8")


def _transform() -> Traversable:
    """Return the folder of SQL files: in the installed package, or beside it in a checkout."""
    installed = files("attribution_elt") / "transform"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "transform"
