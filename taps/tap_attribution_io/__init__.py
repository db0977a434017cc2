"""Customers of Attribution.io with their events, touchpoints and attribution results."""
