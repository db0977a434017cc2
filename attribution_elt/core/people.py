"""Finds people in texts and rows, and takes them out."""

from __future__ import annotations

import abc
import base64
import copy
import hashlib
import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from typing_extensions import override

from attribution_elt.core.pseudonyms import keyed_hash, normal_address, person_key

ERASED = "erased"
"""Takes the place of an address inside a longer text; the reason of an erased row in a history."""
PERSONAL = "x-personal"
"""The member of a stream's schema that names its personal columns: the members of `Personal`."""

_AT = re.compile(r"@|%40|&#64;|&#x40;|\\u0040", re.IGNORECASE)
_SEPARATOR = re.compile(
    r"[\s\x00-\x1f\x7f\ufffd\"'<>(),:;=?&/\\\[\]{}|]|%(?:0[AD]|2[026789CF]|3[A-F]|5[BCD]|7[BCD])",
    re.IGNORECASE,
)
_DOMAIN = re.compile(r"\w[\w-]*(?:\.\w[\w-]*)*")
_DIGEST = re.compile(
    r"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})(?![0-9a-f])", re.IGNORECASE
)
_LONGEST_LOCAL = 200  # characters, percent-encoded
_SHORTEST_FRAGMENT = 8
_ALGORITHMS = ("md5", "sha1", "sha256")


class Finder(abc.ABC):
    """Finds people in texts.

    Args:
        fragments: texts that name a person wherever they are.
    """

    def __init__(self, fragments: Collection[str] = ()) -> None:
        self._fragments = fragments

    @abc.abstractmethod
    def is_person(self, text: str) -> bool:
        """Return whether an address, a digest in hex, or the value of a column is a person's."""

    def finds(self, value: Any, *, personal: bool = False) -> bool:
        """Return whether a text, or any text in a JSON value, names a person.

        Args:
            value: the text or JSON value.
            personal: whether it is of a personal column, where ids of any form name people.
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
        """Return a value without people: None for a whole name, `erased` for one in a text."""
        if isinstance(value, dict):
            return {self.cut(name): self.without(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.without(each) for each in value]
        if not isinstance(value, str):
            return None if self.finds(value) else value
        cut = self.cut(value)
        return None if cut != value and cut.strip() == ERASED else cut

    def cut(self, text: str) -> str:
        """Return a text with `erased` in the place of each name."""
        for start, end in sorted(set(self._places(text)), reverse=True):
            text = text[:start] + ERASED + text[end:]
        return text

    def _places(self, text: str) -> Iterator[tuple[int, int]]:
        for at in _AT.finditer(text):
            start = max(0, at.start() - _LONGEST_LOCAL)
            for separator in _SEPARATOR.finditer(text, start, at.start()):
                start = separator.end()
            domain = _DOMAIN.match(text, at.end())
            if domain is None or start == at.start():
                continue
            if self.is_person(f"{unquote(text[start : at.start()])}@{domain[0]}"):
                yield start, domain.end()
        for digest in _DIGEST.finditer(text):
            if self.is_person(digest[0]):
                yield digest.span()
        for fragment in self._fragments:
            if (start := text.find(fragment)) >= 0:
                yield start, start + len(fragment)


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
        super().__init__([fragment for each in spelled for fragment in _encoded(each)])

    def copy(self) -> People:
        """Return the same people, to whom ids can be added apart from these."""
        found = copy.copy(self)
        found.ids = self.ids.copy()
        found.pseudonyms = self.pseudonyms.copy()
        return found

    def add_id(self, value: str) -> bool:
        """Let another id stand for one of the people; return whether it is new."""
        if self.is_person(value):
            return False
        self.ids.add(value)
        self.pseudonyms |= {person_key(value, key) for key in self._keys}
        if _DIGEST.fullmatch(value):  # a pseudonym already
            self.pseudonyms.add(value)
        return True

    @override
    def is_person(self, text: str) -> bool:
        return text in self.ids or unicodedata.normalize("NFC", text).strip().lower() in self._known


def _encoded(address: str) -> Iterator[str]:
    """Yield what every Base64 or hexadecimal text contains that contains the address."""
    raw = address.encode()
    yield raw.hex()
    yield raw.hex().upper()
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        inner = text[(0, 2, 3)[offset] : len(text) if (offset + len(raw)) % 3 == 0 else -1]
        if len(inner) >= _SHORTEST_FRAGMENT:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")


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
        told = schema.get(PERSONAL)
        told = told if isinstance(told, dict) else {}
        pii, linked, lists = (
            frozenset(map(str, told.get(each) or ())) for each in ("pii", "linked", "lists")
        )
        return cls(pii, linked, lists, frozenset(keys), str(told.get("setting") or ""))

    def told(self) -> dict[str, Any]:
        """Return what a SCHEMA message announces."""
        names = {each: sorted(getattr(self, each)) for each in ("pii", "linked", "lists")}
        return {**names, "setting": self.setting}

    def erased(self, row: Mapping[str, Any], finder: Finder) -> dict[str, Any] | None:
        """Return a row without the people whom a finder finds; None if nothing is left.

        A row about such a person loses all personal columns. A list of several people loses its
        members who are found. Other columns lose the name alone.
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


def decoded(text: Any) -> Any:
    """Return the value of a JSON text; the text itself if it is not JSON."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return text
