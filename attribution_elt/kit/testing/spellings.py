"""Encodings in which an output may show a secret."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from functools import cache
from urllib.parse import quote, quote_plus


@cache
def spellings(secret: str) -> frozenset[str]:
    """Return the forms in which a vendor or a library may repeat a secret."""
    raw = secret.encode()
    plain = {
        *(secret, repr(secret)[1:-1], repr(raw)[2:-1], html.escape(secret)),
        *(json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]),
        *(quote(secret), quote(secret, safe=""), quote_plus(secret)),
    }
    plain |= {re.sub("%..", lambda found: found[0].lower(), each) for each in plain}
    return frozenset({*plain, *_in_base64(raw)})


def _in_base64(raw: bytes) -> Iterator[str]:
    """Yield the encodings of a secret at the start, in the middle and at the end of a text."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode().rstrip("=")
        for before in range(3):
            encoded = encode(bytes(before) + raw).decode()
            whole = (before + len(raw)) * 8 // 6  # characters that encode the secret alone
            yield encoded[-(-before * 8 // 6) : whole]
