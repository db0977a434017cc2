"""Runs the real executable, and generates input that can be repeated."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tests import leaks
from tests.targets.target_warehouse.oracle import quoted
from tests.targets.target_warehouse.warehouses import (
    Line,
    Run,
    Warehouse,
    record,
    schema,
    singer,
    state,
)

PATIENCE = 120  # seconds until a waiting test fails


class Loading:
    """A load whose input and output are handled by threads of the test."""

    def __init__(
        self,
        warehouse: Warehouse,
        lines: Iterable[Line],
        *,
        deaf_after: int | None = None,
        **settings: Any,
    ) -> None:
        """Start; after `deaf_after` states, nothing reads its output any more."""
        self.states: list[Any] = []
        self._deaf_after = deaf_after
        self._heard = threading.Condition()
        self._silent = False
        self._errors = b""
        self._settings = {"url": warehouse.url}
        self.process = subprocess.Popen(
            warehouse.command(**settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        threading.Thread(target=self._feed, args=[lines], daemon=True).start()
        self._listeners = [
            threading.Thread(target=listen, daemon=True)
            for listen in (self._listen, self._read_errors)
        ]
        for thread in self._listeners:
            thread.start()

    def _feed(self, lines: Iterable[Line]) -> None:
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError), self.process.stdin as pipe:
            for line in lines:
                pipe.write(singer([line]).encode())
                in_steps = isinstance(lines, InSteps)
                if in_steps or (not isinstance(line, str) and line["type"] == "STATE"):
                    pipe.flush()

    def _listen(self) -> None:
        assert self.process.stdout
        with self.process.stdout as pipe:
            for line in pipe:
                if line.endswith(b"\n"):  # a kill may cut the last one off
                    with self._heard:
                        self.states.append(json.loads(line))
                        self._heard.notify_all()
                if len(self.states) == self._deaf_after:
                    break
        with self._heard:
            self._silent = True
            self._heard.notify_all()

    def _read_errors(self) -> None:
        assert self.process.stderr
        with self.process.stderr as pipe:
            for line in pipe:
                with self._heard:
                    self._errors += line
                    self._heard.notify_all()

    def wait_for(self, states: int) -> None:
        """Wait until so many states have arrived, or the output ends."""
        self._wait(lambda: len(self.states) >= states)

    def wait_for_text(self, text: str) -> None:
        """Wait until a text has arrived on standard error, or the output ends."""
        self._wait(lambda: text.encode() in self._errors)

    def _wait(self, until: Callable[[], bool]) -> None:
        with self._heard:
            assert self._heard.wait_for(lambda: until() or self._silent, PATIENCE)

    def end(self, by: signal.Signals | None = None) -> Run:
        """End it by a signal, or wait for its end."""
        if by is not None:
            self.process.send_signal(by)
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
        for thread in self._listeners:
            thread.join(PATIENCE)
        leaks.guard(self._errors, settings=self._settings)
        return Run(self.states, code=self.process.returncode, stderr=self._errors.decode())


class InSteps:
    """Lines that the test releases step by step."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = lines
        self._passes = threading.Semaphore(0)

    def let_through(self, lines: int) -> None:
        self._passes.release(lines)

    def __iter__(self) -> Iterator[Line]:
        for line in self._lines:
            self._passes.acquire()
            yield line


@dataclasses.dataclass(frozen=True)
class Source:
    """A tap of several alternating streams; it resumes from the given state."""

    records: int
    """Number of records of each stream."""
    keys: int = 700
    """Number of records after which keys repeat."""
    interval: int = 25
    """Number of records of each stream between STATE messages."""

    schemas = (
        schema("orders", id="integer", position="integer", note="string"),
        schema(
            "lines",
            ("order", "number"),
            order="string",
            number="integer",
            position="integer",
            note="object",
        ),
        schema("visits", (), position="integer", note="number"),  # it has no key: it is appended
    )

    def lines(self, reached: Mapping[str, Any] | None = None) -> Iterator[Line]:
        """The messages of a run from a state on."""
        yield from self.schemas
        positions = {each["stream"]: position(reached, each["stream"]) for each in self.schemas}
        for turn in range(min(positions.values()) + 1, self.records + 1):
            for stream, held in positions.items():
                if turn > held:
                    positions[stream] = turn
                    yield record(stream, **self.row(stream, turn))
            if turn % self.interval == 0 or turn == self.records:
                yield state({"bookmarks": {name: {"position": n} for name, n in positions.items()}})

    def row(self, stream: str, position: int) -> dict[str, Any]:
        """Return the record of a stream at a position, counted from 1."""
        match stream:
            case "orders":
                note = f"{position} {'x' * (position * 7 % 200)}"
                return {"id": position % self.keys, "position": position, "note": note}
            case "lines":
                key = {"order": f"A{position * 3 % self.keys}", "number": position % 2}
                return key | {"position": position, "note": {"is": position}}
            case _:
                return {"position": position, "note": position / 4}

    def rows(self, stream: str, up_to: int) -> dict[Any, int]:
        """Return the last position of each key."""
        result = {}
        for each in range(1, up_to + 1):
            result[self.key(stream, self.row(stream, each))] = each
        return result

    @staticmethod
    def key(stream: str, row: Mapping[str, Any]) -> Any:
        """Return the key of a record; its position if the stream has no key."""
        match stream:
            case "orders":
                return row["id"]
            case "lines":
                return (row["order"], row["number"])
            case _:
                return row["position"]


def position(reached: Mapping[str, Any] | None, stream: str) -> int:
    """Return the position of a stream in a state."""
    found: int = (reached or {}).get("bookmarks", {}).get(stream, {}).get("position", 0)
    return found


def found(warehouse: Warehouse, stream: str) -> list[dict[str, Any]]:
    """Return the rows of a stream's table, as the records that they were loaded from."""
    if stream not in warehouse.tables():
        return []
    schemas = {each["stream"]: each["schema"] for each in Source.schemas}
    names = list(schemas[stream]["properties"])
    rows = warehouse.rows(f"SELECT {', '.join(map(quoted, names))} FROM {stream}")
    found = [dict(zip(names, row, strict=True)) for row in rows]
    for row in found:
        if stream == "lines" and isinstance(row["note"], str):
            row["note"] = json.loads(row["note"])
    return found


def assert_covered(warehouse: Warehouse, source: Source, reached: Mapping[str, Any] | None) -> None:
    """Assert that no state is ahead of the data, and that every row is one of the source's."""
    for each in source.schemas:
        stream = each["stream"]
        rows = found(warehouse, stream)
        assert [row for row in rows if row != source.row(stream, row["position"])] == []
        held = {source.key(stream, row): row["position"] for row in rows}
        wanted = source.rows(stream, position(reached, stream))
        assert {key: n for key, n in wanted.items() if held.get(key, 0) < n} == {}
        if each["key_properties"]:
            assert len(rows) == len(held), "a key is there twice"


def assert_complete(warehouse: Warehouse, source: Source, *, once: bool = False) -> None:
    """Assert that the tables equal the source.

    Rows without a key may be there twice, unless `once` is set.
    """
    for each in source.schemas:
        stream = each["stream"]
        rows = found(warehouse, stream)
        held = {source.key(stream, row): row["position"] for row in rows}
        assert held == source.rows(stream, source.records)
        assert not once or len(rows) == len(held)
    assert_covered(warehouse, source, {})


def assert_one_clear_line(run: Run, *words: str) -> None:
    """Assert that a run failed, and that its last line has the reason."""
    lines = run.stderr.splitlines()
    assert run.code == 1, run.stderr
    assert "Traceback" not in run.stderr
    assert [line for line in lines if line.startswith("Error: ")] == lines[-1:]
    for word in words:
        assert word in lines[-1]
