"""The metadata columns about the load."""

from __future__ import annotations

import pytest

from tests.targets.target_warehouse.warehouses import Warehouse, record, schema, state

COLUMNS = [
    "_sdc_deleted_at",
    "_sdc_extracted_at",
    "_sdc_received_at",
    "_sdc_batched_at",
    "_sdc_sequence",
    "_sdc_table_version",
    "_sdc_sync_started_at",
]
ITEMS = schema("items", id="integer")


def item(number: int, more: str = "") -> str:
    return f'{{"type": "RECORD", "stream": "items", "record": {{"id": {number}}}{more}}}'


def test_metadata_is_added(warehouse: Warehouse) -> None:
    warehouse.load(
        ITEMS,
        item(1, ', "time_extracted": "2024-01-01T10:00:00+02:00", "version": 7'),
        item(2),
        add_record_metadata=True,
    )

    assert list(warehouse.types("items")) == ["id", *COLUMNS]
    assert warehouse.rows(
        "SELECT _sdc_extracted_at::text, _sdc_table_version FROM items WHERE id = 1"
    ) == [("2024-01-01 08:00:00+00", 7)]
    assert warehouse.rows(
        "SELECT _sdc_extracted_at = _sdc_received_at, "
        "_sdc_received_at BETWEEN now() - INTERVAL '1 minute' AND _sdc_batched_at, "
        "_sdc_batched_at <= now(), "
        "_sdc_sequence BETWEEN _sdc_sync_started_at AND _sdc_sync_started_at + 60000, "
        "_sdc_table_version, _sdc_deleted_at FROM items WHERE id = 2"
    ) == [(True, True, True, True, None, None)]


def test_metadata_can_be_left_out(warehouse: Warehouse) -> None:
    warehouse.load(ITEMS, record("items", id=1, _sdc_deleted_at="2026-01-01", _sdc_batched_at="x"))
    assert list(warehouse.types("items")) == ["id"]
    assert warehouse.tables() == {"items"}


def test_metadata_columns_of_another_loader_are_replaced(warehouse: Warehouse) -> None:
    items = schema(
        "items",
        id="integer",
        _sdc_batched_at={"type": ["string", "null"], "format": "date-time"},
        _sdc_deleted_at={"type": ["string", "null"], "format": "date-time"},
    )
    warehouse.load(
        items,
        '{"type": "RECORD", "stream": "items", "record": {"id": 1, "_sdc_sequence": "x", '
        '"_sdc_batched_at": "2001-01-01T00:00:00Z", "_sdc_deleted_at": "2001-01-01T00:00:00Z"}}',
        add_record_metadata=True,
    )

    assert sorted(warehouse.types("items")) == sorted(["id", *COLUMNS])
    assert warehouse.rows(
        "SELECT _sdc_deleted_at::text, _sdc_batched_at > _sdc_deleted_at FROM items"
    ) == [("2001-01-01 00:00:00+00", True)]


@pytest.mark.one_warehouse
def test_a_key_with_the_name_of_metadata_is_refused(warehouse: Warehouse) -> None:
    """The loader would replace its values."""
    snapshots = schema("snapshots", ["id", "_sdc_extracted_at"], id="integer")
    snapshots["schema"]["properties"]["_sdc_extracted_at"] = {"type": "string"}
    values = {"id": 1, "_sdc_extracted_at": "2024-01-01"}
    lines = [ITEMS, record("items", id=1), snapshots, record("snapshots", **values), state(1)]

    run = warehouse.load(*lines, add_record_metadata=True, fails=True)

    assert "the key property '_sdc_extracted_at'" in str(run.error)
    assert run.states == []
    assert warehouse.rows("SELECT id FROM items") == [(1,)]
    warehouse.load(snapshots, record("snapshots", **values))
    assert warehouse.rows("SELECT * FROM snapshots") == [(1, "2024-01-01")]


@pytest.mark.one_warehouse
def test_settings_that_are_null_have_their_defaults(warehouse: Warehouse) -> None:
    warehouse.load(ITEMS, item(1), add_record_metadata=None, vanish_limit=None)
    assert list(warehouse.types("items")) == ["id", *COLUMNS]
