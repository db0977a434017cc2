"""A clock of the loader's that a test sets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo

import pytest
from target_warehouse import rejects, runs, sweeper, table_loader
from target_warehouse.target import TargetWarehouse
from typing_extensions import override


@contextmanager
def loading_at(moment: datetime) -> Iterator[None]:
    """Have runs of the loader in this process begin at a moment; time passes as it is asked for."""
    clock = [moment]

    class Clock(datetime):
        @classmethod
        @override
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override] # typeshed has Self
            clock[0] += timedelta(milliseconds=1)
            return clock[0].astimezone(tz or UTC)

        @classmethod
        @override
        def fromtimestamp(cls, timestamp: float, tz: tzinfo | None = None) -> datetime:  # type: ignore[override] # typeshed has Self
            return datetime.fromtimestamp(timestamp, tz)

    started = round(moment.timestamp() * 1000)
    with pytest.MonkeyPatch.context() as patch:
        for module in (rejects, runs, sweeper, table_loader):
            patch.setattr(module, "datetime", Clock)
        patch.setattr(TargetWarehouse, "initialized_at", property(lambda _: started))
        yield
