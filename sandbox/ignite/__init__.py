"""Ignite: who visits a website, what for, and where they live."""

from sandbox.ignite.api import Ignite
from sandbox.ignite.website import Sizes, Website

__all__ = ["Ignite", "Sizes", "Website"]
