"""Every loader loads the vendors' data, run after run; journeys go to the model."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from attribution_elt.sandbox import Sandbox
from tests.operating import attribution_elt
from tests.pipeline.conftest import DAYS
from tests.pipeline.expected import Expected
from tests.pipeline.landings import JSONL, Landing, Warehouse
from tests.pipeline.meltano import TAPS, environment, meltano, project, settings, with_journeys


def timeless(rows: Mapping[Any, Mapping[str, Any]]) -> dict[Any, dict[str, Any]]:
    """Return rows without the time of their computation, which differs between two runs."""
    return {
        key: {name: value for name, value in row.items() if name != "computed_at"}
        for key, row in rows.items()
    }


def test_every_loader_has_the_emitted_records_on_all_days(
    landing: Landing, sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = project(tmp_path / "project", loaders=(JSONL,))
    every = with_journeys(sandbox, tmp_path / "journeys.jsonl")
    env = environment(every, **landing.variables)
    expected = Expected(tmp_path)
    runs: list[tuple[int, tuple[str, ...]]] = [(0, TAPS)]
    if landing.loader == "target-warehouse":  # other loaders may treat changed rows differently
        runs.append((DAYS, TAPS[:2]))
    for days, taps in runs:
        sandbox.advance(days)
        expected.take_in({tap: every[tap] for tap in taps})
        blocks = [block for tap in taps for block in (tap, landing.loader)]
        meltano(folder, f"--environment={landing.environment}", "run", *blocks, env=env)
        for (tap, name), stream in expected.streams.items():
            landed = landing.rows(tap, name, stream)
            assert len(landed) == len(stream.rows) > 0, (tap, name)
            assert timeless(stream.by_key(landed)) == timeless(stream.rows), (tap, name)


def test_journeys_go_from_the_warehouse_to_the_model_and_their_credits_come_back(
    warehouse: Warehouse, sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = project(tmp_path / "project")
    env = environment(settings(sandbox), **warehouse.variables)

    def run_jobs(*blocks: str) -> None:
        meltano(folder, f"--environment={warehouse.environment}", "run", *blocks, env=env)

    run_jobs("attribution-io")
    done = attribution_elt(folder, env, f"--environment={warehouse.environment}", "views")
    assert done.returncode == 0, done.stderr
    run_jobs("ihc-credits")
    names, sessions = warehouse.select("tap_attribution_io.ihc_journeys")
    at = names.index("conversion_id"), names.index("session_id")
    sent = {(row[at[0]], row[at[1]]) for row in sessions}
    names, rows = warehouse.select("tap_ihc.attributions")
    credits_ = [dict(zip(names, row, strict=True)) for row in rows]
    assert {(row["conversion_id"], row["session_id"]) for row in credits_} == sent
    by_journey: dict[str, list[Decimal]] = {}
    for row in credits_:
        by_journey.setdefault(row["conversion_id"], []).append(row["ihc"])
    assert len(by_journey) > 50
    for shares in by_journey.values():
        assert abs(sum(shares, Decimal()) - 1) <= len(shares) * Decimal("0.00005")
    asked = len(sandbox.ihc.requests)
    run_jobs("ihc")
    assert len(sandbox.ihc.requests) == asked
