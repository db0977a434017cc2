"""Erases people from the files of a project."""

# ruff: noqa: S608 - identifiers are quoted, and nothing else is put into SQL

from __future__ import annotations

import codecs
import contextlib
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from target_warehouse.warehouses.dialect import quoted

from attribution_elt.core.people import People, decoded, encoded

_SKIPPED = {".git", "node_modules", "__pycache__"}
_BY_LINE = {".csv", ".tsv", ".txt", ".jsonl", ".ndjson"}
"""Files whose lines are rows: a row with a person is removed."""
_SQLITE = b"SQLite format 3\0"
_COMPRESSED = {".bz2", ".gz", ".parquet", ".xlsx", ".xz", ".zip", ".zst"}
_COMPANIONS = ("-wal", "-shm", "-journal", ".wal")
_UNFINISHED = ".erasing-"
"""Prefix of temporary files; a complete one replaces the file of the project."""
_LONGEST = 1 << 20
"""Characters of a text that are searched at once."""


def files_with(people: People, root: Path, *, without: Collection[Path] = ()) -> Iterator[Path]:
    """Yield the files of a project that name people, except files under version control.

    `without` are files that are searched in other ways, such as warehouses.
    """
    left_out = {each.resolve() for each in without} | _tracked(root)
    for path in _files(root):
        if path.name.startswith(_UNFINISHED):  # a killed command did not remove it
            path.unlink()
            continue
        if path.resolve() in left_out or path.name.endswith(_COMPANIONS):
            continue
        with contextlib.suppress(FileNotFoundError):
            if _finds(people, path):
                yield path


def compressed(root: Path) -> Iterator[Path]:
    """Yield the files of a project that cannot be searched, except files under version control."""
    tracked = _tracked(root)
    for path in _files(root):
        if path.suffix.lower() in _COMPRESSED and path.resolve() not in tracked:
            yield path


def erase(people: People, path: Path) -> bool:
    """Erase people from a file; return False if it cannot be changed."""
    if _is_sqlite(path):
        try:
            with contextlib.closing(sqlite3.connect(path, timeout=60)) as database:
                _erase_from_database(people, database)
        except sqlite3.DatabaseError:  # it is damaged or locked, or a constraint refuses the change
            return False
        return True
    encoding = _encoding(path)
    try:
        with path.open(encoding=encoding, newline="") as file:
            lines = list(_left(people, path, file))
    except UnicodeError:
        return False
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=_UNFINISHED)  # only its owner reads it
    try:
        with open(handle, "w", encoding=encoding, newline="") as file:  # noqa: PTH123 - as above
            file.writelines(lines)
        shutil.copymode(path, name)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return True


def _left(people: People, path: Path, lines: Iterator[str]) -> Iterator[str]:
    if path.suffix.lower() == ".json":
        text = "".join(lines)
        value = decoded(text)
        is_json = not isinstance(value, str)
        yield encoded(people.without(value)) if is_json else people.cut(text)
        return
    for line in lines:
        if not people.finds(line):
            yield line
        elif path.suffix.lower() not in _BY_LINE:
            yield people.cut(line)


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = [
            name
            for name in folders
            if name not in _SKIPPED and not (here / name / "pyvenv.cfg").exists()
        ]
        yield from (
            here / name
            for name in sorted(names)
            if (here / name).is_file() and not (here / name).is_symlink()
        )


def _tracked(root: Path) -> set[Path]:
    """Return the files that git tracks: source, not data."""
    git = shutil.which("git")
    if git is None:
        return set()
    done = subprocess.run(  # noqa: S603 - our own command line
        [git, "-C", str(root), "ls-files", "-z"], capture_output=True, check=False
    )
    return {(root / os.fsdecode(name)).resolve() for name in done.stdout.split(b"\0") if name}


def _finds(people: People, path: Path) -> bool:
    if _is_sqlite(path):
        with (
            contextlib.suppress(sqlite3.DatabaseError),  # a damaged file is searched as text
            contextlib.closing(sqlite3.connect(path, timeout=60)) as database,
        ):
            return any(True for _ in _texts_of_database(people, database))
    before = ""
    with path.open(encoding=_encoding(path), errors="replace", newline="") as file:
        while text := file.read(_LONGEST):
            # pieces overlap, because a name may begin in one and end in the next
            if people.finds(before + text):
                return True
            before = (before + text)[-1000:]
    return False


def _encoding(path: Path) -> str:
    """Return the encoding of a text file: every other byte of ASCII text in UTF-16 is 0."""
    with path.open("rb") as file:
        head = file.read(200)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    zeros = head[::2].count(0), head[1::2].count(0)
    if 0 in zeros and max(zeros) > len(head) // 3:
        return "utf-16-le" if zeros[0] == 0 else "utf-16-be"
    return "utf-8"


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _texts_of_database(
    people: People, database: sqlite3.Connection
) -> Iterator[tuple[str, str, str]]:
    """Yield the table, the column and the text of the values that name people."""
    for (table,) in database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table'"
    ).fetchall():
        rows = database.execute(f"SELECT * FROM {quoted(table)}")
        names = [each[0] for each in rows.description]
        found = {
            (name, value)
            for values in rows
            for name, value in zip(names, values, strict=True)
            if isinstance(value, str) and (people.finds(value) or people.finds(decoded(value)))
        }
        yield from ((table, *each) for each in sorted(found))


def _cut(people: People, text: str) -> str:
    value = decoded(text)
    return people.cut(text) if isinstance(value, str) else encoded(people.without(value))


def _erase_from_database(people: People, database: sqlite3.Connection) -> None:
    with database:
        for table, name, text in _texts_of_database(people, database):
            column = quoted(name)
            database.execute(
                # two names in a unique column become one
                f"UPDATE OR REPLACE {quoted(table)} SET {column} = ? WHERE {column} = ?",
                (_cut(people, text), text),
            )
    database.execute("VACUUM")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
