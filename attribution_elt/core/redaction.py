"""Keeps secrets out of logs and standard error."""

from __future__ import annotations

import base64
import html
import io
import json
import logging
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, TextIO
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from typing_extensions import override

MASK = "***"
SHORT = 8
"""A shorter secret is removed only where it is a whole word: many words contain `k`."""
_PASSWORD = re.compile(
    r"(?:.*//|)[^:/@\s]*:(?P<all>(?P<first>[^@]+)(?:@(?P<rest>.*))?)@", re.DOTALL
)
"""The password in a URL's text, valid or not; a password that contains `@` ends at the last one.

Libraries end it at the first one, and name the rest as a part of the host.
"""
_PERCENT = re.compile("%..")
_FILE_URL = re.compile(r"\w+://(/[^@?]*)?")
"""A database URL that names only a file, or nothing; messages about it have to show it."""
_SECRET_WORDS = ("pass", "token", "secret", "key", "signature", "credential")
"""Parts of the names of URL parameters whose values are secret."""


class Redactor:
    """Replaces known secrets by `***`, in every encoding in which they may appear."""

    def __init__(self) -> None:
        self._needles: list[str] = []

    def add(self, secrets: Iterable[str]) -> None:
        """Add secrets to replace from now on."""
        needles = set(self._needles)
        for secret in secrets:
            needles.update(form for form in _encodings(secret) if form)
        # longest first, so that no part of an encoding remains
        self._needles = sorted(needles, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        for needle in self._needles:
            if needle not in text:
                continue
            if len(needle) < SHORT:
                text = re.sub(rf"(?<!\w){re.escape(needle)}(?!\w)", MASK, text)
            else:
                text = text.replace(needle, MASK)
        return text


def _encodings(secret: str) -> Iterator[str]:
    raw = secret.encode(errors="surrogatepass")
    in_a_line = " ".join(secret.split())  # the form in errors of one line
    plain = {secret, in_a_line, html.escape(secret), repr(secret)[1:-1], repr(raw)[2:-1]}
    plain |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    plain |= {quote(raw, safe=""), quote(raw), quote_plus(raw), ascii(secret)[1:-1]}
    yield from plain
    yield from (_PERCENT.sub(lambda found: found[0].lower(), each) for each in plain)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode()
        yield encode(raw).decode().rstrip("=")
        if len(raw) < SHORT:
            continue
        for before in range(3):  # the secret's offset in a longer text such as `user:`, modulo 3
            start, end = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
            yield encode(bytes(before) + raw).decode()[start:end]


def secrets_of(schema: Mapping[str, Any], value: Any) -> Iterator[str]:
    """Yield every value that the settings' JSON schema marks as `secret`, at any depth."""
    if isinstance(value, Mapping):
        for name, inner in schema.get("properties", {}).items():
            yield from secrets_of(inner, value.get(name))
    elif isinstance(value, list):
        items = {"secret": schema.get("secret"), **schema.get("items", {})}
        for item in value:
            yield from secrets_of(items, item)
    elif schema.get("secret") and value is not None:
        text = str(value)
        if not _FILE_URL.fullmatch(text):
            yield text
        with suppress(ValueError):  # a value may only look like a URL
            if "://" in text and (password := urlsplit(text).password):
                yield password
                yield unquote(password)


def passwords_of(value: Any) -> Iterator[str]:
    """Yield the passwords of URLs, as written and decoded, in settings of any kind."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from passwords_of(each)
    elif isinstance(value, str):
        found = _PASSWORD.match(value)
        parts = found.groups("") if found else ()
        for password in (*filter(None, parts), *_secret_parameters(value)):
            yield password
            yield unquote(password)


def _secret_parameters(url: str) -> Iterator[str]:
    """Yield the values of a URL's query parameters whose names mark them as secret."""
    if "://" not in url:
        return
    for name, value in parse_qsl(url.partition("?")[2]):
        if any(word in name.lower() for word in _SECRET_WORDS):
            yield value


class _RedactingFormatter(logging.Formatter):
    """Formats a record with another formatter, tracebacks included, and removes secrets."""

    def __init__(self, inner: logging.Formatter, redact: Redactor) -> None:
        super().__init__()
        self._inner = inner
        self._redact = redact

    @override
    def format(self, record: logging.LogRecord) -> str:
        return self._redact(self._inner.format(record))


class _RedactingStream(io.TextIOBase):
    """Standard error without secrets, for output that does not go through logging."""

    def __init__(self, inner: TextIO, redact: Redactor) -> None:
        self._inner = inner
        self._redact = redact

    @override
    def write(self, text: str, /) -> int:
        self._inner.write(self._redact(text))
        return len(text)

    @override
    def flush(self) -> None:
        self._inner.flush()

    @override
    def isatty(self) -> bool:
        return self._inner.isatty()

    @override
    def fileno(self) -> int:
        return self._inner.fileno()


redactor = Redactor()
"""The redactor of the process, whose logging and standard error it serves."""


def install() -> None:
    """Remove secrets from every log handler and from standard error.

    The loggers of HTTP libraries are silenced: their lines contain whole URLs, which may include
    personal data. The kit logs each request itself.
    """
    for name in ("urllib3", "requests", "backoff"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for logger in (logging.getLogger(), *logging.Logger.manager.loggerDict.values()):
        for handler in getattr(logger, "handlers", ()):
            if not isinstance(handler.formatter, _RedactingFormatter):
                inner = handler.formatter or logging.Formatter()
                handler.setFormatter(_RedactingFormatter(inner, redactor))
    if not isinstance(sys.stderr, _RedactingStream):
        sys.stderr = _RedactingStream(sys.stderr, redactor)
