"""Finds the rows that a table of DuckDB refuses, with one query instead of a transaction each."""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from target_warehouse.columns import Columns
from target_warehouse.warehouses.dialect import literal, quoted

_INDEX, _REASON = "index of the probed row", "reason against the probed row"

Constraint = tuple[str, str, str | None, Sequence[str]]
"""Type, text, expression and columns, as `duckdb_constraints` lists them."""


def numbered(rows: pa.Table) -> pa.Table:
    """Return the rows with their indexes, for `query`."""
    return rows.append_column(_INDEX, pa.array(range(len(rows)), pa.int64()))


def query(source: str, table: str, columns: Columns, constraints: Iterable[Constraint]) -> str:
    """Return the query for the indexes of refused rows, with the reasons in DuckDB's words.

    It looks at types, NOT NULL and CHECK. It fails if a CHECK needs a column that the rows lack.
    `source` is the view of the `numbered` rows.
    """
    values, reasons = [quoted(_INDEX)], []
    for name, column in columns.items():
        value, cast = quoted(name), f"TRY_CAST({quoted(name)} AS {column.type})"
        begin, end = "Conversion Error: Could not convert string '", f"' to {column.type}"
        values.append(f"{cast} AS {value}")
        reasons.append(
            f"WHEN {value} IS NOT NULL AND {cast} IS NULL "
            f"THEN {literal(begin)} || {value} || {literal(end)}"
        )
    failures = [f"WHEN {quoted(_REASON)} IS NOT NULL THEN {quoted(_REASON)}"]
    for kind, text, expression, names in constraints:
        if kind == "NOT NULL" and names[0] in columns:
            reason = f"Constraint Error: NOT NULL constraint failed: {table}.{names[0]}"
            failures.append(f"WHEN {quoted(names[0])} IS NULL THEN {literal(reason)}")
        elif kind == "CHECK":
            reason = (
                f"Constraint Error: CHECK constraint failed on table {quoted(table)} "
                f"with expression {text}"
            )
            failures.append(f"WHEN NOT ({expression}) THEN {literal(reason)}")
    return (
        f"SELECT {quoted(_INDEX)}, CASE {' '.join(failures)} END AS refusal FROM "
        f"(SELECT {', '.join(values)}, CASE {' '.join(reasons)} END AS {quoted(_REASON)} "
        f"FROM {source}) WHERE refusal IS NOT NULL"
    )
