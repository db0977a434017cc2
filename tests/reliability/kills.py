"""Kills pipelines repeatedly, and counts rows that are lost or duplicated."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from attribution_elt.sandbox.ihc import Ihc
from tests.pipeline.landings import Postgres
from tests.reliability.database import Database
from tests.reliability.fork_server import ForkServer
from tests.reliability.run import PLACES, STATEMENTS, Kill, Outcome, Run, schema_of
from tests.reliability.truth import UNCLAIMED, Account, identified
from tests.tap_process import merged

MOST_IN_A_ROW = 4
"""Consecutive kills after which a pipeline runs to its end."""
PAUSES = (0, 0, 0.005, 0.02, 0.08)
INSIDE = tuple(f"{when} {each}" for each in STATEMENTS for when in ("before", "after"))
BOUNDARIES = 0.6
"""Share of the kills of first runs that happen at an untried boundary between messages."""
WEIGHTS: dict[str, int] = {
    "SIGKILL tap": 24,
    "SIGKILL target": 28,
    "SIGKILL both": 20,
    "SIGTERM tap": 4,
    "SIGTERM target": 6,
    "SIGTERM both": 4,
    "close tap's pipe": 3,  # nothing reads the tap's output
    "close target's pipe": 3,  # nothing reads the target's states
    "crash database": 5,
    "fill disk": 3,
}
WHERE: dict[str, tuple[str, ...]] = {
    "SIGKILL tap": ("line", "line", "line", "torn line", "request"),
    "SIGKILL target": PLACES,
    "SIGKILL both": PLACES,
    "SIGTERM tap": ("line", "request"),
    "SIGTERM target": ("line", "state", *INSIDE),
    "SIGTERM both": PLACES[2:],
    "close tap's pipe": ("line",),
    "close target's pipe": ("state",),
    "crash database": ("line", "state", *INSIDE),
    "fill disk": ("line", "state", *INSIDE),
}
ENDED = {128 + 15, -9, -15}
"""Exit codes of processes that a signal has ended."""
CODES = {0, 1, *ENDED}
"""Allowed exit codes; others would be 120 (a broken pipe while Python exits) and -11 (a crash)."""


@dataclass
class Figures:
    """Counts and errors of a campaign."""

    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Kills by kind and place."""
    by_tap: Counter[str] = field(default_factory=Counter)
    boundaries: dict[str, set[int]] = field(default_factory=dict)
    """Lines of each tap's complete output before which a kill has happened."""
    lines: dict[str, int] = field(default_factory=dict)
    runs: int = 0
    completed: int = 0
    compared: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    ahead: list[str] = field(default_factory=list)
    """Rows that a state covers and the warehouse does not have."""
    recomputed: list[str] = field(default_factory=list)
    """Journeys that the vendor computed again although their credits were loaded."""
    history: list[str] = field(default_factory=list)
    """Withdrawn rows that the history has not exactly once."""
    removed: int = 0
    bad_exits: list[str] = field(default_factory=list)
    """Runs that ended with a traceback or an unexpected exit code."""
    seconds: float = 0
    skipped: str = ""

    @property
    def faults(self) -> list[str]:
        return (
            self.lost
            + self.duplicated
            + self.ahead
            + self.recomputed
            + self.history
            + self.bad_exits
        )

    def __str__(self) -> str:
        kinds, places = Counter[str](), Counter[str]()
        for (kind, place), count in self.kills.items():
            kinds[kind] += count
            places[place] += count
        hit = ", ".join(f"{t} {len(b)} of {self.lines[t]}" for t, b in self.boundaries.items())
        return "\n".join(
            [
                f"{self.kills.total()} kills in {self.runs} runs, {self.seconds:.0f} s",
                f"  by kind: {format_counts(kinds)}",
                f"  by place: {format_counts(places)}",
                f"  by tap: {format_counts(self.by_tap)}",
                *([f"  message boundaries of whole runs: {hit}"] if hit else []),
                (
                    f"{self.completed} times complete, {self.compared} rows compared: "
                    f"{len(self.lost)} lost, {len(self.duplicated)} duplicated, "
                    f"{len(self.ahead)} promised by a state but not there, "
                    f"{len(self.recomputed)} journeys computed again, "
                    f"{self.removed} rows withdrawn, {len(self.history)} errors in the history, "
                    f"{len(self.bad_exits)} bad exits"
                ),
                *([self.skipped] if self.skipped else []),
                *self.faults[:20],
            ]
        )


def format_counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


class Campaign:
    """Runs pipelines, kills them, and resumes them from their last state until they complete."""

    weights: Mapping[str, int] = WEIGHTS
    where: Mapping[str, Sequence[str]] = WHERE

    def __init__(self, forks: ForkServer, database: Database, folder: Path, seed: int) -> None:
        self.figures = Figures()
        self._forks = forks
        self._database = database
        self._folder = folder
        self._rng = random.Random(seed)
        self._profiles: dict[str, Counter[str]] = {}
        self._untried: dict[str, list[int]] = {}
        self._kinds = dict(self.weights)
        self._owed: set[tuple[str, Any]] = set()
        """Rows that were loaded before the withdrawals and that the vendor still has."""
        if not database.has_own_disk and self._kinds.pop("fill disk", 0):
            self.figures.skipped = "no disk was filled, because none could be mounted"

    def run(self, accounts: Iterable[Account], kills: int) -> Figures:
        """Kill pipelines of each account in turn, until `kills` is reached."""
        began = time.monotonic()
        every = list(accounts)
        done = 0
        while self.figures.kills.total() < kills:
            self._pipeline(every[done % len(every)], kills)
            done += 1
        self.figures.seconds += time.monotonic() - began
        return self.figures

    def _pipeline(self, account: Account, kills: int) -> None:
        """Load an account from an empty warehouse, and once more after withdrawals."""
        if account.tap not in self._profiles:
            self.begin(account)
            self._learn(account)
        self.begin(account)
        if isinstance(account.vendor, Ihc):
            account.vendor.journeys_computed.clear()
        state = self._load(account, {}, kills)
        if state is not None and account.withdraw():
            self._owed = self._keys_of(account)
            self._load(account, state, kills)

    def _load(self, account: Account, state: dict[str, Any], kills: int) -> dict[str, Any] | None:
        """Run until a run completes; return its state, or None after an unexpected failure."""
        in_a_row = 0
        while True:
            left = in_a_row < MOST_IN_A_ROW and self.figures.kills.total() < kills
            kill = self._choose(account, in_a_row, whole=not state) if left else None
            before = self._journey_counts(account, state)
            outcome = self._run(account, state, kill)
            if outcome.struck and kill:
                in_a_row += 1
                if not kill.kind.startswith("SIG") or self.was_ended(outcome):
                    self._count(account, kill, whole=not state)
            if outcome.states:
                state = self._next_state(state, outcome.states)
            self.check(account, state, outcome, before)
            if outcome.complete:
                self.compare(account)
                return state
            if kill is None:
                self.figures.bad_exits.append(f"{account.tap}: {outcome.codes}: {outcome.log}")
                return None

    def begin(self, account: Account) -> None:
        """Drop all loaded tables of an account."""
        self._database.drop_schema(schema_of(account))
        self._owed = set()
        account.begin()

    def _learn(self, account: Account) -> None:
        """Count how often a run without faults reaches each place."""
        outcome = self._run(account, {}, None)
        assert outcome.complete, outcome.log
        self.compare(account)
        self._profiles[account.tap] = outcome.seen
        lines = outcome.seen["line"]
        self.figures.lines[account.tap] = lines
        self._untried[account.tap] = self._rng.sample(range(1, lines + 1), lines)

    def _run(self, account: Account, state: Mapping[str, Any], kill: Kill | None) -> Outcome:
        self.figures.runs += 1
        outcome = self.outcome(account, state, kill)
        if "Traceback" in outcome.log or not set(outcome.codes) <= CODES:
            self.figures.bad_exits.append(f"{account.tap}, {kill}: {outcome.codes} {outcome.log}")
        return outcome

    def outcome(self, account: Account, state: Mapping[str, Any], kill: Kill | None) -> Outcome:
        """Run a pipeline once."""
        run = Run(self._forks, account, self._database, self._folder, state=state, kill=kill)
        return run.run()

    def was_ended(self, outcome: Outcome) -> bool:
        """Return whether a signal ended a process, instead of coming after its end."""
        return bool(ENDED & set(outcome.codes))

    def _choose(self, account: Account, in_a_row: int, *, whole: bool) -> Kill:
        rng = self._rng
        (kind,) = rng.choices(list(self._kinds), list(self._kinds.values()))
        untried = self._untried[account.tap]
        if whole and untried and "line" in self.where[kind] and rng.random() < BOUNDARIES:
            return Kill(kind, "line", untried[-1])
        place = rng.choice(self.where[kind])
        # each resumed run has less to do
        most = self._profiles[account.tap][place] // (1 + in_a_row)
        return Kill(kind, place, rng.randint(1, max(most, 1)), rng.choice(PAUSES))

    def _count(self, account: Account, kill: Kill, *, whole: bool) -> None:
        figures = self.figures
        figures.kills[kill.kind, kill.place] += 1
        figures.by_tap[account.tap] += 1
        if whole and kill.place == "line":
            figures.boundaries.setdefault(account.tap, set()).add(kill.number)
            if self._untried[account.tap][-1:] == [kill.number]:
                self._untried[account.tap].pop()

    def _next_state(self, state: dict[str, Any], emitted: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the state of the next run: the last state, or merged states, as with Meltano."""
        return emitted[-1] if self._rng.random() < 0.5 else merged(state, *emitted)

    def _rows(self, account: Account, name: str) -> list[dict[str, Any]]:
        try:
            found = Postgres(self._database.url).rows(account.tap, name, account.streams[name])
        except psycopg.errors.UndefinedTable:
            return []
        self.figures.compared += len(found)
        return found

    def check(
        self,
        account: Account,
        state: Mapping[str, Any],
        outcome: Outcome,
        before: Mapping[str, int],
    ) -> None:
        """Check that all rows that the state covers are loaded, and no others than true rows."""
        held: set[tuple[str, Any]] = set()
        keys: set[tuple[str, Any]] = set()
        for name, stream in account.streams.items():
            rows = self._rows(account, name)
            keys |= {(name, tuple(row[key] for key in stream.keys)) for row in rows}
            for key, row in identified(stream, rows):
                if account.is_true(name, key, row):
                    held.add((name, key))
                else:
                    self.figures.duplicated.append(f"{account.tap}, {name}: {row} is not the truth")
        # after withdrawals, bookmarks cover rows that have changed since
        promised = set() if account.past else set(account.promised(state))
        ahead = (outcome.committed - keys) | (promised - held)
        self.figures.ahead += [f"{account.tap}: {each}" for each in ahead]
        self.figures.lost += [f"{account.tap}: {each} vanished" for each in self._owed - held]
        now = self._journey_counts(account, None)
        self.figures.recomputed += [each for each, times in before.items() if now[each] != times]

    def _keys_of(self, account: Account) -> set[tuple[str, Any]]:
        """Return the loaded rows that the vendor still has."""
        return {
            (name, key)
            for name, stream in account.streams.items()
            for key, _ in identified(stream, self._rows(account, name))
            if key in account.truth[name]
        }

    def _journey_counts(self, account: Account, state: Mapping[str, Any] | None) -> dict[str, int]:
        """Count how often the vendor computed each journey, or those that a state covers."""
        if not isinstance(account.vendor, Ihc):
            return {}
        counts = dict(account.vendor.journeys_computed)
        if state is None:
            return counts
        of = account.truth["attributions"]
        past = account.past.get("attributions", of)
        changed = {each[1] for each in of.keys() ^ past.keys()}
        covered = {of[key]["conversion_id"] for name, key in account.promised(state) if key in of}
        return {name: count for name, count in counts.items() if name in covered - changed}

    def compare(self, account: Account) -> None:
        """Compare all tables with the truth, and the removed rows with the withdrawn ones."""
        self.figures.completed += 1
        for name, stream in account.streams.items():
            rows = list(identified(stream, self._rows(account, name)))
            found, truth = dict(rows), account.truth[name]
            missing = [key for key in truth if found.get(key) != truth[key]]
            self.figures.lost += [f"{account.tap}, {name}: {key} is lost" for key in missing]
            if len(rows) > len(truth) and not (account.past and name in UNCLAIMED):
                left = sorted(map(str, found.keys() - truth.keys()))[:3]
                self.figures.duplicated.append(f"{account.tap}, {name}: {len(rows)} rows, {left}")
            if account.past and name not in UNCLAIMED and "sale_key" not in stream.keys:
                self._compare_history(account, name)

    def _compare_history(self, account: Account, name: str) -> None:
        """Check that each withdrawn row is in the history exactly once."""
        withdrawn = account.past[name].keys() - account.truth[name].keys()
        self.figures.removed += len(withdrawn)
        columns = ", ".join(account.streams[name].keys)
        query = (
            f"SELECT {columns} FROM {schema_of(account)}.{name}__history "
            "WHERE _sdc_replaced_because = 'vanished'"
        )
        try:
            with psycopg.connect(self._database.url) as connection:
                kept = Counter(connection.execute(query.encode()).fetchall())
        except psycopg.errors.UndefinedTable:
            kept = Counter()
        if kept != Counter(withdrawn):
            wrong = [*(kept - Counter(withdrawn)), *(Counter(withdrawn) - kept)][:3]
            self.figures.history.append(f"{account.tap}, {name}: {wrong} in the history")
