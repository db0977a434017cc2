"""IHC's streams, and how journeys become requests and answers credits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from typing_extensions import override

from attribution_elt.core.dates import instant, now_text, rfc3339
from attribution_elt.kit.errors import TapError, UnitError
from attribution_elt.kit.http.client import Request
from attribution_elt.kit.http.response import JsonResponse
from attribution_elt.kit.reader import Reader
from attribution_elt.kit.records.shaper import timestamp
from attribution_elt.kit.tap import VendorStream, VendorTap
from tap_ihc.client import ACCOUNT, IhcClient, RefusedError
from tap_ihc.computed import START, Computed
from tap_ihc.journeys import Journeys, Session, Summary, moment_of, rows_of
from tap_ihc.outbox import Group, Outbox

POOL = 20_000
"""Journeys that are packed together: of more, the requests would hardly be fewer."""
MOST_REFUSED = 5
"""Journeys that are refused one by one before any is not: then it is not the journeys' fault."""

Key = tuple[str, str]
"""A conversion and a session."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One request: journeys by conversion, each the sessions to be sent."""

    group: Group
    journeys: dict[str, list[Session]]

    @property
    def about(self) -> str:
        """What it is, as logs call it."""
        return f"{len(self.journeys)} journeys of {self.group.sessions} sessions"


class Credits(Reader[Batch, JsonResponse | RefusedError]):
    """Sends journeys that have not been computed, one request after another: each costs quota.

    A request is sent when the credits of the one before are written and in the state, so that an
    interrupted run costs one request.
    """

    width = 1
    lookahead = 1

    def __init__(self, tap: VendorTap, streams: list[VendorStream]) -> None:
        super().__init__(tap, streams)
        config = tap.config
        client = tap.clients[ACCOUNT]
        assert isinstance(client, IhcClient)  # noqa: S101 - narrows what the tap has made
        self._client = client
        self._type: str = config["conv_type_id"]
        self._redistribution = {
            phase: {**parameter, "receive_threshold": float(parameter["receive_threshold"])}
            for phase, parameter in config.get("redistribution_parameter", {}).items()
        }
        leader = streams[0]
        salt = msgspec.json.encode([self._type, self._redistribution], order="deterministic")
        parameters = hashlib.sha256(salt).hexdigest()[:12]
        self._computed = Computed(leader.stream_state, leader.bookmark, parameters)
        labels = {
            label
            for parameter in self._redistribution.values()
            for label in parameter["redistribution_channel_labels"]
        }
        rows = rows_of(config, instant(self._computed.since))
        self._journeys = Journeys(rows, parameters, labels)
        if absent := self._journeys.absent:
            tap.logger.warning(
                "redistribution_parameter: no session has the channel %s",
                ", ".join(map(repr, sorted(absent))),
            )
        self._outbox = Outbox(
            config["max_journeys_per_request"], config["max_sessions_per_request"]
        )
        self._waiting: dict[str, Summary] = {}  # in time's order
        self._read_to = START
        self._all_read = False
        self._refused: list[tuple[Summary, str]] = []
        self._accepted = False
        self._unsent = 0
        self._refusals = 0

    # what is sent

    @override
    def units(self) -> Iterator[Batch]:
        enough = 1 if self.testing else POOL
        for journey in self._journeys:
            self._consider(journey)
            if len(self._outbox) >= enough:
                yield from self._batches()
                if self._outbox:
                    break
        else:
            self._all_read = True
            yield from self._batches()
        if not self._outbox:
            self._settle_refused()
        self._save()
        self._summarize()

    @property
    @override
    def test_satisfied(self) -> bool:
        return self.testing

    def _consider(self, journey: Summary) -> None:
        if journey.fault:
            self._unsent += 1
            self._fail(journey, journey.session_id, journey.fault)
            return
        self._read_to = journey.converted
        if journey not in self._computed:
            self._waiting[journey.conversion_id] = journey
            self._outbox.add(journey.conversion_id, journey.size)

    def _batches(self) -> Iterator[Batch]:
        while self._outbox:
            for conversion, size in self._outbox.oversized().items():
                self._unsent += 1
                most = self._outbox.too_many - 1
                reason = f"{size} sessions, of which one request holds {most} at most"
                self._fail(self._waiting.pop(conversion), "", reason)
            if not self._outbox:
                return
            if self._client.requests_left < 1:
                self.tap.warn_once("max_requests_per_run is reached; the next run goes on")
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
                raise UnitError(f"IHC refuses what was sent: {error}") from None
            return error

    # what comes back

    @override
    def emit(self, unit: Batch, answer: JsonResponse | RefusedError) -> None:
        if isinstance(answer, RefusedError):
            self._refuse(unit, answer)
            return
        self._accepted = True
        self._settle_refused()
        if self._outbox.accept(unit.group):
            self.tap.logger.warning(
                "IHC refuses %d sessions in a request: sending at most %d from now on; "
                "set max_sessions_per_request to what the plan allows",
                self._outbox.too_many,
                self._outbox.limit,
            )
        self._account(unit, answer)
        answer.close()

    def _refuse(self, unit: Batch, error: RefusedError) -> None:
        """Ask for the halves of what was refused, or give a journey up that is refused by itself.

        Raises:
            TapError: nothing but refusals: it is the settings that are wrong.
        """
        if len(unit.journeys) > 1 and not self.tap.config["bisect_refused_requests"]:
            # which of them is at fault remains unknown, so the next run sends them all again
            for conversion in unit.journeys:
                self._fail(self._waiting[conversion], "", str(error), error.status)
            self.tap.failures.append(UnitError(f"IHC refuses {unit.about}: {error}"))
            return
        if len(unit.journeys) > 1:
            self.tap.logger.info("IHC refuses %s: asking for the halves", unit.about)
            self._outbox.halve(unit.group)
            return
        (conversion,) = unit.journeys
        journey = self._waiting[conversion]
        self._refusals += 1
        self._fail(journey, "", str(error), error.status)
        self._refused.append((journey, str(error)))
        if self._accepted:
            self._settle_refused()
        elif len(self._refused) == MOST_REFUSED:
            reasons = {reason for _, reason in self._refused}
            # a reason that they share tells nothing of a person
            reason = reasons.pop() if len(reasons) == 1 else "for reasons that 'failures' tells"
            raise TapError(f"IHC refuses every journey, even by itself: {reason}")

    def _settle_refused(self) -> None:
        for journey, _ in self._refused:
            self._settle(journey)
        self._refused.clear()

    def _account(self, unit: Batch, body: JsonResponse) -> None:
        """Write what came back of each session that was sent: credits, a refusal, or nothing."""
        missing = {
            (conversion, session["session_id"]): session
            for conversion, sessions in unit.journeys.items()
            for session in sessions
        }
        for credit in map(_object, body.rows("value")):
            key = (str(credit.get("conversion_id")), str(credit.get("session_id")))
            session = missing.pop(key, None)
            if session is None:
                self.tap.warn_once("IHC answers with credits of sessions that were not sent")
            else:
                self._credit(self._waiting[key[0]], session, credit)
        refused = set()
        errors = body.document.get("partialFailureErrors") or []
        for error in errors if isinstance(errors, list) else [errors]:
            refused |= self._explain(_object(error), missing)
        self._refusals += len(refused)
        lost = [key for key in missing if key[0] not in refused]
        for conversion, session_id in lost:
            reason = "unaccounted for: IHC answered with neither credits nor a reason"
            self._fail(self._waiting[conversion], session_id, reason)
        if lost:
            reason = f"IHC, {unit.about}: {len(lost)} sessions are unaccounted for"
            self.tap.failures.append(UnitError(reason))
        for conversion in unit.journeys.keys() - {conversion for conversion, _ in lost}:
            self._settle(self._waiting[conversion])

    def _credit(self, journey: Summary, session: Session, credit: dict[str, Any]) -> None:
        if "attributions" in self.streams:
            moment = moment_of(session["timestamp"])
            self.streams["attributions"].emit(
                credit,
                conv_type_id=self._type,
                conversion_timestamp=journey.converted,
                timestamp=timestamp(moment.isoformat()),
                channel_label=session["channel_label"],
            )

    def _explain(self, error: dict[str, Any], missing: dict[Key, Session]) -> set[str]:
        """Write why a journey is without credits, and return which; the cause may name either id.

        Sessions of several journeys may share an id: then it is those without credits.
        """
        trigger = _object(error.get("trigger"))
        conversion, session = (trigger.get(name) for name in ("conversion_id", "session_id"))
        found = {
            key[0]
            for key in missing
            if conversion in (None, key[0]) and (conversion or session == key[1])
        }
        for each in found:
            reason, status = str(error.get("reason")), error.get("statusCode")
            self._fail(self._waiting[each], session or "", reason, status)
        if not found:
            self.tap.warn_once("IHC tells of failures without saying of which journey")
        return found

    def _fail(
        self, journey: Summary, session_id: str, reason: str, status: int | None = None
    ) -> None:
        if "failures" in self.streams:
            self.streams["failures"].emit(
                {"reason": reason, "status_code": status},
                conv_type_id=self._type,
                conversion_id=journey.conversion_id,
                session_id=session_id,
                conversion_timestamp=journey.converted or None,
            )

    # what the next run need not send

    def _settle(self, journey: Summary) -> None:
        self._computed.add(journey)
        del self._waiting[journey.conversion_id]

    @override
    def on_complete(self, unit: Batch) -> None:
        self._save()

    def _save(self) -> None:
        """Bring the state up to what has been settled; the bookmark is before all that has not."""
        unsettled = next((each.converted for each in self._waiting.values()), None)
        if unsettled is None and not self._all_read:
            unsettled = self._read_to  # the next may have happened in the same second
        since = self._read_to if unsettled is None else _before(unsettled)
        since = min(since, now_text())
        self._computed.save(since)
        if since > START:
            for stream in self.streams.values():
                stream.advance(since)

    def _summarize(self) -> None:
        for count, what in (
            (self._unsent, "cannot be valid and were not sent"),
            (self._refusals, "were refused by IHC"),
        ):
            if count:
                self.tap.logger.warning("%d journeys %s: see the stream failures", count, what)
        if self._computed.horizon:
            self.tap.logger.info(
                "conversions before %s are taken to be computed", self._computed.horizon
            )


def _before(text: str) -> str:
    """Return the second before."""
    return rfc3339(instant(text) - timedelta(seconds=1)) if text > START else START


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


class Attributions(VendorStream):
    """A session's credits, with its timestamp and channel."""

    name = "attributions"
    primary_keys = ("conv_type_id", "conversion_id", "session_id")
    replication_key = "conversion_timestamp"
    reader = Credits


class Failures(VendorStream):
    """A journey that the vendor or our own check refused, with the reason."""

    name = "failures"
    primary_keys = ("conv_type_id", "conversion_id", "session_id")
    replication_key = "conversion_timestamp"
    reader = Credits
