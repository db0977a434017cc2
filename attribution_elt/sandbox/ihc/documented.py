"""The document's sample request and its answer."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

from attribution_elt.sandbox.exact_json import decode

_SAMPLE: Final = decode((files(__package__) / "documented.json").read_bytes())
REQUEST: Final[dict[str, Any]] = _SAMPLE["request"]
RESPONSE: Final[dict[str, Any]] = _SAMPLE["response"]
