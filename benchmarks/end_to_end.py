"""From vendor to PostgreSQL: the taps and target-warehouse compared with alternatives.

    python benchmarks/end_to_end.py [--only adtraction ...] [--sizes 1 2 3] [--rounds 1] [--write]

Each contender reads the same vendor's data from the sandbox into a fresh database, in turn. Printed
are medians, the requests that the vendor counted, and how what has landed differs from what the
vendor has. `--write` puts the table into `benchmarks/README.md` and draws `end_to_end.svg`. Peers
get environments in `benchmarks/.venvs`.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from loaders.databases import PostgreSQL
from loaders.measure import measure
from vendors.contenders import CONTENDERS, OURS, PEERS, Contender, Job
from vendors.plot import draw
from vendors.results import Result, Results, table
from vendors.scenes import SCENES, Scene
from vendors.serving import Served, serve

HERE = Path(__file__).parent
BEGIN, END = "<!-- end_to_end.py: results -->\n", "<!-- end -->\n"
REFUSED = 429


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    vendors = sorted({scene.vendor for scene in SCENES})
    parser.add_argument("--only", nargs="+", metavar="VENDOR", default=vendors, choices=vendors)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 3], choices=[1, 2, 3])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--most",
        type=int,
        default=200_000,
        help="rows that slow contenders are given (%(default)s)",
    )
    parser.add_argument("--write", action="store_true", help="into the README, and the plot")
    arguments = parser.parse_args()
    for contender in CONTENDERS:
        contender.prepare()
    # a socket's path has to be short, and so is this prefix
    with (
        tempfile.TemporaryDirectory(prefix="e2e-") as name,
        PostgreSQL(Path(name) / "server") as database,
    ):
        about = _about(database, arguments.rounds)
        results = [
            each
            for scene in SCENES
            if scene.vendor in arguments.only
            for size in arguments.sizes
            if size <= len(scene.settings)
            for each in compete(scene, size - 1, database, arguments.rounds, arguments.most)
        ]
    text = f"{about}\n\n{table(results)}"
    print(text, end="")
    if arguments.write:
        readme = HERE / "README.md"
        before, _, after = readme.read_text(encoding="utf-8").partition(BEGIN)
        rest = after.partition(END)[2]
        readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest}", encoding="utf-8")
        (HERE / "end_to_end.svg").write_text(draw(results), encoding="utf-8")


def _about(database: PostgreSQL, rounds: int) -> str:
    model = next(
        (
            line.partition(": ")[2]
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return (
        f"{datetime.now(UTC).date()}, {os.cpu_count()} cores ({model}), {memory:.0f} GB; "
        f"Python {platform.python_version()}, {database.about}, "
        f"singer-sdk {version('singer-sdk')}, "
        f"{', '.join(peer.replace('==', ' ') for peer in PEERS)}; "
        f"{rounds} round{'s' * (rounds > 1)}."
    )


def compete(
    scene: Scene, size: int, database: PostgreSQL, rounds: int, most: int
) -> Iterable[Results]:
    """Let each contender read a vendor some times; yield the costs."""
    options = scene.options(size)
    with serve(scene.vendor, options) as served:
        truth = scene.sent(size, served.today) if scene.sent else served.truth
        rows = sum(1 for each in scene.tables for _ in each.truth(truth))
        contenders = [
            each
            for each in CONTENDERS
            if each.name == OURS or (not scene.sent and (not each.slow or rows <= most))
        ]
        results: dict[str, list[Result]] = {each.name: [] for each in contenders}
        for number in range(rounds):
            for each in contenders:
                with serve(scene.vendor, options) if scene.restart else nullcontext(served) as own:
                    result = read(each, scene, own, truth, database)
                results[each.name].append(result)
                told = f"{number + 1}: {scene.name}, {rows:,} rows, {each.name}: {result}"
                print(told, file=sys.stderr)
    why = "no such API for it" if scene.sent else "not run"
    for each in CONTENDERS:
        yield Results(scene.name, rows, each.name, results.get(each.name, []), why)


def read(
    contender: Contender, scene: Scene, served: Served, truth: Any, database: PostgreSQL
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
