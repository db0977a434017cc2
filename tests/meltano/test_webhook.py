from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from attribution_elt.cli.display import Lines
from attribution_elt.cli.freshness import check
from attribution_elt.core.errors import OpsError
from attribution_elt.meltano import webhook as alerts
from attribution_elt.meltano.execution import Outcome
from attribution_elt.meltano.project import Loader, Project
from attribution_elt.meltano.run_log import RunLog
from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.faults import Fault
from tests.meltano.test_run_log import line
from tests.operating import attribution_elt, variables
from tests.pipeline.meltano import project
from tests.webhook import Receiver


class FakeProject(Project):
    """A project whose Meltano need not be asked."""

    environment = "prod"
    loaders = {"target-warehouse": Loader("target-warehouse", "duckdb:///x", None)}  # noqa: RUF012

    def __init__(self, webhook: str | None, runs: list[dict[str, Any]] | None = None) -> None:
        super().__init__("prod")
        self._webhook = webhook
        self._runs = runs or []
        self.states: dict[str, dict[str, Any]] = {}

    @property
    def webhook(self) -> str | None:
        return self._webhook

    def state(self, state_id: str) -> dict[str, Any]:
        return self.states.get(state_id, {})

    def keep_state(self, state_id: str, state: Any) -> None:
        self.states[state_id] = state

    def runs(self) -> list[dict[str, Any]]:
        return self._runs


def outcome(*lines: str, exit_code: int = 0) -> Outcome:
    watch = RunLog()
    for each in lines:
        watch.take(each)
    return Outcome("run-1", exit_code, watch)


DRIFT = line(
    "property 'tier' is not in the schema and goes into _extra", elt_event="drift", stream="orders"
)
LOST = line("the days a..b of shop can no longer be had", elt_event="days_lost")


def test_a_run_of_which_there_is_nothing_to_say_sends_nothing(receiver: Receiver) -> None:
    alerts.tell(FakeProject(receiver.url), outcome(), Lines())
    assert receiver.texts == []


def test_what_failed_and_what_was_lost_is_sent(receiver: Receiver) -> None:
    failed = line("failed, the next run tries again: a & <b>", elt_event="unit_failed", streams=[])
    rejected = line("Error: 2 records were rejected (orders 2)", producer=False, consumer=True)
    alerts.tell(FakeProject(receiver.url), outcome(failed, rejected, LOST, exit_code=1), Lines())
    (text,) = receiver.texts
    assert text.splitlines() == [
        "*prod: run run-1 failed*",
        "• tap-ecdp: failed, the next run tries again: a &amp; &lt;b&gt;",
        "• tap-ecdp: 2 records were rejected (orders 2)",
        "• tap-ecdp: the days a..b of shop can no longer be had",
    ]


def test_a_failure_that_somebody_else_tells_is_not_sent_but_what_was_lost_is(
    receiver: Receiver,
) -> None:
    failed = line("failed, the next run tries again: a", elt_event="unit_failed", streams=[])
    told = outcome(failed, exit_code=1)
    alerts.tell(FakeProject(receiver.url), told, Lines(), failure_alert=False)
    assert receiver.texts == []
    told = outcome(failed, LOST, exit_code=1)
    alerts.tell(FakeProject(receiver.url), told, Lines(), failure_alert=False)
    (text,) = receiver.texts
    assert text.splitlines()[1:] == ["• tap-ecdp: the days a..b of shop can no longer be had"]


def test_drift_is_sent_once(receiver: Receiver) -> None:
    project_ = FakeProject(receiver.url)
    for _ in range(2):
        alerts.tell(project_, outcome(DRIFT), Lines())
    (text,) = receiver.texts
    title, told = text.splitlines()
    assert title == "*prod: run run-1 succeeded, but look*"
    assert told.startswith("• new from the vendor: tap-ecdp, orders: property 'tier' is not in")


def test_a_long_list_is_cut(receiver: Receiver) -> None:
    alerts.send(receiver.url, "late", [f"tap {number}" for number in range(40)])
    (text,) = receiver.texts
    assert text.splitlines()[-1] == "• and 10 more"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_refuses_is_told_without_its_address(
    receiver: Receiver, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    receiver.status = status
    alerts.tell(FakeProject(receiver.url), outcome(LOST), Lines())
    printed = capsys.readouterr().out
    assert f"no alert could be sent: the webhook answered {status}" in printed
    assert "geheimnis" not in printed


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/geheimnis", "geheimnis"])
def test_a_webhook_that_is_not_there_is_told_without_its_address(url: str) -> None:
    with pytest.raises(OpsError, match="cannot be reached") as raised:
        alerts.send(url, "late", [])
    assert "geheimnis" not in str(raised.value)


def run_of(job: str, hours_ago: float, state: str = "SUCCESS") -> dict[str, Any]:
    ended = datetime.now(UTC) - timedelta(hours=hours_ago)
    return {"job_name": job, "state": state, "ended_at": ended.isoformat()}


JOB = "prod:tap-ecdp-to-target-warehouse"


@pytest.mark.parametrize(
    ("runs", "late"),
    [
        ([run_of(JOB, 25)], False),
        ([run_of(f"{JOB}:shop", 25)], False),
        ([run_of(JOB, 27)], True),
        ([run_of(JOB, 1, "FAIL"), run_of(JOB, 27)], True),
        ([run_of(JOB, 1, "FAIL"), run_of(JOB, 25)], False),
        ([run_of(f"{JOB}:backfill-2026-01-01-2026-01-31", 1)], True),
        ([run_of("dev:tap-ecdp-to-target-warehouse", 1)], True),
        ([run_of("prod:tap-ecdp-two-to-target-warehouse", 1)], True),
        ([], True),
    ],
)
def test_late_is_without_a_successful_run_of_late(
    runs: list[dict[str, Any]], *, late: bool
) -> None:
    (found,) = check(FakeProject(None, runs), ["tap-ecdp"], timedelta(hours=26))
    assert found.ok is not late


def test_a_bad_day_reaches_the_webhook(
    sandbox: Sandbox, tmp_path: Path, receiver: Receiver
) -> None:
    folder = project(tmp_path / "project")
    given = {"ATTRIBUTION_ELT_WEBHOOK_URL": receiver.url}
    sandbox.ecdp.faults.add(Fault("status", status=401))
    failed = attribution_elt(folder, variables(sandbox, ["tap-ecdp"], **given), "run", "ecdp")
    assert failed.returncode == 1
    (folder / ".env").write_text(f"ATTRIBUTION_ELT_WEBHOOK_URL={receiver.url}\n")
    late = attribution_elt(folder, variables(sandbox, ["tap-ecdp"]), "alert", "--late", "26h")
    assert late.returncode == 1
    assert late.stdout == "to do  tap-ecdp  no successful run is remembered\n"
    first, second = receiver.texts
    assert first.splitlines()[0].startswith("*dev: run ")
    assert first.endswith("answered 401: check the setting api_key")
    assert second == "*dev: late*\n• tap-ecdp: no successful run is remembered"
