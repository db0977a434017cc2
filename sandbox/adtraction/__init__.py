"""Adtraction, version 3: programs and product feeds for partners, channels for clients."""

from sandbox.adtraction.api import Adtraction

__all__ = ["Adtraction"]
