"""Values are stored and read back unchanged."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.targets.target_warehouse.warehouses import (
    Line,
    Warehouse,
    exactly,
    raw_record,
    record,
    schema,
    state,
    warnings_in,
)

BIG = 123456789012345678901234567890


def date_time(format_: str = "date-time") -> dict[str, Any]:
    return {"type": ["string", "null"], "format": format_}


def load_values(warehouse: Warehouse, type_: Any, *values: str) -> list[Any]:
    """Load JSON texts into a column of a type; return the database's values as text."""
    records = [
        raw_record("values", f'{{"id": {number}, "value": {value}}}')
        for number, value in enumerate(values)
    ]
    warehouse.load(schema("values", id="integer", value=type_), *records)
    return [value for (value,) in warehouse.rows('SELECT value::text FROM "values" ORDER BY id')]


def test_text_is_kept_to_the_letter(warehouse: Warehouse) -> None:
    plain = ["", " ", "NULL", "null", ",", "%s", "{}", "'; DROP TABLE x; --"]
    escaped = ["a\tb", "line\nbreak\r\n", '"quoted"', "back\\slash", "\\N", "\\.", "\x01"]
    texts = [*plain, *escaped, "å 中 🙂", "\u2028", None]
    described = schema("texts", id="integer", text="string")
    records = [record("texts", id=number, text=text) for number, text in enumerate(texts)]
    warehouse.load(described, *records[::2])  # into a new table
    warehouse.load(described, *records)  # by a merge

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
            "stream 'values': characters that cannot be stored "
            "(NUL, lone surrogates, bytes that are not UTF-8) were left out or replaced"
        )
    ]


def test_numbers_are_exact(warehouse: Warehouse) -> None:
    numbers = ["0", "-0.5", "199.90", "1e-7", "1.5E+3", "0.1234567890123456789", "1234567890.01"]
    load_values(warehouse, "number", *numbers)
    rows = warehouse.rows('SELECT value FROM "values" ORDER BY id')
    assert [exactly(value) for (value,) in rows] == list(map(Decimal, numbers))


@pytest.mark.parametrize(
    "numbers",
    [
        ["1", "2.5", "3.125", "-4.0009"],
        ["1e20", "1e-20"],
        ["0.1", f"{BIG}{BIG}.5"],
        ["1", "1e-60", "1e60"],
    ],
)
@pytest.mark.parametrize("batch_size_rows", [1, 100])
def test_decimals_grow_with_their_values(
    warehouse: Warehouse, numbers: list[str], batch_size_rows: int
) -> None:
    prices = schema("prices", id="integer", price="number")
    records = [
        raw_record("prices", f'{{"id": {number}, "price": {value}}}')
        for number, value in enumerate(numbers)
    ]
    warehouse.load(prices, *records, batch_size_rows=batch_size_rows)
    warehouse.load(prices, *reversed(records), batch_size_rows=batch_size_rows)

    rows = warehouse.rows("SELECT price FROM prices ORDER BY id")
    assert [exactly(price) for (price,) in rows] == list(map(Decimal, numbers))


def test_numbers_that_are_not_numbers(warehouse: Warehouse) -> None:
    values = load_values(warehouse, "number", "1.5", "NaN", "Infinity", "-Infinity")
    assert values == ["1.5", "NaN", "Infinity", "-Infinity"]


def test_integers_of_any_size(warehouse: Warehouse) -> None:
    numbers = [2**63 - 1, -(2**63), 2**63, BIG]
    load_values(warehouse, "integer", *map(str, numbers))
    rows = warehouse.rows('SELECT value FROM "values" ORDER BY id')
    assert [exactly(value) for (value,) in rows] == numbers


def test_an_integer_may_be_written_with_a_point(warehouse: Warehouse) -> None:
    assert load_values(warehouse, "integer", "7.0", "1e3", '"12"') == ["7", "1000", "12"]
    assert warehouse.types("values")["value"] == "bigint"


def test_decimals_that_come_as_strings(warehouse: Warehouse) -> None:
    decimal = {"type": ["string", "null"], "format": "singer.decimal"}
    load_values(warehouse, decimal, '"199.90"', '"0.12345678901234567890"', "null")
    rows = warehouse.rows('SELECT value FROM "values" ORDER BY id')
    assert [exactly(value) for (value,) in rows] == [
        Decimal("199.90"),
        Decimal("0.12345678901234567890"),
        None,
    ]


TIMESTAMPS = {
    "2017-09-11T19:22:50.328Z": "2017-09-11 19:22:50.328+00",
    "2017-09-11T19:22:50+02:00": "2017-09-11 17:22:50+00",
    "2017-09-11 19:22:50-0530": "2017-09-12 00:52:50+00",
    "0001-01-01T00:00:00Z": "0001-01-01 00:00:00+00",
    "9999-12-31T23:59:59.999999Z": "9999-12-31 23:59:59.999999+00",
}
WITHOUT_OFFSET = {
    "2017-09-11T19:22:50": "2017-09-11 19:22:50+00",
    "2017-09-11": "2017-09-11 00:00:00+00",
}
UNUSUAL = {
    "2017-09-11t19:22:50z": "2017-09-11 19:22:50+00",
    "2017-09-11T19:22:50.123456789Z": "2017-09-11 19:22:50.123456+00",
}


@pytest.mark.parametrize(
    "texts", [TIMESTAMPS, WITHOUT_OFFSET, UNUSUAL, TIMESTAMPS | WITHOUT_OFFSET | UNUSUAL]
)
def test_timestamps_are_instants(warehouse: Warehouse, texts: dict[str, str]) -> None:
    sent = [f'"{text}"' for text in texts]
    assert load_values(warehouse, date_time(), *sent, "null") == [*texts.values(), None]


def test_dates_and_times(warehouse: Warehouse) -> None:
    moments = schema("moments", id="integer", day=date_time("date"), clock=date_time("time"))
    warehouse.load(
        moments,
        record("moments", id=1, day="2024-02-29", clock="12:30:00.5"),
        record("moments", id=2, day="2024-02-29T00:00:00Z", clock="12:30:00+02:00"),
        record("moments", id=3, day="2024-02-29", clock="23:59:59"),
    )

    assert warehouse.rows("SELECT day::text, clock::text FROM moments ORDER BY id") == [
        ("2024-02-29", "12:30:00.5"),
        ("2024-02-29", "10:30:00"),
        ("2024-02-29", "23:59:59"),
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


@pytest.mark.parametrize("case", WIDENED)
@pytest.mark.parametrize("runs", [1, 2])
def test_a_type_that_widens(warehouse: Warehouse, case: Any, runs: int) -> None:
    narrow, first, wide, second, stored = case
    one: list[Line] = [
        schema("values", id="integer", value=narrow),
        raw_record("values", f'{{"id": 1, "value": {first}}}'),
    ]
    two: list[Line] = [
        schema("values", id="integer", value=wide),
        raw_record("values", f'{{"id": 2, "value": {second}}}'),
    ]
    for lines in [[*one, *two]] if runs == 1 else [one, two]:
        warehouse.load(*lines)
    rows = warehouse.rows('SELECT value::text FROM "values" ORDER BY id')
    assert [plain(value) for (value,) in rows] == [plain(value) for value in stored]

    # The older schema returns: no column is narrowed.
    warehouse.load(*one)
    rows = warehouse.rows('SELECT value::text FROM "values" ORDER BY id')
    assert plain(rows[1][0]) == plain(stored[1])


def plain(text: str) -> str:
    """Remove differences between databases: zeros of decimals, spaces of JSON."""
    is_number = text.replace(".", "").isdigit()
    return text.rstrip("0").rstrip(".") if is_number else text.replace('": ', '":')


@pytest.mark.parametrize(
    "case",
    [
        ("integer", "7", "7.25", ["7.00", "7.25"]),
        ("integer", "7", f"{BIG}", ["7", f"{BIG}"]),
        (
            date_time("date"),
            '"2024-02-29"',
            '"2024-02-29T12:00:00Z"',
            ["2024-02-29 00:00:00+00", "2024-02-29 12:00:00+00"],
        ),
    ],
)
@pytest.mark.parametrize("batch_size_rows", [1, 2])
def test_values_that_say_more_than_the_schema(
    warehouse: Warehouse, case: Any, batch_size_rows: int
) -> None:
    type_, first, second, stored = case
    lines: list[Line] = [
        schema("values", id="integer", value=type_),
        raw_record("values", f'{{"id": 1, "value": {first}}}'),
        raw_record("values", f'{{"id": 2, "value": {second}}}'),
    ]
    for _ in range(2):
        warehouse.load(*lines, batch_size_rows=batch_size_rows)
    rows = warehouse.rows('SELECT value::text FROM "values" ORDER BY id')
    assert [plain(value) for (value,) in rows] == [plain(value) for value in stored]


def test_a_key_may_widen(warehouse: Warehouse) -> None:
    warehouse.load(schema("things", id="integer"), record("things", id=1))
    warehouse.load(
        schema("things", id="string"), record("things", id="1"), record("things", id="a")
    )
    assert warehouse.rows("SELECT id FROM things ORDER BY id") == [("1",), ("a",)]


def test_a_key_that_was_a_number_becomes_the_text_that_was_sent(warehouse: Warehouse) -> None:
    numbers = [raw_record("things", f'{{"id": {number}}}') for number in ("5", "100", "1.125")]
    warehouse.load(schema("things", id="number"), *numbers)
    texts = [record("things", id=text) for text in ("5", "100", "1.125", "a")]
    warehouse.load(schema("things", id="string"), *texts)
    assert warehouse.rows("SELECT id FROM things ORDER BY id") == [
        ("1.125",), ("100",), ("5",), ("a",),
    ]  # fmt: skip


def test_a_large_value(warehouse: Warehouse) -> None:
    texts = schema("texts", id="integer", text="string")
    warehouse.load(texts, record("texts", id=1, text="å" * 10_000_000), record("texts", id=2))
    assert warehouse.rows("SELECT length(text) FROM texts ORDER BY id") == [(10_000_000,), (None,)]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_value_that_is_not_json_is_a_text_in_a_json_column(
    warehouse: Warehouse, number: str
) -> None:
    warehouse.load(schema("items", id="integer", value={}), record("items", id=1, value={"a": 1}))
    warehouse.load(
        schema("items", id="integer", value="number"),
        raw_record("items", f'{{"id": 2, "value": {number}}}'),
    )
    ((value,),) = warehouse.rows("SELECT CAST(value AS varchar) FROM items WHERE id = 2")
    assert value == f'"{number}"'


def test_a_null_for_a_property_that_the_schema_no_longer_names(warehouse: Warehouse) -> None:
    items = schema("items", id="integer")
    warehouse.load(items, record("items", id=1, extra="old"))
    warehouse.load(items, record("items", id=1, extra=None))
    assert warehouse.rows("SELECT extra FROM items") == [(None,)]


@pytest.mark.parametrize(
    ("format_", "value"),
    [("singer.decimal", "12_34"), ("singer.decimal", "1_000.5"), ("time", "26:00:00")],
)
def test_a_text_that_only_looks_like_a_value_is_rejected(
    warehouse: Warehouse, format_: str, value: str
) -> None:
    items = schema("items", id="integer", value={"type": ["string", "null"], "format": format_})
    warehouse.load(items, record("items", id=1, value=value), state(1), fails=True)
    assert warehouse.rows("SELECT count(*) FROM items") == [(0,)]
    [(reason,)] = warehouse.rows("SELECT reason FROM _rejected")
    assert value in reason


@pytest.mark.parametrize("value", ["4:00:00", "04:00:00", "4:00"])
def test_a_time_may_have_an_hour_of_one_digit(warehouse: Warehouse, value: str) -> None:
    items = schema("items", id="integer", value={"type": ["string", "null"], "format": "time"})
    warehouse.load(items, record("items", id=1, value=value))
    assert warehouse.rows("SELECT value::text FROM items") == [("04:00:00",)]


@pytest.mark.parametrize("number", [2**128, 2**256 - 1, -(2**200), 10**38, 2**128 + 7])
def test_a_number_of_39_digits_and_more_keeps_its_digits(warehouse: Warehouse, number: int) -> None:
    items = schema("items", ("id",), id="number", value="number")
    for _ in range(2):
        warehouse.load(items, raw_record("items", f'{{"id": {number}, "value": {number}}}'))
    assert [
        (exactly(id_), exactly(value))
        for id_, value in warehouse.rows("SELECT id::text, value::text FROM items")
    ] == [(Decimal(number), Decimal(number))]


def test_an_unreadable_time_of_extraction_does_not_reject_its_record(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    times = ["4Y-01-02T03:04:05Z", "2024-01-01 00:00:00 UTC", 1704067200.5, ["x"], None]
    records = [
        {**record("items", id=number), "time_extracted": each} for number, each in enumerate(times)
    ]
    warehouse.load(schema("items", id="integer"), *records, add_record_metadata=True)
    assert warehouse.rows(
        "SELECT count(*) FROM items WHERE _sdc_extracted_at = _sdc_received_at"
    ) == [(5,)]
    assert "some time_extracted cannot be read" in caplog.text
