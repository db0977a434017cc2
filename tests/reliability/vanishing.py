"""ECDP's orders over many days: the vendor deletes and moves them, requests fail, processes die."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
from tap_ecdp.tap import TapEcdp

from attribution_elt.sandbox import Fault, Request, Sandbox
from tests.pipeline.landings import Postgres
from tests.reliability.database import Database
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
    versions: int = 0
    """Rows of the histories."""
    misremembered: list[str] = field(default_factory=list)
    """Differences between the versions and the copies that were made after complete runs."""

    @property
    def errors(self) -> list[str]:
        """Return all errors."""
        return self.missing + self.left + self.bad_exits + self.misremembered

    def __str__(self) -> str:
        return (
            f"{self.days} days, {self.runs} runs, {self.complete} complete, {self.failed} with a "
            f"failed window, {self.kills.total()} kills; {len(self.vanished)} orders vanished; "
            f"{self.polls} polls; {len(self.missing)} missing, {len(self.left)} differences, "
            f"{len(self.bad_exits)} bad exits; {self.versions} old versions, "
            f"{len(self.misremembered)} of them wrong\n" + "\n".join(self.errors[:20])
        )


class VanishingOrders:
    """A pipeline of ECDP that runs each day, with kills before its last run of the day."""

    def __init__(
        self, sandbox: Sandbox, forks: ForkServer, database: Database, folder: Path, seed: int
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
        self._copies: list[tuple[datetime, dict[str, set[str]]]] = []
        """Copies of the tables after complete runs, and when they were made."""
        self._owed: set[Key] = set()
        """Loaded orders that the vendor still has; they must stay in the table."""

    def run(self, days: int, kills: int) -> Days:
        """Simulate some days, with kills spread evenly over them."""
        self._database.drop_schema(schema_of(self._account))
        self._begin_day()
        assert self._run(None).complete
        self._compare()
        with self._polling():
            for day in range(days):
                self._sandbox.advance()
                self._begin_day()
                for _ in range(kills * (day + 1) // days - kills * day // days):
                    self._run(self._kill())
                last = self._run(None, failing=day < days - 1)
                self._finish_day(last)
        self.days.days += days
        self._check_versions()
        return self.days

    def _begin_day(self) -> None:
        before = set(self._account.truth.get(ecdp.ORDERS, ()))
        self._account.settings["end_date"] = str(self._sandbox.clock.today)
        self._account.refresh()
        now: set[Any] = set(self._account.truth[ecdp.ORDERS])
        self.days.vanished |= before - now
        self._owed = self._loaded() & now

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
        self._check(self._loaded())
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
        kinds = {name: weight for name, weight in WEIGHTS.items() if name != "fill disk"}
        (kind,) = self._rng.choices(list(kinds), list(kinds.values()))
        place = self._rng.choice(WHERE[kind])
        number = self._rng.randint(1, max(1, self._seen[place]))
        return Kill(kind, place, number, self._rng.choice((0, 0.01)))

    def _loaded(self) -> set[Key]:
        try:
            with psycopg.connect(self._database.url) as connection:
                return self._keys(connection)
        except psycopg.errors.UndefinedTable:
            return set()

    def _keys(self, connection: psycopg.Connection) -> set[Key]:
        table = f"{schema_of(self._account)}.{ecdp.ORDERS}"
        found = connection.execute(f"SELECT website_id, order_id FROM {table}".encode())
        return set(found.fetchall())

    def _check(self, loaded: set[Key]) -> None:
        self.days.missing += [
            f"{self._sandbox.clock.today}: {key} is missing" for key in self._owed - loaded
        ]

    @contextmanager
    def _polling(self) -> Iterator[None]:
        """Check the table all the time, as a reader sees it between transactions."""
        ended = threading.Event()

        def poll() -> None:
            while not ended.is_set():
                with (
                    suppress(psycopg.OperationalError),  # the database may be down
                    psycopg.connect(self._database.url, autocommit=True) as connection,
                ):
                    while not ended.wait(PAUSE):
                        day, owed = self._sandbox.clock.today, self._owed
                        lost = owed - self._keys(connection)
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
        landing = Postgres(self._database.url)
        for name, stream in self._account.streams.items():
            found = dict(identified(stream, landing.rows(self._account.tap, name, stream)))
            truth = self._account.truth[name]
            day = self._sandbox.clock.today
            self.days.left += [
                f"{day}: {name} {key} is not as at the vendor"
                for key in found.keys() | truth.keys()
                if found.get(key) != truth.get(key)
            ]
        with psycopg.connect(self._database.url) as connection:
            copies = {
                name: {self._row(row) for (row,) in connection.execute(self._rows(name))}
                for name in self._account.streams
            }
            self._copies.append((datetime.now(UTC), copies))

    def _rows(self, table: str) -> bytes:
        path = f"{schema_of(self._account)}.{table}"
        return f"SELECT to_jsonb(held) FROM {path} AS held".encode()

    @staticmethod
    def _row(row: Mapping[str, Any]) -> str:
        """Return the columns of a record, as text."""
        return str({n: value for n, value in sorted(row.items()) if not n.startswith("_sdc_")})

    def _check_versions(self) -> None:
        """Compare the versions at each moment of a copy with it; no version repeats the last."""
        with psycopg.connect(self._database.url) as connection:
            for name, stream in self._account.streams.items():
                versions = [
                    (
                        str([row[key] for key in stream.keys]),
                        datetime.fromisoformat(row["_sdc_valid_from"]),
                        datetime.fromisoformat(row["_sdc_valid_to"] or "9999-01-01T00:00:00+00:00"),
                        self._row(row),
                    )
                    for (row,) in connection.execute(self._rows(f"{name}__versions"))
                ]
                self.days.versions += sum(end.year < 9999 for _, _, end, _ in versions)
                for moment, copies in self._copies:
                    known = {row for _, start, end, row in versions if start <= moment < end}
                    self.days.misremembered += [
                        f"{name} at {moment}: {row}" for row in known ^ copies[name]
                    ]
                self.days.misremembered += [
                    f"{name} {key} has the same version twice"
                    for (key, _, end, row), (next_key, start, _, next_row) in pairwise(
                        sorted(versions)
                    )
                    if (key, row) == (next_key, next_row) and start <= end
                ]


def simulate(
    days: int, kills: int, forks: ForkServer, database: Database, folder: Path, *, seed: int
) -> Days:
    """Simulate the last days up to today."""
    today = datetime.now(UTC).date() - timedelta(days)
    with Sandbox(seed=seed, today=today) as sandbox:
        return VanishingOrders(sandbox, forks, database, folder, seed).run(days, kills)
