"""The HTTP client of every vendor: auth, quota, retries, complete bodies, one-line errors."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import IO, Any, ClassVar

import backoff
import requests
from requests.auth import AuthBase
from typing_extensions import override

from attribution_elt.core.events import event
from attribution_elt.kit.errors import CredentialsError, OverloadedError, UnitError
from attribution_elt.kit.http.deadline import Deadline, DeadlineAdapter
from attribution_elt.kit.http.headers import Head
from attribution_elt.kit.http.judging import (
    Verdict,
    cannot_be_sent,
    of_status,
    of_transport,
    quoted,
    reports_error,
)
from attribution_elt.kit.http.quota import QuotaLimiter
from attribution_elt.kit.http.request import Request
from attribution_elt.kit.http.response import JsonResponse, Spooled, TooLargeError, spooled
from attribution_elt.kit.json import document as json_text

MOST_SECONDS = 3600
"""Default for the seconds that a whole request may take."""
MOST_BYTES = 2 << 30
"""Default for the bytes of the largest response."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds between retries of a request: doubled each time, with jitter."""


class RequestBudget:
    """Counts the requests that a run may still send; all threads share it.

    Args:
        most: requests of the run; None means no limit.
        setting: the setting that limits them, for error messages.
    """

    def __init__(self, most: int | None = None, *, setting: str = "") -> None:
        self._left: float = float("inf") if most is None else most
        self._setting = setting
        self._lock = threading.Lock()

    @property
    def is_spent(self) -> bool:
        """Whether no other request may be sent."""
        return self._left < 1

    def spend(self, error: Callable[[str], Exception]) -> None:
        """Count a request that is about to be sent, or raise the error that `error` returns."""
        with self._lock:
            if self.is_spent:
                raise error(f"not sent: {self._setting} is reached")
            self._left -= 1

    def refund(self) -> None:
        """Give back a request that did not count."""
        with self._lock:
            self._left += 1


class _Session(requests.Session):
    """A session that does not read the `Location` of redirects.

    requests raises an error for an invalid `Location` and does not return the connection to its
    pool, so later requests wait for it forever.
    """

    @override
    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class Client:
    """An account at a vendor: its URL, credentials and quotas.

    Args:
        config: the tap's settings.
        auth: adds the credentials to a request.
        account: name of the account in error messages, if there are several.
        budget: counts the requests that a run may send.
    """

    vendor: ClassVar[str]
    credential: str
    """The setting to check when the vendor answers 401 or 403."""
    row_containers: ClassVar[Sequence[str]] = ()
    """Names of the member that contains the rows, if the vendor wraps them in an object."""
    large_lists: ClassVar[Sequence[str]] = ()
    """Lists in documents that may be large: member names, joined by dots."""
    known_members: ClassVar[Collection[str] | None] = None
    """Known members of the object that contains the rows; others are logged once. None: any."""
    window: ClassVar[float | None] = None
    """Seconds of the vendor's documented quota window."""
    logs_vendor_errors: ClassVar[bool] = True
    """Whether the vendor's own error message is logged; not if it may contain personal data."""
    probe_statuses: ClassVar[Collection[int]] = ()
    """Statuses of `credentials_request` that prove valid credentials although they are errors."""
    used_statuses: ClassVar[Collection[int]] = ()
    """Statuses of responses that `validate` checks, although they are errors elsewhere."""
    last_headers: Head | None = None
    """Headers of the last response."""

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        auth: AuthBase | None = None,
        account: str = "",
        budget: RequestBudget | None = None,
    ) -> None:
        self.url = config["api_url"].rstrip("/")
        self.account = account
        self.budget = budget or RequestBudget()
        self._auth = auth
        # a value from a settings file may be a Decimal
        self._timeout = float(config["request_timeout"])
        self._deadline = float(config.get("max_request_seconds", MOST_SECONDS))
        self._most_bytes = int(config.get("max_response_bytes", MOST_BYTES))
        self._tries: int = config["max_retries"]
        self._quotas: dict[str, QuotaLimiter] = {}
        self._refused: CredentialsError | None = None
        self._has_answered = False
        self._logged: set[str] = set()
        self._lock = threading.Lock()
        self._logger = logging.getLogger(__name__)
        self._session = _Session()
        self._session.headers["User-Agent"] = config["user_agent"]
        # proxies and certificates of the environment, read once; no credentials of a .netrc
        found = self._session.merge_environment_settings(self.url, {}, None, None, None)
        self._session.proxies, self._session.verify = found["proxies"], found["verify"]
        if self._session.verify is True:  # variables that requests does not read itself
            files = (os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
            self._session.verify = next(filter(None, files), True)
        self._session.trust_env = False
        width = config["max_concurrent_requests"]
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, DeadlineAdapter(pool_maxsize=width, pool_block=True))

    def credentials_request(self) -> Request | None:
        """Return the cheapest request that needs credentials; None if every request costs quota."""
        return None

    def validate(self, body: JsonResponse, request: Request) -> Verdict | None:
        """Return what is wrong with a response of status 200; None if it is valid.

        Raises:
            UnitError: a retry would not help.
        """
        del body, request
        return None

    def on_error(self, status: int, message: str) -> None:
        """Raise an error that follows from the vendor's message; by default, do nothing.

        Raises:
            PluginError: it ends the run, or is a UnitError of another class.
        """

    def error_text(self, document: Mapping[str, Any]) -> Any:
        """Return the message in an error document."""
        return document.get("message") or document.get("error") or document

    def fetch(self, request: Request) -> JsonResponse:
        """Return a complete and valid response, after at most `max_retries` attempts.

        Raises:
            CredentialsError: 401 or 403.
            OverloadedError: 5xx or timeouts in every attempt, or in the first if it is divisible.
            UnreachableError: no connection, or no trusted one.
            UnitError: any other refusal.
        """
        tries: Callable[[Request], JsonResponse | Verdict] = backoff.on_predicate(
            backoff.expo,
            lambda outcome: self._is_to_be_retried(request, outcome),
            factor=FIRST_WAIT,
            max_value=LONGEST_WAIT,
            max_tries=self._tries,
            on_backoff=lambda details: self._log_retry(request, details),
            logger=None,
        )(self._try)
        outcome = tries(request)
        if isinstance(outcome, Verdict):
            raise outcome.error(self.describe(request, outcome.reason), status=outcome.status)
        return outcome

    @staticmethod
    def _is_to_be_retried(request: Request, outcome: JsonResponse | Verdict) -> bool:
        if isinstance(outcome, JsonResponse) or not outcome.retry:
            return False
        return not (request.divisible and outcome.error is OverloadedError)

    def _log_retry(self, request: Request, details: Mapping[str, Any]) -> None:
        self._logger.warning(
            "%s; retrying in %.1f s (attempt %d of %d failed)",
            self.describe(request, details["value"].reason),
            details["wait"],
            details["tries"],
            self._tries,
            extra=event("retry", reason=details["value"].reason),
        )

    def describe(self, request: Request, reason: str) -> str:
        """Return the text of an error or log line about a request."""
        account = f" {self.account}" if self.account else ""
        return f"{self.vendor}{account}, {request.about}: {reason}"

    def credentials_error(
        self, request: Request, what: str, *, status: int | None = None
    ) -> CredentialsError:
        """Return the error that names the setting of the credentials."""
        reason = f"{what}: check the setting {self.credential}"
        return CredentialsError(self.describe(request, reason), status=status)

    def _try(self, request: Request) -> JsonResponse | Verdict:
        self.budget.spend(lambda reason: UnitError(self.describe(request, reason)))
        quota = self._quota(request.quota)
        sent = quota.acquire()
        if self._refused:
            quota.observe(sent, None, {})
            raise self._refused
        deadline = Deadline(self._deadline)
        answer = self._exchange(request, quota, sent, deadline)
        if deadline.has_passed:  # also if the body has no length and ended where it was cut off
            if not isinstance(answer, Verdict):
                answer.file.close()
            return Verdict(
                f"no complete response within {self._deadline:g} s", error=OverloadedError
            )
        if isinstance(answer, Verdict):
            return answer
        took = f"returned {answer.status} in {time.time() - sent:.2f} s"
        self._logger.debug("%s", self.describe(request, took))
        outcome: JsonResponse | Verdict | None = None
        try:
            outcome = self._judge(request, answer)
        finally:
            if not isinstance(outcome, JsonResponse):
                answer.file.close()
        return outcome

    def _exchange(
        self, request: Request, quota: QuotaLimiter, sent: float, deadline: Deadline
    ) -> Spooled | Verdict:
        """Send a request and receive its complete response."""
        status: int | None = None
        head: Mapping[str, str] = {}
        try:
            with deadline, self._send(request) as response:
                status, head = response.status_code, response.headers
                self.last_headers = Head(head, sent, time.time())
                if status in {401, 403}:
                    error = self.credentials_error(request, f"returned {status}", status=status)
                    self._refuse(error)  # before other threads, which wait for the quota, continue
                quota.observe(sent, status, head)
                if self._refused:
                    raise self._refused
                if status < 200:  # the connection closes: its next response is to this request
                    return Verdict(f"returned {status}", status)
                if status == 429:
                    self.budget.refund()  # a gateway refused it: the request did not count
                return Spooled(status, head, spooled(response, self._most_bytes))
        except TooLargeError as error:
            return Verdict(str(error), status, retry=False)
        except (requests.RequestException, ValueError) as error:
            if status is None:
                quota.observe(sent, None, head)
            if cannot_be_sent(error):
                reason = self.credentials_error(request, "it cannot be sent")
                raise self._refuse(reason) from None
            return of_transport(error, self._timeout)

    def _quota(self, name: str) -> QuotaLimiter:
        if name not in self._quotas:
            limiter = QuotaLimiter(f"{self.vendor} {name}".rstrip(), window=self.window)
            self._quotas.setdefault(name, limiter)
        return self._quotas[name]

    def _send(self, request: Request) -> requests.Response:
        return self._session.request(
            request.method,
            f"{self.url}/{request.path.lstrip('/')}",
            params={k: v for k, v in request.params.items() if v is not None},
            headers={"Accept": "application/json"},
            json=request.body,
            auth=self._auth,
            timeout=self._timeout,
            stream=True,
            # a redirect would send the credentials to an address that no setting names
            allow_redirects=False,
        )

    def _judge(self, request: Request, answer: Spooled) -> JsonResponse | Verdict:
        status, headers, file = answer.status, answer.headers, answer.file
        if self._refused:
            raise self._refused
        message = self._quote(file) if status >= 300 else ""
        if status >= 300:
            self.on_error(status, message)
        if status not in self.used_statuses:
            location = headers.get("Location")
            verdict = of_status(status, message, location, first=not self._has_answered)
            if verdict is not None:
                return verdict
        if status != 204 and file.tell() == 0:
            return Verdict("the response is empty", status)
        try:
            body = JsonResponse(file, headers, self.row_containers, self.large_lists)
        except (ValueError, RecursionError):
            return Verdict("the response is not complete, valid JSON", status)
        if self.known_members is not None and reports_error(body.document):
            return Verdict("the response reports an error: rows may be missing", status)
        try:
            verdict = self.validate(body, request)
        except CredentialsError as error:
            raise self._refuse(error) from None
        if verdict is not None:
            return verdict
        self._has_answered = True
        self._log_new_members(body.document)
        return body

    def _log_new_members(self, document: Any) -> None:
        """Log the members of a response that no stream has."""
        if self.known_members is None or not isinstance(document, dict):
            return
        with self._lock:
            new = document.keys() - self.known_members - self._logged
            self._logged |= new
        for name in sorted(new):
            text = f"{self.vendor}: property {name!r} next to the rows is not in a stream"
            self._logger.warning(text, extra=event("warning"))

    def _refuse(self, error: CredentialsError) -> CredentialsError:
        """Stop sending requests; return the first refusal, which all later requests raise."""
        with self._lock:
            self._refused = self._refused or error
            return self._refused

    def _quote(self, file: IO[bytes]) -> str:
        """Return the vendor's error message in one line."""
        file.seek(0)
        text = file.read(1 << 16).decode(errors="replace")
        if not self.logs_vendor_errors or text.lstrip().startswith("<"):
            return ""
        try:
            document = json_text.decode(text.encode())
        except (ValueError, RecursionError):
            document = text
        if isinstance(document, dict):
            document = self.error_text(document)
        return quoted(str(document))
