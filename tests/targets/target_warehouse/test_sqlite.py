"""Behaviour of SQLite alone: affinities instead of types, no schemas, a shared file."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from target_warehouse.columns import Column, ColumnType
from target_warehouse.warehouses.base import Adapter, WarehouseError
from target_warehouse.warehouses.registry import connect

from tests.targets.target_warehouse.warehouses import (
    Line,
    SQLite,
    exactly,
    raw_record,
    record,
    schema,
    singer,
    state,
)

ORDERS = schema("orders", id="integer", note="string")
AMOUNTS = schema("amounts", id="integer", amount="number")


def load_amounts(sqlite: SQLite, *amounts: str, first: int = 0) -> None:
    records = [
        raw_record("amounts", f'{{"id": {number}, "amount": {amount}}}')
        for number, amount in enumerate(amounts, first)
    ]
    sqlite.load(AMOUNTS, *records)


EXACT = [
    *("0", "7", "-7.5", "0.1", "199.00", "199.90", "1234567890.12345", "0.3333333333333333"),
    *("0.30000000000000004", "1e20", "2.5e-300", "1e18", "1.2345678901234567e18"),
    *("9007199254740993", "9007199254740993.0", str(2**63 - 1), str(-(2**63))),
]
INEXACT = [
    *("0.1234567890123456789", "12345678901234567.5", "1.2345678901234567891e18", "1e400"),
    *("1e-400", str(2**63), str(-(2**63) - 1), f"{2**63}.0", "9" * 309, f"-{'9' * 5000}"),
    '"-Infinity"',
]


def test_numbers_that_a_double_shows_to_the_digit_are_numbers(sqlite: SQLite) -> None:
    load_amounts(sqlite, *EXACT)

    rows = sqlite.rows("SELECT amount, typeof(amount) FROM amounts ORDER BY id")
    assert [exactly(amount) for amount, _ in rows] == list(map(exactly, EXACT))
    assert {type_ for _, type_ in rows} == {"integer", "real"}
    assert sqlite.rows("SELECT id FROM amounts WHERE amount BETWEEN 10 AND 200 ORDER BY id") == [
        (EXACT.index("199.00"),),
        (EXACT.index("199.90"),),
    ]


@pytest.mark.parametrize("long", INEXACT)
def test_a_number_that_a_double_cannot_represent_makes_the_column_text(
    sqlite: SQLite, long: str
) -> None:
    load_amounts(sqlite, *EXACT)
    load_amounts(sqlite, long, "199.00", first=len(EXACT))

    rows = sqlite.rows("SELECT amount FROM amounts ORDER BY id")
    assert [exactly(amount) for (amount,) in rows] == [
        exactly(amount.strip('"')) for amount in [*EXACT, long, "199.00"]
    ]
    assert sqlite.types("amounts") == {"id": "bigint", "amount": "text"}


def test_moments_compare_with_those_of_sqlite(sqlite: SQLite) -> None:
    moments = schema("moments", id="integer", at={"type": "string", "format": "date-time"})
    texts = ["0999-12-31T23:59:59Z", "2024-02-29T12:00:00+01:00", "2024-02-29T11:00:00.000001Z"]
    sqlite.load(moments, *[record("moments", id=n, at=text) for n, text in enumerate(texts)])

    assert sqlite.rows("SELECT id, at, strftime('%H', at) FROM moments ORDER BY at") == [
        (0, "0999-12-31 23:59:59.000000+00:00", "23"),
        (1, "2024-02-29 11:00:00.000000+00:00", "11"),
        (2, "2024-02-29 11:00:00.000001+00:00", "11"),
    ]
    after = "at > datetime('2024-03-01 11:00:00', '-1 day')"
    assert sqlite.rows(f"SELECT id FROM moments WHERE {after} ORDER BY id") == [(1,), (2,)]


def execute(sqlite: SQLite, *statements: str) -> None:
    with sqlite.connected() as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("BIGINT", ColumnType.INTEGER),
        ("unsigned int(10)", ColumnType.INTEGER),
        ("VARCHAR(20)", ColumnType.TEXT),
        ("BLOB", ColumnType.TEXT),
        ("", ColumnType.TEXT),
        ("DOUBLE PRECISION", ColumnType.NUMBER),
        ("DECIMAL(10, 2)", ColumnType.NUMBER),
        ("STRING", ColumnType.NUMBER),  # numeric, in spite of its name
        ("bool", ColumnType.BOOLEAN),
        ("DATETIME", ColumnType.TIMESTAMP),
        ("TIMESTAMP(6)", ColumnType.TIMESTAMP),
        ("timestamp without time zone", ColumnType.TIMESTAMP),
        ("DATE", ColumnType.DATE),
        ("time", ColumnType.TIME),
        ("JSON", ColumnType.JSON),
        ("JSON TEXT", ColumnType.JSON),
    ],
)
def test_columns_made_by_other_programs(sqlite: SQLite, declared: str, kind: ColumnType) -> None:
    execute(sqlite, f"CREATE TABLE orders (value {declared})")
    adapter = connect(sqlite.url, None)
    assert adapter.columns("orders") == {"value": Column(kind)}
    adapter.close()


@pytest.mark.parametrize(
    ("declared", "held", "sent", "expected"),
    [
        ("REAL", "1.5", str(2**53 + 1), [1.5, 2**53 + 1]),
        ("STRING", "'a'", '"007"', ["a", "007"]),
        ("BLOB", "7", '"007"', ["7", "007"]),
        ("", "0.30000000000000004", '"007"', ["0.30000000000000004", "007"]),
        ("BLOB", "x'00ff'", '"a"', [b"\x00\xff", "a"]),
        ("JSON", "'{}'", "1.10", ["{}", "1.10"]),
        ("JSON", "1.5", "[]", ["1.5", "[]"]),
        ("JSONB", """'{"a": 1}'""", "[]", ['{"a": 1}', "[]"]),
    ],
)
def test_a_column_that_would_round_values_changes_its_type(
    sqlite: SQLite, declared: str, held: str, sent: str, expected: list[Any]
) -> None:
    create = f'CREATE TABLE "values" (id INTEGER PRIMARY KEY, value {declared})'
    execute(sqlite, create, f'INSERT INTO "values" VALUES (1, {held})')
    kind = {"REAL": "integer", "JSON": "object", "JSONB": "object"}.get(declared, "string")
    described = schema("values", id="integer", value=kind)
    sqlite.load(described, raw_record("values", f'{{"id": 2, "value": {sent}}}'))

    values = [value for (value,) in sqlite.rows('SELECT value FROM "values" ORDER BY id')]
    assert values == expected
    assert list(map(type, values)) == list(map(type, expected))


CREATED = """CREATE TABLE {name} (  -- the shop's, orders (all)
    "id" INTEGER CONSTRAINT "the, key" PRIMARY KEY AUTOINCREMENT,
    note {type} DEFAULT 'a, (b' NOT NULL COLLATE NOCASE CHECK (length(note) <= 3 OR note < 5),
    /* made of (two, columns */ both TEXT GENERATED ALWAYS AS (id || note) STORED,
    `seen,` DATETIME DEFAULT CURRENT_TIMESTAMP,
    parent INTEGER REFERENCES orders (id),
    CHECK (parent <> id),
    UNIQUE (note)
)"""


def test_a_change_of_type_keeps_the_rest_of_the_table(sqlite: SQLite) -> None:
    others = {
        "parents": "CREATE INDEX parents ON orders (parent) WHERE note IS NOT NULL",
        "log": "CREATE TABLE log (id INTEGER)",
        "logged": "CREATE TRIGGER logged AFTER INSERT ON orders "
        "BEGIN INSERT INTO log VALUES (new.id); END",
        "report": "CREATE VIEW report AS SELECT id, note, both FROM orders",
    }
    execute(
        sqlite,
        CREATED.format(name="[orders]", type="numeric (10, 2)"),
        *others.values(),
        "INSERT INTO orders (id, note) VALUES (1, 7.5)",
    )
    sqlite.load(
        ORDERS,
        record("orders", id=2, note="Å"),
        record("orders", id=3),
        record("orders", id=4, note="7.5"),
        record("orders", id=5, note="long"),
        record("orders", id=6, note="å"),
        fails=True,
    )

    kept = dict(sqlite.rows("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    created = CREATED.format(name='"orders"', type="TEXT").replace("COLLATE NOCASE ", "")
    assert " ".join(kept["orders"].split()) == " ".join(created.split())
    assert kept | others == kept
    assert sqlite.rows("SELECT * FROM report") == [
        (1, "7.5", "17.5"),
        (2, "Å", "2Å"),
        (6, "å", "6å"),
    ]
    assert sqlite.rows("SELECT id FROM log ORDER BY id") == [(1,), (2,), (6,)]
    reasons = [reason for (reason,) in sqlite.rows("SELECT reason FROM _rejected")]
    assert sorted(reason.partition(" constraint")[0] for reason in reasons) == [
        "CHECK",
        "NOT NULL",
        "UNIQUE",
    ]


@pytest.mark.parametrize(
    "key",
    [
        "id INTEGER PRIMARY KEY, note",
        "id PRIMARY KEY DESC ON CONFLICT IGNORE, note, 'primary key'",
        """id, note, "primary key" DEFAULT 'primary key', PRIMARY KEY (id, "primary key")""",
    ],
)
def test_a_key_made_by_other_programs_is_replaced(sqlite: SQLite, key: str) -> None:
    execute(sqlite, f"CREATE TABLE orders ({key}, CHECK (note <> 'b'))")
    before = sqlite.types("orders").keys()
    for note in "aab":
        order = record("orders", id=1, note=note)
        sqlite.load(ORDERS, order, load_method="append-only", fails=note == "b")

    assert sqlite.rows("SELECT note FROM orders") == [("a",)] * 2
    assert sqlite.types("orders").keys() == before


@pytest.mark.parametrize("method", ["upsert", "append-only", "overwrite"])
def test_a_key_that_sqlite_fills_stays(sqlite: SQLite, method: str) -> None:
    execute(sqlite, "CREATE TABLE orders (place INTEGER NOT NULL PRIMARY KEY, id INTEGER, note)")
    for note in "aab":
        sqlite.load(ORDERS, record("orders", id=7, note=note), state(note), load_method=method)
    kept = "aab" if method == "append-only" else "b"
    assert sqlite.rows("SELECT place, note FROM orders") == [*enumerate(kept, 1)]


def test_rows_are_counted_whatever_triggers_write(sqlite: SQLite) -> None:
    sqlite.load(ORDERS, *[record("orders", id=number) for number in range(3)])
    execute(
        sqlite,
        "CREATE TABLE log (id)",
        "CREATE TRIGGER i AFTER INSERT ON orders BEGIN INSERT INTO log VALUES (1); END",
        "CREATE TRIGGER u AFTER UPDATE ON orders BEGIN UPDATE log SET id = 2; END",
    )
    orders = [record("orders", id=number, note="a") for number in range(2, 6)]
    sqlite.load(ORDERS, *orders, record("orders", id=1), add_record_metadata=True)

    counts = sqlite.rows("SELECT records, inserted, updated, unchanged FROM _runs")
    assert counts == [(5, 3, 1, 1)]


def test_taps_with_streams_of_the_same_name(sqlite: SQLite) -> None:
    for tap in ("tap_a", "tap_b"):
        sqlite.load(ORDERS, record("orders", id=1, note=tap), default_target_schema=tap)

    assert sqlite.tables() == {"tap_a__orders", "tap_b__orders"}
    assert sqlite.rows("SELECT note FROM tap_a__orders") == [("tap_a",)]


@pytest.mark.parametrize("name", ["tap__a", "tap_", "_"])
def test_a_schema_that_could_be_confused_with_another(sqlite: SQLite, name: str) -> None:
    run = sqlite.load(ORDERS, default_target_schema=name, fails=True)
    assert str(run.error).startswith(f"the setting default_target_schema is {name!r}, but may not")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite://warehouse.db", "the setting url must name a file"),
        ("sqlite://", "the setting url must name a file"),
        ("sqlite:///:memory:", "the setting url must name a file"),
        ("sqlite:////no/such/folder/x.db", "/no/such/folder/x.db: unable to open database file"),
        ("sqlite:///{folder}/text.db", "/text.db: file is not a database"),
        ("sqlite:///{folder}/x.db?timeout=long", "timeout in the setting url must be a number"),
        ("sqlite:///{folder}/x.db?mode=ro", "url has mode; SQLite accepts only timeout"),
    ],
)
def test_a_url_that_is_wrong(tmp_path: Path, url: str, message: str) -> None:
    (tmp_path / "text.db").write_text("not a database" * 100)
    with pytest.raises(WarehouseError) as raised:
        connect(url.format(folder=tmp_path), None)
    assert message in str(raised.value)


def test_a_file_relative_to_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    SQLite("sqlite:///warehouse.db", tmp_path).load(ORDERS)
    assert (tmp_path / "warehouse.db").exists()


def test_a_file_that_stays_locked(sqlite: SQLite) -> None:
    sqlite.load(ORDERS, record("orders", id=1))
    with sqlite.connected() as connection:
        connection.execute("BEGIN IMMEDIATE")
        impatient = SQLite(f"{sqlite.url}?timeout=0.1", sqlite.folder)
        run = impatient.execute(ORDERS, record("orders", id=2), state(2))

    assert run.code == 1
    assert run.states == []
    assert run.stderr.splitlines()[-1] == (
        "Error: stream 'orders': another process has kept the file locked for 0.1 s"
    )
    assert "Traceback" not in run.stderr
    assert sqlite.rows("SELECT id FROM orders") == [(1,)]


def test_a_file_can_be_read_while_it_is_written(sqlite: SQLite) -> None:
    sqlite.load(ORDERS, record("orders", id=1))
    with sqlite.connected() as connection:
        connection.execute("BEGIN")
        assert connection.execute("SELECT count(*) FROM orders").fetchall() == [(1,)]
        sqlite.load(ORDERS, record("orders", id=2))
        assert connection.execute("SELECT count(*) FROM orders").fetchall() == [(1,)]
    assert sqlite.rows("SELECT count(*) FROM orders") == [(2,)]


def test_loads_at_once_wait_for_each_other(sqlite: SQLite) -> None:
    command = sqlite.command(batch_size_rows=2)
    loads = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for number, load in enumerate(loads):
        assert load.stdin
        assert load.stdout
        load.stdin.write(singer(orders(number, range(1))))
        load.stdin.flush()
        assert load.stdout.readline() == "0\n"
    for number, load in enumerate(loads):  # all of them are running now
        assert load.stdin
        load.stdin.write(singer(orders(number, range(1, 15))))
        load.stdin.flush()
    outputs = [load.communicate()[0] for load in loads]

    assert [output.splitlines()[-1] for output in outputs] == ["14"] * 3
    rows = sqlite.rows("SELECT note, count(*), count(DISTINCT id) FROM orders GROUP BY note")
    assert rows == [("all", 15, 15), ("own", 45, 45)]


def orders(load: int, numbers: range) -> Iterator[Line]:
    """Return batches with an order of this load alone, and one that all loads have."""
    yield ORDERS
    for number in numbers:
        yield record("orders", id=number * 3 + load, note="own")
        yield record("orders", id=-1 - number, note="all")
        yield state(number)


def test_settings_of_an_opened_file(sqlite: SQLite) -> None:
    for url, milliseconds in [(sqlite.url, 60_000), (f"{sqlite.url}?timeout=0.5", 500)]:
        adapter = connect(url, None)
        assert adapter.execute("PRAGMA busy_timeout") == [(milliseconds,)]
        assert adapter.execute("PRAGMA journal_mode") == [("wal",)]
        assert adapter.execute("PRAGMA synchronous") == [(2,)]
        adapter.close()


def test_a_column_widened_by_another_load_stays_wide(sqlite: SQLite) -> None:
    narrow = {
        "paid": Column(ColumnType.BOOLEAN),
        "amount": Column(ColumnType.NUMBER),
        "day": Column(ColumnType.DATE),
    }
    ours, theirs = connect(sqlite.url, None), connect(sqlite.url, None)
    ours.ensure("orders", narrow, ())
    ours.commit()
    widened(theirs)

    rows = {
        "paid": pa.array([True]),
        "amount": pa.array(["0.30000000000000004"]),
        "day": pa.array([19782], pa.date32()),
    }
    ours.append("orders", pa.table(rows), narrow)
    assert ours.ensure("orders", narrow, ()) == theirs.columns("orders")
    ours.commit()

    assert sqlite.rows("SELECT paid, amount, day FROM orders") == [
        ("true", "0.30000000000000004", "2024-02-29 00:00:00.000000+00:00")
    ]
    for adapter in (ours, theirs):
        adapter.close()


def widened(adapter: Adapter) -> None:
    text, instant = Column(ColumnType.TEXT), Column(ColumnType.TIMESTAMP)
    adapter.ensure("orders", {"paid": text, "amount": text, "day": instant}, ())
    adapter.commit()


def test_a_database_that_others_hold_open_in_its_old_mode(sqlite: SQLite) -> None:
    with sqlite3.connect(sqlite.folder / "warehouse.db", isolation_level=None) as connection:
        connection.execute("CREATE TABLE mine (id)")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO mine VALUES (1)")
        adapter = connect(sqlite.url, None)
        connection.execute("COMMIT")
        assert adapter.tables() == ["mine"]
        adapter.close()
    connection.close()
