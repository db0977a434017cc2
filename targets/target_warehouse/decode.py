"""Decodes RECORD lines into Arrow columns without rounding."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from singer_sdk.exceptions import InvalidInputLine

from target_warehouse import exact
from target_warehouse.arrow import ARROW_TYPES, INSTANT
from target_warehouse.columns import ColumnType, widen

EXTRACTED, VERSION, LINE = "\0time_extracted", "\0version", "\0line"
"""Columns that a record does not have: members of its message, and its index in the batch."""

_JSON_TYPES: dict[ColumnType, Any] = {
    ColumnType.BOOLEAN: bool | None,
    ColumnType.INTEGER: int | None,
    ColumnType.NUMBER: msgspec.Raw,  # the digits as sent, without rounding
    ColumnType.DATE: str | None,
    ColumnType.TIMESTAMP: str | None,
    ColumnType.TIME: str | None,
    ColumnType.TEXT: str | None,
    ColumnType.JSON: msgspec.Raw,
}
_NUMBER = r"^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$"
_PART = (
    1 << 20
)  # bytes of text that are copied at once: one text may be larger than the memory left
_NULL = msgspec.Raw(b"null")
_text = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode


Place = int | str
"""Position of a line: its number in the input, or its number in a batch file and the file."""


@dataclasses.dataclass(frozen=True)
class Reject:
    """A record that was refused; `line` is its index in the batch."""

    line: int
    reason: str
    keyless: bool = False


class NoRecordError(InvalidInputLine):
    """A line is not a RECORD message; `index` is its index among the decoded lines."""

    def __init__(self, place: Place, index: int, reason: object) -> None:
        super().__init__(f"line {place} is not a RECORD message: {reason}")
        self.index = index


class Decoder:
    """Decodes the records of one stream into a table with one column per property."""

    def __init__(
        self,
        kinds: Mapping[str, ColumnType],
        *,
        lenient: Iterable[str] = (),
        hint: Callable[[str], ColumnType | None] = lambda _: None,
        ignored: Iterable[str] = (),
    ) -> None:
        """Create a decoder for properties of these kinds.

        Args:
            kinds: Kind of each property.
            lenient: Properties whose kind is widened to any value; other values are refused.
            hint: Returns the kind of a property without a schema, if its column exists.
            ignored: Properties that are left out.
        """
        self.kinds = dict(kinds)
        """Kind of each property; values that the schema does not allow add kinds and widen some."""
        self.repaired = False
        """Whether text had to be changed to be storable."""
        self.has_odd_times = False
        """Whether some `time_extracted` could not be read."""
        self._lenient = set(lenient)
        self._hint = hint
        self._ignored = frozenset(ignored) - kinds.keys()
        self.unannounced: set[str] = set()
        """Properties of records that the schema does not have."""
        self._mixed: set[str] = set()
        """Text properties whose values are not all text."""
        self._typed = self._typed_decoder()

    def decode(
        self, lines: Sequence[bytes], places: Sequence[Place], start: int
    ) -> tuple[pa.Table, list[Reject]]:
        """Decode lines; rejected records are not in the table.

        `places` are the positions of the lines in the input, for error messages; `start` is the
        index of the first line in its batch.
        """
        try:
            return self._decode_typed(lines, start), []
        except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
            return self._decode_exactly(lines, places, start)

    def _typed_decoder(self) -> msgspec.json.Decoder[Any] | None:
        types = {name: _JSON_TYPES[kind] for name, kind in self.kinds.items()}
        types |= dict.fromkeys([*self._mixed, *self._ignored], msgspec.Raw)
        fields = {f"f{index}": name for index, name in enumerate(types)}
        try:
            record = msgspec.defstruct(
                "Record",
                [
                    (field, types[name], _NULL if types[name] is msgspec.Raw else None)
                    for field, name in fields.items()
                ],
                rename=fields,
                forbid_unknown_fields=True,
                gc=False,
            )
        except ValueError:  # msgspec takes no names with quotes and the like
            return None
        message = msgspec.defstruct(
            "Message",
            [
                ("record", record),
                ("time_extracted", str | None, None),
                ("version", int | None, None),
            ],
            gc=False,
        )
        return msgspec.json.Decoder(message)

    def _decode_typed(self, lines: Sequence[bytes], start: int) -> pa.Table:
        if self._typed is None:
            raise ValueError("these names have no typed decoder")
        decode = self._typed.decode
        messages = [decode(line) for line in lines]  # lets other threads run between lines
        values = zip(
            *[msgspec.structs.astuple(message.record) for message in messages], strict=True
        )
        columns = {
            name: _mixed_texts(column) if name in self._mixed else _array(kind, column)
            for (name, kind), column in zip(self.kinds.items(), values, strict=False)
        }
        for name, kind in self.kinds.items():
            if kind is ColumnType.TEXT and _has_nul(columns[name]):
                columns[name] = pc.replace_substring(columns[name], "\0", "")
                self.repaired = True
        columns[EXTRACTED] = _array(ColumnType.TIMESTAMP, [m.time_extracted for m in messages])
        columns[VERSION] = _array(ColumnType.INTEGER, [m.version for m in messages])
        columns[LINE] = _array(ColumnType.INTEGER, range(start, start + len(lines)))
        return pa.table(columns)

    def _decode_exactly(
        self, lines: Sequence[bytes], places: Sequence[Place], start: int
    ) -> tuple[pa.Table, list[Reject]]:
        records: list[tuple[int, exact.Record]] = []
        rejects = []
        for index, (place, line) in enumerate(zip(places, lines, strict=True)):
            try:
                record, repaired = exact.parse_record(line)
            except RecursionError:
                rejects.append(Reject(start + index, "it is nested too deeply"))
                continue
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise NoRecordError(place, index, error) from error
            records.append((start + index, record))
            self.repaired |= repaired
        known = self.kinds.copy(), self._mixed.copy()
        converted = self._convert(records)
        while converted is None:
            converted = self._convert(records)
        if (self.kinds, self._mixed) != known:
            self._typed = self._typed_decoder()
        table, misfits = converted
        return table, rejects + misfits

    def _convert(
        self, records: Sequence[tuple[int, exact.Record]]
    ) -> tuple[pa.Table, list[Reject]] | None:
        """Convert records; return None if columns were widened, so that the call is repeated."""
        is_wide_enough = True
        kinds = self.kinds | {
            EXTRACTED: ColumnType.TIMESTAMP,
            VERSION: ColumnType.INTEGER,
            LINE: ColumnType.INTEGER,
        }
        columns: dict[str, list[Any]] = {name: [] for name in kinds}
        rejects = []
        for line, message in records:
            row = {EXTRACTED: self._extracted(message), VERSION: message.version, LINE: line}
            try:
                for name, raw in message.record.items():
                    try:
                        row[name] = self._value(name, raw)
                    except exact.TooNarrow:
                        is_wide_enough = False
            except ValueError as error:
                rejects.append(Reject(line, str(error)))
                continue
            for name, values in columns.items():
                values.append(row.get(name))
        if not is_wide_enough:
            return None
        arrays = [pa.array(columns[name], ARROW_TYPES[kind]) for name, kind in kinds.items()]
        return pa.table(arrays, names=list(kinds)), rejects

    def _value(self, name: str, raw: msgspec.Raw) -> Any:
        text = bytes(raw)
        if name in self._ignored:
            return None
        if name not in self.kinds:
            known = self._hint(name)
            if text == b"null" and known is None:
                return None
            self.unannounced.add(name)
            self._lenient.add(name)
            self.kinds[name] = known or exact.kind_of_raw(text)
            raise exact.TooNarrow(self.kinds[name])
        if self.kinds[name] is ColumnType.TEXT:
            self.repaired |= exact.has_nul(text)
            if not text.startswith(b'"'):
                self._mixed.add(name)
        try:
            return exact.convert(self.kinds[name], text)
        except exact.TooNarrow as needed:
            self.kinds[name] = widen(self.kinds[name], needed.kind)
            raise
        except ValueError as error:
            if name not in self._lenient:
                raise ValueError(f"{name}: {error}") from error
            self.kinds[name] = widen(self.kinds[name], exact.kind_of_raw(text))
            raise exact.TooNarrow(self.kinds[name]) from error

    def _extracted(self, message: exact.Record) -> Any:
        """Return the time of extraction; None if it cannot be read: the record is still valid."""
        if message.time_extracted is None:
            return None
        try:
            raw = exact.to_json(message.time_extracted)
            return exact.convert(ColumnType.TIMESTAMP, raw)
        except ValueError:
            self.has_odd_times = True
            return None


def _array(kind: ColumnType, values: Sequence[Any]) -> pa.Array:
    match kind:
        case ColumnType.NUMBER:
            # A value with a comma is not a number, and makes the column longer than its table.
            return _numbers(_parted(_encode(values)[1:-1], ","))
        case ColumnType.JSON:
            # Values have no line ends, because they were within a line.
            return _parted(b"\n".join(values), "\n")
        case ColumnType.DATE:
            return _in_years(pa.array(values, pa.string()).cast(pa.date32()))
        case ColumnType.TIMESTAMP:
            return _in_years(_instants(pa.array(values, pa.string())))
        case ColumnType.TIME:
            moments = pc.binary_join_element_wise("1970-01-01T", pa.array(values, pa.string()), "")
            return moments.cast(pa.timestamp("us")).cast(ARROW_TYPES[kind])
        case _:
            return pa.array(values, ARROW_TYPES[kind])


def _parted(texts: bytes, separator: str) -> pa.Array:
    """Return the JSON values in a text as they were sent; null becomes None."""
    text = texts.decode()
    values: Sequence[str | None] = text.split(separator)
    if "null" in text:
        values = [None if value == "null" else value for value in values]
    return pa.array(values, pa.string())


def _has_nul(texts: pa.Array) -> bool:
    _, _, characters = texts.buffers()
    if characters is None:
        return False
    view = memoryview(characters)
    return any(b"\0" in bytes(view[i : i + _PART]) for i in range(0, len(view), _PART))


def _numbers(values: pa.Array) -> pa.Array:
    """Return JSON values as numbers, as sent; strings lose their quotes."""
    bounds = pc.min_max(values)
    least, greatest = bounds["min"].as_py() or "0", bounds["max"].as_py() or "0"
    # some values do not begin like numbers
    if not (least >= "-" and greatest < ":"):
        values = pc.utf8_trim(values, '"')
        if not pc.all(pc.match_substring_regex(values, _NUMBER), min_count=0).as_py():
            raise ValueError("not all are numbers")
    return values


def _mixed_texts(values: Iterable[msgspec.Raw]) -> pa.Array:
    """Return the text of strings, and other values as sent."""
    texts = []
    for value in values:
        raw = bytes(value)
        texts.append(
            None if raw == b"null" else _text.decode(raw) if raw.startswith(b'"') else raw.decode()
        )
    return pa.array(texts, pa.string())


def _instants(texts: pa.Array) -> pa.Array:
    try:
        return texts.cast(INSTANT)
    except pa.ArrowInvalid:  # without an offset, times are in UTC
        return texts.cast(pa.timestamp("us")).cast(INSTANT)


def _in_years(moments: pa.Array) -> pa.Array:
    """Return moments that are in the years 1 to 9999, as Python's are; else raise OverflowError."""
    pc.min_max(moments).as_py()
    return moments
