"""The one endpoint, its gateway and its limits, and a shop's journeys to send to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Literal

from attribution_elt.sandbox.exact_json import decode, encode
from attribution_elt.sandbox.faults import Fault
from attribution_elt.sandbox.ihc.checks import (
    Failure,
    InvalidInputError,
    failures,
    group_sessions,
    redistributions,
)
from attribution_elt.sandbox.ihc.credits import DOCUMENTED_WEIGHTS, Redistribution, Row, attribute
from attribution_elt.sandbox.ihc.journeys import journeys
from attribution_elt.sandbox.messages import Request, Response
from attribution_elt.sandbox.vendor import Clock, RefusalError, Route, Vendor

INVALID_INPUT = 400
UNPARSABLE_JOURNEY = 406


class Ihc(Vendor):
    """Computes credits, and counts the computed journeys.

    `statusCode` in the body is the status of a response; the HTTP status is 200, except for the
    statuses in `http_statuses`. Each request that passes the gateway counts towards the monthly
    quota, invalid requests included. The quota starts again with the next month.

    The vendor stores no journeys. `sessions` returns those of a shop: withdrawals remove single
    sessions, never the last one of a journey (`withdraw("session", session_id)`).
    """

    name = "ihc"
    root = "/v1"
    secrets = ("api_key",)

    def __init__(self, seed: int, clock: Clock) -> None:
        super().__init__(seed, clock)
        self.api_key = "sandbox-ihc-key"
        self.models: dict[str, Sequence[int]] = {  # weights of the phases by conv_type_id
            "new_customers": DOCUMENTED_WEIGHTS,
            "returning_customers": (3000, 2000, 5000),
        }
        self.max_journeys = 100  # per request
        self.max_sessions = 3000  # per request; 200 on a free plan
        self.monthly_quota: int | None = None  # requests
        self.http_statuses = {INVALID_INPUT}
        self.partial_failures = True  # False: one bad journey fails the request, without its id
        self.refused_conversions: set[str] = set()  # conversions that cannot be computed
        self.missing_sessions: set[str] = set()  # session ids that responses leave out
        self.trigger_ids: Literal["both", "conversion_id", "session_id"] = "both"  # if known
        self.exact_sums = True  # False: each ihc is rounded, so that sums may differ from 1
        self.journey_count = 60  # journeys of `sessions`
        self.journeys_computed: Counter[str] = Counter()  # counts by conversion_id
        self.sessions_computed: Counter[tuple[str, str]] = Counter()  # counts by both ids
        self._months: Counter[str] = Counter()

    @property
    def conv_type_id(self) -> str:
        """The first of the conversion types."""
        return next(iter(self.models))

    @property
    def quota_used(self) -> int:
        """The requests that counted for this month's quota."""
        return self._months[self._month]

    @property
    def split_journeys(self) -> set[str]:
        """The conversions whose sessions came in several requests, so that some are missing."""
        most = Counter[str]()
        for (conversion_id, _), times in self.sessions_computed.items():
            most[conversion_id] = max(most[conversion_id], times)
        return {each for each, times in self.journeys_computed.items() if most[each] < times}

    def routes(self) -> Sequence[Route]:
        """Return the one endpoint."""
        return [Route("POST", "/v1/compute_ihc", self._compute)]

    def truth(self) -> dict[str, Any]:
        """Return the counts of computed journeys and sessions, the vendor's only data."""
        with self.lock:
            return {
                "quota_used": self.quota_used,
                "journeys_computed": dict(self.journeys_computed),
                "sessions_computed": self.sessions_computed.total(),
            }

    def sessions(self) -> list[Row]:
        """Return the current sessions of a shop's journeys, which converted before the first day.

        A withdrawal removes a session from its journey, which a later run then computes again.
        """
        rows = list(journeys(self.journey_count, self.clock.start, seed=self.seed))
        return [
            row
            for row in rows
            if row["conversion"] or not self.is_gone("session", row["session_id"])
        ]

    def credits_of(self, sessions: Iterable[Row]) -> list[Row]:
        """Return the credits of all valid journeys in a list of sessions, without counting them."""
        by_conversion = group_sessions({"customer_journeys": list(sessions)})
        return [row for journey in by_conversion.values() for row in self.credits(journey)]

    def credits(
        self,
        sessions: Sequence[Row],
        conv_type_id: str | None = None,
        redistribution_parameter: dict[str, Any] | None = None,
    ) -> list[Row]:
        """Return the credits of one journey's valid sessions, without counting it."""
        weights = self.models[conv_type_id or self.conv_type_id]
        rules = redistributions(decode(encode(redistribution_parameter or {})))
        return self._value(sessions, weights, rules)

    def error(self, status: int, message: str) -> Response:
        """Build an error in the gateway's format; an unknown path is a 403."""
        if status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
            status, message = HTTPStatus.FORBIDDEN, "Missing Authentication Token"
        return Response.json({"message": message}, status)

    @property
    def _month(self) -> str:
        return f"{self.clock.today:%Y-%m}"

    def _admit(self, request: Request) -> None:
        if request.headers.get("x-api-key") != self.api_key:
            raise RefusalError(HTTPStatus.FORBIDDEN, "Forbidden")
        if self.monthly_quota is not None and self.quota_used >= self.monthly_quota:
            raise RefusalError(HTTPStatus.TOO_MANY_REQUESTS, "Limit Exceeded")
        self._months[self._month] += 1

    def _compute(self, request: Request) -> Response:
        self._admit(request)
        try:
            value, failed = self._results(request)
        except InvalidInputError as error:
            return self._respond([], [_failure({}, str(error), INVALID_INPUT)], INVALID_INPUT)
        status = HTTPStatus.PARTIAL_CONTENT if failed else HTTPStatus.OK
        errors = [
            _failure(self._trigger(failure), failure.reason, UNPARSABLE_JOURNEY)
            for failure in failed
        ]
        return self._respond(value, errors, status)

    def _respond(self, value: list[Row], errors: list[Row], status: int) -> Response:
        body = {"value": value, "partialFailureErrors": errors, "statusCode": int(status)}
        return Response.json(body, status if status in self.http_statuses else HTTPStatus.OK)

    def _results(self, request: Request) -> tuple[list[Row], list[Failure]]:
        weights, body = self._weights(request), _body(request)
        by_conversion = group_sessions(body)
        self._check_limits(by_conversion)
        rules = redistributions(body.get("redistribution_parameter", {}))
        faults = {each: self._failures(each, rows) for each, rows in by_conversion.items()}
        failed = [failure for found in faults.values() for failure in found]
        if failed and not self.partial_failures:
            raise InvalidInputError("Invalid input")
        value: list[Row] = []
        for conversion_id, sessions in by_conversion.items():
            if conversion_id is not None and not faults[conversion_id]:
                self.journeys_computed[conversion_id] += 1
                ids = (session["session_id"] for session in sessions)
                self.sessions_computed.update((conversion_id, each) for each in ids)
                value += self._value(sessions, weights, rules)
        kept = [row for row in value if row["session_id"] not in self.missing_sessions]
        return [] if self.emptied else self.in_order(kept, len(kept)), failed

    def _value(
        self, sessions: Sequence[Row], weights: Sequence[int], rules: dict[str, Redistribution]
    ) -> list[Row]:
        rows = attribute(sessions, weights, rules, exact_sums=self.exact_sums)
        return [{**row, **self.extra} for row in rows]

    def _weights(self, request: Request) -> Sequence[int]:
        match request.query.get("conv_type_id"):
            case [known] if known in self.models:
                return self.models[known]
            case [unknown] if unknown:
                raise InvalidInputError(f"Unknown 'conv_type_id': {unknown}")
        raise InvalidInputError("Missing 'conv_type_id' parameter")

    def _check_limits(self, by_conversion: dict[str | None, list[Row]]) -> None:
        session_count = sum(map(len, by_conversion.values()))
        for what, count, most in (
            ("customer journeys", len(by_conversion), self.max_journeys),
            ("sessions", session_count, self.max_sessions),
        ):
            if count > most:
                raise InvalidInputError(f"Too many {what} in a single request: {count} > {most}")

    def _failures(self, conversion_id: str | None, sessions: list[Row]) -> list[Failure]:
        if conversion_id in self.refused_conversions:
            return [Failure({"conversion_id": conversion_id}, "Journey could not be computed")]
        return failures(sessions)

    def _trigger(self, failure: Failure) -> dict[str, str]:
        only = self.trigger_ids
        return {only: failure.trigger[only]} if only in failure.trigger else failure.trigger


def value_null(times: int = 1) -> Fault:
    """Return a fault that clients have reported: HTTP 500 with a `value` of null."""
    body = '{"value":null,"partialFailureErrors":[],"statusCode":500}'
    return Fault("status", times=times, body=body)


def _body(request: Request) -> Any:
    try:
        return request.json()
    except ValueError:
        raise InvalidInputError("The body is not valid JSON") from None


def _failure(trigger: dict[str, str], reason: str, status: int) -> Row:
    return {"trigger": trigger, "reason": reason, "statusCode": status}
