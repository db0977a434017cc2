"""target-adtraction: settings, and the requests that change statuses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from http import HTTPStatus
from typing import Any

from singer_sdk import typing as th
from target_warehouse.writes import WriteLog
from typing_extensions import override

from attribution_elt.kit.errors import CredentialsError, UnitError
from attribution_elt.kit.writing.target import WritingTarget, common
from attribution_elt.kit.writing.wishes import (
    SETTLING,
    Audit,
    Entry,
    InvalidWishError,
    Outcome,
    Wish,
)
from target_adtraction.client import REASONS, STATUSES, ChannelsClient, Status

TRANSITION = "^(pending|approved|rejected)>(approved|rejected)$"
DECISIONS = 3
"""Maximum number of decisions about a change while the vendor responds with a conflict."""


class TargetAdtraction(WritingTarget):
    """Approves and rejects channels of an Adtraction program."""

    name = "target-adtraction"
    stream = "channel_status"
    credentials = ("client_token",)
    limit = "max_changes"
    config_jsonschema = th.PropertiesList(
        th.Property(
            "client_token",
            th.StringType(min_length=1),
            required=True,
            secret=True,
            title="Client token",
            description="API token of the advertiser, from Account > Settings in Adtraction",
        ),
        th.Property(
            "max_changes",
            th.IntegerType(minimum=0),
            default=25,
            title="Changes allowed",
            description="Maximum number of changes that a run sends; with more, it sends none",
        ),
        th.Property(
            "allow",
            th.ArrayType(th.StringType(pattern=TRANSITION)),
            default=["pending>approved", "pending>rejected"],
            title="Allowed transitions",
            description="Status changes that may be sent, as `from>to` of `pending`, "
            "`approved` and `rejected`",
        ),
        th.Property(
            "require_expected",
            th.BooleanType,
            default=False,
            title="Require the expected status",
            description="Whether every record must have `expected_status`",
        ),
        th.Property(
            "confirm_by_reading",
            th.BooleanType,
            default=True,
            title="Confirm by reading",
            description="Read the list of channels again after the changes were sent",
        ),
        *common("https://api.adtraction.net/v3"),
    ).to_dict()

    _present: Mapping[int, Status]

    @cached_property
    def _client(self) -> ChannelsClient:
        return ChannelsClient({**self.config, "max_concurrent_requests": 1})

    @override
    def check(self) -> str:
        return f"credentials are valid; {len(self._client.statuses())} channels"

    @override
    def open_audit(self) -> Audit:
        return WriteLog(self.config["outcomes_url"], self.config.get("outcomes_schema"), SETTLING)

    @override
    def key_of(self, record: Mapping[str, Any]) -> str | None:
        channel = record.get("channel_id")
        return str(channel) if type(channel) is int else None

    @override
    def label_of(self, record: Mapping[str, Any]) -> str | None:
        key = self.key_of(record)
        return f"channel {key}" if key else None

    @override
    def parse(self, record: Mapping[str, Any]) -> Iterable[Wish]:
        channel, status = record.get("channel_id"), record.get("approval_status")
        reason, expected = record.get("reject_reason"), record.get("expected_status")
        # bool is a subclass of int, but the vendor's ids and statuses are numbers
        if type(channel) is not int:
            raise InvalidWishError("channel_id is not an integer")
        if type(status) is not int or status not in {0, 1}:
            raise InvalidWishError("approval_status is neither 0 (rejected) nor 1 (approved)")
        if status == 1 and reason is not None:
            raise InvalidWishError("reject_reason is set, but approval_status is 1")
        if status == 0 and (type(reason) is not int or not 0 <= reason < len(REASONS)):
            raise InvalidWishError(f"reject_reason is not an integer from 0 to {len(REASONS) - 1}")
        if expected is None and self.config["require_expected"]:
            raise InvalidWishError("expected_status is missing")
        if expected is not None and (type(expected) is not int or expected not in STATUSES):
            raise InvalidWishError("expected_status is not 0, 1 or 2")
        values = {"approval_status": status, "reject_reason": reason, "expected_status": expected}
        yield Wish(
            str(channel),
            f"channel {channel}",
            {name: value for name, value in values.items() if value is not None},
        )

    @override
    def prepare(self, wishes: Sequence[Wish]) -> None:
        self._present = self._client.statuses()

    @override
    def settle(self, key: str, values: Mapping[str, Any]) -> Entry:
        now = self._present.get(int(key))
        self.ledger.labels[key] = f"channel {key}"
        reason = "sent by a run that was interrupted"
        return Entry(key, values, _outcome(now, values), reason, after=str(now) if now else None)

    @override
    def decide(self, wish: Wish) -> Entry:
        now, wanted = self._present.get(int(wish.key)), _wanted(wish.values)
        if now is None:
            return Entry(
                wish.key, wish.values, Outcome.UNKNOWN, "the vendor does not list this channel"
            )
        expected = wish.values.get("expected_status")
        outcome, reason = Outcome.SENT, None
        transition = f"{STATUSES.get(now.status)}>{STATUSES[wanted.status]}"
        if _equals(now, wanted):
            outcome = Outcome.UNCHANGED
        elif expected is not None and expected != now.status:
            outcome = Outcome.CHANGED_MEANWHILE
            reason = f"expected {STATUSES[expected]}, found {now}"
        elif transition not in self.config["allow"]:
            outcome = Outcome.NOT_ALLOWED
            reason = f"the setting allow does not contain {transition}"
        return Entry(wish.key, wish.values, outcome, reason, str(now), str(wanted))

    @override
    def send(self, changes: Sequence[tuple[Wish, Entry]]) -> None:
        applied = []
        for wish, planned in changes:
            entry = self._send(wish, planned)
            if entry.outcome is Outcome.APPLIED:
                applied.append(entry)
        if applied and self.config["confirm_by_reading"]:
            self._confirm(applied)

    def _send(self, wish: Wish, planned: Entry) -> Entry:
        attempt = 0
        while True:
            attempt += 1
            sent = Entry(
                wish.key, wish.values, Outcome.SENT, None, planned.before, planned.after,
                attempt=attempt,
            )  # fmt: skip
            self.ledger.record([sent])
            try:
                success = self._client.update(int(wish.key), _wanted(wish.values))
            except CredentialsError as error:
                self.ledger.settle(
                    replace(sent, http_status=error.status), Outcome.REFUSED, "credentials"
                )
                raise
            except UnitError as error:
                sent = replace(sent, http_status=error.status)
                if error.status == HTTPStatus.CONFLICT and attempt < DECISIONS:
                    self.prepare([wish])
                    planned = self.decide(wish)
                    if planned.outcome is Outcome.SENT:
                        continue
                    self.ledger.record([planned])
                    return planned
                refused = error.status is not None and 400 <= error.status < 500
                outcome = Outcome.REFUSED if refused and error.status != 429 else Outcome.FAILED
                return self.ledger.settle(sent, outcome, str(error))
            if not success:
                return self.ledger.settle(sent, Outcome.REFUSED, "the vendor reported no success")
            return self.ledger.settle(sent, Outcome.APPLIED)

    def _confirm(self, applied: Sequence[Entry]) -> None:
        present = self._client.statuses()
        entries = []
        for entry in applied:
            now = present.get(int(entry.key))
            outcome, reason = _outcome(now, entry.wish), None
            if outcome is Outcome.NOT_CONFIRMED:
                reason = f"the vendor's list shows {now or 'no such channel'}"
            entries.append(Entry(entry.key, entry.wish, outcome, reason, entry.before, str(now)))
        self.ledger.record(entries)


def _wanted(values: Mapping[str, Any]) -> Status:
    return Status(values["approval_status"], values.get("reject_reason"))


def _outcome(now: Status | None, values: Mapping[str, Any]) -> Outcome:
    done = now is not None and _equals(now, _wanted(values))
    return Outcome.CONFIRMED if done else Outcome.NOT_CONFIRMED


def _equals(now: Status, wanted: Status) -> bool:
    """Compare statuses; the vendor's list may omit the reason of a rejection."""
    return now.status == wanted.status and now.reason in {None, wanted.reason}
