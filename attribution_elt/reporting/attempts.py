"""Failed runs in Meltano's history, some of which never reached the warehouse."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from attribution_elt.core.dates import instant
from attribution_elt.meltano.project import Project
from attribution_elt.meltano.run_log import parts_of

CLOCKS = timedelta(minutes=1)
"""Maximum time between Meltano's start of a run and the loader's, before and after."""


@dataclass(frozen=True)
class Attempt:
    """A failed run in Meltano's history.

    Attributes:
        ended_at: its end; None if it was killed.
    """

    tap: str
    loader: str
    started_at: datetime
    ended_at: datetime | None
    log_id: str

    def is_among(self, starts: Iterable[datetime]) -> bool:
        """Return whether one of the runs that the loader has recorded, by their starts, is this."""
        end = (self.ended_at or self.started_at) + CLOCKS
        return any(self.started_at - CLOCKS <= each <= end for each in starts)


def failed_attempts(
    project: Project, since: datetime, known_at: datetime | None = None
) -> list[Attempt]:
    """Return the runs in Meltano's history that failed since then, and before `known_at`."""
    found = []
    for run in project.runs():
        environment, tap, loader, _ = parts_of(run["job_name"])
        started_at = instant(run["started_at"])
        failed = run["state"] not in {"SUCCESS", "RUNNING", "IDLE"}
        if failed and environment == project.environment and started_at >= since:
            ended_at = instant(run["ended_at"]) if run["ended_at"] else None
            if known_at and (ended_at or started_at) > known_at:
                continue
            found.append(Attempt(tap, loader, started_at, ended_at, run["log_id"]))
    return found
