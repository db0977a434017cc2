"""PostgreSQL, and databases that speak its protocol."""
