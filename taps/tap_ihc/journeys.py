"""Customer journeys: read from the user's rows, validated, and kept in a temporary database."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from attribution_elt.core.dates import rfc3339
from attribution_elt.core.text import without_nul
from attribution_elt.kit.errors import PluginError
from attribution_elt.kit.row_source import naming, rows_of_file, rows_of_query, text_of
from attribution_elt.kit.temporary import temporary_database

TEXTS = ("conversion_id", "session_id", "timestamp", "channel_label")
FLAGS = ("holder_engagement", "closer_engagement", "conversion")
OPTIONAL_FLAG = "impression_interaction"
FLAG_TEXTS = {"0": 0, "0.0": 0, "false": 0, "1": 1, "1.0": 1, "true": 1}
PROPERTIES = (*TEXTS, *FLAGS, OPTIONAL_FLAG)
CONTENT = ("session_id", "channel_label", *FLAGS, OPTIONAL_FLAG)
"""Properties that credits depend on, in addition to the timestamp."""
MOST_SESSIONS = 3000
"""Maximum number of sessions of a request, and so of a journey."""

Session = dict[str, Any]

_encode = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode
_decode = msgspec.json.decode


class InvalidError(ValueError):
    """A journey that the vendor would refuse; it is not sent, because that would cost quota.

    `session_id` is the session at fault, "" if the journey as a whole is.
    """

    def __init__(self, reason: str, session_id: str = "") -> None:
        super().__init__(reason)
        self.session_id = session_id


class Summary(NamedTuple):
    """The properties of a journey that decide whether and when it is sent.

    Attributes:
        conversion_id: the conversion.
        converted: when the conversion happened, as RFC 3339 in UTC; "" if it is unknown.
        size: number of its sessions.
        name: hash of the conversion's id.
        content: hash of everything that its credits depend on.
        fault: why the journey is invalid; "" if it is valid.
        session_id: the session at fault, "" if it is the journey as a whole.
    """

    conversion_id: str
    converted: str = ""
    size: int = 0
    name: bytes = b""
    content: bytes = b""
    fault: str = ""
    session_id: str = ""

    @property
    def day(self) -> str:
        """The day of the conversion."""
        return self.converted[:10]


class Journeys:
    """All journeys of a run, in the order of their conversions.

    Args:
        rows: sessions in any order.
        salt: hash of everything but the sessions that credits depend on.
        labels: channels to look for.

    Attributes:
        absent: the labels that no session has; empty without sessions.
    """

    def __init__(
        self, rows: Iterable[Mapping[str, Any]], salt: str, labels: Collection[str] = ()
    ) -> None:
        self._salt = salt
        self.absent = set(labels)
        self._database = temporary_database(self)
        self._database.executescript(
            "PRAGMA journal_mode = OFF;"
            "CREATE TABLE session (conversion TEXT, row BLOB);"
            "CREATE TABLE journey (conversion, converted, size, name, content, fault, session);"
            "BEGIN"
        )
        self._database.executemany("INSERT INTO session VALUES (?, ?)", map(_row_of, rows))
        self._database.execute("CREATE INDEX by_conversion ON session (conversion)")
        self._database.executemany(
            "INSERT INTO journey VALUES (?, ?, ?, ?, ?, ?, ?)", self._summaries()
        )
        self._database.execute("CREATE INDEX by_time ON journey (converted, conversion)")
        if next(iter(self), None) is None:
            self.absent.clear()

    def _summaries(self) -> Iterator[Summary]:
        found = self._database.execute("SELECT conversion, row FROM session ORDER BY conversion")
        for conversion, rows in groupby(found, key=itemgetter(0)):
            some = [_decode(row) for _, row in islice(rows, MOST_SESSIONS + 1)]
            count = len(some) + sum(1 for _ in rows)
            yield self._summary(conversion, some, count)

    def _summary(self, conversion: str, rows: list[Session], count: int) -> Summary:
        sessions: list[tuple[datetime, Session]] = []
        try:
            _check_rows(conversion, rows, count)
            sessions = sessions_of(rows)
            _check_together([session for _, session in sessions])
        except InvalidError as error:
            at = _conversion_of(sessions) if sessions else ""
            name = _hash(conversion)
            return Summary(conversion, at, name=name, fault=str(error), session_id=error.session_id)
        self.absent.difference_update(session["channel_label"] for _, session in sessions)
        content = [
            [moment.isoformat(), *(session.get(name, 0) for name in CONTENT)]
            for moment, session in sessions
        ]
        return Summary(
            conversion,
            _conversion_of(sessions),
            count,
            _hash(conversion),
            _hash([self._salt, content]),
        )

    def __iter__(self) -> Iterator[Summary]:
        """Yield all journeys; those whose conversion has no known time come first."""
        found = self._database.execute("SELECT * FROM journey ORDER BY converted, conversion")
        return map(Summary._make, found)

    def __getitem__(self, conversion: str) -> list[Session]:
        """Return the sessions of a journey as the vendor takes them, in order of time."""
        found = self._database.execute(
            "SELECT row FROM session WHERE conversion = ?", (conversion,)
        )
        return [session for _, session in sessions_of(_decode(row) for (row,) in found)]


def rows_of(config: Mapping[str, Any], since: datetime) -> Iterator[Mapping[str, Any]]:
    """Yield the sessions that the settings name, from a file or from a database."""
    if config.get("journeys_file"):
        with naming("setting 'journeys_file'"):
            yield from _with_columns(rows_of_file(Path(config["journeys_file"])))
    else:
        with naming("settings 'journeys_url' and 'journeys_query'"):
            url, query = config["journeys_url"], config["journeys_query"]
            yield from _with_columns(rows_of_query(url, query, since))


def _with_columns(rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield rows, and fail at their end if none of them has one of the columns.

    Such a source is wrong as a whole: its journeys are not invalid, and keep their credits.
    """
    missing, names = {*TEXTS, *FLAGS}, ""
    for row in rows:
        missing.difference_update(row)
        names = names or ", ".join(map(str, row))
        yield row
    if names and missing:
        raise PluginError(f"no row has the column {', '.join(sorted(missing))}: there are {names}")


def sessions_of(rows: Iterable[Mapping[str, Any]]) -> list[tuple[datetime, Session]]:
    """Return rows as the vendor takes them, in the order of time, each with its moment in UTC.

    Raises:
        InvalidError: the vendor would refuse one of them.
    """
    sessions = []
    for row in rows:
        try:
            sessions.append(session_of(row))
        except ValueError as error:
            raise InvalidError(str(error), _text(row.get("session_id"))) from None
    sessions.sort(key=lambda each: (each[0], each[1]["session_id"]))
    return sessions


def session_of(row: Mapping[str, Any]) -> tuple[datetime, Session]:
    """Return a row as the vendor takes it, with its moment in UTC; without a time zone it is UTC.

    Raises:
        ValueError: the vendor would refuse it.
    """
    session: Session = {}
    for name in TEXTS:
        session[name] = _text(row.get(name))
        if not session[name].strip():
            raise ValueError(f"{name} is missing")
    moment = moment_of(session["timestamp"])
    session["timestamp"] = moment.replace(tzinfo=None).isoformat(" ", "seconds")
    if moment.tzinfo is not None:
        session["timestamp"] += f" {moment:%z}"
    for name in FLAGS:
        session[name] = _flag(name, row.get(name))
    if _text(row.get(OPTIONAL_FLAG)):
        session[OPTIONAL_FLAG] = _flag(OPTIONAL_FLAG, row[OPTIONAL_FLAG])
    try:
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC), session
    except OverflowError:
        raise ValueError(f"timestamp {session['timestamp']!r} is out of range") from None


def moment_of(text: str) -> datetime:
    """Return the moment of a timestamp in the vendor's forms, or in ISO 8601.

    Raises:
        ValueError: it is neither.
    """
    day, _, time = text.strip().replace("T", " ", 1).partition(" ")
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(f"{day}T{time.replace(' ', '')}")
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S %z"):  # a leading zero may be missing
        with contextlib.suppress(ValueError):
            return datetime.strptime(text, form)  # noqa: DTZ007 - some have no zone, and are sent so
    raise ValueError(f"timestamp {text!r} is not like 2021-03-20 18:49:31")


def _check_rows(conversion: str, rows: list[Session], count: int) -> None:
    if not conversion.strip():
        others = f" (and of {count - 1} other sessions)" if count > 1 else ""
        raise InvalidError(f"conversion_id is missing{others}", _text(rows[0].get("session_id")))
    if count > MOST_SESSIONS:
        raise InvalidError(f"{count} sessions exceed the maximum of {MOST_SESSIONS}")


def _check_together(sessions: list[Session]) -> None:
    """Check the rules that concern several sessions of a journey."""
    ids = set()
    for session in sessions:
        if session["session_id"] in ids:
            raise InvalidError("session_id occurs more than once", session["session_id"])
        ids.add(session["session_id"])
    if sum(session["conversion"] for session in sessions) > 1:
        raise InvalidError("more than one session has conversion 1")
    if len({len(session["timestamp"]) for session in sessions}) > 1:
        raise InvalidError("some timestamps have a time zone and some have none")


def _conversion_of(sessions: list[tuple[datetime, Session]]) -> str:
    """Return the time of the conversion, in UTC; that of the last session if none is marked."""
    marked = (moment for moment, session in sessions if session["conversion"])
    return rfc3339(next(marked, sessions[-1][0]))


def _hash(value: Any) -> bytes:
    return hashlib.sha256(_encode(value)).digest()


def _row_of(row: Mapping[str, Any]) -> tuple[str, bytes]:
    """Return the conversion of a row, and the properties that are kept of it."""
    kept = {name: row.get(name) for name in PROPERTIES}
    kept |= {name: text_of(kept[name]) for name in TEXTS}
    return _text(kept["conversion_id"]), _encode(kept)


def _text(value: Any) -> str:
    return "" if value is None else str(without_nul(str(value)))


def _flag(name: str, value: Any) -> int:
    if value in (0, 1):  # also True, 1.0 and 1.00
        return int(value)
    flag = FLAG_TEXTS.get(_text(value).strip().lower())
    if flag is None:
        reason = f"is {value!r}, not 0 or 1" if _text(value) else "is missing"
        raise ValueError(f"{name} {reason}")
    return flag
