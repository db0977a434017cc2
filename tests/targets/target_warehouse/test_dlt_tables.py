"""Tables made by other programs, reached through dlt: narrow types are widened."""

from __future__ import annotations

from typing import Any

import pytest

from tests.targets.target_warehouse.through_dlt import ThroughDlt
from tests.targets.target_warehouse.warehouses import raw_record, schema, state

DECIMAL = {"type": ["string", "null"], "format": "singer.decimal"}
HUGE = str(2**256 - 1)


@pytest.mark.parametrize(
    ("type_", "property_", "text", "found"),
    [
        ("double precision", DECIMAL, '"12345678901234567.89"', ["0.1", "12345678901234567.89"]),
        ("decimal(6,2)", DECIMAL, '"1234567.125"', ["0.100", "1234567.125"]),
        ("integer", "integer", "9000000000", ["0", "9000000000"]),
    ],
)
def test_narrow_types_are_widened(
    through_dlt: ThroughDlt, *, type_: str, property_: Any, text: str, found: list[str]
) -> None:
    old = "0" if type_ == "integer" else "0.1"
    with through_dlt.connected() as connection:
        connection.execute(f"CREATE TABLE t (id bigint, v {type_})")
        connection.execute(f"INSERT INTO t VALUES (0, {old})")

    through_dlt.load(
        schema("t", id="integer", v=property_), raw_record("t", f'{{"id": 1, "v": {text}}}')
    )

    rows = [value for (value,) in through_dlt.rows("SELECT v::text FROM t ORDER BY id")]
    assert [value.rstrip("0") if "." in value else value for value in rows] == [
        value.rstrip("0") if "." in value else value for value in found
    ]


def test_a_type_that_dlt_does_not_know_becomes_text(through_dlt: ThroughDlt) -> None:
    with through_dlt.connected() as connection:
        connection.execute("CREATE TABLE t (id bigint, v real)")
        connection.execute("INSERT INTO t VALUES (0, 0.1)")

    through_dlt.load(
        schema("t", id="integer", v=DECIMAL), raw_record("t", '{"id": 1, "v": "16777217.25"}')
    )

    assert through_dlt.rows("SELECT v FROM t ORDER BY id") == [("0.1",), ("16777217.25",)]


@pytest.mark.parametrize("key", [False, True])
def test_numbers_of_more_digits_than_a_decimal_has(through_dlt: ThroughDlt, *, key: bool) -> None:
    numbers = ["1", HUGE, str(2**128), str(2**128 + 1), f"0.{'0' * 40}1"]
    lines = [
        raw_record("t", f'{{"id": {index}, "v": {each}}}') for index, each in enumerate(numbers)
    ]
    for _ in range(2):
        through_dlt.load(schema("t", ["v"] if key else ["id"], id="integer", v="number"), *lines)

    rows = through_dlt.rows("SELECT v::text FROM t ORDER BY id")
    assert [value for (value,) in rows] == numbers


def test_an_overwrite_as_the_first_load_of_a_schema(through_dlt: ThroughDlt) -> None:
    lines = schema("t", id="integer"), raw_record("t", '{"id": 1}'), state("x")
    run = through_dlt.load(*lines, load_method="overwrite")
    assert (run.states, through_dlt.rows("SELECT id FROM t")) == (["x"], [(1,)])
