"""The one endpoint, its gateway and its limits."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

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
from attribution_elt.sandbox.messages import Request, Response
from attribution_elt.sandbox.vendor import RefusalError, Route, Vendor

if TYPE_CHECKING:
    from attribution_elt.sandbox.clock import Clock

INVALID_INPUT = 400
UNPARSABLE_JOURNEY = 406


class Ihc(Vendor):
    """Computes credits, and counts what it computed.

    An answer's `statusCode` is that of its body; over HTTP it is 200, but for the statuses in
    `http_statuses`. What the gateway lets through counts for the monthly quota, refused as invalid
    or not; the quota comes back with the next month of the sandbox's day.
    """

    name = "ihc"
    root = "/v1"

    def __init__(self, seed: int, clock: Clock) -> None:
        super().__init__(seed, clock)
        self.api_key = "sandbox-ihc-key"
        self.models: dict[str, Sequence[int]] = {  # weights of the phases by conv_type_id
            "new_customers": DOCUMENTED_WEIGHTS,
            "returning_customers": (3000, 2000, 5000),
        }
        self.max_journeys = 100  # in a request
        self.max_sessions = 3000  # likewise; 200 on a free plan
        self.monthly_quota: int | None = None  # requests
        self.requests_per_second: int | None = None
        self.http_statuses = {INVALID_INPUT}
        self.partial_failures = True  # False: one bad journey fails the whole request, unnamed
        self.refused_conversions: set[str] = set()  # refused for reasons of the vendor's own
        self.missing_sessions: set[str] = set()  # session ids that are left out of the answers
        self.trigger_ids: Literal["both", "conversion_id", "session_id"] = "both"  # where known
        self.extra: dict[str, Any] = {}  # properties that the document does not know
        self.monotonic: Callable[[], float] = time.monotonic
        self.journeys_computed: Counter[str] = Counter()  # by conversion_id
        self.sessions_computed: Counter[tuple[str, str]] = Counter()  # by both ids
        self._months: Counter[str] = Counter()
        self._admitted: deque[float] = deque()

    @property
    def credentials(self) -> dict[str, str]:
        """The key that opens the gateway."""
        return {"api_key": self.api_key}

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
        """The conversions of which no session was computed every time: parts came separately."""
        most = Counter[str]()
        for (conversion_id, _), times in self.sessions_computed.items():
            most[conversion_id] = max(most[conversion_id], times)
        return {each for each, times in self.journeys_computed.items() if most[each] < times}

    def routes(self) -> Sequence[Route]:
        """Give the one endpoint."""
        return [Route("POST", "/v1/compute_ihc", self._compute)]

    def truth(self) -> dict[str, Any]:
        """Tell what was computed: there is nothing else that the vendor keeps."""
        with self.lock:
            return {
                "quota_used": self.quota_used,
                "journeys_computed": dict(self.journeys_computed),
                "sessions_computed": self.sessions_computed.total(),
            }

    def credits(
        self,
        sessions: Sequence[Row],
        conv_type_id: str | None = None,
        redistribution_parameter: dict[str, Any] | None = None,
    ) -> list[Row]:
        """Give the credits of one journey's valid sessions, without counting anything."""
        weights = self.models[conv_type_id or self.conv_type_id]
        rules = redistributions(decode(encode(redistribution_parameter or {})))
        return self._value(sessions, weights, rules)

    def error(self, status: int, message: str) -> Response:
        """Shape an error as the gateway does, which knows no paths to those without a key."""
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
        now = self.monotonic()
        while self._admitted and self._admitted[0] <= now - 1:
            self._admitted.popleft()
        if self.requests_per_second is not None and len(self._admitted) >= self.requests_per_second:
            raise RefusalError(HTTPStatus.TOO_MANY_REQUESTS, "Too Many Requests")
        self._admitted.append(now)
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
        return [row for row in value if row["session_id"] not in self.missing_sessions], failed

    def _value(
        self, sessions: Sequence[Row], weights: Sequence[int], rules: dict[str, Redistribution]
    ) -> list[Row]:
        return [{**row, **self.extra} for row in attribute(sessions, weights, rules)]

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


def value_null(times: int | None = 1, match: str | Callable[[Request], bool] = "") -> Fault:
    """Make the fault that some clients have seen: HTTP 500 with a `value` of null."""
    body = '{"value":null,"partialFailureErrors":[],"statusCode":500}'
    return Fault("status", times=times, match=match, body=body)


def _body(request: Request) -> Any:
    try:
        return request.json()
    except ValueError:
        raise InvalidInputError("The body is no valid JSON") from None


def _failure(trigger: dict[str, str], reason: str, status: int) -> Row:
    return {"trigger": trigger, "reason": reason, "statusCode": status}
