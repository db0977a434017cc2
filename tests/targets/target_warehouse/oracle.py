"""Computes the expected tables after runs of the loader, and compares them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.targets.target_warehouse.strategies import NULL, Case, Message, Schema
from tests.targets.target_warehouse.warehouses import Warehouse

Row = Mapping[str, Sequence[Any]]
"""The allowed values of each property; several only if a schema no longer names it."""
Cells = dict[str, str | None]


@dataclasses.dataclass
class Table:
    """The records of a stream that count, by key."""

    keys: Sequence[str] = ()
    schema: Sequence[str] = ()
    names: set[str] = dataclasses.field(default_factory=set)
    """Every property that has to have a column."""
    rows: dict[Any, Row] = dataclasses.field(default_factory=dict)
    rejected: list[str] = dataclasses.field(default_factory=list)

    def take(self, message: Message, *, upsert: bool) -> None:
        if isinstance(message, Schema):
            self.keys = message.keys if upsert else ()
            self.schema = list(message.types)
            self.names |= message.types.keys()
            return
        self.names |= {name for name, value in message.values.items() if value.meaning is not None}
        key = [message.values.get(name, NULL).meaning for name in self.keys]
        if None in key:
            self.rejected.append(message.text)
            return
        identity = tuple(map(_canonical_key, key)) or (len(self.rows),)
        old = self.rows.get(identity, {})
        row = {name: [*old.get(name, ()), None] for name in old if name not in self.schema}
        row |= {name: [value.meaning] for name, value in message.values.items()}
        self.rows[identity] = row


def expected(case: Case) -> dict[str, Table]:
    """The tables after all runs, by stream."""
    tables: dict[str, Table] = {}
    method = case.settings["load_method"]
    for run in case.runs:
        if method == "overwrite":
            for table in tables.values():
                table.rows.clear()
        for message in run:
            table = tables.setdefault(message.stream, Table())
            for _ in range(message.times):
                table.take(message, upsert=method != "append-only")
    return tables


def _canonical_key(value: Any) -> Any:
    """Return a value that is equal for equal keys: a text may equal an integer."""
    match value:
        case bool():
            return str(value)
        case Decimal():
            return f"{value.normalize():f}" if value else "0"
        case str():
            return storable(value)
        case date() if not isinstance(value, datetime):
            return datetime.combine(value, time(), UTC)
        case _:
            return value


def storable(text: str) -> str:
    """Return a text without NUL and lone surrogates."""
    return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def check(warehouse: Warehouse, tables: Mapping[str, Table]) -> None:
    """Assert that the warehouse holds these tables, and nothing else."""
    rejected = sorted((name, text) for name, table in tables.items() for text in table.rejected)
    present = warehouse.tables()
    assert present - {"_rejected", "_runs"} == {identifier(name, present) for name in tables}
    if rejected:
        assert sorted(warehouse.rows("SELECT stream, record FROM _rejected")) == rejected
    else:
        assert "_rejected" not in present
    for name, table in tables.items():
        _check_table(warehouse, identifier(name, present), table)


def _check_table(warehouse: Warehouse, path: str, table: Table) -> None:
    types = {
        name: type_
        for name, type_ in warehouse.types(path.replace("'", "''")).items()
        if not name.startswith("_sdc_")
    }
    columns = {name: identifier(name, types) for name in table.names}
    assert set(columns.values()) == set(types)
    found = cells(warehouse, path, types)
    wanted = [
        {columns[name]: row.get(name, [None]) for name in table.names}
        for row in table.rows.values()
    ]
    missing = [row for row in wanted if not _taken(row, found, types)]
    assert (missing, found) == ([], []), f"missing in {path}, and found too much ({types})"


def _taken(row: Row, found: list[Cells], types: Mapping[str, str]) -> bool:
    for candidate in found:
        if all(
            any(same(meaning, candidate[name], type_) for meaning in row[name])
            for name, type_ in types.items()
        ):
            found.remove(candidate)
            return True
    return False


def cells(warehouse: Warehouse, table: str, types: Mapping[str, str]) -> list[Cells]:
    """The rows of a table as the database writes them."""
    texts = [warehouse.as_text(quoted(name), type_) for name, type_ in types.items()]
    rows = warehouse.rows(f"SELECT {', '.join([*texts, 'NULL'])} FROM {quoted(table)}")
    return [dict(zip(types, row[:-1], strict=True)) for row in rows]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def identifier(name: str, among: Iterable[str]) -> str:
    """Return the table or column of a name: the name itself, or one with its hash."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    present = list(among)
    if name in present:
        return name
    found = [each for each in present if each.endswith(f"_{digest}")]
    assert len(found) == 1, f"there is nothing for {name!r} among {present}"
    return found[0]


def same(meaning: Any, stored: str | None, type_: str) -> bool:
    """Return whether a database's text of a value has the meaning, whatever the column's type."""
    if meaning is None or stored is None:
        return meaning is stored
    if "json" not in type_.lower():
        return _says(meaning, stored)
    value = _parsed(stored)
    return _equal(value, meaning) or (isinstance(value, str) and _says(meaning, value))


def _says(meaning: Any, text: str) -> bool:
    try:
        return _equal(_read(text, meaning), meaning)
    except (ValueError, InvalidOperation):
        return False


def _read(text: str, meaning: Any) -> Any:
    """Parse a text as a value of the type of `meaning`."""
    value: Any = text
    match meaning:
        case bool():
            value = {"true": True, "false": False, "1": True, "0": False}.get(text.lower())
        case Decimal():
            value = Decimal(text)
        case datetime():
            value = _in_utc(text)
        case date():
            instant = _in_utc(text)
            value = instant.date() if instant.time() == time() else instant
        case time():
            value = _in_utc(f"2000-01-01T{text}").time()
        case list() | dict():
            value = _parsed(text)
    return value


def _in_utc(text: str) -> datetime:
    instant = datetime.fromisoformat(text.upper())
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)


def _parsed(text: str) -> Any:
    return json.loads(text, parse_int=Decimal, parse_float=Decimal)


def _equal(one: Any, other: Any) -> bool:
    return bool(_plain(one) == _plain(other))


def _plain(value: Any) -> Any:
    """Return a JSON value that equals only values of the same type; texts as stored."""
    match value:
        case str():
            return ("text", storable(value))
        case Decimal():
            return ("number", str(value) if value.is_nan() else value)
        case list():
            return [_plain(item) for item in value]
        case dict():
            return {storable(name): _plain(item) for name, item in value.items()}
        case _:
            return value
