"""Retries that do not wait."""

from __future__ import annotations

import pytest

from attribution_elt.kit.http import client


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_WAIT", 0.0)
