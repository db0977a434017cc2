"""`attribution-elt run`: `meltano run`, with its progress and a summary."""

from __future__ import annotations

import sys

import click

from attribution_elt.cli.display import display
from attribution_elt.meltano import failures as history
from attribution_elt.meltano import webhook as alerts
from attribution_elt.meltano.execution import execute
from attribution_elt.meltano.project import Project
from attribution_elt.reporting import revenue


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("blocks", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option(
    "--no-failure-alert",
    is_flag=True,
    help="Whoever started it tries again, and tells the webhook of a failure itself.",
)
@click.pass_obj
def run(project: Project, blocks: tuple[str, ...], *, no_failure_alert: bool) -> None:
    """Run jobs, or taps into loaders: BLOCKS, and options, are those of `meltano run`.

    At a terminal it shows how far it is, and a summary at the end; elsewhere it prints the same as
    JSON objects, one a line. The exit code is Meltano's.
    """
    shown = display()
    outcome = execute(project.asked_for, blocks, shown)
    history.complete(project, outcome, shown)
    revenue.note_run(project, outcome, shown)
    alerts.tell(project, outcome, shown, failure_alert=not no_failure_alert)
    sys.exit(outcome.exit_code)
