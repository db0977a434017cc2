"""Rows that the vendor no longer has are removed from their table, and no others."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from target_warehouse.warehouses import registry
from target_warehouse.warehouses.base import Adapter

from tests.targets.target_warehouse.claims import (
    EVENTS,
    METADATA,
    announced,
    claim,
    claiming,
    counts,
    events,
    history,
    ids,
    numbered,
    unit,
)
from tests.targets.target_warehouse.warehouses import (
    Line,
    Warehouse,
    raw_record,
    record,
    schema,
    state,
    warnings_in,
)


@pytest.fixture
def loaded(warehouse: Warehouse) -> Warehouse:
    """Five rows of customer a, and two of customer b."""
    warehouse.settings |= METADATA
    warehouse.load(EVENTS, *unit(1, "a", 1, 2, 3, 4, 5, note="x"), *unit(2, "b", 6, 7, note="x"))
    assert ids(warehouse) == [1, 2, 3, 4, 5, 6, 7]
    return warehouse


@pytest.mark.parametrize("batch_size_rows", [1, 2, 100])
def test_rows_that_a_claim_does_not_deliver_are_removed(
    loaded: Warehouse, batch_size_rows: int
) -> None:
    run = loaded.load(EVENTS, *unit(3, "a", 1, 3, 8, note="x"), batch_size_rows=batch_size_rows)
    assert run.states[-1] == 3
    assert ids(loaded) == [1, 3, 6, 7, 8]
    assert history(loaded) == [(2, "x"), (4, "x"), (5, "x")]
    assert loaded.rows(
        "SELECT _sdc_replaced_because, _sdc_valid_from = _sdc_batched_at, "
        "_sdc_valid_from < _sdc_valid_to, customer FROM events__history WHERE id = 2"
    ) == [("vanished", True, True, "a")]
    assert counts(loaded) == [(0, 0), (3, 0)]


def test_an_empty_claim_removes_a_few_rows(loaded: Warehouse) -> None:
    run = loaded.load(EVENTS, claiming(3, claim(0, customer="a")))
    assert run.states == [3]
    assert ids(loaded) == [6, 7]


def test_an_empty_claim_over_many_rows_is_refused(warehouse: Warehouse) -> None:
    warehouse.settings |= METADATA
    warehouse.load(EVENTS, *unit(1, "a", *numbered(500)), *unit(2, "b", 9_000))
    lines: list[Line] = [
        EVENTS,
        state(3),
        *unit(4, "b", 9_001),
        claiming(5, claim(0, customer="a")),
        {**state(6), "complete": True},
    ]
    run = warehouse.load(*lines, fails=True)
    assert "stream 'events': 500 of 501 rows would be removed" in str(run.error)
    assert "TARGET_WAREHOUSE_VANISH_LIMIT=1" in str(run.error)
    assert run.states in ([], [3])
    assert len(ids(warehouse)) == 502
    [(complete, message)] = warehouse.rows(
        "SELECT complete, message FROM _runs WHERE message IS NOT NULL"
    )
    assert not complete
    assert "500 of 501" in message

    assert warehouse.load(*lines, vanish_limit=1).states[-1] == 6
    assert ids(warehouse) == [9_001]


@pytest.mark.one_warehouse
def test_the_limit_is_a_share_of_all_claims_of_the_run(warehouse: Warehouse) -> None:
    warehouse.settings |= METADATA
    warehouse.load(EVENTS, *unit(1, "a", *numbered(1_000)), *unit(2, "b", *numbered(200, 5_000)))
    rest = claiming(4, claim(0, customer="b"))
    limit = "0.17"  # a text, as Meltano passes it on
    run = warehouse.load(
        EVENTS, *unit(3, "a", *numbered(1_000)), rest, batch_size_rows=250, vanish_limit=limit
    )
    assert run.states[-1] == 4
    assert len(ids(warehouse)) == 1_000


@pytest.mark.one_warehouse
def test_many_small_units_do_not_slip_through_the_limit(warehouse: Warehouse) -> None:
    warehouse.settings |= METADATA
    customers = [f"c{number}" for number in range(6)]
    warehouse.load(
        EVENTS,
        *[
            line
            for number, name in enumerate(customers)
            for line in unit(number, name, *numbered(60, number * 60))
        ],
    )
    empty = [
        line
        for number, name in enumerate(customers)
        for line in [*unit(0, "new", 9_000 + number)[:1], claiming(number, claim(0, customer=name))]
    ]
    run = warehouse.load(EVENTS, *empty, batch_size_rows=1, fails=True)
    assert "would be removed" in str(run.error)
    assert len(ids(warehouse)) >= 360 - 100 + 1


def test_rows_under_new_keys_make_up_for_vanished_ones(warehouse: Warehouse) -> None:
    warehouse.settings |= METADATA
    warehouse.load(EVENTS, *unit(1, "a", *numbered(1_000)))
    for batch_size_rows in (300, 5_000):
        start = batch_size_rows * 10
        run = warehouse.load(
            EVENTS, *unit(2, "a", *numbered(1_000, start)), batch_size_rows=batch_size_rows
        )
        assert run.states[-1] == 2
        assert ids(warehouse) == list(numbered(1_000, start))


def test_rows_inserted_elsewhere_do_not_make_up_for_vanished_ones(warehouse: Warehouse) -> None:
    warehouse.settings |= METADATA
    warehouse.load(EVENTS, *unit(1, "a", *numbered(1_000)))
    run = warehouse.load(
        EVENTS,
        *events("b", *numbered(1_000, 5_000)),
        claiming(2, claim(0, customer="a")),
        fails=True,
    )
    assert "1,000 of 1,000 rows would be removed" in str(run.error)
    assert len(ids(warehouse)) == 2_000


@pytest.mark.one_warehouse
def test_a_claim_over_three_batches(loaded: Warehouse) -> None:
    run = loaded.load(EVENTS, *unit(3, "a", *numbered(7, 3)), batch_size_rows=3)
    assert run.states == [3]
    assert ids(loaded) == list(numbered(7, 3))


@pytest.mark.one_warehouse
def test_a_claim_of_everything(loaded: Warehouse) -> None:
    loaded.load(EVENTS, *events("c", 3, 9), claiming(3, claim(2)))
    assert ids(loaded) == [3, 9]


def test_a_claim_of_a_range(loaded: Warehouse) -> None:
    days = {number: f"2026-11-{number:02}T12:00:00Z" for number in range(10, 16)}
    lines = {day: record("events", id=day, customer="r", at=at) for day, at in days.items()}
    loaded.load(EVENTS, *lines.values())
    where: dict[str, Any] = {
        "at": {"from": "2026-11-11T12:00:00+00:00", "to": "2026-11-14T13:00:00+01:00"}
    }
    loaded.load(EVENTS, lines[12], lines[15], claiming(1, claim(1, **where, customer="r")))
    assert ids(loaded) == [1, 2, 3, 4, 5, 6, 7, 10, 12, 14, 15]


def test_thousands_of_claims_are_few_statements(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.settings |= METADATA
    people = [f"p{number}" for number in range(2_000)]
    lines = [record("events", id=number, customer=name) for number, name in enumerate(people)]
    warehouse.load(EVENTS, *lines)
    claims = [claim(int(number % 100 != 0), customer=name) for number, name in enumerate(people)]
    kept = [line for number, line in enumerate(lines) if number % 100]
    seen: list[str] = []
    with contextlib.closing(registry.connect(warehouse.url, None)) as connected:
        adapter = type(connected)
    execute = adapter.execute

    def seen_execute(self: Adapter, sql: str, *more: Any) -> list[tuple[Any, ...]]:
        seen.append(sql)
        return execute(self, sql, *more)

    monkeypatch.setattr(adapter, "execute", seen_execute)
    warehouse.load(EVENTS, *kept, claiming(1, *claims))
    assert len(ids(warehouse)) == 1_980
    assert len(seen) < 100
    assert max(map(len, seen)) < 3_000


def test_unchanged_rows_are_not_rewritten(loaded: Warehouse) -> None:
    moments = loaded.rows("SELECT id, _sdc_batched_at FROM events ORDER BY id")
    loaded.load(EVENTS, *unit(3, "a", 1, 2, 3, 4, 5, note="x"))
    assert loaded.rows("SELECT id, _sdc_batched_at FROM events ORDER BY id") == moments
    assert counts(loaded)[-1] == (0, 0)


def test_a_row_that_comes_back_is_live_again(loaded: Warehouse) -> None:
    loaded.load(EVENTS, *unit(3, "a", 1, 2))
    loaded.load(EVENTS, *unit(4, "a", 1, 2, 3, 9, note="back"))
    loaded.load(EVENTS, *unit(5, "a", 1, 2, 3, 9, note="changed"))
    assert ids(loaded) == [1, 2, 3, 6, 7, 9]
    assert counts(loaded) == [(0, 0), (3, 0), (0, 1), (0, 0)]


def test_a_table_that_vanished_completely_comes_back(loaded: Warehouse) -> None:
    loaded.load(EVENTS, claiming(3, claim(0)))
    assert ids(loaded) == []
    loaded.load(EVENTS, *unit(4, "a", 1, 2))
    assert ids(loaded) == [1, 2]
    assert counts(loaded) == [(0, 0), (7, 0), (0, 2)]


def test_vanished_rows_can_be_marked(loaded: Warehouse) -> None:
    loaded.load(EVENTS, *unit(3, "a", 1, 2, note="x"), vanished="mark")
    assert ids(loaded) == [1, 2, 6, 7]
    assert loaded.rows("SELECT count(*) FROM events") == [(7,)]
    loaded.load(EVENTS, *unit(4, "a", 1, 2, 3, note="x"), vanished="mark")
    assert ids(loaded) == [1, 2, 3, 6, 7]
    assert counts(loaded) == [(0, 0), (3, 0), (0, 1)]
    assert history(loaded) == []


def test_the_version_of_a_row_before_it_was_marked_is_kept(loaded: Warehouse) -> None:
    settings: dict[str, Any] = {"vanished": "mark", "history": ["events"]}
    loaded.load(EVENTS, *unit(3, "a", 1, 2, note="x"), **settings)
    loaded.load(EVENTS, *unit(4, "a", 1, 2, 3, note="x"), **settings)
    assert history(loaded) == [(3, "x"), (3, "x"), (4, "x"), (5, "x")]
    assert loaded.rows(
        "SELECT _sdc_deleted_at IS NULL FROM events__versions WHERE id = 3 ORDER BY _sdc_valid_from"
    ) == [(True,), (False,), (True,)]
    assert counts(loaded) == [(0, 0), (3, 0), (0, 1)]


@pytest.mark.one_warehouse
def test_vanished_rows_can_be_ignored(loaded: Warehouse, caplog: pytest.LogCaptureFixture) -> None:
    run = loaded.load(EVENTS, *unit(3, "a", 1), vanished="ignore")
    assert run.states == [3]
    assert len(ids(loaded)) == 7
    assert warnings_in(caplog) == []


@pytest.mark.one_warehouse
@pytest.mark.parametrize(
    ("odd", "stays"),
    [
        (record("events", id=2, customer="a", at="yesterday"), [1, 2, 6, 7]),
        (record("events", id=2, customer="a", at=7), [1, 2, 6, 7]),
        (record("events", customer="a", at="yesterday"), [1, 2, 3, 4, 5, 6, 7]),
        (record("events", id=None, customer="a"), [1, 2, 3, 4, 5, 6, 7]),
        (record("events", id="?", customer="a"), [1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_the_row_of_a_rejected_record_stays(loaded: Warehouse, odd: Line, stays: list[int]) -> None:
    lines = [*events("a", 1), odd, claiming(3, claim(2, customer="a"))]
    assert loaded.load(EVENTS, *lines, fails=True).states == [3]
    assert ids(loaded) == stays


@pytest.mark.one_warehouse
@pytest.mark.parametrize(
    "delivered",
    [
        [claim(3, customer="a")],
        [claim(0, customer="a")],
        [claim(0, customer=None)],
        [claim(0, note="x")],
        [claim(0, nowhere="x")],
        [claim(0, customer={"from": "a", "to": "b"})],
        [claim(0, at="yesterday")],
        [claim(0, at={"from": 7})],
        [claim(1, customer="a", at={})],
        [claim(0, customer="b", at={"from": "2026-11-01T00:00:00Z"})],
        [claim(0, customer="b", at={"from": None, "to": "2026-12-01T00:00:00Z"})],
        [claim(0, stream="others")],
        [{"stream": "events", "where": {"customer": "a"}}],
        ["events"],
        "events",
    ],
)
def test_a_claim_that_is_unclear_removes_nothing(loaded: Warehouse, delivered: Any) -> None:
    run = loaded.load(EVENTS, *events("a", 1), {**state(3), "delivered": delivered})
    assert run.states == [3]
    assert len(ids(loaded)) == 7


@pytest.mark.one_warehouse
def test_a_wrong_count_does_not_concern_other_claims(
    loaded: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    claims = [claim(2, customer="a"), claim(1, customer="b")]
    loaded.load(EVENTS, *events("a", 1), *events("b", 6), claiming(3, *claims))
    assert ids(loaded) == [1, 2, 3, 4, 5, 6]
    assert "1 records arrived inside it, not 2" in caplog.text


@pytest.mark.one_warehouse
def test_a_unit_that_is_delivered_twice_is_claimed_with_all_its_records(
    loaded: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    again = [*events("a", 1, 2), claiming(4, claim(4, customer="a"))]
    loaded.load(EVENTS, *unit(3, "a", 1, 2), *again)
    assert ids(loaded) == [1, 2, 6, 7]
    assert not warnings_in(caplog)


@pytest.mark.one_warehouse
def test_a_repeated_record_counts_each_time(loaded: Warehouse) -> None:
    loaded.load(EVENTS, *events("a", 1, 1, 2), claiming(3, claim(3, customer="a")))
    assert ids(loaded) == [1, 2, 6, 7]


@pytest.mark.one_warehouse
@pytest.mark.parametrize(
    "settings",
    [
        {"load_method": "append-only"},
        {"stream_maps": {"events": {"__else__": None, "id": "id", "customer": "customer"}}},
        {"flattening_enabled": True, "flattening_max_depth": 1},
    ],
)
def test_nothing_vanishes_if_the_keys_are_not_those_of_the_tap(
    loaded: Warehouse, settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    lines: list[Line] = [EVENTS, *unit(3, "a", 1), *unit(4, "b", 6)]
    assert loaded.load(*lines, **settings).states[-1] == 4
    assert set(ids(loaded)) == {1, 2, 3, 4, 5, 6, 7}
    assert len([each for each in warnings_in(caplog) if "vanished rows stay" in each]) == 1


@pytest.mark.one_warehouse
def test_nothing_vanishes_with_a_schema_that_announces_no_claims(loaded: Warehouse) -> None:
    plain = schema("events", id="integer", customer="string")
    loaded.load(plain, *unit(3, "a", 1))
    assert len(ids(loaded)) == 7


@pytest.mark.one_warehouse
def test_nothing_vanishes_after_the_key_has_changed(loaded: Warehouse) -> None:
    other = {**EVENTS, "key_properties": ["id", "customer"]}
    loaded.load(
        EVENTS, *events("a", 1), other, *events("a", 2), claiming(3, claim(2, customer="a"))
    )
    assert len(ids(loaded)) == 7


def test_numbers_in_claims_and_keys_are_equal_by_value(warehouse: Warehouse) -> None:
    warehouse.settings |= METADATA
    prices = announced(schema("prices", id="number", amount="number"), "amount")
    texts = ['{"id": 1.0, "amount": 1.50}', '{"id": 2, "amount": 1.5}', '{"id": 3, "amount": 2}']
    warehouse.load(prices, *[raw_record("prices", text) for text in texts])
    line = raw_record("prices", '{"id": 1, "amount": 15e-1}')
    claims = [claim(1, "prices", amount=1.5), claim(0, "prices", amount={"from": 1.9, "to": 2.1})]
    warehouse.load(prices, line, claiming(1, *claims))
    assert warehouse.rows("SELECT count(*) FROM prices") == [(1,)]


@pytest.mark.parametrize("streams", [["events"], ["others", "*"]])
def test_old_versions_are_kept_where_a_setting_asks_for_it(
    loaded: Warehouse, streams: list[str]
) -> None:
    loaded.settings["history"] = streams
    loaded.load(EVENTS, *unit(3, "a", 1, 2, note="y"), *events("b", 6, note="x"))
    loaded.load(EVENTS, *events("a", 1, note="z", at="2026-11-01T00:00:00Z", more=7))
    assert loaded.rows(
        "SELECT id, note, _sdc_replaced_because FROM events__history ORDER BY id, _sdc_valid_to"
    ) == [
        (1, "x", "changed"),
        (1, "y", "changed"),
        (2, "x", "changed"),
        (3, "x", "vanished"),
        (4, "x", "vanished"),
        (5, "x", "vanished"),
    ]
    assert loaded.rows(
        "SELECT note, more, _sdc_valid_to IS NULL FROM events__versions "
        "WHERE id = 1 ORDER BY _sdc_valid_from"
    ) == [("x", None, False), ("y", None, False), ("z", 7, True)]


@pytest.mark.one_warehouse
def test_no_version_is_kept_of_other_streams(loaded: Warehouse) -> None:
    loaded.settings["history"] = ["others"]
    loaded.load(EVENTS, *events("a", 1, note="y"))
    assert history(loaded) == []
