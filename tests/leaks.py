"""Searches the output of processes for secrets in every encoding.

Every helper of the tests that runs one of the executables searches its output for the secrets of
that run and for the sandbox's credentials. A leak fails the test, whatever the test is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any
from urllib.parse import unquote, urlsplit

from attribution_elt.kit.testing.spellings import spellings
from attribution_elt.sandbox import Sandbox

SHORTEST = 6
"""Minimum length of secrets to search for: many words contain shorter ones."""
_SPACE = re.compile(rb"\s+")
_WRAPPED = 1 << 20
"""Maximum size in bytes of an output that is searched again without line breaks."""


@cache
def secret_settings() -> frozenset[str]:
    """Names of the settings that are secret, of all taps and the loader."""
    found: set[str] = set()

    def collect(schema: Mapping[str, Any]) -> None:
        for name, inner in schema.get("properties", {}).items():
            if inner.get("secret"):
                found.add(name)
            collect(inner.get("items", {}))
            collect(inner)

    for script in entry_points(group="console_scripts"):
        if script.module.startswith(("tap_", "target_")):
            plugin = getattr(import_module(script.module), script.attr.removesuffix(".cli"))
            collect(plugin.config_jsonschema)
    return frozenset(found)


@cache
def of_sandbox() -> frozenset[str]:
    """Return the sandbox's default credentials."""
    vendors = Sandbox().vendors.values()
    return frozenset(each for vendor in vendors for each in vendor.credentials.values())


def of_settings(settings: Any) -> Iterator[str]:
    """The secrets in settings of any of the taps, or of the loader, at any depth."""
    if isinstance(settings, Mapping):
        for name, value in settings.items():
            if name in secret_settings() and isinstance(value, str):
                yield from _of_value(value)
            else:
                yield from of_settings(value)
    elif isinstance(settings, list):
        for value in settings:
            yield from of_settings(value)


def _of_value(value: str) -> Iterator[str]:
    """Return a secret; of a URL only the password, because its host may be shown."""
    try:
        parts = urlsplit(value)
        password = parts.password if parts.scheme else None
    except ValueError:
        parts, password = None, None
    if not (parts and parts.scheme):
        yield value
    elif password:
        yield from (password, unquote(password))


def found(output: bytes | str, secrets: Iterable[str]) -> list[str]:
    """Return the encodings of secrets that an output contains."""
    needles = _needles(frozenset(secrets))
    text = output.encode(errors="surrogateescape") if isinstance(output, str) else output
    shown = [each for each in _among(text, needles) if each in text]
    if not shown and len(text) < _WRAPPED:  # lines may be wrapped
        whole = _SPACE.sub(b"", text)
        shown = [each for each in _among(whole, needles) if _SPACE.sub(b"", each) in whole]
    return [each.decode() for each in shown]


@cache
def _needles(secrets: frozenset[str]) -> dict[bytes, list[bytes]]:
    """Group the encodings by their beginnings, which most outputs do not contain."""
    needles: dict[bytes, list[bytes]] = {}
    for secret in secrets:
        for each in spellings(secret) if len(secret) >= SHORTEST else ():
            if len(each) >= SHORTEST:
                needles.setdefault(_SPACE.split(each.encode())[0][:4], []).append(each.encode())
    return needles


def _among(text: bytes, needles: Mapping[bytes, list[bytes]]) -> Iterator[bytes]:
    for beginning, group in needles.items():
        if beginning[:1] in text and beginning in text:
            yield from group


def guard(*outputs: bytes | str, settings: Any = None) -> None:
    """Fail if an output shows a secret of the settings that it came from, or of the sandbox."""
    secrets = {*of_sandbox(), *of_settings(settings)}
    for output in outputs:
        assert found(output, secrets) == [], "a secret leaks"
