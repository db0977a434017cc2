"""Generated e-mail addresses of visitors, and their hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

ALGORITHMS = {"md5": "md5", "sha1": "sha1", "sha2": "sha256"}


def hashed_emails(numbers: Iterable[int], website: str, algorithm: str) -> list[str]:
    """Return the hashed addresses of a website's visitors."""
    return [
        hashlib.new(ALGORITHMS[algorithm], email.encode(), usedforsecurity=False).hexdigest()
        for number in numbers
        for email in emails(number, website)
    ]


def emails(number: int, website: str) -> list[str]:
    """Return a visitor's addresses: mostly one, sometimes none or two."""
    # every fourth visitor is the same person at all websites
    host = "example.com" if number % 4 == 0 else f"{website.replace('_', '-')}.example.com"
    count = {3: 0, 7: 2}.get(number % 10, 1)
    return [f"visitor.{number}@{host}", f"visitor+{number}@{host}"][:count]
