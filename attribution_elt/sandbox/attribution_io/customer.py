"""A generated customer, made anew whenever asked for."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
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

MOST_VISITS = 10_000
ANONYMOUS_SHARE = UNIDENTIFIED_SHARE = 0.1
Row = dict[str, Any]


def customer(
    number: int,
    start: date,
    today: date,
    mean_pageviews: int,
    randomness: Callable[..., random.Random],
) -> Row:
    """Make a customer with the whole timeline up to today."""
    rng = randomness("customer", number)
    rhythm = Rhythm(start + timedelta(rng.randint(-400, 30)), rng.randint(5, 120))
    zone = rng.choice(ZONES)
    offset = BEYOND_FLOATS if number % 25 == 0 else 0
    customer_id = number + 100 + offset
    visits: list[Visit] = []
    events: list[Row] = []
    for place in range(rhythm.count(today)):
        chance = randomness("visit", number, place)
        visit_id = number * MOST_VISITS + place + offset
        visits.append(
            timeline.make_visit(chance, visit_id, rhythm.day(place), zone, mean_pageviews)
        )
        if event := timeline.make_event(chance, visits, customer_id, zone, today):
            events.append(event)
    created = datetime.combine(rhythm.first, time(9, 30), UTC)
    pageviews = [pageview for visit in visits for pageview in visit.pageviews]
    meta = rng.choice(METAS)
    return {
        "id": customer_id,
        "client_id": client_id(number),
        "is_anonymous": rng.random() < ANONYMOUS_SHARE,
        "created_at": timestamp(created, zone),
        "updated_at": timestamp(visits[-1].end if visits else created - timedelta(1), zone),
        "meta": meta,
        "summary": _summary(events, visits, len(pageviews)),
        "link": f"https://attribution.io/customers/{customer_id}",
        "events": events,
        "pageviews": pageviews,
        "touchpoints": [visit.touchpoint for visit in visits],
        "identities": _identities(rng, client_id(number), meta, len(visits)),
    }


def _summary(events: list[Row], visits: list[Visit], pageviews: int) -> Row:
    by_type: defaultdict[tuple[int, str], list[Row]] = defaultdict(list)
    for event in events:
        by_type[event["event_type_id"], event["event_type_name"]].append(event)
    by_id: Row = {}
    for (type_id, _), typed in by_type.items():
        by_id[f"{type_id}_count"] = len(typed)
        by_id[f"{type_id}_attrib"] = _attributions(typed)
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


def _attributions(events: list[Row]) -> list[Row]:
    weights: defaultdict[tuple[int, int], float] = defaultdict(float)
    for event in events:
        for output in event["attribution_model_outputs"]:
            weights[output["medium_id"], output["source_id"]] += float(output["weight"])
    return [
        {"medium_id": medium_id, "source_id": source_id, "total_weight": Decimal(repr(weight))}
        for (medium_id, source_id), weight in weights.items()
    ]


def _identities(rng: random.Random, known_as: str, meta: Row | None, visits: int) -> list[Row]:
    """Make the customer's own identity and more with the visits; some have none at all."""
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
