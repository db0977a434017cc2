"""What is still to be sent, and in which requests."""

from __future__ import annotations

from dataclasses import dataclass

from tap_ihc.packing import pack

FREE_PLAN = 200
"""Sessions that the vendor's free plan takes in one request."""


@dataclass(eq=False, slots=True)
class Group:
    """Journeys that go into one request.

    Attributes:
        sizes: how many sessions each of the conversions has.
        whole: the refused request of which this is a half.
        accepted: how many of its own halves were not refused.
    """

    sizes: dict[str, int]
    whole: Group | None = None
    accepted: int = 0

    @property
    def sessions(self) -> int:
        """How many sessions they have together."""
        return sum(self.sizes.values())


class Outbox:
    """Journeys to be sent, in as few requests as the limits allow.

    Args:
        most_journeys: journeys in one request.
        most_sessions: sessions in one request; fewer once the vendor has proved to take fewer.

    Attributes:
        limit: sessions that are put together into one request.
        too_many: sessions that no request can hold.
    """

    def __init__(self, most_journeys: int, most_sessions: int) -> None:
        self._most_journeys = most_journeys
        self.limit = most_sessions
        self.too_many = most_sessions + 1
        self._most_accepted = 0
        self._sizes: dict[str, int] = {}
        self._planned: list[Group] = []

    def __len__(self) -> int:
        return len(self._sizes)

    def add(self, conversion: str, size: int) -> None:
        """Take a journey in."""
        self._sizes[conversion] = size

    def oversized(self) -> dict[str, int]:
        """Take out the journeys that no request can hold."""
        found = {name: size for name, size in self._sizes.items() if size >= self.too_many}
        for name in found:
            del self._sizes[name]
        return found

    def take(self) -> Group:
        """Take out the journeys of the next request."""
        if not self._planned:
            fitting = [each for each in self._sizes.items() if each[1] <= self.limit]
            alone = [[name] for name, size in self._sizes.items() if size > self.limit]
            packed = pack(fitting, self._most_journeys, self.limit)
            self._planned = [
                Group({name: self._sizes[name] for name in names}) for names in packed + alone
            ]
        group = self._planned.pop()
        for name in group.sizes:
            del self._sizes[name]
        return group

    def halve(self, group: Group) -> None:
        """Put a refused request back: its halves will tell what is wrong with it."""
        self._sizes |= group.sizes
        journeys = list(group.sizes.items())  # of which the largest come first
        self._planned += [Group(dict(journeys[start::2]), whole=group) for start in (0, 1)]

    def accept(self, group: Group) -> bool:
        """Learn from a request that was not refused; return whether the limit is lower now.

        Where both halves of a refused request are right, it was its size that was wrong.
        """
        self._most_accepted = max(self._most_accepted, group.sessions)
        whole = group.whole
        if whole is None:
            return False
        whole.accepted += 1
        if whole.accepted == 1 or whole.sessions <= self._most_accepted:
            return False
        self.too_many = min(self.too_many, whole.sessions)
        free = self._most_accepted < FREE_PLAN < self.too_many
        self.limit = FREE_PLAN if free else self._most_accepted
        self._planned.clear()
        return True
