"""Messages are read the same in every notation."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import Any, cast

import pytest
from singer_sdk.exceptions import InvalidInputLine, RecordsWithoutSchemaException
from target_warehouse.reader import MessageReader
from target_warehouse.target import TargetWarehouse

from tests.targets.target_warehouse.warehouses import Warehouse, raw_record, record, schema, state

pytestmark = pytest.mark.one_warehouse
ITEMS = schema("items", id="integer", text="string")


@pytest.mark.parametrize(
    "template",
    [
        '{"type":"RECORD","stream":"items","record":%s}',
        '{"type": "RECORD", "stream": "items", "record": %s}',
        '{"type": "RECORD", "stream": "items", "version": 7, "record": %s}',
        '{"type": "RECORD", "stream": "items", "record": %s, "version": 7}',
        '{"record": %s, "stream": "items", "type": "RECORD"}',
        '{"stream": "items", "record": %s, "type": "RECORD"}',
        '{"stream" : "items" , "type" : "RECORD" , "record" : %s }',
        '  {"type": "RECORD", "stream": "it\\u0065ms", "record": %s}\r',
        '{"type": "RECORD", "stream": "items", "record": %s, "time_extracted": null}',
        '{"type": "RECORD", "stream": "items", "note": "\\"record\\": {", "record": %s}',
    ],
)
def test_the_shape_of_a_message_does_not_matter(warehouse: Warehouse, template: str) -> None:
    texts = ["a", '"record":', '{"type": "RECORD", "stream": "others", "record": {"id": 9}}']
    records = [{"id": number, "text": text} for number, text in enumerate(texts)]
    warehouse.load(
        ITEMS,
        schema("others", id="integer"),
        *[template.replace("%s", json.dumps(record)) for record in records],
    )

    rows = warehouse.rows("SELECT id, text FROM items ORDER BY id")
    assert rows == [(number, text) for number, text in enumerate(texts)]
    assert warehouse.rows("SELECT * FROM others") == []


def test_names_of_properties_may_be_escaped(warehouse: Warehouse) -> None:
    warehouse.load(ITEMS, raw_record("items", '{"\\u0069d": 1, "text": "a"}'))
    assert warehouse.rows("SELECT id, text FROM items") == [(1, "a")]


def test_a_stream_whose_name_looks_like_a_record(warehouse: Warehouse) -> None:
    warehouse.load(schema("record", id="integer"), *[record("record", id=n) for n in range(3)])
    assert warehouse.rows("SELECT count(*) FROM record") == [(3,)]


def test_blank_lines_and_a_last_line_without_an_end(warehouse: Warehouse) -> None:
    lines = [json.dumps(ITEMS), "", "  ", json.dumps(record("items", id=1)), "\r"]
    target = TargetWarehouse(config={"url": warehouse.url})
    target.listen(io.StringIO("\n".join([*lines, json.dumps(record("items", id=2))])))
    assert warehouse.rows("SELECT count(*) FROM items") == [(2,)]


def test_bytes_are_read_as_well_as_text(warehouse: Warehouse) -> None:
    lines = [json.dumps(ITEMS), '{"type": "RECORD", "stream": "items", "record": {"text": "\xff"}}']
    lines[1] = lines[1].replace('{"text"', '{"id": 1, "text"')
    target = TargetWarehouse(config={"url": warehouse.url})
    target.listen(io.BytesIO("\n".join(lines).encode("latin-1")))  # type: ignore[arg-type] # bytes are read too
    assert warehouse.rows("SELECT text FROM items") == [("\ufffd",)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Loading ...", "Expecting value: line 1 column 1 (char 0)"),
        ("[1]", "it is not an object"),
        ("{}", "it has no type"),
        ('{"type": 7}', "it has no type"),
        ('{"type": "HELLO"}', "its type 'HELLO' is unknown"),
        ('{"type": "BATCH", "stream": "items"}', "it has no encoding or no manifest"),
        ('{"type": "STATE"}', "it has no value"),
        ('{"type": "SCHEMA", "stream": "x"}', "it has no schema"),
        ('{"type": "RECORD", "stream": "items"}', "it has no record"),
        ('{"type": "RECORD", "stream": "items", "rec', "Unterminated string"),
    ],
)
def test_a_line_that_is_not_a_message(warehouse: Warehouse, line: str, reason: str) -> None:
    good = [ITEMS, record("items", id=1), record("items", id=1), state(1)]
    run = warehouse.load(*good, line, record("items", id=2), state(2), fails=True)

    assert isinstance(run.error, InvalidInputLine)
    assert str(run.error).startswith(f"line 5 is not a Singer message: {reason}")
    assert run.states == [1]
    assert warehouse.rows("SELECT id FROM items") == [(1,)]


@pytest.mark.parametrize(
    "line",
    [
        b'{"type": "STATE", "value": "\xff"}',
        b'{"type": "SCHEMA", "stream": "x", "schema": {"properties": {"\xff": {}}}}',
    ],
)
def test_a_state_or_a_schema_that_is_not_utf_8(warehouse: Warehouse, line: bytes) -> None:
    text = b"\n".join([json.dumps(ITEMS).encode(), line, b""])
    target = TargetWarehouse(config={"url": warehouse.url})
    with pytest.raises(InvalidInputLine, match="line 2 is not a Singer message: 'utf-8' codec"):
        target.listen(io.BytesIO(text))  # type: ignore[arg-type] # bytes are read too


@pytest.mark.parametrize(
    "odd",
    [
        {"type": [["integer"]]},
        {"type": 7},
        {"type": "string", "format": ["date"]},
        {"anyOf": "integer"},
        {"enum": 7},
        {"enum": {"a": 1}},
        "integer",
        None,
    ],
)
def test_a_property_with_an_empty_schema_may_have_any_type(warehouse: Warehouse, odd: Any) -> None:
    items = schema("items", id="integer", odd=odd if isinstance(odd, dict) else {"x": 1})
    items["schema"]["properties"]["odd"] = odd
    warehouse.load(items, record("items", id=1, odd="a"), record("items", id=2, odd={"b": 1}))
    found = warehouse.rows("SELECT id, odd::text FROM items ORDER BY id")
    assert [value for _, value in found] in (['"a"', '{"b": 1}'], ["a", '{"b": 1}'])


@pytest.mark.parametrize("odd", [7, None, "text", {"anyOf": [7]}])
def test_a_schema_that_flattening_cannot_read(warehouse: Warehouse, odd: Any) -> None:
    bare = {"type": "SCHEMA", "stream": "items", "schema": {"properties": {"id": odd}}}
    flat = {"flattening_enabled": True, "flattening_max_depth": 1}
    run = warehouse.load(bare, fails=True, **flat)
    assert isinstance(run.error, InvalidInputLine)
    assert str(run.error).startswith("line 1 is not a Singer message: its schema cannot be read")


def test_a_last_record_that_was_cut_off(warehouse: Warehouse) -> None:
    lines = [json.dumps(line) for line in [ITEMS, record("items", id=1), record("items", id=2)]]
    target = TargetWarehouse(config={"url": warehouse.url})
    with pytest.raises(InvalidInputLine, match="line 3"):
        target.listen(io.StringIO("\n".join(lines)[:-9]))
    assert warehouse.rows("SELECT id FROM items") == [(1,)]


def test_a_record_before_its_schema(warehouse: Warehouse) -> None:
    run = warehouse.load(ITEMS, record("items", id=1), record("others", id=1), fails=True)
    assert isinstance(run.error, RecordsWithoutSchemaException)
    assert warehouse.rows("SELECT id FROM items") == [(1,)]


class _Loader:
    """A loader that keeps nothing."""

    def has(self, name: str) -> bool:
        return bool(name)

    def records(self, *_: Any) -> None:
        pass

    flush_due = records


def test_a_time_before_each_record_needs_no_memory() -> None:
    reader = MessageReader(lambda: cast("Any", _Loader()), list)
    line = '{"type": "RECORD", "stream": "items", "time_extracted": "%d", "record": {"id": 1}}\n'
    tracemalloc.start()
    try:
        reader.process_lines(io.BytesIO("".join(line % n for n in range(60_000)).encode()), {})
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 6 << 20
