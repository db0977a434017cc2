"""Random changes of responses, messages and settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from copy import deepcopy
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

EXAMPLES = os.environ.get("FUZZ_EXAMPLES")
"""The number of random examples; without it, tests use a few fixed examples."""

Path = tuple[Any, ...]


def few(examples: int) -> Callable[..., Any]:
    """Return Hypothesis settings for a number of examples, unless the environment sets one."""
    return settings(
        max_examples=int(EXAMPLES or examples),
        derandomize=EXAMPLES is None,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


ODD_TEXTS = ["", " ", "null", "NaN", "1e999", "-0", "0x1f", "1_000", "٣", "\0", "\ud83d", "a\nb"]
ODD_TEXTS += ["2021-11-31", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "😀" * 50]
ODD_TEXTS += ["'; DROP TABLE x; --", "<script>", "%00", "../..", "{}", "[]", "x" * 5000]
ODD_NUMBERS = [0, -1, 1, 2**31, 2**63, -(2**63) - 1, 2**64, 10**40, 400, 401, 429, 500]
ODD_DECIMALS = [Decimal("0.1"), Decimal("-1E-30"), Decimal("1E+30"), Decimal("1E+400")]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(ODD_NUMBERS),
    st.sampled_from(ODD_DECIMALS),
    st.sampled_from([text for text in ODD_TEXTS if text.isprintable()]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["id", "data", "a", "A", ""]), inner, max_size=3),
    ),
    max_leaves=5,
)


def paths(value: Any, above: Path = ()) -> Iterator[Path]:
    """Yield the path of every value in a document, beginning with the document itself."""
    yield above
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for name, each in inner:
        yield from paths(each, (*above, name))


@st.composite
def spoilt_documents(draw: st.DrawFn, document: Any) -> Any:
    """Draw a document with one to three wrong values."""
    spoilt = deepcopy(document)
    for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
        *above, name = draw(st.sampled_from(list(paths(spoilt))[1:] or [(None,)]))
        owner = spoilt
        for step in above:
            owner = owner[step]
        how = draw(st.sampled_from(["replace", "replace", "drop", "repeat", "rename", "wrap"]))
        if name is None:
            return draw(values)
        if how == "replace":
            owner[name] = draw(values)
        elif how == "drop":
            del owner[name]
        elif how == "wrap":
            owner[name] = draw(st.sampled_from([[owner[name]], {"value": owner[name]}]))
        elif isinstance(owner, list):
            owner.insert(name, deepcopy(owner[name]))
        else:
            owner[draw(st.sampled_from([name.upper(), f"{name}_", "id", ""]))] = owner.pop(name)
    return spoilt


@st.composite
def spoilt_bytes(draw: st.DrawFn, text: bytes) -> bytes:
    """Draw a text with one to three changes."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        length = draw(st.integers(0, 20))
        instead = draw(
            st.one_of(
                st.binary(max_size=5),
                st.sampled_from(
                    [b"", b'"', b"}", b"]", b",", b"\\", b"\xff", b"\\ud83d", b"\\u0000"]
                ),
                st.just(text[start : start + length] * 2),
            )
        )
        text = text[:start] + instead + text[start + length :]
    return text
