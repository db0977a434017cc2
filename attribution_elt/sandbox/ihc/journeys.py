"""Journeys to send to IHC: valid journeys of all lengths, and one with each kind of error."""

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

ABSENT: Final = object()
REQUIRED = (
    *("session_id", "timestamp", "channel_label"),
    *("holder_engagement", "closer_engagement", "conversion"),
)
WRONG: Final[dict[str, Row]] = {  # changes to the second of three sessions
    **{f"no {name}": {name: ABSENT} for name in REQUIRED},
    "empty channel_label": {"channel_label": ""},
    "empty session_id": {"session_id": ""},
    "number for session_id": {"session_id": 17},
    "null timestamp": {"timestamp": None},
    "second 71": {"timestamp": "2021-01-10 17:09:71"},
    "30 February": {"timestamp": "2021-02-30 17:09:31"},
    "T in timestamp": {"timestamp": "2021-01-10T17:09:31"},
    "fraction in timestamp": {"timestamp": "2021-01-10 17:09:31.500"},
    "colon in offset": {"timestamp": "2021-01-10 17:09:31 +04:00"},
    "Z for an offset": {"timestamp": "2021-01-10 17:09:31 Z"},
    "offset in one session": {"timestamp": "2021-01-10 17:09:31 +0400"},
    "holder_engagement 2": {"holder_engagement": 2},
    "closer_engagement true": {"closer_engagement": True},
    "conversion in quotes": {"conversion": "1"},
    "impression_interaction null": {"impression_interaction": None},
    "two conversions": {"conversion": 1},
}


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


def invalid_journeys(until: date, seed: int = 1) -> dict[str, list[Row]]:
    """Return a journey with each kind of error, by the name of the error."""
    extra = ("duplicate session_id", "no conversion_id")
    names = [*WRONG, *extra]
    rows = journeys(len(names), until, seed=seed, lengths={range(3, 4): 1})
    made: dict[str, list[Row]] = {}
    for name, *sessions in zip(names, rows, rows, rows, strict=True):
        for session in sessions:
            session["timestamp"] = session["timestamp"][:19]  # none with an offset
        sessions[1].update(WRONG.get(name, {}))
        made[name] = [_without_absent(session) for session in sessions]
    duplicate, unnamed = (made[name] for name in extra)
    duplicate[1]["session_id"] = duplicate[0]["session_id"]
    made["no conversion_id"] = [_without_absent({**unnamed[2], "conversion_id": ABSENT})]
    return made


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


def _without_absent(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not ABSENT}
