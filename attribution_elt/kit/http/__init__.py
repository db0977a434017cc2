"""The HTTP client of all taps."""
