"""From vendor to PostgreSQL: the taps and target-warehouse compared with alternatives.

    python benchmarks/end_to_end.py [--only adtraction ...] [--sizes 1 2 3] [--rounds 1]
                                    [--latency 0.05]

Each contender in turn reads the same vendor's data from the sandbox into a fresh database. The
benchmark prints medians, the requests that the vendor counted, and the differences between the
loaded rows and the vendor's. The other contenders get environments in `benchmarks/.venvs`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from loaders.contenders import prepare
from loaders.databases import Database, about, databases
from loaders.measure import measure
from vendors.contenders import CONTENDERS, OURS, PEERS, Contender, Job
from vendors.results import Result, Results, table
from vendors.scenes import SCENES, Scene
from vendors.serving import Served, serve

REFUSED = 429


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    vendors = sorted({scene.vendor for scene in SCENES})
    parser.add_argument("--only", nargs="+", metavar="VENDOR", default=vendors, choices=vendors)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 3], choices=[1, 2, 3])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds before every response")
    arguments = parser.parse_args()
    for contender in CONTENDERS:
        prepare(contender.requirements)
    with databases("e2e-") as (_, opened):
        results = [
            each
            for scene in SCENES
            if scene.vendor in arguments.only
            for size in arguments.sizes
            if size <= len(scene.settings)
            for each in compete(
                scene, size - 1, arguments.latency, opened["PostgreSQL"], arguments.rounds
            )
        ]
        print(f"{_machine(about(opened), arguments.rounds)}\n\n{table(results)}", end="")


def _machine(versions: str, rounds: int) -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    peers = ", ".join(peer.replace("==", " ") for peer in PEERS)
    return (
        f"{datetime.now(UTC).date()}, {os.cpu_count()} cores ({model}), {memory:.0f} GB; "
        f"{versions}, singer-sdk {version('singer-sdk')}, {peers}; "
        f"{rounds} round{'s' * (rounds > 1)}."
    )


def compete(
    scene: Scene, size: int, latency: float, database: Database, rounds: int
) -> Iterable[Results]:
    """Let each contender read a vendor some times; yield the costs."""
    options = scene.options(size, latency)
    with serve(scene.vendor, options) as served:
        truth = scene.sent(size, served.today) if scene.sent else served.truth
        rows = sum(1 for each in scene.tables for _ in each.truth(truth))
        contenders = [each for each in CONTENDERS if each.name == OURS or not scene.sent]
        results: dict[str, list[Result]] = {each.name: [] for each in contenders}
        for number in range(rounds):
            for each in contenders:
                with serve(scene.vendor, options) if scene.restart else nullcontext(served) as own:
                    result = read(each, scene, own, truth, database)
                results[each.name].append(result)
                line = f"{number + 1}: {scene.name}, {rows:,} rows, {each.name}: {result}"
                print(line, file=sys.stderr)
    for name, own in results.items():
        yield Results(scene.name, rows, name, own)


def read(
    contender: Contender, scene: Scene, served: Served, truth: Any, database: Database
) -> Result:
    """Let a contender read a vendor once."""
    with database.fresh() as url, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = Job(scene.vendor, scene.streams, url, folder)
        given = scene.config(served, truth, folder)
        job.write("config.json", {"api_url": served.url, **served.credentials, **given})
        commands = contender.commands(job)
        before = len(served.statuses)
        cost = measure(*commands)
        statuses = served.statuses[before:]
        differences = landed(contender, scene, truth, url)
    return Result(cost, len(statuses), statuses.count(REFUSED), differences)


def landed(contender: Contender, scene: Scene, truth: Any, url: str) -> str:
    """Return the differences between the tables and the vendor's data."""
    differences = []
    with psycopg.connect(
        url, autocommit=True, options=f"-c search_path={contender.schema}"
    ) as connection:
        for each in scene.tables:
            try:
                differences += each.differences(truth, each.rows(connection, contender.form))
            except psycopg.errors.UndefinedTable:
                differences.append(f"no {each.name}")
    return ", ".join(differences)


if __name__ == "__main__":
    main()
