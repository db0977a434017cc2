"""The audit table `_writes` in each kind of warehouse."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from target_warehouse.writes import WriteLog

from attribution_elt.kit.writing.wishes import SETTLING, Entry, Ledger, Outcome
from tests.targets.target_warehouse.stand_in import Snowflake, serving

DATABASES = ("duckdb", "postgresql", "sqlite", "duckdb through dlt", "snowflake")


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty warehouse."""
    if request.param == "snowflake":
        with serving() as port:
            yield Snowflake(port, "audit", tmp_path).url
    elif request.param == "postgresql":
        yield request.getfixturevalue("postgres_url")
    else:
        yield {
            "duckdb": f"duckdb:///{tmp_path}/w.duckdb",
            "sqlite": f"sqlite:///{tmp_path}/w.db",
            "duckdb through dlt": f"dlt+duckdb:///{tmp_path}/w.duckdb",
        }[request.param]


def test_outcomes_are_kept_and_read_by_the_next_run(url: str) -> None:
    schema = None if url.startswith("sqlite") else "writes"

    def log() -> WriteLog:
        return WriteLog(url, schema, SETTLING)

    def entry(key: str, outcome: Outcome, **more: Any) -> Entry:
        return Entry(key, {"approval_status": 0, "reject_reason": 3}, outcome, **more)

    first = log()
    ledger = Ledger("target-adtraction", first, dry_run=False)
    ledger.record([entry(key, Outcome.SENT, attempt=1) for key in ("1", "2", "3")])
    ledger.record([entry("1", Outcome.CONFIRMED, before="pending", after="rejected")])
    ledger.record([entry("2", Outcome.REFUSED, reason="it isn't so: “Å”", http_status=400)])
    ledger.record([entry("4", Outcome.ACCEPTED)])
    Ledger("target-ignite", first, dry_run=False).record([entry("5", Outcome.SENT)])
    first.close()

    second = log()
    wish = {"approval_status": 0, "reject_reason": 3}
    assert second.unsettled("target-adtraction") == {"3": wish}
    assert second.unsettled("target-ignite") == {"5": wish}
    accepted = second.accepted("target-adtraction")
    assert accepted.keys() == {"4"}
    assert datetime.now(UTC) - accepted["4"] < timedelta(minutes=5)
    # a dry run settles nothing; a later outcome does
    Ledger("target-adtraction", second, dry_run=True).record([entry("3", Outcome.DRY_RUN)])
    assert second.unsettled("target-adtraction") == {"3": wish}
    Ledger("target-adtraction", second, dry_run=False).record([entry("3", Outcome.NOT_CONFIRMED)])
    assert second.unsettled("target-adtraction") == {}
    second.close()


def test_a_large_audit_is_read_in_little_time(tmp_path: Path) -> None:
    log = WriteLog(f"sqlite:///{tmp_path}/w.db", None, SETTLING)
    ledger = Ledger("target-ignite", log, dry_run=False)
    for outcome in (Outcome.SENT, Outcome.ACCEPTED):
        ledger.record([Entry(f"A:{number}", {}, outcome) for number in range(8_000)])
    ledger.record([Entry("A:5", {}, Outcome.SENT)])

    began = time.monotonic()
    assert log.unsettled("target-ignite") == {"A:5": {}}
    assert time.monotonic() - began < 3
    log.close()
