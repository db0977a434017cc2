"""Validation of request bodies."""

from __future__ import annotations

import re
from collections.abc import Collection
from http import HTTPStatus
from typing import Any

from attribution_elt.sandbox.messages import Request
from attribution_elt.sandbox.vendor import RefusalError, bad_request

EXPECTED = {
    "market": "an ISO 3166-1 Alpha-2 country code",
    "approvalStatus": "0 = rejected, 1 = approved, 2 = pending review",
    "status": "0 = live, 3 = closing",
    "rejectReason": "0 to 12",
    "setEpi": "true or false",
    "gt": "true or false",
}
CHOICES: dict[str, Collection[int]] = {
    "approvalStatus": (0, 1, 2),
    "status": (0, 3),
    "rejectReason": range(13),
}


def read_fields(
    request: Request, known: Collection[str], required: Collection[str] = ()
) -> dict[str, Any]:
    """Return the known fields of a JSON body; refuse invalid values, null included."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise RefusalError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Unsupported media type")
    try:
        body = request.json()
    except ValueError:
        raise bad_request("Malformed JSON") from None
    if not isinstance(body, dict):
        raise bad_request("Expected an object")
    for name in required:
        if name not in body:
            raise bad_request(f"Missing {name}.")
    fields = {name: value for name, value in body.items() if name in known}
    for name, value in fields.items():
        if not _is_valid(name, value):
            raise bad_request(f"Invalid {name}. Expected value: {EXPECTED.get(name, 'a number')}")
    return fields


def _is_valid(name: str, value: Any) -> bool:
    if name == "market":
        return isinstance(value, str) and re.fullmatch("[A-Z]{2}", value) is not None
    if name in {"setEpi", "gt"}:
        return isinstance(value, bool)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return is_number and (name not in CHOICES or value in CHOICES[name])
