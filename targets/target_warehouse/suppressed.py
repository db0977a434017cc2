"""Removes the values that identify forgotten people from rows before they are loaded."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
from typing_extensions import override

from attribution_elt.core.events import SUPPRESSED
from attribution_elt.core.people import Finder, Personal, decoded, encoded
from attribution_elt.core.pseudonyms import person_key
from target_warehouse.columns import Columns, ColumnType
from target_warehouse.decode import LINE
from target_warehouse.system_tables import SystemTable
from target_warehouse.warehouses.base import Adapter, ClaimGroup, Sweep, WarehouseError

TABLE = SystemTable(SUPPRESSED, "person text, suppressed_at timestamp")
"""The people to leave out; `person` is a keyed hash."""
_SEARCHED = {ColumnType.TEXT, ColumnType.JSON}


class Suppressed(Finder):
    """The people in the table `_suppressed`.

    Args:
        people: their pseudonyms, as `attribution-elt forget` has written them.
        key: the key of the pseudonyms of plain values.
    """

    def __init__(self, people: Collection[str], key: str) -> None:
        self._people = people
        self._key = key

    @override
    def is_person(self, text: str) -> bool:
        # a tap with `pii: hash` delivers pseudonyms
        return text in self._people or person_key(text, self._key) in self._people

    def without_people(self, rows: pa.Table, personal: Personal, columns: Columns) -> pa.Table:
        """Return rows without these people; personal columns have the names of the table."""
        kinds = {name: columns[name].kind for name in rows.column_names if name in columns}
        searched = [name for name, kind in kinds.items() if kind in _SEARCHED]
        found = pa.repeat(pa.scalar(value=False), len(rows))
        for name in searched:
            is_json = kinds[name] is ColumnType.JSON
            theirs = self._naming(rows[name], personal=name in personal.pii, is_json=is_json)
            found = pc.or_(found, theirs)
        theirs = rows.filter(found)
        if not len(theirs):
            return rows
        others = rows.filter(pc.invert(found))
        return pa.concat_tables([others, self._erased(theirs, personal, kinds)]).sort_by(LINE)

    def without_claims(self, sweep: Sweep) -> Sweep:
        """Return a sweep whose claims and keys do not name these people.

        The result of the sweep is the same, because their rows have been erased. The values would
        reach the database's statistics of temporary tables.
        """
        return replace(
            sweep,
            claims=[ClaimGroup(self._others(each.equal), each.ranges) for each in sweep.claims],
            delivered=lambda: map(self._others, sweep.delivered()),
        )

    def _others(self, keys: pa.Table) -> pa.Table:
        """Return the rows that do not name these people."""
        for name in keys.column_names:
            if pa.types.is_string(keys.schema.field(name).type):
                keys = keys.filter(pc.invert(self._naming(keys[name], personal=True)))
        return keys

    def _naming(
        self, column: pa.ChunkedArray, *, personal: bool, is_json: bool = False
    ) -> pa.ChunkedArray:
        """Return for each text of a column whether it names these people."""
        values = [
            value
            for value in pc.unique(column).to_pylist()
            if value is not None
            and self.finds(decoded(value) if is_json else value, personal=personal)
        ]
        return pc.is_in(column, value_set=pa.array(values, column.type))

    def _erased(
        self, rows: pa.Table, personal: Personal, kinds: Mapping[str, ColumnType]
    ) -> pa.Table:
        json_columns = [name for name, kind in kinds.items() if kind is ColumnType.JSON]
        left = []
        for row in rows.select(list(kinds)).to_pylist():
            for name in json_columns:
                row[name] = decoded(row[name])
            left.append(personal.erased(row, self))
        rows = rows.filter(pa.array([row is not None for row in left], pa.bool_()))
        changed = {name for name, kind in kinds.items() if kind in _SEARCHED}
        for name in (changed | personal.pii | personal.linked) & kinds.keys():
            values = [row[name] for row in left if row is not None]
            if name in json_columns:
                values = [None if each is None else encoded(each) for each in values]
            place = rows.column_names.index(name)
            rows = rows.set_column(place, name, pa.array(values, rows.schema.field(name).type))
        return rows


def people_in(adapter: Adapter) -> frozenset[str]:
    """Return the pseudonyms in the table `_suppressed`, if it exists."""
    if not adapter.columns(SUPPRESSED):
        return frozenset()
    person = adapter.dialect.identifier("person")
    rows = adapter.execute(f"SELECT {person} FROM {adapter.path(SUPPRESSED)}")  # noqa: S608 - names of our own
    return frozenset(value for (value,) in rows)


def read_suppressed(adapter: Adapter, key: str | None) -> Suppressed | None:
    """Return the people in the table `_suppressed`; None if it is empty.

    Raises:
        WarehouseError: the key is not set, so people could come back.
    """
    people = people_in(adapter)
    if not people:
        return None
    if not key:
        raise WarehouseError(
            f"the table {SUPPRESSED} has people to leave out, which needs the setting 'pii_key': "
            "set TARGET_WAREHOUSE_PII_KEY to the key that `attribution-elt forget` has used"
        )
    return Suppressed(people, key)


def renamed(personal: Personal, identifiers: Mapping[str, str]) -> Personal:
    """Return personal columns under their names in the table."""

    def names(properties: Collection[str]) -> frozenset[str]:
        return frozenset(identifiers.get(name, name) for name in properties)

    return replace(
        personal,
        pii=names(personal.pii),
        linked=names(personal.linked),
        lists=names(personal.lists),
        keys=names(personal.keys),
    )
