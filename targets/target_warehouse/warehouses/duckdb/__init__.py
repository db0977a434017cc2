"""DuckDB files, and MotherDuck."""
