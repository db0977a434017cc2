"""Attribution.io: customers' timelines, and the sources to which events are attributed."""

from attribution_elt.sandbox.attribution_io.api import AttributionIo

__all__ = ["AttributionIo"]
