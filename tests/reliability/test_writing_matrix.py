"""Faults of the endpoints that take writes: no write is lost, sent in vain, or unexplained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from attribution_elt.core.pseudonyms import email_key
from attribution_elt.sandbox import Fault, Request, Sandbox
from attribution_elt.sandbox.vendor import Vendor
from tests.reliability.faults_benches import Bench, Endpoint
from tests.reliability.faults_clock import share_clock
from tests.reliability.faults_table import KINDS, Kind
from tests.targets.target_adtraction import helpers as adtraction
from tests.targets.target_ignite import test_opt_outs
from tests.targets.target_warehouse.warehouses import SQLite
from tests.targets.writing import Writer, wishes

SETTLED = {"confirmed", "accepted", "unchanged"}
COUNT = 3
WRITE = Endpoint("write", "", frozenset(), lambda *_: True)
"""An endpoint without rows, so that only faults of whole responses apply to it."""
ACCEPTED = {("an object of no kind", "ignite")}
"""Faults that cannot be distinguished from a response: Ignite accepts opt-outs with any object."""
FAULTS = [kind for kind in KINDS if kind.make(WRITE) is not None]


@dataclass
class Place:
    """A writing target, its records, and what the vendor has of them.

    Attributes:
        keys: keys of the records in `_writes`.
        effects: returns the keys of the records that the vendor has effected.
    """

    vendor: Vendor
    writer: Writer
    text: str
    keys: set[str]
    is_write: Callable[[Request], bool]
    effects: Callable[[], set[str]]


def channels(sandbox: Sandbox, warehouse: SQLite) -> Place:
    wanted = adtraction.channels(sandbox, adtraction.PENDING)[:COUNT]
    records = [{"channel_id": each, "approval_status": 1} for each in wanted]
    return Place(
        sandbox.adtraction,
        adtraction.writer_of(sandbox, warehouse),
        wishes(adtraction.STREAM, records),
        set(map(str, wanted)),
        lambda request: request.method == "PUT",
        lambda: {str(n) for n in wanted if adtraction.status_of(sandbox, n)[0] == 1},
    )


def opt_outs(sandbox: Sandbox, warehouse: SQLite) -> Place:
    site = test_opt_outs.site(sandbox)
    emails = [f"p{number}@b.example" for number in range(COUNT)]
    keys = {f"{site} {each}": f"{site}:{email_key(each, test_opt_outs.KEY)}" for each in emails}
    writer = test_opt_outs.writer_of(sandbox, warehouse)
    writer.settings["batch_size"] = 1
    records = [{"email": each, "website": site} for each in emails]
    return Place(
        sandbox.ignite,
        writer,
        wishes(test_opt_outs.STREAM, records),
        set(keys.values()),
        lambda request: request.path.endswith("/opt_outs/new"),
        lambda: {keys[each] for each in test_opt_outs.opted_out(sandbox)},
    )


@pytest.fixture(params=[channels, opt_outs])
def place(request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path) -> Place:
    made: Place = request.param(sandbox, SQLite(f"sqlite:///{tmp_path}/warehouse.db", tmp_path))
    return made


@pytest.mark.parametrize("position", ["once", "always"])
@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.name)
def test_a_fault_loses_no_write(
    kind: Kind, position: str, place: Place, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = cast("Bench", SimpleNamespace(vendor=place.vendor, config=place.writer.settings))
    if not kind.applies(bench) or (kind.name, place.vendor.name) in ACCEPTED:
        pytest.skip("the fault does not apply to this vendor")
    share_clock(sandbox, monkeypatch)
    made: dict[str, Any] = kind.make(WRITE) or {}
    times = 1 if position == "once" else None
    with kind.around(bench):
        place.vendor.faults.add(Fault(**made, times=times, match=place.is_write))
        spoilt = place.writer.run(place.text, request_timeout=kind.timeout)
    place.vendor.faults.clear()
    if spoilt.error is None:
        assert len(spoilt.states) == 1
        assert place.effects() == place.keys
    else:
        assert spoilt.states == []
        assert "\n" not in str(spoilt.error)
    outcomes = place.writer.outcomes()
    unsettled = {key for key, outcome in outcomes.items() if outcome not in SETTLED}
    assert place.keys - place.effects() <= unsettled | (place.keys - outcomes.keys())

    after = place.writer.run(place.text)

    assert after.error is None
    assert len(after.states) == 1
    assert place.effects() == place.keys
    assert set(place.writer.outcomes()) == place.keys
    assert set(place.writer.outcomes().values()) <= SETTLED
