"""Validation of sessions, journeys and redistribution parameters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, get_args

from attribution_elt.sandbox.ihc.credits import PHASES, Direction, Redistribution, Row, moment

TEXTS = ("conversion_id", "session_id", "timestamp", "channel_label")
FLAGS = ("holder_engagement", "closer_engagement", "conversion")
OPTIONAL_FLAG = "impression_interaction"
FORMAT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d( [+-]\d{4})?", re.ASCII)
DIRECTIONS: tuple[str, ...] = get_args(Direction)
SETTINGS = ("direction", "receive_threshold", "redistribution_channel_labels")


class InvalidInputError(Exception):
    """A request that the vendor refuses as a whole, with the reason."""


@dataclass(frozen=True)
class Failure:
    """The reason why a journey cannot be computed, and the known ids of its cause."""

    trigger: dict[str, str]
    reason: str


def group_sessions(body: Any) -> dict[str | None, list[Row]]:
    """Return a request's sessions by conversion id, or by None if the id is not valid."""
    sessions = body.get("customer_journeys") if isinstance(body, dict) else None
    if not isinstance(sessions, list) or not all(isinstance(row, dict) for row in sessions):
        raise InvalidInputError("'customer_journeys' must be a list of sessions")
    if not sessions:
        raise InvalidInputError("'customer_journeys' is empty")
    found: dict[str | None, list[Row]] = {}
    for row in sessions:
        found.setdefault(_ids(row).get("conversion_id"), []).append(row)
    return found


def failures(sessions: Sequence[Row]) -> list[Failure]:
    """Return the errors in the sessions of one journey."""
    found = [Failure(_ids(session), reason) for session in sessions if (reason := _fault(session))]
    if found:
        return found
    ids = Counter(session["session_id"] for session in sessions)
    found = [
        Failure(
            _ids({**sessions[0], "session_id": repeated}), f"Duplicate 'session_id': {repeated}"
        )
        for repeated, count in ids.items()
        if count > 1
    ]
    journey = {"conversion_id": sessions[0]["conversion_id"]}
    if len({moment(session["timestamp"]).tzinfo is None for session in sessions}) > 1:
        found.append(Failure(journey, "'timestamp' fields with and without timezone information"))
    if sum(session["conversion"] for session in sessions) > 1:
        found.append(Failure(journey, "More than one session with 'conversion' 1"))
    return found


def redistributions(value: Any) -> dict[str, Redistribution]:
    """Parse a redistribution_parameter."""
    if not isinstance(value, dict):
        raise _misfit("", "must be a dictionary")
    for phase in sorted(value.keys() - PHASES):
        raise _misfit(f".{phase}", f"must be one of {', '.join(PHASES)}")
    return {phase: _redistribution(phase, settings) for phase, settings in value.items()}


def _redistribution(phase: str, settings: Any) -> Redistribution:
    if not isinstance(settings, dict):
        raise _misfit(f".{phase}", "must be a dictionary")
    for name in sorted(settings.keys() ^ set(SETTINGS)):
        raise _misfit(f".{phase}.{name}", "is unknown" if name in settings else "is missing")
    direction, threshold, labels = (settings[name] for name in SETTINGS)
    if direction not in DIRECTIONS:
        raise _misfit(f".{phase}.direction", f"must be one of {', '.join(DIRECTIONS)}")
    if type(threshold) not in {int, Decimal} or not 0 <= threshold <= 1:
        raise _misfit(f".{phase}.receive_threshold", "must be a number of [0,1]")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise _misfit(f".{phase}.redistribution_channel_labels", "must be a list of channels")
    return Redistribution(direction, threshold, frozenset(labels))


def _misfit(path: str, complaint: str) -> InvalidInputError:
    return InvalidInputError(f"'redistribution_parameter{path}' {complaint}")


def _ids(session: Row) -> dict[str, str]:
    return {
        name: session[name]
        for name in ("conversion_id", "session_id")
        if _is_text(session.get(name))
    }


def _fault(session: Row) -> str | None:
    for name in (*TEXTS, *FLAGS):
        if name not in session:
            return f"Missing '{name}' field"
    for name in (*TEXTS, *FLAGS, OPTIONAL_FLAG):
        value = session.get(name, 0)
        good = _is_text(value) if name in TEXTS else type(value) is int and value in {0, 1}
        if not good or (name == "timestamp" and not _is_timestamp(value)):
            return f"Wrongly Formatted '{name}' field: {value}"
    return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_timestamp(text: str) -> bool:
    if not FORMAT.fullmatch(text):
        return False
    try:
        moment(text)
    except ValueError:
        return False
    return True
