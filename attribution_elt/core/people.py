"""Finds people in texts and rows, and removes them."""

from __future__ import annotations

import abc
import binascii
import copy
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import msgspec
from typing_extensions import override

from attribution_elt.core.pseudonyms import keyed_hash, normal_address, person_key

ERASED = "erased"
"""Replaces an address inside a longer text; the reason of an erased row in a history."""
PERSONAL = "x-personal"
"""The member of a stream's schema that names its personal columns: the members of `Personal`."""

_encode = msgspec.json.Encoder(decimal_format="number").encode
_AT = re.compile(r"[@\uff20]|%(?:25)*40|&(?:amp;)*#(?:64|x40);|\\+u0040", re.IGNORECASE)
"""An `@`, plain or percent-encoded once or more: `%2540` is a URL within a URL."""
_SEPARATOR = re.compile(
    r"[\s\x00-\x1f\x7f\u200b-\u200f\u2060\ufeff\ufffd\"'<>(),:;=?&/\\\[\]{}|]"
    r"|%(?:25)*(?:0[AD]|2[026789CF]|3[A-F]|5[BCD]|7[BCD])",
    re.IGNORECASE,
)
_ESCAPED = re.compile(r"[bfnrt]|u[0-9a-f]{4}", re.IGNORECASE)
"""The rest of a JSON escape after its backslash, such as a line break before an address."""
_DOMAIN = re.compile(r"\w[\w\u0300-\u036f-]*(?:[.\uff0e]\w[\w\u0300-\u036f-]*)*")
"""A domain, also with combining accents and full-width characters."""
_DIGEST = re.compile(
    r"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})(?![0-9a-f])", re.IGNORECASE
)
_HEX = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{2}){6,}(?![0-9a-f])", re.IGNORECASE)
_BASE64 = (  # the second is for segments of paths, whose alphabet has no slash
    re.compile(r"(?:[\w+/-]|%2[BF]){11,}", re.ASCII | re.IGNORECASE),
    re.compile(r"[\w-]{11,}", re.ASCII),
)
_HEX_AT, _BASE64_AT = "40", re.compile("Q[A-P]|[EUk0][A-D]|[BFJNRVZdhlptx159]A")
"""An `@` in these encodings, at each of three places in a group of Base64."""
_URL_SAFE = str.maketrans("-_", "+/")
_LONGEST_LOCAL = 200  # characters, percent-encoded
_ALGORITHMS = ("md5", "sha1", "sha256")


class Finder(abc.ABC):
    """Finds people in texts."""

    @abc.abstractmethod
    def is_person(self, text: str) -> bool:
        """Return whether an address, a digest in hex, or the value of a column is a person's."""

    def finds(self, value: Any, *, personal: bool = False) -> bool:
        """Return whether a text, or any text in a JSON value, names a person.

        In a personal column, ids of any form match.
        """
        if isinstance(value, dict):
            return any(
                self.finds(name) or self.finds(each, personal=personal)
                for name, each in value.items()
            )
        if isinstance(value, list):
            return any(self.finds(each, personal=personal) for each in value)
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            return False
        text = str(value)
        return (personal and self.is_person(text)) or next(self._places(text), None) is not None

    def without(self, value: Any) -> Any:
        """Return a value without people: None if it is a name, `erased` for names in a text."""
        if isinstance(value, dict):
            return {self.cut(name): self.without(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.without(each) for each in value]
        if not isinstance(value, str):
            return None if self.finds(value) else value
        cut = self.cut(value)
        return None if cut != value and cut.strip() == ERASED else cut

    def cut(self, text: str) -> str:
        """Return a text in which `erased` replaces each name."""
        kept, after = [], 0
        for start, end in sorted(self._places(text)):
            if start >= after:
                kept += [text[after:start], ERASED]
            after = max(after, end)
        return "".join([*kept, text[after:]])

    def _places(self, text: str) -> Iterator[tuple[int, int]]:
        yield from self._readable(text)
        for span, inner in _decoded(text):
            if any(True for _ in self._readable(inner)):
                yield span

    def _readable(self, text: str) -> Iterator[tuple[int, int]]:
        for at in _AT.finditer(text):
            if (domain := _DOMAIN.match(text, at.end())) is None:
                continue
            for start in _starts(text, at.start()):
                if self.is_person(f"{_unquoted(text[start : at.start()])}@{domain[0]}"):
                    yield start, domain.end()
                    break
        for digest in _DIGEST.finditer(text):
            if self.is_person(digest[0]):
                yield digest.span()


def _starts(text: str, end: int) -> Iterator[int]:
    """Yield where the part of an address before its `@` may start."""
    start = max(0, end - _LONGEST_LOCAL)
    for separator in _SEPARATOR.finditer(text, start, end):
        start = separator.end()
    if start < end:
        yield start
    if text[start - 1 : start] == "\\" and (escaped := _ESCAPED.match(text, start, end)):
        yield escaped.end()


def _unquoted(text: str) -> str:
    """Decode percent-encoding, also if it was encoded several times."""
    while (plain := unquote(text)) != text:
        text = plain
    return text


def _decoded(text: str) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield the places of hexadecimal and Base64 that encode an `@`, and the decoded texts."""
    for found in _HEX.finditer(text) if _HEX_AT in text else ():
        raw = bytes.fromhex(found[0])
        if b"@" in raw:
            yield found.span(), raw.decode(errors="replace")
    for pattern in _BASE64 if "/" in text else _BASE64[:1]:
        for found in pattern.finditer(text):
            if not _BASE64_AT.search(found[0]):
                continue
            encoded = unquote(found[0]).translate(_URL_SAFE)
            for offset in range(4):  # other characters of the alphabet may come first
                some = encoded[offset:]
                raw = binascii.a2b_base64(some[: len(some) - (len(some) % 4 == 1)] + "==")
                if b"@" in raw:
                    yield found.span(), raw.decode(errors="replace")


class People(Finder):
    """People by address, in every spelling that a vendor or a tap may use.

    Args:
        addresses: e-mail addresses.
        keys: the keys of pseudonyms, those that replaced values and those of `_suppressed`.

    Attributes:
        pseudonyms: their pseudonyms by all keys, of the address and of its MD5 and SHA-1 hashes.
        ids: their other ids.
    """

    def __init__(self, addresses: Iterable[str], keys: Iterable[str]) -> None:
        given = [each.strip() for each in addresses if each.strip()]
        self._keys = list(dict.fromkeys(keys))
        self._known = {normal_address(each) for each in given}
        self.count = len(self._known)
        spelled = sorted({*given, *self._known})
        digests = [
            hashlib.new(algorithm, each.encode(), usedforsecurity=False).hexdigest()
            for each in spelled
            for algorithm in _ALGORITHMS
        ]
        self.pseudonyms = {keyed_hash(each, key) for each in digests for key in self._keys}
        self._known |= {*digests, *self.pseudonyms}
        self.ids: set[str] = set()

    def copy(self) -> People:
        """Return a copy: ids that are added to it are not added to the original."""
        found = copy.copy(self)
        found.ids = self.ids.copy()
        found.pseudonyms = self.pseudonyms.copy()
        return found

    def add_id(self, value: str) -> bool:
        """Add another id of one of the people; return whether it is new."""
        if self.is_person(value):
            return False
        self.ids.add(value)
        self.pseudonyms |= {person_key(value, key) for key in self._keys}
        if _DIGEST.fullmatch(value):  # a pseudonym already
            self.pseudonyms.add(value)
        return True

    @override
    def is_person(self, text: str) -> bool:
        return text in self.ids or normal_address(text) in self._known


@dataclass(frozen=True)
class Personal:
    """The personal columns of a table.

    Attributes:
        pii: columns marked `x-pii`, of one person.
        linked: other columns that lead to the person, marked `x-erase`: erased, but not masked.
        lists: columns of `pii` that list several people, marked `x-people`.
        keys: the primary key.
        setting: how a tap masks `pii`: a text that changes with its settings; empty if unknown.
    """

    pii: frozenset[str] = frozenset()
    linked: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    setting: str = ""

    @classmethod
    def of_schema(
        cls, properties: Mapping[str, Mapping[str, Any]], keys: Iterable[str]
    ) -> Personal:
        """Return the personal columns that a stream's schema marks."""

        def marked(mark: str) -> frozenset[str]:
            return frozenset(name for name, each in properties.items() if each.get(mark))

        return cls(marked("x-pii"), marked("x-erase"), marked("x-people"), frozenset(keys))

    @classmethod
    def of_message(cls, schema: Mapping[str, Any], keys: Iterable[str]) -> Personal:
        """Return the personal columns that a SCHEMA message announces."""
        given = schema.get(PERSONAL)
        given = given if isinstance(given, dict) else {}
        pii, linked, lists = (
            frozenset(map(str, given.get(each) or ())) for each in ("pii", "linked", "lists")
        )
        return cls(pii, linked, lists, frozenset(keys), str(given.get("setting") or ""))

    def announced(self) -> dict[str, Any]:
        """Return what a SCHEMA message announces."""
        names = {each: sorted(getattr(self, each)) for each in ("pii", "linked", "lists")}
        return {**names, "setting": self.setting}

    def erased(self, row: Mapping[str, Any], finder: Finder) -> dict[str, Any] | None:
        """Return a row without the people whom a finder finds; None if nothing is left.

        A row about such a person loses all personal columns. A list of several people loses its
        members who are found. From other columns, only the name is removed.
        """
        found = {n for n, each in row.items() if finder.finds(each, personal=n in self.pii)}
        if not found:
            return dict(row)
        if found & self.keys:
            return None
        kept: dict[str, Any] = {}
        about = bool(found & (self.pii - self.lists))
        for name in found - (self.pii - self.lists):
            value = row[name]
            if name in self.lists and isinstance(value, list):
                kept[name] = [each for each in value if not finder.finds(each, personal=True)]
                about = about or not kept[name]
            else:
                kept[name] = finder.without(value)
        if about and self.keys & self.pii:
            return None
        gone = dict.fromkeys((self.pii | self.linked) & row.keys()) if about else {}
        left = {**row, **kept, **gone}
        names = [name for name in left if name not in self.keys and not name.startswith("_sdc_")]
        return None if about and all(left[name] is None for name in names) else left

    def erased_text(self, record: str, finder: Finder) -> str | None:
        """Return the JSON of a record without people; None if nothing is left of it.

        If a text contains a person and is not the JSON of a record, nothing is left.
        """
        row = decoded(record)
        if not isinstance(row, dict):
            return None if finder.finds(record) else record
        left = self.erased(row, finder)
        if left is None:
            return None
        return record if left == row else encoded(left)


def decoded(text: Any) -> Any:
    """Return the value of a JSON text, with exact numbers; the text itself if it is not JSON."""
    try:
        return json.loads(text, parse_float=Decimal) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return text


def encoded(value: Any) -> str:
    """Return a value as JSON with the digits of its numbers."""
    try:
        return _encode(value).decode()
    except UnicodeEncodeError:  # halves of surrogate pairs, which JSON has as escapes
        return json.dumps(value, default=float)
