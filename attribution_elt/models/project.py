"""The models of a Meltano project, in its warehouse."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from attribution_elt.core.errors import OpsError
from attribution_elt.meltano.project import Loader, Project
from attribution_elt.meltano.warehouse import existing, explained, missing_file, opened
from attribution_elt.models.build import Models
from attribution_elt.models.folder import PROJECT_FILE, Folder
from attribution_elt.models.tables import Tables, read_tables

_COMPUTED = "tap_ihc"


def open_models(
    project: Project, schema: str, variables: Mapping[str, Any], *, dry_run: bool
) -> Models:
    """Connect to the project's first warehouse and return the models that can be built in it.

    The schema gets the prefix that the loader's setting gives to schemas, such as `staging_`; a
    `dry_run` does not create it. `variables` replace the folder's defaults.

    Raises:
        OpsError: the folder is not valid, or the warehouse cannot be used.
    """
    loader = project.loader
    parsed = folder()
    tables = _loaded(loader, project)
    name: str | None = loader.schema_named(schema)
    if dry_run:
        with explained(f"{loader.name} cannot be used"), existing(loader.url, name) as adapter:
            name = name if adapter else None
    return _connected(parsed, loader, name, tables, variables)


def create_view(project: Project, loader: Loader, model: str, schema: str) -> None:
    """Create or replace an up-to-date view: a model that reads only loaded tables.

    Raises:
        OpsError: the folder is not valid, or the warehouse refuses the view.
    """
    tables = _loaded(loader, project)
    # IHC's results are computed from the view, so the view must not read them.
    own = {key: table for key, table in tables.found.items() if key[0] != _COMPUTED}
    with closing(_connected(folder(), loader, schema, replace(tables, found=own), {})) as models:
        select = models.alone(model)
    cannot = f"{loader.name}: views cannot be created"
    with opened(cannot, loader.url, schema) as adapter:
        adapter.execute(f"DROP VIEW IF EXISTS {adapter.path(model)}")
        adapter.execute(f"CREATE VIEW {adapter.path(model)} AS {select}")
        adapter.commit()


def folder() -> Folder:
    """Return the project's own models, or the distribution's.

    Raises:
        OpsError: the folder is not valid.
    """
    own = Path("transform")
    installed = Path(__file__).parents[1] / "transform"
    checkout = Path(__file__).parents[2] / "transform"
    places = (own, installed, checkout)
    return Folder(next((each for each in places if (each / PROJECT_FILE).is_file()), own))


def _connected(
    parsed: Folder, loader: Loader, schema: str | None, tables: Tables, variables: Mapping[str, Any]
) -> Models:
    with explained(f"{loader.name} cannot be used"):
        return Models(parsed, loader.url, schema, tables, variables)


def _loaded(loader: Loader, project: Project) -> Tables:
    if file := missing_file(loader.url):
        raise OpsError(f"{file} does not exist: nothing has been loaded yet")
    with explained(f"{loader.name} cannot be used"):
        return read_tables(loader, project.extractors.values())
