"""ECDP's orders over many days: the vendor deletes and moves them, requests fail, processes die."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from tap_ecdp.tap import TapEcdp

from attribution_elt.sandbox import Fault, Request, Sandbox
from tests.reliability.database import Database, Killable
from tests.reliability.fork_server import ForkServer
from tests.reliability.kills import CODES, WEIGHTS, WHERE
from tests.reliability.run import Kill, Outcome, Run, schema_of
from tests.reliability.truth import Account, identified
from tests.taps.tap_ecdp import helpers as ecdp

SHARE = 0.05
ORDERS_PER_DAY = 12
FAILING_DAYS = 0.017
"""Share of the days whose requests fail, so that 5 % of the windows of three days fail."""
PAUSE = 0.02

Key = tuple[int, str]
Rows = dict[tuple[Any, ...], str]
"""The columns of the records, as text, by key."""
PROCESSES = ("line", "torn line", "request", "state")
"""The places of kills that a database without a server has."""


@dataclass
class Days:
    """Counts and errors of a simulation."""

    days: int = 0
    runs: int = 0
    complete: int = 0
    failed: int = 0
    polls: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    vanished: set[Key] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)
    """Orders that the vendor has and that were not in the table at some moment."""
    left: list[str] = field(default_factory=list)
    """Differences between the tables and the vendor after a complete run."""
    bad_exits: list[str] = field(default_factory=list)
    changes: int = 0
    """Rows that were changed or removed between two runs."""
    misremembered: list[str] = field(default_factory=list)
    """Differences between the histories and these changes, or between the versions and the copies
    that were made after complete runs."""

    @property
    def errors(self) -> list[str]:
        """Return all errors."""
        return self.missing + self.left + self.bad_exits + self.misremembered

    def __str__(self) -> str:
        return (
            f"{self.days} days, {self.runs} runs, {self.complete} complete, {self.failed} with a "
            f"failed window, {self.kills.total()} kills; {len(self.vanished)} orders vanished; "
            f"{self.polls} polls; {len(self.missing)} missing, {len(self.left)} differences, "
            f"{len(self.bad_exits)} bad exits; {self.changes} changes, "
            f"{len(self.misremembered)} errors in their history\n" + "\n".join(self.errors[:20])
        )


class VanishingOrders:
    """A pipeline of ECDP that runs each day, with kills before its last run of the day."""

    def __init__(
        self, sandbox: Sandbox, forks: ForkServer, database: Killable, folder: Path, seed: int
    ) -> None:
        vendor = sandbox.ecdp
        vendor.orders_per_day, vendor.history_days = ORDERS_PER_DAY, 40
        vendor.withdrawals.share = SHARE
        settings: dict[str, Any] = {
            "api_url": vendor.url,
            "api_key": vendor.api_key,
            "start_date": str(vendor.first_day),
            "window_days": 3,
            "max_retries": 1,
        }
        self.days = Days()
        self._sandbox = sandbox
        self._account = Account(
            "tap-ecdp", TapEcdp, sandbox, settings, lambda *_: False, self._expected
        )
        self._forks, self._database, self._folder = forks, database, folder
        self._rng = random.Random(seed)
        self._state: dict[str, Any] = {}
        self._seen: Counter[str] = Counter()
        self._copies: list[tuple[datetime, dict[str, Rows]]] = []
        """Copies of the tables after complete runs, and when they were made."""
        self._last: dict[str, Rows] = {}
        """Copies of the tables after the last run."""
        self._changes: Counter[tuple[str, str, str]] = Counter()
        """Streams, earlier columns and reasons of all changes to the tables."""
        self._owed: set[Key] = set()
        """Loaded orders that the vendor still has; they must stay in the table."""

    def run(self, days: int, kills: int) -> Days:
        """Simulate some days, with kills spread evenly over them."""
        if isinstance(self._database, Database):
            self._database.drop_schema(schema_of(self._account))
        self._begin_day()
        assert self._run(None).complete
        self._compare()
        # a DuckDB file has one user at a time
        with self._polling() if isinstance(self._database, Database) else nullcontext():
            for day in range(days):
                self._sandbox.advance()
                self._begin_day()
                for _ in range(kills * (day + 1) // days - kills * day // days):
                    self._run(self._kill())
                last = self._run(None, failing=day < days - 1)
                self._finish_day(last)
        self.days.days += days
        self._check_history()
        return self.days

    def _begin_day(self) -> None:
        before = set(self._account.truth.get(ecdp.ORDERS, ()))
        self._account.settings["end_date"] = str(self._sandbox.clock.today)
        self._account.refresh()
        now: set[Any] = set(self._account.truth[ecdp.ORDERS])
        self.days.vanished |= before - now
        self._owed = self._loaded & now

    def _expected(self) -> dict[str, Any]:
        orders = self._sandbox.ecdp.truth()
        return {
            ecdp.ORDERS: ecdp.expected_orders(orders).values(),
            ecdp.LINES: ecdp.expected_lines(orders).values(),
        }

    def _finish_day(self, outcome: Outcome) -> None:
        if outcome.complete:
            self.days.complete += 1
            self._compare()
        else:
            self.days.failed += 1

    def _run(self, kill: Kill | None, *, failing: bool = False) -> Outcome:
        """Run the pipeline; check that all owed orders are in the table."""
        vendor = self._account.vendor
        if failing:
            vendor.faults.add(Fault("status", times=None, match=self._failing()))
        run = Run(
            self._forks,
            self._account,
            self._database,
            self._folder,
            state=self._state,
            kill=kill,
        )
        outcome = run.run()
        figures = self.days
        figures.runs += 1
        if outcome.states:
            self._state = outcome.states[-1]
        if outcome.struck and kill:
            figures.kills[kill.kind] += 1
        elif outcome.complete:
            self._seen = outcome.seen
        allowed = CODES if kill else {0, 1}
        if "Traceback" in outcome.log or not set(outcome.codes) <= allowed:
            figures.bad_exits.append(f"{kill}: {outcome.codes} {outcome.log}")
        if outcome.codes[1] and not kill:
            figures.bad_exits.append(f"the loader failed: {outcome.log}")
        self._follow_changes()
        self.days.missing += [
            f"{self._sandbox.clock.today}: {key} is missing" for key in self._owed - self._loaded
        ]
        return outcome

    def _failing(self) -> Any:
        """Return whether a request contains one of the days that fail in this run."""
        first = self._sandbox.ecdp.first_day
        every = (self._sandbox.clock.today - first).days + 1
        failing = {
            first + timedelta(day) for day in range(every) if self._rng.random() < FAILING_DAYS
        }

        def matches(request: Request) -> bool:
            start, end = (
                date.fromisoformat(request.query[name][0]) for name in ("startDate", "endDate")
            )
            return any(start <= day <= end for day in failing)

        return matches

    def _kill(self) -> Kill:
        is_server = isinstance(self._database, Database)
        left_out = {"fill disk"} if is_server else {"fill disk", "crash database"}
        kinds = {name: weight for name, weight in WEIGHTS.items() if name not in left_out}
        (kind,) = self._rng.choices(list(kinds), list(kinds.values()))
        place = self._rng.choice([each for each in WHERE[kind] if is_server or each in PROCESSES])
        number = self._rng.randint(1, max(1, self._seen[place]))
        return Kill(kind, place, number, self._rng.choice((0, 0.01)))

    @property
    def _loaded(self) -> set[Any]:
        """The keys of the orders that were in the table after the last run."""
        return set(self._last.get(ecdp.ORDERS, ()))

    def _rows(self, table: str) -> Iterator[dict[str, Any]]:
        columns, rows = self._database.landing.select(f"{schema_of(self._account)}.{table}")
        return (dict(zip(columns, row, strict=True)) for row in rows)

    def _follow_changes(self) -> None:
        """Copy the tables, and note which rows of the last copy are changed or gone.

        A row changes once a day at most, so no change lies between two copies unseen.
        """
        for name, stream in self._account.streams.items():
            rows = {tuple(row[key] for key in stream.keys): _text(row) for row in self._rows(name)}
            for key, text in self._last.get(name, {}).items():
                if rows.get(key) != text:
                    why = "changed" if key in rows else "vanished"
                    self._changes[name, text, why] += 1
            self._last[name] = rows

    @contextmanager
    def _polling(self) -> Iterator[None]:
        """Check the table all the time, as a reader sees it between transactions."""
        assert isinstance(self._database, Database)
        url = self._database.url
        query = f"SELECT website_id, order_id FROM {schema_of(self._account)}.{ecdp.ORDERS}"
        ended = threading.Event()

        def poll() -> None:
            while not ended.is_set():
                with (
                    suppress(psycopg.OperationalError),  # the database may be down
                    psycopg.connect(url, autocommit=True) as connection,
                ):
                    while not ended.wait(PAUSE):
                        day, owed = self._sandbox.clock.today, self._owed
                        lost = owed - set(connection.execute(query.encode()).fetchall())
                        if lost and owed is self._owed and day == self._sandbox.clock.today:
                            self.days.missing += [f"{day}: {key} disappeared" for key in lost]
                        self.days.polls += 1

        thread = threading.Thread(target=poll)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _compare(self) -> None:
        """Compare both tables with the vendor's data."""
        landing = self._database.landing
        for name, stream in self._account.streams.items():
            found = dict(identified(stream, landing.rows(self._account.tap, name, stream)))
            truth = self._account.truth[name]
            day = self._sandbox.clock.today
            self.days.left += [
                f"{day}: {name} {key} is not as at the vendor"
                for key in found.keys() | truth.keys()
                if found.get(key) != truth.get(key)
            ]
        self._copies.append((datetime.now(UTC), dict(self._last)))

    def _check_history(self) -> None:
        """Compare the histories with the changes, and the versions with each copy."""
        kept: Counter[tuple[str, str, str]] = Counter()
        for name in self._account.streams:
            kept.update(
                (name, _text(row), row["_sdc_replaced_because"])
                for row in self._rows(f"{name}__history")
            )
            versions = [
                (row["_sdc_valid_from"], row["_sdc_valid_to"], _text(row))
                for row in self._rows(f"{name}__versions")
            ]
            for moment, copies in self._copies:
                known = Counter(
                    text
                    for start, end, text in versions
                    if start <= moment and (end is None or moment < end)
                )
                copy = Counter(copies[name].values())
                self.days.misremembered += [
                    f"{name} at {moment}: {text}" for text in (known - copy) + (copy - known)
                ]
        self.days.changes = self._changes.total()
        self.days.misremembered += [f"{each} is not kept" for each in self._changes - kept]
        self.days.misremembered += [f"{each} is no change" for each in kept - self._changes]


def _text(row: Mapping[str, Any]) -> str:
    """Return the columns of a record, as text."""
    return str({n: value for n, value in sorted(row.items()) if not n.startswith("_sdc_")})


def simulate(
    days: int, kills: int, forks: ForkServer, database: Killable, folder: Path, *, seed: int
) -> Days:
    """Simulate the last days up to today."""
    today = datetime.now(UTC).date() - timedelta(days)
    with Sandbox(seed=seed, today=today) as sandbox:
        return VanishingOrders(sandbox, forks, database, folder, seed).run(days, kills)
