"""The measured loaders, their versions, settings and command lines."""

from __future__ import annotations

import compileall
import json
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from loaders.databases import path_of
from loaders.products import KEYS

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
ENVIRONMENTS = HERE.parent / ".venvs"
EXECUTABLE = str(Path(sys.executable).parent / "target-warehouse")
TARGET_POSTGRES = (
    "meltanolabs-target-postgres==0.8.1",
    "singer-sdk==0.54.9",
    "sqlalchemy==2.1.9",
    "psycopg[binary]==3.3.6",
)
TARGET_DUCKDB = ("target-duckdb==0.8.0", "duckdb==2.0.0")
DLT = (
    "dlt[duckdb,parquet,postgres]==1.31.0",
    "adbc-driver-postgresql==1.13.0",
    "duckdb==2.0.0",
    "pyarrow==26.0.1",
)


@dataclass(frozen=True)
class Run:
    """The database and the files of a load.

    Attributes:
        data: path of the data, without the suffix.
        folder: a folder that is kept from the first load to the reload.
    """

    url: str
    data: Path
    folder: Path

    @property
    def place(self) -> str:
        """The URL, or the path of a DuckDB file, as most loaders take it."""
        return path_of(self.url)

    def config(self, **settings: Any) -> str:
        """Write a configuration; return its path."""
        path = self.folder / "config.json"
        path.write_text(json.dumps(settings))
        return str(path)


@dataclass(frozen=True)
class Contender:
    """A loader.

    Attributes:
        table: the table that it loads.
        requirements: requirements of its environment; if empty, it runs in the project's.
    """

    name: str
    table: str
    command: Callable[[Run], list[str]]
    requirements: tuple[str, ...] = ()


def prepare(requirements: tuple[str, ...] = ()) -> None:
    """Create an environment, unless it is up to date; without requirements, use the project's."""
    if not requirements:
        compile_own()
        return
    folder = environment(requirements)
    wanted = folder / "requirements.txt"
    if wanted.exists() and wanted.read_text() == "\n".join(requirements):
        return
    print(f"Making {folder} ...", file=sys.stderr)
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [f"{folder}/bin/pip", "install", "--quiet", *requirements],
    ):
        subprocess.run(command, check=True)  # noqa: S603 - our own command line
    wanted.write_text("\n".join(requirements))


@cache
def compile_own() -> None:
    """Compile the project's modules, as pip does in a new environment."""
    compileall.compile_dir(sysconfig.get_path("purelib"), quiet=2)
    for package in ("attribution_elt", "schemas", "taps", "targets"):
        compileall.compile_dir(PROJECT / package, quiet=2)


def environment(requirements: tuple[str, ...]) -> Path:
    """Return the folder of an environment."""
    return ENVIRONMENTS / requirements[0].partition("==")[0].partition("[")[0]


def floor(database: str, suffix: str, *keys: str) -> Callable[[Run], list[str]]:
    """Call the database's own bulk load."""
    return lambda run: [
        sys.executable, f"{HERE}/floor.py", database, run.place, f"{run.data}{suffix}", *keys,
    ]  # fmt: skip


def target_warehouse(run: Run) -> list[str]:
    """Call target-warehouse at its defaults."""
    return [EXECUTABLE, "--config", run.config(url=run.url)]


def target_postgres(**settings: Any) -> Callable[[Run], list[str]]:
    """Call MeltanoLabs' loader."""
    executable = f"{environment(TARGET_POSTGRES)}/bin/target-postgres"
    return lambda run: [
        executable,
        "--config",
        run.config(
            sqlalchemy_url=run.url.replace("postgresql:", "postgresql+psycopg:"), **settings
        ),
    ]


def target_duckdb() -> Callable[[Run], list[str]]:
    """Call the loader of that name, at its defaults."""
    executable = f"{environment(TARGET_DUCKDB)}/bin/target-duckdb"
    return lambda run: [
        executable, "--config", run.config(path=run.place, default_target_schema="shop"),
    ]  # fmt: skip


def dlt(destination: str, form: str) -> Callable[[Run], list[str]]:
    """Call dlt with the settings in `dlt_singer.py`."""
    python = f"{environment(DLT)}/bin/python"
    # dlt requires a host; libpq prefers the socket at the end of the URL
    return lambda run: [
        python,
        f"{HERE}/dlt_singer.py",
        destination,
        run.place.replace("@/", "@localhost/"),
        str(run.folder),
        form,
    ]


CONTENDERS = {
    "PostgreSQL": (
        Contender("raw COPY", "public.products", floor("postgresql", ".csv")),
        Contender("raw COPY, same key", "public.products", floor("postgresql", ".csv", *KEYS)),
        Contender("target-warehouse", "public.products", target_warehouse),
        Contender("dlt, Arrow in", "shop.products", dlt("postgres", "arrow"), DLT),
        Contender("dlt, dictionaries in", "shop.products", dlt("postgres", "dictionaries"), DLT),
        Contender(
            "target-postgres, at its best",
            "melty.products",
            target_postgres(use_copy=True, validate_records=False),
            TARGET_POSTGRES,
        ),
        Contender("target-postgres", "melty.products", target_postgres(), TARGET_POSTGRES),
    ),
    "DuckDB": (
        Contender("raw read_json", "main.products", floor("duckdb", ".ndjson")),
        Contender("target-warehouse", "main.products", target_warehouse),
        Contender("dlt, Arrow in", "shop.products", dlt("duckdb", "arrow"), DLT),
        Contender("target-duckdb", "shop.products", target_duckdb(), TARGET_DUCKDB),
    ),
}
"""Contenders by database, the floor first."""
