"""The messages that the page on troubleshooting quotes are those that the programs print."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import PROJECT

PAGE = (PROJECT / "docs" / "troubleshooting.md").read_text()
OF_DRIVERS = {
    "Could not set lock on file",
    "password authentication failed",
    "Connection refused",
    "failed to resolve host",
    "permission denied",
    "canceling statement due to statement timeout",
}
"""Messages of databases, which this project passes on."""


def quoted() -> list[str]:
    """Return the parts of our own messages, without what a run fills in."""
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    own = [text for text in sections if text.startswith(("Vendors", "Settings", "Warehouse"))]
    cells = [line.split(" | ")[0] for text in own for line in text.splitlines()]
    spans = [span for cell in cells for span in re.findall("`([^`]+)`", cell)]
    parts = [part.strip(" ()") for span in spans for part in re.split(r"[…:']|\d\w*|^N ", span)]
    return sorted({part for part in parts if " " in part} - OF_DRIVERS)


@pytest.fixture(scope="module")
def sources() -> str:
    """Return the code as one text, in which parts of a literal are joined."""
    folders = ("attribution_elt", "taps", "targets")
    files = [path for folder in folders for path in (PROJECT / folder).rglob("*.py")]
    text = "\n".join(path.read_text() for path in files)
    return re.sub(r"\{[^{}]*\}", "", re.sub(r'"\s*\n\s*f?"', "", text))


def test_messages_of_the_page_exist(sources: str) -> None:
    assert len(quoted()) > 10
    assert [part for part in quoted() if part not in sources] == []
