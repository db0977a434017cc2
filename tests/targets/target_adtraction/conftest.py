"""The target that writes the statuses of channels."""

from __future__ import annotations

from typing import Any

import pytest

from attribution_elt.sandbox import Sandbox
from tests.targets.target_adtraction.helpers import writer_of
from tests.targets.target_warehouse.warehouses import SQLite
from tests.targets.writing import Writer


@pytest.fixture
def writer(sandbox: Sandbox, tmp_path: Any) -> Writer:
    """The target with SQLite, the quickest of the warehouses."""
    return writer_of(sandbox, SQLite(f"sqlite:///{tmp_path}/warehouse.db", tmp_path))
