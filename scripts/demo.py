"""Two runs of the pipeline, days apart, from the sandbox's vendors into `warehouse.duckdb`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from sandbox import Sandbox

PROJECT = Path(__file__).parent.parent
WAREHOUSE = PROJECT / "warehouse.duckdb"
LOG = PROJECT / "output" / "demo.log"
SCHEMA = "demo"
DAYS = 5


def main() -> None:
    """Run, let days pass, run again, and show what landed and what changed."""
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text("")
    today = datetime.now(UTC).date()
    with Sandbox(today=today - timedelta(days=DAYS)) as sandbox:
        settings = {
            "TAP_ECDP_API_URL": sandbox.ecdp.url,
            "TAP_ECDP_API_KEY": sandbox.ecdp.api_key,
            "TAP_ECDP_START_DATE": (today - timedelta(days=60)).isoformat(),
            "TAP_ECDP_REPORTING_CURRENCY": "EUR",
            "TARGET_WAREHOUSE_URL": f"duckdb:///{WAREHOUSE.name}",
            "TARGET_WAREHOUSE_DEFAULT_TARGET_SCHEMA": SCHEMA,
        }
        # data of the demo's own schema and state; whatever else is in the warehouse stays
        query(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        meltano("Installing the plugins", settings, "install")
        pipeline = ("run", "--state-id-suffix=demo", "tap-ecdp", "target-warehouse")
        meltano("First run", settings, pipeline[0], "--full-refresh", *pipeline[1:])
        before = orders()
        sandbox.advance(DAYS)
        meltano(f"Second run, {DAYS} days later", settings, *pipeline)
    report(before, orders())


def meltano(title: str, settings: dict[str, str], *arguments: str) -> None:
    """Run a Meltano command, telling how long it has been at it; its output goes to the log."""
    started = time.monotonic()
    environment = {**os.environ, **settings, "MELTANO_PROJECT_ROOT": str(PROJECT), "NO_COLOR": "1"}
    with LOG.open("a") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            [Path(sys.executable).parent / "meltano", *arguments],
            cwd=PROJECT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        while process.poll() is None:
            if sys.stdout.isatty():
                print(f"\r{title} ... {time.monotonic() - started:.0f} s", end="", flush=True)
            time.sleep(0.2)
    took = f"{time.monotonic() - started:.0f} s"
    print(f"\r{title}: " + (took if process.returncode == 0 else "failed"), flush=True)
    if process.returncode:
        print(*LOG.read_text().splitlines()[-20:], sep="\n")
        sys.exit(f"meltano {arguments[0]} failed; its whole output is in {LOG}")


def query(sql: str) -> list[tuple[Any, ...]]:
    """Ask the warehouse."""
    with duckdb.connect(str(WAREHOUSE)) as connection:
        return connection.execute(sql).fetchall()


def orders() -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Return each order's credit and value."""
    rows = query(
        f"""SELECT website_id, order_id, channel, message_id, order_value_converted, returned
            FROM {SCHEMA}.attributed_orders
            LEFT JOIN (SELECT website_id, order_id, sum(returned) AS returned
                       FROM {SCHEMA}.attributed_order_lines GROUP BY ALL)
            USING (website_id, order_id)"""  # noqa: S608 - our own schema's name
    )
    return {row[:2]: row[2:] for row in rows}


def report(before: dict[Any, Any], after: dict[Any, Any]) -> None:
    """Print what landed, revenue by channel, and what the second run changed."""
    streams = query(
        f"""SELECT table_name FROM information_schema.tables
            WHERE table_schema = '{SCHEMA}' AND NOT starts_with(table_name, '_') ORDER BY ALL"""  # noqa: S608
    )
    counts = [(name, query(f"SELECT count(*) FROM {SCHEMA}.{name}")[0][0]) for (name,) in streams]  # noqa: S608
    table("Rows in warehouse.duckdb", ("stream", "rows"), counts)
    revenue = query(
        f"""SELECT channel, count(*), round(sum(order_value_converted), 2)
            FROM {SCHEMA}.attributed_orders GROUP BY ALL ORDER BY 3 DESC"""  # noqa: S608
    )
    table("Revenue by channel", ("channel", "orders", "EUR"), revenue)
    kept = before.keys() & after.keys()
    changes = [
        ("orders added", len(after.keys() - before.keys())),
        ("orders credited to another message", count_changed(before, after, kept, slice(0, 2))),
        ("orders with more units returned", count_changed(before, after, kept, slice(3, 4))),
        ("orders unchanged", sum(before[key] == after[key] for key in kept)),
    ]
    table("What the second run changed", ("change", "orders"), changes)
    print(f"\nLook around: duckdb {WAREHOUSE.name}; the tables are in the schema `{SCHEMA}`.")


def count_changed(
    before: dict[Any, Any], after: dict[Any, Any], keys: Iterable[Any], part: slice
) -> int:
    """Count the orders of which this part is another than before."""
    return sum(before[key][part] != after[key][part] for key in keys)


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows in columns, numbers to the right."""
    texts = [[f"{cell:,}" if not isinstance(cell, str) else cell for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *texts, strict=True)]
    print(f"\n{title}")
    for line in (header, *texts):
        first, *others = (
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        print("  " + "  ".join((first, *others)))


if __name__ == "__main__":
    main()
