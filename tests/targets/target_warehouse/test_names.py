"""Names of tables and columns fit the warehouse and never collide."""

from __future__ import annotations

from typing import Any

import pytest
from target_warehouse.names import assign_identifiers
from target_warehouse.warehouses.dialect import SqlDialect
from typing_extensions import override

from tests.targets.target_warehouse.claims import announced, claim, claiming
from tests.targets.target_warehouse.warehouses import Warehouse, record, schema

LONG = "x" * 70
POSTGRESQL = SqlDialect(63)


class Folding(SqlDialect):
    """A database that ignores case and writes names in small letters."""

    @override
    def fold_case(self, name: str) -> str:
        return name.lower()


def test_a_name_that_fits_stays() -> None:
    names = ["id", "select", "Mixed Case", 'a"b', "å", "x" * 63]
    assert assign_identifiers(names, POSTGRESQL) == {name: name for name in names}


def test_a_name_that_is_too_long_ends_in_a_hash() -> None:
    fitted = assign_identifiers([f"{LONG}a", f"{LONG}b", "å" * 40], POSTGRESQL)

    assert len(set(fitted.values())) == 3
    assert all(len(name.encode()) <= 63 for name in fitted.values())
    assert fitted[f"{LONG}a"] == assign_identifiers([f"{LONG}a"], POSTGRESQL)[f"{LONG}a"]
    assert fitted[f"{LONG}a"].startswith("x" * 54 + "_")


def test_names_that_differ_in_case_only() -> None:
    fitted = assign_identifiers(["Id", "id", "ID"], POSTGRESQL)

    assert fitted["Id"] == "Id"
    assert len({name.casefold() for name in fitted.values()}) == 3


def test_a_name_keeps_its_identifier_whatever_comes_with_it() -> None:
    first = assign_identifiers(["Id", "id"], POSTGRESQL)

    assert assign_identifiers(["id", "Id"], POSTGRESQL, existing=first.values()) == first
    assert assign_identifiers(["id"], POSTGRESQL, existing=first.values()) == {"id": first["id"]}
    assert assign_identifiers(["id"], POSTGRESQL, existing=["Id"]) == {"id": first["id"]}


def test_reserved_names_are_not_given() -> None:
    fitted = assign_identifiers(
        ["_sdc_sequence", "_SDC_SEQUENCE"], POSTGRESQL, reserved=["_sdc_sequence"]
    )
    assert "_sdc_sequence" not in {name.casefold() for name in fitted.values()}


def test_names_that_the_warehouse_treats_as_equal() -> None:
    fitted = assign_identifiers(["ID", "id", "NAME"], Folding(63))

    assert fitted["id"] == "id"
    assert fitted["NAME"] == "name"
    assert fitted["ID"].startswith("id_")
    assert assign_identifiers(["id", "ID", "NAME"], Folding(63), existing=fitted.values()) == fitted


@pytest.mark.parametrize(("name", "start"), [("", "_"), ("\0", "_"), ("\ud800", "\ufffd_")])
def test_a_name_without_storable_characters_gets_a_hash(name: str, start: str) -> None:
    assert assign_identifiers([name], POSTGRESQL)[name].startswith(start)


AWKWARD = ["select", "Group", "group", 'quo"te', "spa ce", "per%cent", "dash-ed", "å", "a.b", ""]


def test_awkward_names_of_columns(warehouse: Warehouse) -> None:
    things = schema("things", ["select"], **dict.fromkeys([*AWKWARD, LONG, LONG + "!"], "string"))
    values = {name: f"value of {name}" for name in [*AWKWARD, LONG, LONG + "!"]}
    for _ in range(2):
        warehouse.load(things, record("things", **values))

    [row] = warehouse.rows("SELECT * FROM things")
    assert set(row) == set(values.values())
    assert len(row) == len(values)
    assert set(AWKWARD) - {"group", ""} <= set(warehouse.types("things"))


def test_awkward_names_of_streams(warehouse: Warehouse) -> None:
    names = [name for name in AWKWARD if name] + [LONG, LONG + "!"]
    for order in (names, names[::-1]):
        warehouse.load(
            *(line for each in order for line in (schema(each, id="string"), record(each, id=each)))
        )

    assert len(warehouse.tables()) == len(names)
    for table in warehouse.tables():
        quoted = table.replace('"', '""')
        [(name,)] = warehouse.rows(f'SELECT id FROM "{quoted}"')
        assert table == name or table.startswith(name[:54])


@pytest.mark.one_warehouse
def test_names_with_nul(warehouse: Warehouse) -> None:
    """Columns get the names without it: databases cannot store it."""
    names = ["a\0b", "\0line", "\ud800"]
    things = schema("th\0ings", [names[0]], **dict.fromkeys(names, "string"))
    for value in "xy":
        warehouse.load(
            things,
            record("th\0ings", **dict.fromkeys(names, value)),
            record("th\0ings", **{names[0]: "z", "more\0": value}),
        )

    [table] = warehouse.tables()
    assert sorted(warehouse.types(table)) == ["ab", "line", "more", "\ufffd"]
    assert warehouse.rows(f'SELECT ab, line, more FROM "{table}" ORDER BY ab') == [
        ("x", "x", None),
        ("y", "y", None),
        ("z", None, "y"),
    ]


def test_objects_with_the_names_of_aliases_in_sql(warehouse: Warehouse) -> None:
    odd: dict[str, Any] = {name: {"id": 5} for name in ("new", "held", "old", "excluded")}
    named = dict.fromkeys(odd, "object")
    things = announced(schema("things", id="integer", part="string", **named), "part")
    for vanished in (False, True, False):
        rows = [record("things", id=id_, part="a", **odd) for id_ in range(1, 3 - vanished)]
        done = claiming(1, claim(len(rows), "things", part="a"))
        warehouse.load(things, *rows, done, add_record_metadata=True)
    assert warehouse.rows("SELECT id FROM things ORDER BY id") == [(1,), (2,)]
    runs = warehouse.rows("SELECT inserted, vanished, revived FROM _runs ORDER BY started_at")
    assert runs == [(2, 0, 0), (0, 1, 0), (1, 0, 1)]


@pytest.mark.one_warehouse
@pytest.mark.parametrize("names", [["a", "a\0"], ["\ufffd", "\ud800"]])
def test_properties_that_would_get_the_same_name(warehouse: Warehouse, names: list[str]) -> None:
    things = schema("things", id="integer", **dict.fromkeys(names, "string"))
    run = warehouse.load(
        things,
        record("things", id=1),
        record("things", id=2, **dict.fromkeys(names, "x")),
        fails=True,
    )
    assert "line 3" in str(run.error)
    assert "two of its properties differ only in characters" in str(run.error)
    assert warehouse.rows("SELECT id FROM things") == [(1,)]


@pytest.mark.one_warehouse
def test_streams_do_not_get_the_tables_of_the_loader(warehouse: Warehouse) -> None:
    names = ["_masking", "_rejected", "_runs", "_suppressed", "orders__history", "orders__versions"]
    lines = [line for name in names for line in (schema(name, id="integer"), record(name, id=1))]
    warehouse.load(*lines, record(names[0], id="x"), add_record_metadata=True, fails=True)

    tables = sorted(warehouse.tables() - {"_rejected", "_runs"})
    for table, name in zip(tables, names, strict=True):
        assert table.startswith(f"{name}_")
        assert warehouse.rows(f"SELECT id FROM {table}") == [(1,)]
    assert warehouse.rows("SELECT stream FROM _rejected") == [(names[0],)]
