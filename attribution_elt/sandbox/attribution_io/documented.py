"""The document's sample customer."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

from attribution_elt.sandbox.exact_json import decode

_SAMPLE: Final = decode((files(__package__) / "documented.json").read_bytes())
CUSTOMER: Final[dict[str, Any]] = _SAMPLE["customer"]
CLIENT_ID: Final[str] = CUSTOMER["client_id"]
