"""The programs of all markets, and their changes from day to day."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import cycle
from typing import Any

from typing_extensions import override

from attribution_elt.sandbox.adtraction.stockholm import iso
from attribution_elt.sandbox.simulation import Simulation

REJECTED, APPROVED, PENDING, NOT_APPLIED = range(4)
APPROVALS = (REJECTED, APPROVED, NOT_APPLIED, APPROVED, PENDING)
LIVE, CLOSING = 0, 3
FEEDS_PER_PROGRAM = (1, 2, 0, 1)
NEW_PROGRAMS_SHARE = 0.05  # probability of a new program in a market, per day
SHRINKING_DAYS = 4  # average number of days between losses of a feed's products
CURRENCIES = {"SE": "SEK", "NO": "NOK", "DK": "DKK", "CH": "CHF", "PL": "PLN"}
BEYOND_DOUBLES = 2**53 + 1  # a number that does not survive as a float
MARKETING = ("ppc", "social", "email", "cashback", "coupon")
CATEGORIES = ("Fashion & accessories", "Home", "Hälsa & skönhet", "Böcker, film & musik")


@dataclass
class Feed:
    """A product feed with `size` products, numbered from `first`; `version` sets the prices."""

    id: int
    name: str
    market: str
    currency: str
    ad_id: int
    size: int
    updated: datetime
    first: int = 1
    version: int = 0

    def change(self, moment: datetime, gone: int, new: int) -> None:
        """Change some prices, drop the oldest products and add new ones."""
        self.version += 1
        self.updated = moment
        gone = min(gone, self.size)
        self.first += gone
        self.size += new - gone

    def info(self, channel_id: int | None) -> dict[str, Any]:
        """Return the vendor's description of the feed."""
        return {
            "feedUrl": "https://adtraction.example/productfeed.htm?type=feed&format=XML"
            f"&encoding=UTF8&epi=0&zip=0&apid={self.ad_id}&asid={channel_id}&pfid={self.id}",
            "lastUpdated": iso(self.updated),
            "numberOfProducts": self.size,
            "feedId": self.id,
            "name": self.name,
        }


@dataclass
class Program:
    """A program, with the approval of each channel."""

    id: int
    number: int  # within its market
    record: dict[str, Any]
    approvals: dict[int | None, int]
    feeds: list[Feed] = field(default_factory=list)

    def seen_by(self, channel_id: int | None) -> dict[str, Any]:
        """Return the program as a channel sees it; None is a channel that never applied."""
        approval = self.approvals.get(channel_id, NOT_APPLIED)
        approved = approval == APPROVED
        record = self.record | {"approvalStatus": approval, "commissions": self.commissions()}
        record["currentSegment"] = "Gold" if approved else "Standard"
        record["feeds"] = [feed.info(channel_id) for feed in self.feeds] if approved else []
        if approved:
            record["trackingURL"] = (
                f"https://track.adtraction.example/t/t?a={record['adId']}&as={channel_id}&t=2&tk=1"
            )
            record["commissions"] = self.commissions(gold=True)
        return record

    def commissions(self, *, gold: bool = False) -> list[dict[str, Any]]:
        """Return the commission types of a segment; some programs have numbers as their ids."""
        numeric = self.number % 3 == 1
        ids = [BEYOND_DOUBLES + self.id * 10 + n if numeric else f"{self.id}{n}" for n in range(2)]
        sale: dict[str, Any] = {
            "id": ids[0],
            "type": "%",
            "name": "Sale",
            "value": Decimal("7.50") if gold else Decimal("5.25"),
            "transactionType": 3,
            "categories": [{"category": "Böcker", "type": "%", "value": Decimal("4.5")}],
            "thresholds": [
                {"orderValue": 1500, "type": self.record["currency"], "value": Decimal("7.5")}
            ],
        }
        lead = {
            "id": ids[1],
            "type": self.record["currency"],
            "name": "Nyhetsbrev",
            "value": 20 if gold else 10,
            "transactionType": (4, 2, 31, 41)[self.number % 4],
        }
        return [sale, lead] if self.number % 2 else [sale]


class Programs(Simulation):
    """All programs of all markets."""

    def __init__(
        self,
        randomness: Callable[..., random.Random],
        first_day: date,
        *,
        markets: Sequence[str],
        channel_ids: Sequence[int],
        programs_per_market: int,
        feed_sizes: Sequence[int],
        changed_feeds_share: float,
        withdrawn_share: float = 0.0,
    ) -> None:
        super().__init__(first_day)
        self._random = randomness
        self._channel_ids = channel_ids
        self._sizes = cycle(feed_sizes)
        self._changed_feeds_share = changed_feeds_share
        self._withdrawn_share = withdrawn_share
        self.by_market: dict[str, list[Program]] = {market: [] for market in markets}
        for market in markets:
            for _ in range(programs_per_market):
                self._open_program(market, first_day)

    def __iter__(self) -> Iterator[Program]:
        for programs in self.by_market.values():
            yield from programs

    @override
    def simulate(self, day: date) -> None:
        rng = self._random("programs", day)
        for program in self:
            self._change(program, rng, day)
        for market in self.by_market:
            if rng.random() < NEW_PROGRAMS_SHARE:
                self._open_program(market, day)
        for feed in self.feeds().values() if self._withdrawn_share else ():
            self._shrink(feed, day)

    def feeds(self) -> dict[int, Feed]:
        """Return all feeds by id."""
        return {feed.id: feed for program in self for feed in program.feeds}

    def change_feed(self, feed_id: int, gone: int, new: int) -> None:
        """Change a feed, one minute after its last change."""
        feed = self.feeds()[feed_id]
        feed.change(feed.updated + timedelta(minutes=1), gone, new)

    def _shrink(self, feed: Feed, day: date) -> None:
        """Drop the products that a feed loses in some days, on one of these days."""
        rng = self._random("shrinking", feed.id, day)
        if rng.randrange(SHRINKING_DAYS) == 0:
            gone = math.ceil(feed.size * self._withdrawn_share * SHRINKING_DAYS)
            feed.change(max(feed.updated, _moment(rng, day)), gone, new=0)

    def _change(self, program: Program, rng: random.Random, day: date) -> None:
        match rng.choices(("nothing", "epc", "cookie", "closing", "approval"), (84, 10, 2, 1, 3)):
            case ["epc"]:
                program.record["epc"] = Decimal(rng.randrange(1000)).scaleb(-2)
            case ["cookie"]:
                program.record["cookieDuration"] = rng.choice((7, 14, 30, 60))
            case ["closing"]:
                program.record["status"] = CLOSING
            case ["approval"] if self._channel_ids:
                program.approvals[rng.choice(list(self._channel_ids))] = APPROVED
        for feed in program.feeds:
            if rng.random() < self._changed_feeds_share:
                feed.change(_moment(rng, day), gone=rng.randrange(2), new=rng.randrange(3))

    def _open_program(self, market: str, day: date) -> None:
        place = list(self.by_market).index(market)
        number = len(self.by_market[market])
        program_id = 700_000_000 + place * 100_000 + number
        rng = self._random("program", program_id)
        currency = CURRENCIES.get(market, "EUR")
        category = number % len(CATEGORIES)
        record: dict[str, Any] = {
            "programId": program_id,
            "market": market,
            "currency": currency,
            "approvalStatus": NOT_APPLIED,
            **{f"{kind}Marketing": rng.randrange(3) for kind in MARKETING},
            "programName": f"Butik {number} {market}",
            "programURL": f"https://www.butik-{number}.example/{market.lower()}",
            "currentSegment": "Standard",
            "pendingActive": False,
            "cookieDuration": 30,
            "adId": program_id + 300_000_000,
            "commissions": [],
            "feeds": [],
            "logoURL": f"https://secure.adtraction.example/image.htm?imgId={program_id}",
            "categoryName": CATEGORIES[category],
            "categoryId": category + 1,
            "trackingType": 2,
            "status": LIVE,
            "epc": Decimal(rng.randrange(1000)).scaleb(-2),
        }
        if number % 2:
            record["brandCategoryImage"] = f"https://secure.adtraction.example/{category}.png"
        approvals: dict[int | None, int] = {
            channel_id: APPROVALS[(number + position) % len(APPROVALS)] if number else APPROVED
            for position, channel_id in enumerate(self._channel_ids)
        }
        program = Program(program_id, number, record, approvals)
        for n in range(FEEDS_PER_PROGRAM[number % len(FEEDS_PER_PROGRAM)]):
            program.feeds.append(
                Feed(
                    id=(place + 1) * 1_000_000 + number * 10 + n,
                    name=("Standard", "Rea")[n],
                    market=market,
                    currency=currency,
                    ad_id=record["adId"],
                    size=next(self._sizes),
                    updated=_moment(rng, day - timedelta(rng.randint(1, 300))),
                )
            )
        self.by_market[market].append(program)


def _moment(rng: random.Random, day: date) -> datetime:
    return datetime.combine(day, time(), UTC) + timedelta(seconds=rng.randrange(86400))
