"""`attribution-elt alert`: which accounts have not been loaded for too long?"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from typing_extensions import override

from attribution_elt.checks.findings import Finding, show, show_json
from attribution_elt.cli.backfill import SUFFIX
from attribution_elt.core.dates import duration
from attribution_elt.core.errors import OpsError
from attribution_elt.meltano import webhook as alerts
from attribution_elt.meltano.project import Project


class _Age(click.ParamType[timedelta]):
    """A duration such as `26h`."""

    name = "duration"

    @override
    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        try:
            return duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.argument("taps", nargs=-1)
@click.option("--late", type=_Age(), required=True, help="Since when is too long, such as 26h.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
@click.pass_obj
def alert(project: Project, taps: tuple[str, ...], *, late: timedelta, as_json: bool) -> None:
    """Tell the webhook of TAPS without a successful run of late, by Meltano's job history.

    Without TAPS, every configured account is looked at. A line each; exit code 1 if any is late.
    """
    names = taps or [each.name for each in project.accounts]
    for name in names:
        project.extractor(name)
    findings = list(check(project, names, late))
    (show_json if as_json else show)(findings)
    behind = [f"{each.subject}: {each.problems[0]}" for each in findings if not each.ok]
    if not behind:
        return
    if url := project.webhook:
        try:
            alerts.send(url, f"{project.environment}: late", behind)
        except OpsError as error:
            click.echo(f"no alert could be sent: {error}", err=True)
    sys.exit(1)


def check(project: Project, names: Iterable[str], late: timedelta) -> Iterator[Finding]:
    """Yield, for each tap, when it was loaded last."""
    runs = project.runs()
    now = datetime.now(UTC)
    for name in names:
        found = Finding(name)
        jobs = [project.state_id(name, loader) for loader in project.loaders]
        ended = _last_success(runs, jobs)
        if ended is None:
            found.problems.append("no successful run is remembered")
        else:
            told = f"last loaded at {ended:%Y-%m-%d %H:%M} UTC"
            (found.facts if now - ended <= late else found.problems).append(told)
        yield found


def _last_success(runs: Sequence[Mapping[str, Any]], jobs: Sequence[str]) -> datetime | None:
    """Return when one of these jobs last ended well, under whichever suffix but a backfill's."""
    for run in runs:  # the latest first
        environment, job, *suffix = f"{run['job_name']}:".split(":")
        is_backfill = any(each.startswith(SUFFIX) for each in suffix)
        if f"{environment}:{job}" in jobs and run["state"] == "SUCCESS" and not is_backfill:
            return datetime.fromisoformat(run["ended_at"]).astimezone(UTC)
    return None
