"""Two runs of the pipeline, days apart, from the sandbox's vendors into `demo.duckdb`."""

# ruff: noqa: S608 - nothing but this project's own names is put into SQL

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

from attribution_elt.sandbox import Sandbox, environment

PROJECT = Path(__file__).parent.parent
WAREHOUSE = PROJECT / "demo.duckdb"
LOG = PROJECT / "output" / "demo.log"
PAGE = PROJECT / "output" / "report.html"
DAYS = 5
TAPS = ("tap-ecdp", "tap-adtraction", "tap-ignite", "tap-attribution-io")
MODEL = "tap-ihc"
MODELS = "demo_attribution"
"""Schema of the SQL models."""


def main() -> None:
    """Run, let days pass, run again, and show what landed and what changed."""
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text("")
    today = datetime.now(UTC).date()
    with Sandbox(today=today - timedelta(days=DAYS)) as sandbox:
        settings = settings_of(sandbox)
        # the demo has schemas and states of its own; whatever else is in the warehouse stays
        for name in (*map(schema, (*TAPS, MODEL)), MODELS):
            query(f"DROP SCHEMA IF EXISTS {name} CASCADE")
        meltano("Installing the plugins", settings, "install", *TAPS, MODEL, "target-warehouse")
        for tap in TAPS:
            run("First run", tap, settings, "--full-refresh")
        before = orders()
        page("Noting revenue, of which some will move", settings)
        sandbox.advance(DAYS)
        for tap in TAPS:
            run(f"Second run, {DAYS} days later", tap, settings)
        operate("Making journeys", settings, "views")
        run("Journeys to the model, credits back", MODEL, settings, "--full-refresh")
        operate("Comparing models", settings, "models", f"--schema={MODELS}")
        page("Making the report", settings)
    report(before, orders())


def settings_of(sandbox: Sandbox) -> dict[str, str]:
    """Return the plugins' settings, as variables of the environment."""
    return {
        **environment.variables(sandbox),
        **{f"{tap.upper().replace('-', '_')}__LOAD_SCHEMA": schema(tap) for tap in (*TAPS, MODEL)},
        "TARGET_WAREHOUSE_URL": f"duckdb:///{WAREHOUSE.name}",
        "TAP_IHC_JOURNEYS_URL": f"duckdb:///{WAREHOUSE.name}",
        "TAP_IHC_JOURNEYS_QUERY": f"SELECT * FROM {schema('tap-attribution-io')}.ihc_journeys",
    }


def schema(tap: str) -> str:
    """Return the demo's schema for a tap's tables."""
    return "demo_" + tap.removeprefix("tap-").replace("-", "_")


def run(title: str, tap: str, settings: dict[str, str], *options: str) -> None:
    """Move one vendor's data into the warehouse."""
    command = ("run", "--state-id-suffix=demo", *options, tap, "target-warehouse")
    meltano(f"{title}: {tap}", settings, *command)


def page(title: str, settings: dict[str, str]) -> None:
    """Make the report; what it finds to have changed, it notes."""
    operate(title, settings, "report", f"--output={PAGE}")


def operate(title: str, settings: dict[str, str], *arguments: str) -> None:
    """Run a command of `attribution-elt`."""
    follow(title, settings, "attribution-elt", *arguments)


def meltano(title: str, settings: dict[str, str], *arguments: str) -> None:
    """Run a Meltano command; what stands in .env is for other vendors than these."""
    follow(title, settings, "meltano", f"--env-file={os.devnull}", *arguments)


def follow(title: str, settings: dict[str, str], program: str, *arguments: str) -> None:
    """Run a command, telling how long it has been at it; its output goes to the log."""
    started = time.monotonic()
    environment = {**os.environ, **settings, "MELTANO_PROJECT_ROOT": str(PROJECT), "NO_COLOR": "1"}
    with LOG.open("a") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            [Path(sys.executable).parent / program, *arguments],
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
    print(f"\r{title} ... " + (took if process.returncode == 0 else "failed"), flush=True)
    if process.returncode:
        print(*LOG.read_text().splitlines()[-20:], sep="\n")
        sys.exit(f"{program} failed; its whole output is in {LOG}")


def query(sql: str) -> list[tuple[Any, ...]]:
    """Ask the warehouse."""
    with duckdb.connect(str(WAREHOUSE)) as connection:
        return connection.execute(sql).fetchall()


def orders() -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Return each order's credit and value."""
    rows = query(
        f"""SELECT website_id, order_id, channel, message_id, order_value_converted, returned
            FROM {schema("tap-ecdp")}.attributed_orders
            LEFT JOIN (SELECT website_id, order_id, sum(returned) AS returned
                       FROM {schema("tap-ecdp")}.attributed_order_lines GROUP BY ALL)
            USING (website_id, order_id)"""
    )
    return {row[:2]: row[2:] for row in rows}


def report(before: dict[Any, Any], after: dict[Any, Any]) -> None:
    """Print what landed, revenue by channel, and what the second run changed."""
    counts = [
        (tap.removeprefix("tap-"), name, query(f"SELECT count(*) FROM {schema(tap)}.{name}")[0][0])
        for tap in (*TAPS, MODEL)
        for (name,) in query(
            f"""SELECT table_name FROM information_schema.tables
                WHERE table_schema = '{schema(tap)}' AND table_type = 'BASE TABLE'
                ORDER BY ALL"""
        )
    ]
    table(f"Rows in {WAREHOUSE.name}", ("vendor", "stream", "rows"), counts)
    revenue = query(
        f"""SELECT channel, count(*), round(sum(order_value_converted), 2)
            FROM {schema("tap-ecdp")}.attributed_orders GROUP BY ALL ORDER BY 3 DESC"""
    )
    table("Revenue by channel, of ECDP", ("channel", "orders", "EUR"), revenue)
    kept = before.keys() & after.keys()
    changes = [
        ("orders added", len(after.keys() - before.keys())),
        ("orders credited to another message", count_changed(before, after, kept, slice(0, 2))),
        ("orders with more units returned", count_changed(before, after, kept, slice(3, 4))),
        ("orders unchanged", sum(before[key] == after[key] for key in kept)),
    ]
    table("What the second run changed, of ECDP's orders", ("change", "orders"), changes)
    compare()
    query_ = "import duckdb; duckdb.connect('demo.duckdb').sql('SHOW ALL TABLES').show()"
    print(f'\nList the tables: .venv/bin/python -c "{query_}"')
    print(f"Open the report: {PAGE}")


def compare() -> None:
    """Print the share of the credit that each model gives a channel, for the same conversions."""
    shares = query(
        f"""WITH compared AS (
                SELECT conversion_key FROM {MODELS}.fct_credits GROUP BY ALL
                HAVING bool_or(model = 'linear') AND bool_or(model = 'ihc')
            )
            SELECT model, channel, round(100 * sum(credit) / (SELECT count(*) FROM compared), 1)
            FROM {MODELS}.fct_credits SEMI JOIN compared USING (conversion_key)
            WHERE model NOT LIKE 'ihc_%' AND source <> 'vendor' GROUP BY ALL"""
    )
    found = {(channel, model): share for model, channel, share in shares}
    models = sorted({model for _, model in found})
    rows = [
        (channel, *(found.get((channel, model), 0.0) for model in models))
        for channel in sorted({channel for channel, _ in found})
    ]
    title = "Percent of the credit, by model, of the conversions that IHC computed"
    table(title, ("channel", *models), rows)
    for channel, one, other, points in query(
        f"""SELECT channel, model_a, model_b,
                round(100 * sum(delta * conversions) / sum(conversions), 1)
            FROM {MODELS}.fct_model_disagreement
            WHERE model_a NOT LIKE 'ihc_%' AND model_b NOT LIKE 'ihc_%'
            GROUP BY ALL HAVING sum(conversions) >= 20
            ORDER BY abs(sum(delta * conversions)) DESC LIMIT 1"""
    ):
        difference = f"{abs(points)} points {'more' if points > 0 else 'less'}"
        print(f"\nModels disagree most about {channel}: {other} gives it {difference} than {one}.")
    ((claims, amount),) = query(
        f"SELECT count(*), coalesce(round(sum(amount_over), 2), 0) FROM {MODELS}.fct_double_claims"
    )
    print(f"Conversions that two vendors claim: {claims}, {amount} too much.")


def count_changed(
    before: dict[Any, Any], after: dict[Any, Any], keys: Iterable[Any], part: slice
) -> int:
    """Count the orders of which this part is another than before."""
    return sum(before[key][part] != after[key][part] for key in keys)


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else "" if cell is None else f"{cell:,}"


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows in columns, numbers to the right."""
    texts = [[_text(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *texts, strict=True)]
    numeric = [not isinstance(cell, str) for cell in rows[0]] if rows else [False] * len(header)
    print(f"\n{title}")
    for line in (header, *texts):
        cells = [
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(line, widths, numeric, strict=True)
        ]
        print("  " + "  ".join(cells).rstrip())


if __name__ == "__main__":
    main()
