"""Runs the pipeline twice, days apart, from the simulated vendors into `demo.duckdb`."""

# ruff: noqa: S608 - only names of this project are put into SQL

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console

from attribution_elt.cli import display
from attribution_elt.sandbox import Sandbox, environment

ROOT = Path(__file__).parent.parent
WAREHOUSE = ROOT / "demo.duckdb"
LOG = ROOT / "output" / "demo.log"
PAGE = ROOT / "output" / "report.html"
PROJECT = ROOT / "output" / "demo"
"""A copy of `meltano.yml`, with separate states and with the plugins of `.venv`."""
DAYS = 5
TAPS = ("tap-ecdp", "tap-adtraction", "tap-ignite", "tap-attribution-io")
ORDERS = """
SELECT website_id, order_id, channel, message_id, order_value_converted, returned
FROM tap_ecdp.attributed_orders
LEFT JOIN (SELECT website_id, order_id, sum(returned) AS returned
           FROM tap_ecdp.attributed_order_lines GROUP BY ALL)
USING (website_id, order_id)"""
SHARES = """
WITH compared AS (
    SELECT conversion_key FROM attribution.fct_credits GROUP BY ALL
    HAVING bool_or(model = 'linear') AND bool_or(model = 'ihc')
)
SELECT model, channel, 100 * sum(credit) / (SELECT count(*) FROM compared)
FROM attribution.fct_credits SEMI JOIN compared USING (conversion_key)
WHERE model NOT LIKE 'ihc_%' AND source <> 'vendor' GROUP BY ALL"""
DISAGREEMENT = """
SELECT channel, model_a, model_b, 100 * sum(delta * conversions) / sum(conversions)
FROM attribution.fct_model_disagreement
WHERE model_a NOT LIKE 'ihc_%' AND model_b NOT LIKE 'ihc_%'
GROUP BY ALL HAVING sum(conversions) >= 20
ORDER BY abs(sum(delta * conversions)) DESC LIMIT 1"""
DOUBLE_CLAIMS = """
SELECT count(*), coalesce(round(sum(amount_over), 2), 0) FROM attribution.fct_double_claims"""

console = Console(highlight=False)


def main() -> None:
    """Run, let days pass, run again, and show the loaded rows and the changes."""
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text("")
    WAREHOUSE.unlink(missing_ok=True)
    copy_project()
    with Sandbox(today=datetime.now(UTC).date() - timedelta(days=DAYS)) as sandbox:
        sandbox.ecdp.shared_share = 0.5  # of the purchases that Attribution.io credits, too
        settings = {
            **environment.variables(sandbox),
            "TARGET_WAREHOUSE_URL": f"duckdb:///{WAREHOUSE}",
            "TAP_IHC_JOURNEYS_URL": f"duckdb:///{WAREHOUSE}",
            "MELTANO_PROJECT_ROOT": str(PROJECT),
            "NO_COLOR": "1",
        }
        blocks = [block for tap in TAPS for block in (tap, "target-warehouse")]
        follow("First run of four vendors", settings, "meltano", "run", *blocks)
        before = orders()
        operate("Record revenue", settings, "report", f"--output={PAGE}")
        sandbox.advance(DAYS)
        follow(f"Second run, {DAYS} days later", settings, "meltano", "run", *blocks)
        operate("Send journeys to the IHC model", settings, "run", "ihc")
        operate("Compare attribution models", settings, "models")
        operate("Write the report", settings, "report", f"--output={PAGE}")
    show(before, orders())


def copy_project() -> None:
    """Copy the project's definitions without `pip_url`, so that plugins are those of `.venv`."""
    shutil.rmtree(PROJECT, ignore_errors=True)
    copy_plugins(PROJECT / "plugins")
    text = (ROOT / "meltano.yml").read_text()
    (PROJECT / "meltano.yml").write_text(re.sub(r"\n *pip_url: -e .*", "", text))


def copy_plugins(folder: Path) -> None:
    """Copy the definitions of the plugins; Meltano searches the PATH for those of this project."""
    shutil.copytree(ROOT / "plugins", folder)
    for path in folder.glob("*/*--attribution-elt.lock"):
        definition = json.loads(path.read_text())
        del definition["pip_url"]
        path.write_text(json.dumps(definition))


def operate(title: str, settings: dict[str, str], *arguments: str) -> None:
    """Run a command of `attribution-elt`."""
    follow(title, settings, "attribution-elt", *arguments)


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
    """Print the loaded rows, revenue by channel, and the changes of the second run."""
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
    compare()
    select = "SELECT * FROM attribution.fct_channel_daily LIMIT 5"
    code = f"import duckdb; duckdb.connect('{WAREHOUSE.name}').sql('{select}').show()"
    console.print(f'\nQuery a table: .venv/bin/python -c "{code}"', soft_wrap=True)
    console.print(f"Open the report: {PAGE}", soft_wrap=True)


def compare() -> None:
    """Print the share of the credit that each model gives a channel, for the same conversions."""
    found = {(channel, model): share for model, channel, share in query(SHARES)}
    channels = sorted({channel for channel, _ in found})
    rows = [
        (model, *(found.get((channel, model), 0.0) for channel in channels))
        for model in sorted({model for _, model in found})
    ]
    table("Percent of the credit by model, for conversions of IHC", ("model", *channels), rows)
    for channel, one, other, points in query(DISAGREEMENT):
        difference = f"{abs(points):.1f} points {'more' if points > 0 else 'less'}"
        console.print(
            f"\nModels disagree most about {channel}: {other} gives it {difference} than {one}."
        )
    ((claims, amount),) = query(DOUBLE_CLAIMS)
    console.print(f"Conversions that two vendors claim: {claims}, {amount} too much.")


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows in columns."""
    console.print(f"\n{title}")
    console.print(display.table(header, rows, padding=1))


if __name__ == "__main__":
    argparse.ArgumentParser(prog="scripts/demo", description=__doc__).parse_args()
    main()
