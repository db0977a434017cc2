"""An invalid stream, record or message does not affect the others."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.targets.target_warehouse.claims import (
    EVENTS,
    METADATA,
    claim,
    claiming,
    numbered,
    unit,
)
from tests.targets.target_warehouse.warehouses import (
    Warehouse,
    record,
    schema,
    singer,
    state,
)

pytestmark = pytest.mark.one_warehouse

ORDERS = schema("orders", id="integer", note="string")
OTHERS = schema("others", id="integer", note="object")


TOO_DEEP = "[" * 100_000 + "]" * 100_000
"""Lists inside each other that no version of Python can read."""
DEPTH = 900 if sys.version_info < (3, 12) else 2_000
HALVES = '{"\\ud800": ' * DEPTH + "0" + "}" * DEPTH
"""Objects inside each other that can be read, but not repaired."""


def poison(order: str = "usual") -> str:
    """A RECORD message that is nested too deeply."""
    deep = HALVES if order == "repaired" else TOO_DEEP
    text = f'{{"id": 7, "note": {{"]": "}}{{\\"", "a": {deep}}}}}'
    if order != "turned":
        return f'{{"type": "RECORD", "stream": "others", "record": {text}}}'
    return f'{{"record": {text}, "stream": "others", "type": "RECORD"}}'


@pytest.mark.parametrize("order", ["usual", "turned", "repaired"])
@pytest.mark.parametrize("before", [0, 1])
def test_a_record_that_is_nested_too_deeply_is_rejected(
    warehouse: Warehouse, order: str, before: int
) -> None:
    run = warehouse.load(
        ORDERS,
        *[record("orders", id=number) for number in range(1_000)],
        state(1),
        OTHERS,
        *[record("others", id=1)] * before,
        poison(order),
        record("others", id=2, note={"a": 1}),
        state(2),
        fails=True,
    )
    assert run.states[-1] == 2
    assert warehouse.rows("SELECT count(*) FROM orders") == [(1_000,)]
    assert warehouse.rows("SELECT count(*) FROM others") == [(1 + before,)]
    assert warehouse.rows("SELECT stream, reason FROM _rejected") == [
        ("others", "it is nested too deeply")
    ]


def test_a_record_that_is_too_deep_for_a_stream_map_leaves_no_trace(warehouse: Warehouse) -> None:
    warehouse.load(
        OTHERS,
        poison(),
        record("others", id=2),
        state(2),
        fails=True,
        stream_maps={"others": {"id": "id"}},
    )
    assert warehouse.rows("SELECT id FROM others") == [(2,)]
    [(text,)] = warehouse.rows("SELECT record FROM _rejected")
    assert '"id": 7' not in text


@pytest.mark.parametrize(
    "line",
    [
        f'{{"type": "STATE", "value": {TOO_DEEP}}}',
        f'{{"type": "SCHEMA", "stream": "deep", "schema": {{"properties": {TOO_DEEP}}}}}',
        '{"type": "SCHEMA", "stream": "deep", "key_properties": [], "schema": '
        + '{"anyOf": [' * 50_000
        + "{}"
        + "]}" * 50_000
        + "}",
    ],
    ids=["state", "schema", "combinations"],
)
def test_other_messages_that_are_nested_too_deeply_name_their_line(
    warehouse: Warehouse, line: str
) -> None:
    run = warehouse.load(ORDERS, record("orders", id=1), state(1), line, fails=True)
    assert str(run.error).startswith("line 4 ")
    assert "nested too deeply" in str(run.error)
    assert run.states == [1]
    assert warehouse.rows("SELECT id FROM orders") == [(1,)]


@pytest.mark.parametrize("properties", ["[]", "[[1]]", '"id"', "3", "false"])
def test_properties_that_are_not_an_object_name_their_line(
    warehouse: Warehouse, properties: str
) -> None:
    line = f'{{"type": "SCHEMA", "stream": "odd", "schema": {{"properties": {properties}}}}}'
    run = warehouse.load(ORDERS, record("orders", id=1), state(1), line, fails=True)
    reason = "the properties of its schema are not an object"
    assert str(run.error) == f"line 4 is not a Singer message: {reason}"
    assert run.states == [1]


def test_properties_that_are_null_are_those_of_the_records(warehouse: Warehouse) -> None:
    line = '{"type": "SCHEMA", "stream": "odd", "schema": {"properties": null}}'
    assert warehouse.load(line, record("odd", id=1), state(1)).states == [1]
    assert warehouse.rows("SELECT id FROM odd") == [(1,)]


def test_a_stream_needs_a_name(warehouse: Warehouse) -> None:
    for line in (
        {"type": "SCHEMA", "schema": {"properties": {}}, "key_properties": []},
        {"type": "SCHEMA", "stream": "", "schema": {"properties": {}}, "key_properties": []},
        {"type": "RECORD", "record": {"id": 1}},
        {"type": "ACTIVATE_VERSION", "version": 1},
    ):
        run = warehouse.load(ORDERS, line, fails=True)
        assert str(run.error) == "line 2 is not a Singer message: it has no stream"


def test_records_whose_stream_comes_last_reach_their_streams(warehouse: Warehouse) -> None:
    lines = [
        json.dumps({"type": "RECORD", "record": {"id": number}, "stream": stream})
        for number, stream in enumerate(["orders", "others", "orders"])
    ]
    warehouse.load(ORDERS, OTHERS, *lines)
    assert warehouse.rows("SELECT id FROM orders ORDER BY id") == [(0,), (2,)]
    assert warehouse.rows("SELECT id FROM others") == [(1,)]


def test_many_unannounced_properties_are_warned_of_in_few_lines(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    warehouse.load(ORDERS, record("orders", id=1, **{f"n{number}": 1 for number in range(150)}))
    assert len(caplog.records) < 60
    assert "more than 20 properties are not in the schema" in caplog.text
    assert len(warehouse.types("orders")) == 152


def test_a_byte_order_mark_is_skipped(warehouse: Warehouse) -> None:
    mark = "\ufeff"
    text = singer([ORDERS, record("orders", id=1), state(1)])
    first, *rest = text.splitlines()
    run = warehouse.load(mark + first, *rest, mark + rest[0].replace("1", "2"), state(2))
    assert run.states[-1] == 2
    assert warehouse.rows("SELECT id FROM orders ORDER BY id") == [(1,), (2,)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named(warehouse: Warehouse, encoding: str) -> None:
    command = warehouse.command()
    done = subprocess.run(
        command, input=singer([ORDERS]).encode(encoding), capture_output=True, check=False
    )
    assert done.returncode == 1
    assert b"line 1 is not a Singer message: the input is UTF-16" in done.stderr


def test_streams_without_a_key_stop_after_a_removal_that_is_refused(warehouse: Warehouse) -> None:
    warehouse.settings |= METADATA
    warehouse.load(EVENTS, *unit(1, "a", *numbered(500)))
    run = warehouse.load(
        EVENTS,
        schema("clicks", [], id="integer"),
        claiming(2, claim(0, customer="a")),
        *unit(3, "b", 9_000),
        *[record("clicks", id=number) for number in range(9)],
        fails=True,
        batch_size_rows=1,
    )

    assert "500 of 500 rows would be removed" in str(run.error)
    # the loader may read the first record before the refusal
    assert warehouse.rows("SELECT count(*) FROM clicks WHERE id > 1") == [(0,)]
