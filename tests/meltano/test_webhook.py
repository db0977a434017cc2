from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from attribution_elt.cli.display import Lines
from attribution_elt.cli.freshness import check, freshness
from attribution_elt.core.errors import OpsError
from attribution_elt.meltano import webhook
from attribution_elt.meltano.outcome import Outcome
from attribution_elt.meltano.project import Loader, Project
from attribution_elt.meltano.run_log import RunLog
from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.faults import Fault
from tests.meltano.test_run_log import line
from tests.operating import attribution_elt, variables
from tests.pipeline.meltano import project
from tests.webhook import Receiver


class FakeProject(Project):
    """A project that does not run Meltano."""

    loaders = {"target-warehouse": Loader("target-warehouse", "duckdb:///x", None)}  # noqa: RUF012 - a stand-in

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
    log = RunLog()
    for each in lines:
        log.take(each)
    return Outcome("run-1", "tap-ecdp target-warehouse", exit_code, log)


DRIFT = line(
    "property 'tier' is not in the schema and goes into _extra", elt_event="drift", stream="orders"
)
LOST = line("the days a..b of shop can no longer be had", elt_event="days_lost")


def test_a_run_without_failures_sends_nothing(receiver: Receiver) -> None:
    webhook.alert(FakeProject(receiver.url), [outcome()], Lines())
    assert receiver.texts == []


def test_failures_and_lost_days_are_sent(receiver: Receiver) -> None:
    failed = line("failed; the next run retries it: a & <b>", elt_event="unit_failed", streams=[])
    rejected = line("Error: 2 records were rejected (orders 2)", producer=False, consumer=True)
    webhook.alert(
        FakeProject(receiver.url), [outcome(failed, rejected, LOST, exit_code=1)], Lines()
    )
    (text,) = receiver.texts
    assert text.splitlines() == [
        "*prod: run run-1 failed*",
        "• tap-ecdp: failed; the next run retries it: a &amp; &lt;b&gt;",
        "• target-warehouse: 2 records were rejected (orders 2)",
        "• tap-ecdp: the days a..b of shop can no longer be had",
    ]


def test_without_failure_alerts_lost_days_are_still_sent(receiver: Receiver) -> None:
    failed = line("failed; the next run retries it: a", elt_event="unit_failed", streams=[])
    ended = outcome(failed, exit_code=1)
    webhook.alert(FakeProject(receiver.url), [ended], Lines(), failure_alert=False)
    assert receiver.texts == []
    ended = outcome(failed, LOST, exit_code=1)
    webhook.alert(FakeProject(receiver.url), [ended], Lines(), failure_alert=False)
    (text,) = receiver.texts
    assert text.splitlines()[1:] == ["• tap-ecdp: the days a..b of shop can no longer be had"]


def test_drift_is_sent_once(receiver: Receiver) -> None:
    project_ = FakeProject(receiver.url)
    for _ in range(2):
        webhook.alert(project_, [outcome(DRIFT)], Lines())
    (text,) = receiver.texts
    title, bullet = text.splitlines()
    assert title == "*prod: run run-1 succeeded with warnings*"
    assert bullet.startswith("• new from the vendor: tap-ecdp, orders: property 'tier' is not in")


def test_an_alert_of_several_runs_counts_those_that_failed(receiver: Receiver) -> None:
    failed = outcome(line("refused", elt_event="run_failed"), exit_code=1)
    webhook.alert(FakeProject(receiver.url), [outcome(), failed], Lines())
    assert receiver.texts == ["*prod: 1 of 2 runs failed*\n• tap-ecdp: refused"]


def test_an_interrupted_run_sends_no_alert(receiver: Receiver) -> None:
    stopped = Outcome("run-1", "tap-ecdp target-warehouse", 130, RunLog(), interrupted=True)
    webhook.alert(FakeProject(receiver.url), [stopped], Lines())
    assert receiver.texts == []


def test_text_of_a_vendor_is_not_a_mention_a_link_or_an_escape_sequence(receiver: Receiver) -> None:
    webhook.send(receiver.url, "late", ["@channel *now* `rm` https://evil.example \x1b[2J<!here>"])
    (text,) = receiver.texts
    line_ = text.splitlines()[1]
    for pattern in ("@channel", "*now", "`rm", "https://", "\x1b", "<!"):
        assert pattern not in line_


def test_more_drift_than_a_command_line_holds_is_kept_and_bounded(
    sandbox: Sandbox, tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = variables(sandbox, ["tap-ecdp"], ATTRIBUTION_ELT_WEBHOOK_URL=receiver.url)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(project(tmp_path / "project"))
    real = Project("dev")
    drift = [
        line(f"property '{'x' * 100}{number}' is new", elt_event="drift", stream="orders")
        for number in range(1500)
    ]
    webhook.alert(real, [outcome(*drift)], Lines())
    webhook.alert(real, [outcome(*drift[-900:])], Lines())
    assert len(receiver.texts) == 1
    kept = real.state(f"dev:{webhook.STATE}")["drift"]
    assert len(kept) == webhook.MOST_KEPT


def test_a_long_list_is_cut(receiver: Receiver) -> None:
    receiver.length = 1  # the body of the response is not read
    webhook.send(receiver.url, "late", [f"tap {number}" for number in range(40)])
    (text,) = receiver.texts
    assert text.splitlines()[-1] == "• and 10 more"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_refusal_of_the_webhook_is_noted_without_its_address(
    receiver: Receiver, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    receiver.status = status
    webhook.alert(FakeProject(receiver.url), [outcome(LOST)], Lines())
    printed = capsys.readouterr().out
    assert f"the alert could not be sent: the webhook returned {status}" in printed
    assert "geheimnis" not in printed


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/geheimnis", "geheimnis"])
def test_an_unreachable_webhook_is_reported_without_its_address(url: str) -> None:
    with pytest.raises(OpsError, match="cannot be reached") as raised:
        webhook.send(url, "late", [])
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
        ([run_of("prod:tap-ecdp-to-target-postgres", 25)], False),
        ([run_of(JOB, 27)], True),
        ([run_of(JOB, 1, "FAIL"), run_of(JOB, 27)], True),
        ([run_of(JOB, 1, "FAIL"), run_of(JOB, 25)], False),
        ([run_of(f"{JOB}:backfill-2026-01-01-2026-01-31", 1)], True),
        ([run_of(f"{JOB}:verify", 1), run_of(JOB, 27)], True),
        ([run_of("dev:tap-ecdp-to-target-warehouse", 1)], True),
        ([run_of("prod:tap-ecdp-two-to-target-warehouse", 1)], True),
        ([], True),
    ],
)
def test_an_account_is_late_without_a_recent_successful_run(
    runs: list[dict[str, Any]], *, late: bool
) -> None:
    (found,) = check(FakeProject(None, runs), ["tap-ecdp"], timedelta(hours=26))
    assert found.passed is not late


def test_a_check_of_no_account_fails() -> None:
    made = FakeProject(None)
    made.extractors = {}
    done = CliRunner().invoke(freshness, ["--max-age=26h"], obj=made)
    assert done.exit_code == 1
    assert str(done.exception).startswith("nothing was checked: no account has credentials")


def test_an_alert_is_sent_even_if_the_states_cannot_be_read(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(_: str) -> dict[str, Any]:
        raise OpsError("meltano state: database is locked")

    made = FakeProject(receiver.url)
    monkeypatch.setattr(made, "state", locked)
    webhook.alert(made, [outcome(DRIFT, exit_code=1)], Lines())
    (text,) = receiver.texts
    assert "exit code 1" in text
    assert "property 'tier'" in text


def test_a_day_with_failures_is_reported_to_the_webhook(
    sandbox: Sandbox, tmp_path: Path, receiver: Receiver
) -> None:
    folder = project(tmp_path / "project")
    given = {"ATTRIBUTION_ELT_WEBHOOK_URL": receiver.url}
    sandbox.ecdp.faults.add(Fault("status", status=401))
    failed = attribution_elt(folder, variables(sandbox, ["tap-ecdp"], **given), "run", "ecdp")
    assert failed.returncode == 1
    (folder / ".env").write_text(f"ATTRIBUTION_ELT_WEBHOOK_URL={receiver.url}\n")
    late = attribution_elt(
        folder, variables(sandbox, ["tap-ecdp"]), "freshness", "--max-age=26h", "ecdp"
    )
    assert late.returncode == 1
    assert late.stdout == "to do  tap-ecdp  Meltano's history has no successful run\n"
    first, second = receiver.texts
    assert first.splitlines()[0].startswith("*dev: run ")
    assert first.endswith("returned 401: check the setting api_key")
    assert second == "*dev: late*\n• tap-ecdp: Meltano's history has no successful run"
