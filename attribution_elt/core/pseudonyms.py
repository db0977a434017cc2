"""Keyed hashes that replace personal data; one key gives one hash in every tap and target."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata

SHORTEST_KEY = 16
"""Characters of the key, at least: a shorter key can be guessed."""


def email_key(address: str, key: str) -> str:
    """Return the pseudonym of an e-mail address.

    It is the HMAC of the address' SHA-256 in hex, so that an address and its SHA-256 hash, which
    some vendors send instead, have one pseudonym. Case and surrounding blanks do not count.
    """
    normal = unicodedata.normalize("NFC", address).strip().lower()
    return hash_key(hashlib.sha256(normal.encode()).hexdigest(), key)


def hash_key(sha256: str, key: str) -> str:
    """Return the pseudonym of the address that has this SHA-256 hash, in hex."""
    return hmac.new(key.encode(), sha256.lower().encode(), hashlib.sha256).hexdigest()
