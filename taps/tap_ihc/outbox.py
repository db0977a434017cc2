"""The journeys that are still to be sent, packed into requests."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence
from dataclasses import dataclass

FREE_PLAN = 200
"""Maximum number of sessions of a request on the vendor's free plan."""
Sized = tuple[str, int]
"""A journey and its number of sessions."""


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


def pack(journeys: Collection[Sized], most_journeys: int, most_sessions: int) -> list[list[str]]:
    """Return groups of journeys within both limits; no single journey may exceed them.

    It starts with the smallest possible number of groups. The group with the fewest sessions takes
    the next largest journey, so that long and short journeys share a request. If the journeys do
    not fit, it starts again with one more group.
    """
    sessions = sum(size for _, size in journeys)
    count = max(-(-len(journeys) // most_journeys), -(-sessions // most_sessions))
    largest_first = sorted(journeys, key=lambda journey: -journey[1])
    while True:
        groups = _spread(largest_first, count, most_journeys, most_sessions)
        if groups is not None:
            return groups
        count += 1


def _spread(
    journeys: Sequence[Sized], count: int, most_journeys: int, most_sessions: int
) -> list[list[str]] | None:
    groups: list[list[str]] = [[] for _ in range(count)]
    open_groups = [(0, number) for number in range(count)]
    for conversion, size in journeys:
        if not open_groups or open_groups[0][0] + size > most_sessions:
            return None
        load, number = heapq.heappop(open_groups)
        groups[number].append(conversion)
        if len(groups[number]) < most_journeys:
            heapq.heappush(open_groups, (load + size, number))
    return groups
