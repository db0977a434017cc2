"""Displays of a run: JSON lines for programs, a status line and a table for people."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from attribution_elt.checks.findings import Finding
from attribution_elt.core.dates import instant
from attribution_elt.core.redaction import redactor
from attribution_elt.core.text import printable
from attribution_elt.meltano.display import Display
from attribution_elt.meltano.execution import pipelines
from attribution_elt.meltano.outcome import Outcome
from attribution_elt.meltano.run_log import COUNTS, Event, Pipeline

WIDE = 110
"""Minimum width of a terminal for the table to have the column `newest`."""
NARROWEST = 80
"""Minimum width of a table: a narrower terminal wraps its lines."""
NARROW = 30
"""Minimum width of a column of text."""


@contextmanager
def display(*, quiet: bool = False) -> Iterator[Display]:
    """Yield the display that suits standard output.

    `quiet` leaves standard output to the result of a command.
    """
    if quiet:
        yield Quiet()
        return
    if not sys.stdout.isatty():
        yield Lines()
        return
    terminal = Terminal(Console(highlight=False, markup=False, emoji=False))
    try:
        yield terminal
    finally:
        terminal.close()


class Lines:
    """Prints JSON objects, one per line."""

    def show(self, event: Event) -> None:
        """Print an event."""
        pipeline = event.pipeline
        about: dict[str, Any] = {"tap": pipeline.tap, "loader": pipeline.loader} if pipeline else {}
        if pipeline and event.kind == "progress":
            about |= {"records": pipeline.records, "rate": round(pipeline.rate, 1)}
        self._write(event.kind, message=event.message, **{**about, **event.fields})

    def note(self, text: str) -> None:
        """Print a note."""
        self._write("note", message=text)

    def summarize(self, outcomes: Sequence[Outcome], skipped: Sequence[str]) -> None:
        """Print the summary."""
        self._write(
            "summary",
            run_id=outcomes[0].run_id if outcomes else None,
            exit_code=exit_code_of(outcomes),
            seconds=round(sum(each.seconds for each in outcomes), 1),
            runs=[
                {"run_id": each.run_id, "task": each.task, "exit_code": each.exit_code}
                for each in outcomes
            ],
            streams=[
                {"tap": pipeline.tap, "loader": pipeline.loader, "stream": stream, **counts}
                for each in outcomes
                for pipeline, stream, counts in each.log.rows()
            ],
            failed_units=sum(len(each.failed_units) for each in pipelines(outcomes)),
            failures=[line for each in outcomes for line in each.complaints],
            skipped=list(skipped),
        )

    @staticmethod
    def _write(kind: str, **fields: Any) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        document = json.dumps({"event": kind, "time": now, **fields}, ensure_ascii=False)
        click.echo(redactor(document))


class Quiet:
    """Prints notes, warnings and errors to standard error."""

    def show(self, event: Event) -> None:
        """Print an event if it is a warning or an error."""
        if event.kind in {"warning", "drift", "days_lost", "error"}:
            self.note(event.message)

    def note(self, text: str) -> None:
        """Print a note."""
        click.echo(_clean(text), err=True)

    def summarize(self, outcomes: Sequence[Outcome], skipped: Sequence[str]) -> None:
        """Print nothing."""


class Terminal:
    """Shows progress in a status line below warnings and errors, and a table at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = Live(Text(), console=console, auto_refresh=False, transient=True)

    def close(self) -> None:
        """Remove the status line."""
        self._status.stop()

    def show(self, event: Event) -> None:
        """Show an event: progress in the status line, warnings and errors above it."""
        pipeline = event.pipeline
        if event.kind in {"progress", "waiting"} and pipeline:
            self._status.start()
            text = Text(_clean(_status(pipeline, event)), no_wrap=True, overflow="ellipsis")
            self._status.update(text, refresh=True)
        elif event.kind == "output":
            self.note(event.message)
        elif event.kind in {"warning", "drift", "days_lost", "error"}:
            name = pipeline.tap if pipeline else "meltano"
            colour = "red" if event.kind == "error" else "yellow"
            self._write((event.kind, colour), f"  {name}: {event.message}")

    def note(self, text: str) -> None:
        """Show a line."""
        self._write(text)

    def summarize(self, outcomes: Sequence[Outcome], skipped: Sequence[str]) -> None:
        """Show the counts of every stream, the failures, and the commands that show their logs."""
        self.close()
        for outcome in outcomes:
            for pipeline, kind, times in outcome.log.repeated_warnings():
                self._write(
                    ("warning", "yellow"), f"  {pipeline.tap}: {times} more such warnings: {kind}"
                )
        header: tuple[str, ...] = ("tap", "stream", *COUNTS, "newest")
        rows = list(_rows(outcomes))
        narrow = self._console.width < WIDE
        if narrow:
            header, rows = header[:-1], [row[:-1] for row in rows]
        if rows:
            # a table for a narrower terminal would lose columns and digits
            wide = Console(file=self._console.file, width=max(self._console.width, NARROWEST))
            wide.print(table(header, rows, padding=1 if narrow else 2))
        if skipped:
            self.note(f"skipped, without credentials: {', '.join(skipped)}")
        for outcome in outcomes:
            for line in outcome.complaints:
                self._write(("failed", "red"), f"  {line}")
        for outcome in outcomes:
            self._end(outcome)

    def _end(self, outcome: Outcome) -> None:
        """Show how a run ended, and where its log is if it failed."""
        after = f" after {outcome.seconds:.0f} s"
        if not outcome.exit_code:
            self._write(f"{outcome.task} ", ("succeeded", "green"), after)
            return
        failed = f"failed with exit code {outcome.exit_code}"
        self._write(f"{outcome.task} ", (failed, "red"), after)
        command = "scripts/meltano" if Path("scripts/meltano").exists() else "meltano"
        self._write(f"  log: {command} logs show {outcome.run_id}")

    def _write(self, *parts: str | tuple[str, str]) -> None:
        clean = [_clean(part) if isinstance(part, str) else part for part in parts]
        self._console.print(Text.assemble(*clean), soft_wrap=True)


def exit_code_of(outcomes: Sequence[Outcome]) -> int:
    """Return the exit code of all runs: a signal's, Meltano's if one ran, or 1 if any failed.

    It is 1 without runs, because nothing was loaded.
    """
    for each in outcomes:
        if each.interrupted or len(outcomes) == 1:
            return each.exit_code
    return int(not outcomes or any(each.exit_code for each in outcomes))


def _status(pipeline: Pipeline, event: Event) -> str:
    if event.kind == "waiting":
        until = instant(event.fields["until"]).astimezone()
        parts = [f"waiting for quota until {until:%H:%M:%S}"]
    else:
        done, total = event.fields["units_done"], event.fields["units_total"]
        parts = [f"{done} units" if total is None else f"{done} of {total} units"]
        if failed := event.fields.get("units_failed"):
            parts.append(f"{failed} failed")
    parts.append(f"{pipeline.records:,} records")
    parts.append(f"{pipeline.rate:,.0f} a second")
    # last, because they may be long and the line is truncated
    parts.extend(event.fields.get("streams", ()))
    return f"{pipeline.tap}: {', '.join(parts)}"


def _rows(outcomes: Iterable[Outcome]) -> Iterator[tuple[Any, ...]]:
    for outcome in outcomes:
        for pipeline, stream, counts in outcome.log.rows():
            newest = counts.get("newest")
            cells = map(counts.get, COUNTS)
            yield (pipeline.tap, stream, *cells, newest and str(newest)[:16])


def table(header: Sequence[str], rows: Sequence[Sequence[Any]], *, padding: int = 2) -> Table:
    """Return a table without borders; numbers are right-aligned, and None is a dash."""
    made = Table(box=None, pad_edge=False, padding=(0, padding, 0, 0))
    for place, name in enumerate(header):
        numbers = all(isinstance(row[place], int | float | Decimal | None) for row in rows)
        justify: Any = "right" if numbers else "left"
        made.add_column(name, justify=justify, no_wrap=numbers, overflow="fold")
    for row in rows:
        made.add_row(*(Text(_cell(each)) for each in row))
    return made


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float | Decimal):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else _clean(str(value))


def _clean(text: str) -> str:
    return printable(redactor(text))


def show_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print findings: a line each, or one JSON object."""
    if as_json:
        checks = [{"ok": each.passed, **asdict(each)} for each in findings]
        document = {"ok": all(each.passed for each in findings), "checks": checks}
        click.echo(redactor(json.dumps(document, indent=2, ensure_ascii=False)))
        return
    names = [" ".join(filter(None, (each.subject, each.part))) for each in findings]
    width = max(map(len, names), default=0)
    for name, each in zip(names, findings, strict=True):
        passed = each.passed
        mark = click.style("ok   ", fg="green") if passed else click.style("to do", fg="red")
        text = _clean("; ".join(each.problems or each.facts))
        click.echo(f"{mark}  {name:{width}}  {_indented(text, len('to do') + 2 + width + 2)}")


def _indented(text: str, column: int) -> str:
    """Return a text whose further lines on a terminal begin in the same column."""
    room = shutil.get_terminal_size().columns - column
    if not sys.stdout.isatty() or room < NARROW:
        return text
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return f"\n{'':{column}}".join(lines)
