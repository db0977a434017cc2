"""The reader of pages detects blocks that fail; otherwise tests of pages prove nothing."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pytest

from tests.docs.pages import PROJECT, Block, blocks
from tests.docs.reader import Reader


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "project"


@pytest.fixture
def reader(folder: Path, postgres_url: str) -> Reader:
    return Reader(folder, None, dict(os.environ), postgres_url)


def block(language: str, text: str, file: str | None = None) -> Block:
    return Block(PROJECT / "page.md", 1, language, text, file, None)


PAGE = """
A file `a/b.json`:

```json
{}
```

<!-- not run: needs an account -->
```sh
one
```

Text, then
```sh
two
```
"""


def test_a_page_is_read_as_blocks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    found = [(each.language, each.text, each.file, each.not_run) for each in blocks(page)]
    assert found == [
        ("json", "{}\n", "a/b.json", None),
        ("sh", "one\n", None, "needs an account"),
        ("sh", "two\n", None, None),
    ]


@pytest.mark.parametrize("script", ["false", "false; true", "echo $unset", "true # exit code 1"])
def test_the_reader_detects_a_command_that_fails(reader: Reader, script: str) -> None:
    with pytest.raises(AssertionError, match=r"page\.md:1: exit"):
        reader.follow(block("sh", f"{script}\n"))


def test_a_command_sees_the_files_of_the_previous_one(reader: Reader, folder: Path) -> None:
    reader.follow(block("python", "said\n", "a/file.txt"))
    reader.follow(block("sh", "cd a\nexport NAME=file\n"))
    reader.follow(block("sh", 'test "$(cat $NAME.txt)" = said\nexit 3 # exit code 3\n'))
    assert (folder / "a" / "file.txt").exists()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("jobz: []", "jobz"),
        ("jobs: [{name: one, task: [tap-ecdp target-warehouse]}]", "task"),
        ("plugins: {extractors: [{name: tap-ecdp, config: {lookback: 1}}]}", "no setting lookback"),
        (
            "environments: [{name: dev, config: {plugins: {loaders: [{name: target-x}]}}}]",
            "no plugin target-x",
        ),
    ],
)
def test_unknown_keys_of_meltano_yml_are_detected(reader: Reader, text: str, fault: str) -> None:
    with pytest.raises(AssertionError, match=fault):
        reader.follow(block("yaml", text))


def test_settings_are_added_to_existing_ones(reader: Reader, folder: Path) -> None:
    before = (folder / "meltano.yml").read_text()
    text = "plugins: {extractors: [{name: tap-ecdp, config: {start_date: '2026-01-01'}}]}"
    reader.follow(block("yaml", text))
    added = set((folder / "meltano.yml").read_text().splitlines()) - set(before.splitlines())
    assert {line.strip() for line in added} == {"start_date: '2026-01-01'"}


@pytest.mark.parametrize("query", ["SELECT 1 WHERE 1 = 2", "SELECT * FROM nowhere"])
def test_the_reader_detects_a_query_without_a_result(reader: Reader, query: str) -> None:
    with pytest.raises(AssertionError, match=r"page\.md:1"):
        reader.follow(block("sql", query))


def test_one_of_the_warehouses_must_have_the_result(reader: Reader, folder: Path) -> None:
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute("CREATE TABLE here AS SELECT 1 AS id")
    reader.follow(block("sql", "SELECT * FROM here"))
    reader.follow(block("sql", "SELECT datname FROM pg_database"))
