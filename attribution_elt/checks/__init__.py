"""Checks of accounts, warehouses and this machine."""
