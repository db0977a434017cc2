"""Commands that need an extra of the distribution."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from attribution_elt.core.errors import OpsError
from attribution_elt.kit.settings import DISTRIBUTION
from attribution_elt.meltano.project import Loader, Project
from attribution_elt.meltano.views import NAME, Definition


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


def definition(project: Project) -> Definition:
    """Return a function that returns the SELECT of the view from the models of `transform/`."""

    def select(loader: Loader, schema: str) -> str:
        with extra("report", f"the view {NAME}"):
            from attribution_elt.models.project import view_of  # noqa: PLC0415 - an extra
        return view_of(project, loader, NAME, schema)

    return select
