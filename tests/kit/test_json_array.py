from __future__ import annotations

import io
import json
import random
import tracemalloc
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from attribution_elt.kit.json import array as json_array

STRINGS = (
    "",
    "},{",
    "],[",
    '"},{"',
    "\\",
    '\\"',
    "{[}]",
    "a,b",
    "żółć 日本 🧦",
    "line\nbreak\ttab",
    "data",
    '"data":[',
)
NUMBERS = (
    0,
    -1,
    2**70,
    -(2**63),
    Decimal("249.50"),
    Decimal("-0.000000000000000000001"),
    Decimal("1E+2"),
    Decimal("0.1000000000000000055511151231257827"),
)
SPACES = ("", "", "", " ", "\n", "\t \r\n  ")


def read(text: bytes, *names: str) -> list[Any]:
    file = io.BytesIO(text)
    index = json_array.index(file, names)
    rows = list(json_array.elements(file, index))
    assert index.count == len(rows)
    return rows


def refused(text: bytes, *names: str) -> bool:
    try:
        json_array.index(io.BytesIO(text), names)
    except ValueError:
        return True
    return False


def reference(text: bytes) -> Any:
    """Return what the standard library reads; lone surrogates are replaced."""
    document = json.loads(text, parse_float=Decimal)
    json.dumps(document, default=str, ensure_ascii=False).encode()
    return document


def value(rng: random.Random, depth: int) -> Any:
    kind = rng.randrange(3 if depth == 0 else 6)
    if kind == 0:
        return rng.choice(STRINGS)
    if kind == 1:
        return rng.choice(NUMBERS)
    if kind == 2:
        return rng.choice((None, True, False))
    if kind == 3:
        return [value(rng, depth - 1) for _ in range(rng.randrange(4))]
    return {rng.choice(STRINGS): value(rng, depth - 1) for _ in range(rng.randrange(4))}


def spell(rng: random.Random, some: Any) -> str:
    """Return JSON with blanks where JSON allows them."""

    def pieces() -> Iterator[str]:
        space = rng.choice(SPACES)
        if isinstance(some, dict):
            items = (f"{space}{json.dumps(k)}{space}:{spell(rng, v)}" for k, v in some.items())
            yield "{" + (",".join(items) or space) + "}"
        elif isinstance(some, list):
            yield "[" + (",".join(spell(rng, each) for each in some) or space) + "]"
        elif isinstance(some, Decimal):
            yield str(some)
        else:
            yield json.dumps(some, ensure_ascii=rng.random() < 0.5)

    before, after = rng.choice(SPACES), rng.choice(SPACES)
    return before + "".join(pieces()) + after


def array(rng: random.Random) -> list[Any]:
    """Draw an array of objects, as vendors send them, or of any values."""
    if rng.random() < 0.5:
        return [{"id": n, "v": value(rng, 2)} for n in range(rng.randrange(40))]
    return [value(rng, 3) for _ in range(rng.randrange(30))]


@pytest.mark.parametrize("seed", range(60))
def test_any_array_is_read_as_the_standard_library_reads_it(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(json_array, "BLOCK", rng.choice((1, 2, 3, 7, 16, 61, 500)))
    text = spell(rng, array(rng)).strip().encode()
    read_as, expected = read(text), reference(text)
    assert read_as == expected
    assert list(map(repr, read_as)) == list(map(repr, expected))  # every digit, every type


@pytest.mark.parametrize("seed", range(60))
def test_an_array_in_an_envelope_is_found_between_other_members(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(json_array, "BLOCK", rng.choice((200, 500)))
    before: dict[str, Any] = {
        "a": 1,
        "b": None,
        "c": -2.5e3,
        "d": 'say "},{"',
        "ok": True,
        "meta": {"total": 1},
    }
    before |= {"own": {"data": [1], "rows": []}, "all": [{"data": [2]}, []], "text": '"data":['}
    before = {key: before[key] for key in rng.sample(sorted(before), rng.randrange(4))}
    after = {key: value(rng, 2) for key in ("next", "total")[: rng.randrange(3)]}
    rows = [{"id": n, "v": value(rng, 2)} for n in range(rng.randrange(40))]
    text = spell(rng, {**before, "data": rows, **after}).encode()
    expected = reference(text)
    assert read(text, "rows", "data") == expected.pop("data")
    assert json_array.index(io.BytesIO(text), ("data",)).members == expected


def test_a_byte_order_mark_is_skipped() -> None:
    assert read(b"\xef\xbb\xbf [1, 2]") == [1, 2]
    assert read(b'\xef\xbb\xbf{"a": 1, "data": [3]}', "data") == [3]


@pytest.mark.parametrize("block", [1, 3, 8, 1 << 20])
def test_a_text_cut_at_any_byte_is_refused(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_array, "BLOCK", block)
    text = '[{"a": "},{"}, {"b": [1, {"ż": "\\u00e9"}]},\n{"c": 12.50}]'.encode()
    assert read(text) == reference(text)
    for end in range(len(text)):
        assert refused(text[:end])


@pytest.mark.parametrize("block", [40, 1 << 20])
def test_an_envelope_cut_at_any_byte_is_refused(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_array, "BLOCK", block)
    text = b'{"status": 200, "data": [{"a": "],}"}, {"b": 1}], "total": {"n": [2]}}'
    assert read(text, "data") == reference(text)["data"]
    for end in range(len(text)):
        assert refused(text[:end], "data")


@pytest.mark.parametrize("seed", range(10))
def test_a_long_text_cut_at_random_bytes_is_refused(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(json_array, "BLOCK", 300)
    text = spell(rng, [{"id": n, "v": value(rng, 2)} for n in range(100)]).strip().encode()
    for end in (*rng.sample(range(len(text)), 40), len(text) - 1):
        assert refused(text[:end])


@pytest.mark.parametrize("seed", range(10))
def test_a_byte_lost_in_the_middle_never_loses_or_changes_an_element(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(json_array, "BLOCK", 80)
    whole = spell(rng, [{"id": n, "v": value(rng, 1)} for n in range(30)]).encode()
    for at in rng.sample(range(len(whole)), 60):
        text = whole[:at] + whole[at + 1 :]
        try:
            expected = reference(text)
        except ValueError:
            assert refused(text)
        else:
            assert read(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        b'[{"a": "\xff"}]',
        b'[{"a": "\xc5"}, {"b": 1}]',
        b'[{"a": 1}, {"\xed\xa0\x80": 1}]',
        b'["' + b"x" * 100 + b'\xe9"]',
    ],
)
@pytest.mark.parametrize("block", [4, 1 << 20])
def test_text_that_is_not_utf8_is_refused(
    text: bytes, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_array, "BLOCK", block)
    assert refused(text)


@pytest.mark.parametrize(
    "text",
    [
        b"[1, 2] [3]",
        b"[1, 2],",
        b"[1,, 2]",
        b"[1, , 2]",
        b"[1, 2,]",
        b"[,1]",
        b"[ , 1]",
        b'[{"a": 1} {"b": 2}]',
        b"[{'a': 1}]",
        b"[NaN]",
        b"[01]",
        b'[{"a": 1}}, {{"b": 2}]',
        b'[{"a": 1}], [{"b": 2}]',
        b"[1]garbage",
    ],
)
@pytest.mark.parametrize("block", [1, 3, 1 << 20])
def test_malformed_arrays_are_refused(
    text: bytes, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_array, "BLOCK", block)
    assert refused(text)


@pytest.mark.parametrize("text", [b"", b"  ", b'{"data": []}', b"null", b'"[1]"', b"<html>[1]"])
def test_documents_that_are_not_arrays_are_detected(text: bytes) -> None:
    with pytest.raises(json_array.NotAnArrayError):
        read(text)


@pytest.mark.parametrize(
    "text", [b'{"data": {}}', b'{"rows": []}', b'{"inner": {"data": [1]}}', b"{}"]
)
def test_an_object_without_the_expected_member_is_not_an_array(text: bytes) -> None:
    with pytest.raises(json_array.NotAnArrayError):
        read(text, "data")


def test_memory_stays_flat_while_an_array_is_read() -> None:
    row = json.dumps({"id": 1, "name": "x" * 900, "inner": [{"a": 1}, {"a": 2}]}).encode()

    def peak(rows: int) -> int:
        file = io.BytesIO(b"[" + b",".join([row] * rows) + b"]")
        tracemalloc.start()
        assert sum(1 for _ in json_array.elements(file, json_array.index(file))) == rows
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(20_000) < 1.25 * peak(5_000)


def test_an_element_larger_than_a_block_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_array, "BLOCK", 10)
    text = json.dumps([{"a": list(range(500))}, {"b": "},{" * 200}]).encode()
    assert read(text) == reference(text)
