"""Personal data: kept, replaced by a keyed hash, or dropped."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Container, Mapping
from typing import Any

from attribution_elt.core.pseudonyms import keyed_hash, person_key

EXTRA = "_extra"
"""The property for members that a stream's schema does not name, and for values of other types."""


class PersonalData:
    """The settings `pii` and `pii_key`, applied to values of properties.

    Args:
        mode: `keep`, `hash` or `drop`.
        key: secret of the hash (HMAC-SHA-256). With one key, a person has the same value
        everywhere.
    """

    def __init__(self, mode: str, key: str) -> None:
        self._mode = mode
        self._key = key

    @classmethod
    def of_settings(cls, config: Mapping[str, Any], *, fallback_key: str) -> PersonalData:
        """Build it from settings; `fallback_key` hashes primary keys without a `pii_key`."""
        return cls(config.get("pii") or "keep", config.get("pii_key") or fallback_key)

    @property
    def key(self) -> str:
        """The key of the hashes."""
        return self._key

    @property
    def active(self) -> bool:
        """Whether anything is masked."""
        return self._mode != "keep"

    def schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return a stream's JSON schema for masked records, in which hashes are texts."""
        if self._mode != "hash":
            return schema
        properties = {
            name: {"type": ["string", *(t for t in each["type"] if t == "null")], **_kept(each)}
            if each.get("x-pii") and not {"object", "array"} & set(each["type"])
            else each
            for name, each in schema["properties"].items()
        }
        return {**schema, "properties": properties}

    def of(self, *, key: bool) -> Callable[[Any], Any]:
        """Return the mask of a property; one of the primary key is hashed even under `drop`."""
        return self.hashed if key or self._mode == "hash" else _dropped

    def extra(self, value: dict[str, Any], harmless: Container[str]) -> dict[str, Any] | None:
        """Return `_extra` with its members masked, except those known to be harmless."""
        mask = self.of(key=False)
        masked = {n: each if n in harmless else mask(each) for n, each in value.items()}
        return {name: each for name, each in masked.items() if each is not None} or None

    def hashed(self, value: Any) -> Any:
        """Return the value with each text and number in it replaced by its hash.

        One person has one hash in all spellings: `core.pseudonyms.person_key`.
        """
        if isinstance(value, dict):
            return {name: self.hashed(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.hashed(inner) for inner in value]
        if value is None or isinstance(value, bool):
            return value
        return person_key(str(value), self._key)

    def digest(self, text: bytes) -> str:
        """Return a digest of a row that may contain personal data; keyed if such data is masked."""
        if self.active:
            return hmac.new(self._key.encode(), text, hashlib.sha256).hexdigest()
        return hashlib.sha256(text).hexdigest()

    def fingerprint(self, *, hashes_keys: bool) -> str:
        """Return a text that changes if the same person would get another value.

        Args:
            hashes_keys: whether the primary key has personal data, which `drop` hashes too.
        """
        if self._mode == "hash" or (self._mode == "drop" and hashes_keys):
            return f"{self._mode}:{keyed_hash('fingerprint of pii_key', self._key)[:16]}"
        return self._mode


def _kept(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name not in {"type", "format"}}


def _dropped(_value: Any) -> None:
    return None
