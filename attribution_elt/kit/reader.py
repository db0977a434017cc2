"""Walks a vendor's units in order and feeds one or more streams from each answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from attribution_elt.kit.errors import CredentialsError, TapError, UnitError, UnreachableError
from attribution_elt.kit.events import Progress
from attribution_elt.kit.fanout import LOOKAHEAD, fan_out

if TYPE_CHECKING:
    from attribution_elt.kit.tap import VendorStream, VendorTap

Unit = TypeVar("Unit")
Answer = TypeVar("Answer")

MOST_FAILURES = 20
"""Units that may fail one after another before the vendor counts as down."""


class Reader(ABC, Generic[Unit, Answer]):
    """One walk over units: what to ask for, what to emit of it, when it is complete.

    A unit is what is read again if a run is interrupted: a window, a website, a feed, a
    customer. One that fails for good is told and tried again by the next run; the others go on.

    Args:
        tap: the tap that this walk is for.
        streams: its selected streams that this reader feeds, by name.

    Attributes:
        total: how many units there are, once `units` knows.
    """

    lookahead: ClassVar[int] = LOOKAHEAD
    """Units asked for per worker while an earlier one is emitted; 1 asks for one after another."""
    requests_each: int = 1
    """Requests that a unit takes, if all goes well."""

    def __init__(self, tap: VendorTap, streams: Sequence[VendorStream]) -> None:
        self.tap = tap
        self.streams = {stream.name: stream for stream in streams}
        self.total: int | None = None

    @property
    def testing(self) -> bool:
        """Whether this is a connection test, which takes a record of each stream."""
        return any(stream.ABORT_AT_RECORD_COUNT is not None for stream in self.streams.values())

    @property
    def width(self) -> int:
        """Requests in flight at once, at most."""
        return int(self.tap.config["max_concurrent_requests"])

    @property
    def test_satisfied(self) -> bool:
        """Whether a connection test has seen enough."""
        return self.testing and not any(stream.wants_more for stream in self.streams.values())

    @abstractmethod
    def units(self) -> Iterable[Unit]:
        """Yield what is to be read, in the order in which it is emitted."""

    @abstractmethod
    def fetch(self, unit: Unit) -> Answer:
        """Ask the vendor. Runs in a thread of its own: it reads nothing but its unit.

        Raises:
            UnitError: the vendor will not give it.
        """

    @abstractmethod
    def emit(self, unit: Unit, answer: Answer) -> None:
        """Write the records of an answer."""

    def missing_parts(self, answer: Answer) -> Sequence[UnitError]:
        """Return why parts of a unit are not in its answer, if it has parts; the others are."""
        del answer
        return ()

    def on_complete(self, unit: Unit) -> None:
        """Move bookmarks: every record of the unit, and of all before it, has been written."""

    def is_request(self, unit: Unit) -> bool:
        """Tell whether a unit is one of the `total`: one that the vendor is asked for."""
        del unit
        return True

    def on_failure(self, unit: Unit, error: UnitError) -> None:
        """Take note that a unit failed for good."""
        del unit
        error.streams = tuple(dict.fromkeys((*error.streams, *self.streams)))
        if error not in self.tap.failures:
            self.tap.failures.append(error)

    def take_keyless_errors(self) -> Iterator[str]:
        """Yield what is to be said of rows that could not be written, since this was asked last."""
        for stream in self.streams.values():
            if stream.keyless:
                keys = ", ".join(stream.primary_keys)
                yield f"{stream.name}: {stream.keyless} rows without a usable key ({keys})"
                stream.keyless = 0

    def _emitted(self, unit: Unit, answer: Answer) -> list[UnitError]:
        """Write the records of an answer; return what is to be said of those that could not be."""
        errors, faults = list(self.missing_parts(answer)), []
        try:
            self.emit(unit, answer)
        except RecursionError:  # it could be decoded, further from the limit than this is
            faults.append(f"{', '.join(self.streams)}: a value is nested too deeply")
        except (
            UnitError
        ) as error:  # of a later page, which is requested when the one before is read
            errors.append(error)
        for stream in self.streams.values():
            stream.count()
        if faults := [*faults, *self.take_keyless_errors()]:
            errors.append(UnitError("; ".join(faults)))
        return errors

    def run(self) -> None:
        """Read every unit.

        Raises:
            CredentialsError: no other request of the account can succeed.
            UnreachableError: no connection to the vendor comes about.
            TapError: so many units failed in a row that the vendor counts as down.
        """
        in_a_row = 0
        progress = Progress(self.tap, list(self.streams.values()))
        for unit, future in fan_out(self.units(), self.fetch, self.width, self.lookahead):
            if self.is_request(unit):
                progress.step(self.total)
            try:
                answer = future.result()
            except UnitError as error:
                if isinstance(error, CredentialsError) and len(self.tap.clients) == 1:
                    raise
                if self.testing or isinstance(error, UnreachableError):
                    raise
                self.on_failure(unit, error)
                in_a_row = in_a_row + error.parts if error.outage else 0
                if in_a_row >= MOST_FAILURES:
                    raise TapError(f"gave up after {in_a_row} failures in a row") from None
                continue
            in_a_row = 0
            errors = self._emitted(unit, answer)
            if self.test_satisfied:
                return
            for each in errors:
                self.on_failure(unit, each)
            if errors:
                continue
            self.on_complete(unit)
            self.tap.write_state()
        progress.tell(self.total)
        self.tap.writer.flush()
