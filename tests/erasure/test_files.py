"""People are erased from the files of a project, and from nothing else."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from attribution_elt.core.people import People
from attribution_elt.erasure import files
from tests.pipeline.meltano import PROJECT

JANE = "jane@example.com"
PEOPLE = People([JANE], ["a key of this test"])

TEXTS = {
    "customers.csv": (
        f"client_id,n\n{JANE.upper()},1\njoe@example.com,2\n",
        "client_id,n\njoe@example.com,2\n",
    ),
    "logs/run.log": (f"a\nmail to {JANE} failed\n", "a\nmail to erased failed\n"),
    "state.json": (f'{{"a": ["{JANE}", 1.0]}}', '{"a":[null,1.0]}'),
    "output/rows.jsonl": (f'{{"a": "{JANE}"}}\n{{"a": 1}}\n', '{"a": 1}\n'),
    "report.html": (f"<p>{JANE.replace('@', '&#64;')}</p>", "<p>erased</p>"),
}


def found(root: Path) -> set[str]:
    return {str(each.relative_to(root)) for each in files.files_with(PEOPLE, root)}


def test_texts_lose_the_person_and_keep_the_rest(tmp_path: Path) -> None:
    for name, (before, _) in TEXTS.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(before)
        path.chmod(0o640)
    (tmp_path / "other.txt").write_text("mary.jane@example.com\n")
    assert found(tmp_path) == set(TEXTS)
    for name, (_, after) in TEXTS.items():
        assert files.erase(PEOPLE, tmp_path / name)
        assert (tmp_path / name).read_text() == after
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o640
    assert found(tmp_path) == set()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_texts_in_other_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "export.csv"
    path.write_text(f"{JANE}\nøre@example.com\n", encoding)
    assert found(tmp_path) == {"export.csv"}
    assert files.erase(PEOPLE, path)
    assert path.read_text(encoding).lstrip("\ufeff") == "øre@example.com\n"


@pytest.mark.parametrize(("rule", "erased"), [("UNIQUE", True), ("CHECK (a LIKE '%@%')", False)])
def test_databases_whose_constraints_concern_the_address(
    tmp_path: Path, rule: str, erased: bool
) -> None:
    with closing(sqlite3.connect(tmp_path / "copy.db")) as database, database:
        database.execute(f"CREATE TABLE t (a text {rule})")
        database.executemany("INSERT INTO t VALUES (?)", [(JANE,), (JANE.upper(),), ("joe@x.y",)])
    assert files.erase(PEOPLE, tmp_path / "copy.db") is erased
    assert found(tmp_path) == (set() if erased else {"copy.db"})


def test_a_damaged_database_is_searched_as_text(tmp_path: Path) -> None:
    (tmp_path / "half.db").write_bytes(b"SQLite format 3\0" + b"\1" * 200 + JANE.encode())
    assert found(tmp_path) == {"half.db"}
    assert not files.erase(PEOPLE, tmp_path / "half.db")


def test_a_binary_file_with_zeros_is_searched(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"\1\0\0\0" * 50 + JANE.encode() + b"\xff")
    assert found(tmp_path) == {"data.bin"}


def test_compressed_files_are_named_because_they_cannot_be_searched(tmp_path: Path) -> None:
    for name in ("customers.parquet", "old.CSV.GZ", "plain.csv"):
        (tmp_path / name).write_text("")
    named = {each.name for each in files.compressed(tmp_path)}
    assert named == {"customers.parquet", "old.CSV.GZ"}


def test_a_name_between_two_pieces_of_a_file_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_LONGEST", 7)
    (tmp_path / "long.log").write_text("x" * 100 + f" {JANE} " + "y" * 100)
    assert found(tmp_path) == {"long.log"}


def test_a_database_keeps_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "meltano.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE runs (id INTEGER PRIMARY KEY, payload TEXT)")
        rows = [(f'{{"who": "{JANE}", "n": 1.50}}',), ("{}",), (None,)]
        database.executemany("INSERT INTO runs (payload) VALUES (?)", rows)
    assert found(tmp_path) == {"meltano.db"}
    assert files.erase(PEOPLE, path)
    assert found(tmp_path) == set()
    assert JANE.encode() not in path.read_bytes()
    with closing(sqlite3.connect(path)) as database:
        left = database.execute("SELECT payload FROM runs ORDER BY id").fetchall()
    assert left == [('{"who":null,"n":1.50}',), ("{}",), (None,)]


def test_tables_of_a_database_without_row_ids(tmp_path: Path) -> None:
    path = tmp_path / "own.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute('CREATE TABLE "a ""b""" (id INTEGER PRIMARY KEY, who TEXT) WITHOUT ROWID')
        database.execute("CREATE TABLE shadowed (rowid TEXT, who TEXT)")
        for table in ('"a ""b"""', "shadowed"):
            rows = [(1, JANE), (2, "Joe")]
            database.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)
    assert found(tmp_path) == {"own.db"}
    assert files.erase(PEOPLE, path)
    assert found(tmp_path) == set()
    with closing(sqlite3.connect(path)) as database:
        whole = [
            ("Joe",) in database.execute(f"SELECT who FROM {table}").fetchall()
            for table in ('"a ""b"""', "shadowed")
        ]
    assert whole == [True, True]


def test_a_format_that_cannot_be_changed_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "archive.bin"
    path.write_bytes(b"\xff\xff\0" + JANE.encode())
    assert found(tmp_path) == {"archive.bin"}
    assert not files.erase(PEOPLE, path)
    assert found(tmp_path) == {"archive.bin"}


def test_files_under_version_control_are_left_alone(tmp_path: Path) -> None:
    for name in ("source.txt", "data.txt"):
        (tmp_path / name).write_text(JANE)
    for command in (("init", "-q"), ("add", "source.txt")):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    assert found(tmp_path) == {"data.txt"}


def test_what_a_killed_command_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".erasing-x1").write_text("joe@example.com")
    assert found(tmp_path) == set()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [".env", ".env.prod", "customers.csv", "journeys.jsonl"])
def test_git_ignores_files_with_secrets_and_people(name: str) -> None:
    done = subprocess.run(["git", "-C", PROJECT, "check-ignore", "-q", name], check=False)
    assert done.returncode == 0
