"""Streams of tap-ihc."""
