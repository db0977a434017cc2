"""Converts a vendor's objects to Singer records."""
