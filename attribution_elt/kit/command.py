"""The command of vendors' taps and targets: a line for each failure, and exit code 1."""

from __future__ import annotations

import sys
from typing import Any

import click
from singer_sdk.plugin_base import SingerCommand
from typing_extensions import override

from attribution_elt.core import redaction, runtime
from attribution_elt.core.errors import OneLineError, lines_of
from attribution_elt.core.events import event
from attribution_elt.kit.errors import CredentialsError


class PluginCommand(SingerCommand):
    """Exits with code 1 if the run or any of its units failed; never prints a traceback."""

    @override
    def main(self, *args: Any, **kwargs: Any) -> Any:
        runtime.open_standard_streams()
        redaction.install()
        runtime.collect_rarely()
        try:
            runtime.require_output()
            return super().main(*args, **kwargs)
        except Exception as error:
            for line in lines_of(error):
                self.logger.error(line, extra=event("run_failed"))  # noqa: TRY400 - one line
            if not isinstance(error, (OneLineError, OSError, ValueError)):
                self.logger.debug("the error was raised here", exc_info=True)
        sys.exit(1)

    @override
    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
        finally:
            failures = ctx.obj.failures if ctx.obj is not None else []
            for failure in failures:
                refused = isinstance(failure, CredentialsError)
                self.logger.error(
                    "failed: %s" if refused else "failed; the next run retries it: %s",
                    failure,
                    extra=event("unit_failed", streams=failure.streams, status=failure.status),
                )
        if failures:
            ctx.exit(1)
        return result
