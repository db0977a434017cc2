from __future__ import annotations

import pytest

from attribution_elt.core.text import printable, storable, without_nul


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("plain", "plain"),
        ("a\x00b", "ab"),
        ("ż\x00", "ż"),
        ("cut \ud83e", "cut \ufffd"),
        ("cut \udd84 and whole 🦄", "cut \ufffd and whole 🦄"),
    ],
)
def test_text_without_nul_and_half_surrogates_can_be_encoded(given: str, expected: str) -> None:
    assert storable(given) == expected
    assert storable(given).encode()


def test_nul_is_removed_from_names_and_nested_values() -> None:
    assert without_nul({"a\x00": ["b\x00", 1, None]}) == {"a": ["b", 1, None]}


@pytest.mark.parametrize(
    "unsafe",
    [
        "\x1b[2J",  # clears a terminal
        "\x1b]0;title\x07",
        "\x9b2J",
        "\u202egnp.exe",  # reverses what follows
        "\u2066hidden\u2069",
        "\rall fine",
        "\x08" * 3,
    ],
)
def test_no_text_can_control_a_terminal(unsafe: str) -> None:
    shown = printable(f"before {unsafe} after\tthat\n")
    assert shown.isprintable() or shown.replace("\t", "").replace("\n", "").isprintable()
    assert shown.startswith("before ")
    assert shown.endswith(" after\tthat\n")
