"""Keys of rows without a usable one."""

from __future__ import annotations

import hashlib

import pytest

from attribution_elt.kit.records.keys import UniqueKeys, first_text, row_hash, text_hash


def test_repeated_keys_are_numbered_and_never_equal_another_key() -> None:
    keys = UniqueKeys()
    given = ["a", "a", "a#2", "b", "a", "\ud800", "\ud800"]
    found = [keys.of(each) for each in given]
    assert found == ["a", "a#2", "a#2#2", "b", "a#3", "\ud800", "\ud800#2"]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"vin": "V", "stock": "S"}, "V"),
        ({"vin": " \t", "stock": 0}, "0"),
        ({"vin": None, "stock": False}, "False"),
        ({"vin": "", "other": "x"}, None),
        ({}, None),
    ],
)
def test_the_first_text_is_that_of_a_property_that_is_not_blank(
    row: dict[str, object], expected: str | None
) -> None:
    assert first_text(row, "vin", "stock") == expected


def test_the_hash_of_a_row_does_not_depend_on_the_order_of_its_members() -> None:
    assert row_hash({"a": 1, "b": [2]}) == row_hash({"b": [2], "a": 1}) != row_hash({"a": 1})
    assert text_hash("x") == f"sha256:{hashlib.sha256(b'x').hexdigest()}"
    assert text_hash("\ud800") != text_hash("")
