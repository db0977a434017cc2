"""Streams of tap-ecdp."""
