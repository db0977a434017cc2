"""ECDP: the order attribution report."""

from sandbox.ecdp.api import Ecdp, longer_than

__all__ = ["Ecdp", "longer_than"]
