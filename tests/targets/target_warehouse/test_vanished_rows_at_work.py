"""Claims are swept while processes end, connections break and other loads run.

Set `WAREHOUSE_KILLS=100` to kill more often than the suite does.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from singer_sdk import typing as th
from singer_sdk.sql import SQLConnector, SQLSink, SQLTarget
from typing_extensions import override

from tests.targets.target_warehouse.claims import (
    EVENTS,
    METADATA,
    announced,
    claim,
    claiming,
    events,
    history,
    ids,
    unit,
)
from tests.targets.target_warehouse.processes import InSteps, Loading
from tests.targets.target_warehouse.warehouses import (
    Line,
    PostgreSQL,
    schema,
    singer,
    state,
)

KILLS = int(os.environ.get("WAREHOUSE_KILLS", "5"))
CUSTOMERS, ROWS, LASTING = 30, 20, 14
OURS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture
def postgres(postgresql: PostgreSQL) -> PostgreSQL:
    postgresql.settings |= METADATA
    return postgresql


def truth(version: int, customer: int) -> list[int]:
    """Return the rows of a customer; most are in every version."""
    return [
        customer * 100 + number
        for number in range(ROWS)
        if number < LASTING or (number + version + customer) % 3
    ]


def run_of(version: int, done: int) -> Iterator[Line]:
    """Return a run that continues after the finished customers."""
    yield EVENTS
    for customer in range(done, CUSTOMERS):
        yield from unit(
            {"version": version, "done": customer + 1},
            f"c{customer}",
            *truth(version, customer),
            note="x" * 200,
        )


class Watch:
    """Checks repeatedly that rows of every version are in the table."""

    def __init__(self, warehouse: PostgreSQL) -> None:
        self._warehouse = warehouse
        self._ended = threading.Event()
        self.fewest = CUSTOMERS * LASTING
        self.looks = 0
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        with self._warehouse.connected() as connection:
            connection.autocommit = True
            while not self._ended.wait(0.01):
                sql = f"SELECT count(*) FROM events WHERE id % 100 < {LASTING}"
                self.fewest = min(self.fewest, connection.execute(sql).fetchone()[0])
                self.looks += 1

    def end(self) -> None:
        self._ended.set()
        self._thread.join()


def test_kills_neither_keep_vanished_rows_nor_remove_others(postgres: PostgreSQL) -> None:
    rng = random.Random(7)
    assert Loading(postgres, run_of(0, 0)).end().code == 0
    watch = Watch(postgres)
    version, done, kills = 1, 0, 0
    while kills < KILLS:
        loading = Loading(postgres, run_of(version, done), batch_size_rows=rng.choice([15, 70]))
        loading.wait_for(rng.randrange(1, 12))
        time.sleep(rng.random() * 0.05)
        run = loading.end(by=signal.SIGKILL)
        kills += run.code == -signal.SIGKILL
        if run.states:
            done = run.states[-1]["done"]
        if done == CUSTOMERS:
            version, done = version + 1, 0
    last = Loading(postgres, run_of(version, done), batch_size_rows=50).end()
    watch.end()
    assert (last.code, last.states[-1]["done"]) == (0, CUSTOMERS), last.stderr
    assert watch.looks
    assert watch.fewest == CUSTOMERS * LASTING
    assert ids(postgres) == [number for each in range(CUSTOMERS) for number in truth(version, each)]
    gone = {number for number, _ in history(postgres)}
    assert gone
    assert all(number % 100 >= LASTING for number in gone)


def test_a_server_that_ends_the_session_between_two_batches_of_a_claim(
    postgres: PostgreSQL,
) -> None:
    postgres.load(EVENTS, *unit(1, "a", *range(1, 9)))
    lines = InSteps([EVENTS, *unit(2, "b", 20, 21), *unit(3, "a", 1, 2, 3, 30, 5)])
    loading = Loading(postgres, lines, batch_size_rows=2)
    lines.let_through(8)
    until = time.monotonic() + 60
    while 30 not in ids(postgres):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert postgres.rows(f"SELECT count(pg_terminate_backend(pid)) {OURS}") == [(1,)]
    lines.let_through(2)
    run = loading.end()
    assert (run.code, run.states[-1]) == (0, 3), run.stderr
    assert ids(postgres) == [1, 2, 3, 5, 20, 21, 30]


@pytest.mark.parametrize("moment", [1, 3, 5, 6])
def test_rows_that_another_run_has_written_since_stay(postgres: PostgreSQL, moment: int) -> None:
    postgres.load(EVENTS, *unit(1, "a", 1, 2, 3, 4, 5))
    lines = InSteps([EVENTS, *unit(2, "b", 20), *unit(3, "a", 1, 2)])
    loading = Loading(postgres, lines, batch_size_rows=1)
    lines.let_through(moment)
    until = time.monotonic() + 60
    while not postgres.rows(f"SELECT 1 {OURS}"):
        assert time.monotonic() < until
        time.sleep(0.05)
    other = postgres.execute(EVENTS, *unit("other", "a", 1, 2, 3, 8))
    assert other.code == 0, other.stderr
    lines.let_through(10)
    assert loading.end().states[-1] == 3
    found = ids(postgres)
    # Row 3 was there before both runs and has not changed, so the run that ends last decides.
    assert [number for number in found if number != 3] == [1, 2, 8, 20]


def test_rows_that_stay_are_not_touched(postgres: PostgreSQL) -> None:
    postgres.load(EVENTS, *unit(1, "a", 1, 2, 3))
    before = postgres.rows("SELECT id, xmin, ctid FROM events WHERE id < 3 ORDER BY id")
    postgres.load(EVENTS, *unit(2, "a", 1, 2))
    assert postgres.rows("SELECT id, xmin, ctid FROM events ORDER BY id") == before


def test_a_sweep_that_fails_undoes_its_batch(postgres: PostgreSQL) -> None:
    postgres.load(EVENTS, *unit(1, "a", 1, 2, 3))
    with postgres.connected() as connection:
        connection.execute("CREATE TABLE others (id bigint REFERENCES events (id))")
        connection.execute("INSERT INTO others VALUES (3)")
        connection.commit()
    run = postgres.load(EVENTS, *unit(2, "a", 1, 9), state(3), fails=True)
    assert run.states == []
    assert 3 in ids(postgres)
    assert history(postgres) == []

    with postgres.connected() as connection:
        connection.execute("DROP TABLE others")
        connection.commit()
    assert postgres.load(EVENTS, *unit(2, "a", 1, 9), state(3)).states[-1] == 3
    assert ids(postgres) == [1, 9]


def test_the_columns_of_a_history_follow_those_of_the_table(postgres: PostgreSQL) -> None:
    postgres.load(EVENTS, *unit(1, "a", 1, 2, 3))
    postgres.load(EVENTS, *unit(2, "a", 1, 2))
    more = announced(
        schema("events", id="number", customer="string", size="number", more="object"), "customer"
    )
    postgres.load(more, *unit(3, "a", 1, 2, size=1.5, more={"a": 1}))
    postgres.load(more, *unit(4, "a", 1))
    assert postgres.rows("SELECT id, size, more ->> 'a' FROM events__history ORDER BY id") == [
        (2, 1.5, "1"),
        (3, None, None),
    ]


class SQLite(SQLConnector):
    """Tables of the SDK in an SQLite file."""

    @override
    def get_sqlalchemy_url(self, config: dict[str, Any]) -> str:
        return f"sqlite:///{config['file']}"


class Rows(SQLSink[SQLite]):
    connector_class = SQLite


class Conventional(SQLTarget):
    """A target on the SDK's own classes."""

    name = "conventional"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("file", th.StringType)
    ).to_dict()
    default_sink_class = Rows


@pytest.mark.filterwarnings("ignore:The default datetime adapter")  # the SDK's target uses it
def test_a_target_of_the_sdk_loads_the_same_with_and_without_claims(tmp_path: Path) -> None:
    claims = [
        EVENTS,
        *unit({"a": 1}, "a", 1, 2, at="2024-02-29T12:00:00Z"),
        claiming({"a": 2}, claim(0, customer="gone")),
        *events("a", 3, note="x"),
        {**claiming({"a": 3}, claim(3)), "complete": True},
    ]
    bare = [_without_claims(line) for line in claims]
    assert ("delivered" in singer(claims), "delivered" in singer(bare)) == (True, False)

    def loaded(name: str, lines: list[Any]) -> tuple[str, list[Any], list[Any]]:
        output, file = io.StringIO(), tmp_path / name
        with contextlib.redirect_stdout(output):
            Conventional(config={"file": str(file)}).listen(io.StringIO(singer(lines)))
        with contextlib.closing(sqlite3.connect(file)) as connection:
            tables = connection.execute("SELECT sql FROM sqlite_master").fetchall()
            rows = connection.execute("SELECT id, customer, at, note FROM events ORDER BY id")
            return output.getvalue(), tables, rows.fetchall()

    found = loaded("claims", claims)
    assert found == loaded("bare", bare)
    assert json.loads(found[0].splitlines()[-1]) == {"a": 3}
    assert [row[0] for row in found[2]] == [1, 2, 3]


def _without_claims(message: Any) -> dict[str, Any]:
    """A message as taps sent it that make no claims."""
    kept = {name: each for name, each in message.items() if name not in ("delivered", "complete")}
    if kept["type"] == "SCHEMA":
        kept["schema"] = {name: kept["schema"][name] for name in ("type", "properties")}
    return kept
