"""The SDK's own tests of a target, and the rows that they leave."""

from __future__ import annotations

import contextlib
import importlib.resources
import json
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

import pytest
from singer_sdk.testing import TargetTestRunner, get_target_test_class, target_test_streams
from target_warehouse.target import TargetWarehouse

from tests.targets.target_warehouse.warehouses import Warehouse

STREAMS = importlib.resources.files(target_test_streams)
REFUSED = {
    "record_before_schema": "line 1 is a record of stream 'test_record_before_schema', "
    "which has no schema yet",
    "record_missing_key_property": "1 record was rejected (test_record_missing_key_property 1): "
    "the table _rejected has it, with the reason",
}


class TestStandard(get_target_test_class(TargetWarehouse)):  # type: ignore[misc] # it is made here
    # It wants an error for {"type": "object"}. That is a valid schema, which taps of databases
    # without schemas send: the columns come from the records.
    test_target_invalid_schema = None

    @pytest.fixture
    def runner(self, warehouse: Warehouse) -> Iterator[TargetTestRunner]:
        runner = TargetTestRunner(TargetWarehouse, config={"url": warehouse.url})
        yield runner
        if runner.input_filepath:
            runner.target_input.close()


def expected(messages: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows that the Singer specification demands."""
    schemas: dict[str, dict[str, Any]] = {}
    tables: dict[str, dict[Any, dict[str, Any]]] = {}
    for message in messages:
        if message["type"] == "SCHEMA":
            schemas[message["stream"]] = message
            tables.setdefault(message["stream"], {})
        elif message["type"] == "RECORD":
            rows = tables[message["stream"]]
            keys = schemas[message["stream"]].get("key_properties")
            key = tuple(message["record"][name] for name in keys) if keys else len(rows)
            rows[key] = message["record"]
    return {stream: list(rows.values()) for stream, rows in tables.items()}


def found(warehouse: Warehouse, table: str, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of a table, as the records that they were loaded from."""
    with warehouse.connected() as connection:
        cursor = connection.execute(f'SELECT * FROM "{table}"')
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    nested = {
        name
        for record in records
        for name, value in record.items()
        if isinstance(value, dict | list)
    }
    for row in rows:
        for name in nested & row.keys():
            if isinstance(row[name], str):
                row[name] = json.loads(row[name])
    return [
        {name: sanitize(value) for name, value in row.items() if value is not None} for row in rows
    ]


def sanitize(value: Any) -> Any:
    """Return the value; a moment in ISO 8601, however it was sent."""
    for kind in (date, time, datetime):
        with contextlib.suppress(ValueError):
            return kind.fromisoformat(str(value)).isoformat()
    return value


@pytest.mark.parametrize(
    "name",
    sorted(
        file.name.removesuffix(".singer")
        for file in STREAMS.iterdir()
        if file.name.endswith(".singer")
    ),
)
def test_the_streams_of_the_sdk_are_in_the_tables(warehouse: Warehouse, name: str) -> None:
    text = (STREAMS / f"{name}.singer").read_text("utf-8")
    run = warehouse.load(*text.splitlines(), fails=name in REFUSED)

    if name in REFUSED:
        assert str(run.error) == REFUSED[name]
        return
    tables = expected(list(map(json.loads, text.splitlines())))
    assert warehouse.tables() == tables.keys()
    for table, records in tables.items():
        rows = found(warehouse, table, records)
        assert sorted(rows, key=str) == sorted(map(storable, records), key=str)


def storable(row: dict[str, Any]) -> dict[str, Any]:
    """Return a record without nulls, and without NUL in its texts, in the order of its columns."""
    return {
        name: sanitize(value.replace("\0", "") if isinstance(value, str) else value)
        for name, value in row.items()
        if value is not None
    }
