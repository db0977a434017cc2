"""Statuses of channels: the requests that are sent, and the rows of `_writes`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from target_adtraction.target import TargetAdtraction
from target_warehouse.warehouses.errors import WarehouseError
from target_warehouse.writes import WriteLog

from attribution_elt.sandbox import Fault, Sandbox
from tests.targets.target_warehouse.warehouses import SQLite, Warehouse
from tests.targets.writing import STATE, Writer, wishes

PENDING = 2
STREAM = "channel_status"


@pytest.fixture
def writer(sandbox: Sandbox, tmp_path: Any) -> Writer:
    """The target with SQLite, the quickest of the warehouses."""
    return writer_of(sandbox, SQLite(f"sqlite:///{tmp_path}/warehouse.db", tmp_path))


def writer_of(sandbox: Sandbox, warehouse: Warehouse) -> Writer:
    settings = {
        "client_token": sandbox.adtraction.client_token,
        "api_url": sandbox.adtraction.url,
        "max_retries": 2,
        "dry_run": False,
    }
    return Writer(TargetAdtraction, settings, warehouse)


def channels(sandbox: Sandbox, status: int) -> list[int]:
    return [
        row["channelId"]
        for row in sandbox.adtraction.truth()["channels"]
        if row["approvalStatus"] == status
    ]


def status_of(sandbox: Sandbox, channel: int) -> tuple[int, int | None]:
    (row,) = [row for row in sandbox.adtraction.truth()["channels"] if row["channelId"] == channel]
    return row["approvalStatus"], row.get("rejectReason")


def puts(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [each.json() for each in sandbox.adtraction.requests if each.method == "PUT"]


def listing(sandbox: Sandbox, *documents: Any) -> None:
    """Have the next requests for the list answered with status 200 and these documents."""
    for document in documents:
        body = json.dumps(document)
        fault = Fault("status", status=200, body=body, match="client/channels", times=1)
        sandbox.adtraction.faults.add(fault)


def test_channels_of_every_page_are_known(sandbox: Sandbox, writer: Writer) -> None:
    rows = [{"channelId": id_, "approvalStatus": 1} for id_ in range(5)]
    pages = (rows[:2], rows[2:4], rows[4:])
    listing(sandbox, *({"count": 5, "pageSize": 2, "channels": page} for page in pages))
    run = writer.run(wishes(STREAM, [{"channel_id": 4, "approval_status": 1}]))
    assert run.error is None
    assert writer.outcomes() == {"4": "unchanged"}
    assert [each.json() for each in sandbox.adtraction.requests] == [{}, {"page": 1}, {"page": 2}]


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"status": 500, "message": "Internal error"}, "answered 500: Internal error"),
        (
            {"status": 401, "message": "Unauthorized"},
            "answered 401: check the setting client_token",
        ),
        ({"count": 3, "channels": []}, "0 channels arrived, but `count` is 3"),
    ],
)
def test_a_list_that_cannot_be_read_is_an_error(
    sandbox: Sandbox, writer: Writer, document: dict[str, Any], error: str
) -> None:
    listing(sandbox, document, document)
    run = writer.run(wishes(STREAM, [{"channel_id": 4, "approval_status": 1}]))
    assert error in str(run.error)
    assert writer.outcomes() == {}
    assert puts(sandbox) == []


def test_changes_are_sent_confirmed_and_recorded(
    sandbox: Sandbox, warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    approved, rejected = channels(sandbox, PENDING)[:2]
    writer = writer_of(sandbox, warehouse)

    run = writer.run(
        wishes(
            STREAM,
            [
                {"channel_id": approved, "approval_status": 1, "expected_status": PENDING},
                {"channel_id": rejected, "approval_status": 0, "reject_reason": 3},
            ],
        )
    )

    assert run.error is None
    assert run.states == [STATE]
    assert status_of(sandbox, approved) == (1, None)
    assert status_of(sandbox, rejected) == (0, 3)
    assert writer.outcomes(final=False) == {
        str(approved): ["sent", "applied", "confirmed"],
        str(rejected): ["sent", "applied", "confirmed"],
    }
    rows = warehouse.rows(
        'SELECT "target", "before", "after", "dry_run" FROM _writes WHERE "outcome" = \'sent\''
        ' ORDER BY "at"'
    )
    assert [(target, before, after, bool(dry)) for target, before, after, dry in rows] == [
        ("target-adtraction", "pending", "approved", False),
        ("target-adtraction", "pending", "rejected (404 on site)", False),
    ]
    assert sandbox.adtraction.client_token not in caplog.text


def test_a_dry_run_sends_nothing_and_describes_what_a_real_run_sends(
    sandbox: Sandbox, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    channel = channels(sandbox, PENDING)[0]
    wanted = wishes(STREAM, [{"channel_id": channel, "approval_status": 0, "reject_reason": 3}])

    dry = writer.run(wanted, dry_run=None)  # the default

    assert dry.error is None
    assert dry.states == []  # the wishes are still open
    assert puts(sandbox) == []
    assert f"channel {channel}: pending → rejected (404 on site)" in caplog.text
    assert writer.outcomes() == {str(channel): "dry_run"}

    assert writer.run(wanted).error is None
    assert puts(sandbox) == [{"channelId": channel, "approvalStatus": 0, "rejectReason": 3}]
    assert writer.run(wanted).error is None
    assert len(puts(sandbox)) == 1
    assert writer.outcomes() == {str(channel): "unchanged"}


@pytest.mark.parametrize(
    "wish",
    [
        {"approval_status": 0},
        {"approval_status": 0, "reject_reason": 13},
        {"approval_status": 0, "reject_reason": -1},
        {"approval_status": 0, "reject_reason": "3"},
        {"approval_status": 1, "reject_reason": 3},
        {"approval_status": 2},
        {"approval_status": "1"},
        {"approval_status": 1.0},
        {"approval_status": True},
        {"approval_status": None},
        {},
        {"approval_status": 1, "expected_status": 7},
        {"approval_status": 1, "expected_status": "pending"},
    ],
    ids=str,
)
def test_an_invalid_wish_is_not_sent(
    wish: Mapping[str, Any], sandbox: Sandbox, writer: Writer
) -> None:
    channel = channels(sandbox, PENDING)[0]

    run = writer.run(wishes(STREAM, [{"channel_id": channel, **wish}]))

    assert str(run.error) == "1 of 1 wishes were not fulfilled"
    assert run.states == []
    assert puts(sandbox) == []
    assert writer.outcomes() == {str(channel): "invalid"}


@pytest.mark.parametrize("channel", ["800000002", 8.0, None, True, [1]], ids=repr)
def test_a_channel_id_that_is_not_an_integer_is_invalid(
    channel: Any, sandbox: Sandbox, writer: Writer
) -> None:
    run = writer.run(wishes(STREAM, [{"channel_id": channel, "approval_status": 1}]))

    assert run.error is not None
    assert puts(sandbox) == []
    assert writer.outcomes() == {"record 1": "invalid"}


def test_an_unknown_channel_is_named(
    sandbox: Sandbox, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    run = writer.run(wishes(STREAM, [{"channel_id": 77, "approval_status": 1}]))

    assert run.error is not None
    assert "channel 77: unknown: the vendor does not list this channel" in caplog.text
    assert writer.outcomes() == {"77": "unknown"}
    assert puts(sandbox) == []


def test_equal_wishes_are_sent_once_and_different_ones_not_at_all(
    sandbox: Sandbox, writer: Writer
) -> None:
    same, different = channels(sandbox, PENDING)[:2]
    approve = {"approval_status": 1}
    reject = {"approval_status": 0, "reject_reason": 1}

    writer.run(
        wishes(
            STREAM,
            [
                {"channel_id": different, **approve},
                {"channel_id": same, **approve},
                {"channel_id": different, **reject},
                {"channel_id": same, **approve},
                {"channel_id": different, **approve},
            ],
        )
    )

    assert puts(sandbox) == [{"channelId": same, "approvalStatus": 1}]
    assert writer.outcomes() == {str(same): "confirmed", str(different): "conflicting"}


def test_a_transition_that_is_not_allowed_is_not_sent(sandbox: Sandbox, writer: Writer) -> None:
    channel = channels(sandbox, 1)[0]
    wanted = wishes(STREAM, [{"channel_id": channel, "approval_status": 0, "reject_reason": 2}])

    assert writer.run(wanted).error is not None
    assert puts(sandbox) == []
    assert writer.outcomes() == {str(channel): "not_allowed"}

    assert writer.run(wanted, allow=["approved>rejected"]).error is None
    assert status_of(sandbox, channel) == (0, 2)


def test_a_status_that_changed_meanwhile_is_left_alone(sandbox: Sandbox, writer: Writer) -> None:
    channel = channels(sandbox, 1)[0]
    wish = {"channel_id": channel, "approval_status": 0, "reject_reason": 2, "expected_status": 2}

    assert writer.run(wishes(STREAM, [wish]), allow=["approved>rejected"]).error is not None
    assert puts(sandbox) == []
    assert writer.outcomes() == {str(channel): "changed_meanwhile"}


def test_an_expected_status_can_be_required(sandbox: Sandbox, writer: Writer) -> None:
    channel = channels(sandbox, PENDING)[0]
    wanted = wishes(STREAM, [{"channel_id": channel, "approval_status": 1}])

    assert writer.run(wanted, require_expected=True).error is not None
    assert writer.outcomes() == {str(channel): "invalid"}


def test_more_changes_than_allowed_send_nothing(
    sandbox: Sandbox, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.adtraction.channel_count = 90
    pending = channels(sandbox, PENDING)[:26]
    assert len(pending) == 26
    wanted = wishes(STREAM, [{"channel_id": each, "approval_status": 1} for each in pending])

    run = writer.run(wanted)

    assert run.error is not None
    assert puts(sandbox) == []
    assert set(writer.outcomes().values()) == {"over_limit"}
    assert "26 changes exceed the setting max_changes (25): nothing was sent" in caplog.text


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

    assert str(first.error) == "1 of 10 wishes were not fulfilled"
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
