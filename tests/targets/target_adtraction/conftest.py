"""The target that writes the statuses of channels."""

from __future__ import annotations

import pytest

from attribution_elt.sandbox import Sandbox
from tests.targets.target_adtraction.helpers import writer_of
from tests.targets.target_warehouse.warehouses import SQLite
from tests.targets.writing import Writer


@pytest.fixture
def writer(sandbox: Sandbox, sqlite: SQLite) -> Writer:
    """The target with SQLite, the quickest of the warehouses."""
    return writer_of(sandbox, sqlite)
