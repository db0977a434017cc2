"""Keyed hashes that replace personal data; one key gives the same hash in all plugins."""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata

SHORTEST_KEY = 16
"""Minimum length of the key; shorter keys can be guessed."""

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_PHONE = re.compile(r"(?:\+|00)[\s().\-/\d]+")
_TRUNK_ZERO = re.compile(r"\(0+\)")
_E164 = re.compile(r"\+[1-9]\d{6,14}")


def email_key(address: str, key: str) -> str:
    """Return the pseudonym of an e-mail address.

    It is the HMAC of the address's SHA-256 in hex, so that an address and its SHA-256 hash, which
    some vendors send instead, have the same pseudonym. Case and surrounding blanks do not matter.
    """
    return keyed_hash(hashlib.sha256(normal_address(address).encode()).hexdigest(), key)


def person_key(text: str, key: str) -> str:
    """Return the pseudonym of a text that is personal data: an address, a phone number, an id.

    Case, surrounding blanks and the form of composed characters do not matter. An international
    phone number has the same pseudonym in every notation. A number without a country code has a
    separate one, because its country would be a guess.
    """
    wide = unicodedata.normalize("NFKC", text).strip()
    if _ADDRESS.fullmatch(wide):
        return email_key(wide, key)
    plain = e164(wide) or unicodedata.normalize("NFC", text).strip()
    return keyed_hash(unicodedata.normalize("NFC", plain.casefold()), key)


def normal_address(address: str) -> str:
    """Return an e-mail address trimmed, in lower case and in one form of Unicode.

    A domain in Punycode (`xn--`) keeps it, because vendors that send hashes do not convert it.
    """
    lower = unicodedata.normalize("NFKC", address).strip().lower()
    return unicodedata.normalize("NFKC", lower)


def e164(text: str) -> str | None:
    """Return a phone number that begins with + or 00 in the format E.164; None for other texts."""
    if not _PHONE.fullmatch(text):
        return None
    digits = re.sub(r"\D", "", _TRUNK_ZERO.sub("", text))
    number = "+" + (digits if text.startswith("+") else digits[2:])
    return number if _E164.fullmatch(number) else None


def keyed_hash(text: str, key: str) -> str:
    """Return the HMAC-SHA-256 of a text, in hex."""
    return hmac.new(key.encode(), text.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()
