"""Random responses of a vendor: no traceback, no hang, no lost row, no value dropped silently.

The suite uses fixed examples. `FUZZ_EXAMPLES=5000 scripts/test
tests/reliability/test_fuzz_answers.py` generates new ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from attribution_elt.core.text import without_nul
from attribution_elt.sandbox import Fault, Request
from attribution_elt.sandbox.exact_json import decode, encode
from tests.reliability.drift import canonical_values
from tests.reliability.faults_benches import Bench, Endpoint
from tests.reliability.faults_clock import SharedClock
from tests.reliability.faults_vendors import open_benches
from tests.reliability.fuzz import few, spoilt_bytes, spoilt_documents
from tests.reliability.matrix import captured_logs
from tests.tap_process import Output, Row


@dataclass(frozen=True, repr=False)
class Unit:
    """One unit of an endpoint, with its true response."""

    bench: Bench
    endpoint: Endpoint
    request: Request

    def __repr__(self) -> str:
        return f"{self.bench.name} {self.request.target}"

    @cached_property
    def body(self) -> bytes:
        heard: list[bytes] = []

        def overhear(body: bytes) -> bytes:
            heard.append(body)
            return body

        self.answer(overhear)
        self.bench.run()
        self.bench.vendor.faults.clear()
        return heard[0]

    def answer(self, change: Any) -> None:
        """Change all responses of the vendor for this unit."""
        self.bench.vendor.faults.add(
            Fault("altered", times=None, match=self.matches, change=change)
        )

    def matches(self, request: Request) -> bool:
        asked = self.endpoint.answers(request)
        return asked and self.bench.same_unit(self.request, request)

    def has(self, stream: str, row: Row) -> bool:
        """Return whether a row comes from this unit."""
        endpoint = self.endpoint
        concerned = stream in endpoint.streams
        return concerned and endpoint.concerns(self.bench, self.request, stream, row)


@dataclass(repr=False)
class Place:
    """All units of all benches."""

    benches: list[Bench]
    clock: SharedClock
    units: list[list[Unit]] = field(init=False)

    def __repr__(self) -> str:
        return "the sandbox"

    def __post_init__(self) -> None:
        self.units = [
            [Unit(bench, endpoint, request) for request in bench.unit_requests[endpoint.name]]
            for bench in self.benches
            for endpoint in bench.endpoints
        ]

    def draw(self, data: st.DataObject) -> Unit:
        """Draw an endpoint, and one of its units."""
        units = self.units[data.draw(st.integers(0, len(self.units) - 1))]
        return units[data.draw(st.integers(0, len(units) - 1))]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with open_benches(tmp_path_factory.mktemp("benches")) as (benches, clock):
        yield Place(benches, clock)


@few(30)
@given(data=st.data())
def test_a_document_of_any_shape(place: Place, data: st.DataObject) -> None:
    unit = place.draw(data)
    document = data.draw(spoilt_documents(decode(unit.body)))
    judge(place, unit, encode(document).encode())


@few(20)
@given(data=st.data())
def test_any_bytes(place: Place, data: st.DataObject) -> None:
    unit = place.draw(data)
    judge(place, unit, data.draw(spoilt_bytes(unit.body)))


def judge(place: Place, unit: Unit, body: bytes) -> None:
    bench = unit.bench
    note(f"{bench.name} {unit.endpoint.name}: {body!r}")
    bench.vendor.clock_skew = place.clock.elapsed
    with captured_logs() as heard:
        unit.answer(lambda _: body)
        try:
            spoilt = bench.run()
        finally:
            bench.vendor.faults.clear()
    logged = [record.getMessage() for record in heard]
    for line in (*spoilt.stderr.splitlines(), *logged):
        assert not any(secret in line for secret in bench.secrets)
        assert "Traceback" not in line
    assert len(spoilt.stderr.splitlines()) <= 3, "a line for each failure"
    warned = any(record.levelname == "WARNING" for record in heard)
    after = bench.run(spoilt.states[-1] if spoilt.states else {})
    assert (after.code, after.stderr) == (0, "")
    nothing_of_others_is_lost(unit, spoilt, after)
    vanished = [
        (stream, key)
        for stream, keys in bench.loaded(spoilt).removed.items()
        for key in keys
        if not unit.has(stream, bench.truth[stream][key])
    ]
    assert vanished == [], "rows of other units would vanish"
    if spoilt.code == 0 and not warned:
        nothing_is_dropped(unit, body, spoilt)


def nothing_of_others_is_lost(unit: Unit, spoilt: Output, after: Output) -> None:
    """Check that all rows of other units are there, and those of the unit itself if it failed.

    The rows of an accepted response may have other keys.
    """
    bench = unit.bench
    for stream, truth in bench.truth.items():
        came = [bench.settled(row) for run in (spoilt, after) for row in run.records(stream)]
        others = [row for row in truth.values() if not unit.has(stream, row)]
        refused = spoilt.code and len(spoilt.records(stream)) <= len(others)
        for row in truth.values() if refused else others:
            assert row in came, f"{stream} lacks {row}"


def nothing_is_dropped(unit: Unit, body: bytes, spoilt: Output) -> None:
    """Check that every new value of the response is in a row, except for NUL."""
    try:
        document = without_nul(decode(body))
    except ValueError:  # invalid characters, which the tap replaces
        return
    sent = set(canonical_values(document, of_row=False))
    new = sent - set(canonical_values(decode(unit.body))) - {""}
    emitted = [row for stream in unit.bench.truth for row in spoilt.records(stream)]
    assert new <= set(canonical_values(emitted))
