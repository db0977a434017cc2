"""`attribution-elt freshness`: finds accounts that were not loaded recently."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from attribution_elt.checks.findings import Finding
from attribution_elt.cli.display import show_findings
from attribution_elt.cli.parameters import Duration
from attribution_elt.core.dates import instant
from attribution_elt.core.errors import OpsError
from attribution_elt.meltano import webhook
from attribution_elt.meltano.project import BACKFILL, NO_ACCOUNT, VERIFY, Project
from attribution_elt.meltano.run_log import parts_of


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--max-age", type=Duration(), required=True, help="Maximum age of the last load, e.g. 26h."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def freshness(
    project: Project, names: tuple[str, ...], *, max_age: timedelta, as_json: bool
) -> None:
    """Find accounts that were not loaded recently.

    NAME is a tap or a job; without one, every account with credentials is checked. The times come
    from Meltano's job history. The command also sends late accounts to the webhook. Exit with 1 if
    any account is late, or if none has credentials.
    """
    accounts = project.extractors_of(names) if names else [each.name for each in project.accounts]
    if not accounts:
        raise OpsError(f"nothing was checked: {NO_ACCOUNT}")
    findings = list(check(project, accounts, max_age))
    show_findings(findings, as_json=as_json)
    late = [f"{each.subject}: {each.problems[0]}" for each in findings if not each.passed]
    if not late:
        return
    try:
        if url := project.webhook:
            webhook.send(url, f"{project.environment}: late", late)
    except OpsError as error:
        click.echo(f"the alert could not be sent: {error}", err=True)
    sys.exit(1)


def check(project: Project, names: Iterable[str], max_age: timedelta) -> Iterator[Finding]:
    """Yield a finding for each tap: its last successful run, and whether that was too long ago."""
    runs = project.runs()
    now = datetime.now(UTC)
    for name in names:
        found = Finding(name)
        ended = _last_success(runs, project.environment, name)
        if ended is None:
            found.problems.append("Meltano's history has no successful run")
        else:
            text = f"last loaded at {ended:%Y-%m-%d %H:%M} UTC"
            (found.facts if now - ended <= max_age else found.problems).append(text)
        yield found


def _last_success(
    runs: Sequence[Mapping[str, Any]], environment: str, name: str
) -> datetime | None:
    """Return when a tap was last loaded by any loader; backfills and verifications do not count."""
    for run in runs:  # latest first
        *found, _, suffix = parts_of(run["job_name"])
        is_aside = suffix == VERIFY or suffix.startswith(BACKFILL)
        if found == [environment, name] and run["state"] == "SUCCESS" and not is_aside:
            return instant(run["ended_at"])
    return None
