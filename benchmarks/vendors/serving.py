"""The sandbox in a separate process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import requests

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Served:
    """A vendor of a running sandbox.

    Attributes:
        credentials: the vendor's credentials, by name.
    """

    name: str
    url: str
    credentials: dict[str, str]
    today: date

    @cached_property
    def truth(self) -> Any:
        """All data of the vendor."""
        return self._ask(f"truth/{self.name}")

    @property
    def statuses(self) -> list[int | None]:
        """The requests so far, with the status of each response."""
        return [each["status"] for each in self._ask("requests")[self.name]]

    def _ask(self, path: str) -> Any:
        origin = self.url.partition(f"/{self.name}")[0]
        answer = requests.get(f"{origin}/_sandbox/{path}", timeout=300)
        answer.raise_for_status()
        return json.loads(answer.content, parse_float=Decimal)


@contextmanager
def serve(vendor: str, options: list[str]) -> Iterator[Served]:
    """Serve a sandbox with some options; yield one of its vendors."""
    today = datetime.now(UTC).date()
    process = subprocess.Popen(  # noqa: S603 - our own command line
        [sys.executable, "-m", "attribution_elt.sandbox", f"--today={today}", *options],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        for line in process.stdout or ():
            name, url, *credentials = line.split()
            if name == vendor:
                break
        opened = dict(pair.split("=", 1) for pair in credentials)
        yield Served(vendor, url, opened, today)
    finally:
        process.terminate()
        process.wait()
