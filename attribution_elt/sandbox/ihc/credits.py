"""The credits of a journey: a simple rule instead of a trained model.

Credits are whole ten-thousandths, so that every column sums to exactly 1. Sessions are in order of
time, and an ad impression weighs half as much as a visit.

- initializer: earlier sessions get more, the last of several gets 0.
- holder: all sessions with holder engagement get the same; all credits are 0 without such sessions.
- closer: later sessions with closer engagement get more; without such sessions, the last one gets
  all credits.
- ihc: the weighted sum of the phases, with the weights of the conversion type; phases without
  credits do not count.

The document's sample gets the documented phases; `DOCUMENTED_WEIGHTS` turns them into its ihc.
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
    """The redistribution of a phase's credits from some channels to the others.

    A session of a channel in `labels` gives its credits to the sessions of other channels in
    `direction` that have at least `threshold`, in proportion to their credits (in equal parts if
    they have 0). Without such sessions it keeps its credits.
    """

    direction: Direction
    threshold: int | Decimal
    labels: frozenset[str]

    def apply(self, column: Sequence[int], channels: Sequence[str]) -> list[int]:
        """Return a phase's credits after redistribution."""
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
    *,
    exact_sums: bool = True,
) -> list[Row]:
    """Return the credits of one journey's valid sessions, in the given order.

    The ihc of a journey adds up to exactly 1 if `exact_sums` is set; else each is rounded.
    """
    places = sorted(range(len(sessions)), key=lambda place: moment(sessions[place]["timestamp"]))
    ordered = [sessions[place] for place in places]
    channels = [session["channel_label"] for session in ordered]
    columns = _phases(ordered)
    for phase, redistribution in redistributions.items():
        columns[phase] = redistribution.apply(columns[phase], channels)
    sums = [
        sum(weight * part for weight, part in zip(weights, parts, strict=True))
        for parts in zip(*(columns[phase] for phase in PHASES), strict=True)
    ]
    columns["ihc"] = (
        apportion(WHOLE, sums) if exact_sums else [round(WHOLE * each / sum(sums)) for each in sums]
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
    """Parse a timestamp of either documented form.

    Raises:
        ValueError: The day or the time does not exist.
    """
    return datetime.fromisoformat(timestamp.replace(" ", "T", 1).replace(" ", ""))


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Divide a total into integers by weight; the largest remainders get the rest."""
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
    """Return the sessions without their timestamps, whose format does not matter."""
    return [{"impression_interaction": 0, **row, "timestamp": None} for row in sessions]


_DOCUMENTED_CONTENT = _content(documented.REQUEST["customer_journeys"])


@cache
def _number(credit: int) -> Decimal:
    """Convert credits to the vendor's numbers: 0.0, 0.25, 1.0."""
    return Decimal(repr(credit / WHOLE))
