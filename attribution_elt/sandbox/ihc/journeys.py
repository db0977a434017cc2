"""Journeys of all lengths, to send to IHC."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any, Final

Row = dict[str, Any]

LENGTHS: Final = {range(1, 6): 70, range(6, 31): 25, range(31, 151): 5}  # sessions and weights
DAY = 86_400
SPAN = 30 * DAY  # maximum seconds between the first and the last session of a journey
HOLDER_SHARE, CLOSER_SHARE, IMPRESSION_SHARE = 0.4, 0.15, 0.1  # shares of the sessions
ZONES = {  # time zones by the suffix of a timestamp
    "": UTC,
    " +0000": UTC,
    " +0400": timezone(timedelta(hours=4)),
    " -0330": timezone(timedelta(hours=-3.5)),
}
ZONE_WEIGHTS = (80, 5, 10, 5)
PREFIXES = ("EU", "EU", "EU", "zażółć-", "注文 ", "büro/№", "Ж?&=%2F+", "🛒")
CHANNELS = (
    *("Shopping - Brand", "Affiliate", "SEA - Brand", "SEO - Brand", "Email", "Social Paid"),
    *("Direct", "Email_Newsletter", 'Søgning, "organisk"', "广告", "Портал; реклама", "💌 mail"),
)


def journeys(
    count: int,
    until: date,
    *,
    days: int = 60,
    seed: int = 1,
    lengths: Mapping[range, int] = LENGTHS,
) -> Iterator[Row]:
    """Generate `count` journeys and yield their sessions, one conversion after the other.

    The conversions are spread evenly over the `days` before `until`. `lengths` has the weight of
    each range of lengths. Other seeds and other days give other ids.
    """
    first = datetime.combine(until - timedelta(days), time(), UTC)
    for number in range(count):
        converted = first + timedelta(seconds=days * DAY * (2 * number + 1) // (2 * count))
        yield from _journey(random.Random(f"{seed}/{converted}/{number}"), converted, lengths)


def _journey(rng: random.Random, converted: datetime, lengths: Mapping[range, int]) -> list[Row]:
    count = rng.choice(rng.choices(list(lengths), list(lengths.values()))[0])
    conversion_id = f"{rng.choice(PREFIXES)}{rng.getrandbits(48):012x}"
    visitor = uuid.UUID(int=rng.getrandbits(128), version=4)
    suffix = rng.choices(list(ZONES), ZONE_WEIGHTS)[0]
    local = converted.astimezone(ZONES[suffix])
    before = sorted(rng.sample(range(1, SPAN), count - 1), reverse=True)
    moments = [local - timedelta(seconds=seconds) for seconds in (*before, 0)]
    return [
        {
            "conversion_id": conversion_id,
            "session_id": f"{moment.date()}_{place:04}_{visitor}",
            "timestamp": moment.isoformat(" ")[:19] + suffix,
            "channel_label": rng.choice(CHANNELS),
            "holder_engagement": int(rng.random() < HOLDER_SHARE),
            "closer_engagement": int(place == count or rng.random() < CLOSER_SHARE),
            "conversion": int(place == count),
            "impression_interaction": int(place < count and rng.random() < IMPRESSION_SHARE),
        }
        for place, moment in enumerate(moments, 1)
    ]
