"""Reports of warehouses that cannot be reached, or that the user may not read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from attribution_elt.core.errors import OpsError
from attribution_elt.meltano.project import SCHEMA, Loader
from attribution_elt.meltano.warehouse import title_of
from attribution_elt.models.tables import read_tables
from attribution_elt.reporting.metrics import samples
from attribution_elt.reporting.page import page
from attribution_elt.reporting.reading import read
from tests.reporting.pages import NOW, Reader, made
from tests.reporting.vendors_data import ATTRIBUTIONS, ORDERS, extractors, load, order, session
from tests.targets.target_warehouse.warehouses import Warehouse

ECDP, IHC = "tap-ecdp", "tap-ihc"


def test_a_missing_file_is_not_created(tmp_path: Path) -> None:
    url = f"duckdb:///{tmp_path}/new.duckdb"
    found = read(Loader("target-warehouse", url, SCHEMA), extractors(ECDP), NOW)
    assert found.problem == f"{tmp_path}/new.duckdb does not exist: nothing has been loaded yet"
    assert list(tmp_path.iterdir()) == []


def test_one_unreachable_warehouse_does_not_hide_another(tmp_path: Path) -> None:
    away = Loader("away", "postgresql://me:geheimnis@127.0.0.1:9/db", SCHEMA)
    there = Loader("there", f"sqlite:///{tmp_path}/there.db", None)
    (tmp_path / "there.db").touch()
    every = [read(each, extractors(ECDP), NOW) for each in (away, there)]
    whole = page(every, "dev", NOW, 28)
    text = Reader(whole).text
    assert "Nothing can be shown: postgresql db on 127.0.0.1:9 cannot be read: connection" in text
    assert "Nothing to show: the table attributed_orders does not exist." in text
    assert "geheimnis" not in whole


@pytest.mark.parametrize(
    ("url", "title"),
    [
        ("duckdb:///data/w.duckdb", "duckdb data/w.duckdb"),
        ("duckdb:///md:shop?motherduck_token=geheim", "duckdb md:shop"),
        ("postgresql+psycopg://me:geheim%40@db.example:5433/shop?password=geheim", None),
        ("postgresql:///shop?host=/run/geheim", "postgresql shop on a local socket"),
        ("postgresql://", "postgresql (the user's database) on a local socket"),
        ("snowflake://me:geheim@account/db?warehouse=w", "snowflake account/db"),
        ("dlt+bigquery://project?private_key=geheim", "bigquery project"),
    ],
)
def test_a_warehouse_is_named_without_credentials(url: str, title: str | None) -> None:
    assert title_of(url) == (title or "postgresql shop on db.example:5433")


@contextmanager
def user(postgres_url: str, name: str, rights: str = "") -> Iterator[str]:
    """Yield the URL of a new user, who owns nothing."""
    role = f"report_{name}_{os.getpid()}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN {rights}".encode())
    yield postgres_url.replace("//postgres:", f"//{role}:").replace("//postgres@", f"//{role}@")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {role}".encode())
        connection.execute(f"DROP ROLE {role}".encode())


@pytest.fixture
def reader_url(postgres_url: str) -> Iterator[str]:
    """The URL of a user with read-only access."""
    with user(postgres_url, "reader", "IN ROLE pg_read_all_data") as url:
        yield url


@pytest.fixture
def guest_url(postgres_url: str) -> Iterator[str]:
    """The URL of a user who has no right to any schema of a tap."""
    with user(postgres_url, "guest") as url:
        yield url


@pytest.mark.parametrize("warehouse", ["postgresql"], indirect=True)
def test_a_user_without_rights_gets_no_empty_page(warehouse: Warehouse, guest_url: str) -> None:
    load(warehouse, ECDP, ORDERS, order("1", "2026-03-01", "12", "SMS"))
    load(warehouse, IHC, ATTRIBUTIONS, session("1", "1", "SMS", 1.0))
    guest = Loader("target-warehouse", guest_url, SCHEMA)
    found = read(guest, extractors(ECDP), NOW)
    assert str(found.problem).endswith("cannot be read: permission denied for schema tap_ecdp")
    with pytest.raises(OpsError, match="permission denied for schema tap_ecdp"):
        samples(guest, ["tap_ecdp"])
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        read_tables(guest, extractors(ECDP))

    # schemas of accounts that the user does not have may belong to others
    others = [replace(each, settings={}) for each in extractors(IHC)]
    with psycopg.connect(warehouse.url) as connection:
        connection.execute("CREATE SCHEMA attribution")
        connection.execute("CREATE TABLE attribution.fct_credits (id int)")
        for right in ("USAGE ON SCHEMA", "SELECT ON ALL TABLES IN SCHEMA"):
            name = guest_url.partition("://")[2].partition("@")[0].rstrip(":")
            connection.execute(f"GRANT {right} tap_ecdp TO {name}".encode())
    found = read(guest, [*extractors(ECDP), *others], NOW)
    assert found.problem is None
    assert [place.name for place in found.places] == [ECDP]
    text = Reader(page([found], "dev", NOW, 28)).text
    assert "1 order worth 12 EUR" in text
    assert "The SQL models cannot be read: permission denied for schema attribution." in text
    assert samples(guest, ["tap_ecdp"])
    assert read_tables(guest, [*extractors(ECDP), *others]).has("tap_ecdp", "attributed_orders")


@pytest.mark.parametrize("warehouse", ["postgresql"], indirect=True)
def test_a_user_with_read_only_access_gets_the_whole_page(
    warehouse: Warehouse, reader_url: str
) -> None:
    load(warehouse, ECDP, ORDERS, order("1", "2026-03-01", "12", "SMS"))
    reading = Loader("target-warehouse", reader_url, SCHEMA)
    assert page([read(reading, extractors(ECDP), NOW)], "dev", NOW, 28) == made(warehouse, ECDP)
