"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown(headings: Sequence[str], rows: Iterable[Sequence[str]], texts: Iterable[int]) -> str:
    """Return a table; the columns at the places `texts` are left-aligned, others right-aligned."""
    left = set(texts)
    aligned = ["---" if place in left else "---:" for place in range(len(headings))]
    return "".join(f"| {' | '.join(line)} |\n" for line in (headings, aligned, *rows))
