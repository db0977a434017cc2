"""ECDP: the order attribution report."""

from attribution_elt.sandbox.ecdp.api import Ecdp, longer_than

__all__ = ["Ecdp", "longer_than"]
