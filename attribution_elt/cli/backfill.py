"""`attribution-elt backfill`: loads a range of past days, beside the runs that go forward."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click
from typing_extensions import override

from attribution_elt.cli.display import display
from attribution_elt.core.dates import day_of, duration
from attribution_elt.core.errors import OpsError
from attribution_elt.kit.windows import Window, windows
from attribution_elt.meltano import failures as history
from attribution_elt.meltano import webhook as alerts
from attribution_elt.meltano.execution import execute
from attribution_elt.meltano.project import Extractor, Project
from attribution_elt.reporting import revenue

SUFFIX = "backfill-"
"""How the suffix of a backfill's state begins."""
START_SECONDS, REQUEST_SECONDS = 10, 1
"""What the first estimate takes the start of a slice's run, and a request, to last."""


class _Slice(click.ParamType[int]):
    """A number of days, such as `7d`."""

    name = "days"

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            length = duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if length % timedelta(days=1):
            self.fail(f"{value!r} is not a number of days such as 7d", param, ctx)
        return length.days


_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.argument("tap")
@click.option("--from", "first", type=_DAY, required=True, help="First day.")
@click.option("--to", "last", type=_DAY, required=True, help="Last day.")
@click.option(
    "--slice", "days", type=_Slice(), default="7d", help="Days of one run; 7d if not given."
)
@click.option("--loader", help="Which loader; the project's first if not given.")
@click.option("--again", is_flag=True, help="Load it anew, even what is complete.")
@click.option("--dry-run", is_flag=True, help="Only say what there is to do.")
@click.pass_obj
def backfill(
    project: Project,
    tap: str,
    *,
    first: datetime,
    last: datetime,
    days: int,
    loader: str | None,
    again: bool,
    dry_run: bool,
) -> None:
    """Load what TAP gives of past days, into the same tables, slice by slice.

    It has a state of its own, which Meltano keeps: what is complete is not asked for again, and the
    bookmark of the runs that go forward stays where it is. The same command goes on where one was
    interrupted.
    """
    extractor = project.extractor(tap)
    whole = Window(first.date(), last.date())
    refuse_what_cannot_be(extractor, whole)
    target = loader or project.loader.name
    if target not in project.loaders:
        raise OpsError(
            f"{target!r} is none of this project's: there are {', '.join(project.loaders)}"
        )
    suffix = f"{SUFFIX}{whole.first}-{whole.last}"
    state_id = project.state_id(tap, target, suffix)
    if again and not dry_run:
        project.meltano.ask("state", "clear", "--force", state_id)
    done = None if again else _reached(project.state(state_id))
    start = whole.first if done is None else done + timedelta(days=1)
    slices = list(windows(start, whole.last, days))
    shown = display()
    shown.say(_plan(extractor, target, whole, done, slices))
    if dry_run or not slices:
        return
    took: list[float] = []
    for number, each in enumerate(slices, 1):
        began = time.monotonic()
        shown.say(f"slice {number} of {len(slices)}: {each.first}..{each.last}")
        outcome = execute(
            project.meltano,
            [f"--state-id-suffix={suffix}", tap, target],
            shown,
            variables=_variables(extractor, each),
        )
        history.complete(project, outcome, shown)
        revenue.note_run(project, outcome, shown)
        alerts.tell(project, outcome, shown)
        if outcome.exit_code:
            shown.say("stopped; the same command goes on where this one was")
            sys.exit(outcome.exit_code)
        took.append(time.monotonic() - began)
        left = (len(slices) - number) * sum(took) / len(took)
        shown.say(f"slice {number} of {len(slices)} is complete; {_duration(left)} to go")
    shown.say(f"{tap}: {whole.first}..{whole.last} is complete")


def refuse_what_cannot_be(extractor: Extractor, whole: Window) -> None:
    """Look whether a tap can be asked for these days.

    Raises:
        OpsError: it cannot.
    """
    today = datetime.now(UTC).date()
    if reason := extractor.tap.backfill_refusal:
        raise OpsError(f"{extractor.name} cannot be asked for a range of past days: {reason}")
    if not extractor.configured:
        raise OpsError(f"{extractor.name} has no credentials: set {extractor.tap.credentials[0]}")
    if whole.last < whole.first:
        raise OpsError(f"--to {whole.last} is before --from {whole.first}")
    if whole.last > today:
        raise OpsError(f"--to {whole.last} is in the future: today is {today} in UTC")


def _reached(state: Mapping[str, Any]) -> date | None:
    """Return the last day that is complete in every stream; None if none is."""
    bookmarks = [each.get("replication_key_value") for each in state.get("bookmarks", {}).values()]
    if not bookmarks or not all(bookmarks):
        return None
    return min(day_of(str(each)) for each in bookmarks)


def _plan(
    extractor: Extractor, loader: str, whole: Window, done: date | None, slices: list[Window]
) -> str:
    """Say what there is to do, how many requests that takes, and how long."""
    what = f"{extractor.name} into {loader}, {whole.first}..{whole.last}: "
    if not slices:
        return f"{what}complete already; --again loads it anew"
    if done is not None:
        what += f"complete until {done}; "
    requests = sum(_requests(extractor, each) for each in slices)
    estimate = len(slices) * START_SECONDS + requests * REQUEST_SECONDS
    return (
        f"{what}{_count(len(slices), 'slice')}, {_count(requests, 'request')}, "
        f"{_duration(estimate)} "
        f"at {START_SECONDS} s to start a slice and {REQUEST_SECONDS} s a request"
    )


def _requests(extractor: Extractor, each: Window) -> int:
    given = {"start_date": f"{each.first}", "end_date": f"{each.last}", "lookback_days": 0}
    return extractor.tap(config={**extractor.settings, **given}).count_requests()


def _variables(extractor: Extractor, each: Window) -> dict[str, str]:
    """Return the variables that have Meltano run a tap for just these days."""
    prefix = extractor.name.upper().replace("-", "_")
    return {
        f"{prefix}_START_DATE": each.first.isoformat(),
        f"{prefix}_END_DATE": each.last.isoformat(),
        f"{prefix}_LOOKBACK_DAYS": "0",  # what the slice before has brought is not read again
    }


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"about {minutes} minutes" if minutes > 1 else f"about {seconds:.0f} seconds"
