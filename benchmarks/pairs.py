"""The cost of claims and of history: loads of the same orders with and without one of them.

    python benchmarks/pairs.py claims [--orders 3300000] [--reread 270000] [--share 0.01]
    python benchmarks/pairs.py history [--orders 300000] [--share 0.01] [--rounds 5]

The first load fills a table. Each round loads orders again into two copies of that database, in
alternating order. With `claims`, the orders of the last days are read again, and a share of them is
missing: one load claims these days, so it removes the missing orders. With `history`, a share of
the orders has changed: one load keeps their old versions. The table shows medians; the ratios are
computed within each round. CPU seconds are those of the loader and the database server; while other
programs run, they vary less than seconds.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from loaders.contenders import EXECUTABLE, compile_own
from loaders.databases import Database, about, databases
from loaders.measure import Cost, measure
from loaders.tables import markdown

SCHEMA = json.loads(
    (Path(__file__).parents[1] / "schemas/ecdp/attributed_orders.json").read_text(encoding="utf-8")
)
STREAM, KEYS, COLUMN = "attributed_orders", ["website_id", "order_id"], "order_date_time"
FIRST_DAY = datetime(2025, 1, 1, tzinfo=UTC)
SECONDS_BETWEEN_ORDERS = 8
DEFAULTS = {"claims": (3_300_000, 270_000, 3), "history": (300_000, 300_000, 5)}
"""Orders, orders that are read again, and rounds."""


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=list(DEFAULTS))
    parser.add_argument("--orders", type=int, help="rows of the table")
    parser.add_argument("--reread", type=int, help="rows that are read again")
    parser.add_argument("--share", type=float, default=0.01, help="share of them that differs")
    parser.add_argument("--rounds", type=int)
    given = parser.parse_args()
    orders, reread, rounds = DEFAULTS[given.what]
    orders, rounds = given.orders or orders, given.rounds or rounds
    again = range(orders - min(given.reread or reread, orders), orders)
    compile_own()
    headings = ["into", "orders read again"]
    for name in ("s", "CPU s", "peak MB"):
        headings += [f"without, {name}", f"with {given.what}, {name}"]
    headings += ["x", "x, CPU", "rows removed" if given.what == "claims" else "versions kept"]
    with databases("pairs-") as (folder, opened):
        _write(folder, again, round(1 / given.share), claims=given.what == "claims")
        print(f"{orders:,} orders; {about(opened)}\n")
        rows = [
            (name, f"{len(again):,}", *_measured(database, folder, given.what, rounds))
            for name, database in opened.items()
        ]
    print(markdown(headings, rows, texts=[0]))


def _measured(database: Database, folder: Path, what: str, rounds: int) -> list[str]:
    pairs: list[tuple[Cost, Cost]] = []
    effects = set()
    with database.fresh() as base:
        _load(base, folder, "first", what)
        for number in range(rounds):
            costs: dict[str, Cost] = {}
            for name in ("without", "with") if number % 2 == 0 else ("with", "without"):
                with database.copy(base) as url:
                    before = database.cpu()
                    cost = _load(url, folder, name, what)
                    server = database.cpu() - before
                    costs[name] = dataclasses.replace(cost, cpu=cost.cpu + server)
                    if name == "with":  # removed rows go to the history, too
                        effects.add(database.count(url, f"{STREAM}__history"))
            pairs.append((costs["without"], costs["with"]))
            print(f"{number + 1}: {pairs[-1]}, {sorted(effects)}", file=sys.stderr)
    cells = []
    for name, places in (("seconds", 2), ("cpu", 1), ("megabytes", 0)):
        for side in (0, 1):
            values = [getattr(pair[side], name) for pair in pairs]
            cells.append(f"{statistics.median(values):,.{places}f}")
    for name in ("seconds", "cpu"):
        ratios = (getattr(after, name) / getattr(before, name) for before, after in pairs)
        cells.append(f"{statistics.median(ratios):.2f}")
    return [*cells, " / ".join(f"{each:,}" for each in sorted(effects))]


def _load(url: str, folder: Path, name: str, what: str) -> Cost:
    history = what == "history" and name != "without"
    with tempfile.TemporaryDirectory(dir=folder) as own:
        config = Path(own) / "config.json"
        config.write_text(json.dumps({"url": url, "history": ["*"] if history else []}))
        cost = measure([EXECUTABLE, "--config", str(config)], source=folder / f"{name}.singer")
    if cost.failure:
        sys.exit(f"{name}: {cost.failure}")
    return cost


def _write(folder: Path, again: range, period: int, *, claims: bool) -> None:
    """Write the messages of the loads; one order in each `period` is gone, or has changed."""
    _write_messages(folder / "first.singer", map(order, range(again.stop)))
    if claims:
        left = [number for number in again if number % period]
        where = {COLUMN: {"from": instant(again.start), "to": instant(again.stop)}}
        claim = {"stream": STREAM, "where": where, "rows": len(left)}
        _write_messages(folder / "without.singer", map(order, left))
        _write_messages(folder / "with.singer", map(order, left), claim)
    else:
        for name in ("without", "with"):
            changed = (order(number, changed=number % period == 0) for number in again)
            _write_messages(folder / f"{name}.singer", changed)


def _write_messages(
    path: Path, records: Iterable[dict[str, Any]], claim: dict[str, Any] | None = None
) -> None:
    schema = {**SCHEMA, "x-claims": [COLUMN]} if claim else SCHEMA
    message = {"type": "SCHEMA", "stream": STREAM, "schema": schema, "key_properties": KEYS}
    delivered = {"delivered": [claim]} if claim else {}
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(message) + "\n")
        for record in records:
            line = {"type": "RECORD", "stream": STREAM, "record": record}
            file.write(json.dumps(line) + "\n")
        file.write(json.dumps({"type": "STATE", "value": {"bookmarks": {}}, **delivered}) + "\n")


def order(number: int, *, changed: bool = False) -> dict[str, Any]:
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
        "order_value_converted": (1_000 + number * 13 % 90_000) / 100 + changed,
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
