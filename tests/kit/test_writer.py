from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
from contextlib import redirect_stdout
from decimal import Decimal

import pytest
from singer_sdk.singerlib import RecordMessage, SchemaMessage, StateMessage

from attribution_elt.kit import writer as module
from attribution_elt.kit.writer import LineWriter


class Pipe(io.BytesIO):
    """Keeps the data that arrives, one entry per write."""

    def __init__(self) -> None:
        super().__init__()
        self.arrivals: list[bytes] = []

    def write(self, some: object) -> int:
        self.arrivals.append(bytes(some))  # type: ignore[call-overload] # any buffer
        return len(self.arrivals[-1])


def write(records: int, size: int = 10, *, state: bool = False) -> list[bytes]:
    pipe = Pipe()
    with redirect_stdout(io.TextIOWrapper(pipe)):
        writer = LineWriter()
        prefix = writer.record_prefix("orders")
        for number in range(records):
            writer.write_record(prefix, {"n": number, "text": "ż" * size})
        if state:
            writer.write_message(StateMessage({"bookmarks": {}}))
        else:
            writer.flush()
        arrivals = list(pipe.arrivals)
    return [each for each in arrivals if each]


def test_every_record_is_a_separate_line() -> None:
    lines = b"".join(write(1000)).splitlines()
    messages = [json.loads(line) for line in lines]
    assert [message["record"]["n"] for message in messages] == list(range(1000))
    assert {(each["type"], each["stream"]) for each in messages} == {("RECORD", "orders")}


def test_only_whole_lines_are_written() -> None:
    arrivals = write(2000, size=100)
    assert len(arrivals) > 3
    assert all(each.endswith(b"}\n") for each in arrivals)


def test_records_are_buffered_and_written_before_a_state() -> None:
    (arrival,) = write(100, state=True)
    *_, last_record, state = arrival.splitlines()
    assert json.loads(last_record)["record"]["n"] == 99
    assert json.loads(state)["type"] == "STATE"


def test_a_slow_vendor_s_records_do_not_wait_for_a_full_buffer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.0)
    assert len(write(5)) == 5


def test_the_age_of_the_buffer_counts_from_the_last_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(step=module.FLUSH_SECONDS / 4)
    monkeypatch.setattr("time.monotonic", clock.__next__)
    arrivals = write(12)
    assert all(len(each.splitlines()) > 1 for each in arrivals)
    assert len(arrivals) > 1


def test_numbers_keep_their_digits_and_texts_their_letters() -> None:
    record = {
        "money": Decimal("249.50"),
        "tiny": Decimal("0.10000000000000000000001"),
        "id": 2**70,
        "text": 'żółć "}\n\t\\ 🧦 </script>',
        "nested": [{"a": Decimal("1.10")}, None, True],
    }
    pipe = io.BytesIO()
    with redirect_stdout(io.TextIOWrapper(pipe)):
        writer = LineWriter()
        writer.write_record(writer.record_prefix("a stream"), record)
        writer.write_message(RecordMessage("a stream", record))
        writer.flush()
        lines = pipe.getvalue().splitlines()
    for line in lines:
        message = json.loads(line, parse_float=Decimal)
        assert (message["type"], message["stream"]) == ("RECORD", "a stream")
        assert repr(message["record"]) == repr(record)


def test_a_record_that_cannot_be_encoded_leaves_no_partial_line() -> None:
    output = io.TextIOWrapper(io.BytesIO())
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    with redirect_stdout(output):
        writer = LineWriter()
        prefix = writer.record_prefix("rows")
        with pytest.raises(RecursionError):
            writer.write_record(prefix, {"value": nested})
        writer.write_record(prefix, {"value": 1})
        writer.flush()
    output.seek(0)
    assert [json.loads(line)["record"] for line in output] == [{"value": 1}]


def test_schema_messages_are_written_at_once() -> None:
    pipe = io.BytesIO()
    with redirect_stdout(io.TextIOWrapper(pipe)):
        LineWriter().write_message(SchemaMessage("orders", {"properties": {}}, ["id"]))
        assert json.loads(pipe.getvalue())["key_properties"] == ["id"]


GONE = """
import sys
from attribution_elt.kit.errors import PluginError
from attribution_elt.kit.writer import LineWriter

writer = LineWriter()
prefix = writer.record_prefix("orders")
try:
    while True:
        writer.write_record(prefix, {"text": "x" * 1000})
except PluginError as error:
    sys.exit(str(error))
"""


def test_a_loader_that_exits_is_reported_in_one_line() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", GONE], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr is not None
        complaint = process.stderr.read().decode()
    assert process.returncode == 1
    assert complaint == "the loader closed the pipe before the end\n"
