"""Random messages of a tap: the loader reports errors in one line and loads all valid rows.

The suite uses fixed examples. `FUZZ_EXAMPLES=5000 scripts/test
tests/reliability/test_fuzz_messages.py` generates new ones.
"""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from singer_sdk.exceptions import InvalidInputLine, RecordsWithoutSchemaException
from target_warehouse.errors import LoadError, RecordsRejectedError
from target_warehouse.target import TargetWarehouse

from tests.reliability.fuzz import few, spoilt_bytes, spoilt_documents
from tests.reliability.matrix_warehouse import landed
from tests.signals import signals_kept

EXPECTED = (InvalidInputLine, RecordsWithoutSchemaException, LoadError, RecordsRejectedError)
"""The loader's own errors; the command line prints their text."""
TYPES = {"id": "integer", "text": "string", "amount": "number", "flag": "boolean", "some": "object"}
PROPERTIES = {name: {"type": [kind, "null"]} for name, kind in TYPES.items()}


def messages() -> list[dict[str, Any]]:
    """Return messages of two streams in turn; every record has a different id."""
    made: list[dict[str, Any]] = [
        {
            "type": "SCHEMA",
            "stream": stream,
            "schema": {"type": "object", "properties": PROPERTIES},
            "key_properties": ["id"],
        }
        for stream in ("a", "b")
    ]
    for number in range(1, 13):
        row = {"id": number, "text": f"t{number}", "amount": number / 4, "flag": True}
        made.append({"type": "RECORD", "stream": "ab"[number % 2], "record": {**row, "some": {}}})
        if number % 4 == 0:
            made.append({"type": "STATE", "value": {"reached": number}})
    return made


MESSAGES = messages()
LINES = [json.dumps(each).encode() for each in MESSAGES]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("warehouse") / "warehouse.duckdb"


@few(20)
@given(data=st.data())
def test_any_message(path: Path, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(LINES) - 1))
    message = data.draw(spoilt_documents(MESSAGES[place]))
    judge(path, place, json.dumps(message, default=float).encode())


@few(20)
@given(data=st.data())
def test_any_bytes(path: Path, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(LINES) - 1))
    judge(path, place, data.draw(spoilt_bytes(LINES[place])))


def judge(path: Path, place: int, spoilt: bytes) -> None:
    """Load the messages with one of them spoilt, and check what was loaded."""
    note(repr(spoilt))
    path.unlink(missing_ok=True)
    lines = [*LINES[:place], spoilt, *LINES[place + 1 :]]
    error, states = load(path, b"\n".join(lines) + b"\n")
    if error is not None:
        assert isinstance(error, EXPECTED), f"{type(error).__name__}: {error}"
        assert "\n" not in str(error)
    of_record = MESSAGES[place]["type"] == "RECORD" and b"STATE" not in spoilt
    if of_record:
        assert [each for each in states if {"type": "STATE", "value": each} not in MESSAGES] == []
    held = read(path)
    good = covered(error, states, place, lines)
    for number, message in enumerate(MESSAGES[:good]):
        described = MESSAGES[place].get("stream") == message.get("stream") and not of_record
        if message["type"] == "RECORD" and number != place and not described:
            key = (message["stream"], message["record"]["id"])
            assert key in held, f"line {number + 1} is lost"


def covered(error: Exception | None, states: list[Any], place: int, lines: list[bytes]) -> int:
    """Return the number of lines that must be loaded.

    All lines after a success; the lines before the spoilt one if the loader recognised it as
    invalid; else the lines up to the last state.
    """
    if error is None or isinstance(error, RecordsRejectedError):
        return len(lines)
    if "is not a Singer message" in str(error) or "no schema yet" in str(error):
        return place
    return MESSAGES.index({"type": "STATE", "value": states[-1]}) if states else 0


def read(path: Path) -> set[tuple[str, Any]]:
    """Return the stream and the id of every row."""
    tables = landed(path) if path.exists() else {}
    return {(name, row.get("id")) for name, rows in tables.items() for row in rows}


def load(path: Path, text: bytes, **more: Any) -> tuple[Exception | None, list[Any]]:
    output = io.StringIO()
    config = {"url": f"duckdb:///{path}", "add_record_metadata": False, **more}
    error: Exception | None = None
    with signals_kept(), redirect_stdout(output):
        try:
            TargetWarehouse(config=config).listen(io.BytesIO(text))  # type: ignore[arg-type] # bytes
        except Exception as raised:  # noqa: BLE001 - the test examines all of them
            error = raised
    return error, [json.loads(line) for line in output.getvalue().splitlines()]
