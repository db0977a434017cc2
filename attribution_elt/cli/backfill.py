"""`attribution-elt backfill`: loads a range of past days with a separate state."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import click

from attribution_elt.cli.display import display
from attribution_elt.cli.parameters import Day, Duration
from attribution_elt.cli.ranges import (
    REQUEST_SECONDS,
    START_SECONDS,
    about,
    check_account,
    check_days,
    loader_of,
    run_range,
    settings_of,
)
from attribution_elt.core.dates import day_of
from attribution_elt.core.errors import OpsError
from attribution_elt.core.text import counted
from attribution_elt.kit.windows import Window, windows
from attribution_elt.meltano.failures import record_failures
from attribution_elt.meltano.project import BACKFILL, Extractor, Project
from attribution_elt.meltano.webhook import alert


@click.command()
@click.argument("tap")
@click.option("--from", "first", type=Day(), required=True, help="First day.")
@click.option("--to", "last", type=Day(), required=True, help="Last day.")
@click.option(
    "--slice",
    "length",
    type=Duration(days=True),
    default="7d",
    show_default=True,
    help="Days that one run loads.",
)
@click.option("--loader", help="Loader to use. Defaults to the project's first.")
@click.option("--again", is_flag=True, help="Reload even completed days.")
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.pass_obj
def backfill(
    project: Project,
    tap: str,
    *,
    first: date,
    last: date,
    length: timedelta,
    loader: str | None,
    again: bool,
    dry_run: bool,
) -> None:
    """Load past days of TAP, slice by slice.

    The rows go into the same tables. A backfill has its own state, so the bookmark of other runs
    does not move. To resume an interrupted backfill, run the same command.
    """
    extractor = project.extractor(tap)
    days = Window(first, last)
    refuse(extractor, days)
    target = loader_of(project, loader)
    suffix = f"{BACKFILL}{days.first}-{days.last}"
    state_id = project.state_id(tap, target.name, suffix)
    if again and not dry_run:
        project.meltano.ask("state", "clear", "--force", state_id)
    done = None if again else _reached(project.state(state_id))
    start = days.first if done is None else done + timedelta(days=1)
    slices = list(windows(start, days.last, length.days))
    with display() as shown:
        shown.note(_plan(extractor, target.name, days, done, slices))
        if dry_run or not slices:
            return
        took: list[float] = []
        for number, each in enumerate(slices, 1):
            shown.note(f"slice {number} of {len(slices)}: {each.first}..{each.last}")
            outcome = run_range(
                project, extractor, target, shown, settings=settings_of(each), suffix=suffix
            )
            shown.summarize([outcome], [])
            record_failures(project, outcome, shown)
            alert(project, [outcome], shown)
            if outcome.exit_code:
                shown.note("stopped; run the same command again to resume")
                sys.exit(outcome.exit_code)
            took.append(outcome.seconds)
            left = (len(slices) - number) * sum(took) / len(took)
            shown.note(f"slice {number} of {len(slices)} is complete; {about(left)} left")
        shown.note(f"{tap}: {days.first}..{days.last} is complete")


def refuse(extractor: Extractor, days: Window) -> None:
    """Raise OpsError if a tap cannot load these days."""
    if reason := extractor.tap.backfill_refusal:
        raise OpsError(f"{extractor.name} cannot load a range of past days: {reason}")
    check_account(extractor)
    check_days(days)


def _reached(state: Mapping[str, Any]) -> date | None:
    """Return the last day that is complete in every stream, or None."""
    bookmarks = [each.get("replication_key_value") for each in state.get("bookmarks", {}).values()]
    if not bookmarks or not all(bookmarks):
        return None
    return min(day_of(str(each)) for each in bookmarks)


def _plan(
    extractor: Extractor, loader: str, days: Window, done: date | None, slices: list[Window]
) -> str:
    """Return the plan: slices, requests and an estimate of the time."""
    what = f"{extractor.name} into {loader}, {days.first}..{days.last}: "
    if not slices:
        return f"{what}complete; --again reloads it"
    if done is not None:
        what += f"complete until {done}; "
    requests = sum(_requests(extractor, each) for each in slices)
    estimate = len(slices) * START_SECONDS + requests * REQUEST_SECONDS
    return (
        f"{what}{counted(len(slices), 'slice')}, {counted(requests, 'request')}, "
        f"{about(estimate)} "
        f"at {START_SECONDS} s to start a slice and {REQUEST_SECONDS} s a request"
    )


def _requests(extractor: Extractor, each: Window) -> int:
    config = {**extractor.settings, **settings_of(each)}
    return extractor.tap(config=config).count_requests()
