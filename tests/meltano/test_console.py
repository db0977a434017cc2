"""The filter of Meltano's console output."""

from __future__ import annotations

import logging
import sys
from typing import Any

from attribution_elt.meltano.console import ConsoleFilter

TAP = "meltano.plugin.stderr.extractors.tap-ecdp"


def record(name: str, level: int, message: Any, *, error: BaseException | None = None) -> Any:
    exc_info = (type(error), error, None) if error else None
    return logging.LogRecord(name, level, __file__, 1, message, None, exc_info)


def line(name: str, level: int, text: str, **fields: Any) -> Any:
    return record(name, level, {"event": text, "string_id": name.rpartition(".")[2], **fields})


def test_plugin_lines_without_an_event_are_dropped_and_warnings_are_kept() -> None:
    console = ConsoleFilter()
    assert not console.filter(line(TAP, logging.INFO, "Skipping parse of env var settings..."))
    assert console.filter(line(TAP, logging.INFO, "9 of 9 units", elt_event="progress"))
    assert console.filter(line(TAP, logging.WARNING, "a property without a column: 'new'"))


def test_the_last_line_repeats_the_causes_and_is_an_error() -> None:
    console = ConsoleFilter()
    assert console.filter(line(TAP, logging.ERROR, "returned 401"))
    assert not console.filter(record("root", logging.ERROR, "Extractor failed"))
    last = line("meltano.cli.run", logging.INFO, "Run completed", status="failure")
    assert console.filter(last)
    assert last.msg["event"] == "Run failed\n  tap-ecdp: returned 401"
    assert (last.levelno, last.msg["level"]) == (logging.ERROR, "error")


def test_an_error_that_a_plugin_prints_is_shown_as_an_error() -> None:
    console = ConsoleFilter()
    printed = line("meltano.plugin.stderr.loaders.target-warehouse", logging.INFO, "Error: no disk")
    assert console.filter(printed)
    assert printed.levelno == logging.ERROR
    last = line("meltano.cli.run", logging.INFO, "Run completed")
    console.filter(last)
    assert last.msg["event"].endswith("target-warehouse: no disk")


def test_tracebacks_are_dropped_only_after_an_error_of_a_plugin() -> None:
    console = ConsoleFilter()
    broken = record("meltano", logging.ERROR, "", error=BrokenPipeError())
    assert console.filter(broken), "without another cause it is the cause"
    console.filter(line(TAP, logging.ERROR, "returned 401"))
    assert not console.filter(broken)
    assert not console.filter(line("meltano", logging.ERROR, "", exc_info=sys.exc_info()))


def test_a_failure_of_meltano_itself_is_kept() -> None:
    console = ConsoleFilter()
    assert console.filter(record("root", logging.ERROR, "Extractor failed"))
    last = line("meltano.cli.run", logging.INFO, "Run completed", status="success")
    assert console.filter(last)
    assert last.msg["event"] == "Run completed"
