"""Converts claims to values of columns, and finds the delivered keys inside them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from target_warehouse import exact
from target_warehouse.arrow import ARROW_TYPES, conformed, uniform_numbers
from target_warehouse.column_plan import ColumnPlan
from target_warehouse.columns import ColumnType
from target_warehouse.messages import Claim, bounds
from target_warehouse.warehouses.base import ClaimGroup

_ORDERED = {
    ColumnType.INTEGER,
    ColumnType.NUMBER,
    ColumnType.DATE,
    ColumnType.TIMESTAMP,
    ColumnType.TIME,
}
"""Kinds that every warehouse sorts in the same order; texts depend on a collation."""
_CLAIM = "\0claim"


class UnusableClaimError(ValueError):
    """A claim cannot be compared with the table's columns."""


@dataclasses.dataclass(frozen=True)
class _Converted:
    """A claim whose values have the types of columns."""

    equal: Mapping[str, Any]
    ranges: Mapping[str, tuple[Any, Any]]

    @property
    def group(self) -> tuple[Any, ...]:
        """Return what all claims of a group have in common."""
        return tuple(self.equal), tuple(self.ranges.items())


class ClaimedRows:
    """The claims of a batch, grouped so that few statements cover them.

    A later claim about the same rows replaces an earlier one, whose number of records is outdated:
    a tap may deliver rows twice, such as those of a program in two markets.
    """

    def __init__(self, claims: Sequence[Claim], plan: ColumnPlan, scope: Iterable[str]) -> None:
        self.problems: list[str] = []
        """Why claims were left out, for the log."""
        self._kinds = {name: column.kind for name, column in plan.columns.items()}
        self._keys = plan.keys
        columns = {name: plan.identifiers.get(name) for name in scope}
        latest: dict[tuple[Any, ...], tuple[_Converted, int]] = {}
        for claim in claims:
            try:
                converted = self._converted(claim, columns)
            except UnusableClaimError as error:
                self.problems.append(str(error))
            else:
                latest[converted.group, tuple(converted.equal.values())] = (converted, claim.rows)
        self._groups: dict[tuple[Any, ...], list[tuple[_Converted, int]]] = {}
        for (group, _), member in latest.items():
            self._groups.setdefault(group, []).append(member)

    def groups(self) -> list[ClaimGroup]:
        """Return the claims in the form that adapters take."""
        return [
            ClaimGroup(self._equal([each for each, _ in members]), members[0][0].ranges)
            for members in self._groups.values()
        ]

    def drop_miscounted(self, delivered: Iterable[pa.Table]) -> None:
        """Leave out claims whose number of records differs from what the tap has written."""
        counts: Counter[tuple[int, int]] = Counter()
        for chunk in delivered:
            for group, found in enumerate(self._inside(chunk)):
                for value in pc.value_counts(found[_CLAIM]).to_pylist():
                    counts[group, value["values"]] += value["counts"]
        confirmed: dict[tuple[Any, ...], list[tuple[_Converted, int]]] = {}
        for group, (key, members) in enumerate(self._groups.items()):
            for number, (converted, rows) in enumerate(members):
                count = counts[group, number]
                if rows == count:
                    confirmed.setdefault(key, []).append((converted, rows))
                else:
                    self.problems.append(f"{count} records arrived inside it, not {rows}")
        self._groups = confirmed

    def keys_inside(self, delivered: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Yield the delivered keys that lie inside the claims."""
        kinds = {name: self._kinds[name] for name in self._keys}
        for chunk in delivered:
            for found in self._inside(chunk):
                if len(found):
                    yield conformed(found.select(self._keys), kinds)

    def _inside(self, chunk: pa.Table) -> Iterator[pa.Table]:
        """Yield the rows of a chunk that are inside each group, with the number of their claim."""
        for (equal, _), members in self._groups.items():
            rows = self._in_ranges(chunk, members[0][0].ranges)
            if not equal:
                claim = pa.repeat(pa.scalar(0, pa.int64()), len(rows))
                yield rows.append_column(_CLAIM, claim)
                continue
            claims = self._equal([each for each, _ in members])
            number = pa.array(range(len(claims)), pa.int64())
            by = [f"\0{name}" for name in equal]
            right = pa.table([self._comparable(claims[name], name) for name in equal], names=by)
            for name, each in zip(equal, by, strict=True):
                rows = rows.append_column(each, self._comparable(rows[name], name))
            yield rows.join(
                right.append_column(_CLAIM, number), by, join_type="inner", use_threads=False
            ).drop_columns(by)

    def _in_ranges(self, rows: pa.Table, ranges: Mapping[str, tuple[Any, Any]]) -> pa.Table:
        for name, (start, end) in ranges.items():
            values = conformed(rows.select([name]), {name: self._kinds[name]})[name]
            if self._kinds[name] is ColumnType.NUMBER:
                inside = pa.array(
                    [
                        value is not None and start <= Decimal(value) < end
                        for value in values.to_pylist()
                    ],
                    pa.bool_(),
                )
            else:
                least, most = (pa.scalar(bound, values.type) for bound in (start, end))
                inside = pc.and_(pc.greater_equal(values, least), pc.less(values, most))
            rows = rows.filter(inside)
        return rows

    def _comparable(self, values: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
        """Return values in a form in which equal ones compare as equal, such as 1 and 1.0."""
        kind = self._kinds[name]
        values = conformed(pa.table({name: values}), {name: kind})[name]
        if kind is ColumnType.NUMBER:
            return uniform_numbers(values)
        return values

    def _equal(self, members: Sequence[_Converted]) -> pa.Table:
        """Return the values of claims as a table with a row for each claim."""
        return pa.table(
            {
                name: pa.array(
                    [member.equal[name] for member in members], ARROW_TYPES[self._kinds[name]]
                )
                for name in members[0].equal
            }
        )

    def _converted(self, claim: Claim, columns: Mapping[str, str | None]) -> _Converted:
        equal: dict[str, Any] = {}
        ranges: dict[str, tuple[Any, Any]] = {}
        for name in sorted(claim.where):
            column = columns.get(name)
            if column is None or column not in self._kinds:
                raise UnusableClaimError(f"the property {name!r} has no column")
            kind, range_ = self._kinds[column], bounds(claim.where[name])
            if range_ is None:
                equal[column] = _value(name, kind, claim.where[name])
                if equal[column] is None or kind is ColumnType.JSON:
                    raise UnusableClaimError(f"the property {name!r} has no value to compare")
                continue
            if kind not in _ORDERED:
                raise UnusableClaimError(f"the property {name!r} has a range, but is {kind}")
            start, end = (_value(name, kind, bound) for bound in range_)
            if start is None or end is None:
                raise UnusableClaimError(f"the range of the property {name!r} needs two bounds")
            number = kind is ColumnType.NUMBER
            ranges[column] = (Decimal(start), Decimal(end)) if number else (start, end)
        return _Converted(equal, ranges)


def _value(name: str, kind: ColumnType, value: Any) -> Any:
    """Return the value that a record's property would have in its column."""
    try:
        return exact.convert(kind, exact.to_json(value))
    except (exact.TooNarrow, ValueError) as error:
        raise UnusableClaimError(f"the property {name!r} is {kind}: {error}") from error
