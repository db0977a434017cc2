"""Reader and streams of IHC: journeys become requests, and responses become credits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from typing_extensions import override

from attribution_elt.kit.claims import Claim
from attribution_elt.kit.errors import PluginError, UnitError
from attribution_elt.kit.http.request import Request
from attribution_elt.kit.http.response import JsonResponse
from attribution_elt.kit.reader import Reader
from attribution_elt.kit.run import Run
from attribution_elt.kit.stream import VendorStream
from tap_ihc.accounting import Accounting
from tap_ihc.client import ACCOUNT, IhcClient, RefusedError
from tap_ihc.journeys import Journeys, Session, Summary, rows_of
from tap_ihc.outbox import Group, Outbox
from tap_ihc.progress import Progress

POOL = 20_000
"""Journeys that are packed together; packing more would save hardly any requests."""
MOST_REFUSED = 5
"""Refused single journeys, without an accepted one, after which the settings count as invalid.
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """A request: the sessions to send, by conversion."""

    group: Group
    journeys: dict[str, list[Session]]

    @property
    def about(self) -> str:
        """Name of the request in logs."""
        return f"{len(self.journeys)} journeys of {self.group.sessions} sessions"


class Credits(Reader[IhcClient, Batch, JsonResponse | RefusedError]):
    """Sends the journeys that have not been computed yet.

    A request costs quota. So the next request is sent only after the credits of the last one are
    written and in the state: an interrupted run costs one request.

    A journey passes these steps: `Journeys` checks it, `Progress` decides whether it has to be
    sent, `Outbox` packs it into a request, `Accounting` writes the result, and `Progress` settles
    it.
    """

    width = 1
    lookahead = 1

    def __init__(self, run: Run[IhcClient], streams: Sequence[VendorStream]) -> None:
        super().__init__(run, streams)
        config = run.config
        self._client = run.clients[ACCOUNT]
        self._type: str = config["conv_type_id"]
        self._redistribution = {
            phase: {**parameter, "receive_threshold": float(parameter["receive_threshold"])}
            for phase, parameter in config.get("redistribution_parameter", {}).items()
        }
        salt = msgspec.json.encode([self._type, self._redistribution], order="deterministic")
        parameters = hashlib.sha256(salt).hexdigest()[:12]
        self._progress = Progress(streams, parameters)
        self._accounting = Accounting(run, self.streams, parameters)
        labels = {
            label
            for parameter in self._redistribution.values()
            for label in parameter["redistribution_channel_labels"]
        }
        self._journeys = Journeys(rows_of(config, self._progress.since), parameters, labels)
        if absent := self._journeys.absent:
            run.logger.warning(
                "redistribution_parameter: no session has the channel %s",
                ", ".join(map(repr, sorted(absent))),
            )
        self._outbox = Outbox(
            config["max_journeys_per_request"], config["max_sessions_per_request"]
        )
        self._refused: list[tuple[str, str]] = []
        self._claimable: list[str] = []  # conversions that are settled or refused
        self._accepted = False
        self._unsent = 0
        self._refusals = 0

    # requests

    @override
    def units(self) -> Iterator[Batch]:
        enough = 1 if self.testing else POOL
        for journey in self._journeys:
            self._add(journey)
            if len(self._outbox) >= enough:
                yield from self._batches()
                if self._outbox:
                    break
        else:
            self._progress.all_read = True
            yield from self._batches()
        if not self._outbox:
            self._settle_refused()
        self._progress.save()
        self._log_summary()

    @property
    @override
    def test_satisfied(self) -> bool:
        return self.testing

    def _add(self, journey: Summary) -> None:
        if journey.fault:
            self._give_up(journey, journey.session_id, journey.fault)
        elif self._progress.read(journey):
            self._outbox.add(journey.conversion_id, journey.size)

    def _give_up(self, journey: Summary, session_id: str, reason: str) -> None:
        """Record a journey that cannot be sent; its claim removes the credits that it had."""
        self._unsent += 1
        self._accounting.fail(journey, session_id, reason)
        self._progress.discard(journey)
        if journey.conversion_id:
            self._claimable.append(journey.conversion_id)

    def _batches(self) -> Iterator[Batch]:
        while self._outbox:
            for conversion, size in self._outbox.oversized().items():
                most = self._outbox.too_many - 1
                reason = f"{size} sessions exceed the maximum of {most} in a request"
                self._give_up(self._progress.waiting.pop(conversion), "", reason)
            if not self._outbox:
                return
            if self._client.budget.is_spent:
                self.run.warn_once("max_requests_per_run is reached; the next run resumes")
                self.run.is_finished = False
                return
            group = self._outbox.take()
            yield Batch(group, {name: self._journeys[name] for name in group.sizes})

    @override
    def fetch(self, unit: Batch) -> JsonResponse | RefusedError:
        sessions = [session for journey in unit.journeys.values() for session in journey]
        body: dict[str, Any] = {"customer_journeys": sessions}
        if self._redistribution:
            body["redistribution_parameter"] = self._redistribution
        request = Request(
            "compute_ihc",
            unit.about,
            params={"conv_type_id": self._type},
            method="POST",
            body=body,
        )
        try:
            return self._client.fetch(request)
        except RefusedError as error:
            if self.testing:
                raise UnitError(f"IHC refused the request: {error}") from None
            return error

    # responses

    @override
    def emit(self, unit: Batch, answer: JsonResponse | RefusedError) -> None:
        if isinstance(answer, RefusedError):
            self._refuse(unit, answer)
            return
        self._accepted = True
        self._settle_refused()
        if self._outbox.accept(unit.group):
            self.run.logger.warning(
                "IHC refused %d sessions in a request: sending at most %d from now on; "
                "set max_sessions_per_request to what the plan allows",
                self._outbox.too_many,
                self._outbox.limit,
            )
        account = self._accounting.account(
            unit.about, unit.journeys, self._progress.waiting, answer
        )
        self._refusals += len(account.refused)
        for conversion in sorted(account.settled):
            self._settle(conversion)
        answer.close()

    def _refuse(self, unit: Batch, error: RefusedError) -> None:
        """Request the halves of a refused batch; give up a journey that is refused alone.

        Raises:
            PluginError: the vendor refuses every journey, so the settings are at fault.
        """
        waiting = self._progress.waiting
        if len(unit.journeys) > 1 and not self.run.config["bisect_refused_requests"]:
            # the journey at fault is unknown, so the next run sends them all again
            for conversion in unit.journeys:
                self._accounting.fail(waiting[conversion], "", str(error), error.status)
            self.run.failures.append(UnitError(f"IHC refused {unit.about}: {error}"))
            return
        if len(unit.journeys) > 1:
            self.run.logger.info("IHC refused %s: requesting its two halves instead", unit.about)
            self._outbox.halve(unit.group)
            return
        (conversion,) = unit.journeys
        self._refusals += 1
        self._accounting.fail(waiting[conversion], "", str(error), error.status)
        self._refused.append((conversion, str(error)))
        if self._accepted:
            self._settle_refused()
        elif len(self._refused) == MOST_REFUSED:
            reasons = {reason for _, reason in self._refused}
            # a reason that they share does not identify a person
            reason = reasons.pop() if len(reasons) == 1 else "the stream `failures` has the reasons"
            raise PluginError(f"IHC refused every journey, even a single one: {reason}")

    def _settle_refused(self) -> None:
        for conversion, _ in self._refused:
            self._settle(conversion)
        self._refused.clear()

    def _settle(self, conversion: str) -> None:
        self._progress.settle(conversion)
        self._claimable.append(conversion)

    @override
    def claims(self, unit: Batch, answer: JsonResponse | RefusedError) -> Iterator[Claim]:
        """Yield claims for the journeys settled or refused since the last call."""
        return self.closing_claims()

    @override
    def closing_claims(self) -> Iterator[Claim]:
        for conversion in self._claimable:
            where = {"conv_type_id": self._type, "conversion_id": conversion}
            for stream in self.streams:
                yield Claim(stream, where)
        self._claimable.clear()

    @override
    def on_complete(self, unit: Batch) -> None:
        self._progress.save()

    def _log_summary(self) -> None:
        for count, what in (
            (self._unsent, "cannot be valid and were not sent"),
            (self._refusals, "were refused by IHC"),
        ):
            if count:
                self.run.logger.warning("%d journeys %s: see the stream failures", count, what)
        if self._progress.horizon:
            self.run.logger.info("conversions before %s count as computed", self._progress.horizon)


class Attributions(VendorStream):
    """A session's credits, with its timestamp and channel."""

    name = "attributions"
    primary_keys = ("conv_type_id", "conversion_id", "session_id")
    replication_key = "conversion_timestamp"
    reader = Credits


class Failures(VendorStream):
    """A journey that the vendor or the tap's own check refused, with the reason."""

    name = "failures"
    primary_keys = ("conv_type_id", "conversion_id", "session_id")
    replication_key = "conversion_timestamp"
    reader = Credits
