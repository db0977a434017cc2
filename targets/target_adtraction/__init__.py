"""Writes channels' approval statuses to Adtraction."""
