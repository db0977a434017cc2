"""Kills pipelines again and again, and counts what that has cost."""

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
from tests.reliability.run import PLACES, STATEMENTS, Kill, Outcome, Run, schema_of
from tests.reliability.truth import Account, identified
from tests.reliability.warm import Warm
from tests.tap_process import merged

MOST_IN_A_ROW = 4
"""Kills after which a pipeline is let run to its end."""
PAUSES = (0, 0, 0.005, 0.02, 0.08)
INSIDE = tuple(f"{when} {each}" for each in STATEMENTS for when in ("before", "after"))
BOUNDARIES = 0.6
"""Of the kills of runs that begin with nothing, at a boundary that has not been tried yet."""
WEIGHTS: dict[str, int] = {
    "SIGKILL tap": 24,
    "SIGKILL target": 28,
    "SIGKILL both": 20,
    "SIGTERM tap": 4,
    "SIGTERM target": 6,
    "SIGTERM both": 4,
    "close tap's pipe": 3,  # nobody reads what the tap writes
    "close target's pipe": 3,  # nobody hears of the states
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
"""Exit codes of what a signal has ended."""
CODES = {0, 1, *ENDED}
"""How a process may end; a pipe that breaks as Python closes would be 120, a crash -11."""


@dataclass
class Figures:
    """What a campaign has done, and found."""

    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By kind and place."""
    by_tap: Counter[str] = field(default_factory=Counter)
    boundaries: dict[str, set[int]] = field(default_factory=dict)
    """Lines of each tap's whole output before which it, or what reads it, has been ended."""
    lines: dict[str, int] = field(default_factory=dict)
    runs: int = 0
    completed: int = 0
    compared: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    ahead: list[str] = field(default_factory=list)
    """What a state promised and the warehouse had not."""
    again: list[str] = field(default_factory=list)
    """Journeys that the vendor had to compute though their credits were there."""
    untidy: list[str] = field(default_factory=list)
    """Runs that ended with a traceback, or a code that says nothing."""
    seconds: float = 0
    skipped: str = ""

    @property
    def faults(self) -> list[str]:
        return self.lost + self.duplicated + self.ahead + self.again + self.untidy

    def __str__(self) -> str:
        kinds, places = Counter[str](), Counter[str]()
        for (kind, place), count in self.kills.items():
            kinds[kind] += count
            places[place] += count
        hit = ", ".join(f"{t} {len(b)} of {self.lines[t]}" for t, b in self.boundaries.items())
        return "\n".join(
            [
                f"{self.kills.total()} kills in {self.runs} runs, {self.seconds:.0f} s",
                f"  by kind: {_told(kinds)}",
                f"  by place: {_told(places)}",
                f"  by tap: {_told(self.by_tap)}",
                *([f"  message boundaries of whole runs: {hit}"] if hit else []),
                (
                    f"{self.completed} times complete, {self.compared} rows compared: "
                    f"{len(self.lost)} lost, {len(self.duplicated)} duplicated, "
                    f"{len(self.ahead)} promised by a state but not there, "
                    f"{len(self.again)} journeys computed again, {len(self.untidy)} untidy ends"
                ),
                *([self.skipped] if self.skipped else []),
                *self.faults[:20],
            ]
        )


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


class Campaign:
    """Runs pipelines, kills them, and goes on from the state that they left, until all is there."""

    weights: Mapping[str, int] = WEIGHTS
    where: Mapping[str, Sequence[str]] = WHERE

    def __init__(self, warm: Warm, database: Database, folder: Path, seed: int) -> None:
        self.figures = Figures()
        self._warm = warm
        self._database = database
        self._folder = folder
        self._rng = random.Random(seed)
        self._profiles: dict[str, Counter[str]] = {}
        self._untried: dict[str, list[int]] = {}
        self._kinds = dict(self.weights)
        if not database.has_own_disk and self._kinds.pop("fill disk", 0):
            self.figures.skipped = "no disk was filled: that takes the right to mount one"

    def go_on(self, accounts: Iterable[Account], kills: int) -> Figures:
        """Kill so often, each account in turn; then let the last one come to its end."""
        began = time.monotonic()
        every = list(accounts)
        done = 0
        while self.figures.kills.total() < kills:
            self._pipeline(every[done % len(every)], kills)
            done += 1
        self.figures.seconds += time.monotonic() - began
        return self.figures

    def _pipeline(self, account: Account, kills: int) -> None:
        """From nothing to all there is."""
        if account.tap not in self._profiles:
            self.begin(account)
            self._learn(account)
        self.begin(account)
        if isinstance(account.vendor, Ihc):
            account.vendor.journeys_computed.clear()
        state: dict[str, Any] = {}
        in_a_row = 0
        while True:
            left = in_a_row < MOST_IN_A_ROW and self.figures.kills.total() < kills
            kill = self._choose(account, in_a_row, whole=not state) if left else None
            before = self._computed(account, state)
            outcome = self._run(account, state, kill)
            if outcome.struck and kill:
                in_a_row += 1
                if not kill.kind.startswith("SIG") or self.was_ended(outcome):
                    self._count(account, kill, whole=not state)
            if outcome.states:
                state = self._handed_on(state, outcome.states)
            self.check(account, state, outcome, before)
            if outcome.complete:
                self.compare(account)
                return
            if kill is None:
                self.figures.untidy.append(f"{account.tap}: {outcome.codes}: {outcome.said}")
                return

    def begin(self, account: Account) -> None:
        """Forget all that was loaded."""
        self._database.forget(schema_of(account))

    def _learn(self, account: Account) -> None:
        """See how often each place is reached when nothing goes wrong."""
        outcome = self._run(account, {}, None)
        assert outcome.complete, outcome.said
        self.compare(account)
        self._profiles[account.tap] = outcome.seen
        lines = outcome.seen["line"]
        self.figures.lines[account.tap] = lines
        self._untried[account.tap] = self._rng.sample(range(1, lines + 1), lines)

    def _run(self, account: Account, state: Mapping[str, Any], kill: Kill | None) -> Outcome:
        self.figures.runs += 1
        outcome = self.outcome(account, state, kill)
        if "Traceback" in outcome.said or not set(outcome.codes) <= CODES:
            self.figures.untidy.append(f"{account.tap}, {kill}: {outcome.codes} {outcome.said}")
        return outcome

    def outcome(self, account: Account, state: Mapping[str, Any], kill: Kill | None) -> Outcome:
        """Run a pipeline once."""
        run = Run(self._warm, account, self._database, self._folder, state=state, kill=kill)
        return run.run()

    def was_ended(self, outcome: Outcome) -> bool:
        """Whether a signal has ended something: what was done by then has not been killed."""
        return bool(ENDED & set(outcome.codes))

    def _choose(self, account: Account, in_a_row: int, *, whole: bool) -> Kill:
        rng = self._rng
        (kind,) = rng.choices(list(self._kinds), list(self._kinds.values()))
        untried = self._untried[account.tap]
        if whole and untried and "line" in self.where[kind] and rng.random() < BOUNDARIES:
            return Kill(kind, "line", untried[-1])
        place = rng.choice(self.where[kind])
        # what is left gets less and less
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

    def _handed_on(self, state: dict[str, Any], told: list[dict[str, Any]]) -> dict[str, Any]:
        """What the next run is given: Meltano keeps the last state, or merges partial ones."""
        return told[-1] if self._rng.random() < 0.5 else merged(state, *told)

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
        """Look whether what the state covers is there, and nothing that nobody has sent."""
        held: set[tuple[str, Any]] = set()
        keys: set[tuple[str, Any]] = set()
        for name, stream in account.streams.items():
            rows = self._rows(account, name)
            keys |= {(name, tuple(row[key] for key in stream.keys)) for row in rows}
            truth = account.truth[name]
            for key, row in identified(stream, rows):
                if truth.get(key) == row:
                    held.add((name, key))
                else:
                    self.figures.duplicated.append(f"{account.tap}, {name}: {row} is not the truth")
        ahead = (outcome.committed - keys) | (set(account.promised(state)) - held)
        self.figures.ahead += [f"{account.tap}: {each}" for each in ahead]
        now = self._computed(account, None)
        self.figures.again += [each for each, times in before.items() if now[each] != times]

    def _computed(self, account: Account, state: Mapping[str, Any] | None) -> dict[str, int]:
        """How often the vendor has computed each journey, of those that a state covers if given."""
        if not isinstance(account.vendor, Ihc):
            return {}
        counts = dict(account.vendor.journeys_computed)
        if state is None:
            return counts
        of = account.truth["attributions"]
        covered = {of[key]["conversion_id"] for name, key in account.promised(state) if key in of}
        return {name: count for name, count in counts.items() if name in covered}

    def compare(self, account: Account) -> None:
        """Compare all tables with the truth."""
        self.figures.completed += 1
        for name, stream in account.streams.items():
            rows = list(identified(stream, self._rows(account, name)))
            found, truth = dict(rows), account.truth[name]
            missing = [key for key in truth if found.get(key) != truth[key]]
            self.figures.lost += [f"{account.tap}, {name}: {key} is lost" for key in missing]
            if len(rows) > len(truth):
                self.figures.duplicated.append(f"{account.tap}, {name}: {len(rows)} rows")
