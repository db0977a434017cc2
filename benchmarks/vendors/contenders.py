"""The pipelines from vendors to PostgreSQL, with their versions and settings."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loaders.contenders import DLT, TARGET_POSTGRES, environment

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
OURS = "tap → target-warehouse"
PEERS = (DLT[0], TARGET_POSTGRES[0])


@dataclass(frozen=True)
class Job:
    """The data to read and the database to load.

    Attributes:
        streams: streams of the project's tap.
        folder: a folder for files, with the tap's configuration in `config.json`.
    """

    vendor: str
    streams: tuple[str, ...]
    url: str
    folder: Path

    @property
    def config(self) -> str:
        """The path of the tap's configuration."""
        return str(self.folder / "config.json")

    def write(self, name: str, value: Any) -> str:
        """Write a file; return its path."""
        path = self.folder / name
        path.write_text(json.dumps(value))
        return str(path)


@dataclass(frozen=True)
class Contender:
    """A pipeline from a vendor to PostgreSQL.

    Attributes:
        commands: one command, or two that form a pipe.
        form: form of the tables: see `landed.Table`.
        schema: schema of the tables.
        requirements: requirements of its environment; if empty, it runs in the project's.
    """

    name: str
    commands: Callable[[Job], list[list[str]]]
    form: str
    schema: str
    requirements: tuple[str, ...] = ()


def ours(job: Job) -> list[list[str]]:
    """Pipe the project's tap into target-warehouse, at their defaults."""
    tap = str(BIN / f"tap-{job.vendor}")
    found = subprocess.run(  # noqa: S603 - our own command line
        [tap, "--config", job.config, "--discover"], capture_output=True, check=True
    )
    streams = [
        each | {"metadata": [{"breadcrumb": [], "metadata": {"selected": True}}]}
        for each in json.loads(found.stdout)["streams"]
        if each["stream"] in job.streams
    ]
    catalog = job.write("catalog.json", {"streams": streams})
    loader = job.write("loader.json", {"url": job.url})
    return [
        [tap, "--config", job.config, "--catalog", catalog],
        [str(BIN / "target-warehouse"), "--config", loader],
    ]


def conventional(job: Job) -> list[list[str]]:
    """Pipe a tap on the SDK's defaults into MeltanoLabs' loader at its defaults."""
    url = job.url.replace("postgresql:", "postgresql+psycopg:")
    loader = job.write("loader.json", {"sqlalchemy_url": url})
    tap = [sys.executable, str(HERE.parent / "conventional_tap.py"), job.vendor]
    return [
        [*tap, "--config", job.config],
        [f"{environment(TARGET_POSTGRES)}/bin/target-postgres", "--config", loader],
    ]


def dlt(form: str) -> Callable[[Job], list[list[str]]]:
    """Run dlt's `rest_api` with the settings in `dlt_rest.py`."""
    python, script = f"{environment(DLT)}/bin/python", str(HERE / "dlt_rest.py")
    # dlt requires a host; libpq prefers the socket at the end of the URL
    return lambda job: [
        [
            *(python, script, job.vendor, job.config),
            *(job.url.replace("@/", "@localhost/"), str(job.folder), form),
        ]
    ]


CONTENDERS = (
    Contender(OURS, ours, "own", "public"),
    Contender("dlt, tuned", dlt("tuned"), "nested", "shop", DLT),
    Contender("dlt", dlt("defaults"), "children", "shop", DLT),
    Contender("SDK tap → target-postgres", conventional, "nested", "melty", TARGET_POSTGRES),
)
