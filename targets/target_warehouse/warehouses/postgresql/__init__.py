"""PostgreSQL, and databases with the same protocol."""
