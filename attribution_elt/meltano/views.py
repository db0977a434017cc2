"""The view that tap-ihc reads from: a model of `transform/` in the schema of another tap."""

from __future__ import annotations

from dataclasses import dataclass

from target_warehouse.warehouses.registry import is_through_dlt, location

from attribution_elt.meltano.project import Extractor, Loader, Project
from attribution_elt.meltano.warehouse import existing, explained, missing_file

HAVE_VIEWS = {"duckdb", "postgres", "postgresql", "snowflake"}
"""Schemes of URLs of warehouses in which views are created."""
NAME = "ihc_journeys"
"""Name of the view and of the model."""
TAP, TABLES = "tap-attribution-io", ("events", "touchpoints")
"""The tap in whose schema the view is, and the tables that it reads."""


@dataclass(frozen=True)
class View:
    """The view in a schema to which it belongs.

    Attributes:
        schema: the schema of the view and its tables.
        missing: tables that do not exist yet.
    """

    schema: str
    missing: frozenset[str]
    exists: bool

    @property
    def title(self) -> str:
        """The view's name with its schema."""
        return f"{self.schema}.{NAME}"


def is_read_by(extractor: Extractor) -> bool:
    """Return whether an extractor's settings name the view."""
    return any(NAME in each for each in extractor.settings.values() if isinstance(each, str))


def has_views(loader: Loader) -> bool:
    """Return whether views are created in a loader's warehouse."""
    scheme = loader.url.partition(":")[0].partition("+")[0]
    return scheme in HAVE_VIEWS and not is_through_dlt(loader.url)


def views_of(project: Project, loader: Loader) -> list[View]:
    """Return the view in each schema of a loader's warehouse to which it belongs.

    Raises:
        OpsError: the warehouse cannot be read.
    """
    found: list[View] = []
    with explained(f"{loader.name}: views cannot be created"):
        location(loader.url)
        if not has_views(loader) or missing_file(loader.url):
            return found
        for schema in _schemas(project, loader):
            with existing(loader.url, schema) as adapter:
                if adapter is not None:
                    missing = frozenset(each for each in TABLES if not adapter.columns(each))
                    found.append(View(schema, missing, bool(adapter.columns(NAME))))
    return found


def _schemas(project: Project, loader: Loader) -> list[str]:
    taps = [each for each in project.extractors.values() if each.tap.name == TAP]
    schemas = (loader.schema_of(each.load_schema) for each in taps)
    return list(dict.fromkeys(filter(None, schemas)))
