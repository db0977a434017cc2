"""Records that a vendor withdraws, by chance from day to day or on request."""

from __future__ import annotations

import itertools
import math
import random
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta

RETURNING_SHARE = 0.25  # share of the withdrawn records that return
RETURN_AFTER = timedelta(7)


class Withdrawals:
    """The withdrawn records of a vendor, for each day.

    The result depends on the seed, the share and the explicit withdrawals only, so that any day can
    be computed again. Nothing is withdrawn by chance while `share` is 0, its default.
    """

    def __init__(self, randomness: Callable[..., random.Random], first_day: date) -> None:
        self.share = 0.0  # share of the present records that is withdrawn each day, below 1
        self._random = randomness
        self._first_day = first_day
        self._toggled: defaultdict[tuple[object, ...], list[date]] = defaultdict(list)

    def changes(
        self, day: date, *topic: object, since: date | None = None, days: int | None = None
    ) -> int:
        """Return how often a record has been withdrawn or returned; an odd number means withdrawn.

        Args:
            day: The last day that counts.
            topic: What identifies the record.
            since: The day on which the record appeared; the vendor's first day by default.
            days: The number of days after `since` on which chance may change it; all by default.
        """
        explicit = bisect_right(self._toggled.get(topic, ()), day)
        since = since or self._first_day
        last = day if days is None else min(day, since + timedelta(days))
        return explicit + self._by_chance(last, topic, max(self._first_day, since))

    def toggle(self, day: date, *topic: object, gone: bool) -> None:
        """Withdraw a record, or return it, from a day on; days must not decrease."""
        if (self.changes(day, *topic) % 2 == 1) != gone:
            self._toggled[topic].append(day)

    def occurrences(self, day: date, *topic: object, since: date | None = None) -> int:
        """Return how often a repeated event, such as a recomputation, has happened up to a day."""
        count = bisect_right(self._toggled.get(topic, ()), day)
        moment = max(self._first_day, since or self._first_day)
        for number in itertools.count() if self.share else ():
            moment += timedelta(self._wait(*topic, number))
            if moment > day:
                break
            count += 1
        return count

    def repeat(self, day: date, *topic: object) -> None:
        """Let a repeated event happen on a day; days must not decrease."""
        self._toggled[topic].append(day)

    def _wait(self, *topic: object) -> int:
        """Return the days until an event that happens to a `share` of the records each day."""
        rng = self._random("withdrawn", *topic)
        return 1 + int(math.log(1 - rng.random()) / math.log(1 - self.share))

    def _by_chance(self, day: date, topic: tuple[object, ...], since: date) -> int:
        if not self.share or day <= since:
            return 0
        wait = self._wait(*topic)
        if wait > (day - since).days:
            return 0
        returned = since + timedelta(wait) + RETURN_AFTER
        returns = self._random("returned", *topic).random() < RETURNING_SHARE
        return 2 if returns and returned <= day else 1
