"""Erases people from warehouses, states and files."""
