"""Reads a vendor's units in order; each response feeds one or more streams."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import ClassVar, Generic, TypeVar

from singer_sdk import Stream

from attribution_elt.core.errors import in_a_line
from attribution_elt.core.events import event
from attribution_elt.kit.claims import Claim
from attribution_elt.kit.errors import CredentialsError, UnitError, UnreachableError
from attribution_elt.kit.fanout import LOOKAHEAD, fan_out
from attribution_elt.kit.http.client import Client
from attribution_elt.kit.run import Run
from attribution_elt.kit.stream import VendorStream

Account = TypeVar("Account", bound=Client)
"""The class of the clients."""
Unit = TypeVar("Unit")
Answer = TypeVar("Answer")

MOST_FAILURES = 20
"""Consecutive failed units of a run after which a reader skips its other units."""

PROGRESS_EVERY = 5.0
"""Minimum seconds between two events."""


class Progress:
    """Logs how many units of a reader are done, at intervals and at the end."""

    def __init__(self, logger: logging.Logger, streams: Sequence[VendorStream]) -> None:
        self._logger = logger
        self._streams = streams
        self._done = self._failed = 0
        self._logged_at = time.monotonic()

    def step(self, total: int | None, *, failed: bool = False) -> None:
        """Count a finished unit; `total` is the number of all units, if it is known."""
        self._done += 1
        self._failed += failed
        if time.monotonic() - self._logged_at >= PROGRESS_EVERY:
            self.log(total)

    def log(self, total: int | None) -> None:
        """Log the number of units and records so far."""
        self._logged_at = time.monotonic()
        names = [stream.name for stream in self._streams]
        records = sum(stream.emitted for stream in self._streams)
        of = "" if total is None else f" of {total}"
        self._logger.info(
            "%s: %d%s units%s, %d records",
            ", ".join(names),
            self._done,
            of,
            f" ({self._failed} failed)" if self._failed else "",
            records,
            extra=event(
                "progress",
                streams=names,
                units_done=self._done,
                units_failed=self._failed,
                units_total=total,
                records=records,
            ),
        )


class Reader(ABC, Generic[Account, Unit, Answer]):
    """Reads units: subclasses define requests, records and bookmarks.

    A unit is the smallest thing that is read again after an interruption: a window, a website, a
    feed, a customer. A unit that fails after all retries is reported, and the next run reads it
    again; other units continue.

    Attributes:
        total: the number of units, set by `units`.
        has_failures: whether any unit has failed.
    """

    lookahead: ClassVar[int] = LOOKAHEAD
    """Units requested per worker while an earlier one is emitted; 1 requests one at a time."""
    requests_each: int = 1
    """Number of requests of a unit, without retries."""
    bookmark_settings: ClassVar[Sequence[str]] = ()
    """Settings that decide which rows a bookmark covers; after a change all rows are read again."""
    units_of: ClassVar[str] = ""
    """The stream whose rows are the units, if other responses of the run list them."""

    def __init__(self, run: Run[Account], streams: Sequence[VendorStream]) -> None:
        self.run = run
        self.streams = {stream.name: stream for stream in streams}
        self.total: int | None = None
        self.has_failures = False
        settings = {name: run.config.get(name) for name in self.bookmark_settings}
        for stream in streams:
            stream.start_over_if_changed(settings)

    @property
    def testing(self) -> bool:
        """Whether this is a connection test, which takes a record of each stream."""
        return any(stream.ABORT_AT_RECORD_COUNT is not None for stream in self.streams.values())

    @property
    def width(self) -> int:
        """The largest number of requests in flight at once."""
        return int(self.run.config["max_concurrent_requests"])

    @property
    def test_satisfied(self) -> bool:
        """Whether a connection test has a record of each stream."""
        return self.testing and not any(stream.wants_more for stream in self.streams.values())

    @abstractmethod
    def units(self) -> Iterable[Unit]:
        """Yield the units in the order in which they are emitted."""

    @abstractmethod
    def fetch(self, unit: Unit) -> Answer:
        """Request a unit; called in a thread, so use nothing but the unit.

        Raises:
            UnitError: the request failed after all retries.
        """

    @abstractmethod
    def emit(self, unit: Unit, answer: Answer) -> None:
        """Write the records of a response."""

    def account_of(self, unit: Unit) -> str:
        """Return the name of the client that requests a unit; the only client by default."""
        del unit
        return next(iter(self.run.clients))

    def missing_parts(self, answer: Answer) -> Sequence[UnitError]:
        """Return why parts of a unit are missing from its response."""
        del answer
        return ()

    def on_complete(self, unit: Unit) -> None:
        """Move bookmarks: all records of this unit and of those before it are written."""

    def claims(self, unit: Unit, answer: Answer) -> Iterable[Claim]:
        """Return the claims for a complete unit.

        Called after `on_complete`, only for a unit without errors; the response may be closed.
        """
        del unit, answer
        return ()

    def closing_claims(self) -> Iterable[Claim]:
        """Return claims about all units together.

        Called after the last unit. Do not make a claim that a failed unit could contradict:
        `has_failures` is true if any unit failed.
        """
        return ()

    def is_request(self, unit: Unit) -> bool:
        """Return whether a unit counts towards `total`, because it is requested from the vendor."""
        del unit
        return True

    def on_failure(self, unit: Unit, error: UnitError) -> None:
        """Record that a unit failed after all retries."""
        del unit
        self.has_failures = True
        error.streams = tuple(dict.fromkeys((*error.streams, *self.streams)))
        if error not in self.run.failures:
            self.run.failures.append(error)

    def _emitted(self, unit: Unit, answer: Answer) -> list[UnitError]:
        """Write the records of a response; return why parts of the unit could not be written."""
        errors = list(self.missing_parts(answer))
        try:
            self.emit(unit, answer)
        except RecursionError:  # the parser accepts deeper nesting than the conversion of a record
            errors.append(UnitError(f"{', '.join(self.streams)}: a value is nested too deeply"))
        except ValueError as error:  # such as a number of more digits than Python reads
            reason = f"{', '.join(self.streams)}: a value cannot be read: {in_a_line(error)}"
            errors.append(UnitError(reason))
        # requesting a later page failed after the earlier ones were read
        except UnitError as error:
            errors.append(error)
        for stream in self.streams.values():
            stream.count()
        return errors

    def begin(self, leader: Stream | None) -> None:
        """Write the SCHEMA messages of all streams except the leader's."""
        for stream in self.streams.values():
            stream.remember_personal_data()
            if stream is not leader:
                stream.write_schema()

    def read(self) -> None:
        """Read every unit; after too many failures in a row, leave the others to the next run.

        Failures of the previous reader count too, so that a vendor that is down gets few requests.

        Raises:
            CredentialsError: no other request of the account can succeed.
            UnreachableError: no connection to the vendor can be made.
        """
        progress = Progress(self.run.logger, list(self.streams.values()))
        for unit, future in fan_out(self.units(), self.fetch, self.width, self.lookahead):
            failures = len(self.run.failures)
            self._take(unit, future)
            if self.is_request(unit):
                progress.step(self.total, failed=len(self.run.failures) > failures)
            if self.test_satisfied:
                return
            if self.run.outages >= MOST_FAILURES:
                names = ", ".join(self.streams)
                reason = f"{names}: gave up after {self.run.outages} failures in a row"
                self.run.failures.append(UnitError(reason))
                return
        self._write_state(() if self._keyless else self.closing_claims())
        progress.log(self.total)
        self.run.writer.flush()

    def _take(self, unit: Unit, future: Future[Answer]) -> None:
        """Write the records of a fetched unit, or record its failure."""
        try:
            answer = future.result()
        except UnitError as error:
            is_last = isinstance(error, CredentialsError) and len(self.run.clients) == 1
            if is_last or self.testing or isinstance(error, UnreachableError):
                raise
            self.on_failure(unit, error)
            self.run.outages = self.run.outages + error.parts if error.outage else 0
            return
        if self.is_request(unit):
            self.run.outages = 0
        before, keyless_before = self._written, self._keyless
        errors = self._emitted(unit, answer)
        if self.is_request(unit):
            self.run.accounts.count(
                self.account_of(unit), self.streams.values(), self._written - before
            )
        if self.test_satisfied:
            return
        for each in errors:
            self.on_failure(unit, each)
        if not errors:
            self.on_complete(unit)
            # a row without its key may be a delivered row of the vendor: claim nothing
            is_keyed = self._keyless == keyless_before
            self._write_state(self.claims(unit, answer) if is_keyed else ())

    @property
    def _written(self) -> int:
        """Number of records written to all streams."""
        return sum(stream.emitted for stream in self.streams.values())

    @property
    def _keyless(self) -> int:
        """Number of rows keyed by a hash of their content, because the vendor sent no key."""
        return sum(stream.keyless for stream in self.streams.values())

    def _write_state(self, claims: Iterable[Claim]) -> None:
        """Write the state with claims; claims of streams that are not selected are left out."""
        made = [
            self.streams[claim.stream].delivered(claim)
            for claim in claims
            if claim.stream in self.streams and not self.testing
        ]
        self.run.write_state([each for each in made if each is not None])
