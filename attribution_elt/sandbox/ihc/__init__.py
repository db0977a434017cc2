"""IHC: attribution credits computed for the journeys of a request."""

from attribution_elt.sandbox.ihc.api import Ihc, value_null

__all__ = ["Ihc", "value_null"]
