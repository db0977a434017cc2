"""The floor: a database's own bulk load, into a table of the same columns.

python floor.py postgresql URL products.csv [KEY ...]
python floor.py duckdb FILE products.ndjson
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

BLOCK = 1 << 20
SCHEMA = Path(__file__).parents[2] / "schemas/adtraction/products.json"
TYPES = {
    "integer": "bigint",
    "number": "numeric",  # without bound in PostgreSQL, of 18 digits and 3 decimals in DuckDB
    "string": "text",
    "boolean": "boolean",
    "array": "json",
    "object": "json",
}


def main() -> None:
    """Load a file into a new table `products`."""
    database, url, file, *keys = sys.argv[1:]
    properties = json.loads(SCHEMA.read_text(encoding="utf-8"))["properties"]
    columns = {
        name: "timestamp with time zone" if each.get("format") else TYPES[each["type"][0]]
        for name, each in properties.items()
    }
    if database == "postgresql":
        copy(url, Path(file), columns, keys)
    else:
        read_json(url, Path(file), columns)


def copy(url: str, file: Path, columns: dict[str, str], keys: list[str]) -> None:
    """Hand a CSV to PostgreSQL's COPY; the table gets a primary key if `keys` are given."""
    import psycopg  # noqa: PLC0415 - start-up is measured too, and needs no other driver

    parts = [f"{name} {type_}" for name, type_ in columns.items()]
    parts += [f"PRIMARY KEY ({', '.join(keys)})"] if keys else []
    listed = ", ".join(parts)
    with psycopg.connect(url, autocommit=True) as connection, file.open("rb") as source:
        connection.execute("DROP TABLE IF EXISTS products")
        connection.execute(f"CREATE TABLE products ({listed})".encode())
        with connection.cursor().copy(
            r"COPY products FROM STDIN (FORMAT csv, NULL '\N')"
        ) as stream:
            while block := source.read(BLOCK):
                stream.write(block)


def read_json(url: str, file: Path, columns: dict[str, str]) -> None:
    """Have DuckDB read a file of JSON lines."""
    import duckdb  # noqa: PLC0415 - as above

    with duckdb.connect(url) as connection:
        connection.execute(
            f"CREATE OR REPLACE TABLE products AS FROM read_json('{file}', "
            f"format = 'newline_delimited', columns = {columns})"
        )


if __name__ == "__main__":
    main()
