"""Routes records of a stream to their tables, through a stream map if one applies."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from singer_sdk.mapper import SameRecordTransform, StreamMap

from attribution_elt.core.errors import stream_map_error
from target_warehouse import exact
from target_warehouse.decode import Place
from target_warehouse.errors import LoadError
from target_warehouse.table_loader import TableLoader

_DEPTH = 100_000  # every version of Python refuses it
_TOO_DEEP = b'{"record": {"": %s%s}}' % (b"[" * _DEPTH, b"]" * _DEPTH)
"""Replaces a record that is nested too deeply for a stream map; it is rejected.

The record itself may contain data that the map is to remove.
"""


@dataclasses.dataclass(frozen=True)
class Route:
    """One table that takes records of a stream, unchanged or as a stream map returns them."""

    stream_map: StreamMap
    table: TableLoader

    def mapped(
        self, lines: Sequence[bytes], places: Sequence[Place]
    ) -> tuple[Sequence[bytes], Sequence[Place]]:
        """Return the lines for the table, with their positions in the input."""
        if is_plain(self.stream_map):
            return lines, places
        mapped = [
            (line, place)
            for place, line in zip(places, _transformed(lines, self.stream_map), strict=True)
            if line is not None
        ]
        return [line for line, _ in mapped], [place for _, place in mapped]


def is_plain(stream_map: StreamMap) -> bool:
    """Return whether a stream map leaves records unchanged."""
    is_same = isinstance(stream_map, SameRecordTransform)
    return is_same and not stream_map.flattening_enabled


def _transformed(lines: Sequence[bytes], stream_map: StreamMap) -> Iterator[bytes | None]:
    for line in lines:
        try:
            message = exact.parse_leniently(line)
        except ValueError:
            message = {}
        except RecursionError:
            yield _TOO_DEEP
            continue
        if not isinstance(message.get("record"), dict):
            yield line  # the decoder refuses it, and names its place
            continue
        try:
            record = stream_map.transform(message["record"])
        except Exception as error:  # noqa: BLE001 - expressions may raise anything
            raise LoadError(stream_map_error(error, stream_map.stream_alias)) from None
        yield None if record is None else exact.to_json(message | {"record": record})
