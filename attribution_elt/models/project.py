"""The models of a Meltano project, in its warehouse."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from attribution_elt.core.errors import OneLineError, OpsError, in_a_line
from attribution_elt.core.redaction import redactor
from attribution_elt.meltano.project import SCHEMA, Loader, Project
from attribution_elt.meltano.warehouse import file_of, keep_secret
from attribution_elt.models.build import Models
from attribution_elt.models.folder import Folder
from attribution_elt.models.tables import Tables, read_tables

JOURNEYS = "ihc_journeys"
"""The model that `tap-ihc` reads."""
_JOURNEYS_OF = "tap_attribution_io"
_COMPUTED = "tap_ihc"


def open_models(
    project: Project, folder: Path, schema: str, variables: Mapping[str, Any]
) -> Models:
    """Connect to the project's first warehouse and return the models that can be built in it.

    Args:
        project: the Meltano project.
        folder: the dbt project.
        schema: where the models are built; what the loader's setting puts before the names of
            schemas, such as `staging_`, is put before it.
        variables: values that replace the folder's defaults.

    Raises:
        OpsError: the folder is not valid, or the warehouse cannot be used.
    """
    loader = project.loader
    parsed = Folder(folder)
    tables = _loaded(loader, project)
    try:
        return Models(parsed, loader.url, schema_in(loader, schema), tables, variables)
    except OneLineError:
        raise
    except Exception as error:
        raise OpsError(f"{loader.name} cannot be used: {redactor(in_a_line(error))}") from error


def schema_in(loader: Loader, schema: str) -> str:
    """Return the schema of models, with the prefix that the loader gives to schemas of taps."""
    template = loader.schema or ""
    return template.replace(SCHEMA, schema) if SCHEMA in template else schema


def create_journeys_view(project: Project, folder: Path) -> str | None:
    """Create the view `ihc_journeys` in the schema of Attribution.io's tables.

    The view reads loaded tables alone, so that journeys are up to date as soon as those are.

    Returns:
        The view's quoted name; None if no table exists that it reads.

    Raises:
        OpsError: the folder is not valid, or the warehouse cannot be used.
    """
    loader = project.loader
    tables = _loaded(loader, project)
    if (_JOURNEYS_OF, "touchpoints") not in tables.found:
        return None
    # What IHC computed is made of the view, and must not go back into it.
    own = {key: table for key, table in tables.found.items() if key[0] != _COMPUTED}
    schema = tables.schemas[_JOURNEYS_OF]
    try:
        with closing(
            Models(Folder(folder), loader.url, schema, replace(tables, found=own))
        ) as models:
            return models.create_view(JOURNEYS)
    except OneLineError:
        raise
    except Exception as error:
        raise OpsError(f"{loader.name} cannot be used: {redactor(in_a_line(error))}") from error


def _loaded(loader: Loader, project: Project) -> Tables:
    keep_secret(loader.url)
    file = file_of(loader.url)
    if file is not None and not file.exists():
        raise OpsError(f"{file} does not exist: nothing has been loaded yet")
    try:
        return read_tables(loader, project.extractors.values())
    except OneLineError:
        raise
    except Exception as error:
        raise OpsError(f"{loader.name} cannot be used: {redactor(in_a_line(error))}") from error
