"""Targets that write to a vendor: they read, compare, limit, record and send changes."""
