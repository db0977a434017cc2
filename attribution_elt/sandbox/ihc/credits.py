"""How a journey's credits come about: a simple rule in the place of a trained model.

Credits are whole ten-thousandths, so that every column sums to exactly 1. Sessions are taken in the
order of time, and an ad impression weighs half as much as a visit.

- initializer: the more, the earlier the session; nothing for the last of several.
- holder: alike for all sessions with holder engagement; 0 everywhere if there is none.
- closer: the more, the later the session, of those with closer engagement; all of it for the last
  session if there is none.
- ihc: the phases weighed by the conversion type, a phase without credits left out.

The phases of the document's sample are as documented; `DOCUMENTED_WEIGHTS` make its ihc of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, Literal

from attribution_elt.sandbox.ihc import documented

WHOLE = 10_000
PHASES = ("initializer", "holder", "closer")
Direction = Literal["earlier_sessions_only", "later_sessions_only", "any_session"]
DOCUMENTED_WEIGHTS = (5372, 1405, 3223)
Row = dict[str, Any]


@dataclass(frozen=True)
class Redistribution:
    """What of a phase's credits is to go from some channels to the others.

    A session of one of `labels` hands its credits to the sessions of other channels in `direction`
    that had `threshold` or more before, in proportion to what they had (alike, if that was
    nothing). It keeps them where there is no such session.
    """

    direction: Direction
    threshold: int | Decimal
    labels: frozenset[str]

    def apply(self, column: Sequence[int], channels: Sequence[str]) -> list[int]:
        """Give a phase's credits after redistribution."""
        changed = list(column)
        open_to = [
            place
            for place, channel in enumerate(channels)
            if channel not in self.labels and column[place] >= self.threshold * WHOLE
        ]
        for place, channel in enumerate(channels):
            if channel not in self.labels:
                continue
            receivers = [other for other in open_to if self._reaches(place, other)]
            if not receivers:
                continue
            shares = [column[other] for other in receivers]
            if not any(shares):
                shares = [1] * len(receivers)
            changed[place] = 0
            for other, part in zip(receivers, apportion(column[place], shares), strict=True):
                changed[other] += part
        return changed

    def _reaches(self, giver: int, receiver: int) -> bool:
        match self.direction:
            case "earlier_sessions_only":
                return receiver < giver
            case "later_sessions_only":
                return receiver > giver
            case _:
                return True


def attribute(
    sessions: Sequence[Row],
    weights: Sequence[int],
    redistributions: Mapping[str, Redistribution],
) -> list[Row]:
    """Compute the credits of one journey's valid sessions, in the order they are given in."""
    places = sorted(range(len(sessions)), key=lambda place: moment(sessions[place]["timestamp"]))
    ordered = [sessions[place] for place in places]
    channels = [session["channel_label"] for session in ordered]
    columns = _phases(ordered)
    for phase, redistribution in redistributions.items():
        columns[phase] = redistribution.apply(columns[phase], channels)
    columns["ihc"] = apportion(
        WHOLE,
        [
            sum(weight * part for weight, part in zip(weights, parts, strict=True))
            for parts in zip(*(columns[phase] for phase in PHASES), strict=True)
        ],
    )
    rows: list[Row] = [{} for _ in sessions]
    for rank, place in enumerate(places):
        rows[place] = {
            "conversion_id": sessions[place]["conversion_id"],
            "session_id": sessions[place]["session_id"],
            **{name: _number(column[rank]) for name, column in columns.items()},
        }
    return rows


def moment(timestamp: str) -> datetime:
    """Read a timestamp of either documented form; a day or hour that is none is a ValueError."""
    return datetime.fromisoformat(timestamp.replace(" ", "T", 1).replace(" ", ""))


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Divide a total into whole parts by weight; what is left goes to the largest remainders."""
    whole = sum(weights)
    if not whole:
        return [0] * len(weights)
    divided = [divmod(total * weight, whole) for weight in weights]
    parts = [part for part, _ in divided]
    by_remainder = sorted(range(len(parts)), key=lambda place: -divided[place][1])
    for place in by_remainder[: total - sum(parts)]:
        parts[place] += 1
    return parts


def _phases(sessions: Sequence[Row]) -> dict[str, list[int]]:
    if _content(sessions) == _DOCUMENTED_CONTENT:
        return {
            phase: [int(row[phase] * WHOLE) for row in documented.RESPONSE["value"]]
            for phase in PHASES
        }
    count = len(sessions)
    sizes = [1 if session.get("impression_interaction") else 2 for session in sessions]
    initializer = [size * (count - 1 - place) for place, size in enumerate(sizes)]
    holder = [
        size * session["holder_engagement"] for size, session in zip(sizes, sessions, strict=True)
    ]
    closer = [
        size * (place + 1) * session["closer_engagement"]
        for place, (size, session) in enumerate(zip(sizes, sessions, strict=True))
    ]
    if not any(closer):
        closer[-1] = 1
    return {
        "initializer": apportion(WHOLE, initializer if count > 1 else [1]),
        "holder": apportion(WHOLE, holder),
        "closer": apportion(WHOLE, closer),
    }


def _content(sessions: Sequence[Row]) -> list[Row]:
    """Give what matters of sessions: their order, but not how their time is written."""
    return [{"impression_interaction": 0, **row, "timestamp": None} for row in sessions]


_DOCUMENTED_CONTENT = _content(documented.REQUEST["customer_journeys"])


@cache
def _number(credit: int) -> Decimal:
    """Write credits as the vendor does: 0.0, 0.25, 1.0."""
    return Decimal(repr(credit / WHOLE))
