"""Runs a tap over a range of past days, for `backfill` and `verify`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attribution_elt.core.errors import OpsError
from attribution_elt.core.spelling import variable_of
from attribution_elt.kit.windows import Window
from attribution_elt.meltano.display import Display
from attribution_elt.meltano.execution import execute
from attribution_elt.meltano.outcome import Outcome
from attribution_elt.meltano.project import Extractor, Loader, Project

START_SECONDS, REQUEST_SECONDS = 10, 1
"""Assumed seconds to start a run, and for a request, in the first estimate."""


def check_account(extractor: Extractor) -> None:
    """Raise OpsError if a tap has no credentials."""
    if not extractor.configured:
        raise OpsError(f"{extractor.name} has no credentials: set {extractor.credentials}")


def check_days(days: Window) -> None:
    """Raise OpsError if days are not in order, or one is in the future."""
    today = datetime.now(UTC).date()
    if days.last < days.first:
        raise OpsError(f"--to {days.last} is before --from {days.first}")
    if days.last > today:
        raise OpsError(f"--to {days.last} is in the future: today is {today} in UTC")


def loader_of(project: Project, name: str | None) -> Loader:
    """Return a loader; the project's first if no name is given.

    Raises:
        OpsError: the project has no such loader.
    """
    if name is None:
        return project.loader
    if name not in project.loaders:
        raise OpsError(f"unknown loader {name!r}; choose from {', '.join(project.loaders)}")
    return project.loaders[name]


def settings_of(days: Window, *, whole: bool = True) -> dict[str, Any]:
    """Return the settings that restrict a tap to these days.

    `whole` is false if the last day is today and is still read to its end.
    """
    end = {"end_date": days.last.isoformat()} if whole else {}
    # the last day of the range is read completely
    return {"start_date": days.first.isoformat(), **end, "lookback_days": 0}


def run_range(
    project: Project,
    extractor: Extractor,
    loader: Loader,
    display: Display,
    *,
    settings: Mapping[str, Any],
    suffix: str,
    options: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> Outcome:
    """Run a tap into a loader with a separate state, whose id has a suffix.

    `settings` and `variables` differ from the project's; `options` are those of `meltano run`.
    """
    given = {variable_of(extractor.name, name): str(value) for name, value in settings.items()}
    return execute(
        project.meltano,
        [extractor.name, loader.name],
        display,
        options=[f"--state-id-suffix={suffix}", *options],
        variables={**given, **(variables or {})},
    )


def about(seconds: float) -> str:
    """Return a duration in words."""
    minutes = round(seconds / 60)
    return f"about {minutes} minutes" if minutes > 1 else f"about {seconds:.0f} seconds"
