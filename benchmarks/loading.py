"""Speed, memory and correctness of loading products: target-warehouse and its peers.

    python benchmarks/loading.py [--records 200000] [--rounds 3] [--only target-warehouse ...]

In each round every loader loads the same Singer messages from a file on stdin into a new database;
then the messages of the next day, with a fifth of the records changed, into the same table; and
2,000 records into a new database, which shows the start-up time. The benchmark compares the tables
with the messages, value by value. The floor is the database's own bulk load of a prepared file into
an empty table without a key; PostgreSQL's COPY is also measured with the key of the messages. The
other loaders get environments in `benchmarks/.venvs`. The table shows medians; the ratios to the
floor are computed within each round.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loaders.contenders import CONTENDERS, Contender, Run, prepare
from loaders.databases import Database, about, databases
from loaders.measure import Cost, measure
from loaders.products import LOADS, Checksum, write
from loaders.tables import markdown

FEW = 2_000
ALL = "all of it"
HEADINGS = (
    "into", "loader", "first load, s", "x floor", "reload, s", "x floor", "records/s",
    "CPU s/M", "peak MB", f"{FEW:,} records, s", "what landed",
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """The costs of a contender in a round, and the differences to the messages."""

    first: Cost
    reload: Cost
    few: Cost
    landed: str

    def __str__(self) -> str:
        seconds = ", ".join(f"{each.seconds:.1f}" for each in (self.first, self.reload, self.few))
        return f"{seconds} s; {self.landed or ALL}"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    names = sorted({each.name for _, *others in CONTENDERS.values() for each in others})
    parser.add_argument(
        "--only", nargs="+", metavar="LOADER", default=names, choices=names, help="and the floor"
    )
    arguments = parser.parse_args()
    contenders = [
        (database, each)
        for database, (floor, *others) in CONTENDERS.items()
        for each in (floor, *(other for other in others if other.name in arguments.only))
    ]
    for _, contender in contenders:
        prepare(contender.requirements)
    results: dict[tuple[str, str], list[Result]] = {}
    with databases("loading-") as (folder, opened):
        sent = write(folder, arguments.records)
        write(folder / "few", FEW)
        size = (folder / "first.singer").stat().st_size / 1e6
        print(f"{arguments.records:,} records, {size:,.0f} MB; {about(opened)}\n")
        for number in range(arguments.rounds):
            for database, contender in contenders:
                result = _compete(contender, opened[database], folder, sent)
                results.setdefault((database, contender.name), []).append(result)
                print(f"{number + 1}: {database}, {contender.name}: {result}", file=sys.stderr)
    rows = _rows(results, arguments.records)
    print(markdown(HEADINGS, rows, texts=(0, 1, len(HEADINGS) - 1)))


def _compete(
    contender: Contender, database: Database, folder: Path, sent: dict[str, Checksum]
) -> Result:
    costs, faults = [], []
    with database.fresh() as url, tempfile.TemporaryDirectory(dir=folder) as own:
        for load in LOADS:
            run = Run(url, folder / load, Path(own))
            cost = measure(contender.command(run), source=run.data.with_suffix(".singer"))
            costs.append(cost)
            fault = cost.failure or sent[load].differences(
                Checksum.of(database.rows(url, contender.table))
            )
            faults += [f"{load}: {fault}"] if fault else []
    with database.fresh() as url, tempfile.TemporaryDirectory(dir=folder) as own:
        run = Run(url, folder / "few" / LOADS[0], Path(own))
        costs.append(measure(contender.command(run), source=run.data.with_suffix(".singer")))
    first, reload, few = costs
    return Result(first, reload, few, "; ".join(faults))


def _rows(results: dict[tuple[str, str], list[Result]], records: int) -> Iterator[tuple[str, ...]]:
    for (database, name), own in results.items():
        floor = results[database, CONTENDERS[database][0].name]
        first = statistics.median(each.first.seconds for each in own)
        yield (
            database,
            name,
            f"{first:.1f}",
            f"{_ratio([r.first for r in own], [r.first for r in floor]):.2f}",
            f"{statistics.median(each.reload.seconds for each in own):.1f}",
            f"{_ratio([r.reload for r in own], [r.reload for r in floor]):.2f}",
            f"{records / first:,.0f}",
            f"{statistics.median(each.first.cpu for each in own) / records * 1e6:.0f}",
            f"{max(cost.megabytes for each in own for cost in (each.first, each.reload)):,.0f}",
            f"{statistics.median(each.few.seconds for each in own):.1f}",
            " / ".join(sorted({each.landed or ALL for each in own})),
        )


def _ratio(costs: list[Cost], floor: list[Cost]) -> float:
    pairs = zip(costs, floor, strict=True)
    return statistics.median(cost.seconds / least.seconds for cost, least in pairs)


if __name__ == "__main__":
    main()
