"""Code that vendors' taps and targets share: validation of settings, and the command."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import click
from singer_sdk.exceptions import ConfigValidationError, MappingError
from singer_sdk.plugin_base import SingerCommand
from typing_extensions import override

from attribution_elt.core import redaction, runtime
from attribution_elt.core.errors import OneLineError, lines_of
from attribution_elt.core.events import event
from attribution_elt.core.settings import Plugin, misread_variables, whole_schema
from attribution_elt.kit import settings
from attribution_elt.kit.errors import CredentialsError, InvalidSettingsError


class PluginCommand(SingerCommand):
    """Exits with code 1 if the run or any of its units failed; never prints a traceback."""

    @override
    def main(self, *args: Any, **kwargs: Any) -> Any:
        runtime.open_standard_streams()
        redaction.install()
        runtime.collect_rarely()
        runtime.widen_pipes()
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


class VendorPlugin(Plugin):
    """Validates the settings, and reports each invalid one in a line.

    A setting that is null counts as not set, so that its default applies.
    """

    package_name = settings.DISTRIBUTION

    def __init__(self, *args: Any, validate_config: bool = True, **options: Any) -> None:
        if options.get("parse_env_config") and (
            misread := list(misread_variables(self.name, whole_schema(type(self))))
        ):
            raise InvalidSettingsError(misread)
        if isinstance(given := options.get("config"), dict):
            options["config"] = {name: value for name, value in given.items() if value is not None}
        try:
            super().__init__(*args, validate_config=validate_config, **options)
            invalid = list(self.setting_errors()) if validate_config else []
        except ConfigValidationError as error:
            invalid = list(self.setting_errors()) or error.errors
        except MappingError as error:
            invalid = [f"setting 'stream_maps': {error}"]
        self.keep_secrets()
        if invalid:
            raise InvalidSettingsError(invalid)
        context = click.get_current_context(silent=True)
        if context is not None and isinstance(context.command, PluginCommand):
            self.warn_of_unknown_settings()
            # each STATE covers only what is complete, so the process may end at any time
            runtime.end_at_signals()

    @override
    def _setup_signal_handlers(self) -> None:
        """Leave signals to the command: the SDK's handlers would end it with code 0."""

    def setting_errors(self) -> Iterable[str]:
        """Yield a line for each invalid setting; plugins add their own rules."""
        yield from settings.setting_errors(whole_schema(type(self)), self.config)

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        return PluginCommand(
            name=command.name,
            callback=command.callback,
            params=command.params,
            context_settings=command.context_settings,
            help=command.help,
            logger=cls.logger,
        )
