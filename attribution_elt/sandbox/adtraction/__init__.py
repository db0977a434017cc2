"""Adtraction, version 3: programs and product feeds for partners, channels for clients."""

from attribution_elt.sandbox.adtraction.api import Adtraction

__all__ = ["Adtraction"]
