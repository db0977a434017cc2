"""Edits CREATE TABLE statements, for what ALTER TABLE of SQLite and DuckDB cannot change."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest

from target_warehouse.columns import Column
from target_warehouse.warehouses.dialect import listed
from target_warehouse.warehouses.errors import TableError

_QUOTED = r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]"""
_PIECE = re.compile(rf"{_QUOTED}|--[^\n]*|/\*.*?\*/|\s+|\w+|.", re.DOTALL)
_BLANK = re.compile(r"\s+|--.*|/\*.*", re.DOTALL)
_OPEN_QUOTES = ("'", '"', "`", "[")
_AFTER_TYPE = {
    *("CONSTRAINT", "PRIMARY", "NOT", "NULL", "UNIQUE", "CHECK", "DEFAULT", "COLLATE"),
    *("REFERENCES", "GENERATED", "AS"),
}
_PRIMARY_KEY = re.compile(
    rf"({_QUOTED})|\bPRIMARY\s+KEY"
    r"(?:\s+(?:ASC|DESC))?(?:\s+ON\s+CONFLICT\s+\w+)?(?:\s+AUTOINCREMENT)?",
    re.IGNORECASE,
)


_COLLATION = re.compile(rf"{_QUOTED}|\s*\bCOLLATE\s+({_QUOTED}|[\w.]+)", re.IGNORECASE)
_BYTEWISE = {"BINARY", "C", "POSIX"}
"""Collations that treat only identical texts as equal."""
_CREATE = re.compile(r"CREATE\s+TABLE\b", re.IGNORECASE)
_CONSTRAINTS = ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN")
_OPTIONS = re.compile(r"(WITHOUTROWID|STRICT|,)*", re.IGNORECASE)


@dataclasses.dataclass
class CreateTable:
    """The parts of a CREATE TABLE statement, as written."""

    columns: list[str]
    constraints: list[str]
    options: str
    """Text after the parentheses."""

    @classmethod
    def parsed(cls, sql: str, columns: Sequence[str]) -> CreateTable:
        """Parse a statement that defines these columns.

        Raises:
            ValueError: The statement has a part that this class does not understand.
        """
        parts, depth, pieces = [""], 0, iter(_PIECE.findall(sql))
        for piece in pieces:
            if piece in _OPEN_QUOTES:
                raise ValueError(f"{piece} is not closed")
            depth -= piece == ")"
            if piece == ")" and not depth:
                break
            if piece == "," and depth == 1:
                parts.append("")
            elif depth:
                parts[-1] += piece
            depth += piece == "("
        if depth:
            raise ValueError("its parentheses are not closed")
        parsed = cls(parts[: len(columns)], parts[len(columns) :], "".join(pieces))
        parsed._check(sql, columns)
        return parsed

    def _check(self, sql: str, columns: Sequence[str]) -> None:
        if not _CREATE.match(sql):
            raise ValueError("it is not a CREATE TABLE statement")
        for name, definition in zip_longest(columns, self.columns):
            if not definition or _unquoted(_first(definition)[0]).casefold() != name.casefold():
                raise ValueError(f"it has {definition or 'nothing'} for the column {name!r}")
        for constraint in self.constraints:
            if not constraint.strip() or _first(constraint)[0].upper() not in _CONSTRAINTS:
                raise ValueError(f"it has the constraint {constraint}")
        options = "".join(
            piece for piece in _PIECE.findall(self.options) if not _BLANK.fullmatch(piece)
        )
        if not _OPTIONS.fullmatch(options):
            raise ValueError(f"it has the options {self.options}")

    @property
    def is_strict(self) -> bool:
        """Whether SQLite checks the types of values; such tables can have only six types."""
        return "STRICT" in self.options.upper()

    def retype(self, column: int, type_: str) -> None:
        """Change the type of a column, without a collation, and keep its constraints."""
        _, name = _first(self.columns[column])
        pieces = _PIECE.findall(self.columns[column])
        rest = name
        while rest < len(pieces) and pieces[rest].upper() not in _AFTER_TYPE:
            rest += 1
        kept = _COLLATION.sub(lambda found: "" if found[1] else found[0], "".join(pieces[rest:]))
        self.columns[column] = "".join([*pieces[:name], f" {type_} ", kept])

    def rekey(self, keys: Sequence[str]) -> None:
        """Change the primary key of the table; an empty `keys` removes it."""
        self.columns = list(map(_without_key, self.columns))
        kept = [each for each in self.constraints if _without_key(each) == each]
        self.constraints = [*kept, f"PRIMARY KEY ({listed(keys)})"] if keys else kept

    def replacing(
        self, path: str, *, spare: str, name: str, values: Mapping[str, str]
    ) -> list[str]:
        """Return the statements that replace the table with this quoted name by this definition.

        Args:
            path: Quoted name of the table.
            spare: Quoted name of the new table while both exist.
            name: Quoted name that it gets then.
            values: SQL of the values by column, for all columns that are not generated.
        """
        selected = ", ".join(values.values())
        return [
            self.sql(spare),
            f"INSERT INTO {spare} ({listed(values)}) SELECT {selected} FROM {path}",  # noqa: S608 - quoted names
            f"DROP TABLE {path}",
            f"ALTER TABLE {spare} RENAME TO {name}",
        ]

    def sql(self, path: str) -> str:
        """Return the statement, for a table with this quoted name."""
        return f"CREATE TABLE {path} ({','.join(self.columns + self.constraints)}){self.options}"


def definition_of(table: str, sql: str, columns: Sequence[str]) -> CreateTable:
    """Return the definition of a table that has to be rebuilt; raise TableError if that fails."""
    try:
        return CreateTable.parsed(sql, columns)
    except ValueError as error:
        raise TableError(
            f"the table {table!r} has to be rebuilt, but its definition cannot be read: {error}"
        ) from error


def collated(column: Column, definition: str) -> Column:
    """Return a column whose type has the collation of its definition, unless that is bytewise."""
    for found in _COLLATION.finditer(definition):
        if found[1] and _unquoted(found[1]).upper() not in _BYTEWISE:
            type_ = f"{column.type} COLLATE {found[1]}"
            return dataclasses.replace(column, type=type_, is_narrow=True)
    return column


def _first(definition: str) -> tuple[str, int]:
    """Return the first word of a definition, and how many pieces of it were read."""
    pieces = _PIECE.findall(definition)
    for place, piece in enumerate(pieces, 1):
        if not _BLANK.fullmatch(piece):
            return piece, place
    raise ValueError("a part of it is empty")


def _unquoted(name: str) -> str:
    if name[0] not in _OPEN_QUOTES:
        return name
    end = "]" if name[0] == "[" else name[0]
    return name[1:-1].replace(end * 2, end)


def _without_key(definition: str) -> str:
    return _PRIMARY_KEY.sub(r"\1", definition)
