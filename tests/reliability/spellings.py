"""Spellings of e-mail addresses in texts, URLs, and files."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Callable, Iterator
from urllib.parse import quote


def digest(algorithm: str, text: str) -> str:
    return hashlib.new(algorithm, text.encode(), usedforsecurity=False).hexdigest()


ENCODINGS: tuple[Callable[[str], str], ...] = (
    str,
    str.upper,
    lambda text: quote(text, safe=""),
    lambda text: quote(quote(text, safe=""), safe=""),
    lambda text: base64.b64encode(text.encode()).decode(),
    lambda text: base64.urlsafe_b64encode(f"id={text}&n=1".encode()).decode(),
    lambda text: text.encode().hex(),
    lambda text: json.dumps(text)[1:-1].replace("@", "\\u0040"),
    lambda text: html.escape(text).replace("@", "&#64;"),
    *(lambda text, name=each: digest(name, text) for each in ("sha256", "sha1", "md5")),
)


def needles(address: str) -> Iterator[bytes]:
    """Yield what bytes in lower case may contain of a person."""
    for spelling in {address, address.upper(), address.title()}:
        for encode in ENCODINGS:
            yield encode(spelling).lower().encode()
        for encoding in ("utf-16-le", "utf-16-be"):
            yield spelling.lower().encode(encoding)
        for before in range(3):
            encoded = base64.b64encode(bytes(before) + spelling.encode()).decode()
            yield encoded[4:-4].lower().encode()
