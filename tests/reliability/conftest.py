"""Fixtures of the experiments that take a while to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.reliability import database
from tests.reliability.database import Database
from tests.reliability.fork_server import ForkServer


@pytest.fixture(scope="package")
def forks() -> Iterator[ForkServer]:
    with ForkServer() as forks:
        yield forks


@pytest.fixture(scope="package")
def server() -> Iterator[Database]:
    with database.serving() as server:
        yield server
