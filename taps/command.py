"""The command line of every tap: one line for each failure, and an honest exit code."""

from __future__ import annotations

import gc
import sys
from typing import Any

import click
from singer_sdk.plugin_base import SingerCommand
from typing_extensions import override

from taps import redaction
from taps.errors import InvalidSettingsError, TapError

GARBAGE_THRESHOLD = 100_000
"""Objects made before the collector looks for cycles among them."""


class TapCommand(SingerCommand):
    """Ends with exit code 1 when the run, or any unit of it, failed; never with a traceback."""

    @override
    def main(self, *args: Any, **kwargs: Any) -> Any:
        redaction.install()
        gc.freeze()  # what was imported stays; records are no cycles, so look for them less often
        gc.set_threshold(GARBAGE_THRESHOLD)
        try:
            return super().main(*args, **kwargs)
        except InvalidSettingsError as error:
            for fault in error.faults:
                self.logger.error(fault)  # noqa: TRY400 - one line, no traceback
        except TapError as error:
            self.logger.error(error)  # noqa: TRY400
        except (OSError, ValueError) as error:
            self.logger.error("%s: %s", type(error).__name__, error)  # noqa: TRY400
        except Exception as error:
            self.logger.error("unexpected %s: %s", type(error).__name__, error)  # noqa: TRY400
            self.logger.debug("where it happened", exc_info=True)
        sys.exit(1)

    @override
    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
        finally:
            failures = ctx.obj.failures if ctx.obj is not None else []
            for failure in failures:
                self.logger.error("failed, the next run tries again: %s", failure)
        if failures:
            ctx.exit(1)
        return result
