"""The base class of every vendor's streams."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, partial
from types import ModuleType
from typing import Any, ClassVar

import msgspec
from singer_sdk import Tap
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform, StreamMap
from singer_sdk.schema.source import SchemaDirectory
from singer_sdk.singerlib import RecordMessage, SchemaMessage
from typing_extensions import override

from attribution_elt.core.errors import stream_map_error
from attribution_elt.core.events import CLAIMS, VOLATILE, event
from attribution_elt.core.people import PERSONAL, Personal
from attribution_elt.kit.claims import Claim, Range, Written, as_written
from attribution_elt.kit.errors import PluginError
from attribution_elt.kit.listed_ids import fingerprint
from attribution_elt.kit.records.shaper import RecordShaper
from attribution_elt.kit.run import AnyReader, Run
from attribution_elt.kit.sdk_hooks import SdkHooks, leave_errors_to_command

PERSONAL_DATA = "personal_data"
"""The member of a stream's state that holds the fingerprint of `pii` and `pii_key`."""
STAND_IN = "x-stand-in"
"""The annotation of a key property with the value that replaces missing ones."""
_SCOPE_OPTIONS = {"__filter__", "__alias__", "__source__", "__key_properties__"}
"""Options of a stream map that change which records a stream has, or their identity."""

_encode = msgspec.json.Encoder(decimal_format="number", order="sorted").encode


class VendorStream(SdkHooks):
    """A stream as a vendor's package declares it: attributes, and the reader of its records.

    Attributes:
        reader: reads the units (windows, websites, feeds, customers) that contain the records.
        emitted: records written in this run.
        keyless: records keyed by a hash of their content, because the vendor sent no key.
    """

    reader: ClassVar[type[AnyReader]]

    def __init__(self, tap: Tap, run: Run[Any], schemas: SchemaDirectory) -> None:
        self.run = run
        self._schemas = schemas
        super().__init__(tap)
        # the logger of newer SDK releases drops the fields of events
        self._log = logging.getLogger(self.logger.name)
        leave_errors_to_command(self._log)
        self.emitted = 0
        self.keyless = 0
        self._counted = 0

    @cached_property
    @override
    def schema(self) -> dict[str, Any]:
        return self.run.personal_data.schema(self._schemas.get_schema(self.name))

    @override
    def prepare(self) -> None:
        self.run.reader(self.reader)
        self._announce()

    @override
    def write_records(self) -> None:
        self.run.read(self.reader, leader=self)

    @override
    def finish(self) -> None:
        self.run.finish()

    @override
    def count(self) -> None:
        if self.counter is not None:
            self.counter.increment(self.emitted - self._counted)
            self._counted = self.emitted

    # records

    @property
    def wants_more(self) -> bool:
        """Whether a connection test still needs a record of this stream."""
        limit = self.ABORT_AT_RECORD_COUNT
        return limit is None or self.emitted < limit

    def emit(self, row: Any, **context: Any) -> dict[str, Any] | None:
        """Write a vendor's object as a record, and return the record.

        A missing part of the key is filled in, because no warehouse could distinguish rows without
        keys.

        Args:
            row: the object as decoded.
            context: properties that the vendor does not send with the row, by name.
        """
        if not self.wants_more:
            return None
        whole = row if isinstance(row, dict) else {"value": row}
        record = self._shape(whole, context)
        for key in self._keys:
            if record[key] is None:
                record[key] = self._stand_in(key, whole)
        for name in self._deselected:
            del record[name]
        self.emitted += 1
        if self._written is not None:
            self._written.add(record)
        if self._prefix is not None:
            self.run.writer.write_record(self._prefix, record)
            return record
        for stream_map in self.stream_maps:
            mapped = self._mapped(stream_map, record)
            if mapped is not None:
                self.run.write(RecordMessage(stream_map.stream_alias, mapped))
        return record

    def _stand_in(self, key: str, row: Mapping[str, Any]) -> Any:
        self.run.warn_once(f"{self.name}: rows without {key!r}; the tap fills it in", kind="drift")
        schema = self.schema["properties"][key]
        if STAND_IN in schema:
            return schema[STAND_IN]
        self.keyless += 1
        digest = self.run.personal_data.digest(_encode(row))
        if "integer" in schema["type"] or "number" in schema["type"]:
            return -int(digest[:16], 16) >> 2
        return f"sha256:{digest}"

    def _mapped(self, stream_map: StreamMap, record: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return stream_map.transform(record)
        except Exception as error:  # noqa: BLE001 - expressions may raise anything
            raise PluginError(stream_map_error(error, self.name)) from None

    def write_schema(self) -> None:
        """Write the SCHEMA messages before another stream's turn writes the records."""
        self._announce()
        for stream_map in self.stream_maps:
            if not isinstance(stream_map, RemoveRecordTransform):
                self.run.write(
                    SchemaMessage(
                        stream_map.stream_alias,
                        stream_map.transformed_schema,
                        stream_map.transformed_key_properties,
                        [self.replication_key] if self.replication_key else None,
                    )
                )

    @cached_property
    def _shape(self) -> RecordShaper:
        warn = partial(self._log.warning, extra=event("drift", stream=self.name))
        return RecordShaper(self.schema, self._keys, self.run.personal_data, warn)

    @cached_property
    def _keys(self) -> tuple[str, ...]:
        return tuple(self.primary_keys)

    @cached_property
    def _deselected(self) -> list[str]:
        names = self.schema["properties"]
        return [name for name in names if not self.mask.get(("properties", name), True)]

    @cached_property
    def _prefix(self) -> bytes | None:
        """The text before each record; None if stream maps or flattening create the record."""
        plain = len(self.stream_maps) == 1 and type(self.stream_maps[0]) is SameRecordTransform
        if not plain or self.config.get("flattening_enabled"):
            return None
        return self.run.writer.record_prefix(self.stream_maps[0].stream_alias)

    # claims

    def _announce(self) -> None:
        """Add the columns of claims and of personal data to the SCHEMA messages."""
        properties = self.schema["properties"]
        personal = replace(
            Personal.of_schema(properties, self._keys), setting=self._fingerprint or ""
        )
        for stream_map in self.stream_maps:
            if isinstance(stream_map, RemoveRecordTransform):
                continue
            # columns that a stream map makes may hold what it has renamed
            made = stream_map.transformed_schema["properties"].keys() - properties.keys()
            if personal.pii | made:
                announced = replace(personal, pii=personal.pii | made).announced()
                self.run.writer.annotations[stream_map.stream_alias] = {PERSONAL: announced}
        if self._written is not None:
            annotations = self.run.writer.annotations.setdefault(self.name, {})
            annotations[CLAIMS] = self.schema[CLAIMS]
        if VOLATILE in self.schema:
            annotations = self.run.writer.annotations.setdefault(self.name, {})
            annotations[VOLATILE] = self.schema[VOLATILE]

    def delivered(self, claim: Claim) -> dict[str, Any] | None:
        """Return a claim as the STATE message has it; None if this stream cannot make the claim."""
        if self._written is None:
            return None
        where: dict[str, Any] = {}
        for name, value in claim.where.items():
            if name not in self.schema[CLAIMS]:
                raise ValueError(f"{self.name}: {CLAIMS} does not name {name!r}")
            fitting = isinstance(value, Range) and "format" in self.schema["properties"][name]
            where[name] = value if fitting else self._shape.value(name, value)
            if where[name] is None:  # such as a dropped property of personal data
                return None
        return {
            "stream": self.name,
            "where": as_written(where, self._day_formats),
            "rows": self._written.count(where),
        }

    @cached_property
    def _written(self) -> Written | None:
        """Counts of the records for claims; None if the stream makes no claims."""
        if CLAIMS not in self.schema or self.ABORT_AT_RECORD_COUNT is not None:
            return None
        columns = self.schema[CLAIMS]
        if self._is_scope_changed(columns):
            self.run.warn_once(
                f"{self.name}: stream maps, flattening or the selection change the columns that "
                "show which rows are complete, so rows that vanish at the vendor stay in the table"
            )
            return None
        return Written(columns, tuple(self._day_formats))

    @cached_property
    def _day_formats(self) -> dict[str, str]:
        """The formats of claims' columns that contain dates or instants."""
        properties = self.schema["properties"]
        formats = {name: properties[name].get("format") for name in self.schema[CLAIMS]}
        return {name: each for name, each in formats.items() if each in {"date", "date-time"}}

    def _is_scope_changed(self, columns: list[str]) -> bool:
        """Whether settings change which records the stream has, their values or its name."""
        if len(self.stream_maps) != 1 or any(name in self._deselected for name in columns):
            return True
        (stream_map,) = self.stream_maps
        names = stream_map.transformed_schema["properties"]
        if stream_map.stream_alias != self.name or any(name not in names for name in columns):
            return True
        if isinstance(stream_map, SameRecordTransform):
            return False
        options = self.config["stream_maps"].get(self.name)
        changed = {*_SCOPE_OPTIONS, *columns, *self._keys}
        return not isinstance(options, dict) or bool(changed & options.keys())

    # state

    @property
    def bookmark(self) -> str | None:
        """The replication key's value up to which all records are emitted."""
        value = self.stream_state.get("replication_key_value")
        return str(value) if value is not None else None

    def advance(self, value: str) -> None:
        """Move the bookmark forward, never back."""
        self.stream_state["replication_key"] = self.replication_key
        self.stream_state["replication_key_value"] = max(value, self.bookmark or "")

    @property
    def units(self) -> dict[str, Any]:
        """Bookmarks of each unit, in the state of a stream that keeps them."""
        units: dict[str, Any] = self.stream_state.setdefault("units", {})
        return units

    def start_over_if_changed(self, settings: Mapping[str, Any]) -> None:
        """Reset the bookmarks if settings that decide which rows they cover have changed.

        The bookmarks become null: Meltano merges states, and would restore removed ones.
        """
        if not settings:
            return
        state, present = self.stream_state, fingerprint(settings)
        if state.get("settings", present) != present:
            names = " or ".join(settings)
            self._log.info("%s changed: all rows are read again", names, extra=event("output"))
            if "replication_key_value" in state:
                state["replication_key_value"] = None
            if "units" in state:
                state["units"] = dict.fromkeys(state["units"])
        state["settings"] = present

    @property
    def personal_data_error(self) -> str | None:
        """Why settings of personal data stop the stream; None if it can continue."""
        known = self.stream_state.get(PERSONAL_DATA)
        if known in {None, self._fingerprint}:
            return None
        return (
            f"setting 'pii' or 'pii_key': its value has changed since {self.name} was loaded, so "
            "the same person would get another value; set it back, or run with --full-refresh"
        )

    def remember_personal_data(self) -> None:
        """Keep a fingerprint of the settings of personal data in the state."""
        if self._fingerprint is not None:
            self.stream_state[PERSONAL_DATA] = self._fingerprint

    @cached_property
    def _fingerprint(self) -> str | None:
        personal = {n for n, each in self.schema["properties"].items() if each.get("x-pii")}
        if not personal:
            return None
        return self.run.personal_data.fingerprint(hashes_keys=bool(personal & set(self._keys)))


def declared_in(module: ModuleType) -> tuple[type[VendorStream], ...]:
    """Return the streams that a module defines, in the order of their definitions."""
    return tuple(
        each
        for each in vars(module).values()
        if isinstance(each, type)
        and issubclass(each, VendorStream)
        and each.__module__ == module.__name__
    )
