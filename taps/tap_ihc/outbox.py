"""The journeys that are still to be sent, packed into requests."""

from __future__ import annotations

from dataclasses import dataclass

from tap_ihc.packing import pack

FREE_PLAN = 200
"""Maximum number of sessions of a request on the vendor's free plan."""


@dataclass(eq=False, slots=True)
class Group:
    """Journeys of one request.

    Attributes:
        sizes: number of sessions of each conversion.
        whole: the refused request of which this is a half, if it is one.
        accepted: number of halves of this request that were accepted.
    """

    sizes: dict[str, int]
    whole: Group | None = None
    accepted: int = 0

    @property
    def sessions(self) -> int:
        """Number of sessions of all journeys."""
        return sum(self.sizes.values())


class Outbox:
    """Journeys to be sent, in as few requests as the limits allow.

    Args:
        most_journeys: maximum number of journeys in one request.
        most_sessions: maximum number of sessions in one request; lowered when the vendor refuses so
        many.

    Attributes:
        limit: current maximum number of sessions in one request.
        too_many: number of sessions that no request can hold.
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
        """Add a journey."""
        self._sizes[conversion] = size

    def oversized(self) -> dict[str, int]:
        """Remove and return the journeys that exceed the limit of a request."""
        found = {name: size for name, size in self._sizes.items() if size >= self.too_many}
        for name in found:
            del self._sizes[name]
        return found

    def take(self) -> Group:
        """Remove and return the journeys of the next request."""
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
        """Add a refused request again, as two halves, to find the journey at fault."""
        self._sizes |= group.sizes
        journeys = list(group.sizes.items())  # largest first
        self._planned += [Group(dict(journeys[start::2]), whole=group) for start in (0, 1)]

    def accept(self, group: Group) -> bool:
        """Note an accepted request; return whether the limit is lower now.

        If both halves of a refused request are accepted, the request was too large.
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
