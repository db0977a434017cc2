"""Journeys that IHC refuses, one with each kind of error."""

from __future__ import annotations

from datetime import date
from typing import Final

from attribution_elt.sandbox.ihc.journeys import Row, journeys

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


def invalid_journeys(until: date) -> dict[str, list[Row]]:
    """Return a journey with each kind of error, by the name of the error."""
    extra = ("duplicate session_id", "no conversion_id")
    names = [*WRONG, *extra]
    rows = journeys(len(names), until, lengths={range(3, 4): 1})
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


def _without_absent(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not ABSENT}
