"""Streams of tap-adtraction."""
