"""The base of targets that write to a vendor."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any, ClassVar

from singer_sdk import Target
from singer_sdk import typing as th
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities
from typing_extensions import override

from attribution_elt.core.events import event
from attribution_elt.kit import settings
from attribution_elt.kit.errors import PluginError
from attribution_elt.kit.plugin import VendorPlugin
from attribution_elt.kit.writing.reader import WishReader
from attribution_elt.kit.writing.wishes import (
    Audit,
    Entry,
    InvalidWishError,
    Ledger,
    Outcome,
    Wish,
)

REQUEST = ("api_url", "user_agent", "request_timeout", "max_retries")
"""Settings of requests that these targets share with the taps."""
LOGGED = 100
"""Maximum number of wishes named in the log; `_writes` has all of them."""


def common(api_url: str) -> list[th.Property[Any]]:
    """Return the settings of all these targets; `api_url` is the vendor's base URL."""
    shared = settings.common(api_url).wrapped
    return [
        th.Property(
            "dry_run",
            th.BooleanType,
            default=True,
            title="Dry run",
            description="Compare and record the changes, and send nothing. Set it to false to "
            "write to the vendor.",
        ),
        th.Property(
            "max_errors",
            th.IntegerType(minimum=0),
            default=0,
            title="Errors allowed",
            description="Number of requested changes that may fail; with more, the exit code is 1",
        ),
        th.Property(
            "outcomes_url",
            th.StringType(min_length=1),
            secret=True,
            default="duckdb:///warehouse.duckdb",
            title="Outcomes URL",
            description="URL of the warehouse of the audit table `_writes`, as in target-warehouse",
        ),
        th.Property(
            "outcomes_schema",
            th.StringType(min_length=1),
            title="Outcomes schema",
            description="Schema of the audit table; the database's own if not set",
        ),
        *(shared[name] for name in REQUEST),
    ]


class WritingTarget(VendorPlugin, Target):
    """Reads a set of wishes, and writes to the vendor those that differ from its present values.

    A run reads its whole input, validates it, compares it with the vendor's present values,
    enforces the limit, sends, confirms, and emits the state last. Each `sent` is committed to the
    audit before its request is sent, and its outcome after.
    """

    name_variable = "MELTANO_LOADER_NAME"
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    stream: ClassVar[str]
    """The stream of wishes."""
    credentials: ClassVar[Sequence[str]]
    """The settings with credentials; one of them is enough."""
    limit: ClassVar[str]
    """The setting that limits how many wishes one run may send."""
    ledger: Ledger

    def __init__(self, **options: Any) -> None:
        self._reader = WishReader(self.stream)
        super().__init__(**{**options, "message_reader": self._reader})

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add no settings: those of the SDK concern tables."""

    @override
    def process_endofpipe(self) -> None:
        self._warn_of_other_streams()
        if not self._reader.records:
            self.show(f"the input has no records of stream {self.stream!r}: nothing is sent")
            self._pass_state_on()
            return
        if not self._reader.is_whole:
            raise PluginError(
                "the input ended without a STATE after the last record: nothing was sent"
            )
        with closing(self.open_audit()) as audit:
            self.ledger = Ledger(self.name, audit, dry_run=self.config["dry_run"])
            self._run()
        failed = self.ledger.unfulfilled()
        self._report(failed)
        if self.config["dry_run"]:
            return  # the wishes are not fulfilled, so the next run has to read them again
        if len(failed) > self.config["max_errors"]:
            raise PluginError(f"{len(failed)} of {len(self.ledger.final)} requested changes failed")
        self._pass_state_on()

    def _run(self) -> None:
        wishes = self._wishes()
        changes = self._compare(wishes)
        if not changes:
            return
        allowed: int = self.config[self.limit]
        if len(changes) > allowed:
            reason = f"{len(changes)} changes exceed the setting {self.limit} ({allowed})"
            self._conclude(changes, Outcome.OVER_LIMIT, reason)
            self.logger.error("%s: nothing was sent", reason)
        elif self.config["dry_run"]:
            self._conclude(changes, Outcome.DRY_RUN)
        else:
            self.send(changes)

    def _wishes(self) -> list[Wish]:
        """Return the valid wishes, one for each key; record the invalid ones."""
        found: dict[str, Wish] = {}
        rejected: dict[str, Entry] = {}
        for number, record in enumerate(self._reader.records, 1):
            try:
                parsed = list(self.parse(record))
            except InvalidWishError as error:
                key = self.key_of(record) or f"record {number}"
                self.ledger.labels[key] = self.label_of(record) or f"record {number}"
                rejected[key] = Entry(key, {}, Outcome.INVALID, str(error))
                continue
            for wish in parsed:
                self.ledger.labels[wish.key] = wish.label
                other = found.setdefault(wish.key, wish)
                if other != wish:
                    rejected[wish.key] = Entry(
                        wish.key, wish.values, Outcome.CONFLICTING, "records contradict each other"
                    )
        self.ledger.record(rejected.values())
        return [wish for key, wish in found.items() if key not in rejected]

    def _compare(self, wishes: Sequence[Wish]) -> list[tuple[Wish, Entry]]:
        """Return the wishes that have to be sent; record the outcomes of all others."""
        self.prepare(wishes)
        if not self.config["dry_run"]:
            self._settle_interrupted()
        decided = [(wish, self.decide(wish)) for wish in wishes]
        self.ledger.record(entry for _, entry in decided if entry.outcome is not Outcome.SENT)
        return [(wish, entry) for wish, entry in decided if entry.outcome is Outcome.SENT]

    def _settle_interrupted(self) -> None:
        for key, values in self.ledger.audit.unsettled(self.name).items():
            if entry := self.settle(key, values):
                self.ledger.record([entry])
                del self.ledger.final[key]  # this run's own wish, if there is one, is decided next

    def _conclude(
        self, changes: Sequence[tuple[Wish, Entry]], outcome: Outcome, reason: str | None = None
    ) -> None:
        self.ledger.record(
            Entry(wish.key, wish.values, outcome, reason, entry.before, entry.after)
            for wish, entry in changes
        )

    def _report(self, failed: Sequence[Entry]) -> None:
        counts = Counter(str(entry.outcome) for entry in self.ledger.final.values())
        planned = [e for e in self.ledger.final.values() if e.outcome is Outcome.DRY_RUN]
        self.describe_plan(planned[:LOGGED])
        for entry in failed[:LOGGED]:
            label = self.ledger.labels.get(entry.key, entry.key)
            reason = f": {entry.reason}" if entry.reason else ""
            self.logger.error("%s: %s%s", label, entry.outcome.replace("_", " "), reason)
        summary = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
        self.show(f"{'dry run: ' if self.config['dry_run'] else ''}{summary}")

    def describe_plan(self, planned: Sequence[Entry]) -> None:
        """Log what a real run would change, without personal data."""
        for entry in planned:
            label = self.ledger.labels.get(entry.key, entry.key)
            self.show(f"{label}: {entry.before} → {entry.after}")

    def show(self, line: str) -> None:
        """Log a result, as an event so that Meltano's shortened output keeps it."""
        self.logger.info("%s", line, extra=event("output"))

    def _warn_of_other_streams(self) -> None:
        for stream, count in self._reader.other_streams.items():
            self.logger.warning(
                "stream %r with %d records is ignored: this target reads %r",
                stream,
                count,
                self.stream,
            )

    def _pass_state_on(self) -> None:
        if self._reader.state is not None:
            sys.stdout.write(self._reader.state.decode() + "\n")
            sys.stdout.flush()

    @abstractmethod
    def check(self) -> str:
        """Check the account without writing, and return what was found.

        Raises:
            UnitError: the vendor refused the request.
        """

    @abstractmethod
    def open_audit(self) -> Audit:
        """Return the audit table; an error here ends the run before anything is sent."""

    @abstractmethod
    def parse(self, record: Mapping[str, Any]) -> Iterable[Wish]:
        """Yield the wishes of a record.

        Raises:
            InvalidWishError: the record is not a valid wish.
        """

    def key_of(self, record: Mapping[str, Any]) -> str | None:
        """Return the key under which an invalid record is recorded, if it has one."""
        del record
        return None

    def label_of(self, record: Mapping[str, Any]) -> str | None:
        """Return the name of an invalid record in the log, without personal data."""
        return self.key_of(record)

    @abstractmethod
    def prepare(self, wishes: Sequence[Wish]) -> None:
        """Read what `settle` and `decide` compare the wishes with."""

    @abstractmethod
    def settle(self, key: str, values: Mapping[str, Any]) -> Entry | None:
        """Return the outcome of a write that an interrupted run has sent; None to wait for more."""

    @abstractmethod
    def decide(self, wish: Wish) -> Entry:
        """Return the outcome of a wish without a request, or `sent` where it needs one."""

    @abstractmethod
    def send(self, changes: Sequence[tuple[Wish, Entry]]) -> None:
        """Send the changes, and record `sent` and the outcome of each."""
