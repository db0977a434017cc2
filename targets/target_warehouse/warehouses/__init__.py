"""Warehouses: an adapter for each, and the registry that finds it by the scheme of a URL."""
