"""Tables that other loaders have made are taken over without loss, or refused at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from tests.targets.target_warehouse.stand_in import Snowflake
from tests.targets.target_warehouse.warehouses import (
    PostgreSQL,
    Warehouse,
    record,
    run_sql,
    schema,
    state,
)

ORDERS = schema(
    "orders",
    id="integer",
    note="string",
    qty="integer",
    price="number",
    amount={"type": ["string", "null"], "format": "singer.decimal"},
    moment={"type": ["string", "null"], "format": "date-time"},
    tags={"type": ["array", "null"], "items": {"type": "string"}},
    address="object",
)
NEW = {
    "id": 2,
    "note": "a longer note: Ås, 'quoted'",
    "qty": 9_000_000_000,
    "price": 0.1,
    "amount": "1234567890123456.789012",
    "moment": "2024-02-29T12:00:00.654321+02:00",
    "tags": ["a,b", None],
    "address": {"city": "x\\y"},
}
"""A record that needs more than the types of the other loaders hold."""
OLD = (1, "old", 7, "1.5", "2.25", "2024-01-01 01:00:00", '["a"]', '{"city":"B"}')
"""The row that the other loader has left, as the warehouse must still have it."""

TABLES: Mapping[str, tuple[str, str]] = {
    "postgresql, MeltanoLabs": (
        """id bigint NOT NULL PRIMARY KEY, note text, qty smallint, price numeric, amount numeric,
        moment timestamp without time zone, tags text[], address jsonb,
        _sdc_extracted_at timestamp, _sdc_received_at timestamp, _sdc_batched_at timestamp,
        _sdc_deleted_at timestamp, _sdc_sequence bigint, _sdc_table_version bigint,
        _sdc_sync_started_at bigint""",
        """1, 'old', 7, 1.5, 2.25, '2024-01-01 01:00', ARRAY['a'], '{"city": "B"}',
        now(), now(), now(), NULL, 1, NULL, 1""",
    ),
    "postgresql, pipelinewise": (
        """id numeric PRIMARY KEY, note character varying, qty smallint, price double precision,
        amount character varying, moment timestamp without time zone, tags jsonb, address jsonb,
        _sdc_extracted_at timestamp without time zone, _sdc_batched_at timestamp without time zone,
        _sdc_deleted_at character varying""",
        """1, 'old', 7, 1.5, '2.25', '2024-01-01 01:00', '["a"]', '{"city": "B"}',
        now(), now(), NULL""",
    ),
    "postgresql, datamill": (
        """id bigint, note text, qty bigint, price double precision, amount text,
        moment timestamptz, tags jsonb, address jsonb,
        _sdc_batched_at timestamptz, _sdc_received_at timestamptz, _sdc_sequence bigint,
        _sdc_table_version bigint""",
        """1, 'old', 7, 1.5, '2.25', '2024-01-01 01:00+00', '["a"]', '{"city": "B"}',
        now(), now(), 1, NULL""",
    ),
    "postgresql, dlt": (
        """id bigint NOT NULL, note varchar, qty bigint, price double precision,
        amount numeric(38,9), moment timestamp with time zone, tags jsonb, address jsonb,
        _dlt_load_id varchar NOT NULL, _dlt_id varchar NOT NULL UNIQUE""",
        """1, 'old', 7, 1.5, 2.25, '2024-01-01 01:00+00', '["a"]', '{"city": "B"}', '1', 'x'""",
    ),
    "postgresql, Airbyte": (
        """_airbyte_raw_id varchar NOT NULL, _airbyte_extracted_at timestamptz NOT NULL,
        _airbyte_meta jsonb NOT NULL, _airbyte_generation_id bigint,
        id bigint, note varchar, qty bigint, price numeric(38,9), amount numeric(38,9),
        moment timestamptz, tags jsonb, address jsonb""",
        """'r', now(), '{}', 1,
        1, 'old', 7, 1.5, 2.25, '2024-01-01 01:00+00', '["a"]', '{"city": "B"}'""",
    ),
    "postgresql, Airbyte, old": (
        """id bigint, note varchar, qty bigint, price double precision, amount varchar,
        moment timestamptz, tags jsonb, address jsonb, _airbyte_ab_id varchar,
        _airbyte_emitted_at timestamptz, _airbyte_normalized_at timestamptz,
        _airbyte_orders_hashid text""",
        """1, 'old', 7, 1.5, '2.25', '2024-01-01 01:00+00', '["a"]', '{"city": "B"}',
        'r', now(), now(), 'h'""",
    ),
    "postgresql, Fivetran": (
        """id bigint PRIMARY KEY, note text, qty integer, price double precision,
        amount numeric(14,2), moment timestamp, tags jsonb, address jsonb,
        _fivetran_deleted boolean, _fivetran_synced timestamptz""",
        """1, 'old', 7, 1.5, 2.25, '2024-01-01 01:00', '["a"]', '{"city": "B"}', false, now()""",
    ),
    "postgresql, by hand": (
        """sk bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id integer NOT NULL UNIQUE, note varchar(40) COLLATE "C", qty integer DEFAULT 5,
        price real, amount money, moment timestamp(0), tags varchar(20)[], address json,
        loaded_at timestamptz NOT NULL DEFAULT now(),
        double bigint GENERATED ALWAYS AS (sk * 2) STORED""",
        """DEFAULT, 1, 'old', 7, 1.5, 2.25, '2024-01-01 01:00', ARRAY['a'], '{"city":"B"}',
        DEFAULT, DEFAULT""",
    ),
    "duckdb, target-duckdb": (
        """id HUGEINT, note VARCHAR, qty SMALLINT, price DOUBLE, amount VARCHAR, moment timestamp,
        tags JSON, address JSON, _sdc_extracted_at TIMESTAMP, _sdc_batched_at TIMESTAMP,
        _sdc_deleted_at VARCHAR, PRIMARY KEY (id)""",
        """1, 'old', 7, 1.5, '2.25', '2024-01-01 01:00', '["a"]', '{"city":"B"}',
        now(), now(), NULL""",
    ),
    "duckdb, dlt": (
        """id BIGINT NOT NULL, note VARCHAR, qty BIGINT, price DOUBLE, amount DECIMAL(38,9),
        moment timestamp WITH TIME ZONE, tags JSON, address JSON,
        _dlt_load_id VARCHAR NOT NULL, _dlt_id VARCHAR NOT NULL""",
        """1, 'old', 7, 1.5, 2.25, '2024-01-01 01:00+00', '["a"]', '{"city":"B"}', '1', 'x'""",
    ),
    "duckdb, Airbyte": (
        """_airbyte_raw_id VARCHAR, _airbyte_extracted_at TIMESTAMP, _airbyte_meta JSON,
        id BIGINT, note VARCHAR, qty BIGINT, price DOUBLE, amount VARCHAR,
        moment timestamp WITH TIME ZONE, tags JSON, address JSON""",
        """'r', now(), '{}',
        1, 'old', 7, 1.5, '2.25', '2024-01-01 01:00+00', '["a"]', '{"city":"B"}'""",
    ),
    "duckdb, by hand": (
        """id INTEGER, note VARCHAR, qty UTINYINT, price FLOAT, amount DECIMAL(6,2),
        moment timestamp_S, tags VARCHAR[], address STRUCT(city VARCHAR),
        loaded_at TIMESTAMP DEFAULT current_timestamp""",
        """1, 'old', 7, 1.5, 2.25, '2024-01-01 01:00', ['a'], {'city': 'B'}, DEFAULT""",
    ),
}
NOT_NULL = {
    "postgresql, dlt": ("_dlt_load_id", "_dlt_id"),
    "postgresql, Airbyte": ("_airbyte_raw_id", "_airbyte_extracted_at", "_airbyte_meta"),
    "duckdb, dlt": ("_dlt_load_id", "_dlt_id"),
}
"""Columns that only the other loader fills: the table is refused until they may be null."""


@pytest.fixture
def made(request: pytest.FixtureRequest) -> Warehouse:
    """Return a warehouse with the table of another loader."""
    kind: str = request.param
    name = "postgresql" if kind.startswith("postgresql") else "duckdb"
    warehouse: Warehouse = request.getfixturevalue(name)
    columns, row = TABLES[kind]
    run_sql(
        warehouse,
        f"CREATE TABLE orders ({columns})",
        f"INSERT INTO orders VALUES ({row})",
    )
    return warehouse


def numbers(row: Sequence[Any]) -> tuple[Any, ...]:
    """Return a row whose decimals have no trailing zeros, and whose JSON has no spaces."""
    id_, note, qty, price, amount, at, tags, address = row
    exact = [str(Decimal(each).normalize()) for each in (price, amount)]
    nested = [json.dumps(json.loads(each), separators=(",", ":")) for each in (tags, address)]
    return (int(id_), note, int(qty), *exact, at.removesuffix("+00"), *nested)


def contents(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """Return the rows, each value as text."""
    names = ", ".join(f"CAST({name} AS text)" for name in NEW)
    return [numbers(row) for row in warehouse.rows(f"SELECT {names} FROM orders ORDER BY id")]


@pytest.mark.parametrize("made", [*TABLES], indirect=True)
def test_a_table_of_another_loader_is_taken_over(
    made: Warehouse, request: pytest.FixtureRequest
) -> None:
    kind = request.node.callspec.params["made"]
    lines = (ORDERS, record("orders", **NEW), state(1))
    if blocking := NOT_NULL.get(kind):
        run = made.load(*lines, fails=True, add_record_metadata=True)
        assert run.states == []
        assert all(word in str(run.error) for word in ("orders", "NOT NULL", *blocking))
        assert contents(made) == [OLD]
        run_sql(
            made, *(f"ALTER TABLE orders ALTER COLUMN {name} DROP NOT NULL" for name in blocking)
        )

    assert made.load(*lines, add_record_metadata=True).states == [1]

    new = (
        *(2, NEW["note"], 9_000_000_000, "0.1", NEW["amount"], "2024-02-29 10:00:00.654321"),
        *('["a,b",null]', json.dumps(NEW["address"], separators=(",", ":"))),
    )
    assert contents(made) == [OLD, new]
    made.load(ORDERS, record("orders", **{**NEW, "id": 1}), state(2), add_record_metadata=True)
    assert contents(made) == [(1, *new[1:]), new]


def test_a_table_of_raw_documents_is_taken_over(
    postgresql: PostgreSQL, caplog: pytest.LogCaptureFixture
) -> None:
    """Airbyte's raw tables; a jsonb column cannot hold NUL, so that is removed."""
    run_sql(
        postgresql,
        "CREATE TABLE orders (_airbyte_ab_id varchar PRIMARY KEY, _airbyte_data jsonb,"
        " _airbyte_emitted_at timestamptz DEFAULT now())",
        """INSERT INTO orders VALUES ('a', '{"id": 1}', '2024-01-01')""",
    )
    raw = schema("orders", ["_airbyte_ab_id"], _airbyte_ab_id="string", _airbyte_data="object")

    postgresql.load(raw, record("orders", _airbyte_ab_id="b", _airbyte_data={"id": "x\0"}))

    rows = postgresql.rows("SELECT _airbyte_data FROM orders ORDER BY _airbyte_ab_id")
    assert rows == [({"id": 1},), ({"id": "x"},)]
    assert "'_airbyte_data' of the table 'orders' is jsonb, which cannot hold NUL" in caplog.text


SNOWFLAKE = {
    "MeltanoLabs": (
        """id NUMBER(38,0) NOT NULL PRIMARY KEY, note VARCHAR(16777216), price DOUBLE,
        moment TIMESTAMP_NTZ, _sdc_deleted_at TIMESTAMP_NTZ""",
        "NULL",
    ),
    "pipelinewise": (
        """id NUMBER, note VARCHAR, price FLOAT, moment TIMESTAMP_NTZ,
        _sdc_deleted_at VARCHAR""",
        "NULL",
    ),
    "Fivetran": (
        """id NUMBER(38,0) PRIMARY KEY, note VARCHAR(256), price FLOAT, moment TIMESTAMP_TZ,
        _fivetran_synced TIMESTAMP_TZ""",
        "'2024-01-01'",
    ),
    "dlt": (
        """id NUMBER(19,0) NOT NULL, note VARCHAR, price FLOAT, moment TIMESTAMP_TZ,
        _dlt_id VARCHAR NOT NULL""",
        "'x'",
    ),
}
SOLD = schema(
    "orders",
    id="integer",
    note="string",
    price="number",
    moment={"type": ["string", "null"], "format": "date-time"},
)


@pytest.mark.parametrize("kind", [*SNOWFLAKE])
def test_a_table_of_another_loader_in_snowflake(snowflake: Snowflake, kind: str) -> None:
    columns, last = SNOWFLAKE[kind]
    snowflake.rows(f"CREATE TABLE orders ({columns})")
    snowflake.rows(f"INSERT INTO orders VALUES (1, 'old', 1.2345, '2024-01-01 01:00:00', {last})")
    lines = (
        SOLD,
        record("orders", id=2, note="x" * 300, price=0.1, moment="2024-02-29T12:00:00.654321Z"),
        state(1),
    )
    if kind == "dlt":
        run = snowflake.load(*lines, fails=True)
        assert run.states == []
        assert all(word in str(run.error) for word in ("orders", "_dlt_id", "NOT NULL"))
        snowflake.rows("ALTER TABLE orders ALTER COLUMN _dlt_id DROP NOT NULL")

    assert snowflake.load(*lines).states == [1]

    rows = snowflake.rows(
        "SELECT id, note, CAST(price AS NUMBER(38,4)), CAST(moment AS VARCHAR) "
        "FROM orders ORDER BY id"
    )
    assert [(*row, moment.removesuffix("+00")) for *row, moment in rows] == [
        (1, "old", Decimal("1.2345"), "2024-01-01 01:00:00"),
        (2, "x" * 300, Decimal("0.1000"), "2024-02-29 12:00:00.654321"),
    ]
