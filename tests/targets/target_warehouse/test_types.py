"""Values are stored and read back unchanged."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from tests.targets.target_warehouse.warehouses import (
    Line,
    Warehouse,
    date_time,
    exactly,
    raw_record,
    record,
    schema,
    state,
    warnings_in,
)

BIG = 123456789012345678901234567890


def load_values(warehouse: Warehouse, type_: Any, *values: str) -> list[Any]:
    """Load JSON texts into a column of a type; return the database's values as text."""
    lines = [line for id_, value in enumerate(values) for line in row("v", id_, [type_], [value])]
    warehouse.load(*lines)
    return columns(warehouse, "v")[0]


def row(stream: str, id_: int, types: Sequence[Any], texts: Sequence[str]) -> list[Line]:
    """A SCHEMA message of the columns c0, c1 and so on, and a RECORD with JSON texts for them."""
    named = {f"c{number}": type_ for number, type_ in enumerate(types)}
    values = "".join(f', "{name}": {text}' for name, text in zip(named, texts, strict=True))
    return [
        schema(stream, id="integer", **named),
        raw_record(stream, f'{{"id": {id_}{values}}}'),
    ]


def columns(warehouse: Warehouse, stream: str, count: int = 1) -> list[list[Any]]:
    """Return the database's values of the columns c0, c1 and so on as texts."""
    texts = ", ".join(f"c{number}::text" for number in range(count))
    rows = warehouse.rows(f"SELECT {texts} FROM {stream} ORDER BY id")
    return [list(values) for values in zip(*rows, strict=True)]


def test_text_is_kept_to_the_letter(warehouse: Warehouse) -> None:
    plain = ["", " ", "NULL", "null", ",", "%s", "{}", "'; DROP TABLE x; --"]
    escaped = ["a\tb", "line\nbreak\r\n", '"quoted"', "back\\slash", "\\N", "\\.", "\x01"]
    texts = [*plain, *escaped, "å 中 🙂", "\u2028", None]
    described = schema("texts", id="integer", text="string")
    records = [record("texts", id=number, text=text) for number, text in enumerate(texts)]
    warehouse.load(described, *records[::2])  # fills a new table
    warehouse.load(described, *records)  # needs a merge

    assert [text for (text,) in warehouse.rows("SELECT text FROM texts ORDER BY id")] == texts


def test_a_text_that_looks_like_the_end_of_a_copy(warehouse: Warehouse) -> None:
    texts = ["a\n\\.\nb", None, "\\.", "tab\t", '"']
    described = schema("texts", id="integer", text="string", paid="boolean")
    records = [
        record("texts", id=number, text=text, paid=True) for number, text in enumerate(texts)
    ]
    warehouse.load(described, *records)

    rows = warehouse.rows("SELECT text, paid FROM texts ORDER BY id")
    assert rows == [(text, True) for text in texts]


def test_characters_that_cannot_be_stored_are_left_out(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    values = load_values(warehouse, "string", '"a\\u0000b"', '"c\\ud800d"', '"\\ud83d\\ude42"')

    assert values == ["ab", "c\ufffdd", "🙂"]
    assert warnings_in(caplog) == [
        (
            "stream 'v': characters that cannot be stored "
            "(NUL, lone surrogates, bytes that are not UTF-8) were left out or replaced"
        )
    ]


def test_numbers_are_exact(warehouse: Warehouse) -> None:
    numbers = ["0", "-0.5", "199.90", "1e-7", "1.5E+3", "0.1234567890123456789", "1234567890.01"]
    load_values(warehouse, "number", *numbers)
    rows = warehouse.rows("SELECT c0 FROM v ORDER BY id")
    assert [exactly(value) for (value,) in rows] == list(map(Decimal, numbers))


GROWING = [
    ["1", "2.5", "3.125", "-4.0009"],
    ["1e20", "1e-20", "null", "null"],
    ["0.1", f"{BIG}{BIG}.5", "null", "null"],
    ["1", "1e-60", "1e60", "null"],
]


@pytest.mark.parametrize("batch_size_rows", [1, 100])
def test_decimals_grow_with_their_values(warehouse: Warehouse, batch_size_rows: int) -> None:
    rows = [
        row("prices", id_, ["number"] * 4, texts)
        for id_, texts in enumerate(zip(*GROWING, strict=True))
    ]
    for lines in (rows, rows[::-1]):
        warehouse.load(*itertools.chain(*lines), batch_size_rows=batch_size_rows)

    found = zip(*warehouse.rows("SELECT c0, c1, c2, c3 FROM prices ORDER BY id"), strict=True)
    assert [[exactly(each) for each in prices] for prices in found] == [
        [None if text == "null" else Decimal(text) for text in texts] for texts in GROWING
    ]


def test_numbers_that_are_not_numbers(warehouse: Warehouse) -> None:
    values = load_values(warehouse, "number", "1.5", "NaN", "Infinity", "-Infinity")
    assert values == ["1.5", "NaN", "Infinity", "-Infinity"]


def test_integers_of_any_size(warehouse: Warehouse) -> None:
    numbers = [2**63 - 1, -(2**63), 2**63, BIG]
    load_values(warehouse, "integer", *map(str, numbers))
    rows = warehouse.rows("SELECT c0 FROM v ORDER BY id")
    assert [exactly(value) for (value,) in rows] == numbers


def test_an_integer_may_be_written_with_a_point(warehouse: Warehouse) -> None:
    assert load_values(warehouse, "integer", "7.0", "1e3", '"12"') == ["7", "1000", "12"]
    assert warehouse.types("v")["c0"] == "bigint"


def test_decimals_that_come_as_strings(warehouse: Warehouse) -> None:
    decimal = {"type": ["string", "null"], "format": "singer.decimal"}
    load_values(warehouse, decimal, '"199.90"', '"0.12345678901234567890"', "null")
    rows = warehouse.rows("SELECT c0 FROM v ORDER BY id")
    assert [exactly(value) for (value,) in rows] == [
        Decimal("199.90"),
        Decimal("0.12345678901234567890"),
        None,
    ]


def test_nested_values_are_kept_as_they_were_sent(warehouse: Warehouse) -> None:
    sent = [
        '{"b": 1.10, "a": [1e400, null, "\\u0000", {"b": 1, "b": 2}]}',
        "[ ]",
        f"[{BIG}.{BIG}]",
        '"text"',
        "true",
        "7",
    ]
    assert load_values(warehouse, {"type": ["object", "array", "null"]}, *sent, "null") == [
        *sent,
        None,
    ]


def test_any_way_to_write_a_type(warehouse: Warehouse) -> None:
    cases: list[tuple[Any, str]] = [
        ({"type": ["integer", "string"]}, "text"),
        ({"type": ["boolean", "integer", "null"]}, "text"),
        ({"anyOf": [date_time(), {"type": "null"}]}, "timestamp with time zone"),
        ({"anyOf": [date_time(), {"type": ["string", "null"]}]}, "text"),
        ({"anyOf": [date_time(), date_time("date")]}, "timestamp with time zone"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "numeric"),
        ({"allOf": [{"type": "integer"}]}, "bigint"),
        ({"anyOf": [{"type": "object"}, {"type": "string"}]}, "json"),
        ({"enum": ["a", "b", None]}, "text"),
        ({"const": 7}, "bigint"),
        ({"type": "null"}, "text"),
        ({}, "json"),
        (True, "json"),
    ]
    properties = {f"value_{number}": type_ for number, (type_, _) in enumerate(cases)}
    warehouse.load(schema("values", id="integer", **properties))

    _, *types = warehouse.types("values").values()
    assert types == [kind for _, kind in cases]


def test_a_union_of_integers_and_strings(warehouse: Warehouse) -> None:
    values = load_values(warehouse, {"type": ["integer", "string"]}, "7", '"a"', "1.50", '{"a": 1}')
    assert values == ["7", "a", "1.50", '{"a": 1}']


WIDENED = [
    ("integer", "7", "number", "7.25", ["7", "7.25"]),
    ("integer", "7", "string", '"a"', ["7", "a"]),
    ("number", "7.50", "string", '"a"', ["7.50", "a"]),
    ("boolean", "true", "string", '"a"', ["true", "a"]),
    ("boolean", "true", "integer", "7", ["true", "7"]),
    (
        date_time("date"),
        '"2024-02-29"',
        date_time(),
        '"2024-02-29T12:00:00+01:00"',
        ["2024-02-29 00:00:00+00", "2024-02-29 11:00:00+00"],
    ),
    (
        date_time(),
        '"2024-02-29T12:00:00+01:00"',
        "string",
        '"soon"',
        ["2024-02-29 11:00:00+00", "soon"],
    ),
    ("string", '"a"', "object", '{"a": 1}', ["a", '{"a": 1}']),
    ("integer", "7", "object", '{"a": 1}', ["7", '{"a": 1}']),
    ("object", '{"a": 1}', "string", '"a"', ['{"a": 1}', '"a"']),
]


def test_types_that_widen(warehouse: Warehouse) -> None:
    narrow, first, wide, second, stored = zip(*WIDENED, strict=True)
    warehouse.load(
        *row("once", 1, narrow, first),
        *row("once", 2, wide, second),
        *row("twice", 1, narrow, first),
    )
    warehouse.load(*row("twice", 2, wide, second))
    for repeated in range(2):
        for stream in ("once", "twice"):
            found = columns(warehouse, stream, len(WIDENED))
            for values, texts in zip(found, stored, strict=True):
                assert plain(values[1]) == plain(texts[1])
                assert repeated or plain(values[0]) == plain(texts[0])
        # The older schema returns: no column is narrowed.
        warehouse.load(*row("once", 1, narrow, first), *row("twice", 1, narrow, first))


def plain(text: str) -> str:
    """Remove differences between databases: zeros of decimals, spaces of JSON."""
    is_number = text.replace(".", "").isdigit()
    return text.rstrip("0").rstrip(".") if is_number else text.replace('": ', '":')


MORE_THAN_THE_SCHEMA = [
    ("integer", "7", "7.25", ["7.00", "7.25"]),
    ("integer", "7", f"{BIG}", ["7", f"{BIG}"]),
    (
        date_time("date"),
        '"2024-02-29"',
        '"2024-02-29T12:00:00Z"',
        ["2024-02-29 00:00:00+00", "2024-02-29 12:00:00+00"],
    ),
]


@pytest.mark.parametrize("batch_size_rows", [1, 2])
def test_values_that_say_more_than_the_schema(warehouse: Warehouse, batch_size_rows: int) -> None:
    types, first, second, stored = zip(*MORE_THAN_THE_SCHEMA, strict=True)
    for _ in range(2):
        lines = [*row("v", 1, types, first), *row("v", 2, types, second)]
        warehouse.load(*lines, batch_size_rows=batch_size_rows)
    for found, texts in zip(columns(warehouse, "v", len(types)), stored, strict=True):
        assert list(map(plain, found)) == list(map(plain, texts))


def test_the_smallest_integer_in_a_column_that_becomes_a_decimal(warehouse: Warehouse) -> None:
    values = [str(-(2**63)), "7.25"]
    for id_, value in enumerate(values):
        warehouse.load(*row("v", id_, ["integer"], [value]))
    assert list(map(exactly, columns(warehouse, "v")[0])) == list(map(Decimal, values))


def test_a_key_may_widen(warehouse: Warehouse) -> None:
    warehouse.load(schema("things", id="integer"), record("things", id=1))
    warehouse.load(
        schema("things", id="string"), record("things", id="1"), record("things", id="a")
    )
    assert warehouse.rows("SELECT id FROM things ORDER BY id") == [("1",), ("a",)]


def test_a_key_that_was_a_number_becomes_its_shortest_text(warehouse: Warehouse) -> None:
    sent = ("5", "100", "1.125", "2.50", "7.0")
    numbers = [raw_record("things", f'{{"id": {number}}}') for number in sent]
    warehouse.load(schema("things", id="number"), *numbers)
    texts = [record("things", id=text) for text in ("5", "100", "1.125", "2.5", "7", "a")]
    warehouse.load(schema("things", id="string"), *texts)
    assert warehouse.rows("SELECT id FROM things ORDER BY id") == [
        ("1.125",), ("100",), ("2.5",), ("5",), ("7",), ("a",),
    ]  # fmt: skip


def test_a_large_value(warehouse: Warehouse) -> None:
    texts = schema("texts", id="integer", text="string")
    warehouse.load(texts, record("texts", id=1, text="å" * 1_000_000), record("texts", id=2))
    assert warehouse.rows("SELECT length(text) FROM texts ORDER BY id") == [(1_000_000,), (None,)]


def test_a_value_that_is_not_json_is_a_text_in_a_json_column(warehouse: Warehouse) -> None:
    numbers = ["NaN", "Infinity", "-Infinity"]
    warehouse.load(schema("items", id="integer", value={}), record("items", id=9, value={"a": 1}))
    warehouse.load(
        schema("items", id="integer", value="number"),
        *(
            raw_record("items", f'{{"id": {id_}, "value": {number}}}')
            for id_, number in enumerate(numbers)
        ),
    )
    rows = warehouse.rows("SELECT CAST(value AS varchar) FROM items WHERE id < 9 ORDER BY id")
    assert [text for (text,) in rows] == [f'"{number}"' for number in numbers]


def test_a_null_for_a_property_that_the_schema_no_longer_names(warehouse: Warehouse) -> None:
    items = schema("items", id="integer")
    warehouse.load(items, record("items", id=1, extra="old"))
    warehouse.load(items, record("items", id=1, extra=None))
    assert warehouse.rows("SELECT extra FROM items") == [(None,)]


def test_texts_that_only_look_like_values_are_rejected(warehouse: Warehouse) -> None:
    items = schema("items", id="integer", n=date_time("singer.decimal"), t=date_time("time"))
    odd = [{"n": "12_34"}, {"n": "1_000.5"}, {"n": "-NaN"}, {"n": "NaN7"}, {"t": "26:00:00"}]
    records = [record("items", id=id_, **values) for id_, values in enumerate(odd)]
    warehouse.load(items, *records, state(1), fails=True)
    assert warehouse.rows("SELECT count(*) FROM items") == [(0,)]
    reasons = [reason for (reason,) in warehouse.rows("SELECT reason FROM _rejected")]
    for values in odd:
        assert any(str(text) in reason for text in values.values() for reason in reasons)


def test_numbers_of_39_digits_and_more_keep_their_digits(warehouse: Warehouse) -> None:
    numbers = [2**128, 2**256 - 1, -(2**200), 10**38, 2**128 + 7]
    items = schema("items", ("id",), id="number", value="number")
    for _ in range(2):
        warehouse.load(items, *(record("items", id=each, value=each) for each in numbers))
    rows = warehouse.rows("SELECT id::text, value::text FROM items")
    assert sorted((exactly(id_), exactly(value)) for id_, value in rows) == sorted(
        (Decimal(each), Decimal(each)) for each in numbers
    )
