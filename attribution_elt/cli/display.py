"""Shows a run to somebody at a terminal, or tells it to a machine."""

from __future__ import annotations

import json
import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click
from typing_extensions import override

from attribution_elt.core.redaction import redactor
from attribution_elt.meltano.run_log import COUNTS, Event, Pipeline, RunLog


class Display(ABC):
    """Where what a run tells goes to."""

    @abstractmethod
    def show(self, event: Event) -> None:
        """Tell an event."""

    @abstractmethod
    def say(self, text: str) -> None:
        """Tell something of our own, in a line."""

    @abstractmethod
    def summarize(self, watch: RunLog, *, run_id: str, exit_code: int, seconds: float) -> None:
        """Tell how it ended."""


def display() -> Display:
    """Return what suits standard output."""
    return Terminal() if sys.stdout.isatty() else Lines()


class Lines(Display):
    """JSON objects, one a line."""

    @override
    def show(self, event: Event) -> None:
        pipeline = event.pipeline
        about: dict[str, Any] = {"tap": pipeline.tap, "loader": pipeline.loader} if pipeline else {}
        if pipeline and event.kind == "progress":
            about |= {"records": pipeline.records, "rate": round(pipeline.rate, 1)}
        self._write(event.kind, message=event.message, **{**about, **event.fields})

    @override
    def say(self, text: str) -> None:
        self._write("note", message=text)

    @override
    def summarize(self, watch: RunLog, *, run_id: str, exit_code: int, seconds: float) -> None:
        self._write(
            "summary",
            run_id=run_id,
            exit_code=exit_code,
            seconds=round(seconds, 1),
            streams=[
                {"tap": pipeline.tap, "loader": pipeline.loader, "stream": stream, **counts}
                for pipeline, stream, counts in watch.rows()
            ],
            failed_units=sum(len(each.failed_units) for each in watch.pipelines.values()),
            failures=watch.complaints,
        )

    @staticmethod
    def _write(kind: str, **fields: Any) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        document = json.dumps({"event": kind, "time": now, **fields}, ensure_ascii=False)
        click.echo(redactor(document))


class Terminal(Display):
    """One line that says how far it is, below what needs to be read."""

    def __init__(self) -> None:
        self._shown = 0

    @override
    def show(self, event: Event) -> None:
        pipeline = event.pipeline
        if event.kind in {"progress", "waiting"} and pipeline:
            self._status(pipeline, event)
        elif event.kind == "output":
            self.say(event.message)
        elif event.kind in {"warning", "drift", "days_lost", "error"}:
            colour = "red" if event.kind == "error" else "yellow"
            name = pipeline.tap if pipeline else "meltano"
            self.say(f"{click.style(event.kind, fg=colour)}  {name}: {event.message}")

    @override
    def say(self, text: str) -> None:
        self._write(redactor(text))
        click.echo()
        self._shown = 0

    def _write(self, text: str) -> None:
        """Write over what the line held."""
        click.echo(f"\r{text:{self._shown}}", nl=False)
        self._shown = len(text)

    def _status(self, pipeline: Pipeline, event: Event) -> None:
        if event.kind == "waiting":
            until = datetime.fromisoformat(event.fields["until"]).astimezone()
            parts = [f"waiting for quota until {until:%H:%M:%S}"]
        else:
            done, total = event.fields["units_done"], event.fields["units_total"]
            parts = [f"{done} units" if total is None else f"{done} of {total} units"]
        parts.append(f"{pipeline.records:,} records")
        parts.append(f"{pipeline.rate:,.0f} a second")
        # last, for it may be long, and the line is cut
        parts.extend(event.fields.get("streams", ()))
        width = shutil.get_terminal_size().columns - 1
        self._write(redactor(f"{pipeline.tap}: {', '.join(parts)}")[:width])

    @override
    def summarize(self, watch: RunLog, *, run_id: str, exit_code: int, seconds: float) -> None:
        header = ("tap", "stream", *COUNTS, "newest")
        rows = [
            (pipeline.tap, stream, *map(counts.get, COUNTS), _minute(counts.get("newest")))
            for pipeline, stream, counts in watch.rows()
        ]
        for line in table(header, rows) if rows else ():
            self.say(line)
        for complaint in watch.complaints:
            self.say(f"{click.style('failed', fg='red')}  {complaint}")
        ended = click.style("succeeded", fg="green")
        if exit_code:
            ended = click.style(f"failed with exit code {exit_code}", fg="red")
        self.say(f"Run {run_id} {ended} after {seconds:.0f} s; its log: meltano logs show {run_id}")


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return rows in columns, numbers to the right; what is not known is a dash."""
    texts = [[_text(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *texts, strict=True)]
    right = [
        all(isinstance(row[place], int) or row[place] is None for row in rows)
        for place in range(len(header))
    ]
    return [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in (header, *texts)
    ]


def _minute(instant: str | None) -> str | None:
    return instant and instant[:16]


def _text(cell: Any) -> str:
    if cell is None:
        return "-"
    return cell if isinstance(cell, str) else f"{cell:,}"
