"""The fault matrix: runs and checks cells, and formats the results as a table."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from typing_extensions import override

from attribution_elt.kit.records.shaper import snake_case
from attribution_elt.kit.testing.warehouse import ClaimError
from attribution_elt.sandbox import Fault, Request
from tests.reliability.faults_benches import Bench, Endpoint
from tests.reliability.faults_clock import SharedClock
from tests.reliability.faults_table import KINDS, Kind, Rule
from tests.tap_process import Output, Row, Rows, lists_in

FAILING = {Rule.RETRIED, Rule.UNIT_FAILS, Rule.ACCOUNT_FAILS, Rule.RUN_STOPS}


@dataclass(frozen=True)
class Cell:
    """One fault at one endpoint at one position.

    It affects the first attempt of the middle unit, all attempts of one unit, or every request.
    """

    bench: Bench
    endpoint: Endpoint
    kind: Kind
    position: str

    @property
    def name(self) -> str:
        return f"{self.place}, {self.kind.name}, {self.position}"

    @property
    def place(self) -> str:
        return f"{self.bench.name} {self.endpoint.name}"

    @property
    def hit(self) -> Request:
        """The affected unit, as the request of a clean run."""
        asked = self.bench.unit_requests[self.endpoint.name]
        places = {"first": 0, "last": -1}
        return asked[places.get(self.position, len(asked) // 2)]

    def is_hit(self, request: Request) -> bool:
        """Return whether the fault affects a request."""
        if not self.endpoint.answers(request):
            return False
        return self.position == "always" or self.bench.same_unit(self.hit, request)

    @property
    def fault(self) -> Fault:
        made = Fault(**(self.kind.make(self.endpoint) or {}))
        return replace(made, times=1 if self.position == "once" else None, match=self.is_hit)

    @property
    def rule(self) -> Rule:
        """The expected consequence; a retried fault that happens once is harmless."""
        rule = self.kind.at(self.bench, self.endpoint)
        if self.kind.at_first and any(map(self.is_hit, self.bench.first_requests)):
            rule = self.kind.at_first
        return Rule.HARMLESS if rule is Rule.RETRIED and self.position == "once" else rule

    def may_lack(self, stream: str, row: Row) -> bool:
        """Return whether a row may be missing until the next run."""
        bench, endpoint = self.bench, self.endpoint
        match self.rule:
            case Rule.HARMLESS:
                return False
            case Rule.RUN_STOPS | Rule.EMPTY:
                return True
            case Rule.ACCOUNT_FAILS:
                hits = (
                    bench.unit_requests[endpoint.name] if self.position == "always" else [self.hit]
                )
                return any(bench.account(bench, each, stream, row) for each in hits)
        if stream not in endpoint.streams:
            return False
        return self.position == "always" or endpoint.concerns(bench, self.hit, stream, row)


def cells(benches: Iterable[Bench], kinds: Iterable[Kind] = KINDS) -> Iterator[Cell]:
    """Yield all cells, except for those that equal another cell."""
    for bench in benches:
        for endpoint in bench.endpoints:
            units = len(bench.unit_requests[endpoint.name])
            for kind in kinds:
                if kind.make(endpoint) is None or not kind.applies(bench):
                    continue
                for position in kind.positions:
                    if units > 1 or position not in {"first", "last"}:
                        yield Cell(bench, endpoint, kind, position)


class _Ear(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.heard: list[logging.LogRecord] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record)


@contextmanager
def captured_logs() -> Iterator[list[logging.LogRecord]]:
    """Capture log records from INFO on."""
    root, ear = logging.getLogger(), _Ear()
    level = root.level
    root.addHandler(ear)
    root.setLevel(logging.INFO)
    try:
        yield ear.heard
    finally:
        root.removeHandler(ear)
        root.setLevel(level)


def judge(cell: Cell, clock: SharedClock) -> list[str]:
    """Run a tap with a fault and once more without it; return the errors found."""
    bench, kind = cell.bench, cell.kind
    vendor = bench.vendor
    vendor.clock_skew = clock.elapsed  # the same time as in the tap
    started = clock.elapsed
    with captured_logs() as heard:
        try:
            with kind.around(bench):
                vendor.faults.add(cell.fault)
                spoilt = bench.run(request_timeout=kind.timeout)
        except Exception as error:  # noqa: BLE001 - taps must not raise any exception here
            return [f"{type(error).__name__}: {error}"]
        finally:
            vendor.faults.clear()
        waited = clock.elapsed - started
        after = bench.run(spoilt.states[-1] if spoilt.states else {})
    return [
        *_about_end(cell, spoilt),
        *_about_words(cell, spoilt, [record.getMessage() for record in heard]),
        *_about_rows(cell, spoilt),
        *_about_state(spoilt),
        *_about_claims(cell, spoilt),
        *_about_waiting(cell, waited),
        *_about_next_run(cell, spoilt, after),
    ]


def _about_end(cell: Cell, run: Output) -> Iterator[str]:
    code = 1 if cell.rule in FAILING else 0
    if run.code != code:
        yield f"exit code {run.code} where it should be {code}: {run.stderr.strip()}"
    lines = run.stderr.splitlines()
    one = cell.rule in {Rule.ACCOUNT_FAILS, Rule.RUN_STOPS} or cell.position != "always"
    accounts = len(cell.bench.config.get("websites", "1"))
    if code and one and not 1 <= len(lines) <= (accounts if cell.position == "always" else 1):
        yield f"{len(lines)} lines where there should be one: {lines}"


def _about_words(cell: Cell, run: Output, logged: Iterable[str]) -> Iterator[str]:
    lines = run.stderr.splitlines()
    if cell.rule is Rule.ACCOUNT_FAILS and not all(cell.bench.setting in line for line in lines):
        yield f"the setting is not named: {lines}"
    for line in (*lines, *logged):
        if any(secret in line for secret in cell.bench.secrets):
            yield f"a secret in {line!r}"
        if "Traceback" in line or "\n" in line.strip():
            yield f"more than a line: {line!r}"


def _about_rows(cell: Cell, run: Output) -> Iterator[str]:
    bench = cell.bench
    found = bench.rows(run)
    if cell.rule is Rule.KEYED_BY_CONTENT:
        yield from _about_stand_ins(cell, found)
        return
    yield from _differences(cell, found, invented_only=True)
    for stream, rows in bench.truth.items():
        lacking = [key for key in rows if key not in found.get(stream, {})]
        wrongly = [key for key in lacking if not cell.may_lack(stream, rows[key])]
        if wrongly:
            yield f"{stream} lacks {len(wrongly)} rows that it could have, such as {wrongly[0]}"


def _about_stand_ins(cell: Cell, found: dict[str, Rows]) -> Iterator[str]:
    """Yield an error for rows with a wrong key, and for rows that no stand-in replaces."""
    for stream, truth in cell.bench.truth.items():
        other = [key for key in found.get(stream, {}) if key not in truth]
        if wrong := [key for key in other if not any(map(_is_stand_in, key))]:
            yield f"{stream}: {len(wrong)} rows that there are not, such as {wrong[0]}"
        lacking = [key for key in truth if key not in found.get(stream, {})]
        wrongly = [key for key in lacking if not cell.may_lack(stream, truth[key])]
        if wrongly or len(lacking) > len(other) > 0:
            yield f"{stream} lacks {len(lacking)} rows, but has {len(other)} stand-ins"


def _is_stand_in(part: Any) -> bool:
    return part.startswith("sha256:") if isinstance(part, str) else part < 0


def _about_state(run: Output) -> Iterator[str]:
    for state in run.states:
        if lists_in(state):
            yield f"a list in the state {state}"


def _about_claims(cell: Cell, run: Output) -> Iterator[str]:
    """Yield an error for each stream from which the faulty run would remove other rows."""
    try:
        loaded = cell.bench.loaded(run)
    except ClaimError as error:
        yield str(error)
        return
    if cell.rule is Rule.EMPTY:  # the loader's limit protects tables of more than 100 rows
        return
    found = cell.bench.rows(run)
    for stream, truth in cell.bench.truth.items():
        gone = set()
        if cell.rule is Rule.NOT_FOUND and cell.position != "always":
            lacking = truth.keys() - found.get(stream, {}).keys()
            gone = {key for key in lacking if cell.may_lack(stream, truth[key])}
        removed = set(loaded.removed[stream])
        if wrongly := removed - gone:
            yield f"{stream}: {len(wrongly)} rows would vanish, such as {min(wrongly)}"
        if left := gone - removed:
            yield f"{stream}: {len(left)} rows would stay, such as {min(left)}"


def _about_waiting(cell: Cell, waited: float) -> Iterator[str]:
    if cell.kind.waits and cell.position == "once":
        least, most = cell.kind.waits
        if not least <= waited <= most:
            yield f"waited {waited:.1f} s where it should be {least} to {most}"


def _about_next_run(cell: Cell, spoilt: Output, after: Output) -> Iterator[str]:
    if after.code or after.stderr:
        yield f"the next run: {after.stderr.strip()}"
    if cell.rule in {Rule.KEYED_BY_CONTENT, Rule.EMPTY}:
        return  # the rows come with the next window or snapshot
    held = cell.bench.rows(spoilt, after)
    yield from (f"after the next run: {each}" for each in _differences(cell, held))


def _differences(
    cell: Cell, held: dict[str, Rows], *, invented_only: bool = False
) -> Iterator[str]:
    """Yield the differences between rows and the truth, except for the spoilt member."""
    own = {"_extra", snake_case(cell.endpoint.plain)} if cell.kind.alters else set()
    for stream, truth in cell.bench.truth.items():
        if stream == "failures":  # IHC's rows about journeys that a run could not compute
            continue
        rows = held.get(stream, {})
        invented = [key for key in rows if key not in truth]
        if cell.rule is Rule.REPEATED:
            invented = [key for key in invented if not _is_repeat(key, rows, truth)]
        if invented:
            yield f"{stream}: {len(invented)} rows that there are not, such as {invented[0]}"
        for key, row in truth.items():
            if key in rows and _without(rows[key], own) != _without(row, own):
                yield f"{stream} {key}: {_without(rows[key], own)} instead of {row}"
                break
        missing = [key for key in truth if key not in rows]
        if missing and not invented_only:
            yield f"{stream}: {len(missing)} rows are missing, such as {missing[0]}"


def _is_repeat(key: tuple[Any, ...], rows: Rows, truth: Rows) -> bool:
    """Return whether a row is the second copy of a true row, except for its key."""
    base = (*key[:-1], key[-1].removesuffix("#2"))
    return base in truth and _without(rows[key], {"product_key"}) == _without(
        truth[base], {"product_key"}
    )


def _without(row: Row, names: set[str]) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def table(verdicts: Iterable[tuple[Cell, list[str]]]) -> str:
    """Format the results: a row per endpoint, a column per fault, and the errors below."""
    results: defaultdict[tuple[str, str], list[bool]] = defaultdict(list)
    reasons = []
    for cell, wrong in verdicts:
        results[cell.place, cell.kind.name].append(not wrong)
        reasons += [f"{cell.name}: {each}" for each in wrong]
    kinds = [each.name for each in KINDS if any(kind == each.name for _, kind in results)]
    places = list(dict.fromkeys(place for place, _ in results))
    width = max(map(len, places))
    numbers = "".join(f"{number:3}" for number in range(1, len(kinds) + 1))
    lines = [f"{'':{width}}{numbers}"]
    for place in places:
        marks = (_mark(results.get((place, kind))) for kind in kinds)
        lines.append(f"{place:{width}}{''.join(f'{mark:>3}' for mark in marks)}")
    lines += [f"{number:3} {kind}" for number, kind in enumerate(kinds, 1)]
    judged = sum(map(len, results.values()))
    red = sum(not good for all_ in results.values() for good in all_)
    return "\n".join([*lines, f"{judged} cells, {red} red", *reasons])


def _mark(results: list[bool] | None) -> Any:
    """Return ✓ if all positions are right, else the number of wrong positions."""
    if results is None:
        return ""
    wrong = results.count(False)
    return wrong or "✓"
