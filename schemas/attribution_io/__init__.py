"""Streams of tap-attribution-io."""
