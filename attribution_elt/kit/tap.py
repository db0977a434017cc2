"""The base class of every vendor's tap."""

from __future__ import annotations

import io
import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import IO, Any, ClassVar, Generic

import click
from singer_sdk import Tap
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from singer_sdk.schema.source import SchemaDirectory
from singer_sdk.singerlib import Catalog
from typing_extensions import override

from attribution_elt.core import redaction
from attribution_elt.core.settings import reading
from attribution_elt.kit import inputs
from attribution_elt.kit.errors import InvalidSettingsError
from attribution_elt.kit.plugin import PluginCommand, VendorPlugin
from attribution_elt.kit.reader import Reader
from attribution_elt.kit.revenue import RevenueSource
from attribution_elt.kit.run import ClientT, Run
from attribution_elt.kit.stream import VendorStream
from attribution_elt.kit.windows import HistoryNeed
from attribution_elt.kit.writer import LineWriter


class VendorTap(VendorPlugin, Tap, Generic[ClientT]):
    """The base class of taps: settings, streams and the run."""

    name_variable = "MELTANO_EXTRACTOR_NAME"
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
    """The settings with credentials; an account counts as configured if any of them is set."""
    backfill_refusal: ClassVar[str] = "it has no end_date"
    """Why `backfill` cannot load past days; "" if the tap has `start_date` and `end_date`."""
    has_retention: ClassVar[bool] = False
    """Whether the vendor deletes old data: `history_needed` returns how far back a run must read.
    """
    revenue: ClassVar[RevenueSource | None] = None
    """The credits in the tap's tables, for the report."""
    stream_types: ClassVar[Sequence[type[VendorStream]]]
    schemas: ClassVar[SchemaDirectory]

    def __init__(self, *args: Any, **options: Any) -> None:
        self._check_inputs(options)
        super().__init__(*args, **options)
        context = click.get_current_context(silent=True)
        if context is not None and isinstance(context.command, PluginCommand):
            context.obj = self.run

    @classmethod
    @override
    def invoke(
        cls, *, state: IO[str] | None = None, catalog: IO[str] | None = None, **options: Any
    ) -> None:
        super().invoke(
            state=_json_file("--state", state), catalog=_json_file("--catalog", catalog), **options
        )

    def _check_inputs(self, given: dict[str, Any]) -> None:
        """Refuse a state or a catalog that the SDK cannot read, with a line for each fault."""
        errors: list[str] = []
        streams = self.keys_by_stream()
        if isinstance(state := given.get("state"), (dict, list, str, int, float)) and state:
            given["state"] = inputs.readable_state(state) if isinstance(state, dict) else state
            errors += inputs.state_errors(given["state"], streams)
        if (catalog := given.get("catalog")) is not None and not isinstance(catalog, Catalog):
            errors += inputs.catalog_errors(catalog, streams)
        if errors:
            raise InvalidSettingsError(errors)

    @classmethod
    def keys_by_stream(cls) -> dict[str, Sequence[str]]:
        """Return the primary key of each stream of the tap."""
        kinds: Iterable[Any] = cls.stream_types  # of classes, mypy sees the SDK's properties
        return {each.name: each.primary_keys for each in kinds}

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

    def selection_errors(self) -> Iterable[str]:
        """Yield a line for each setting that a selected stream needs and that is missing."""
        return ()

    @override
    def discover_streams(self) -> Sequence[VendorStream]:
        return self.streams_of(self.stream_types)

    def streams_of(self, kinds: Iterable[type[VendorStream]]) -> list[VendorStream]:
        """Return streams of these classes."""
        return [kind(self, self.run, self.schemas) for kind in kinds]

    def _personal_data_errors(self) -> Iterator[str]:
        """Yield a line for the first stream loaded with other settings of personal data."""
        streams = [each for each in self.streams.values() if isinstance(each, VendorStream)]
        errors = (each.personal_data_error for each in streams if each.selected)
        yield from islice(filter(None, errors), 1)

    @property
    def listing_streams(self) -> list[str]:
        """The streams whose rows are the units of readers."""
        return [each.units_of for each in self._readers() if each.units_of]

    def count_requests(self, rows: Mapping[str, int] | None = None) -> int:
        """Return how many requests a run without a state needs, not counting retries.

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
        """Yield how far back each account's next run must read, if `has_retention`."""
        return ()

    @abstractmethod
    def make_clients(self) -> dict[str, ClientT]:
        """Return a client for each account in the settings, by account name."""


def _json_file(option: str, file: IO[str] | None) -> IO[str] | None:
    if file is None:
        return None
    with reading(f"{option} {file.name}"):
        text = file.read()
        json.loads(text)
    return io.StringIO(text)
