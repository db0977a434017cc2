"""Runs tap-ihc against the sandbox, and computes the expected rows."""

from __future__ import annotations

import csv
import functools
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tap_ihc.tap import TapIhc

from attribution_elt.sandbox.ihc import Ihc
from attribution_elt.sandbox.ihc.journeys import journeys
from tests import tap_process
from tests.tap_process import Output, Row, Rows

DAY = date(2026, 3, 31)
CREDITS = ("initializer", "holder", "closer", "ihc")
COLUMNS = (
    *("conversion_id", "session_id", "timestamp", "channel_label"),
    *("holder_engagement", "closer_engagement", "conversion", "impression_interaction"),
)

run_here = functools.partial(tap_process.run_here, TapIhc)


def run(folder: Path, *arguments: str, **given: Any) -> Output:
    """Run the console script."""
    return tap_process.run(folder, "tap-ihc", *arguments, **given)


def settings(vendor: Ihc, path: Path | None, **more: Any) -> dict[str, Any]:
    """Return settings for the sandbox and a file of journeys."""
    return {
        "api_url": vendor.url,
        "api_key": vendor.api_key,
        "conv_type_id": vendor.conv_type_id,
        "max_retries": 2,
        "request_timeout": 5,
        **({"journeys_file": str(path)} if path else {}),
        **more,
    }


def file_of(path: Path, rows: Iterable[Row]) -> Path:
    """Write sessions to a file in the format of its suffix."""
    kind = path.suffix.lower()
    if kind == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
    elif kind == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        path.write_text(json.dumps(list(rows)))
    return path


def table_of(path: Path, rows: Iterable[Row]) -> str:
    """Write sessions to a table `session` of an SQLite database, and return its URL."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE IF NOT EXISTS session ({', '.join(COLUMNS)})")
        connection.executemany(
            f"INSERT INTO session VALUES ({', '.join('?' * len(COLUMNS))})",
            ([row.get(name) for name in COLUMNS] for row in rows),
        )
    return f"sqlite:///{path}"


def some(count: int, seed: int = 1, **more: Any) -> list[Row]:
    """Return the sessions of so many journeys."""
    return list(journeys(count, DAY, seed=seed, **more))


def short(count: int) -> list[Row]:
    """Return the sessions of so many journeys, three each."""
    return some(count, lengths={range(3, 4): 1})


def by_conversion(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Group sessions by journey."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["conversion_id"], []).append(row)
    return found


def utc(text: str) -> datetime:
    """The moment of a timestamp in one of the vendor's two forms."""
    moment = datetime.fromisoformat(text.replace(" ", "T", 1).replace(" ", ""))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def as_emitted(text: str) -> str:
    """A timestamp as a record has it."""
    return f"{utc(text):%Y-%m-%dT%H:%M:%SZ}"


def converted(sessions: Sequence[Row]) -> str:
    """Return the time of a journey's conversion as a record has it."""
    return next(as_emitted(row["timestamp"]) for row in sessions if row["conversion"])


def expected(
    vendor: Ihc,
    rows: Iterable[Row],
    conv_type_id: str | None = None,
    redistribution: Mapping[str, Any] | None = None,
) -> Rows:
    """Return the credits of journeys by key, with timestamp and channel."""
    of = conv_type_id or vendor.conv_type_id
    found: Rows = {}
    for conversion, sessions in by_conversion(rows).items():
        parameter = dict(redistribution) if redistribution else None
        for session, credit in zip(sessions, vendor.credits(sessions, of, parameter), strict=True):
            found[of, conversion, session["session_id"]] = {
                **credit,
                "conv_type_id": of,
                "conversion_timestamp": converted(sessions),
                "timestamp": as_emitted(session["timestamp"]),
                "channel_label": session["channel_label"],
                "_extra": None,
            }
    return found


def matches_truth(rows: Rows, truth: Rows) -> bool:
    """Return whether rows equal the truth, without the time and parameters of the computation."""
    computed = ("computed_at", "parameters")
    found = {
        key: {name: value for name, value in row.items() if name not in computed}
        for key, row in rows.items()
    }
    assert found == truth
    assert all(type(row[name]) is Decimal for row in rows.values() for name in CREDITS)
    return True


def sums_to_one(rows: Rows) -> bool:
    """Return whether the credits of every journey sum to 1, as far as rounding allows."""
    sums: Counter[tuple[str, str]] = Counter()
    sizes: Counter[str] = Counter()
    for (_, conversion, _), row in rows.items():
        sizes[conversion] += 1
        for name in ("initializer", "closer", "ihc"):
            sums[conversion, name] += row[name]
    for (conversion, _), total in sums.items():
        assert abs(total - 1) <= sizes[conversion] * Decimal("5e-5")
    return bool(sums)


def sent(vendor: Ihc) -> list[set[str]]:
    """Return the conversions of each request that has arrived completely."""
    return [
        {row["conversion_id"] for row in request.json()["customer_journeys"]}
        for request in vendor.requests
        if request.body
    ]


def sessions_sent(vendor: Ihc) -> list[int]:
    """The number of sessions of each request."""
    return [len(request.json()["customer_journeys"]) for request in vendor.requests]


def forget(vendor: Ihc) -> None:
    """Reset the counts of requests and computed journeys."""
    vendor.requests.clear()
    vendor.journeys_computed.clear()
    vendor.sessions_computed.clear()


def progress(state: Mapping[str, Any], stream: str = "attributions") -> Row:
    """Return a stream's member of a state."""
    found: Row = state.get("bookmarks", {}).get(stream, {})
    return found


def bookmark(state: Mapping[str, Any], stream: str = "attributions") -> str:
    """A stream's bookmark, "" if it has none."""
    return str(progress(state, stream).get("replication_key_value", ""))


def later(text: str, seconds: int) -> str:
    """Return a record's timestamp, moved."""
    return f"{datetime.fromisoformat(text) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"
