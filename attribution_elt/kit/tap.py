"""The base class of every vendor's tap."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, ClassVar, Generic

import click
from singer_sdk import Tap
from singer_sdk.exceptions import ConfigValidationError, MappingError
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from singer_sdk.schema.source import SchemaDirectory
from singer_sdk.singerlib import Catalog
from typing_extensions import override

from attribution_elt.core import redaction, runtime
from attribution_elt.core.events import event
from attribution_elt.core.spelling import unknown_settings
from attribution_elt.kit import inputs, settings
from attribution_elt.kit.command import TapCommand
from attribution_elt.kit.errors import InvalidSettingsError
from attribution_elt.kit.reader import Reader
from attribution_elt.kit.revenue import RevenueSource
from attribution_elt.kit.run import ClientT, Run
from attribution_elt.kit.stream import VendorStream
from attribution_elt.kit.windows import HistoryNeed
from attribution_elt.kit.writer import LineWriter


class VendorTap(Tap, Generic[ClientT]):
    """A vendor's tap: settings, streams, one HTTP policy, failures kept apart."""

    package_name = settings.DISTRIBUTION
    message_writer_class = LineWriter
    # BATCH files would bypass selection, stream maps and the masking of personal data
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    credentials: ClassVar[Sequence[str]]
    """The settings of which any opens an account."""
    backfill_refusal: ClassVar[str] = "it has no end_date"
    """Why `backfill` cannot load past days; "" if the tap has `start_date` and `end_date`."""
    has_retention: ClassVar[bool] = False
    """Whether the vendor forgets: `history_needed` returns how far back a run has to reach."""
    revenue: ClassVar[RevenueSource | None] = None
    """Credits in the tap's tables, for the report."""
    stream_types: ClassVar[Sequence[type[VendorStream]]]
    schemas: ClassVar[SchemaDirectory]

    def __init__(self, *args: Any, validate_config: bool = True, **kwargs: Any) -> None:
        if isinstance(given := kwargs.get("config"), dict):
            # null is what is not set: its default holds
            kwargs["config"] = {name: value for name, value in given.items() if value is not None}
        self._check_inputs(kwargs)
        try:
            super().__init__(*args, validate_config=validate_config, **kwargs)
            invalid = list(self.setting_errors()) if validate_config else []
        except ConfigValidationError as error:
            invalid = list(self.setting_errors()) or error.errors
        except MappingError as error:
            invalid = [f"setting 'stream_maps': {error}"]
        given = dict(self.config)
        secrets = redaction.secrets_of(self.config_jsonschema, given)
        redaction.redactor.add([*secrets, *redaction.passwords_of(given)])
        if invalid:
            raise InvalidSettingsError(invalid)
        context = click.get_current_context(silent=True)
        if context is not None and isinstance(context.command, TapCommand):
            context.obj = self.run
            self._warn_of_unknown_settings()
            # the state that was written covers everything that was complete
            runtime.end_at_signals()

    def _warn_of_unknown_settings(self) -> None:
        plugin = os.environ.get("MELTANO_EXTRACTOR_NAME") or self.name
        known = self.config_jsonschema["properties"]
        for line in unknown_settings(plugin, known, self.config):
            self.logger.warning(line, extra=event("warning"))

    def _check_inputs(self, given: dict[str, Any]) -> None:
        """Refuse a state or a catalogue that the SDK could not read, with a line for each fault."""
        errors: list[str] = []
        if isinstance(state := given.get("state"), (dict, list, str, int, float)) and state:
            given["state"] = inputs.readable_state(state) if isinstance(state, dict) else state
            errors += inputs.state_errors(given["state"])
        if (catalog := given.get("catalog")) is not None and not isinstance(catalog, Catalog):
            names = [str(vars(kind)["name"]) for kind in self.stream_types]
            errors += inputs.catalog_errors(catalog, names)
        if errors:
            raise InvalidSettingsError(errors)

    @cached_property
    def run(self) -> Run[ClientT]:
        """The extraction."""
        return Run(
            self,
            self.make_clients,
            hash_key=self._credentials_text,
            selection_errors=lambda: [*self.selection_errors(), *self._personal_data_errors()],
        )

    def _credentials_text(self) -> str:
        """Return the vendor's credentials, without passwords of the user's own databases."""
        given = {name: value for name, value in self.config.items() if name in self.credentials}
        return "".join(redaction.secrets_of(self.config_jsonschema, given))

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        super().append_builtin_config(config_jsonschema)
        properties = config_jsonschema["properties"]
        properties["stream_maps"] = settings.with_valid_alternatives(properties["stream_maps"])

    def setting_errors(self) -> Iterable[str]:
        """Yield one line for each setting that cannot work; taps add rules of their own."""
        yield from settings.setting_errors(self.config_jsonschema, self.config)

    def selection_errors(self) -> Iterable[str]:
        """Yield one line for each setting that a selected stream lacks."""
        return ()

    @override
    def discover_streams(self) -> Sequence[VendorStream]:
        return self.streams_of(self.stream_types)

    def streams_of(self, kinds: Iterable[type[VendorStream]]) -> list[VendorStream]:
        """Return streams of these kinds."""
        return [kind(self, self.run, self.schemas) for kind in kinds]

    def _personal_data_errors(self) -> Iterator[str]:
        """Yield a line for the first stream that was loaded with other settings."""
        streams = [each for each in self.streams.values() if isinstance(each, VendorStream)]
        errors = (each.personal_data_error for each in streams if each.selected)
        yield from islice(filter(None, errors), 1)

    @property
    def listing_streams(self) -> list[str]:
        """The streams whose rows are the units of readers."""
        return [each.units_of for each in self._readers() if each.units_of]

    def count_requests(self, rows: Mapping[str, int] | None = None) -> int:
        """Return how many requests a run without a state takes, if all goes well.

        Args:
            rows: number of rows of the `listing_streams`.
        """
        return sum(
            each.requests_each
            * (
                (rows or {}).get(each.units_of, 0)
                if each.units_of
                else sum(map(each.is_request, each.units()))
            )
            for each in self._readers()
        )

    def _readers(self) -> Iterator[Reader[Any, Any, Any]]:
        """Yield the readers of the selected streams."""
        streams = self.run.streams
        selected = [each for each in self.stream_types if streams[vars(each)["name"]].selected]
        for each in dict.fromkeys(self.run.reader(kind.reader) for kind in selected):
            if isinstance(each, Reader):
                yield each

    def history_needed(self) -> Iterable[HistoryNeed]:
        """Yield how far back each account's next run has to reach, if `has_retention`."""
        return ()

    @abstractmethod
    def make_clients(self) -> dict[str, ClientT]:
        """Return a client for each account that the settings name, by a name of its own."""

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        return TapCommand(
            name=command.name,
            callback=command.callback,
            params=command.params,
            context_settings=command.context_settings,
            help=command.help,
            logger=cls.logger,
        )
