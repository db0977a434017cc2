"""Customer journeys: read from the user's rows, checked, and kept where memory does not matter."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from taps.shaping import integer
from taps.tables import rows_of_file, rows_of_query

FIELDS = ("conversion_id", "session_id", "timestamp", "channel_label")
FLAGS = ("holder_engagement", "closer_engagement", "conversion")
OPTIONAL_FLAGS = ("impression_interaction",)
MOST_SESSIONS = 3000
"""Sessions that the vendor takes in one request, and so in one journey."""

_encode = msgspec.json.Encoder(enc_hook=str, order="deterministic").encode
_decode = msgspec.json.decode


class InvalidSessionError(ValueError):
    """A session that the vendor cannot accept: it would cost quota, so it is not sent."""


@dataclass(frozen=True, slots=True)
class Journey:
    """A journey as it will be sent, or the reason why it will not be.

    Attributes:
        conversion_id: the conversion.
        sessions: as the vendor takes them, in time's order.
        converted: when the conversion happened, in UTC; None if that cannot be told.
        fingerprint: short hash of all that the credits depend on.
        fault: why it cannot be valid, with the session at fault, "" for the journey as a whole.
    """

    conversion_id: str
    sessions: list[dict[str, Any]]
    converted: datetime | None
    fingerprint: bytes
    fault: tuple[str, str] | None = None


class Journeys:
    """All journeys of a run, by the time of their conversion, in a temporary database.

    Args:
        rows: sessions in any order.
        salt: what the credits depend on besides the sessions.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]], salt: bytes) -> None:
        self._salt = salt
        self.labels: set[str] = set()
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(
            "CREATE TABLE session (conversion TEXT, row BLOB);"
            "CREATE TABLE journey (conversion TEXT, converted TEXT, size INT, fingerprint BLOB);"
            "BEGIN"
        )
        self._database.executemany(
            "INSERT INTO session VALUES (?, ?)",
            ((str(row.get("conversion_id") or ""), _encode(dict(row))) for row in rows),
        )
        self._database.execute("CREATE INDEX by_conversion ON session (conversion)")
        self._database.executemany("INSERT INTO journey VALUES (?, ?, ?, ?)", self._summaries())
        self._database.execute("CREATE INDEX by_time ON journey (converted, conversion)")

    def _summaries(self) -> Iterator[tuple[str, str, int, bytes]]:
        """Yield what is needed of each journey to decide when to send it."""
        found = self._database.execute("SELECT DISTINCT conversion FROM session ORDER BY 1")
        for (conversion,) in found.fetchall():
            journey = self[conversion]
            self.labels.update(session["channel_label"] for session in journey.sessions)
            converted = journey.converted.isoformat() if journey.converted else ""
            size = 0 if journey.fault else len(journey.sessions)
            yield conversion, converted, size, journey.fingerprint

    def __iter__(self) -> Iterator[tuple[str, str, int, bytes]]:
        """Yield conversion, its time in UTC, number of sessions (0: a fault), fingerprint."""
        yield from self._database.execute(
            "SELECT conversion, converted, size, fingerprint FROM journey ORDER BY 2, 1"
        )

    def __getitem__(self, conversion: str) -> Journey:
        """Return a journey, checked."""
        found = self._database.execute(
            "SELECT row FROM session WHERE conversion = ?", (conversion,)
        )
        return journey_of(conversion, [_decode(row) for (row,) in found], self._salt)


def rows_of(config: Mapping[str, Any], since: datetime) -> Iterator[Mapping[str, Any]]:
    """Yield the sessions that the settings name, from a file or from a database."""
    if config.get("journeys_file"):
        yield from rows_of_file(Path(config["journeys_file"]))
    else:
        yield from rows_of_query(config["journeys_url"], config["journeys_query"], since)


def journey_of(conversion: str, rows: list[dict[str, Any]], salt: bytes) -> Journey:
    """Check the rows of one conversion, and make its journey of them."""
    content = b"\n".join((salt, *sorted(map(_encode, rows))))
    fingerprint = hashlib.sha256(content).digest()[:6]
    sessions: list[tuple[datetime, dict[str, Any]]] = []
    for row in rows:
        try:
            sessions.append(session_of(row))
        except InvalidSessionError as error:
            at_fault = (str(error), str(row.get("session_id") or ""))
            return Journey(conversion, [], None, fingerprint, at_fault)
    sessions.sort(key=lambda each: each[0].replace(tzinfo=each[0].tzinfo or UTC))
    ordered = [session for _, session in sessions]
    moments = [
        moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC) for moment, _ in sessions
    ]
    converted = next(
        (moment for moment, session in zip(moments, ordered, strict=True) if session["conversion"]),
        moments[-1],
    )
    reason = _fault_of([moment for moment, _ in sessions], ordered)
    return Journey(
        conversion, ordered, converted, fingerprint, (reason, "") if reason is not None else None
    )


def _fault_of(moments: list[datetime], sessions: list[dict[str, Any]]) -> str | None:
    """Return what is wrong with a journey whose sessions are right, each by itself."""
    if len(sessions) > MOST_SESSIONS:
        return f"{len(sessions)} sessions, of which one request holds {MOST_SESSIONS}"
    ids = {session["session_id"] for session in sessions}
    if len(ids) < len(sessions):
        return "a session_id occurs more than once"
    if sum(session["conversion"] for session in sessions) > 1:
        return "more than one session has conversion 1"
    if len({moment.tzinfo is None for moment in moments}) > 1:
        return "some timestamps have a time zone and some have none"
    return None


def session_of(row: Mapping[str, Any]) -> tuple[datetime, dict[str, Any]]:
    """Return a row as the vendor takes it, with its moment.

    Raises:
        InvalidSessionError: the vendor could not accept it.
    """
    session: dict[str, Any] = {}
    for name in FIELDS:
        value = row.get(name)
        if value is None or str(value).strip() == "":
            raise InvalidSessionError(f"{name} is missing")
        session[name] = str(value)
    moment = moment_of(session["timestamp"])
    shown = "%Y-%m-%d %H:%M:%S %z" if moment.tzinfo else "%Y-%m-%d %H:%M:%S"
    session["timestamp"] = moment.strftime(shown)
    for name in FLAGS:
        session[name] = _flag(name, row.get(name))
    for name in OPTIONAL_FLAGS:
        if row.get(name) not in (None, ""):
            session[name] = _flag(name, row[name])
    return moment, session


def moment_of(text: str) -> datetime:
    """Return the moment of a timestamp in the vendor's forms, or in ISO 8601.

    Raises:
        InvalidSessionError: it is neither.
    """
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S %z"):
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - some have no zone, and are sent so
        except ValueError:
            continue
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidSessionError(f"timestamp {text!r} is not like 2021-03-20 18:49:31") from None
    if len(text) <= len("2021-03-20"):
        raise InvalidSessionError(f"timestamp {text!r} has no time")
    return moment


def _flag(name: str, value: Any) -> int:
    try:
        flag = int(value) if isinstance(value, bool) else integer(value)
    except ValueError:
        flag = -1
    if flag not in (0, 1):
        raise InvalidSessionError(f"{name} is {value!r}, not 0 or 1")
    return flag
