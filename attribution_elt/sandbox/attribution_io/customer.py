"""Generated customers, computed for each request."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from attribution_elt.sandbox.attribution_io import timeline
from attribution_elt.sandbox.attribution_io.catalogue import ADDRESSES, METAS, ZONES
from attribution_elt.sandbox.attribution_io.client_ids import client_id
from attribution_elt.sandbox.attribution_io.timeline import (
    BEYOND_FLOATS,
    Visit,
    number_text,
    timestamp,
)
from attribution_elt.sandbox.rhythm import Rhythm
from attribution_elt.sandbox.vendor import Vendor

MOST_VISITS = 10_000
ANONYMOUS_SHARE = UNIDENTIFIED_SHARE = 0.1
Row = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """The vendor's settings of a timeline."""

    mean_pageviews: int
    all_models: bool
    split_attributions: bool


def customer(number: int, merged: Iterable[int], options: Options, vendor: Vendor) -> Row:
    """Return a customer with the timeline up to today, and those of the merged customers."""
    rng = vendor.random("customer", number)
    rhythm = _rhythm(rng, vendor)
    zone = rng.choice(ZONES)
    offset = _offset(number)
    customer_id = number + 100 + offset
    parts = [_timeline(each, customer_id, options, vendor) for each in (number, *sorted(merged))]
    visits = [visit for part, _ in parts for visit in part]
    events = [event for _, part in parts for event in part]
    created = datetime.combine(rhythm.first, time(9, 30), UTC)
    pageviews = [
        pageview
        for visit in visits
        for pageview in visit.pageviews
        if not vendor.is_gone("pageview", pageview["id"], since=visit.moment.date())
    ]
    meta = rng.choice(METAS)
    anonymous = rng.random() < ANONYMOUS_SHARE
    identities = [
        identity
        for index, identity in enumerate(_identities(rng, client_id(number), meta, len(visits)))
        if not vendor.is_gone("identity", client_id(number), index)
    ]
    return {
        "id": customer_id,
        "client_id": client_id(number),
        "is_anonymous": anonymous,
        "created_at": timestamp(created, zone),
        "updated_at": timestamp(visits[-1].end if visits else created - timedelta(1), zone),
        "meta": meta,
        "summary": _summary(events, visits, len(pageviews), split=options.split_attributions),
        "link": f"https://attribution.io/customers/{customer_id}",
        "events": events,
        "pageviews": pageviews,
        "touchpoints": [visit.touchpoint for visit in visits],
        "identities": identities,
    }


def _rhythm(rng: random.Random, vendor: Vendor) -> Rhythm:
    return Rhythm(vendor.clock.start + timedelta(rng.randint(-400, 30)), rng.randint(5, 120))


def _offset(number: int) -> int:
    return BEYOND_FLOATS if number % 25 == 0 else 0


def _timeline(
    number: int, customer_id: int, options: Options, vendor: Vendor
) -> tuple[list[Visit], list[Row]]:
    """Return the visits and events of a number, which belong to the customer of `customer_id`."""
    rng = vendor.random("customer", number)
    rhythm = _rhythm(rng, vendor)
    zone = rng.choice(ZONES)
    every: list[Visit] = []
    events: list[Row] = []
    for place in range(rhythm.count(vendor.clock.today)):
        chance = vendor.random("visit", number, place)
        visit_id = number * MOST_VISITS + place + _offset(number)
        day = rhythm.day(place)
        every.append(timeline.make_visit(chance, visit_id, day, zone, options.mean_pageviews))
        event = timeline.make_event(chance, every, customer_id, zone, vendor)
        if event and options.all_models:
            timeline.add_model(event)
        if event and not vendor.is_gone("event", visit_id, since=day):
            events.append(event)
    return [visit for visit in every if not timeline.is_withdrawn(visit, vendor)], events


def _summary(events: list[Row], visits: list[Visit], pageviews: int, *, split: bool) -> Row:
    by_type: defaultdict[tuple[int, str], list[Row]] = defaultdict(list)
    for event in events:
        by_type[event["event_type_id"], event["event_type_name"]].append(event)
    by_id: Row = {}
    for (type_id, _), typed in by_type.items():
        by_id[f"{type_id}_count"] = len(typed)
        by_id[f"{type_id}_attrib"] = _attributions(typed, split=split)
    total = sum((Decimal(event["amount"] or 0) for event in events), Decimal())
    return {
        **by_id,
        "last_seen": timestamp(visits[-1].end, UTC) if visits else None,
        "events_count": len(events),
        "total_amount": number_text(total),
        "pageviews_count": pageviews,
        "touchpoints_count": len(visits),
        **{f"{name}_count": len(typed) for (_, name), typed in by_type.items()},
    }


def _attributions(events: list[Row], *, split: bool) -> list[Row]:
    weights: defaultdict[tuple[int, int, int], float] = defaultdict(float)
    for event in events:
        for output in event["attribution_model_outputs"]:
            part = output["id"] if split else 0
            weights[output["medium_id"], output["source_id"], part] += float(output["weight"])
    return [
        {"medium_id": medium_id, "source_id": source_id, "total_weight": Decimal(repr(weight))}
        for (medium_id, source_id, _), weight in weights.items()
    ]


def _identities(rng: random.Random, known_as: str, meta: Row | None, visits: int) -> list[Row]:
    """Return the customer's own identity and others that grow with the visits, or none at all."""
    if rng.random() < UNIDENTIFIED_SHARE:
        return []
    identified = {
        "client_id": known_as,
        "is_anonymous": False,
        "meta": meta,
        "ip_address": None,
        "data_source": None,
        "aliases": timeline.aliases(rng),
    }
    anonymous = [
        {
            "client_id": rng.choice((None, f"visitor-{place}")),
            "is_anonymous": True,
            "meta": rng.choice(METAS),
            "ip_address": rng.choice(ADDRESSES),
            "data_source": rng.choice((None, "web")),
            "aliases": rng.choice((None, [], timeline.aliases(rng))),
        }
        for place in range(min(5, visits // 3))
    ]
    return [identified, *anonymous]
