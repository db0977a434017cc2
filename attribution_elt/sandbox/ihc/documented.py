"""The document's sample request and its response."""

from __future__ import annotations

from typing import Any, Final

from attribution_elt.sandbox.exact_json import documented

_SAMPLE: Final = documented(__package__)
REQUEST: Final[dict[str, Any]] = _SAMPLE["request"]
RESPONSE: Final[dict[str, Any]] = _SAMPLE["response"]
