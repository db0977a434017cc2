"""A full refresh with another setting of `pii` leaves no value of the earlier form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from tap_attribution_io.tap import TapAttributionIo
from tap_ecdp.tap import TapEcdp
from tap_ignite.tap import TapIgnite

from attribution_elt.kit.tap import VendorTap
from attribution_elt.sandbox import Sandbox
from tests import people
from tests.tap_process import run_here
from tests.taps.tap_attribution_io import helpers as attribution_io
from tests.taps.tap_ecdp import helpers as ecdp
from tests.taps.tap_ignite import helpers as ignite
from tests.targets.target_warehouse.warehouses import SQLite, Warehouse

HASHED = {"pii": "hash", "pii_key": "a key of this test"}
Settings = Callable[[Sandbox], dict[str, Any]]
_MD5, _SHA2 = re.compile(r"\b[0-9a-f]{32}\b"), re.compile(r"\b[0-9a-f]{64}\b")


def plain_values(warehouse: Warehouse) -> list[str]:
    """Texts of all tables that name people readably."""
    found = []
    for table in warehouse.tables():
        for row in warehouse.rows(f'SELECT * FROM "{table}"'):
            texts = [str(value) for value in row if not isinstance(value, (int, float))]
            found += [f"{table}: {text}" for text in texts if "@" in text or _MD5.search(text)]
    return found


def test_no_plain_row_is_left(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    order = {"website_id": "none", "order_id": "1", "customer_email": "jane@mail.example"}
    rejected = {"type": "RECORD", "stream": "attributed_orders", "record": order}
    assert_no_plain_row_is_left(
        warehouse, monkeypatch, TapEcdp, ecdp.settings, rejected=json.dumps(rejected)
    )


@pytest.mark.parametrize(
    ("tap", "settings"),
    [
        (TapIgnite, lambda sandbox: ignite.settings(sandbox, hash_algorithms=["md5"])),
        (TapAttributionIo, lambda sandbox: attribution_io.settings(sandbox.attribution_io)),
    ],
)
def test_no_plain_row_of_other_taps_is_left(
    sqlite: SQLite, monkeypatch: pytest.MonkeyPatch, tap: type[VendorTap], settings: Settings
) -> None:
    assert_no_plain_row_is_left(sqlite, monkeypatch, tap, settings)


def test_no_hash_as_long_as_a_keyed_one_is_left(
    sqlite: SQLite, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.share(monkeypatch, 9)
    sqlite.settings |= {"add_record_metadata": True, "history": ["*"]}
    with Sandbox(seed=7) as sandbox:
        ignite.shrink(sandbox)
        config = ignite.settings(sandbox, hash_algorithms=["sha2"])
        plain = run_here(TapIgnite, config).stdout.decode()
        hashed = run_here(TapIgnite, {**config, **HASHED}).stdout.decode()
    vendor_hashes = {*_SHA2.findall(plain)} - {*_SHA2.findall(hashed)}
    assert vendor_hashes
    sqlite.load(*plain.splitlines())
    sqlite.load(*hashed.splitlines())
    left = {
        found
        for table in sqlite.tables()
        for row in sqlite.rows(f'SELECT * FROM "{table}"')
        for found in _SHA2.findall(str(row))
    }
    assert not left & vendor_hashes


def assert_no_plain_row_is_left(
    warehouse: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
    tap: type[VendorTap],
    settings: Settings,
    rejected: str | None = None,
) -> None:
    people.share(monkeypatch, 9)
    warehouse.settings |= {"add_record_metadata": True, "history": ["*"]}
    with Sandbox(seed=7) as sandbox:
        sandbox.ecdp.orders_per_day, sandbox.ecdp.history_days = 2, 9
        sandbox.attribution_io.customer_count = 9
        ignite.shrink(sandbox)
        config = settings(sandbox)
        plain = run_here(tap, config).stdout.decode().splitlines()
        hashed = run_here(tap, {**config, **HASHED}).stdout.decode().splitlines()
    warehouse.load(*plain, *([rejected] if rejected else []), fails=bool(rejected))
    before = {table: count(warehouse, table) for table in warehouse.tables()}
    plain_tables = {found.partition(":")[0] for found in plain_values(warehouse)}
    assert plain_tables
    assert ("_rejected" in str(plain_tables)) == bool(rejected)
    warehouse.load(*hashed)
    assert plain_values(warehouse) == []
    for table, rows in before.items():
        if not table.startswith("_") and "__" not in table:
            assert count(warehouse, table) == rows, table
    warehouse.load(*hashed)
    assert plain_values(warehouse) == []
    assert len(warehouse.rows("SELECT * FROM _masking")) > 0


def count(warehouse: Warehouse, table: str) -> int:
    [(rows,)] = warehouse.rows(f'SELECT count(*) FROM "{table}"')
    return int(rows)
