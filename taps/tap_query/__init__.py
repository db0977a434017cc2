"""Rows of a user's own queries, from any database that SQLAlchemy can connect to."""
