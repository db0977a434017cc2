"""Wishes (changes that records request), their outcomes, and the audit that records them."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from attribution_elt.core.events import id_of_run


class Outcome(enum.StrEnum):
    """The outcome of a wish in a run."""

    UNCHANGED = "unchanged"
    DRY_RUN = "dry_run"
    SENT = "sent"
    APPLIED = "applied"
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    INVALID = "invalid"
    UNKNOWN = "unknown"
    CONFLICTING = "conflicting"
    NOT_ALLOWED = "not_allowed"
    CHANGED_MEANWHILE = "changed_meanwhile"
    OVER_LIMIT = "over_limit"
    NOT_CONFIRMED = "not_confirmed"
    REFUSED = "refused"
    FAILED = "failed"


_REACHED = (Outcome.APPLIED, Outcome.CONFIRMED, Outcome.ACCEPTED)
FULFILLED = frozenset({Outcome.UNCHANGED, Outcome.DRY_RUN, *_REACHED})
"""Outcomes that fulfil a wish, or would in a real run."""

SETTLING = (*_REACHED, Outcome.NOT_CONFIRMED, Outcome.REFUSED, Outcome.FAILED)
"""Outcomes that only real runs record; each settles an earlier `sent`."""


class InvalidWishError(Exception):
    """A record is not a valid wish; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The content of one record.

    Attributes:
        key: identifies the subject of the wish, without personal data.
        label: names it in the log, without personal data.
        values: the wish as JSON, without personal data.
    """

    key: str
    label: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the audit table `_writes`, without the columns of the run."""

    key: str
    wish: Mapping[str, Any]
    outcome: Outcome
    reason: str | None = None
    before: str | None = None
    after: str | None = None
    http_status: int | None = None
    attempt: int | None = None


_BEGINNING = datetime.min.replace(tzinfo=UTC)


class Audit(Protocol):
    """The audit table, as a target's warehouse package opens it."""

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows and commit them."""

    def unsettled(self, target: str) -> dict[str, dict[str, Any]]:
        """Return the wishes by key whose last write has no outcome."""

    def accepted(self, target: str) -> dict[str, datetime]:
        """Return when each key was last accepted."""

    def close(self) -> None:
        """Close the connection to the warehouse."""


@dataclass
class Ledger:
    """The outcomes of a run: each is recorded in the audit, and the last one of a key is final."""

    target: str
    audit: Audit
    dry_run: bool
    run_id: str = field(default_factory=id_of_run)
    final: dict[str, Entry] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    _last: datetime = _BEGINNING

    def record(self, entries: Iterable[Entry]) -> None:
        """Append outcomes to the audit in one commit."""
        run = {"run_id": self.run_id, "target": self.target, "dry_run": self.dry_run}
        rows = []
        for entry in entries:
            self.final[entry.key] = entry
            row = asdict(entry) | {"outcome": str(entry.outcome), "at": self._now()}
            rows.append(run | row)
        if rows:
            self.audit.append(rows)

    def settle(self, entry: Entry, outcome: Outcome, reason: str | None = None) -> Entry:
        """Record the outcome of a write that was sent, and return its entry."""
        settled = replace(entry, outcome=outcome, reason=reason)
        self.record([settled])
        return settled

    def unfulfilled(self) -> list[Entry]:
        """Return the final outcomes that do not fulfil their wish."""
        return [entry for entry in self.final.values() if entry.outcome not in FULFILLED]

    def _now(self) -> datetime:
        """Return the current time, later than before, because it orders the rows."""
        self._last = max(datetime.now(UTC), self._last + timedelta(microseconds=1))
        return self._last
