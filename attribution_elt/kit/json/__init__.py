"""Streaming JSON."""
