"""Keeps the warehouse's credentials out of everything that is printed."""

from __future__ import annotations

import logging
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from typing_extensions import override

_SECRET_PARAMETERS = ("pass", "token", "secret", "key")


class Redactor(logging.Filter):
    """Replaces secrets in texts and, as a filter of log handlers, in log records."""

    def __init__(self) -> None:
        super().__init__()
        self._secrets: list[str] = []

    def learn(self, url: object) -> None:
        """Take the whole of `url`, its password and its secret parameters for secrets."""
        text = str(url)
        found = {text}
        for secret in _secrets_of(text):
            plain = unquote(secret)
            found |= {secret, plain, quote(plain), quote(plain, safe=""), quote_plus(plain)}
        # The longest first, for one secret may be a part of another.
        self._secrets = sorted({*self._secrets, *found} - {""}, key=len, reverse=True)

    def redacted(self, text: str) -> str:
        """Return the text without the secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self.redacted(record.getMessage()), None
        if record.exc_info:
            record.exc_text = self.redacted(logging.Formatter().formatException(record.exc_info))
        return True


def _secrets_of(url: str) -> list[str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return []
    credentials = parts.netloc.rpartition("@")[0]
    parameters = parse_qsl(parts.query)
    return [credentials.partition(":")[2]] + [
        value
        for name, value in parameters
        if any(word in name.lower() for word in _SECRET_PARAMETERS)
    ]
