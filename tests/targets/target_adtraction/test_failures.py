"""Requests that fail, and lists that do not show what was written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from target_warehouse.warehouses.errors import WarehouseError
from target_warehouse.writes import WriteLog

from attribution_elt.sandbox import Fault, Sandbox
from tests.targets.target_adtraction.helpers import (
    PENDING,
    STREAM,
    channels,
    puts,
    status_of,
)
from tests.targets.writing import STATE, Writer, wishes


@pytest.mark.parametrize("as_header", [True, False], ids=["Retry-After", "reset in ms"])
def test_a_refusal_for_the_quota_is_waited_for(
    as_header: bool, sandbox: Sandbox, writer: Writer
) -> None:
    channel = channels(sandbox, PENDING)[0]
    quota = lambda now: {  # noqa: E731 - the headers of one fault
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int((now + 1) * 1000)),
    }
    refused = Fault("status", status=429, retry_after=1) if as_header else Fault(
        "status", status=429, headers=quota
    )  # fmt: skip
    sandbox.adtraction.faults.add(only_put(refused))

    assert writer.run(wishes(STREAM, [{"channel_id": channel, "approval_status": 1}])).error is None

    applied = [each for each in sandbox.adtraction.requests if each.method == "PUT"]
    assert [each.status for each in applied] == [429, 200]
    assert applied[1].time - applied[0].time >= 1
    assert writer.outcomes() == {str(channel): "confirmed"}


def only_put(fault: Fault) -> Fault:
    return Fault(**{**vars_of(fault), "match": lambda request: request.method == "PUT"})


def vars_of(fault: Fault) -> dict[str, Any]:
    return {name: getattr(fault, name) for name in fault.__dataclass_fields__}


def test_a_failing_request_does_not_stop_the_others(
    sandbox: Sandbox, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attribution_elt.kit.http.client.FIRST_WAIT", 0)
    sandbox.adtraction.channel_count = 30
    pending = channels(sandbox, PENDING)[:10]
    wanted = wishes(STREAM, [{"channel_id": each, "approval_status": 1} for each in pending])
    unlucky = pending[3]
    sandbox.adtraction.faults.add(
        Fault(
            "status",
            times=2,
            status=500,
            match=lambda request: request.method == "PUT" and str(unlucky) in str(request.body),
        )
    )

    first = writer.run(wanted)

    assert str(first.error) == "1 of 10 requested changes failed"
    assert first.states == []
    assert {each for each in pending if status_of(sandbox, each)[0] == 1} == {*pending} - {unlucky}
    before = len(puts(sandbox))
    second = writer.run(wanted)
    assert second.error is None
    assert second.states == [STATE]
    assert puts(sandbox)[before:] == [{"channelId": unlucky, "approvalStatus": 1}]


@pytest.mark.parametrize(
    "body", [b'{"success": false}', b"{}", b"<html>OK</html>", b"[]", b'{"success": "true"}']
)
def test_a_response_without_success_is_never_applied(
    body: bytes, sandbox: Sandbox, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attribution_elt.kit.http.client.FIRST_WAIT", 0)
    channel = channels(sandbox, PENDING)[0]
    sandbox.adtraction.faults.add(
        Fault(
            "altered",
            times=None,
            change=lambda _: body,
            match=lambda request: request.method == "PUT",
        )
    )

    run = writer.run(wishes(STREAM, [{"channel_id": channel, "approval_status": 1}]))

    assert run.error is not None
    assert writer.outcomes()[str(channel)] in {"refused", "failed"}
    assert "applied" not in writer.outcomes(final=False)[str(channel)]


@pytest.mark.parametrize(("status", "sent"), [(401, 1), (429, 4), (400, 2), (500, 4)])
def test_the_status_in_a_response_counts_like_that_of_http(
    status: int, sent: int, sandbox: Sandbox, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attribution_elt.kit.http.client.FIRST_WAIT", 0)
    body = json.dumps({"status": status, "message": "no"})
    sandbox.adtraction.faults.add(
        only_put(Fault("status", status=200, body=body, times=None)),
    )
    wanted = [{"channel_id": each, "approval_status": 1} for each in channels(sandbox, PENDING)[:2]]

    assert writer.run(wishes(STREAM, wanted)).error is not None
    assert len(puts(sandbox)) == sent


def test_refused_credentials_end_the_run_at_the_first_request(
    sandbox: Sandbox, writer: Writer
) -> None:
    channel = channels(sandbox, PENDING)[0]
    wanted = wishes(STREAM, [{"channel_id": channel, "approval_status": 1}])

    done = writer.execute(wanted, client_token="not-the-token-00")

    assert done.returncode == 1
    assert "check the setting client_token" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(sandbox.adtraction.requests) == 1
    assert done.stdout == ""


def test_a_conflict_is_read_and_decided_again(sandbox: Sandbox, writer: Writer) -> None:
    channel = channels(sandbox, PENDING)[0]
    sandbox.adtraction.faults.add(only_put(Fault("status", status=409)))

    assert writer.run(wishes(STREAM, [{"channel_id": channel, "approval_status": 1}])).error is None
    assert writer.outcomes(final=False) == {str(channel): ["sent", "sent", "applied", "confirmed"]}


def test_a_change_that_the_list_does_not_show_is_not_confirmed(
    sandbox: Sandbox, writer: Writer
) -> None:
    channel = channels(sandbox, PENDING)[0]
    sandbox.adtraction.faults.add(only_put(Fault("status", status=200, body='{"success": true}')))

    run = writer.run(wishes(STREAM, [{"channel_id": channel, "approval_status": 1}]))

    assert run.error is not None
    assert writer.outcomes() == {str(channel): "not_confirmed"}


def test_an_incomplete_input_sends_nothing(sandbox: Sandbox, writer: Writer) -> None:
    channel = channels(sandbox, PENDING)[0]
    wish = {"channel_id": channel, "approval_status": 1}
    complete = wishes(STREAM, [wish])

    for text, reason in (
        (wishes(STREAM, [wish], whole=False), "without a STATE after the last record"),
        (complete[:-20], "is not a Singer message"),
        (complete.split("\n", 1)[1], "precedes its SCHEMA"),
    ):
        run = writer.run(text)
        assert reason in str(run.error)
        assert run.states == []
    for text in ("", wishes(STREAM, []), wishes("another", [wish])):
        assert writer.run(text).error is None
    assert sandbox.adtraction.requests == []


def test_an_unreachable_warehouse_stops_the_run_before_anything_is_sent(
    sandbox: Sandbox, writer: Writer
) -> None:
    channel = channels(sandbox, PENDING)[0]

    done = writer.execute(
        wishes(STREAM, [{"channel_id": channel, "approval_status": 1}]),
        outcomes_url=f"sqlite:///{writer.warehouse.folder}/missing/w.db",
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert sandbox.adtraction.requests == []


def test_a_warehouse_that_goes_away_before_a_request_stops_it(
    sandbox: Sandbox, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [{"channel_id": each, "approval_status": 1} for each in channels(sandbox, PENDING)[:2]]

    def away(*_: object) -> None:
        raise WarehouseError("the connection was lost")

    monkeypatch.setattr(WriteLog, "append", away)

    with pytest.raises(WarehouseError, match="lost"):
        writer.run(wishes(STREAM, wanted))

    assert puts(sandbox) == []
