"""The cost of claims: a daily re-read of orders that removes deleted ones, with and without claims.

    python benchmarks/claims.py [--orders 3300000] [--reread 270000] [--gone 0.01] [--rounds 3]

The first load fills a table. Each round loads the orders of the last days again into two copies of
that database: once with a claim over these days, which removes the orders that are missing from the
messages, and once without claims. The order of the two alternates. The table shows medians; the
ratio is that within a round.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from loaders.contenders import CONTENDERS, Contender, Run
from loaders.databases import DuckDB, PostgreSQL
from loaders.measure import Cost, measure

SCHEMA = json.loads(
    (Path(__file__).parents[1] / "schemas/ecdp/attributed_orders.json").read_text(encoding="utf-8")
)
STREAM, KEYS, COLUMN = "attributed_orders", ["website_id", "order_id"], "order_date_time"
LOADER = "target-warehouse"
FIRST_DAY = datetime(2025, 1, 1, tzinfo=UTC)
SECONDS_BETWEEN_ORDERS = 8
HEADINGS = (
    *("into", "orders read again", "without claims, s", "with claims, s", "x"),
    *("CPU s, without", "CPU s, with", "peak MB, without", "peak MB, with", "rows removed"),
)


@dataclass(frozen=True)
class Load:
    """The costs of a round, and the rows that the claim removed."""

    without: Cost
    claimed: Cost
    removed: int


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--orders", type=int, default=3_300_000, help="rows of the table")
    parser.add_argument("--reread", type=int, default=270_000, help="rows that are read again")
    parser.add_argument("--gone", type=float, default=0.01, help="share of them that is deleted")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    kept = range(arguments.orders)
    again = range(arguments.orders - arguments.reread, arguments.orders)
    period = round(1 / arguments.gone) if arguments.gone else arguments.orders
    remaining = [number for number in again if number % period]
    # a socket's path has to be short, and so is this prefix
    with (
        tempfile.TemporaryDirectory(prefix="claims-") as name,
        PostgreSQL(Path(name) / "server") as postgresql,
    ):
        folder = Path(name)
        databases: dict[str, PostgreSQL | DuckDB] = {
            "PostgreSQL": postgresql,
            "DuckDB": DuckDB(folder),
        }
        _write(folder / "first.singer", kept, None)
        _write(folder / "without.singer", remaining, None)
        _write(folder / "claimed.singer", remaining, again)
        versions = ", ".join(database.about for database in databases.values())
        print(f"{arguments.orders:,} orders; Python {platform.python_version()}, {versions}\n")
        print("|", " | ".join(HEADINGS), "|")
        print("| --- |" + " ---: |" * (len(HEADINGS) - 1))
        for database, opened in databases.items():
            contender = next(each for each in CONTENDERS[database] if each.name == LOADER)
            contender.prepare()
            loads = _measure(contender, opened, folder, arguments.rounds)
            print("|", " | ".join((database, f"{len(remaining):,}", *_cells(loads))), "|")


def _measure(
    contender: Contender, database: PostgreSQL | DuckDB, folder: Path, rounds: int
) -> list[Load]:
    loads = []
    with database.fresh() as base:
        _load(contender, base, folder, "first")
        before = database.count(base, STREAM)
        for number in range(rounds):
            costs: dict[str, Cost] = {}
            after = before
            names = ["without", "claimed"]
            for name in names if number % 2 == 0 else names[::-1]:
                with database.copy(base) as url:
                    costs[name] = _load(contender, url, folder, name)
                    after = min(after, database.count(url, STREAM))
            loads.append(Load(costs["without"], costs["claimed"], before - after))
            print(f"{number + 1}: {loads[-1]}", file=sys.stderr)
    return loads


def _load(contender: Contender, url: str, folder: Path, name: str) -> Cost:
    with tempfile.TemporaryDirectory(dir=folder) as own:
        command = contender.command(Run(url, folder / name, Path(own)))
        cost = measure(command, source=folder / f"{name}.singer")
    if cost.failure:
        sys.exit(f"{name}: {cost.failure}")
    return cost


def _cells(loads: list[Load]) -> list[str]:
    pairs = [(each.without, each.claimed) for each in loads]
    return [
        *(f"{statistics.median(pair[side].seconds for pair in pairs):.1f}" for side in (0, 1)),
        f"{statistics.median(claimed.seconds / without.seconds for without, claimed in pairs):.2f}",
        *(f"{statistics.median(pair[side].cpu for pair in pairs):.1f}" for side in (0, 1)),
        *(f"{max(pair[side].megabytes for pair in pairs):,.0f}" for side in (0, 1)),
        " / ".join(sorted({f"{each.removed:,}" for each in loads})),
    ]


def _write(path: Path, numbers: range | list[int], claimed: range | None) -> None:
    """Write the messages of some orders, with a claim over a range of orders."""
    schema = {**SCHEMA, "x-claims": [COLUMN]} if claimed else SCHEMA
    message: dict[str, Any] = {"type": "SCHEMA", "stream": STREAM, "schema": schema}
    state: dict[str, Any] = {"type": "STATE", "value": {"bookmarks": {}}}
    if claimed:
        where = {COLUMN: {"from": instant(claimed.start), "to": instant(claimed.stop)}}
        state["delivered"] = [{"stream": STREAM, "where": where, "rows": len(numbers)}]
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps({**message, "key_properties": KEYS}) + "\n")
        head = f'{{"type": "RECORD", "stream": "{STREAM}", "record": '
        for number in numbers:
            file.write(f"{head}{json.dumps(order(number))}}}\n")
        file.write(json.dumps(state) + "\n")


def order(number: int) -> dict[str, Any]:
    """Return the record of an order."""
    return {
        "website_id": 22 + number % 3,
        "order_id": f"{100_000 + number}",
        COLUMN: instant(number),
        "channel": ("Email", "SMS", "WebPush", "Banner")[number % 4],
        "message_type": ("Newsletter", "Scenario")[number % 2],
        "message_id": 9_000 + number % 60,
        "customer_id": 300_000 + number * 7 % 90_001,
        "customer_email": f"customer.{number * 7 % 90_001}@example.com",
        "customer_phone": None,
        "customer_crm_id": f"{number * 7 % 90_001}",
        "order_value_converted": (1_000 + number * 13 % 90_000) / 100,
        "reporting_currency": "EUR",
        "original_total_value": (4_000 + number * 13 % 90_000) / 100,
        "original_currency": ("EUR", "PLN", "SEK")[number % 3],
        "products_count": 1 + number % 5,
    }


def instant(number: int) -> str:
    """Return when an order was placed."""
    moment = FIRST_DAY + timedelta(seconds=number * SECONDS_BETWEEN_ORDERS)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


if __name__ == "__main__":
    main()
