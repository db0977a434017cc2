"""The document's complete samples, which the first website returns on every day."""

from __future__ import annotations

from typing import Any, Final

from attribution_elt.sandbox.exact_json import documented

_SAMPLES: Final = documented(__package__)
PRODUCTS: Final[list[dict[str, Any]]] = _SAMPLES["products"]
LOCATION: Final[dict[str, Any]] = _SAMPLES["location"]
AUDIENCES: Final[list[dict[str, Any]]] = _SAMPLES["audiences"]
AUDIENCE_GROUPS: Final[list[dict[str, Any]]] = _SAMPLES["audience_groups"]


def location_details(algorithm: str) -> dict[str, Any]:
    """Return the location's details; its e-mail addresses are known as MD5 hashes only."""
    details = {**LOCATION, **_SAMPLES["details"]}
    return details if algorithm == "md5" else {**details, "hashed_emails": []}


def members(algorithm: str) -> list[str]:
    """Return the members of every documented audience and audience group."""
    return list(_SAMPLES["members"]) if algorithm == "md5" else []
