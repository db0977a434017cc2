"""Attribution.io: a customer's timeline and what it was attributed to."""

from attribution_elt.sandbox.attribution_io.api import AttributionIo

__all__ = ["AttributionIo"]
