"""`attribution-elt report`: a page about revenue and the pipeline."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import click

from attribution_elt.cli.extras import extra
from attribution_elt.cli.files import replace
from attribution_elt.cli.parameters import Day
from attribution_elt.core.errors import OpsError
from attribution_elt.meltano.project import Project
from attribution_elt.reporting.attempts import failed_attempts
from attribution_elt.reporting.reading import read


@click.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default="report.html",
    show_default=True,
    help="File to write; - is standard output.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=28,
    show_default=True,
    help="Number of days to show.",
)
@click.option(
    "--as-of",
    "day",
    type=Day(),
    help="Rebuild the report of a past day from the versions of the rows.",
)
@click.pass_obj
def report(project: Project, *, output: Path, days: int, day: date | None) -> None:
    """Write an HTML report from the warehouse.

    The report shows revenue by channel, restatements, credits by model, freshness and failures. It
    is one file without scripts. With --as-of, it shows what was known at the end of that day (UTC),
    if the loader keeps old versions of the rows.
    """
    with extra("report", "a report"):
        from attribution_elt.reporting.page import page  # noqa: PLC0415 - its needs are an extra
    now = datetime.now(UTC)
    known_at = None
    if day and day != now.date():
        if day > now.date():
            raise OpsError(f"--as-of {day} is in the future: today is {now.date()} in UTC")
        known_at = now = datetime.combine(day, time.max, UTC)
    first = (now - timedelta(days=days - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    extractors = list(project.extractors.values())
    attempts = failed_attempts(project, first, known_at)
    warehouses = [
        read(each, extractors, first, attempts, known_at) for each in project.loaders.values()
    ]
    if all(each.problem for each in warehouses):
        raise OpsError("; ".join(f"{each.loader}: {each.problem}" for each in warehouses))
    text = page(warehouses, project.environment, now, days)
    if str(output) == "-":
        click.echo(text, nl=False)
        return
    replace(output, text)
    click.echo(f"{output.resolve()} ({len(text.encode()) // 1000:,} kB)")
