"""Streams of tap-ignite."""
