"""Functions that SQL models use and SQLite lacks, for our connections."""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from datetime import UTC, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo


def add_functions(connection: sqlite3.Connection) -> None:
    """Add `day_in_zone`, `json_ordered`, `power`, `sha256` and `split_part` to a connection."""
    for name, arguments, function in (
        ("day_in_zone", 2, _day_in_zone),
        ("power", 2, _power),
        ("sha256", 1, _sha256),
        ("split_part", 3, _split_part),
    ):
        connection.create_function(name, arguments, function, deterministic=True)
    connection.create_aggregate("json_ordered", 3, _JsonOrdered)  # type: ignore[arg-type] # of 3 arguments


class _JsonOrdered:
    """The aggregate `json_ordered(value, position, is_json)`: a JSON array as text."""

    def __init__(self) -> None:
        self._values: list[tuple[Any, Any]] = []

    def step(self, value: str, position: str | float, is_json: int) -> None:
        self._values.append((position, json.loads(value) if is_json else value))

    def finalize(self) -> str:
        ordered = sorted(self._values, key=lambda each: each[0])
        return json.dumps([value for _, value in ordered], ensure_ascii=False)


def _day_in_zone(instant: str | None, zone: str) -> str | None:
    if instant is None:
        return None
    moment = datetime.fromisoformat(instant)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(_zone(zone)).date().isoformat()


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _power(base: float | None, exponent: float | None) -> float | None:
    return None if base is None or exponent is None else math.pow(base, exponent)


def _sha256(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(str(text).encode()).hexdigest()


def _split_part(text: str | None, separator: str, number: int) -> str | None:
    """Return a part of a text, counted from 1, as in PostgreSQL; "" if there are fewer parts."""
    if text is None:
        return None
    parts = str(text).split(separator)
    return parts[number - 1] if number <= len(parts) else ""
