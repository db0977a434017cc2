"""A clock of the loader's that a test sets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Self

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
        def now(cls, tz: tzinfo | None = None) -> Self:
            clock[0] += timedelta(milliseconds=1)
            return cls.fromtimestamp(clock[0].timestamp(), tz or UTC)

    started = round(moment.timestamp() * 1000)
    with pytest.MonkeyPatch.context() as patch:
        for module in (rejects, runs, sweeper, table_loader):
            patch.setattr(module, "datetime", Clock)
        patch.setattr(TargetWarehouse, "initialized_at", property(lambda _: started))
        yield
