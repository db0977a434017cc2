from __future__ import annotations

import pytest

from attribution_elt.core.errors import OneLineError, OpsError, in_a_line, lines_of
from attribution_elt.kit.errors import InvalidSettingsError, UnitError


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (OneLineError("no file"), ["no file"]),
        (OpsError("no project"), ["no project"]),
        (UnitError("returned 500"), ["returned 500"]),
        (InvalidSettingsError(["one", "two"]), ["one", "two"]),
        (ValueError("odd"), ["ValueError: odd"]),
        (OSError("full"), ["OSError: full"]),
        (KeyError("x"), ["unexpected KeyError: 'x'"]),
        (RuntimeError(), ["unexpected RuntimeError: RuntimeError"]),
    ],
)
def test_every_error_has_its_lines(error: Exception, lines: list[str]) -> None:
    assert lines_of(error) == lines


def test_an_error_over_several_lines_fits_into_one() -> None:
    assert in_a_line(ValueError("one\n  two\tthree")) == "one two three"
