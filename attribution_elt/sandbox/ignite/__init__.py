"""Ignite: who visits a website, what for, and where they live."""

from attribution_elt.sandbox.ignite.api import Ignite
from attribution_elt.sandbox.ignite.website import Sizes, Website

__all__ = ["Ignite", "Sizes", "Website"]
