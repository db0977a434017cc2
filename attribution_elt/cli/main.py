"""The console script `attribution-elt`: one module for each command."""

from __future__ import annotations

import logging
import os
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from typing_extensions import override

from attribution_elt.cli.backfill import backfill
from attribution_elt.cli.forget import forget
from attribution_elt.cli.freshness import freshness
from attribution_elt.cli.metrics import metrics
from attribution_elt.cli.models import models
from attribution_elt.cli.preflight import preflight
from attribution_elt.cli.report import report
from attribution_elt.cli.run import run
from attribution_elt.cli.verify import verify
from attribution_elt.cli.views import views
from attribution_elt.core import redaction
from attribution_elt.core.errors import lines_of
from attribution_elt.core.redaction import redactor
from attribution_elt.core.runtime import exit_code, open_standard_streams
from attribution_elt.kit.settings import DISTRIBUTION
from attribution_elt.meltano.project import Project, enter_root, load_variables


class _Commands(click.Group):
    """Reports errors in one line and exits with code 1, without a traceback."""

    @override
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # Click's own exit code is 1
            sys.exit(exit_code(signal.SIGINT))

    @override
    def main(self, *args: Any, **kwargs: Any) -> Any:
        # the log of the tap classes is not for this command's output
        logging.getLogger().addHandler(logging.NullHandler())
        open_standard_streams()
        if sys.stdout is None:
            sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - of the process
        redaction.install()
        try:
            return super().main(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - its traceback might contain a secret
            sys.exit(redactor("\n".join(f"Error: {line}" for line in lines_of(error))))


@click.group(cls=_Commands)
@click.option(
    "--environment",
    envvar="MELTANO_ENVIRONMENT",
    metavar="NAME",
    help="Meltano environment. Defaults to the project's.",
)
@click.option(
    "--env-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path, resolve_path=True),
    help="File of environment variables. Defaults to the project's .env.",
)
@click.version_option(version(DISTRIBUTION), message=f"{DISTRIBUTION} v%(version)s")
@click.pass_context
def cli(context: click.Context, environment: str | None, env_file: Path | None) -> None:
    """Operate the pipeline of a Meltano project.

    The project is the one in the working folder. Settings come from meltano.yml, the project's .env
    and the environment, as Meltano reads them.
    """
    if os.environ.get("NO_COLOR"):
        context.color = False
    enter_root()
    load_variables(env_file)
    context.obj = Project(environment, env_file)


for command in (
    backfill,
    forget,
    freshness,
    metrics,
    models,
    preflight,
    report,
    run,
    verify,
    views,
):
    cli.add_command(command)
