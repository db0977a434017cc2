"""Converts seeds, which are CSV files, to SQL."""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from target_warehouse.warehouses.dialect import literal, quoted

from attribution_elt.core.errors import OpsError
from attribution_elt.models.folder import Seed
from attribution_elt.models.tables import no_rows

_ROWS_AT_ONCE = 500
_BOOLEANS = {"true": "TRUE", "false": "FALSE"}


def selects_of(seed: Seed, dialect: str, rows: int = _ROWS_AT_ONCE) -> Iterator[str]:
    """Yield SELECTs that together have all rows of a seed, a limited number each.

    Raises:
        OpsError: a value does not fit the type of its column.
    """
    names = ", ".join(map(quoted, seed.columns))
    # In SQLite, a cast to a date would return a number; without a cast, the text stays.
    casts = ", ".join(
        quoted(name)
        if dialect == "sqlite"
        else f"CAST({quoted(name)} AS {type_}) AS {quoted(name)}"
        for name, type_ in seed.columns.items()
    )
    for start in range(0, len(seed.rows), rows):
        values = ", ".join(
            f"({', '.join(_values(seed, row))})" for row in seed.rows[start : start + rows]
        )
        yield (
            f"WITH given ({names}) AS (SELECT * FROM (VALUES {values}) AS listed) "
            f"SELECT {casts} FROM given"
        )


def select_of(seed: Seed, dialect: str) -> str:
    """Return one SELECT of a whole seed.

    Raises:
        OpsError: a value does not fit the type of its column.
    """
    return next(selects_of(seed, dialect, max(len(seed.rows), 1)), no_rows(seed.columns))


def _values(seed: Seed, row: tuple[str | None, ...]) -> Iterator[str]:
    for (column, type_), value in zip(seed.columns.items(), row, strict=True):
        try:
            yield "NULL" if value is None else _value(value.strip(), type_)
        except (KeyError, ValueError):
            raise OpsError(
                f"{seed.name}.csv: {value!r} in the column {column} is not a {type_}"
            ) from None


def _value(text: str, type_: str) -> str:
    match type_:
        case "boolean":
            return _BOOLEANS[text.lower()]
        case "bigint":
            return str(int(text))
        case "double precision":
            return repr(float(text))
        case "date":
            return literal(date.fromisoformat(text).isoformat())
        case _:
            return literal(text)
