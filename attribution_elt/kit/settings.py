"""The settings that every tap has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from singer_sdk import typing as th

from attribution_elt.core.pseudonyms import SHORTEST_KEY
from attribution_elt.core.settings import invalid_settings
from attribution_elt.kit.http.client import MOST_BYTES, MOST_SECONDS

DISTRIBUTION = "attribution-elt"

MOST_DAYS = 36_500
"""Maximum number of days that a setting may span: a century."""


def common(api_url: str) -> th.PropertiesList:
    """Return the settings that all taps share; `api_url` is the vendor's documented base URL."""
    return th.PropertiesList(
        th.Property(
            "api_url",
            th.StringType(pattern=r"^https?://[^/\s]+"),
            default=api_url,
            title="API URL",
            description="Base URL of the vendor's API",
        ),
        th.Property(
            "user_agent",
            th.StringType(pattern="^(?! )[ -~]*$"),
            default=f"{DISTRIBUTION}/{version(DISTRIBUTION)}",
            title="User agent",
            description="`User-Agent` header of the requests",
        ),
        th.Property(
            "request_timeout",
            th.NumberType(exclusive_minimum=0, maximum=86_400),
            default=300,
            title="Request timeout",
            description="Seconds without data before a request counts as failed",
        ),
        th.Property(
            "max_request_seconds",
            th.NumberType(exclusive_minimum=0, maximum=86_400),
            default=MOST_SECONDS,
            title="Longest request",
            description="Maximum seconds of a complete request before it counts as failed",
        ),
        th.Property(
            "max_response_bytes",
            th.IntegerType(minimum=1),
            default=MOST_BYTES,
            title="Largest response",
            description="Maximum bytes of a response; the unit of a larger one counts as failed",
        ),
        th.Property(
            "max_retries",
            th.IntegerType(minimum=1),
            default=8,
            title="Attempts per request",
            description="Attempts of a request before it counts as failed",
        ),
        th.Property(
            "max_concurrent_requests",
            th.IntegerType(minimum=1, maximum=64),
            default=8,
            title="Concurrent requests",
            description="Maximum number of requests in flight at once",
        ),
        th.Property(
            "pii",
            th.StringType(allowed_values=["keep", "hash", "drop"]),
            default="keep",
            title="Personal data",
            description="Treatment of properties marked as personal data: `keep`, `hash` "
            "(keyed, needs `pii_key`) or `drop`",
        ),
        th.Property(
            "pii_key",
            th.StringType(min_length=SHORTEST_KEY),
            secret=True,
            title="Key of the hash of personal data",
            description="Secret key of the hash, at least "
            f"{SHORTEST_KEY} characters: the same person gives the same value in every tap that "
            "uses the same key",
        ),
    )


def setting_errors(schema: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each invalid setting, with the rules that no JSON schema expresses."""
    yield from invalid_settings(schema, config)
    if str(config.get("request_timeout")).lower() == "nan":  # NaN passes every range check
        yield "setting 'request_timeout': NaN must be a number of seconds"
    if config.get("pii") == "hash" and not config.get("pii_key"):
        yield "setting 'pii_key' is missing: 'pii' is 'hash', which needs a secret key"


def repeated_names(setting: str, names: Sequence[str]) -> Iterator[str]:
    """Yield a line for each name that a list in the settings has more than once."""
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"setting {setting!r}: the name {name!r} is given twice"


def is_file(path: str) -> bool:
    """Return whether a setting is the path of an existing file."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # it is too long for a path, or contains NUL
        return False
