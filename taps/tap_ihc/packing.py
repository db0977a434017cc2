"""Packs whole journeys into as few requests as the vendor's two limits allow."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence

Sized = tuple[str, int]
"""A journey and its number of sessions."""


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
