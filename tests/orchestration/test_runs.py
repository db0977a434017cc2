"""Schedules are run in-process, against the sandbox and a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster
import pytest

from attribution_elt.kit.testing.spellings import spellings
from attribution_elt.meltano.project import Project
from attribution_elt.orchestration.definitions import assemble
from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.faults import Fault
from tests import leaks
from tests.orchestration.helpers import FIRST_TASK, SECOND_TASK, enter, with_second_account
from tests.pipeline.expected import Expected
from tests.pipeline.landings import Postgres
from tests.pipeline.meltano import environment, settings
from tests.webhook import Receiver

ONCE_MORE = dagster.RetryPolicy(max_retries=1)


@pytest.fixture
def accounts() -> Iterator[tuple[Sandbox, Sandbox]]:
    """Serve two accounts of a vendor with today's date, because taps read up to the real day."""
    today = datetime.now(UTC).date()
    with Sandbox(seed=7, today=today) as one, Sandbox(seed=8, today=today) as two:
        two.ecdp.api_key = "key-of-shop-two"
        yield one, two


@pytest.fixture
def landing(postgres_url: str) -> Postgres:
    return Postgres(postgres_url)


@pytest.fixture
def assembled(
    accounts: tuple[Sandbox, Sandbox],
    landing: Postgres,
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> dagster.Definitions:
    """The project's definitions, with both accounts in the schedule of ECDP."""
    one, two = accounts
    every = {
        "tap-ecdp": settings(one)["tap-ecdp"],
        "tap-ecdp-shop-two": {"api_url": two.ecdp.url, "api_key": two.ecdp.api_key},
    }
    given = {"ATTRIBUTION_ELT_WEBHOOK_URL": receiver.url, **landing.variables}
    variables = {"TAP_ECDP_SHOP_TWO_REPORTING_CURRENCY": "SEK"}
    folder = with_second_account(tmp_path / "project", variables=variables)
    enter(monkeypatch, folder, environment(every, **given))
    return assemble(Project("prod"), retry=ONCE_MORE)


def tick(
    assembled: dagster.Definitions, instance: dagster.DagsterInstance
) -> dagster.ExecuteInProcessResult:
    """Run a schedule as Dagster does when it is due."""
    repository = assembled.get_repository_def()
    schedule = repository.get_schedule_def("ecdp_every_morning")
    context = dagster.build_schedule_context(instance)
    (request,) = schedule.evaluate_tick(context).run_requests or ()
    job = repository.get_job(schedule.job_name)
    return job.execute_in_process(
        run_config=request.run_config, tags=request.tags, instance=instance, raise_on_error=False
    )


def tell(
    assembled: dagster.Definitions,
    instance: dagster.DagsterInstance,
    result: dagster.ExecuteInProcessResult,
) -> None:
    """Run the sensor as Dagster's daemon does after a failed run."""
    context = dagster.build_run_status_sensor_context(
        sensor_name="alerts",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=instance,
        dagster_run=result.dagster_run,
    )
    assembled.get_repository_def().get_sensor_def("alerts")(context.for_run_failure())


def test_a_schedule_loads_every_account_of_its_job(
    assembled: dagster.Definitions,
    landing: Postgres,
    accounts: tuple[Sandbox, Sandbox],
    receiver: Receiver,
    tmp_path: Path,
) -> None:
    one, two = accounts
    with dagster.DagsterInstance.ephemeral() as instance:
        result = tick(assembled, instance)
        assert result.success
        assert {FIRST_TASK, SECOND_TASK} == {
            event.step_key for event in result.all_events if event.is_step_success
        }
        loaded = {
            tuple(event.asset_key.path): event.materialization.metadata["inserted"].value
            for event in result.all_events
            if event.is_step_materialization and event.asset_key
        }
    expected = Expected(tmp_path)
    expected.take_in({"tap-ecdp": settings(one)["tap-ecdp"]})
    for (tap, name), stream in expected.streams.items():
        landed = landing.rows(tap, name, stream)
        assert stream.by_key(landed) == stream.rows
        assert loaded[tap, name] == len(stream.rows)
    orders = landing.rows(
        "tap-ecdp-shop-two", "attributed_orders", expected.streams["tap-ecdp", "attributed_orders"]
    )
    assert {(row["website_id"], row["order_id"]) for row in orders} == {
        (order["websiteId"], order["orderId"]) for order in two.ecdp.truth()
    }
    assert {row["reporting_currency"] for row in orders} == {"SEK"}, "the schedule's variable"
    assert receiver.texts == []


def test_a_permanent_failure_is_retried_reported_once_and_stops_no_other_unit(
    assembled: dagster.Definitions,
    accounts: tuple[Sandbox, Sandbox],
    receiver: Receiver,
    tmp_path: Path,
) -> None:
    """Dagster's storage has the failure and no secret."""
    storage = tmp_path / "dagster"
    storage.mkdir()
    keys = {each.ecdp.api_key for each in accounts}
    echo = json.dumps([text for key in keys for text in spellings(key)])
    accounts[0].ecdp.faults.add(Fault("status", status=401, times=None, body=echo))
    with dagster.DagsterInstance.local_temp(str(storage)) as instance:
        result = tick(assembled, instance)
        ended = {
            event.step_key: event.event_type_value
            for event in result.all_events
            if event.is_step_failure or event.is_step_success
        }
        assert ended == {FIRST_TASK: "STEP_FAILURE", SECOND_TASK: "STEP_SUCCESS"}
        assert [e.step_key for e in result.all_events if e.is_step_up_for_retry] == [FIRST_TASK]
        assert receiver.texts == []
        tell(assembled, instance, result)
    (text,) = receiver.texts
    stored = [path.read_bytes() for path in storage.rglob("*") if path.is_file()]
    assert any(b"check the setting api_key" in each for each in stored)
    assert [leaks.found(each, keys) for each in stored if leaks.found(each, keys)] == []
    title, *lines = text.splitlines()
    assert title == "*prod: ecdp failed*"
    assert {line.rpartition(": returned")[2] for line in lines} == {
        " 401: check the setting api_key"
    }
    assert all(line.startswith("• tap-ecdp: ECDP, ") for line in lines)


def test_failures_that_a_retry_resolves_are_not_reported(
    assembled: dagster.Definitions, accounts: tuple[Sandbox, Sandbox], receiver: Receiver
) -> None:
    accounts[0].ecdp.faults.add(Fault("status", status=401))
    with dagster.DagsterInstance.ephemeral() as instance:
        result = tick(assembled, instance)
    assert result.success
    assert [e.step_key for e in result.all_events if e.is_step_up_for_retry] == [FIRST_TASK]
    assert receiver.texts == []
