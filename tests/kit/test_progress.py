from __future__ import annotations

import logging
import signal
import sys
from types import SimpleNamespace
from typing import Any

import click
import pytest
from tap_ecdp.tap import TapEcdp

from attribution_elt.kit.errors import CredentialsError, UnitError
from attribution_elt.kit.plugin import PluginCommand
from attribution_elt.kit.reader import Progress


def test_failed_units_are_counted_in_the_progress(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stream: Any = SimpleNamespace(name="orders", emitted=3)
    progress = Progress(logging.getLogger("tap-x"), [stream])
    progress.step(3)
    for _ in range(2):
        progress.step(3, failed=True)
    progress.log(3)
    (record,) = caplog.records
    assert record.getMessage() == "orders: 3 of 3 units (2 failed), 3 records"
    assert record.__dict__["units_failed"] == 2


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (UnitError("orders of May: returned 500"), "failed; the next run retries it: orders of"),
        (CredentialsError("shop: returned 401"), "failed: shop: returned 401"),
    ],
)
def test_a_refused_key_is_not_reported_as_retried(
    error: UnitError, text: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # the command sets it
    logger = logging.getLogger("tap-x")
    command = PluginCommand("tap-x", params=[], callback=lambda: None, logger=logger)
    context = click.Context(command, obj=SimpleNamespace(failures=[error]))
    with context, pytest.raises(click.exceptions.Exit):
        command.invoke(context)
    logging.captureWarnings(capture=False)
    assert caplog.messages[-1].startswith(text)


def test_a_plugin_inside_another_command_leaves_its_signals_alone() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(each) for each in numbers]
    TapEcdp(config={"api_key": "any", "start_date": "2026-01-01"})
    assert [signal.getsignal(each) for each in numbers] == before
