"""The console script `attribution-elt`: a module for each of its commands."""

from __future__ import annotations

import logging
import os
import sys
from importlib.metadata import version
from typing import Any

import click
from typing_extensions import override

from attribution_elt.cli.backfill import backfill
from attribution_elt.cli.freshness import alert
from attribution_elt.cli.preflight import preflight
from attribution_elt.cli.report import report
from attribution_elt.cli.run import run
from attribution_elt.core import redaction
from attribution_elt.core.errors import lines_of
from attribution_elt.core.redaction import redactor
from attribution_elt.kit import settings
from attribution_elt.meltano.project import Project, enter_root


class _Commands(click.Group):
    """Ends with one line and exit code 1 where a command cannot go on; never with a traceback."""

    @override
    def main(self, *args: Any, **kwargs: Any) -> Any:
        logging.getLogger().addHandler(logging.NullHandler())  # what taps log is not for here
        redaction.install()
        try:
            return super().main(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - its traceback might hold a secret
            sys.exit(redactor("\n".join(f"Error: {line}" for line in lines_of(error))))


@click.group(cls=_Commands)
@click.option(
    "--environment",
    envvar="MELTANO_ENVIRONMENT",
    metavar="NAME",
    help="The Meltano environment; the project's default if not given.",
)
@click.version_option(
    version(settings.DISTRIBUTION), message=f"{settings.DISTRIBUTION} v%(version)s"
)
@click.pass_context
def cli(context: click.Context, environment: str | None) -> None:
    """Operate the pipeline of the Meltano project that the working folder is in."""
    if os.environ.get("NO_COLOR"):
        context.color = False
    enter_root()
    context.obj = Project(environment)


for command in (alert, backfill, preflight, report, run):
    cli.add_command(command)
