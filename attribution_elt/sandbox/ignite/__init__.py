"""Ignite: visitors of websites, the products they viewed, and their households."""

from attribution_elt.sandbox.ignite.api import Ignite
from attribution_elt.sandbox.ignite.website import Sizes, Website

__all__ = ["Ignite", "Sizes", "Website"]
