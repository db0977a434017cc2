"""Generates Singer streams of any kind, with the meaning of each value."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st


@dataclasses.dataclass(frozen=True)
class Value:
    """A value as sent, and its meaning: a number as Decimal, an instant in UTC."""

    json: str
    meaning: Any


@dataclasses.dataclass(frozen=True)
class Type:
    """A property's JSON schema, with values of it."""

    schema: Any
    values: st.SearchStrategy[Value]


@dataclasses.dataclass(frozen=True)
class Schema:
    """A SCHEMA message."""

    stream: str
    keys: Sequence[str]
    types: Mapping[str, Type]
    times: int = 1

    def line(self) -> str:
        properties = {name: type_.schema for name, type_ in self.types.items()}
        described = {"type": "object", "properties": properties}
        message = {"type": "SCHEMA", "stream": self.stream, "schema": described}
        return json.dumps({**message, "key_properties": list(self.keys)})


@dataclasses.dataclass(frozen=True)
class Record:
    """A RECORD message."""

    stream: str
    values: Mapping[str, Value]
    times: int = 1
    """Number of times that it is sent."""

    def line(self) -> str:
        return f'{{"type": "RECORD", "stream": {json.dumps(self.stream)}, "record": {self.text}}}'

    @property
    def text(self) -> str:
        members = [f"{json.dumps(name)}: {value.json}" for name, value in self.values.items()]
        return f"{{{', '.join(members)}}}"


Message = Schema | Record
Run = Sequence[Message]


def written(value: Any) -> str:
    """Return a value as JSON; decimals have all their digits."""
    match value:
        case Decimal():
            return str(value)
        case list():
            return f"[{', '.join(map(written, value))}]"
        case dict():
            members = [f"{written(name)}: {written(item)}" for name, item in value.items()]
            return f"{{{', '.join(members)}}}"
        case str() if _is_text(value):
            return json.dumps(value, ensure_ascii=len(value) % 2 == 0)
        case _:
            return json.dumps(value)


def _is_text(value: str) -> bool:
    """Return whether UTF-8 can encode a text; it cannot encode a lone surrogate."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def plain(value: Any) -> Value:
    """Return a value whose meaning is the value itself."""
    return Value(written(value), value)


NULL = plain(None)
SPECIAL = [
    "",
    " ",
    "null",
    "NULL",
    "\\N",
    "\\.",
    '"',
    "'",
    "a\tb",
    "a\r\nb",
    "\n\\.\n",
    "007",
    "1e5",
]
SPECIAL += [
    "a\0b",
    "\ud83d",
    "\ude00x",
    "🙂",
    "e\u0301",
    "true",
    "2024-02-29",
    "{}",
    "[1]",
    "%s",
    ",",
]

texts = st.one_of(st.sampled_from(SPECIAL), st.text(max_size=20))
storable_texts = texts.filter(lambda text: _is_text(text) and "\0" not in text)
booleans = st.booleans()
small = st.integers(-(2**31), 2**31).map(Decimal)
long = st.integers(-(2**63), 2**63 - 1).map(Decimal)
huge = st.integers(-(10**45), 10**45).map(Decimal)
money = st.decimals(-(10**9), 10**9, places=2)
numbers = st.one_of(
    small,
    money,
    huge,
    st.builds(
        lambda digits, exponent: Decimal(digits).scaleb(exponent),
        st.integers(-(10**20), 10**20),
        st.integers(-40, 40),
    ),
)
uncommon_numbers = st.sampled_from([Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity")])
nested = st.recursive(
    st.one_of(st.none(), booleans, numbers, texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(storable_texts, inner, max_size=3)
    ),
    max_leaves=6,
)
unannounced = st.one_of(nested, st.sampled_from(["007", "1e5", "7", Decimal(7), True, None]))
objects = st.dictionaries(storable_texts, nested, max_size=3)
arrays = st.lists(nested, max_size=3)

dates = st.dates(date(2, 1, 1), date(9998, 12, 31))
moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants bounds without
offsets = st.integers(-14 * 4, 14 * 4).map(
    lambda quarters: timezone(timedelta(minutes=15 * quarters))
)


@st.composite
def date_times(draw: st.DrawFn) -> Value:
    """Draw instants in all notations."""
    instant = draw(st.one_of(moments, moments.map(lambda moment: moment.replace(microsecond=0))))
    local = instant.astimezone(draw(st.one_of(st.just(UTC), offsets)))
    text = local.isoformat(draw(st.sampled_from("TTTt ")))
    if local.utcoffset() == timedelta(0):
        text = text.removesuffix("+00:00") + draw(st.sampled_from(["Z", "z", "+00:00", ""]))
    return Value(written(text), instant)


@st.composite
def clocks(draw: st.DrawFn) -> Value:
    """Draw times of day, some of them with an offset."""
    moment = draw(st.datetimes(datetime(2000, 1, 1), datetime(2000, 12, 31)))  # noqa: DTZ001 - a zone follows
    zone = draw(st.one_of(st.none(), offsets))
    utc = moment if zone is None else moment.replace(tzinfo=zone).astimezone(UTC)
    return Value(written(moment.time().replace(tzinfo=zone).isoformat()), utc.time())


def _string(format_: str | None = None) -> dict[str, Any]:
    return {"type": ["string", "null"]} | ({"format": format_} if format_ else {})


def _day(value: date) -> Value:
    return Value(written(value.isoformat()), value)


def _decimal_text(value: Decimal) -> Value:
    return Value(written(str(value)), value)


DAY = Type(_string("date"), dates.map(_day))
INSTANT = Type(_string("date-time"), date_times())
CLOCK = Type(_string("time"), clocks())
TEXT = Type(_string(), texts.map(plain))
STRICT_TEXT = Type({"type": "string"}, texts.map(plain))
BOOLEAN = Type({"type": ["null", "boolean"]}, booleans.map(plain))
INTEGER = Type({"type": ["integer", "null"]}, long.map(plain))
NUMBER = Type({"type": ["number", "null"]}, numbers.map(plain))
DECIMAL = Type(_string("singer.decimal"), numbers.map(_decimal_text))
OBJECT = Type({"type": ["object", "null"], "properties": {"a": {}}}, objects.map(plain))
ARRAY = Type({"type": ["array", "null"], "items": {"type": "string"}}, arrays.map(plain))
ANY = Type({}, nested.map(plain))

TYPES = [
    DAY,
    INSTANT,
    CLOCK,
    TEXT,
    STRICT_TEXT,
    BOOLEAN,
    INTEGER,
    NUMBER,
    DECIMAL,
    OBJECT,
    ARRAY,
    ANY,
]
TYPES += [
    Type(True, nested.map(plain)),
    Type({"type": ["integer", "string"]}, st.one_of(small, texts).map(plain)),
    Type({"type": ["boolean", "number", "null"]}, st.one_of(booleans, numbers).map(plain)),
    Type({"type": ["string", "object"]}, st.one_of(texts, objects).map(plain)),
    Type({"type": ["array", "integer"]}, st.one_of(arrays, huge).map(plain)),
    Type({"anyOf": [_string("date-time"), {"type": "null"}]}, date_times()),
    Type({"anyOf": [_string("date-time"), _string()]}, texts.map(plain)),
    Type(
        {"anyOf": [_string("date"), _string("date-time")]}, st.one_of(dates.map(_day), date_times())
    ),
    Type({"oneOf": [{"type": "integer"}, {"type": "number"}]}, numbers.map(plain)),
    Type({"oneOf": [{"type": "object"}, {"type": "string"}]}, st.one_of(objects, texts).map(plain)),
    Type({"allOf": [{"type": "string"}]}, texts.map(plain)),
    Type({"enum": ["a", "b", None]}, st.sampled_from(["a", "b"]).map(plain)),
    Type({"const": 7}, st.just(plain(Decimal(7)))),
    # Values that are more specific than the schema.
    Type({"type": "integer"}, st.one_of(small, huge, numbers).map(plain)),
    Type(
        {"type": "number"},
        st.one_of(numbers, uncommon_numbers).map(plain),
    ),
    Type(_string("date"), st.one_of(dates.map(_day), date_times())),
]


def _one_of(schema: Any, *values: Value) -> Type:
    return Type(schema, st.sampled_from(values))


def _instants(*texts: str) -> list[Value]:
    return [Value(f'"{each}"', datetime.fromisoformat(each).astimezone(UTC)) for each in texts]


SMALL_KEY = Type({"type": "integer"}, st.integers(0, 5).map(Decimal).map(plain))
MIXED_KEY = _one_of({"type": ["integer", "string"]}, plain(Decimal(1)), plain("1"), plain("a"))
NUMBER_KEY = _one_of(
    {"type": "number"},
    *[Value(text, Decimal(text)) for text in ("1", "1.0", "1e0", "1.5", "-0", "0")],
)
DAY_KEY = Type(_string("date"), st.dates(date(2024, 2, 28), date(2024, 3, 1)).map(_day))
INSTANT_KEY = _one_of(
    _string("date-time"),
    *_instants("2024-02-29T12:00:00+00:00", "2024-02-29T13:00:00+01:00", "2024-02-29T12:00:00.5Z"),
    *_instants("2024-02-29T00:00:00Z"),
)
KEYS = [
    [SMALL_KEY],
    [SMALL_KEY, MIXED_KEY],
    [SMALL_KEY, NUMBER_KEY],
    [DAY_KEY],
    [DAY_KEY, INSTANT_KEY],
    [INSTANT_KEY],
    [MIXED_KEY],
    [NUMBER_KEY],
    [Type({"type": "integer"}, st.sampled_from([1, 2, 2**70]).map(Decimal).map(plain))],
    [Type({"type": "string"}, st.sampled_from(SPECIAL[:16]).map(plain))],
    [Type({}, st.sampled_from([plain(Decimal(1)), plain("a"), plain("b")]))],
    [Type({"type": "boolean"}, booleans.map(plain))],
    [_one_of(_string("time"), Value('"01:00:00"', time(1)), Value('"02:30:00"', time(2, 30)))],
]
"""Types of keys, each a list of the types that one key may alternate between.

There are so few values that some repeat.
"""

AWKWARD = [
    "select",
    "Group",
    "group",
    "GROUP",
    'quo"te',
    "it's",
    "spa ce",
    "a.b",
    "per%cent",
    "å",
    "Å",
]
AWKWARD += [
    "x" * 62,
    "x" * 63,
    "x" * 64,
    "x" * 63 + "y",
    "å" * 32,
    "å" * 40,
    "\\",
    "tab\t",
    "$1",
    "id",
]
names = st.one_of(
    st.sampled_from(AWKWARD),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
).filter(lambda name: not name.casefold().startswith("_"))


@st.composite
def streams(draw: st.DrawFn, stream: str, runs: int, *, long: bool) -> list[list[Message]]:
    """Draw the messages of one stream by run; if `long`, some records repeat very often."""
    labels = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    keys = labels[: draw(st.integers(0, min(2, len(labels))))]
    key_types = {key: draw(st.sampled_from(KEYS)) for key in keys}
    result: list[list[Message]] = []
    schema = draw(_schemas(stream, labels, key_types))
    for number in range(runs):
        if number and draw(booleans):
            schema = draw(_schemas(stream, labels, key_types))
        messages: list[Message] = [schema]
        for _ in range(draw(st.integers(0, 5))):
            if draw(st.integers(0, 5)) == 0:
                schema = draw(_schemas(stream, labels, key_types))
                messages.append(schema)
            messages.append(draw(_records(schema, long)))
        result.append(messages)
    return result


@st.composite
def _schemas(
    draw: st.DrawFn, stream: str, labels: Iterable[str], keys: Mapping[str, Sequence[Type]]
) -> Schema:
    types = {key: draw(st.sampled_from(options)) for key, options in keys.items()}
    for label in labels:
        if label not in keys and draw(st.integers(0, 4)):
            types[label] = draw(st.sampled_from(TYPES))
    return Schema(stream, list(keys), types)


@st.composite
def _records(draw: st.DrawFn, schema: Schema, long: bool) -> Record:
    values = {}
    for name, type_ in schema.types.items():
        if name in schema.keys:
            values[name] = draw(type_.values)
        elif draw(st.integers(0, 5)):
            values[name] = draw(st.one_of(type_.values, type_.values, st.just(NULL)))
    if draw(st.integers(0, 9)) == 0:
        values.setdefault(draw(st.sampled_from(["extra", "Extra"])), draw(unannounced.map(plain)))
    if schema.keys and draw(st.integers(0, 15)) == 0:
        values[schema.keys[-1]] = NULL
    return Record(schema.stream, values, draw(st.sampled_from([1, 1, 501])) if long else 1)


@dataclasses.dataclass(frozen=True)
class Case:
    """Runs of the loader, with its settings."""

    runs: Sequence[Run]
    settings: Mapping[str, Any]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw several alternating streams in several runs."""
    long = draw(st.integers(0, 3)) == 0
    settings = {
        "load_method": draw(st.sampled_from(["upsert", "upsert", "append-only", "overwrite"])),
        "add_record_metadata": draw(booleans),
        "batch_size_rows": 1_200 if long else draw(st.integers(1, 9)),
        "batch_max_bytes": 10_000_000 if long else draw(st.sampled_from([1, 500, 10_000_000])),
    }
    runs = draw(st.integers(1, 2))
    labels = draw(st.lists(names, min_size=1, max_size=2, unique=True))
    by_stream = [draw(streams(label, runs, long=long)) for label in labels]
    return Case(
        [draw(_shuffled([each[run] for each in by_stream])) for run in range(runs)], settings
    )


@st.composite
def _shuffled(draw: st.DrawFn, parts: Sequence[Sequence[Message]]) -> list[Message]:
    """Return all messages mixed; those of each stream stay in order."""
    turns = draw(st.permutations([n for n, part in enumerate(parts) for _ in part]))
    left = [iter(part) for part in parts]
    return [next(left[turn]) for turn in turns]
