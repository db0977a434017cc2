"""One extraction, which its streams and readers share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Protocol

from singer_sdk import Stream, Tap
from singer_sdk.singerlib import Message, StateMessage
from typing_extensions import TypeVar, override

from attribution_elt.core.events import event
from attribution_elt.kit.accounts import Accounts
from attribution_elt.kit.errors import InvalidSettingsError, UnitError
from attribution_elt.kit.http.client import Client
from attribution_elt.kit.records.personal_data import PersonalData
from attribution_elt.kit.totals import Totals
from attribution_elt.kit.writer import LineWriter

ClientT = TypeVar("ClientT", bound=Client, default=Any)


class AnyReader(Protocol):
    """The part of a reader that a run uses."""

    def __init__(self, run: Run[Any], streams: Sequence[Any]) -> None: ...

    def begin(self, leader: Stream | None) -> None:
        """Write the SCHEMA messages of all streams except the leader's."""

    def read(self) -> None:
        """Write all records."""


ReaderT = TypeVar("ReaderT", bound=AnyReader)


@dataclass(slots=True)
class DeliveredState(StateMessage):
    """A STATE message with members that our loader reads and other loaders ignore.

    Attributes:
        delivered: claims: what has been delivered completely since the last STATE.
        complete: whether the run has ended without failures.
    """

    delivered: list[dict[str, Any]] = field(default_factory=list)
    complete: bool = False

    @override
    def to_dict(self) -> dict[str, Any]:
        document: dict[str, Any] = {"type": "STATE", "value": self.value}
        if self.delivered:
            document["delivered"] = self.delivered
        if self.complete:
            document["complete"] = True
        return document


class Run(Generic[ClientT]):
    """One extraction of a tap: settings, clients, personal data, messages, state and failures.

    Args:
        tap: the tap that runs.
        make_clients: returns a client for each account.
        hash_key: key of the hashes of personal data if `pii_key` is not set.
        selection_errors: returns a line for each setting that a selected stream needs.

    Attributes:
        failures: units that failed after all retries.
        outages: how many units have failed in a row, the latest ones, because of the vendor.
        accounts: counts of rows by account.
        totals: comparisons with the vendor's totals.
        is_finished: whether everything was read; a reader that stops early, such as at a budget,
        sets it to false.
    """

    def __init__(
        self,
        tap: Tap,
        make_clients: Callable[[], dict[str, ClientT]],
        *,
        hash_key: Callable[[], str],
        selection_errors: Callable[[], Sequence[str]],
    ) -> None:
        self._tap = tap
        self._make_clients = make_clients
        self._hash_key = hash_key
        self._selection_errors = selection_errors
        self.logger = tap.logger
        self.failures: list[UnitError] = []
        self.outages = 0
        self.is_finished = True
        self.accounts = Accounts()
        self.totals = Totals(self.warn_once)
        self._warned: set[str] = set()
        self._readers: dict[type[AnyReader], AnyReader] = {}
        self._read: set[type[AnyReader]] = set()
        self._is_complete = False

    @property
    def config(self) -> Mapping[str, Any]:
        """The settings."""
        return self._tap.config

    @property
    def streams(self) -> Mapping[str, Stream]:
        """All streams of the tap by name, selected or not."""
        return self._tap.streams

    @cached_property
    def clients(self) -> dict[str, ClientT]:
        """A client for each account; if one account is refused, the others continue."""
        return self._make_clients()

    @cached_property
    def personal_data(self) -> PersonalData:
        """The settings `pii` and `pii_key`."""
        return PersonalData.of_settings(self.config, fallback_key=self._hash_key())

    @cached_property
    def writer(self) -> LineWriter:
        """The writer of all messages.

        Raises:
            TypeError: the tap was given a writer of another class.
        """
        writer = self._tap.message_writer
        if not isinstance(writer, LineWriter):
            raise TypeError(f"{type(writer).__name__} cannot write records with a prefix")
        return writer

    def write(self, message: Message) -> None:
        """Write a message."""
        self.writer.write_message(message)

    def write_state(
        self, delivered: Sequence[dict[str, Any]] = (), *, complete: bool = False
    ) -> None:
        """Write the state if it has changed; all records that it covers are written.

        Args:
            delivered: claims that go with it.
            complete: whether the run has ended without failures.
        """
        self.write(DeliveredState(dict(self._tap.state), list(delivered), complete))

    def finish(self) -> None:
        """Write a last STATE with `complete` if nothing failed; only the first call counts."""
        if self._is_complete:
            return
        self._is_complete = True
        for account in self.accounts.silent():
            vendor = self.clients[account].vendor
            self.warn_once(
                f"{vendor}, {account}: no rows at all, although earlier runs had rows: check the "
                "account's access and the filters of the settings"
            )
        for line in self.totals.unnamed():
            self.warn_once(line)
        if not any(each.selected for each in self.streams.values()):
            self.logger.warning("no stream is selected: nothing was read", extra=event("warning"))
        elif not self.failures and self.is_finished:
            self.write_state(complete=True)

    def warn_once(self, text: str, *, kind: str = "warning") -> None:
        """Log a warning, as an event of this kind, unless this run has logged it before."""
        if text not in self._warned:
            self._warned.add(text)
            self.logger.warning(text, extra=event(kind))

    def reader(self, kind: type[ReaderT]) -> ReaderT:
        """Return the run's reader of a kind, for all selected streams that it feeds.

        Raises:
            InvalidSettingsError: a selected stream needs other settings.
        """
        if not self._readers and (errors := self._selection_errors()):
            raise InvalidSettingsError(list(errors))
        found = self._readers.get(kind)
        if not isinstance(found, kind):
            streams = [each for each in self.streams.values() if _is_fed_by(each, kind)]
            found = self._readers[kind] = kind(self, streams)
        return found

    def read(self, kind: type[ReaderT], *, leader: Stream | None = None) -> ReaderT:
        """Write all records of a reader, once in a run, and return the reader.

        The SDK has written the SCHEMA message of the stream `leader` already.
        """
        reader = self.reader(kind)
        if kind not in self._read:
            self._read.add(kind)
            reader.begin(leader)
            reader.read()
        return reader


def _is_fed_by(stream: Stream, kind: type[AnyReader]) -> bool:
    return stream.selected and getattr(stream, "reader", None) is kind
