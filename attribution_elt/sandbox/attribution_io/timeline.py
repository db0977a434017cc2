"""A customer's visits and events; they depend on the seed, the day and withdrawals."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from attribution_elt.sandbox.attribution_io.catalogue import (
    ADDRESSES,
    AGENTS,
    EVENT_TYPES,
    METAS,
    PURCHASE,
    SOURCES,
    Source,
)
from attribution_elt.sandbox.vendor import Vendor

BEYOND_FLOATS = 2**53 + 1  # from here on, floats cannot represent every integer
EVENT_SHARE = 0.4  # share of the visits that end in an event
INFORMATIONAL_SHARE = 0.1  # share of the events
ABSENT_SHARE = 0.5  # share of the properties without a value that are absent, not null
REVISED_SHARE = 0.5  # share of the events that are attributed again some days later
MOST_TOUCHPOINTS = 3  # touchpoints of an event's attribution
REVISION = 10**12  # distance between the ids of one attribution and the next one of an event


@dataclass(frozen=True)
class Visit:
    """A touchpoint and the pageviews that followed it."""

    id: int
    moment: datetime
    source: Source
    touchpoint: dict[str, Any]
    pageviews: list[dict[str, Any]]
    end: datetime


@dataclass(frozen=True)
class Model:
    """An attribution model."""

    id: int
    name: str
    growth: int  # each touchpoint weighs this many times as much as the one before

    def weights(self, count: int) -> list[float]:
        """Return the touchpoints' weights in percent."""
        shares = [self.growth**place for place in range(count)]
        return [100 * share / sum(shares) for share in shares]


LINEAR, TIME_DECAY = Model(3, "Linear", 1), Model(4, "Time Decay", 2)


def make_visit(
    rng: random.Random, visit_id: int, day: date, zone: tzinfo, mean_pageviews: int
) -> Visit:
    """Return a visit."""
    noon = datetime.combine(day, time(12), UTC)
    moment = noon + timedelta(milliseconds=rng.randrange(-43_200_000, 43_200_000))
    source = rng.choice(SOURCES)
    known_as = rng.choice((None, aliases(rng)))
    touchpoint = {
        "id": visit_id,
        "client_id": rng.choice((None, None, f"visitor-{rng.randrange(1000)}")),
        "ip_address": rng.choice(ADDRESSES),
        "referrer": source.referrer,
        "url": f"examplesite.com/?utm_source={source.source_id}",
        "created_at": timestamp(moment, zone),
        "user_agent": rng.choice(AGENTS),
        "aliases": known_as,
    }
    times = [
        moment + timedelta(seconds=2 + 5 * place)
        for place in range(rng.randint(0, 2 * mean_pageviews))
    ]
    pageviews = [
        {
            "id": _part_id(visit_id, 100_000, place),
            "url": f"examplesite.com/page{place + 1}",
            "created_at": timestamp(seen, zone),
            "aliases": known_as,
        }
        for place, seen in enumerate(times)
    ]
    end = times[-1] if times else moment
    return Visit(visit_id, moment, source, touchpoint, pageviews, end)


def is_withdrawn(visit: Visit, vendor: Vendor) -> bool:
    """Return whether the vendor has withdrawn a visit's touchpoint and pageviews."""
    return vendor.is_gone("visit", visit.id, since=visit.moment.date())


def make_event(
    rng: random.Random, visits: Sequence[Visit], customer_id: int, zone: tzinfo, vendor: Vendor
) -> dict[str, Any] | None:
    """Return the event after the last of some visits, if there is one.

    Once the vendor withdraws records, each recomputation of the attribution gets new ids.
    """
    if rng.random() > EVENT_SHARE:
        return None
    last = visits[-1]
    created = last.end + timedelta(seconds=50)
    # some changed before they happened, as in the document
    updated = created + timedelta(seconds=rng.randint(-90_000, 9_000))
    model = LINEAR
    revised = created + timedelta(days=rng.randint(2, 25))
    today, withdrawals = vendor.clock.today, vendor.withdrawals
    revision = 0
    if rng.random() < REVISED_SHARE and revised.date() <= today:
        model, updated = TIME_DECAY, revised
        revision = int(withdrawals.share > 0)
    informational = rng.random() < INFORMATIONAL_SHARE
    type_id, type_name = rng.choice(EVENT_TYPES)
    price = Decimal(rng.randrange(100, 100_000)).scaleb(-2)
    amount = price if type_name == PURCHASE else None
    made: dict[str, Any] = {
        "id": last.id,
        "amount": number_text(amount),
        "location": rng.choice((None, f"examplesite.com/page{rng.randint(1, 9)}")),
        "created_at": timestamp(created, zone),
        "updated_at": timestamp(updated, zone),
        "event_public_key": f"{rng.getrandbits(64):016x}",
        "client_customer_id": customer_id,
        "event_type_id": type_id,
        "lifecycleStatus": rng.randint(1, 3),
        "meta": rng.choice(METAS),
        "is_informational": informational,
        "transaction_id": rng.choice((None, f"T/{rng.randrange(10**6):06}")),
        "retry_count": rng.choice((None, 0, 2)),
        "aliases": rng.choice((None, aliases(rng))),
        "event_type_name": type_name,
    }
    for name in ("retry_count", "transaction_id", "aliases"):
        if made[name] is None and rng.random() < ABSENT_SHARE:
            del made[name]
    touched = [] if informational else visits[-MOST_TOUCHPOINTS:]
    revision += withdrawals.occurrences(today, "recomputed", last.id, since=last.moment.date())
    for visit in touched:
        revision += withdrawals.changes(today, "visit", visit.id, since=visit.moment.date())
    touched = [visit for visit in touched if not is_withdrawn(visit, vendor)]
    made["attribution_model_outputs"] = [
        {
            "id": _part_id(last.id, MOST_TOUCHPOINTS, place) + revision * REVISION,
            "weight": Decimal(repr(weight)),
            "event_weighted_amount": number_text(amount and amount * Decimal(weight) / 100),
            "event_amount": number_text(amount),
            "event_id": last.id,
            "touchpoint_id": visit.id,
            **visit.source.attributed(),
            "event_type_id": type_id,
            "attribution_model_id": model.id,
            "elapsed_seconds": int((created - visit.moment).total_seconds()),
            "attribution_model_name": model.name,
        }
        for place, (visit, weight) in enumerate(
            zip(touched, model.weights(len(touched)), strict=True)
        )
    ]
    return made


def add_model(event: dict[str, Any]) -> None:
    """Attribute an event by the other model, too, so that its weights add up to 200."""
    outputs = event["attribution_model_outputs"]
    linear = any(output["attribution_model_id"] == LINEAR.id for output in outputs)
    other = TIME_DECAY if linear else LINEAR
    amount = event["amount"] and Decimal(event["amount"])
    outputs += [
        {
            **output,
            "id": output["id"] + REVISION // 2,
            "weight": Decimal(repr(weight)),
            "event_weighted_amount": number_text(amount and amount * Decimal(weight) / 100),
            "attribution_model_id": other.id,
            "attribution_model_name": other.name,
        }
        for output, weight in zip(outputs, other.weights(len(outputs)), strict=True)
    ]


def aliases(rng: random.Random) -> list[str]:
    """Return generated aliases of a browser."""
    return [str(uuid.UUID(int=rng.getrandbits(128), version=4)) for _ in range(rng.randint(1, 2))]


def timestamp(moment: datetime, zone: tzinfo) -> str:
    """Format a moment as the vendor does."""
    return moment.astimezone(zone).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def number_text(number: Decimal | None) -> str | None:
    """Format a number as the vendor does: 100.0, 12.5, 33.3333."""
    if number is None:
        return None
    whole, _, fraction = f"{number:.4f}".partition(".")
    return f"{whole}.{fraction.rstrip('0') or '0'}"


def _part_id(whole: int, most: int, place: int) -> int:
    """Return the id of a part: above 2^53 if the id of the whole is, and within 64 bits."""
    offset = BEYOND_FLOATS if whole >= BEYOND_FLOATS else 0
    return offset + (whole - offset) * most + place
