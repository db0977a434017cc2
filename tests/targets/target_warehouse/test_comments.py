"""Descriptions of properties, which become the comments of columns."""

from __future__ import annotations

from typing import Any

import pytest
from target_warehouse.warehouses.duckdb.adapter import DuckDBAdapter
from target_warehouse.warehouses.postgresql.adapter import PostgreSQLAdapter

from tests.targets.target_warehouse.warehouses import (
    Line,
    PostgreSQL,
    Warehouse,
    record,
    schema,
    state,
    warnings_in,
)


@pytest.fixture(params=["duckdb", "postgresql"])
def commented(request: pytest.FixtureRequest) -> Warehouse:
    found: Warehouse = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the loader executes."""
    seen: list[str] = []

    def watch(adapter: type[Any]) -> None:
        execute = adapter.execute

        def watched(self: Any, sql: str) -> list[tuple[Any, ...]]:
            seen.append(sql)
            rows: list[tuple[Any, ...]] = execute(self, sql)
            return rows

        monkeypatch.setattr(adapter, "execute", watched)

    watch(DuckDBAdapter)
    watch(PostgreSQLAdapter)
    return seen


def described(**descriptions: str) -> list[Line]:
    """Messages of a stream whose properties have these descriptions."""
    properties: dict[str, Any] = {
        name: {"type": ["number", "null"], "description": text}
        for name, text in descriptions.items()
    }
    orders = schema("orders", id="integer", plain="string", **properties)
    return [orders, record("orders", id=1, **dict.fromkeys(descriptions, 0.5)), state(1)]


def comments(commented: Warehouse) -> dict[str, str | None]:
    return dict(
        commented.rows(
            "SELECT attname, col_description(attrelid, attnum) FROM pg_attribute "
            "WHERE attrelid = 'orders'::regclass AND attnum > 0"
            if isinstance(commented, PostgreSQL)
            else "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'orders'"
        )
    )


@pytest.mark.parametrize("method", ["upsert", "append-only", "overwrite"])
def test_descriptions_become_comments(commented: Warehouse, method: str) -> None:
    text = "Share of the order's value: 0 to 1, not \\' percent"
    commented.load(*described(ihc=text), load_method=method)
    assert comments(commented) == {"id": None, "plain": None, "ihc": text}

    commented.load(*described(ihc="0 to 1", weight="0\0 to 100 \ud800"), load_method=method)
    assert comments(commented) == {
        "id": None,
        "plain": None,
        "ihc": "0 to 1",
        "weight": "0 to 100 \ufffd",
    }


def test_only_comments_that_differ_are_written(commented: Warehouse, statements: list[str]) -> None:
    names = [f"column_{number}" for number in range(30)]
    commented.load(*described(**dict.fromkeys(names, "old")))
    assert len([sql for sql in statements if sql.startswith("COMMENT ON COLUMN")]) == 30

    statements.clear()
    commented.load(*described(**dict.fromkeys(names, "old")))
    without = len(statements)
    assert not [sql for sql in statements if "COMMENT ON COLUMN" in sql]

    statements.clear()
    commented.load(*described(**{**dict.fromkeys(names, "old"), "column_7": "new"}))
    assert len(statements) == without + 1
    assert comments(commented)["column_7"] == "new"


def test_a_renamed_column_gets_the_comment(commented: Warehouse) -> None:
    commented.load(*described(amount="in EUR", Amount="in SEK"))
    found = comments(commented)
    assert found.pop("amount") == "in EUR"
    assert [text for name, text in found.items() if name.startswith("Amount_")] == ["in SEK"]


def test_a_role_that_does_not_own_the_table_loads_without_comments(
    postgresql: PostgreSQL, guest: PostgreSQL, caplog: pytest.LogCaptureFixture
) -> None:
    postgresql.load(*described(ihc="old"))
    caplog.clear()
    run = guest.load(*described(ihc="new"))

    assert run.states == [1]
    assert comments(postgresql)["ihc"] == "old"
    assert [text for text in warnings_in(caplog) if "orders" in text] == [
        "stream 'orders': the columns get no comments: must be owner of relation orders"
    ]
