"""Parses pages of the documentation into blocks that can be executed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parent.parent.parent
EXECUTED = {"sh", "sql", "yaml"}
FILES = {"csv", "json", "jsonl", "python", "toml"}
"""Languages of blocks that are files; the line before a block names the file."""
SHOWN = {"", "cron", "text"}
"""Languages of blocks that are not executed."""

_FENCE = re.compile(r" *(`{3,})(\w*)")
_NOT_RUN = re.compile(r"<!-- not run: (.+) -->")
_NAMED = re.compile(r".*`([\w./-]+\.\w+)`[^`]*:")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    """Line number of the first fence."""
    language: str
    text: str
    file: str | None
    """The file that the line before the block names, or None."""
    not_run: str | None
    """The reason not to run the block, from the comment before it, or None."""

    def __str__(self) -> str:
        return f"{self.page.relative_to(PROJECT)}:{self.line}"


def pages() -> list[Path]:
    return [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    lines = page.read_text(encoding="utf-8").splitlines()
    before, number = "", 0
    while number < len(lines):
        opened = _FENCE.fullmatch(lines[number])
        if opened is None:
            before = lines[number] or before
            number += 1
            continue
        start = number + 1
        number = next(at for at in range(start, len(lines)) if lines[at].strip() == opened[1])
        text = "".join(f"{line}\n" for line in lines[start:number])
        named, not_run = _NAMED.fullmatch(before), _NOT_RUN.fullmatch(before)
        yield Block(
            page, start, opened[2], text, named and named[1], not_run and not_run[1].strip()
        )
        before = ""
        number += 1
