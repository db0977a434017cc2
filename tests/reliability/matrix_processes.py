"""Cells of the matrix with tap and loader as processes and DuckDB as the warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attribution_elt.sandbox import Sandbox
from tests.reliability.faults_table import Rule
from tests.reliability.faults_vendors import BENCHES
from tests.reliability.matrix import FAILING, Cell, cells
from tests.reliability.matrix_warehouse import Landed, landed, load, pipe

MIDDLE = {
    "ecdp": "truncated chunks",
    "adtraction": "401",
    "ignite": "502 in HTML",
    "attribution-io": "connection reset",
    "ihc": "half a body as if whole",
}
"""A fault of the middle unit by vendor."""


def judge_one(vendor: str, folder: Path) -> list[str]:
    """Check a vendor's cell on the real day, which the tap's process uses."""
    with Sandbox(seed=7) as sandbox:
        bench = next(make for make in BENCHES if make.__name__ == vendor.replace("-", "_"))(
            sandbox, folder
        )
        wanted = (MIDDLE[vendor], "middle")
        cell = next(each for each in cells([bench]) if (each.kind.name, each.position) == wanted)
        return judge(cell, folder)


def judge(cell: Cell, folder: Path) -> list[str]:
    """Run both with a fault and once more without it; return the errors found."""
    bench = cell.bench
    path = folder / "warehouse.duckdb"
    true = settled(cell, load(bench.clean.stdout, folder / "true.duckdb"))
    bench.vendor.faults.add(cell.fault)
    spoilt = pipe(bench.tap.name, bench.config, None, folder)
    bench.vendor.faults.clear()
    between = settled(cell, landed(path))
    after = pipe(bench.tap.name, bench.config, spoilt.state, folder)
    last = settled(cell, landed(path))
    code = 1 if cell.rule in FAILING else 0
    return [
        *([f"ended with {spoilt.codes}, not {(code, 0)}"] if spoilt.codes != (code, 0) else []),
        *_about_words(cell, spoilt.stderr + after.stderr, code),
        *_about_rows(cell, between, true),
        *([f"the next run ended with {after.codes}"] if after.codes != (0, 0) else []),
        *(f"{name} is not true" for name, rows in true.items() if last.get(name) != rows),
    ]


def settled(cell: Cell, tables: Landed) -> dict[str, list[str]]:
    """Return sorted rows without properties that differ from run to run."""
    return {
        name: sorted(str(cell.bench.settled(row)) for row in rows)
        for name, rows in tables.items()
        if not name.startswith("_") and name in cell.bench.truth and cell.bench.truth[name]
    }


def _about_words(cell: Cell, log: str, code: int) -> Iterator[str]:
    if "Traceback" in log:
        yield "a traceback"
    if any(secret in log for secret in cell.bench.secrets):
        yield "a secret"
    errors = [line for line in log.splitlines() if "| ERROR" in line]
    if len(errors) != code:
        yield f"{len(errors)} lines of errors, not {code}: {errors}"
    if cell.rule is Rule.ACCOUNT_FAILS and not all(cell.bench.setting in line for line in errors):
        yield f"the setting is not named: {errors}"


def _about_rows(
    cell: Cell, found: dict[str, list[str]], true: dict[str, list[str]]
) -> Iterator[str]:
    for name, rows in found.items():
        if invented := set(rows) - set(true.get(name, ())):
            yield f"{name}: rows that there are not, such as {invented.pop()}"
        truth = cell.bench.truth[name].values()
        owed = sum(not cell.may_lack(name, row) for row in truth)
        if len(rows) < owed:
            yield f"{name}: {len(rows)} rows where {owed} could be had"
