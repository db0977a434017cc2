"""Base classes of every vendor's tap and streams."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property, partial
from types import ModuleType
from typing import Any, ClassVar, TypeVar

import click
from singer_sdk import Stream, Tap, metrics
from singer_sdk.exceptions import ConfigValidationError, MapExpressionError, MappingError
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from singer_sdk.helpers.types import Context
from singer_sdk.mapper import SameRecordTransform, StreamMap
from singer_sdk.schema.source import SchemaDirectory
from singer_sdk.singerlib import RecordMessage, SchemaMessage
from typing_extensions import override

from attribution_elt.core import redaction, runtime
from attribution_elt.core.events import event
from attribution_elt.kit import settings
from attribution_elt.kit.command import TapCommand
from attribution_elt.kit.errors import InvalidSettingsError, TapError, UnitError
from attribution_elt.kit.http.client import Client
from attribution_elt.kit.reader import Reader
from attribution_elt.kit.records.personal_data import PersonalData
from attribution_elt.kit.records.shaper import RecordShaper
from attribution_elt.kit.windows import HistoryNeed
from attribution_elt.kit.writer import LineWriter

R = TypeVar("R", bound=Reader[Any, Any])


class VendorStream(Stream):
    """A stream as a vendor's folder declares it: attributes, and who retrieves its records."""

    tap: VendorTap
    reader: ClassVar[type[Reader[Any, Any]]]
    """Walks the units (windows, websites, feeds, customers) that this stream's records are in."""

    def __init__(self, tap: VendorTap) -> None:
        self.tap = tap
        super().__init__(tap)
        # what newer releases of the SDK wrap around it drops the fields of events
        self._log = logging.getLogger(self.logger.name)
        # the SDK announces an exception that the command line then tells in full
        self._log.addFilter(lambda record: "unhandled error" not in str(record.msg))
        self.emitted = 0
        self.keyless = 0
        self._counted = 0
        self._counter: metrics.Counter | None = None

    @property
    @override
    def schema(self) -> dict[str, Any]:
        return self._masked_schema

    @cached_property
    def _masked_schema(self) -> dict[str, Any]:
        return self.tap.personal_data.schema(self.tap.schemas.get_schema(self.name))

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Make the reader ready, for this is asked for before the SCHEMA message is written.

        One that reads from the warehouse has done so by then, before the loader opens it. There is
        no signpost: bookmarks are of whole units, which the reader keeps behind the clock.
        """
        self.tap.reader(self.reader)

    @override
    def get_record_counter(
        self, *, endpoint: str | None = None, log_interval: float = metrics.DEFAULT_LOG_INTERVAL
    ) -> metrics.Counter:
        self._counter = super().get_record_counter(endpoint=endpoint, log_interval=log_interval)
        self.count()
        return self._counter

    @override
    def get_records(self, context: Context | None) -> Iterable[dict[str, Any]]:
        """Have the reader write this stream's records, with its siblings', unless it has.

        They are written by `emit`: one answer feeds several streams, and the bookmark of a unit
        must follow its last record in whichever of them that is.
        """
        self.tap.read(self.reader, leader=self)
        return ()

    @property
    def wants_more(self) -> bool:
        """Whether a connection test, which takes a record of each stream, still needs one."""
        limit = self.ABORT_AT_RECORD_COUNT
        return limit is None or self.emitted < limit

    def emit(self, row: Any, **context: Any) -> None:
        """Write a vendor's object as a record; `context` holds what the vendor does not send.

        A row without its key is counted instead: no warehouse could tell it from another.
        """
        if not self.wants_more:
            return
        record = self._shape(row if isinstance(row, dict) else {"value": row}, context)
        for key in self._keys:
            if record[key] is None:
                self.keyless += 1
                return
        for name in self._deselected:
            del record[name]
        self.emitted += 1
        if self._prefix is not None:
            self.tap.writer.write_record(self._prefix, record)
            return
        for stream_map in self.stream_maps:
            mapped = self._mapped(stream_map, record)
            if mapped is not None:
                self.tap.write_message(RecordMessage(stream_map.stream_alias, mapped))

    def _mapped(self, stream_map: StreamMap, record: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return stream_map.transform(record)
        except Exception as error:  # noqa: BLE001 - expressions may raise anything
            what = str(error) if isinstance(error, MapExpressionError) else "an expression failed"
            # a cause's own words may repeat personal data
            cause = type(error.__cause__ or error).__name__
            where = f"setting 'stream_maps.{self.name}'"
            raise TapError(f"{where}: {what.rstrip('.')} ({cause})") from None

    def write_schema(self) -> None:
        """Write the SCHEMA messages ahead of records that leave before this stream's own turn."""
        for stream_map in self.stream_maps:
            keys = stream_map.transformed_key_properties
            bookmarks = [self.replication_key] if self.replication_key else None
            self.tap.write_message(
                SchemaMessage(
                    stream_map.stream_alias, stream_map.transformed_schema, keys, bookmarks
                )
            )

    @cached_property
    def _shape(self) -> RecordShaper:
        warn = partial(self._log.warning, extra=event("drift", stream=self.name))
        return RecordShaper(self.schema, tuple(self.primary_keys), self.tap.personal_data, warn)

    def count(self) -> None:
        """Bring the SDK's metric up to what has been emitted."""
        if self._counter is not None:
            self._counter.increment(self.emitted - self._counted)
            self._counted = self.emitted

    @cached_property
    def _keys(self) -> tuple[str, ...]:
        return tuple(self.primary_keys)

    @cached_property
    def _deselected(self) -> list[str]:
        names = self.schema["properties"]
        return [name for name in names if not self.mask.get(("properties", name), True)]

    @cached_property
    def _prefix(self) -> bytes | None:
        """What stands before each record; None if stream maps or flattening make the record."""
        plain = len(self.stream_maps) == 1 and type(self.stream_maps[0]) is SameRecordTransform
        if not plain or self.config.get("flattening_enabled"):
            return None
        return self.tap.writer.record_prefix(self.stream_maps[0].stream_alias)

    # bookmarks

    @property
    def bookmark(self) -> str | None:
        """The replication key's value up to which everything has been emitted."""
        value = self.stream_state.get("replication_key_value")
        return str(value) if value is not None else None

    def advance(self, value: str) -> None:
        """Move the bookmark forward, never back."""
        self.stream_state["replication_key"] = self.replication_key
        self.stream_state["replication_key_value"] = max(value, self.bookmark or "")

    @property
    def units(self) -> dict[str, Any]:
        """Bookmarks of a stream that keeps one for each unit, in its state."""
        units: dict[str, Any] = self.stream_state.setdefault("units", {})
        return units


def declared_in(module: ModuleType) -> tuple[type[VendorStream], ...]:
    """Return the streams that a module defines, in the order of their definitions."""
    return tuple(
        each
        for each in vars(module).values()
        if isinstance(each, type)
        and issubclass(each, VendorStream)
        and each.__module__ == module.__name__
    )


class VendorTap(Tap):
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
    backfill_refusal: ClassVar[str]
    """Why no range of past days can be asked for; "" if `start_date` and `end_date` do that."""
    has_retention: ClassVar[bool] = False
    """Whether the vendor can only be asked about the last days: `reaches` says how many."""
    stream_types: ClassVar[Sequence[type[VendorStream]]]
    schemas: ClassVar[SchemaDirectory]

    def __init__(self, *args: Any, validate_config: bool = True, **kwargs: Any) -> None:
        self.failures: list[UnitError] = []
        self._warned: set[str] = set()
        self._readers: dict[type[Reader[Any, Any]], Reader[Any, Any]] = {}
        self._read: set[type[Reader[Any, Any]]] = set()
        if isinstance(given := kwargs.get("config"), dict):
            # null is what is not set: its default holds
            kwargs["config"] = {name: value for name, value in given.items() if value is not None}
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
            context.obj = self
            # the state that was written covers everything that was complete
            runtime.end_at_signals()

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
        return [stream_type(self) for stream_type in self.stream_types]

    @cached_property
    def personal_data(self) -> PersonalData:
        """What happens to personal data."""
        secrets = redaction.secrets_of(self.config_jsonschema, dict(self.config))
        return PersonalData.of_settings(self.config, fallback_key="".join(secrets))

    @property
    def writer(self) -> LineWriter:
        """Where messages go."""
        writer = self.message_writer
        assert isinstance(writer, LineWriter)  # noqa: S101 - narrows the SDK's type
        return writer

    def write_state(self) -> None:
        """Write the state as it stands: every record that it covers has been written."""
        self.state_writer.write_state(self.state)

    def warn_once(self, text: str, *, kind: str = "warning") -> None:
        """Log a warning, of an event's kind, unless this run has said the same before."""
        if text not in self._warned:
            self._warned.add(text)
            self.logger.warning(text, extra=event(kind))

    def count_requests(self) -> int:
        """Return how many requests a run takes, if all goes well; for taps that know beforehand."""
        readers = [self.reader(kind.reader) for kind in self.stream_types]
        return sum(
            each.requests_each * sum(map(each.is_request, each.units()))
            for each in dict.fromkeys(readers)
        )

    def history_needed(self) -> Iterable[HistoryNeed]:
        """Yield how far back each account's next run has to reach, where the vendor `forgets`."""
        return ()

    @abstractmethod
    def make_clients(self) -> dict[str, Client]:
        """Return a client for each account that the settings name, by a name of its own."""

    @cached_property
    def clients(self) -> dict[str, Client]:
        """The accounts; refused credentials of one leave the others to be read."""
        return self.make_clients()

    def reader(self, kind: type[R]) -> R:
        """Return the run's reader of a kind, for all selected streams that it feeds."""
        if not self._readers and (faults := list(self.selection_errors())):
            raise InvalidSettingsError(faults)
        if kind not in self._readers:
            family = [
                each
                for each in self.streams.values()
                if isinstance(each, VendorStream) and each.reader is kind and each.selected
            ]
            self._readers[kind] = kind(self, family)
        reader = self._readers[kind]
        assert isinstance(reader, kind)  # noqa: S101 - narrows what the key stands for
        return reader

    def read(self, kind: type[R], *, leader: VendorStream | None = None) -> R:
        """Run a reader, once in a run, and return it.

        Args:
            kind: the reader.
            leader: the stream whose turn it is; its SCHEMA message has been written already.
        """
        reader = self.reader(kind)
        if kind not in self._read:
            self._read.add(kind)
            for sibling in reader.streams.values():
                if sibling is not leader:
                    sibling.write_schema()
            reader.run()
        return reader

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
