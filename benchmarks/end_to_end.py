"""From vendor to PostgreSQL: the taps and target-warehouse beside what one would use instead.

    python benchmarks/end_to_end.py [--only adtraction ...] [--sizes 1 2 3] [--rounds 1]

Each contender reads the same vendor's data from the sandbox into a fresh database, in turn. Printed
are medians, the requests that the vendor counted, and how what has landed differs from what the
vendor has. Peers get environments in `benchmarks/.venvs`.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psycopg
from loaders.databases import PostgreSQL
from loaders.measure import Cost, measure
from vendors.contenders import CONTENDERS, Contender, Job
from vendors.scenes import SCENES, Scene
from vendors.serving import Served, serve

REFUSED = 429


@dataclass(frozen=True)
class Result:
    """What a contender took for a scene of a size."""

    scene: str
    rows: int
    contender: str
    cost: Cost
    requests: int
    refused: int
    differences: list[str]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    vendors = sorted({scene.vendor for scene in SCENES})
    parser.add_argument("--only", nargs="+", metavar="VENDOR", default=vendors, choices=vendors)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 3], choices=[1, 2, 3])
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    for contender in CONTENDERS:
        contender.prepare()
    results = []
    # A socket's path has to be short, and so is this prefix.
    with (
        tempfile.TemporaryDirectory(prefix="e2e-") as name,
        PostgreSQL(Path(name) / "server") as database,
    ):
        print(f"Python {platform.python_version()}, {database.about}\n")
        for scene in SCENES:
            if scene.vendor not in arguments.only:
                continue
            for size in arguments.sizes:
                with serve(scene.vendor, scene.options(size - 1)) as served:
                    for contender in CONTENDERS:
                        result = compete(contender, scene, served, database)
                        print(result, file=sys.stderr)
                        results.append(result)


def compete(contender: Contender, scene: Scene, served: Served, database: PostgreSQL) -> Result:
    """Let a contender read a vendor."""
    rows = sum(1 for table in scene.tables for _ in table.truth(served.truth))
    with database.fresh() as url, tempfile.TemporaryDirectory() as folder:
        job = Job(scene.vendor, scene.streams, url, Path(folder))
        config = {"api_url": served.url, **served.credentials, **scene.config(served)}
        job.write("config.json", config)
        commands = contender.commands(job)
        before = len(served.statuses)
        cost = measure(*commands)
        statuses = served.statuses[before:]
        differences = [cost.failure] if cost.failure else []
        with psycopg.connect(url, options=f"-c search_path={contender.schema}") as connection:
            for table in scene.tables:
                differences += table.differences(
                    served.truth, table.rows(connection, contender.form)
                )
    return Result(
        scene.name,
        rows,
        contender.name,
        cost,
        len(statuses),
        statuses.count(REFUSED),
        differences,
    )


if __name__ == "__main__":
    main()
