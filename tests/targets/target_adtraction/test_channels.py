"""Statuses of channels: the requests that are sent, and the rows of `_writes`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from attribution_elt.sandbox import Sandbox
from tests.targets.target_adtraction.helpers import (
    PENDING,
    STREAM,
    channels,
    listing,
    puts,
    status_of,
    writer_of,
)
from tests.targets.target_warehouse.warehouses import Warehouse
from tests.targets.writing import STATE, Writer, wishes


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
        ({"status": 500, "message": "Internal error"}, "returned 500: Internal error"),
        (
            {"status": 401, "message": "Unauthorized"},
            "returned 401: check the setting client_token",
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
def test_an_invalid_record_is_not_sent(
    wish: Mapping[str, Any], sandbox: Sandbox, writer: Writer
) -> None:
    channel = channels(sandbox, PENDING)[0]

    run = writer.run(wishes(STREAM, [{"channel_id": channel, **wish}]))

    assert str(run.error) == "1 of 1 requested changes failed"
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


def test_equal_records_are_sent_once_and_contradictory_ones_not_at_all(
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
