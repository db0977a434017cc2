"""The first screen of the README: for whom, the report, a first row, figures and status."""

from __future__ import annotations

import re
import struct
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()
OPENING, *SECTIONS = re.split(r"^## ", TEXT, flags=re.MULTILINE)
HEADINGS = [section.partition("\n")[0] for section in SECTIONS]
BY_HEADING = dict(zip(HEADINGS, SECTIONS, strict=True))
BENCHMARKS = (ROOT / "benchmarks" / "README.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def table(section: str) -> list[list[str]]:
    """Return the cells of the last table of a section, without its line of dashes."""
    lines = [line for line in BY_HEADING[section].splitlines() if line.startswith("|")]
    start = max(number for number, line in enumerate(lines) if line.startswith("| ---"))
    rows = [lines[start - 1], *lines[start + 1 :]]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_it_begins_with_the_users_and_a_picture_of_the_report() -> None:
    title, sentence, picture = filter(None, OPENING.split("\n\n"))
    assert title == "# attribution-elt"
    assert sentence.startswith("attribution-elt is for teams that ")
    source = re.search(r'<img src="([^"]+)" width="\d+" alt="The report:', picture)
    assert source
    header = (ROOT / source[1]).read_bytes()[:24]
    width, height = struct.unpack(">II", header[16:])
    assert width >= height
    assert header.startswith(b"\x89PNG")


def test_use_comes_before_reasons_and_reasons_before_the_documentation() -> None:
    assert HEADINGS == [
        "Quickstart",
        "Sources and warehouses",
        "Guarantees",
        "Why not dlt, Airbyte or Fivetran?",
        "Status and licence",
        "Documentation",
    ]


def test_the_quickstart_has_three_commands() -> None:
    block = re.search(r"```sh\n(.+?)```", BY_HEADING["Quickstart"], re.DOTALL)
    assert block
    copied, run, report = (line.partition("#")[0].split() for line in block[1].splitlines())
    assert copied == ["cp", ".env.example", ".env"]
    assert run == ["scripts/attribution-elt", "run", "ecdp"]
    assert report == ["scripts/attribution-elt", "report"]


def test_each_warehouse_has_the_place_where_it_was_tested() -> None:
    header, *rows = table("Sources and warehouses")
    assert header == ["warehouse", "loader", "tested on"]
    assert {name.split(",")[0] for name, *_ in rows} >= {"DuckDB", "PostgreSQL", "Snowflake"}
    for name, _, tested in rows:
        assert re.search("real|stand-in|not yet", tested), name


@pytest.mark.parametrize("name", ["dlt", "Airbyte", "Fivetran"])
def test_alternatives_are_named_with_a_reason_to_use_them(name: str) -> None:
    section = BY_HEADING["Why not dlt, Airbyte or Fivetran?"]
    assert re.search(rf"Use [^.]*\b{name}\b", section)


def test_figures_are_those_of_the_benchmarks() -> None:
    assert "](benchmarks/README.md)" in BY_HEADING["Why not dlt, Airbyte or Fivetran?"]
    _, *rows = table("Why not dlt, Airbyte or Fivetran?")
    figures = re.findall(r"\d[\d,.]*", " ".join(" ".join(row) for row in rows))
    measured = set(re.findall(r"\d[\d,.]*\d|\d", BENCHMARKS))
    assert figures
    assert [each for each in figures if each not in measured] == []


def test_status_and_licence_are_those_of_the_package() -> None:
    section = BY_HEADING["Status and licence"]
    assert f"Version {PROJECT['version'].rpartition('.')[0]}" in section
    assert f"[{PROJECT['license']}](LICENSE)" in section
    assert "Apache License" in (ROOT / "LICENSE").read_text()
