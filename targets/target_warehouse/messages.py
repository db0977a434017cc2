"""SCHEMA and STATE messages in the form that the loader takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from attribution_elt.core.events import CLAIMS, VOLATILE


@dataclasses.dataclass(frozen=True)
class SchemaMessage:
    """A SCHEMA message."""

    stream: str
    text: bytes
    """The schema as sent."""
    schema: dict[str, Any] = dataclasses.field(compare=False)
    keys: tuple[str, ...]
    bookmark: str | None = None
    """The replication key; None if the message does not name one."""

    @property
    def scope(self) -> tuple[str, ...] | None:
        """Properties that claims of the stream may name; None if the tap makes no claims."""
        announced = self.schema.get(CLAIMS)
        if not isinstance(announced, list):
            return None
        return tuple(name for name in announced if isinstance(name, str))

    @property
    def volatile(self) -> tuple[str, ...]:
        """Properties that differ between two readings of the same data."""
        announced = self.schema.get(VOLATILE)
        return tuple(announced) if isinstance(announced, list) else ()


class Claim(msgspec.Struct, frozen=True):
    """A part of a stream that the tap has delivered completely in this run."""

    stream: str
    where: dict[str, Any]
    """Values by property, or ranges: objects with `from` (included) and `to` (excluded)."""
    rows: int
    """Number of records that the tap has written inside the claim."""


@dataclasses.dataclass(frozen=True)
class StateMessage:
    """A STATE message; taps of this project add members to it."""

    value: str
    """JSON text, which is emitted unchanged."""
    delivered: Sequence[Claim] = ()
    complete: bool | None = None
    """Whether the tap has finished; None if the message does not have the member."""
    has_odd_claims: bool = False


_claims = msgspec.json.Decoder(list[Claim])


def state_message(value: str, delivered: bytes, complete: bytes) -> StateMessage:
    """Return a STATE message, given its members as JSON texts; absent ones are empty.

    Other taps may use the same members for something else, so members that cannot be read are not
    an error.
    """
    claims: Sequence[Claim] = ()
    is_odd = False
    if delivered:
        try:
            claims = _claims.decode(delivered)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            is_odd = True
    flag = {b"true": True, b"false": False}.get(complete)
    return StateMessage(value, claims, flag, has_odd_claims=is_odd)


def bounds(condition: Any) -> tuple[Any, Any] | None:
    """Return the bounds of a claim's range; None for a single value."""
    if isinstance(condition, Mapping):
        return condition.get("from"), condition.get("to")
    return None
