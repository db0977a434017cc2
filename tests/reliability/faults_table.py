"""What goes wrong at a vendor, and what must come of it: the columns of the matrix."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from enum import Enum
from typing import Any

import msgspec

from attribution_elt.sandbox.adtraction import Adtraction
from attribution_elt.sandbox.exact_json import decode, encode
from attribution_elt.sandbox.quota import Quota
from tests.reliability.faults_benches import Bench, Endpoint

Headers = Callable[[float], Mapping[str, str]]
"""Headers of an answer, by the vendor's clock."""


class Rule(Enum):
    """What a fault of a class costs."""

    PASSES = "tried again: what was missing comes with the next try, else its unit fails"
    FAILS = "not tried again: its unit fails, the others go on"
    ENDS = "no other request of its account can succeed: one line, with the setting to check"
    STOPS = "no other request can succeed now: one line"
    LACKS = "there is nothing to be had: a warning"
    STAYS = "nothing fails, and every row is there"


@dataclass(frozen=True)
class Kind:
    """A column of the matrix.

    Attributes:
        make: the fault's arguments at an endpoint; none if there is no such fault there.
        rules: where the rule is another one: at a vendor, or at an endpoint as `vendor/endpoint`.
        waits: seconds that the tap has to wait, at least and at most, if it happens once.
        alters: whether rows may differ from the true ones in the member that it spoils.
        timeout: seconds without a byte after which a try counts as failed.
        around: what else is different at the vendor meanwhile.
        applies: whether there is such a thing at the vendor.
        positions: where in a run it is tried; fewer where it makes no difference.
    """

    name: str
    rule: Rule
    make: Callable[[Endpoint], dict[str, Any] | None]
    rules: Mapping[str, Rule] = field(default_factory=dict)
    waits: tuple[float, float] | None = None
    alters: bool = False
    timeout: float = 5
    around: Callable[[Bench], AbstractContextManager[None]] = lambda _: nullcontext()
    applies: Callable[[Bench], bool] = lambda _: True
    positions: tuple[str, ...] = ("once", "first", "middle", "last", "always")

    def at(self, bench: Bench, endpoint: Endpoint) -> Rule:
        """The rule at an endpoint."""
        place = f"{bench.name}/{endpoint.name}"
        return self.rules.get(place, self.rules.get(bench.name, self.rule))


def on_document(change: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    """What alters a body, from what alters its document; numbers keep their digits."""
    return lambda body: encode(change(decode(body))).encode()


def refusal(status: int, headers: Headers = lambda _: {}, **more: Any) -> Callable[..., Any]:
    return lambda _: {"kind": "status", "status": status, "headers": headers, **more}


def answer(body: str) -> Callable[..., Any]:
    return refusal(200, body=body)


def broken(kind: str, **more: Any) -> Callable[..., Any]:
    return lambda _: {"kind": kind, **more}


def in_objects(change: Callable[[Endpoint, dict[str, Any]], object]) -> Callable[..., Any]:
    """A fault that changes each object of an answer in place."""

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
    """A fault that changes an answer's list in place."""

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


def has_quota(bench: Bench) -> bool:
    return isinstance(bench.vendor, Adtraction)


@contextmanager
def greedy(bench: Bench) -> Iterator[None]:
    """Let another client take two thirds of a quota of three requests a minute."""
    assert isinstance(bench.vendor, Adtraction)
    usual = bench.vendor.quota
    bench.vendor.quota = Quota(
        limit=3, limits={}, foreign_share=2 / 3, foreign_comes="between", clock=usual.clock
    )
    try:
        yield
    finally:
        bench.vendor.quota = usual


def told(
    name: str,
    status: int,
    headers: Headers,
    waits: tuple[float, float],
    around: Callable[[Bench], AbstractContextManager[None]] = lambda _: nullcontext(),
) -> Kind:
    """A refusal with headers, which a client obeys whatever unit it asks for."""
    made = refusal(status, headers)
    return Kind(name, PASSES, made, waits=waits, around=around, positions=("once", "always"))


def no_fault(_: Endpoint) -> dict[str, Any]:
    return {"kind": "altered"}


PASSES, FAILS, ENDS, STOPS, LACKS, STAYS = Rule
NO_CUSTOMER = {"attribution-io": LACKS}
ALWAYS = ("always",)
DEEP = '{"a":' * 5000 + "1" + "}" * 5000
SPENT = '{"message":"Limit Exceeded"}'
SHORT = 0.3

SOON, A_MINUTE = (0, 1), (0, 61)
AHEAD, BEHIND = skewed(300), skewed(-300)

KINDS = [
    Kind("429", PASSES, refusal(429), waits=A_MINUTE),
    told("429, Retry-After: 7", 429, retry_after("7"), (7, 8)),
    told("429, Retry-After: 0", 429, retry_after("0"), SOON),
    told("429, Retry-After: soon", 429, retry_after("soon"), A_MINUTE),
    told("429, Retry-After: a date", 429, retry_after_date(7), (6, 9)),
    told("429, Retry-After: a past date", 429, retry_after_date(-90), SOON),
    told("429, a date, clock 5 min ahead", 429, retry_after_date(7), (6, 9), AHEAD),
    told("429, reset in epoch ms", 429, quota(lambda now: (now + 20) * 1000), (19, 22)),
    told("429, reset in epoch s", 429, quota(lambda now: now + 20), (19, 22)),
    told("429, reset in seconds from now", 429, quota(lambda _: 20), (19, 22)),
    told("429, the same, clock 5 min behind", 429, quota(lambda _: 20), (19, 22), BEHIND),
    told("429, reset, clock 5 min behind", 429, quota(lambda now: now + 20), (18, 22), BEHIND),
    told("503, Retry-After: 7", 503, retry_after("7"), (7, 8)),
    Kind("429, the quota is spent", PASSES, refusal(429, body=SPENT), {"ihc": STOPS}),
    Kind(
        "quota cut by another client",
        STAYS,
        no_fault,
        around=greedy,
        applies=has_quota,
        positions=ALWAYS,
    ),
    Kind("500", PASSES, refusal(500)),
    Kind("500 in JSON", PASSES, refusal(500, body='{"message":"Oops","status":500}')),
    Kind("502 in HTML", PASSES, refusal(502)),
    Kind("connection reset", PASSES, broken("reset")),
    Kind("connection closed", PASSES, broken("close")),
    Kind("truncated body", PASSES, broken("truncate", chunked=False)),
    Kind("truncated chunks", PASSES, broken("truncate", chunked=True)),
    Kind("half a body as if whole", PASSES, broken("invalid_json")),
    Kind("no first byte", PASSES, broken("slow", delay=0.9), timeout=SHORT),
    Kind("silence amid the body", PASSES, broken("stall", delay=0.9), timeout=SHORT),
    Kind("slow but steady", STAYS, broken("drip", delay=0.01)),
    Kind("empty body", PASSES, answer("")),
    Kind("HTML with 200", PASSES, broken("html")),
    Kind("null", PASSES, answer("null")),
    Kind("a text", PASSES, answer('"busy"')),
    Kind("a number", PASSES, answer("7")),
    Kind("an object of no kind", PASSES, answer('{"a":{"b":[]}}')),
    Kind("an array nested too deeply", PASSES, answer("[" * 5000 + "]" * 5000)),
    Kind("an object nested too deeply", PASSES, answer(DEEP)),
    Kind("500, nested too deeply", PASSES, refusal(500, body=DEEP)),
    Kind(
        "rows nested too deeply",
        PASSES,
        in_objects(lambda at, each: each.update({at.plain: msgspec.Raw(DEEP.encode())})),
    ),
    Kind("404", FAILS, refusal(404), NO_CUSTOMER),
    Kind("409", FAILS, refusal(409)),
    Kind("302", FAILS, refusal(302, lambda _: {"Location": "http://localhost/"})),
    Kind("401", ENDS, refusal(401)),
    Kind("403", ENDS, refusal(403)),
    Kind("a new member", STAYS, in_objects(lambda _, each: each.update(sandboxNew=1)), alters=True),
    Kind(
        "a member less",
        STAYS,
        in_objects(lambda at, each: each.pop(at.plain, None)),
        alters=True,
    ),
    Kind(
        "a member of another type",
        STAYS,
        in_objects(lambda at, each: each.update({at.plain: {"is": each.get(at.plain)}})),
        alters=True,
    ),
    Kind("no key", FAILS, without_key, {"ignite/locations/{id}": PASSES}),
    Kind(
        "rows twice", STAYS, in_list(lambda rows: rows.extend(rows[:])), {"adtraction/feed": FAILS}
    ),
    Kind(
        "texts among the rows",
        FAILS,
        in_list(lambda rows: rows.append("text")),
        {"ihc": STAYS},
    ),
    Kind("clock 5 min ahead", STAYS, no_fault, around=AHEAD, positions=ALWAYS),
    Kind("clock 5 min behind", STAYS, no_fault, around=BEHIND, positions=ALWAYS),
]
