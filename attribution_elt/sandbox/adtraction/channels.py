"""The channels that applied to the client's program."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from typing_extensions import override

from attribution_elt.sandbox.simulation import Simulation

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


class Channels(Simulation):
    """All channels; a new one applies every third day."""

    def __init__(
        self, randomness: Callable[..., random.Random], first_day: date, count: int
    ) -> None:
        super().__init__(first_day)
        self._random = randomness
        self.rows: list[dict[str, Any]] = []
        for back in range(count, 0, -1):
            self._add(first_day - timedelta(10 * back))
        if self.rows:
            self.rows[0]["applicationDate"] = NO_SUCH_DATE

    @override
    def simulate(self, day: date) -> None:
        if day.toordinal() % 3 == 0:
            self._add(day)

    def decide(self, channel_id: int, status: int, reason: int | None) -> None:
        """Approve or reject a channel."""
        for row in self.rows:
            if row["channelId"] == channel_id:
                set_status(row, status, reason)

    def _add(self, day: date) -> None:
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
        set_status(row, (REJECTED, APPROVED, PENDING)[number % 3], rng.randrange(len(REASONS)))


def set_status(row: dict[str, Any], status: int, reason: int | None) -> None:
    """Set the status of a channel, and the reason of a rejection."""
    row["approvalStatus"] = status
    row.pop("rejectReason", None)
    row.pop("reasonText", None)
    if status == REJECTED and reason is not None:
        row.update(rejectReason=reason, reasonText=REASONS[reason])
