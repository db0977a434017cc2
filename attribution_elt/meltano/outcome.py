"""The outcome of a run."""

from __future__ import annotations

from dataclasses import dataclass

from attribution_elt.meltano.run_log import RunLog


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        run_id: Meltano's and the loader's id of the run.
        task: its blocks, such as `tap-ecdp target-warehouse`.
        exit_code: Meltano's; 128 and the number of a signal that ended it.
        interrupted: whether a signal ended it.
    """

    run_id: str
    task: str
    exit_code: int
    log: RunLog
    seconds: float = 0
    interrupted: bool = False

    @property
    def complaints(self) -> list[str]:
        """Every failure in a line; empty for a run that succeeded."""
        if not self.exit_code:
            return []
        if self.interrupted:
            committed = f"{self.committed:,} records are committed"
            return [f"{self.task}: interrupted; {committed}; run it again to resume"]
        return self.log.complaints or [f"{self.task}: exit code {self.exit_code}"]

    @property
    def committed(self) -> int:
        """Number of records that were committed to the warehouse."""
        return sum(each.committed for each in self.log.pipelines.values())
