"""The results as a table."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from loaders.measure import Cost
from loaders.tables import markdown
from vendors.contenders import OURS

HEADINGS = (
    "vendor", "rows", "by", "seconds", "x", "rows/s", "CPU s/M", "peak MB", "requests", "429s",
    "what landed",
)  # fmt: skip


HTTP_ERROR = re.compile(r"\d{3} Client Error: [\w ]*")
LONGEST = 160  # characters of a contender's error


@dataclass(frozen=True)
class Result:
    """The costs of a contender in a round.

    Attributes:
        requests: number of requests that the vendor counted.
        refused: number of requests that the vendor refused because of its quota.
        differences: differences between the loaded rows and the vendor's.
    """

    cost: Cost
    requests: int
    refused: int
    differences: str

    def __str__(self) -> str:
        return (
            f"{self.cost.seconds:.1f} s, CPU {self.cost.cpu:.1f} s, {self.cost.megabytes:.0f} MB, "
            f"{self.requests} requests, {self.refused} refused; {self.landed}"
        )

    @property
    def landed(self) -> str:
        """The loaded rows, and the error if the contender failed."""
        failure = self.cost.failure.replace("|", "¦")
        found = HTTP_ERROR.findall(failure)
        failed = f"failed: {found[-1] if found else failure[:LONGEST]}; " if failure else ""
        return failed + (self.differences or "all of it")


@dataclass(frozen=True)
class Results:
    """A contender's results for a scene of a size."""

    scene: str
    rows: int
    contender: str
    rounds: Sequence[Result]

    @property
    def failed(self) -> bool:
        """Whether the contender failed in any round."""
        return any(each.cost.failure for each in self.rounds)

    @property
    def seconds(self) -> float:
        """The median."""
        return statistics.median(each.cost.seconds for each in self.rounds)

    @property
    def megabytes(self) -> float:
        """The maximum."""
        return max(each.cost.megabytes for each in self.rounds)

    def cells(self, ours: float) -> list[str]:
        """Return the cells of the table; times are relative to the project's."""
        cells = [self.scene, f"{self.rows:,}", self.contender]
        requests = max(self.rounds, key=lambda each: each.requests)
        cpu = statistics.median(each.cost.cpu for each in self.rounds)
        rates = ["", "", ""]
        if not self.failed:
            rates = [
                f"{self.seconds / ours:.1f}",
                f"{self.rows / self.seconds:,.0f}",
                f"{cpu / self.rows * 1e6:,.0f}",
            ]
        landed = {each.landed for each in self.rounds}
        return [
            *cells,
            f"{self.seconds:.1f}",
            *rates,
            f"{self.megabytes:,.0f}",
            f"{requests.requests:,}",
            f"{requests.refused:,}",
            " / ".join(sorted(landed)),
        ]


def table(results: Sequence[Results]) -> str:
    """Return a table in Markdown."""
    ours = {(each.scene, each.rows): each.seconds for each in results if each.contender == OURS}
    rows = [each.cells(ours[each.scene, each.rows]) for each in results]
    return markdown(HEADINGS, rows, texts=(0, 2, len(HEADINGS) - 1))
