"""Edits a CREATE TABLE statement, for databases whose ALTER TABLE cannot change types and keys."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from target_warehouse.warehouses.base import listed

_QUOTED = r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]"""
_PIECE = re.compile(rf"{_QUOTED}|--[^\n]*|/\*.*?\*/|\s+|\w+|.", re.DOTALL)
_BLANK = re.compile(r"\s+|--.*|/\*.*", re.DOTALL)
_AFTER_TYPE = {
    *("CONSTRAINT", "PRIMARY", "NOT", "NULL", "UNIQUE", "CHECK", "DEFAULT", "COLLATE"),
    *("REFERENCES", "GENERATED", "AS"),
}
_PRIMARY_KEY = re.compile(
    rf"({_QUOTED})|\bPRIMARY\s+KEY"
    r"(?:\s+(?:ASC|DESC))?(?:\s+ON\s+CONFLICT\s+\w+)?(?:\s+AUTOINCREMENT)?",
    re.IGNORECASE,
)


@dataclasses.dataclass
class CreateTable:
    """What a table is made of, to the letter."""

    columns: list[str]
    constraints: list[str]
    options: str
    """What stands behind the parentheses."""

    @classmethod
    def parsed(cls, sql: str, columns: int) -> CreateTable:
        """Take apart a statement that defines so many columns."""
        parts, depth, pieces = [""], 0, iter(_PIECE.findall(sql))
        for piece in pieces:
            depth -= piece == ")"
            if piece == ")" and not depth:
                break
            if piece == "," and depth == 1:
                parts.append("")
            elif depth:
                parts[-1] += piece
            depth += piece == "("
        return cls(parts[:columns], parts[columns:], "".join(pieces))

    def retype(self, column: int, type_: str) -> None:
        """Give a column another type, and leave it its constraints."""
        pieces = _PIECE.findall(self.columns[column])
        name = next(place for place, piece in enumerate(pieces, 1) if not _BLANK.fullmatch(piece))
        rest = name
        while rest < len(pieces) and pieces[rest].upper() not in _AFTER_TYPE:
            rest += 1
        self.columns[column] = "".join([*pieces[:name], f" {type_} ", *pieces[rest:]])

    def rekey(self, keys: Sequence[str]) -> None:
        """Give the table another primary key, or none."""
        self.columns = list(map(_without_key, self.columns))
        kept = [each for each in self.constraints if _without_key(each) == each]
        self.constraints = [*kept, f"PRIMARY KEY ({listed(keys)})"] if keys else kept

    def sql(self, path: str) -> str:
        """Return the statement, for a table of this name."""
        return f"CREATE TABLE {path} ({','.join(self.columns + self.constraints)}){self.options}"


def _without_key(definition: str) -> str:
    return _PRIMARY_KEY.sub(r"\1", definition)
