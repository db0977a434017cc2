"""The settings that every tap has, and error messages for invalid settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from singer_sdk import typing as th

from attribution_elt.core.dates import day_of

DISTRIBUTION = "attribution-elt"

MOST_DAYS = 36_500
"""Maximum number of days that a setting may span: a century."""

_formats = FormatChecker(())


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
            description="How the tap introduces itself to the vendor",
        ),
        th.Property(
            "request_timeout",
            th.NumberType(exclusive_minimum=0, maximum=86_400),
            default=300,
            title="Request timeout",
            description="Seconds without a byte before a request counts as failed",
        ),
        th.Property(
            "max_request_seconds",
            th.NumberType(exclusive_minimum=0, maximum=86_400),
            default=3600,
            title="Longest request",
            description="Seconds that a whole request may take before it counts as failed",
        ),
        th.Property(
            "max_response_bytes",
            th.IntegerType(minimum=1),
            default=2 << 30,
            title="Largest response",
            description="Bytes of the largest response; the unit of a larger one counts as failed",
        ),
        th.Property(
            "max_retries",
            th.IntegerType(minimum=1),
            default=8,
            title="Tries of a request",
            description="Tries of one request before it counts as failed",
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
            description="What happens to properties marked as personal data: `keep`, `hash` "
            "(keyed, needs `pii_key`) or `drop`",
        ),
        th.Property(
            "pii_key",
            th.StringType(min_length=16),
            secret=True,
            title="Key of the hash of personal data",
            description="Secret key of the hash, at least 16 characters: the same person gives "
            "the same value in every tap that uses the same key",
        ),
    )


def with_valid_alternatives(schema: Any) -> Any:
    """Return a JSON schema in which the alternatives that the SDK writes as `null` are schemas."""
    if isinstance(schema, dict):
        return {
            key: [{"type": each} if isinstance(each, str) else each for each in made]
            if key == "anyOf"
            else made
            for key, value in schema.items()
            for made in [with_valid_alternatives(value)]
        }
    if isinstance(schema, list):
        return [with_valid_alternatives(each) for each in schema]
    return schema


def setting_errors(schema: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each invalid setting: its name and the valid values.

    Values of secret settings are not repeated.
    """
    validator = Draft202012Validator(dict(schema), format_checker=_formats)
    for error in sorted(validator.iter_errors(dict(config)), key=lambda e: e.json_path):
        yield _sentence(error)
    if str(config.get("request_timeout")).lower() == "nan":  # NaN passes every range check
        yield "setting 'request_timeout': NaN must be a number of seconds"
    if config.get("pii") == "hash" and not config.get("pii_key"):
        yield "setting 'pii_key' is missing: 'pii' is 'hash', which needs a secret key"


def _sentence(error: ValidationError) -> str:
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.path)
    name = name.lstrip(".")
    schema = error.schema if isinstance(error.schema, dict) else {}
    if error.validator == "required":
        missing = error.message.split("'")[1]
        known = schema.get("properties", {}).get(missing, {})
        where = f"{name}.{missing}" if name else missing
        return f"setting {where!r} is missing: {known.get('description', 'it is required')}"
    value: Any = error.instance
    if error.validator == "additionalProperties":
        known = schema.get("properties", {})
        unknown = (f"{name}.{each}".lstrip(".") for each in value if each not in known)
        return f"setting {', '.join(map(repr, unknown))} is unknown: there are {', '.join(known)}"
    given = (
        "" if schema.get("secret") else f"{value if isinstance(value, Decimal) else repr(value)} "
    )
    kinds = [kind for kind in _listed(schema.get("type", "value")) if kind != "null"]
    rules = {
        "type": f"must be of type {' or '.join(kinds)}",
        "enum": f"must be one of {', '.join(map(str, schema.get('enum', ())))}",
        "minimum": f"must be at least {schema.get('minimum')}",
        "maximum": f"must be at most {schema.get('maximum')}",
        "exclusiveMinimum": f"must be more than {schema.get('exclusiveMinimum')}",
        "minItems": "must have at least one entry",
        "minLength": _length_rule(schema),
        "pattern": f"must match {schema.get('pattern')}",
        "format": "must be a date, YYYY-MM-DD",
    }
    rule = rules.get(str(error.validator), f"breaks the rule {error.validator!r}")
    return f"setting {name!r}: {given}{rule} ({schema.get('description', 'see --about')})"


def _length_rule(schema: Mapping[str, Any]) -> str:
    least = schema.get("minLength", 1)
    return "must not be empty" if least == 1 else f"must have at least {least} characters"


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


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


@_formats.checks("date", raises=ValueError)
def _is_date(value: object) -> bool:
    if isinstance(value, str):
        day_of(value)
    return True
