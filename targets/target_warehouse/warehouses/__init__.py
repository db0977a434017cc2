"""Adapters of the warehouses, and the registry that finds an adapter by a URL's scheme."""
