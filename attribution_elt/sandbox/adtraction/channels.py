"""The client's side: channels that applied to the program."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

REJECTED, APPROVED, PENDING = 0, 1, 2
REASONS = (
    "Not enough content/posts",
    "Not relevant content",
    "A closed site/group/account",
    "404 on site",
    "Site does not exist",
    "Wrong contact details / shady details",
    "Unethical content",
    "Incorrect site owner",
    "Missing info about the channel. No URL/link",
    "To few followers/visitors",
    "Poor design",
    "Traffic is not relevant",
    "Outdated content",
)
KINDS = ("Blog", "Website", "Newsletter", "Nätbutik")
NO_SUCH_DATE = "2021-11-31"


class Channels:
    """All channels; a new one applies every third day."""

    def __init__(
        self, randomness: Callable[..., random.Random], first_day: date, count: int
    ) -> None:
        self._random = randomness
        self._next_day = first_day
        self.rows: list[dict[str, Any]] = []
        for back in range(count, 0, -1):
            self._apply(first_day - timedelta(10 * back))
        if self.rows:
            self.rows[0]["applicationDate"] = NO_SUCH_DATE

    def catch_up(self, today: date) -> None:
        """Live through all days before today."""
        while self._next_day < today:
            if self._next_day.toordinal() % 3 == 0:
                self._apply(self._next_day)
            self._next_day += timedelta(1)

    def find(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        """Give the channels that have the wanted values."""
        return [
            row for row in self.rows if all(row[name] == value for name, value in wanted.items())
        ]

    def _apply(self, day: date) -> None:
        number = len(self.rows)
        rng = self._random("channel", number)
        row: dict[str, Any] = {
            "affiliateId": 900_000_000 + rng.randrange(1000),
            "affiliateName": f"Åsa Nr {number}",
            "channelId": 800_000_000 + number,
            "channelName": f"Åsas sida {number}",
            "channelDescription": "Om kaffe, böcker & annat.",
            "channelUrl": f"https://www.sida-{number}.example",
            "channelType": KINDS[number % len(KINDS)],
            "approvalStatus": PENDING,
            "applicationDate": day.isoformat(),
        }
        self.rows.append(row)
        decide(row, (REJECTED, APPROVED, PENDING)[number % 3], rng.randrange(len(REASONS)))


def decide(row: dict[str, Any], status: int, reason: int | None) -> None:
    """Approve or reject a channel; only a rejection has a reason."""
    row["approvalStatus"] = status
    row.pop("rejectReason", None)
    row.pop("reasonText", None)
    if status == REJECTED and reason is not None:
        row.update(rejectReason=reason, reasonText=REASONS[reason])
