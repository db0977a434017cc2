"""Visitors, locations, audiences, inventory and sales of the websites on Ignite."""
