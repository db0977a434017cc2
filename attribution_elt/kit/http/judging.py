"""Verdicts on failed attempts of requests."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import requests
from urllib3.exceptions import InvalidHeader, NewConnectionError, ProxyError

from attribution_elt.core.redaction import redactor
from attribution_elt.core.text import printable
from attribution_elt.kit.errors import OverloadedError, UnitError, UnreachableError

MESSAGE_LENGTH = 200
"""Maximum number of characters quoted from a vendor's error message."""
_HOST = re.compile(r"(?:[a-z]+:)?//(?:[^/?#]*@)?([^/?#]+)", re.IGNORECASE)
_BROKEN_TLS = (ssl.SSLEOFError, ssl.SSLSyscallError, ssl.SSLZeroReturnError)
"""Errors of an interrupted connection, as opposed to certificate or protocol errors."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why an attempt failed, and how to continue.

    Attributes:
        reason: in one line, without secrets.
        status: HTTP status, if there was a response.
        error: the exception to raise, at once or after the last attempt.
        retry: whether a retry can succeed.
    """

    reason: str
    status: int | None = None
    error: type[UnitError] = UnitError
    retry: bool = True


def of_status(status: int, message: str, location: str | None, *, first: bool) -> Verdict | None:
    """Return the verdict on an HTTP status; None if the response can be used.

    Args:
        status: HTTP status, neither 401 nor 403.
        message: the vendor's message, quoted.
        location: the header of a redirect.
        first: whether the vendor has not responded to a request of the account so far. If so, a
            redirect concerns every request.
    """
    if status == 429 or status >= 500:
        error = UnitError if status == 429 else OverloadedError
        return Verdict(f"returned {status}", status, error)
    if status < 300 and status != 206:  # only a part of the requested body
        return None
    reason = f"returned {status}" + (f": {message}" if message else "")
    if 300 < status < 400 and location is not None:
        host = _HOST.match(location)  # urlsplit refuses some locations
        to = f" to {printable(host[1])}" if host else ""
        reason = f"returned {status}, a redirect{to}: check the setting api_url"
        if first:
            return Verdict(reason, status, UnreachableError, retry=False)
    return Verdict(reason, status, retry=False)


def reports_error(document: object) -> bool:
    """Return whether a JSON object reports an error, although the HTTP status is a success."""
    if not isinstance(document, dict):
        return False
    failed = False in (document.get("success"), document.get("ok"))
    return failed or bool(document.get("error") or document.get("errors"))


def cannot_be_sent(error: Exception) -> bool:
    """Return whether the request has an invalid header, which only credentials can cause."""
    kinds = (requests.exceptions.InvalidHeader, UnicodeEncodeError)
    of_response = any(isinstance(each, InvalidHeader) for each in _causes(error))
    return isinstance(error, kinds) and not of_response


def of_transport(  # noqa: PLR0911 - a kind of failure each
    error: Exception, timeout: float
) -> Verdict:
    """Return the verdict on the error of a library; its text may contain whole URLs."""
    causes = list(_causes(error))
    tls = [each for each in causes if isinstance(each, ssl.SSLError)]
    if tls and not any(isinstance(each, _BROKEN_TLS) for each in tls):
        return Verdict(_tls_reason(tls), error=UnreachableError, retry=False)
    if isinstance(error, requests.exceptions.ProxyError) or any(
        isinstance(each, ProxyError) for each in causes
    ):
        reason = "the proxy refused the connection: check HTTPS_PROXY and NO_PROXY"
        return Verdict(reason, error=UnreachableError, retry=_is_passing(causes))
    if isinstance(error, requests.ConnectTimeout):
        return Verdict("no connection within the time limit", error=UnreachableError)
    if isinstance(error, requests.Timeout) or "timed out" in str(error).lower():
        return Verdict(f"no data for {timeout:g} s", error=OverloadedError)
    new = next((each for each in causes if isinstance(each, NewConnectionError)), None)
    if new is not None:
        refused = "refused" in str(new).lower()
        reason = "connection refused" if refused else "no connection: check the setting api_url"
        return Verdict(reason, error=UnreachableError)
    if isinstance(error, (requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        return Verdict("the connection was interrupted")
    return Verdict(f"the response is not valid HTTP ({type(error).__name__})")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors that an error wraps, in any of the libraries' ways."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        each = todo.pop()
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        todo += [*each.args, getattr(each, "reason", None), each.__cause__, each.__context__]
        todo.append(getattr(each, "original_error", None))


def _tls_reason(errors: Sequence[ssl.SSLError]) -> str:
    for each in errors:
        if isinstance(each, ssl.SSLCertVerificationError):
            return (
                f"TLS: the certificate is not trusted ({each.verify_message}): for a private "
                "authority, set SSL_CERT_FILE or REQUESTS_CA_BUNDLE"
            )
    reason = next((each.reason for each in errors if each.reason), "handshake failed")
    return f"TLS: no secure connection ({reason}): check the setting api_url"


def _is_passing(causes: list[BaseException]) -> bool:
    """Return whether a proxy failed temporarily: without a response, or with 5xx."""
    texts = " ".join(str(each) for each in causes)
    return not any(f"Tunnel connection failed: {code}" in texts for code in range(400, 500))


def quoted(words: str) -> str:
    """Return a vendor's message in one short line that is safe on a terminal.

    Secrets are redacted before the text is cut: half a secret would not be found.
    """
    return " ".join(printable(redactor(words)).split())[:MESSAGE_LENGTH]
