"""The cost of history: a load with some changed rows, with and without keeping their old versions.

    python benchmarks/history.py [--orders 300000] [--changed 0.01] [--rounds 5]

The first load fills a table, and its history is empty. Each round loads all orders again into two
copies of that database, once with the setting `history` and once without. The order of the two
alternates. The table shows medians; the ratio is that within a round.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
from pathlib import Path

from claims import KEYS, SCHEMA, STREAM, order
from loaders.databases import DuckDB, PostgreSQL
from loaders.measure import Cost, measure

EXECUTABLE = str(Path(sys.executable).parent / "target-warehouse")
HEADINGS = ("into", "orders", "changed", "without, s", "with history, s", "x", "versions kept")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--orders", type=int, default=300_000, help="rows of the table")
    parser.add_argument("--changed", type=float, default=0.01, help="share of them that changes")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    period = round(1 / arguments.changed)
    # a socket's path has to be short, and so is this prefix
    with (
        tempfile.TemporaryDirectory(prefix="history-") as name,
        PostgreSQL(Path(name) / "server") as postgresql,
    ):
        folder = Path(name)
        _write(folder / "first.singer", arguments.orders, 0)
        _write(folder / "again.singer", arguments.orders, period)
        databases: dict[str, PostgreSQL | DuckDB] = {
            "PostgreSQL": postgresql,
            "DuckDB": DuckDB(folder),
        }
        versions = ", ".join(database.about for database in databases.values())
        print(f"Python {platform.python_version()}, {versions}\n")
        print("|", " | ".join(HEADINGS), "|")
        print("| --- |" + " ---: |" * (len(HEADINGS) - 1))
        for title, database in databases.items():
            cells = _measure(database, folder, arguments.rounds)
            counts = f"{arguments.orders:,}", f"{len(range(0, arguments.orders, period)):,}"
            print("|", " | ".join((title, *counts, *cells)), "|")


def _measure(database: PostgreSQL | DuckDB, folder: Path, rounds: int) -> list[str]:
    pairs, kept = [], set()
    with database.fresh() as base:
        _load(base, folder, "first", history=True)
        for number in range(rounds):
            costs: dict[bool, Cost] = {}
            for history in (False, True) if number % 2 == 0 else (True, False):
                with database.copy(base) as url:
                    costs[history] = _load(url, folder, "again", history=history)
                    if history:
                        kept.add(f"{database.count(url, f'{STREAM}__history'):,}")
            pairs.append((costs[False].seconds, costs[True].seconds))
            print(f"{number + 1}: {pairs[-1]}", file=sys.stderr)
    return [
        *(f"{statistics.median(pair[side] for pair in pairs):.2f}" for side in (0, 1)),
        f"{statistics.median(after / before for before, after in pairs):.2f}",
        " / ".join(sorted(kept)),
    ]


def _load(url: str, folder: Path, name: str, *, history: bool) -> Cost:
    config = folder / "config.json"
    place = url if "://" in url else f"duckdb:///{url}"
    config.write_text(json.dumps({"url": place, "history": ["*"] if history else []}))
    cost = measure([EXECUTABLE, "--config", str(config)], source=folder / f"{name}.singer")
    if cost.failure:
        sys.exit(f"{name}: {cost.failure}")
    return cost


def _write(path: Path, orders: int, period: int) -> None:
    """Write the messages of all orders; one of each `period` has another value."""
    with path.open("w", encoding="utf-8") as file:
        schema = {"type": "SCHEMA", "stream": STREAM, "schema": SCHEMA, "key_properties": KEYS}
        file.write(json.dumps(schema) + "\n")
        for number in range(orders):
            record = order(number)
            if period and number % period == 0:
                record["order_value_converted"] += 1
            line = {"type": "RECORD", "stream": STREAM, "record": record}
            file.write(json.dumps(line) + "\n")
        file.write(json.dumps({"type": "STATE", "value": {"bookmarks": {}}}) + "\n")


if __name__ == "__main__":
    main()
