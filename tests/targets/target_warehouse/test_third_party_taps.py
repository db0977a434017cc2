"""Taps of other projects, from the package registry, loaded into the warehouse."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.targets.target_warehouse.oracle import cells, same
from tests.targets.target_warehouse.proxy import Proxy
from tests.targets.target_warehouse.warehouses import Warehouse

Row = Mapping[str, Any]
Installer = Callable[[str, str], Path]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installer:
    """Installs a tap into a separate environment once; returns its executable."""
    ready: dict[str, Path] = {}

    def install(requirement: str, executable: str) -> Path:
        if requirement not in ready:
            folder = tmp_path_factory.mktemp(executable)
            try:
                _install(folder, requirement)
            except subprocess.CalledProcessError as error:
                if "CI" in os.environ:
                    raise
                pytest.skip(f"{requirement} cannot be installed: {error.stderr[-300:]}")
            ready[requirement] = folder / "bin" / executable
        return ready[requirement]

    return install


def _install(folder: Path, requirement: str) -> None:
    python = folder / "bin" / "python"
    if uv := shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}"):
        make = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder]
        install = [uv, "pip", "install", "--quiet", "--python", python, requirement]
    else:
        make = [sys.executable, "-m", "venv", folder]
        install = [python, "-m", "pip", "install", "--quiet", requirement]
    for command in (make, install):
        subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)


def extracted(
    tap: Path, folder: Path, config: Mapping[str, Any], *, select: bool = False
) -> list[str]:
    """Return the lines that a tap emits."""
    given = folder / "tap.json"
    given.write_text(json.dumps(config))
    command: list[str | Path] = [tap, "--config", given]
    if select:
        found = subprocess.run([*command, "--discover"], check=True, capture_output=True, text=True)
        catalog = json.loads(found.stdout)
        for entry in catalog["streams"]:
            for each in entry["metadata"]:
                each["metadata"]["selected"] = True
        (folder / "catalog.json").write_text(json.dumps(catalog))
        command += ["--catalog", folder / "catalog.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def assert_landed(warehouse: Warehouse, table: str, rows: Iterable[Row]) -> None:
    """Assert that a table holds these rows, whatever the types of its columns."""
    types = warehouse.types(table)
    found = cells(warehouse, table, types)
    wanted = list(rows)
    assert len(found) == len(wanted)
    for row in wanted:
        assert [
            each
            for each in found
            if all(same(value, each[name], types[name]) for name, value in row.items())
        ], f"{row} is not among {found}"


def load_twice(warehouse: Warehouse, lines: list[str]) -> None:
    run = warehouse.execute(*lines)
    assert run.code == 0, run.stderr
    assert run.states[-1] == json.loads(lines[-1])["value"]
    warehouse.load(*lines, add_record_metadata=True)


def test_tap_spreadsheets(warehouse: Warehouse, installed: Installer, tmp_path: Path) -> None:
    tap = installed("tap-spreadsheets==1.1.2", "tap-spreadsheets")
    rows = [
        {"sku": "A1", "name": 'Chair, "oak"', "price": "199.90", "day": "2024-02-29"},
        {"sku": "007", "name": "Tisch 🙂", "price": "1e-7", "day": "soon"},
        {"sku": "A3", "name": "", "price": "", "day": ""},
    ]
    file = tmp_path / "products.csv"
    quoted = [[value.replace('"', '""') for value in row.values()] for row in rows]
    lines = ["sku,name,price,day", *[",".join(f'"{each}"' for each in row) for row in quoted]]
    file.write_text("\n".join(lines) + "\n")
    described = {"path": str(file), "format": "csv", "table_name": "products"}

    messages = extracted(tap, tmp_path, {"files": [described | {"primary_keys": ["sku"]}]})
    load_twice(warehouse, messages)
    assert_landed(warehouse, "products", [{**row, "_sdc_filename": str(file)} for row in rows])


def test_tap_jsonl(warehouse: Warehouse, installed: Installer, tmp_path: Path) -> None:
    tap = installed("tap-jsonl==0.3.1", "tap-jsonl")
    texts = """\
{"id": 1, "name": "a", "price": 1.9, "at": "2024-02-29T12:00:00+02:00", "more": {"a": [1]}, "m": 7}
{"id": 2, "name": "", "price": 7, "at": "2024-02-29T10:00:00Z", "more": {}, "m": "seven"}
{"id": 12345678901234567890, "name": "tab\\tnew\\nline", "extra": true}
"""
    at = datetime(2024, 2, 29, 10, tzinfo=UTC)
    rows: list[Row] = [
        {"id": Decimal(1), "name": "a", "price": Decimal("1.9"), "m": Decimal(7), "at": at}
        | {"more": {"a": [Decimal(1)]}, "extra": None},
        {"id": Decimal(2), "name": "", "price": Decimal(7), "m": "seven", "at": at}
        | {"more": {}, "extra": None},
        {"id": Decimal(12345678901234567890), "name": "tab\tnew\nline", "extra": True}
        | {"price": None, "m": None, "at": None, "more": None},
    ]
    file = tmp_path / "things.jsonl"
    file.write_text(texts)

    config = {"path": str(file), "stream_name": "things", "primary_keys": ["id"]}
    load_twice(warehouse, extracted(tap, tmp_path, config))
    assert_landed(warehouse, "things", rows)


def test_tap_dbf(warehouse: Warehouse, installed: Installer, tmp_path: Path) -> None:
    tap = installed("tap-dbf==0.1.25", "tap-dbf")
    fields = [("ID", "N", 10, 0), ("CITY", "C", 12, 0), ("OPENED", "D", 8, 0), ("RENT", "N", 12, 2)]
    values = [("1", "Kiel", "20240229", "1999.90"), ("2", "O'Brien", "19991231", "0.10")]
    (tmp_path / "shops.dbf").write_bytes(dbf(fields, [*values, ("3", "", "", "")]))

    # Without a key, records that are loaded twice are stored twice.
    messages = extracted(tap, tmp_path, {"path": f"{tmp_path}/*.dbf"})
    load_twice(warehouse, messages)
    rows = [
        {"ID": Decimal(1), "CITY": "Kiel", "OPENED": date(2024, 2, 29), "RENT": Decimal("1999.9")},
        {"ID": Decimal(2), "CITY": "O'Brien", "OPENED": date(1999, 12, 31), "RENT": Decimal("0.1")},
        {"ID": Decimal(3), "CITY": "", "OPENED": None, "RENT": None},
    ]
    assert_landed(warehouse, "shops", rows * 2)


def dbf(fields: Iterable[tuple[str, str, int, int]], rows: Iterable[Iterable[str]]) -> bytes:
    """A dBASE III file."""
    fields, rows = list(fields), list(rows)
    sizes = [size for _, _, size, _ in fields]
    head = struct.pack("<4BLHH20x", 3, 124, 2, 29, len(rows), 33 + 32 * len(fields), 1 + sum(sizes))
    for name, kind, size, decimals in fields:
        head += struct.pack("<11sc4xBB14x", name.encode(), kind.encode(), size, decimals)
    texts = [
        "".join(value.ljust(size) for value, size in zip(row, sizes, strict=True)) for row in rows
    ]
    return head + b"\r" + "".join(f" {text}" for text in texts).encode() + b"\x1a"


COLUMNS = {
    "id": "bigint PRIMARY KEY",
    "small": "smallint",
    "price": "numeric(20,4)",
    "rate": "double precision",
    "flag": "boolean",
    "name": "text",
    "day": "date",
    "at": "timestamptz",
    "local": "timestamp",
    "clock": "time",
    "more": "jsonb",
    "tags": "text[]",
}
ROWS: list[Row] = [
    {
        "id": Decimal(1),
        "small": Decimal(7),
        "price": Decimal("1234567890123456.7891"),
        "rate": Decimal("0.1"),
        "flag": True,
        "name": "å'\"\t",
        "day": date(2024, 2, 29),
        "at": datetime(2024, 2, 29, 12, 0, 0, 123456, UTC),
        "local": datetime(2024, 2, 29, 12, 0, tzinfo=UTC),
        "clock": time(12, 30, 0, 500000),
        "more": {"a": [Decimal("1.10"), None]},
        "tags": ["a", "b,c"],
    },
    {
        "id": Decimal(-(2**63)),
        "small": Decimal(-1),
        "price": Decimal("0.0001"),
        "rate": Decimal("1e300"),
        "flag": False,
        "name": "",
        "day": date(1, 1, 1),
        "at": datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
        "local": datetime(1970, 1, 1, tzinfo=UTC),
        "clock": time(),
        "more": [],
        "tags": [],
    },
    {**dict.fromkeys(COLUMNS), "id": Decimal(2)},
]


def test_tap_postgres(
    warehouse: Warehouse, installed: Installer, postgres_url: str, tmp_path: Path
) -> None:
    tap = installed("meltanolabs-tap-postgres==0.10.0", "tap-postgres")
    columns = ", ".join(f"{name} {type_}" for name, type_ in COLUMNS.items())
    with psycopg.connect(postgres_url, options="-c TimeZone=UTC") as connection:
        connection.execute("CREATE SCHEMA source")
        connection.execute(f"CREATE TABLE source.everything ({columns})".encode())
        for row in ROWS:
            more = None if row["more"] is None else json.dumps(row["more"], default=float)
            places = ", ".join(["%s"] * len(row))
            connection.execute(
                f"INSERT INTO source.everything VALUES ({places})".encode(),
                list({**row, "more": more}.values()),
            )
    with Proxy(postgres_url) as proxy:  # it wants a host and a port
        parts = urlsplit(proxy.url)
        config = {
            "host": parts.hostname,
            "port": parts.port,
            "user": parts.username,
            "password": "none is asked for",
            "database": parts.path[1:],
            "filter_schemas": ["source"],
            "json_as_object": True,
        }
        messages = extracted(tap, tmp_path, config, select=True)
    load_twice(warehouse, messages)
    assert_landed(warehouse, "source-everything", ROWS)
