"""The command line of every tap: one line for each failure, and an honest exit code."""

from __future__ import annotations

import gc
import sys
from typing import Any

import click
from singer_sdk.plugin_base import SingerCommand
from typing_extensions import override

from attribution_elt.core import redaction
from attribution_elt.kit.errors import InvalidSettingsError, TapError
from attribution_elt.kit.events import event

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
                self._fail(fault)
        except TapError as error:
            self._fail(str(error))
        except (OSError, ValueError) as error:
            self._fail(f"{type(error).__name__}: {error}")
        except Exception as error:
            self._fail(f"unexpected {type(error).__name__}: {error}")
            self.logger.debug("where it happened", exc_info=True)
        sys.exit(1)

    def _fail(self, reason: str) -> None:
        self.logger.error(reason, extra=event("run_failed"))

    @override
    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
        finally:
            failures = ctx.obj.failures if ctx.obj is not None else []
            for failure in failures:
                self.logger.error(
                    "failed, the next run tries again: %s",
                    failure,
                    extra=event("unit_failed", streams=failure.streams, status=failure.status),
                )
        if failures:
            ctx.exit(1)
        return result
