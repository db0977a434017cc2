"""One HTTP policy for every vendor: auth, quota, retries, whole bodies, one-line errors."""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, Any, ClassVar

import backoff
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError

from attribution_elt.core.events import event
from attribution_elt.core.redaction import redactor
from attribution_elt.kit.errors import (
    CredentialsError,
    OverloadedError,
    RetryableError,
    UnitError,
    UnreachableError,
)
from attribution_elt.kit.http.headers import Head
from attribution_elt.kit.http.quota import QuotaLimiter
from attribution_elt.kit.http.response import JsonResponse
from attribution_elt.kit.json import document as json_text

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds between the tries of one request: doubled each time, with jitter."""
MESSAGE_LENGTH = 200
"""Characters quoted at most from a vendor's own error message."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as a stream means it.

    Attributes:
        path: joined to the client's base URL.
        about: what is asked for, as logs and errors call it: no secret, no personal data.
        params: query parameters; those that are None are left out.
        body: sent as JSON.
        quota: which of the vendor's quotas it is counted against.
        divisible: a smaller request can stand in for it, so overload is not retried.
    """

    path: str
    about: str
    params: Mapping[str, Any] = field(default_factory=dict)
    method: str = "GET"
    body: Any = None
    quota: str = ""
    divisible: bool = False

    def with_body(self, body: Any) -> Request:
        """Return the same request with another body."""
        return replace(self, body=body)


class Client:
    """A vendor's account: where it is, how to prove who asks, what its quotas are.

    Args:
        config: the tap's settings.
        account: which of several accounts this is, as errors name it.
    """

    vendor: ClassVar[str]
    credential: str
    """The setting to check when the vendor answers 401 or 403."""
    row_containers: ClassVar[Sequence[str]] = ()
    """The members that may hold the rows where the vendor wraps them into an object."""
    large_lists: ClassVar[Sequence[str]] = ()
    """Lists inside of documents that may be large: names of members, joined by dots."""
    known_members: ClassVar[Collection[str] | None] = None
    """What stands beside the rows of an answer; whatever else does is told once. None: anything."""
    window: ClassVar[float | None] = None
    """Seconds of the vendor's documented quota window."""
    logs_vendor_errors: ClassVar[bool] = True
    """Whether the vendor's own error message is told; not where it may hold personal data."""
    probe_statuses: ClassVar[Collection[int]] = ()
    """Refusals of `probe` that only valid credentials are answered with."""
    last_headers: Head | None = None
    """Of the last answer."""

    def __init__(self, config: Mapping[str, Any], *, account: str = "") -> None:
        self.url = config["api_url"].rstrip("/")
        self.account = account
        self._timeout = float(config["request_timeout"])  # a settings file's may be a Decimal
        self._tries: int = config["max_retries"]
        self._governors: dict[str, QuotaLimiter] = {}
        self._refused: CredentialsError | None = None
        self._told: set[str] = set()
        self._lock = threading.Lock()
        self._logger = logging.getLogger(__name__)
        self._session = requests.Session()
        self._session.headers["User-Agent"] = config["user_agent"]
        # proxies and certificates of the environment, looked up once; no credentials of a .netrc
        found = self._session.merge_environment_settings(self.url, {}, None, None, None)
        self._session.proxies, self._session.verify = found["proxies"], found["verify"]
        self._session.trust_env = False
        width = config["max_concurrent_requests"]
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=width, pool_block=True))

    def auth_headers(self) -> dict[str, str]:
        """Headers that prove who asks."""
        return {}

    def auth_params(self) -> dict[str, str]:
        """Query parameters that prove who asks."""
        return {}

    def credentials_request(self) -> Request | None:
        """Return the cheapest request that tells whether the credentials hold; None: all cost."""
        return None

    def validate(self, body: JsonResponse, request: Request) -> None:
        """Look for what is wrong with an answer of status 200; none by default.

        Raises:
            RetryableError: another try may mend it.
            UnitError: none will.
        """

    def on_error(self, status: int, message: str) -> None:
        """Look at an error that the vendor explains; none means more than its status by default.

        Raises:
            TapError: it means the end of the run.
        """

    def error_text(self, document: Mapping[str, Any]) -> Any:
        """Return what an error's document says in words."""
        return document.get("message") or document.get("error") or document

    def fetch(self, request: Request) -> JsonResponse:
        """Return the answer, whole and well-formed, trying as often as `max_retries` says.

        Raises:
            CredentialsError: 401 or 403.
            OverloadedError: 5xx or timeouts to the last try, or at once if it is divisible.
            UnitError: any other refusal.
        """
        tries: Callable[[Request], JsonResponse] = backoff.on_exception(
            backoff.expo,
            RetryableError,
            factor=FIRST_WAIT,
            max_value=LONGEST_WAIT,
            max_tries=self._tries,
            giveup=lambda error: request.divisible and error.then is OverloadedError,
            on_backoff=lambda details: self._tell_retry(request, details),
            logger=None,
        )(self._try)
        try:
            return tries(request)
        except RetryableError as error:
            raise error.then(self.describe(request, str(error)), status=error.status) from None

    def _tell_retry(self, request: Request, details: Mapping[str, Any]) -> None:
        self._logger.warning(
            "%s; trying again in %.1f s (%d of %d tries)",
            self.describe(request, str(details["exception"])),
            details["wait"],
            details["tries"],
            self._tries,
        )

    def describe(self, request: Request, reason: str) -> str:
        """Return what is said of a request, in one line."""
        account = f" {self.account}" if self.account else ""
        return f"{self.vendor}{account}, {request.about}: {reason}"

    def credentials_error(
        self, request: Request, what: str, *, status: int | None = None
    ) -> CredentialsError:
        """Return the error that says that the credentials are at fault, and which setting."""
        reason = f"{what}: check the setting {self.credential}"
        return CredentialsError(self.describe(request, reason), status=status)

    def _try(self, request: Request) -> JsonResponse:
        governor = self._governor(request.quota)
        sent = governor.acquire()
        if self._refused:
            governor.observe(sent, None, {})
            raise self._refused
        status: int | None = None
        head: Mapping[str, str] = {}
        try:
            with self._send(request) as response:
                status, head = response.status_code, response.headers
                self.last_headers = Head(head, sent, time.time())
                if status in {401, 403}:
                    self._refuse(
                        self.credentials_error(request, f"answered {status}", status=status)
                    )
                governor.observe(sent, status, head)
                file = self._spool(response)
        except (requests.exceptions.InvalidHeader, UnicodeError):
            governor.observe(sent, None, head)
            raise self._refuse(self.credentials_error(request, "it cannot be sent")) from None
        except requests.RequestException as error:
            if status is None:
                governor.observe(sent, None, head)
            raise _transport_failure(error, self._timeout) from None
        self._logger.debug(
            "%s", self.describe(request, f"answered {status} in {time.time() - sent:.2f} s")
        )
        try:
            return self._judge(request, status, head, file)
        except BaseException:
            file.close()
            raise

    def _governor(self, quota: str) -> QuotaLimiter:
        if quota not in self._governors:
            name = f"{self.vendor} {quota}".rstrip()
            self._governors.setdefault(quota, QuotaLimiter(name, window=self.window))
        return self._governors[quota]

    def _send(self, request: Request) -> requests.Response:
        params = {k: v for k, v in request.params.items() if v is not None}
        return self._session.request(
            request.method,
            f"{self.url}/{request.path.lstrip('/')}",
            params={**params, **self.auth_params()},
            headers={"Accept": "application/json", **self.auth_headers()},
            json=request.body,
            timeout=self._timeout,
            stream=True,
            # a redirect would carry the credentials to an address that nobody has named
            allow_redirects=False,
        )

    @staticmethod
    def _spool(response: requests.Response) -> IO[bytes]:
        file = tempfile.SpooledTemporaryFile(max_size=json_text.MEMORY)  # noqa: SIM115 - JsonResponse closes it
        try:
            for chunk in response.iter_content(1 << 16):
                file.write(chunk)
        except BaseException:
            file.close()
            raise
        return file

    def _judge(
        self, request: Request, status: int, headers: Mapping[str, str], file: IO[bytes]
    ) -> JsonResponse:
        if self._refused:
            raise self._refused
        words = self._quote(file) if status >= 300 else ""
        if status >= 300:
            self.on_error(status, words)
        if status == 429 or status >= 500:
            then = UnitError if status == 429 else OverloadedError
            raise RetryableError(f"answered {status}", status=status, then=then)
        if status >= 300:
            reason = f"answered {status}" + (f": {words}" if words else "")
            raise UnitError(self.describe(request, reason), status=status)
        if status != 204 and file.tell() == 0:
            raise RetryableError("the answer is empty", status=status)
        try:
            body = JsonResponse(file, headers, self.row_containers, self.large_lists)
        except (ValueError, RecursionError):
            raise RetryableError("the answer is not whole, valid JSON", status=status) from None
        try:
            self.validate(body, request)
        except CredentialsError as error:
            raise self._refuse(error) from None
        self._tell_new(body.document)
        return body

    def _tell_new(self, document: Any) -> None:
        """Tell which members of an answer are in no stream."""
        if self.known_members is None or not isinstance(document, dict):
            return
        with self._lock:
            new = document.keys() - self.known_members - self._told
            self._told |= new
        for name in sorted(new):
            text = f"{self.vendor}: property {name!r} beside the rows is in no stream"
            self._logger.warning(text, extra=event("warning"))

    def _refuse(self, error: CredentialsError) -> CredentialsError:
        """Send no other request; return the first refusal, for all others tell the same."""
        with self._lock:
            self._refused = self._refused or error
            return self._refused

    def _quote(self, file: IO[bytes]) -> str:
        """Return the vendor's own words about an error, in one line."""
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


def quoted(words: str) -> str:
    """A vendor's own words in one short line; secrets go first, lest half of one be left."""
    return " ".join(redactor(words).split())[:MESSAGE_LENGTH]


def _transport_failure(error: requests.RequestException, timeout: float) -> RetryableError:
    """Say what happened on the wire; the libraries' own texts hold whole URLs."""
    if isinstance(error, requests.ConnectTimeout):
        return RetryableError("no connection within the time limit", then=UnreachableError)
    if isinstance(error, requests.Timeout) or "timed out" in str(error).lower():
        return RetryableError(f"no byte for {timeout:g} s", then=OverloadedError)
    cause = getattr(next(iter(error.args), None), "reason", None)
    if isinstance(cause, NewConnectionError):
        refused = "refused" in str(cause).lower()
        reason = "connection refused" if refused else "no connection: check the setting api_url"
        return RetryableError(reason, then=UnreachableError)
    if isinstance(error, (requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        return RetryableError("the connection broke off")
    return RetryableError(f"the request failed ({type(error).__name__})")
