from __future__ import annotations

import base64
import html
import io
import json
import logging
import re
from urllib.parse import quote, quote_plus, urlencode

import pytest

from attribution_elt.core.redaction import (
    Redactor,
    _RedactingFormatter,
    _RedactingStream,
    passwords_of,
    secrets_of,
)

SECRETS = ["s3cr3t-key", "p@ss w/rd+&=%", 'quo"te\\back', "zażółć", "x" * 40, "sk_live.Ab-9~"]
SECRETS += ["-----BEGIN KEY-----\nMIIE  x\n", "two\r\n\tlines\r\n"]


def spellings(secret: str) -> dict[str, str]:
    raw = secret.encode()
    return {
        "raw": secret,
        "in a path": quote(secret, safe=""),
        "in a path with slashes": quote(secret),
        "in a query": quote_plus(secret),
        "as a parameter": urlencode({"token": secret}),
        "in a path in lower case": re.sub("%..", lambda x: x[0].lower(), quote(secret, safe="")),
        "in JSON": json.dumps({"key": secret}),
        "in JSON in UTF-8": json.dumps({"key": secret}, ensure_ascii=False),
        "in base64": base64.b64encode(raw).decode(),
        "in base64 for URLs": base64.urlsafe_b64encode(raw).decode(),
        "in base64 behind a user": base64.b64encode(f"user:{secret}:more".encode()).decode(),
        "in HTML": html.escape(secret),
        "as Python shows it": repr({"key": secret}),
        "as bytes": repr(raw),
        "in an error of one line": " ".join(secret.split()),
        "in ASCII": ascii(secret)[1:-1],
    }


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("spelling", spellings(""))
def test_a_secret_is_removed_however_it_is_spelt(secret: str, spelling: str) -> None:
    redact = Redactor()
    redact.add([secret])
    spelled = spellings(secret)[spelling]
    left = redact(f"GET /orders?{spelled}&page=2 failed")
    assert "***" in left
    assert left.startswith("GET /orders?")
    assert left.endswith("&page=2 failed")
    for form in (secret, quote(secret, safe=""), quote_plus(secret)):
        assert form not in left


def test_a_secret_that_contains_another_is_removed_completely() -> None:
    redact = Redactor()
    redact.add(["token"])
    redact.add(["token-and-more"])
    assert redact("a token-and-more b token c") == "a *** b *** c"


def test_a_short_secret_is_not_removed_from_longer_words() -> None:
    redact = Redactor()
    redact.add(["k", "secret"])
    redacted = redact("'lookback_days' of client_secret: /api?key=k&secret=secret 'k' \"k\"")
    assert redacted == "'lookback_days' of client_secret: /api?key=***&***=*** '***' \"***\""


def test_a_secret_that_is_not_unicode_is_removed() -> None:
    redact = Redactor()
    redact.add(["p\udce5ssword"])  # the environment's bytes that are not UTF-8
    assert redact("refused p\udce5ssword, p%ED%B3%A5ssword") == "refused ***, ***"


def test_an_empty_secret_changes_nothing() -> None:
    redact = Redactor()
    redact.add([""])
    assert redact("nothing to hide") == "nothing to hide"


def test_secrets_are_found_at_any_depth_of_the_settings() -> None:
    secret = {"type": "string", "secret": True}
    website = {"type": "object", "properties": {"name": {"type": "string"}, "token": secret}}
    schema = {
        "properties": {
            "api_key": secret,
            "plain": {"type": "string"},
            "websites": {"type": "array", "items": website},
            "url": secret,
            "keys": {"type": "array", "secret": True},
        }
    }
    config = {
        "api_key": "one",
        "plain": "shown",
        "websites": [{"name": "shown", "token": "two"}, {"token": "three"}, {}],
        "url": "postgresql://user:pa%20ss@host/db",
        "keys": ["four", "five"],
    }
    found = set(secrets_of(schema, config))
    assert {"one", "two", "three", "pa%20ss", "pa ss", "four", "five"} <= found
    assert "shown" not in found


def test_missing_and_null_secrets_are_ignored() -> None:
    schema = {"properties": {"api_key": {"secret": True}, "other": {"secret": True}}}
    assert list(secrets_of(schema, {"api_key": None})) == []


def logged(redact: Redactor, *, level: int) -> tuple[logging.Logger, io.StringIO]:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(_RedactingFormatter(logging.Formatter("%(message)s"), redact))
    logger = logging.getLogger("redaction")
    logger.handlers = [handler]
    logger.setLevel(level)
    return logger, out


def test_log_lines_arguments_and_tracebacks_are_without_secrets() -> None:
    redact = Redactor()
    redact.add(["s3cr3t-key"])
    logger, out = logged(redact, level=logging.DEBUG)
    logger.debug("asking %s", "http://x?token=s3cr3t-key")
    logger.info("settings %s", {"api_key": "s3cr3t-key"})
    try:
        int("s3cr3t-key")
    except ValueError:
        logger.exception("failed with s3cr3t-key")
    assert "s3cr3t-key" not in out.getvalue()
    assert out.getvalue().count("***") >= 4
    assert "Traceback" in out.getvalue()


def test_standard_error_is_without_secrets() -> None:
    redact = Redactor()
    redact.add(["s3cr3t-key"])
    out = io.StringIO()
    stream = _RedactingStream(out, redact)
    print("Traceback: s3cr3t-key", {"k": "s3cr3t-key"}, file=stream)
    assert "s3cr3t-key" not in out.getvalue()


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("https://user:pa%20ss@host/v1", {"pa%20ss", "pa ss"}),
        ("user:word@host", {"word"}),
        ("https://user:w@rd@host", {"w@rd", "w", "rd"}),
        ("https://user:word@[::1", {"word"}),
        ("https://host:8080/v1", set()),
        ("somebody@example.com", set()),
        ("a text: mail to me@example.com", set()),
    ],
)
def test_passwords_are_found_in_valid_and_invalid_urls(url: str, password: set[str]) -> None:
    assert set(passwords_of({"api_url": url, "more": [{"inner": url}], "number": 1})) == password


def test_a_value_that_is_not_a_url_is_still_treated_as_secret() -> None:
    schema = {"properties": {"url": {"secret": True}}}
    assert list(secrets_of(schema, {"url": "db://user:word@[::1"})) == ["db://user:word@[::1"]


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("snowflake://user:w%2Frd@host/db?token=t0ken&schema=x", {"w%2Frd", "w/rd", "t0ken"}),
        ("postgresql://host/db?password=pw&sslkey=k1", {"pw", "k1"}),
        ("a sentence?token=none", set()),
    ],
)
def test_secret_parameters_of_urls_are_found(url: str, secrets: set[str]) -> None:
    assert set(passwords_of({"url": url})) == secrets


@pytest.mark.parametrize("url", ["duckdb://", "sqlite:///", "duckdb:///warehouse.duckdb"])
def test_the_url_of_a_file_can_be_shown(url: str) -> None:
    assert list(secrets_of({"properties": {"url": {"secret": True}}}, {"url": url})) == []
