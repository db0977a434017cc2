"""A website's data on the current day of the sandbox."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from attribution_elt.sandbox.ignite import catalogue, documented
from attribution_elt.sandbox.ignite.people import hashed_emails
from attribution_elt.sandbox.rhythm import Rhythm
from attribution_elt.sandbox.vendor import Vendor

DEFAULT_LOOKBACK_DAYS = 30
FIRST_LOCATION = 60001
FIRST_AUDIENCE = 20001  # also the first group: audiences and groups share numbers
TWICE = range(2, 10**6, 9)  # numbers of the sales without an id that were uploaded twice
INTERVALS = (1, 2, 3, 7, 10, 14, 21, 28, 35, 45, 70, 100)  # days between visits

Kind = Literal["audiences", "audience_groups"]
SAMPLES: dict[Kind, list[dict[str, Any]]] = {
    "audiences": documented.AUDIENCES,
    "audience_groups": documented.AUDIENCE_GROUPS,
}


@dataclass
class Sizes:
    """Numbers of records per website; the first website also has the document's samples."""

    visitors: int = 200
    products: int = 40
    locations: int = 30
    audiences: int = 20
    audience_groups: int = 6
    members: int = 25  # average members of an audience or a group, for any window
    sales: int = 30  # some of them in the future
    vanishing_share: float = 0.0  # share of the listed ids without details, others every day


class Website:
    """A website and its visitors.

    `since` is the first day of a look-back window, which may be any number of days ago.
    """

    def __init__(self, number: int, sizes: Sizes, vendor: Vendor) -> None:
        self.name = f"website_{number}"
        self.token = f"sandbox-ignite-{number}-token"
        self.secret = f"sandbox-ignite-{number}-secret"
        self.opt_outs: list[str] = []
        self._host = f"website-{number}.example.com"
        self._documented = number == 1
        self._sizes = sizes
        self._vendor = vendor
        self._clock = vendor.clock
        self._people: list[Rhythm] = []

    def opt_out(self, email: str) -> None:
        """Record an opt-out; repeated opt-outs are recorded once."""
        if email not in self.opt_outs:
            self.opt_outs.append(email)

    def visitors(self, since: date, algorithm: str = "md5") -> list[str]:
        """Return the hashed addresses of the visitors in the window."""
        if self._vendor.emptied:
            return []
        people = range(self._sizes.visitors)
        return self._hashed([number for number in people if self._seen(number, since)], algorithm)

    def products(self, since: date) -> list[dict[str, Any]]:
        """Return the products viewed in the window."""
        found: list[dict[str, Any]] = []
        if self._vendor.emptied:
            return found
        for number in range(self._sizes.products):
            rng = self._random("product", number)
            visits = self._rhythm(rng)
            if self._within(visits, since):
                today = self._clock.today
                found.append(catalogue.product(rng, number, self._host, visits, today))
        return [*documented.PRODUCTS, *found] if self._documented else found

    def locations(self, since: date) -> list[dict[str, Any]]:
        """Return the locations that visited in the window."""
        found: list[dict[str, Any]] = []
        if self._vendor.emptied:
            return found
        for number in range(FIRST_LOCATION, FIRST_LOCATION + self._sizes.locations):
            rng = self._random("location", number)
            if self._within(self._rhythm(rng), since):
                found.append(catalogue.location(rng, number))
        return [documented.LOCATION, *found] if self._documented else found

    def location(self, number: int, algorithm: str = "md5") -> dict[str, Any] | None:
        """Return a location with its details, if it exists."""
        if self._vanished("locations", number) or self._vendor.emptied:
            return None
        if self._documented and number == documented.LOCATION["id"]:
            return documented.location_details(algorithm)
        rng = self._random("location", number)
        visits, today = self._rhythm(rng), self._clock.today
        known = range(FIRST_LOCATION, FIRST_LOCATION + self._sizes.locations)
        if number not in known or not visits.count(today):
            return None
        location = catalogue.location(rng, number)
        residents = rng.sample(
            range(self._sizes.visitors), min(rng.randrange(4), self._sizes.visitors)
        )
        return {
            **location,
            "hashed_emails": self._hashed(residents, algorithm),
            **catalogue.visits_paid(rng, visits, today, self._host),
        }

    def listed(self, kind: Kind) -> list[dict[str, Any]]:
        """Return the current audiences or audience groups."""
        if self._vendor.emptied:
            return []
        found = [self._described(kind, number) for number in self._current(kind)]
        return [*SAMPLES[kind], *found] if self._documented else found

    def members(
        self, kind: Kind, number: int, since: date, algorithm: str = "md5"
    ) -> list[str] | None:
        """Return the members of an audience or a group in the window, if it exists."""
        if self._vanished(kind, number) or self._vendor.emptied:
            return None
        if self._documented and any(sample["id"] == number for sample in SAMPLES[kind]):
            return documented.members(algorithm)
        if not self._is_current(kind, number):
            return None
        return self._hashed(self._members_seen(kind, number, since), algorithm)

    def sales(self) -> dict[str, list[dict[str, Any]]]:
        """Return all sales so far, and the sales that were matched with visitors some days later.

        A withdrawal may also change the amount of a sale.
        """
        sales: list[dict[str, Any]] = []
        matched: list[dict[str, Any]] = []
        today = self._clock.today
        for number in range(0 if self._vendor.emptied else self._sizes.sales):
            rng = self._random("sale", number)
            day = self._clock.start + timedelta(rng.randint(-60, 20))
            sale = catalogue.sale(rng, number, day)
            changes = self._vendor.withdrawals.occurrences(today, self.name, "amount", number)
            sale["amount"] += 100 * changes
            copies = 1 + (number in TWICE)
            gone = self._gone("sales", number)
            if day <= today and not gone:
                sales += [sale] * copies
            if number % 2 == 0 and day + timedelta(10) <= today:
                row = {**sale, "location_id": FIRST_LOCATION + number}
                matched += [row] * (0 if gone or self._gone("matched_sales", number) else copies)
        return {"sales": sales, "matched_sales": matched}

    def truth(self, since: date, algorithm: str = "md5") -> dict[str, Any]:
        """Return all data of the window, with the details by id."""
        locations = self.locations(since)
        audiences, groups = self.listed("audiences"), self.listed("audience_groups")

        def members(kind: Kind, listed: list[dict[str, Any]]) -> dict[str, list[str] | None]:
            return {
                str(row["id"]): self.members(kind, row["id"], since, algorithm) for row in listed
            }

        return {
            "visitors": self.visitors(since, algorithm),
            "products": self.products(since),
            "locations": locations,
            "location_details": [self.location(row["id"], algorithm) for row in locations],
            "audiences": audiences,
            "audience_members": members("audiences", audiences),
            "audience_groups": groups,
            "audience_group_members": members("audience_groups", groups),
            **self.sales(),
        }

    def _random(self, *topic: object) -> random.Random:
        return self._vendor.random(self.name, *topic)

    def _gone(self, *topic: object) -> bool:
        return self._vendor.is_gone(self.name, *topic)

    def _rhythm(self, rng: random.Random) -> Rhythm:
        """Choose the days of visits; the first day may be in the future."""
        return Rhythm(self._clock.start + timedelta(rng.randint(-300, 30)), rng.choice(INTERVALS))

    def _within(self, visits: Rhythm, since: date) -> bool:
        last = visits.last(self._clock.today)
        return last is not None and last >= since

    def _seen(self, visitor: int, since: date) -> bool:
        if len(self._people) != self._sizes.visitors:
            rng = self._random("visitors")
            self._people = [self._rhythm(rng) for _ in range(self._sizes.visitors)]
        return self._within(self._people[visitor], since)

    def _hashed(self, visitors: list[int], algorithm: str) -> list[str]:
        return hashed_emails(visitors, self.name, algorithm)

    def _places(self, kind: Kind) -> int:
        return self._sizes.audiences if kind == "audiences" else self._sizes.audience_groups

    def _current(self, kind: Kind) -> list[int]:
        numbers = [self._holder(kind, place) for place in range(self._places(kind))]
        return [number for number in numbers if not self._gone(kind, number)]

    def _is_current(self, kind: Kind, number: int) -> bool:
        places, order = self._places(kind), number - FIRST_AUDIENCE
        known = places > 0 and order >= 0 and not self._gone(kind, number)
        return known and self._holder(kind, order % places) == number

    def _holder(self, kind: Kind, place: int) -> int:
        """Return the current id at a position; after some days a new id replaces it."""
        rng = self._random("lifetime", kind, place)
        lifetime = rng.randint(15, 300)
        age = (self._clock.today - self._clock.start).days + rng.randrange(lifetime)
        return FIRST_AUDIENCE + place + self._places(kind) * (age // lifetime)

    def _described(self, kind: Kind, number: int) -> dict[str, Any]:
        make = catalogue.audience if kind == "audiences" else catalogue.audience_group
        since = self._clock.today - timedelta(DEFAULT_LOOKBACK_DAYS)
        return {
            "id": number,
            **make(self._random(kind, number)),
            "visitors_count": len(self._members_seen(kind, number, since)),
        }

    def _members_seen(self, kind: Kind, number: int, since: date) -> list[int]:
        rng = self._random("members", kind, number)
        count = rng.randint(0, 2 * self._sizes.members)
        everybody = self._sizes.visitors
        members = rng.sample(range(everybody), min(count, everybody))
        return [
            member
            for member in members
            if self._seen(member, since) and not self._gone("member", kind, number, member)
        ]

    def _vanished(self, kind: str, number: int) -> bool:
        rng = self._random("vanished", kind, number, self._clock.today)
        return rng.random() < self._sizes.vanishing_share
