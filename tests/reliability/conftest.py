"""What the experiments share, as it takes a while to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.reliability import database
from tests.reliability.database import Database
from tests.reliability.warm import Warm


@pytest.fixture(scope="package")
def warm() -> Iterator[Warm]:
    with Warm() as warm:
        yield warm


@pytest.fixture(scope="package")
def server() -> Iterator[Database]:
    with database.serving() as server:
        yield server
