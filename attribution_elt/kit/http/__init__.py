"""HTTP as every tap uses it."""
