"""Warehouses reached through dlt store the same rows and values."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from target_warehouse.names import assign_identifiers
from target_warehouse.warehouses.dialect import SqlDialect
from target_warehouse.warehouses.through_dlt.dialect import plain
from typing_extensions import override

from tests.targets.target_warehouse.test_standard import REFUSED, STREAMS, expected, found, storable
from tests.targets.target_warehouse.through_dlt import ThroughDlt
from tests.targets.target_warehouse.warehouses import raw_record, record, schema, state

ORDERS = schema("orders", id="integer", note="string")
BIG = "12345678901234567890123456789"
DATE = {"type": ["string", "null"], "format": "date"}
DATE_TIME = {"type": ["string", "null"], "format": "date-time"}
TIME = {"type": ["string", "null"], "format": "time"}


class PlainNames(SqlDialect):
    """Names as dlt's DuckDB has them."""

    @override
    def sanitize(self, name: str) -> str:
        return plain(name, folded=False)


def test_the_streams_of_the_sdk_are_in_the_tables(duckdb_through_dlt: ThroughDlt) -> None:
    lines = [
        line
        for file in sorted(STREAMS.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".singer") and file.name.removesuffix(".singer") not in REFUSED
        for line in file.read_text("utf-8").splitlines()
    ]
    duckdb_through_dlt.load(*lines)

    tables = expected(list(map(json.loads, lines)))
    assert len(tables) > 10
    fitted = assign_identifiers(tables, PlainNames(63))
    assert duckdb_through_dlt.tables() == set(fitted.values())
    for stream, records in tables.items():
        rows = found(duckdb_through_dlt, fitted[stream], records)
        assert sorted(rows, key=str) == sorted(map(storable, records), key=str)


def test_rows_are_inserted_and_updated_by_key(through_dlt: ThroughDlt) -> None:
    through_dlt.load(
        ORDERS,
        *[record("orders", id=1, note=note) for note in "abc"],
        record("orders", id=2, note="b"),
        state(1),
    )
    run = through_dlt.load(
        ORDERS,
        *[record("orders", id=number % 3 + 1, note=str(number)) for number in range(5)],
        state(2),
        batch_size_rows=2,
    )

    assert run.states == [2]
    rows = through_dlt.rows("SELECT id, note FROM orders ORDER BY id")
    assert rows == [(1, "3"), (2, "4"), (3, "2")]


def test_properties_that_come_and_go(duckdb_through_dlt: ThroughDlt) -> None:
    warehouse = duckdb_through_dlt
    warehouse.load(ORDERS, record("orders", id=1, note="a"), record("orders", id=2, note="b"))
    paid = schema("orders", id="integer", paid="boolean")
    warehouse.load(paid, record("orders", id=1, paid=True), record("orders", id=3, size=7))

    # The row that was updated was replaced whole.
    assert warehouse.rows("SELECT id, note, paid, size FROM orders ORDER BY id") == [
        (1, None, True, None),
        (2, "b", None, None),
        (3, None, None, 7),
    ]


def test_values_are_exact(through_dlt: ThroughDlt) -> None:
    values = schema(
        "values", id="integer", number="number", at=DATE_TIME, day=DATE, clock=TIME, more="object"
    )
    through_dlt.load(
        values,
        raw_record("values", f'{{"id": -{2**63}, "number": {BIG}.123456789}}'),
        raw_record("values", '{"id": 1, "number": 1e-9, "at": "2017-09-11T19:22:50.328+02:00"}'),
        raw_record("values", '{"id": 2, "at": "0001-01-01T00:00:00Z", "day": "2024-02-29"}'),
        raw_record("values", '{"id": 3, "at": "9999-12-31T23:59:59.999999Z", "clock": "12:30"}'),
        raw_record("values", '{"id": 4, "more": {"b": 1.10, "a": [1e400], "b": "\\u0000"}}'),
    )

    rows = through_dlt.rows(
        'SELECT number, "at"::text, day::text, clock, more FROM "values" ORDER BY id'
    )
    assert rows == [
        (Decimal(f"{BIG}.123456789"), None, None, None, None),
        (Decimal("1e-9"), "2017-09-11 17:22:50.328+00", None, None, None),
        (None, "0001-01-01 00:00:00+00", "2024-02-29", None, None),
        (None, "9999-12-31 23:59:59.999999+00", None, "12:30:00.000000", None),
        (None, None, None, None, '{"b": 1.10, "a": [1e400], "b": "\\u0000"}'),
    ]


def test_nested_values_keep_their_kind_from_run_to_run(through_dlt: ThroughDlt) -> None:
    nested = schema("things", id="integer", more={"type": ["object", "string", "null"]})
    for number, text in enumerate(['{"a": 1}', '"text"']):
        through_dlt.load(nested, raw_record("things", f'{{"id": {number}, "more": {text}}}'))

    rows = through_dlt.rows("SELECT more FROM things ORDER BY id")
    assert rows == [('{"a": 1}',), ('"text"',)]


WIDENED: list[tuple[Any, str, Any, str, list[str]]] = [
    ("integer", "7", "number", "7.25", ["7.000000000", "7.250000000"]),
    ("number", "7.5", "number", "0.0123456789", ["7.500000000000000000", "0.012345678900000000"]),
    ("number", BIG, "number", "1e-10", [f"{BIG}.000000000", "1e-10"]),
    ("integer", "7", "string", '"a"', ["7", "a"]),
    ("integer", "7", "object", '{"a": 1}', ["7", '{"a": 1}']),
    ("boolean", "true", "string", '"a"', ["true", "a"]),
    (DATE, '"2024-02-29"', DATE_TIME, '"2024-02-29T12:00Z"', ["2024-02-29", "2024-02-29T12:00Z"]),
]


def test_types_that_widen(through_dlt: ThroughDlt) -> None:
    narrow, first, wide, second, stored = zip(*WIDENED, strict=True)
    for types, texts, number in [(narrow, first, 1), (wide, second, 2), (wide, second, 2)]:
        values = "".join(f', "value_{index}": {text}' for index, text in enumerate(texts))
        through_dlt.load(
            schema("wide", id="integer", **{f"value_{i}": type_ for i, type_ in enumerate(types)}),
            raw_record("wide", f'{{"id": {number}{values}}}'),
        )

    columns = ", ".join(f"value_{index}::text" for index in range(len(WIDENED)))
    rows = through_dlt.rows(f"SELECT {columns} FROM wide ORDER BY id")
    assert list(zip(*rows, strict=True)) == list(map(tuple, stored))


def test_a_type_that_widens_before_there_are_rows(through_dlt: ThroughDlt) -> None:
    through_dlt.load(schema("days", id="integer", day=DATE))
    through_dlt.load(
        schema("days", id="integer", day=DATE_TIME),
        record("days", id=1, day="2024-02-29T12:00:00+01:00"),
    )
    assert through_dlt.rows("SELECT day::text FROM days") == [("2024-02-29 11:00:00+00",)]


AWKWARD = [
    "select",
    "Group",
    "group",
    'quo"te',
    "spa ce",
    "per%cent",
    "å",
    "a.b",
    "_dlt_id",
    "1",
    "",
]
LONG = "x" * 70


def test_awkward_names(through_dlt: ThroughDlt) -> None:
    names = [*AWKWARD, LONG, LONG + "!"]
    streams = ["Things", "things", "select", "a.b", "_dlt_version", LONG]
    lines = [
        line
        for stream in streams
        for line in (
            schema(stream, ["select"], **dict.fromkeys(names, "string")),
            record(stream, **{name: f"{name} of {stream}" for name in names}),
        )
    ]
    for _ in range(2):
        through_dlt.load(*lines)

    assert len(through_dlt.tables()) == len(streams)
    found = set()
    for table in through_dlt.tables():
        [row] = through_dlt.rows(f'SELECT * FROM "{table}"')
        found |= set(row)
    assert found == {f"{name} of {stream}" for stream in streams for name in names}


@pytest.mark.parametrize(
    ("name", "fold_case", "kept"),
    [
        ("order_id", True, "order_id"),
        ("orderId", False, "orderId"),
        ("orderId", True, "orderid"),
        ("a.b c", True, "a_b_c"),
        ("2024", False, "_2024"),
        ("_dlt_id", False, "__id"),
    ],
)
def test_the_characters_of_a_name(name: str, fold_case: bool, kept: str) -> None:
    assert plain(name, folded=fold_case) == kept
