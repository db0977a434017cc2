"""The records of a stream that are loaded together."""

from __future__ import annotations

import dataclasses
import time
from datetime import UTC, datetime


@dataclasses.dataclass(eq=False)
class Batch:
    """RECORD lines as they came, with their numbers in the input."""

    lines: list[bytes] = dataclasses.field(default_factory=list)
    numbers: list[int] = dataclasses.field(default_factory=list)
    size: int = 0
    """Bytes."""
    opened: float = dataclasses.field(default_factory=time.monotonic)
    received_at: datetime = dataclasses.field(default_factory=lambda: datetime.now(UTC))

    def add(self, line: bytes, number: int) -> None:
        """Take in one more line."""
        self.lines.append(line)
        self.numbers.append(number)
        self.size += len(line)
