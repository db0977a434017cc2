"""Runs the pipeline twice, days apart, from the simulated vendors into `demo.duckdb`."""

# ruff: noqa: S608 - only names of this project are put into SQL

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from attribution_elt.sandbox import Sandbox, environment

PROJECT = Path(__file__).parent.parent
WAREHOUSE = PROJECT / "demo.duckdb"
LOG = PROJECT / "output" / "demo.log"
PAGE = PROJECT / "output" / "report.html"
DAYS = 5
TAPS = ("tap-ecdp", "tap-adtraction", "tap-ignite", "tap-attribution-io")
MODEL = "tap-ihc"
VIEW = PROJECT / "transform" / "ihc_journeys.sql"
ORDERS = """
SELECT website_id, order_id, channel, message_id, order_value_converted, returned
FROM tap_ecdp.attributed_orders
LEFT JOIN (SELECT website_id, order_id, sum(returned) AS returned
           FROM tap_ecdp.attributed_order_lines GROUP BY ALL)
USING (website_id, order_id)"""
CREDITS = """
SELECT channel, ihc, vendor FROM (
    SELECT channel_label AS channel, sum(ihc * amount) AS ihc
    FROM tap_ihc.attributions
    JOIN tap_attribution_io.events AS event ON conversion_id = CAST(event.id AS varchar)
    GROUP BY ALL
) FULL JOIN (
    SELECT medium_name AS channel, sum(event_weighted_amount) AS vendor
    FROM tap_attribution_io.event_attributions
    WHERE attribution_model_id = (SELECT min(attribution_model_id)
                                  FROM tap_attribution_io.event_attributions)
    GROUP BY ALL
) USING (channel) ORDER BY ihc DESC NULLS LAST"""

console = Console(highlight=False)


def main() -> None:
    """Run, let days pass, run again, and show what landed and what changed."""
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text("")
    WAREHOUSE.unlink(missing_ok=True)
    with Sandbox(today=datetime.now(UTC).date() - timedelta(days=DAYS)) as sandbox:
        settings = {
            **environment.variables(sandbox),
            "TARGET_WAREHOUSE_URL": f"duckdb:///{WAREHOUSE.name}",
            "TAP_IHC_JOURNEYS_URL": f"duckdb:///{WAREHOUSE.name}",
            "MELTANO_PROJECT_ROOT": str(PROJECT),
            "NO_COLOR": "1",
        }
        meltano("Install the plugins", settings, "install", *TAPS, MODEL, "target-warehouse")
        load("First run of four vendors", settings, TAPS, "--full-refresh")
        before = orders()
        page("Record revenue", settings)
        sandbox.advance(DAYS)
        load(f"Second run, {DAYS} days later", settings, TAPS)
        query(f"USE tap_attribution_io; {VIEW.read_text()}")
        load("Send journeys to the IHC model", settings, (MODEL,), "--full-refresh")
        page("Write the report", settings)
    show(before, orders())


def load(title: str, settings: dict[str, str], taps: Sequence[str], *options: str) -> None:
    """Load the data of some vendors, with states of the demo's own."""
    blocks = [block for tap in taps for block in (tap, "target-warehouse")]
    meltano(title, settings, "run", "--state-id-suffix=demo", *options, *blocks)


def page(title: str, settings: dict[str, str]) -> None:
    """Write the report, which also records changed revenue."""
    follow(title, settings, "attribution-elt", "report", f"--output={PAGE}")


def meltano(title: str, settings: dict[str, str], *arguments: str) -> None:
    """Run a Meltano command without the settings of `.env`."""
    follow(title, settings, "meltano", f"--env-file={os.devnull}", *arguments)


def follow(title: str, settings: dict[str, str], program: str, *arguments: str) -> None:
    """Run a command, show how long it takes, and write its output to the log."""
    started = time.monotonic()
    command = [Path(sys.executable).parent / program, *arguments]
    with LOG.open("a") as log, console.status(f"{title} …"):
        done = subprocess.run(  # noqa: S603 - a command of this project
            command,
            cwd=PROJECT,
            env={**os.environ, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    console.print(f"{title}: {time.monotonic() - started:.0f} s")
    if done.returncode:
        console.print(*LOG.read_text().splitlines()[-15:], sep="\n")
        sys.exit(f"{program} failed; its complete output is in {LOG}")


def query(sql: str) -> list[tuple[Any, ...]]:
    """Query the warehouse."""
    with duckdb.connect(str(WAREHOUSE)) as connection:
        return connection.execute(sql).fetchall()


def orders() -> dict[Any, tuple[Any, ...]]:
    """Return each order's credit and value, by its key."""
    return {row[:2]: row[2:] for row in query(ORDERS)}


def show(before: dict[Any, tuple[Any, ...]], after: dict[Any, tuple[Any, ...]]) -> None:
    """Print what landed, revenue by channel, and what the second run changed."""
    tables = query(
        """SELECT table_schema, table_name FROM information_schema.tables
           WHERE table_type = 'BASE TABLE' AND starts_with(table_schema, 'tap_')
             AND NOT starts_with(table_name, '_') ORDER BY ALL"""
    )
    counts = [(*each, query(f"SELECT count(*) FROM {'.'.join(each)}")[0][0]) for each in tables]
    table(f"Rows in {WAREHOUSE.name}", ("schema", "table", "rows"), counts)
    revenue = query(
        """SELECT channel, count(*), sum(order_value_converted)
           FROM tap_ecdp.attributed_orders GROUP BY ALL ORDER BY 3 DESC"""
    )
    table("Revenue by channel, from ECDP", ("channel", "orders", "EUR"), revenue)
    kept = before.keys() & after.keys()
    changes = [
        ("added", len(after.keys() - before.keys())),
        ("withdrawn by the vendor", len(before.keys() - after.keys())),
        ("credited to another message", sum(before[key][:2] != after[key][:2] for key in kept)),
        ("with more units returned", sum(before[key][3] != after[key][3] for key in kept)),
        ("unchanged", sum(before[key] == after[key] for key in kept)),
    ]
    table("Orders after the second run", ("change", "orders"), changes)
    table(
        "Credits by channel, for Attribution.io's events",
        ("channel", "IHC", "the vendor's own model"),
        query(CREDITS),
    )
    code = f"import duckdb; duckdb.connect('{WAREHOUSE.name}').sql('SHOW ALL TABLES').show()"
    console.print(f'\nList the tables: .venv/bin/python -c "{code}"', soft_wrap=True)
    console.print(f"Open the report: {PAGE}", soft_wrap=True)


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows in columns, with numbers aligned on the right."""
    shown = Table(title=f"\n{title}", title_justify="left", box=None, pad_edge=False)
    for position, name in enumerate(header):
        numeric = bool(rows) and not isinstance(rows[0][position], str)
        shown.add_column(name, justify="right" if numeric else "left")
    for row in rows:
        shown.add_row(*map(_text, row))
    console.print(shown)


def _text(cell: Any) -> str:
    if cell is None or isinstance(cell, str):
        return cell or ""
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:,.2f}"


if __name__ == "__main__":
    main()
