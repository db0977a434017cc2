from __future__ import annotations

import gc
import io
import json
import random
import tempfile
import tracemalloc
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from attribution_elt.kit.http import response as bodies
from attribution_elt.kit.http.response import JsonResponse
from attribution_elt.kit.json import document as json_text

EMOJI = "\U0001f984"


def test_nul_is_removed_from_texts_and_names_at_any_depth() -> None:
    text = b'{"a\\u0000": "x\\u0000y", "b": [{"c": "\\u0000"}], "d": 1.50}'
    assert json_text.decode(text) == {"a": "xy", "b": [{"c": ""}], "d": Decimal("1.50")}


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (r"\ud83e", "\ufffd"),
        (r"\uDD84", "\ufffd"),
        (r"\ud83e\ud83e\udd84", "\ufffd" + EMOJI),
        (r"\ud83e\udd84", EMOJI),
        (r"\\ud83e", "\\ud83e"),
        (r"\\\ud83e!", "\\\ufffd!"),
    ],
)
@pytest.mark.parametrize("memory", [1 << 20, 7, 1])
def test_half_of_a_surrogate_pair_becomes_a_replacement_character(
    sent: str, read: str, memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_text, "MEMORY", memory)
    text = f'[{{"a": "padding {sent}"}}, {{"a": "\\ud83d"}}]'.encode()
    body = JsonResponse(io.BytesIO(text), {})
    assert list(body) == [{"a": f"padding {read}"}, {"a": "\ufffd"}]


def test_a_text_without_lone_surrogates_is_unchanged() -> None:
    assert json_text.mended(io.BytesIO(rb'["\ud83e\udd84 \\ud83e"]')) is None


def document(entries: int) -> dict[str, Any]:
    number = random.Random(entries)
    rows = [
        {"id": index, "url": "x" * number.randrange(60), "n": {"m": [index]}}
        for index in range(entries)
    ]
    return {
        "customer": {
            "id": 17,
            "summary": {"35_attrib": [{"total_weight": 50.25}], "events_count": entries},
            "events": [],
            "pageviews": rows,
            "meta": {"pageviews": [1, 2], "nested": {"a": None}},
        },
        "after": [1, True, "z"],
    }


PATHS = ("customer.events", "customer.pageviews", "customer.touchpoints")


def read(text: bytes) -> tuple[Any, set[str], dict[str, list[Any]]]:
    body = JsonResponse(io.BytesIO(text), {}, lists=PATHS)
    return body.document, body.lists, {path: list(body.rows(path)) for path in PATHS}


def test_a_large_document_reads_as_a_small_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps(document(500)).encode()
    small = read(text)
    monkeypatch.setattr(bodies, "LARGE", 100)
    large = read(text)
    assert large == small
    assert small[1] == {"customer.events", "customer.pageviews"}
    assert "pageviews" not in small[0]["customer"]
    assert small[0]["customer"]["meta"]["pageviews"] == [1, 2]
    assert small[0]["customer"]["summary"]["35_attrib"][0]["total_weight"] == Decimal("50.25")
    assert len(small[2]["customer.pageviews"]) == 500


def test_a_truncated_large_document_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "LARGE", 100)
    text = json.dumps(document(50)).encode()
    for end in range(101, len(text) - 1, 37):
        with pytest.raises(ValueError, match=r"\w"):
            read(text[:end])


def peak_of(entries: int) -> int:
    file = io.BytesIO(json.dumps(document(entries)).encode())
    tracemalloc.start()
    body = JsonResponse(file, {}, lists=PATHS)
    assert sum(1 for _ in body.rows("customer.pageviews")) == entries
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_the_lists_of_a_large_document_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "LARGE", 100)
    assert peak_of(60_000) < 1.2 * peak_of(20_000)


def test_a_response_in_a_reference_cycle_closes_its_file() -> None:
    # A file that is still open when it is collected warns, and pytest reports the warning.
    file = tempfile.SpooledTemporaryFile()  # noqa: SIM115 - the response closes it
    file.write(b"[1]")
    response = JsonResponse(file, {})
    response.document = [response]
    del response, file
    gc.collect()


def test_a_repaired_document_is_in_a_file_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(json_text, "MEMORY", 16)
    mended = json_text.mended(io.BytesIO(rb'["jane@mail.example", "\ud83e"]'))
    assert mended is not None
    with closing(mended):
        assert list(tmp_path.iterdir()) == []
        mended.seek(0)
        assert b"jane@mail.example" in mended.read()
