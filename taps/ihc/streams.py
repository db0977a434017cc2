"""IHC's streams, and how journeys become requests and answers credits."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec
from typing_extensions import override

from taps.base import VendorStream, VendorTap
from taps.errors import UnitError
from taps.http import Body, Request
from taps.ihc.client import ACCOUNT
from taps.ihc.computed import Computed
from taps.ihc.journeys import Journey, Journeys, moment_of, rows_of
from taps.ihc.packing import Sized, pack
from taps.retriever import Retriever
from taps.shaping import instant

POOL = 20_000
"""Journeys that are packed together: of more, the requests would hardly be fewer."""
START = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Batch:
    """Journeys that go into one request."""

    journeys: list[Journey]


Answers = list[tuple[list[Journey], Body | UnitError | None]]
"""Journeys with what the vendor said of them; None if they were not sent after all."""
Missing = dict[tuple[str, str], tuple[Journey, dict[str, Any]]]
"""Sessions that were sent, by conversion and session, until something has come back of them."""


class Credits(Retriever[Batch, Answers]):
    """Sends journeys that have not been computed, one request at a time, for each costs quota."""

    width = 1

    def __init__(self, tap: VendorTap, streams: list[VendorStream]) -> None:
        super().__init__(tap, streams)
        config = tap.config
        self._client = tap.clients[ACCOUNT]
        self._type: str = config["conv_type_id"]
        self._redistribution = config.get("redistribution_parameter")
        salt = msgspec.json.encode([self._type, self._redistribution], order="deterministic")
        self._salt = hashlib.sha256(salt).hexdigest()[:12]
        self._settled: list[Journey] = []
        # the pool before may still have requests on their way
        self._pool_days: deque[str] = deque(maxlen=2)
        self._limit: int = config["max_sessions_per_request"]
        self._requests_left: int = config.get("max_requests_per_run") or 1 << 62
        self._leader = streams[0]
        self._computed = Computed(self._leader.stream_state, self._salt)
        since = instant(self._leader.bookmark or START)
        self._journeys = Journeys(rows_of(config, since), self._salt.encode())
        self._latest = self._leader.bookmark or ""
        self._warn_of_labels()
        if self._computed.horizon:
            self.tap.logger.info(
                "conversions before %s are taken to be computed", self._computed.horizon
            )

    def _warn_of_labels(self) -> None:
        for phase, parameter in (self._redistribution or {}).items():
            for label in parameter.get("redistribution_channel_labels", ()):
                if label not in self._journeys.labels:
                    self.tap.logger.warning(
                        "redistribution_parameter.%s: no session has the channel %r", phase, label
                    )

    @override
    def units(self) -> Iterator[Batch]:
        pool: list[Sized] = []
        for conversion, converted, size, fingerprint in self._journeys:
            if size == 0:
                journey = self._journeys[conversion]
                reason, session = journey.fault or ("it has no sessions", "")
                self._fail(journey, session, reason, None)
            elif (converted, fingerprint) not in self._computed:
                if not pool:
                    self._pool_days.append(converted[:10])
                pool.append((conversion, size))
            if len(pool) >= POOL:
                yield from self._packed(pool)
                pool = []
        yield from self._packed(pool)

    def _packed(self, pool: list[Sized]) -> Iterator[Batch]:
        """Yield requests' worth of journeys, packed anew whenever the plan proves to allow less."""
        sizes = dict(pool)
        while sizes:
            limit = self._limit
            for conversion in [each for each, size in sizes.items() if size > limit]:
                reason = f"{sizes.pop(conversion)} sessions, of which one request holds {limit}"
                self._fail(self._journeys[conversion], "", reason, None)
            most = self.tap.config["max_journeys_per_request"]
            for group in pack(list(sizes.items()), most, limit) if sizes else ():
                if self._requests_left <= 0:
                    self.tap.warn_once("max_requests_per_run is reached; the next run goes on")
                    return
                yield Batch([self._journeys[conversion] for conversion in group])
                for conversion in group:
                    del sizes[conversion]
                if self._limit < limit:
                    break

    @override
    def fetch(self, unit: Batch) -> Answers:
        return self._ask(unit.journeys)

    def _ask(self, journeys: list[Journey]) -> Answers:
        """Send journeys; where the request as a whole is refused, its halves, to find out why."""
        if self._requests_left <= 0:
            return [(journeys, None)]
        self._requests_left -= 1
        try:
            return [(journeys, self._client.fetch(self._request(journeys)))]
        except UnitError as error:
            if error.status not in {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}:
                raise
            if len(journeys) == 1:
                return [(journeys, error)]
            self.tap.logger.warning("%s; asking for the halves", error)
            middle = len(journeys) // 2
            halves = [self._ask(journeys[:middle]), self._ask(journeys[middle:])]
            if all(len(half) == 1 and isinstance(half[0][1], Body) for half in halves):
                self._learn_limit(journeys, [half[0][0] for half in halves])
            return [answer for half in halves for answer in half]

    def _learn_limit(self, refused: list[Journey], accepted: list[list[Journey]]) -> None:
        """Both halves of a refused request were right: it was its size that was wrong."""
        self._limit = min(self._limit, max(map(_sessions, accepted)))
        self.tap.logger.warning(
            "the plan refuses %d sessions in a request: sending at most %d from now on; "
            "set max_sessions_per_request to what the plan allows",
            _sessions(refused),
            self._limit,
        )

    def _request(self, journeys: list[Journey]) -> Request:
        body: dict[str, Any] = {
            "customer_journeys": [each for journey in journeys for each in journey.sessions]
        }
        if self._redistribution:
            body["redistribution_parameter"] = self._redistribution
        return Request(
            "compute_ihc",
            f"{len(journeys)} journeys of {_sessions(journeys)} sessions",
            params={"conv_type_id": self._type},
            method="POST",
            body=body,
        )

    @override
    def emit(self, unit: Batch, answer: Answers) -> None:
        for journeys, result in answer:
            if isinstance(result, UnitError):
                for journey in journeys:
                    self._fail(journey, "", str(result), result.status)
                    self._settled.append(journey)
            elif result is not None:
                self._account(journeys, result)
                result.close()

    def _account(self, journeys: list[Journey], body: Body) -> None:
        """Write what came back of each session that was sent: credits, a refusal, or nothing."""
        missing = {
            (journey.conversion_id, session["session_id"]): (journey, session)
            for journey in journeys
            for session in journey.sessions
        }
        for credit in body:
            key = (str(credit.get("conversion_id")), str(credit.get("session_id")))
            if key in missing:
                journey, session = missing.pop(key)
                self._credit(journey, session, credit)
        for error in body.document.get("partialFailureErrors") or ():
            self._refuse(error, missing)
        lost = {journey.conversion_id for journey, _ in missing.values()}
        for journey in journeys:
            if journey.conversion_id not in lost:
                self._settled.append(journey)
        for journey, session in missing.values():
            reason = "unaccounted for: the vendor answered with neither credits nor a reason"
            self._fail(journey, session["session_id"], reason, None)
        if lost:
            self.tap.failures.append(UnitError(f"IHC left {len(lost)} journeys unaccounted for"))

    def _credit(self, journey: Journey, session: dict[str, Any], credit: dict[str, Any]) -> None:
        if "attributions" in self.streams:
            self.streams["attributions"].emit(
                credit,
                conv_type_id=self._type,
                conversion_timestamp=_text(journey.converted),
                timestamp=_text(moment_of(session["timestamp"])),
                channel_label=session["channel_label"],
            )

    def _refuse(self, error: dict[str, Any], missing: Missing) -> None:
        """Write a refusal, which may name the conversion, the session, or both."""
        trigger = error.get("trigger") or {}
        conversion, session = (trigger.get(name) for name in ("conversion_id", "session_id"))
        named = (conversion, session)
        key = next((key for key in missing if _names(named, key)), None)
        if key is None:
            return
        journey, _ = missing[key]
        self._fail(journey, session or "", str(error.get("reason")), error.get("statusCode"))
        for each in [each for each in missing if each[0] == journey.conversion_id]:
            del missing[each]

    def _fail(self, journey: Journey, session_id: str, reason: str, status: int | None) -> None:
        if "failures" in self.streams:
            self.streams["failures"].emit(
                {"reason": reason, "status_code": status},
                conv_type_id=self._type,
                conversion_id=journey.conversion_id,
                session_id=session_id,
                conversion_timestamp=_text(journey.converted),
            )

    @override
    def complete(self, unit: Batch) -> None:
        for journey in self._settled:
            if journey.converted:
                self._computed.add(journey.converted.isoformat(), journey.fingerprint)
                self._latest = max(self._latest, _text(journey.converted) or "")
        self._settled.clear()
        self._computed.save(pending_since=self._pool_days[0])
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        if not self.tap.failures:
            for stream in self.streams.values():
                stream.advance(min(self._latest, now))


def _names(trigger: tuple[str | None, str | None], key: tuple[str, str]) -> bool:
    """Whether a trigger, in which either part may be left out, is of a session's journey."""
    conversion, session = trigger
    return conversion == key[0] if conversion is not None else session == key[1]


def _sessions(journeys: list[Journey]) -> int:
    return sum(len(journey.sessions) for journey in journeys)


def _text(moment: datetime | None) -> str | None:
    """Return a moment as RFC 3339 in UTC; one without a zone is taken to be in UTC."""
    if moment is None:
        return None
    aware = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    return f"{aware:%Y-%m-%dT%H:%M:%SZ}"


class Attributions(VendorStream):
    """A session's credits, with its timestamp and channel."""

    name = "attributions"
    primary_keys = ("conv_type_id", "conversion_id", "session_id")
    replication_key = "conversion_timestamp"
    retriever = Credits


class Failures(VendorStream):
    """A journey that the vendor or our own check refused, with the reason."""

    name = "failures"
    primary_keys = ("conv_type_id", "conversion_id", "session_id")
    replication_key = "conversion_timestamp"
    retriever = Credits
