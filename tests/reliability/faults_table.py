"""The columns of the matrix: faults of a vendor and the rule for each of them."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from enum import Enum
from typing import Any

import msgspec
import pytest

from attribution_elt.sandbox.adtraction import Adtraction
from attribution_elt.sandbox.exact_json import decode, encode
from attribution_elt.sandbox.quota import Quota
from tests.reliability.faults_benches import Bench, Endpoint

Headers = Callable[[float], Mapping[str, str]]
"""Returns the headers of a response for a time of the vendor's clock."""


class Rule(Enum):
    """The consequence of a fault."""

    RETRIED = "the tap retries the request; if retries fail, the unit fails"
    UNIT_FAILS = "the tap does not retry; the unit fails and the others are read"
    ACCOUNT_FAILS = "the account fails with one line that names the setting to check"
    RUN_STOPS = "the run stops with one line"
    NOT_FOUND = "the rows do not exist, so they vanish; a warning names them"
    KEYED_BY_CONTENT = "rows without a key get a stand-in; nothing fails and nothing vanishes"
    REPEATED = "a row that the vendor sends twice gets a numbered key; nothing fails"
    HARMLESS = "nothing fails and all rows are there"
    EMPTY = "nothing fails; rows may vanish, because the vendor returns none"


@dataclass(frozen=True)
class Kind:
    """A column of the matrix.

    Attributes:
        make: Returns the fault's arguments at an endpoint, or None if it does not apply there.
        rules: Exceptions from `rule` by vendor, or by endpoint as `vendor/endpoint`.
        at_first: The rule where the fault affects the first request of an account, if it differs.
        waits: Minimum and maximum seconds that the tap waits if the fault happens once.
        alters: Whether the spoilt member of a row may differ from the truth.
        timeout: Seconds without a byte after which a request counts as failed.
        around: Returns a context with other conditions at the vendor.
        applies: Returns whether the fault can happen at a vendor.
        positions: The positions in a run at which the fault happens.
    """

    name: str
    rule: Rule
    make: Callable[[Endpoint], dict[str, Any] | None]
    rules: Mapping[str, Rule] = field(default_factory=dict)
    at_first: Rule | None = None
    waits: tuple[float, float] | None = None
    alters: bool = False
    timeout: float = 5
    around: Callable[[Bench], AbstractContextManager[None]] = lambda _: nullcontext()
    applies: Callable[[Bench], bool] = lambda _: True
    positions: tuple[str, ...] = ("once", "first", "middle", "last", "always")

    def at(self, bench: Bench, endpoint: Endpoint) -> Rule:
        """Return the rule at an endpoint."""
        place = f"{bench.name}/{endpoint.name}"
        return self.rules.get(place, self.rules.get(bench.name, self.rule))


def on_document(change: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    """Return a change of a body from a change of its document; numbers keep their digits."""
    return lambda body: encode(change(decode(body))).encode()


def refusal(status: int, headers: Headers = lambda _: {}, **more: Any) -> Callable[..., Any]:
    return lambda _: {"kind": "status", "status": status, "headers": headers, **more}


def answer(body: str) -> Callable[..., Any]:
    return refusal(200, body=body)


def broken(kind: str, **more: Any) -> Callable[..., Any]:
    return lambda _: {"kind": kind, **more}


def in_objects(change: Callable[[Endpoint, dict[str, Any]], object]) -> Callable[..., Any]:
    """Return a fault that changes each object of a response."""

    def make(endpoint: Endpoint) -> dict[str, Any] | None:
        objects = endpoint.objects
        if objects is None:
            return None

        def changed(document: Any) -> Any:
            for each in objects(document):
                change(endpoint, each)
            return document

        return {"kind": "altered", "change": on_document(changed)}

    return make


def in_list(change: Callable[[list[Any]], object]) -> Callable[..., Any]:
    """Return a fault that changes the list of a response."""

    def make(endpoint: Endpoint) -> dict[str, Any] | None:
        listed = endpoint.rows or endpoint.objects
        if listed is None or endpoint.name == "locations/{id}":
            return None

        def changed(document: Any) -> Any:
            rows = listed(document)
            assert isinstance(rows, list)
            change(rows)
            return document

        return {"kind": "altered", "change": on_document(changed)}

    return make


def without_key(endpoint: Endpoint) -> dict[str, Any] | None:
    key = endpoint.key
    if key is None:
        return None
    made: dict[str, Any] | None = in_objects(lambda _, each: each.pop(key))(
        replace(endpoint, objects=endpoint.rows or endpoint.objects)
    )
    return made


def quota(reset: Callable[[float], float]) -> Headers:
    return lambda now: {
        "X-RateLimit-Limit": "30",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": f"{math.ceil(reset(now))}",
    }


def encoded(name: str) -> Headers:
    return lambda _: {"Content-Encoding": name}


def altered(change: Callable[[bytes], bytes]) -> Callable[..., Any]:
    return broken("altered", change=change)


def retry_after(text: str) -> Headers:
    return lambda _: {"Retry-After": text}


def retry_after_date(seconds: float) -> Headers:
    return lambda now: {"Retry-After": formatdate(now + seconds, usegmt=True)}


def skewed(seconds: float) -> Callable[[Bench], AbstractContextManager[None]]:
    @contextmanager
    def around(bench: Bench) -> Iterator[None]:
        bench.vendor.clock_skew += seconds
        try:
            yield
        finally:
            bench.vendor.clock_skew -= seconds

    return around


@contextmanager
def behind_a_refusing_proxy(_: Bench) -> Iterator[None]:
    """Let requests go to a proxy that nobody runs."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NO_PROXY", "no_proxy", "http_proxy"):
            patch.delenv(name, raising=False)
        patch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        yield


@contextmanager
def over_broken_tls(bench: Bench) -> Iterator[None]:
    """Let the vendor speak HTTP at a port where the tap expects HTTPS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(bench.config, "api_url", bench.config["api_url"].replace("http:", "https:"))
        yield


def has_quota(bench: Bench) -> bool:
    return isinstance(bench.vendor, Adtraction)


@contextmanager
def with_another_client(bench: Bench) -> Iterator[None]:
    """Let another client use two thirds of a quota of three requests a minute."""
    assert isinstance(bench.vendor, Adtraction)
    usual = bench.vendor.quota
    bench.vendor.quota = Quota(
        limit=3, limits={}, foreign_share=2 / 3, foreign_comes="between", clock=usual.clock
    )
    try:
        yield
    finally:
        bench.vendor.quota = usual


def refused(
    name: str,
    status: int,
    headers: Headers,
    waits: tuple[float, float],
    around: Callable[[Bench], AbstractContextManager[None]] = lambda _: nullcontext(),
) -> Kind:
    """Return a refusal with headers that apply to all units."""
    made = refusal(status, headers)
    return Kind(name, RETRIED, made, waits=waits, around=around, positions=("once", "always"))


def no_fault(_: Endpoint) -> dict[str, Any]:
    return {"kind": "altered"}


RETRIED, UNIT_FAILS, ACCOUNT_FAILS, RUN_STOPS, NOT_FOUND, KEYED_BY_CONTENT, *_ = Rule
REPEATED, HARMLESS, EMPTY = Rule.REPEATED, Rule.HARMLESS, Rule.EMPTY
NO_CUSTOMER = {"attribution-io": NOT_FOUND}
ALWAYS = ("always",)
DEPTH = 100_000  # more than any supported Python reads; 3.13 reads 5,000
DEEP = '{"a":' * DEPTH + "1" + "}" * DEPTH
SPENT = '{"message":"Limit Exceeded"}'
SHORT = 0.3

SOON, A_MINUTE = (0, 1), (0, 61)
AHEAD, BEHIND = skewed(300), skewed(-300)

KINDS = [
    Kind("429", RETRIED, refusal(429), waits=A_MINUTE),
    refused("429, Retry-After: 7", 429, retry_after("7"), (7, 8)),
    refused("429, Retry-After: 0", 429, retry_after("0"), SOON),
    refused("429, Retry-After: soon", 429, retry_after("soon"), A_MINUTE),
    refused("429, Retry-After: a date", 429, retry_after_date(7), (6, 9)),
    refused("429, Retry-After: a past date", 429, retry_after_date(-90), SOON),
    refused("429, a date, clock 5 min ahead", 429, retry_after_date(7), (6, 9), AHEAD),
    refused("429, reset in epoch ms", 429, quota(lambda now: (now + 20) * 1000), (19, 22)),
    refused("429, reset in epoch s", 429, quota(lambda now: now + 20), (19, 22)),
    refused("429, reset in seconds from now", 429, quota(lambda _: 20), (19, 22)),
    refused("429, the same, clock 5 min behind", 429, quota(lambda _: 20), (19, 22), BEHIND),
    refused("429, reset, clock 5 min behind", 429, quota(lambda now: now + 20), (18, 22), BEHIND),
    refused("503, Retry-After: 7", 503, retry_after("7"), (7, 8)),
    Kind("429, the quota is spent", RETRIED, refusal(429, body=SPENT), {"ihc": RUN_STOPS}),
    Kind(
        "quota cut by another client",
        HARMLESS,
        no_fault,
        around=with_another_client,
        applies=has_quota,
        positions=ALWAYS,
    ),
    Kind("500", RETRIED, refusal(500)),
    Kind("500 in JSON", RETRIED, refusal(500, body='{"message":"Oops","status":500}')),
    Kind("502 in HTML", RETRIED, refusal(502)),
    Kind("connection reset", RETRIED, broken("reset")),
    Kind("connection closed", RETRIED, broken("close")),
    Kind("truncated body", RETRIED, broken("truncate", chunked=False)),
    Kind("truncated chunks", RETRIED, broken("truncate", chunked=True)),
    Kind("half a body as if whole", RETRIED, broken("invalid_json")),
    Kind("no first byte", RETRIED, broken("slow", delay=0.9), timeout=SHORT),
    Kind("silence amid the body", RETRIED, broken("stall", delay=0.9), timeout=SHORT),
    Kind("slow but steady", HARMLESS, broken("drip", delay=0.01)),
    Kind("empty body", RETRIED, answer("")),
    Kind("HTML with 200", RETRIED, broken("html")),
    Kind("null", RETRIED, answer("null")),
    Kind("a text", RETRIED, answer('"busy"')),
    Kind("a number", RETRIED, answer("7")),
    Kind("an object of no kind", RETRIED, answer('{"a":{"b":[]}}')),
    Kind("an array nested too deeply", RETRIED, answer("[" * DEPTH + "]" * DEPTH)),
    Kind("an object nested too deeply", RETRIED, answer(DEEP)),
    Kind("500, nested too deeply", RETRIED, refusal(500, body=DEEP)),
    Kind(
        "rows nested too deeply",
        RETRIED,
        in_objects(lambda at, each: each.update({at.plain: msgspec.Raw(DEEP.encode())})),
    ),
    Kind("404", UNIT_FAILS, refusal(404), NO_CUSTOMER),
    Kind("409", UNIT_FAILS, refusal(409)),
    Kind(
        "302",
        UNIT_FAILS,
        refusal(302, lambda _: {"Location": "http://localhost/"}),
        at_first=RUN_STOPS,
    ),
    *(
        Kind(
            str(status),
            UNIT_FAILS,
            refusal(status, lambda _: {"Location": "http://localhost/"}),
            at_first=RUN_STOPS,
            positions=("middle", "always"),
        )
        for status in (301, 303, 307, 308)
    ),
    Kind(
        "a proxy that refuses",
        RUN_STOPS,
        no_fault,
        around=behind_a_refusing_proxy,
        positions=ALWAYS,
    ),
    Kind(
        "HTTP where HTTPS is expected",
        RUN_STOPS,
        no_fault,
        around=over_broken_tls,
        positions=ALWAYS,
    ),
    Kind("gzip that is not", RETRIED, refusal(200, encoded("gzip"), body="[]")),
    Kind(
        "an encoding that nobody asked for",
        RETRIED,
        refusal(200, encoded("br"), body="\x8b\x01\x80[]\x03"),
    ),
    Kind("UTF-16", RETRIED, altered(lambda body: body.decode().encode("utf-16"))),
    Kind("a byte order mark", HARMLESS, altered(lambda body: b"\xef\xbb\xbf" + body)),
    Kind(
        "no rows at all",
        EMPTY,
        in_list(list.clear),
        {"ihc": UNIT_FAILS, "adtraction/feed": UNIT_FAILS},
        positions=("middle", "always"),
    ),
    Kind("401", ACCOUNT_FAILS, refusal(401)),
    Kind("403", ACCOUNT_FAILS, refusal(403)),
    Kind(
        "a new member", HARMLESS, in_objects(lambda _, each: each.update(sandboxNew=1)), alters=True
    ),
    Kind(
        "a member less",
        HARMLESS,
        in_objects(lambda at, each: each.pop(at.plain, None)),
        alters=True,
    ),
    Kind(
        "a member of another type",
        HARMLESS,
        in_objects(lambda at, each: each.update({at.plain: {"is": each.get(at.plain)}})),
        alters=True,
    ),
    Kind(
        "no key",
        KEYED_BY_CONTENT,
        without_key,
        {"ignite/locations/{id}": RETRIED, "ihc": UNIT_FAILS},
    ),
    Kind(
        "rows twice",
        HARMLESS,
        in_list(lambda rows: rows.extend(rows[:])),
        {"adtraction/feed": UNIT_FAILS, "ignite/products": REPEATED},
    ),
    Kind(
        "texts among the rows",
        KEYED_BY_CONTENT,
        in_list(lambda rows: rows.append("text")),
        {"ihc": HARMLESS, "adtraction/feed": UNIT_FAILS},
    ),
    Kind("clock 5 min ahead", HARMLESS, no_fault, around=AHEAD, positions=ALWAYS),
    Kind("clock 5 min behind", HARMLESS, no_fault, around=BEHIND, positions=ALWAYS),
]
