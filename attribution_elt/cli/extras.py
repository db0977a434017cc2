"""Commands that need an extra of the distribution."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from attribution_elt.core.errors import OpsError
from attribution_elt.kit.settings import DISTRIBUTION
from attribution_elt.meltano.project import Loader, Project
from attribution_elt.meltano.views import NAME, View, views_of


@contextmanager
def extra(name: str, what: str) -> Iterator[None]:
    """Import modules that an extra installs.

    Raises:
        OpsError: a module is missing; the message names the extra.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise OpsError(
            f"{what} needs the Python module {error.name}: pip install '{DISTRIBUTION}[{name}]'"
        ) from None


def create_views(project: Project, loader: Loader) -> list[View]:
    """Create or replace the view where its tables exist; return the view in each of its schemas.

    Raises:
        OpsError: the warehouse refuses the view, or cannot be read.
    """
    found = views_of(project, loader)
    for view in found:
        if not view.missing:
            with extra("report", f"the view {NAME}"):
                from attribution_elt.models.project import create_view  # noqa: PLC0415 - an extra
            create_view(project, loader, NAME, view.schema)
    return found
