"""Kinds of drift: changes that vendors make in their responses without notice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

Object = dict[str, Any]
Find = Callable[[Any], Iterable[Any]]


@dataclass(frozen=True)
class Source:
    """The objects of a response that become the rows of a stream.

    Attributes:
        find: Returns the objects of a response's document.
        keys: Members that identify a row.
        parts: Members that become rows of other streams.
    """

    stream: str
    find: Find
    keys: frozenset[str]
    parts: frozenset[str] = frozenset()


def source(stream: str, find: Find, keys: str = "", parts: str = "") -> Source:
    return Source(stream, find, frozenset(keys.split()), frozenset(parts.split()))


def _within(find: Find, name: str) -> Find:
    """Return a function that yields the entries of a list in each object."""

    def found(document: Any) -> Iterator[Any]:
        for each in find(document):
            yield from each.get(name) or ()

    return found


def _orders(document: Any) -> Any:
    return document["data"]


def _rows(document: Any) -> Any:
    return document


def _alone(document: Any) -> Any:
    return [document]


def _customer(document: Any) -> Any:
    return [document["customer"]]


def _value(document: Any) -> Any:
    return document["value"]


ACTIVITIES = "events pageviews touchpoints identities summary"
SOURCES: dict[str, list[Source]] = {
    "ecdp orders": [
        source("attributed_orders", _orders, "websiteId orderId orderDateTime", "orderDetails"),
        source("attributed_order_lines", _within(_orders, "orderDetails")),
    ],
    "adtraction programs": [
        source("programs", _rows, "market programId", "commissions feeds"),
        source("commissions", _within(_rows, "commissions"), "id"),
        source("feeds", _within(_rows, "feeds"), "feedId lastUpdated"),
    ],
    "adtraction feed": [source("products", _rows, "sku productUrl")],
    "adtraction channels": [source("channels", _rows, "channelId")],
    "ignite products": [source("products", _rows, "url")],
    "ignite locations": [source("locations", _rows, "id")],
    "ignite locations/{id}": [source("location_details", _alone, "id")],
    "ignite audiences": [source("audiences", _rows, "id")],
    "ignite audience_groups": [source("audience_groups", _rows, "id")],
    "ignite sales": [
        source("sales", lambda document: document["sales"], "id sale_id"),
        source("matched_sales", lambda document: document["matched_sales"], "id sale_id"),
    ],
    "attribution-io customers/{id}": [
        source("customers", _customer, "client_id", ACTIVITIES),
        source("events", _within(_customer, "events"), "id", "attribution_model_outputs"),
        source(
            "event_attributions",
            _within(_within(_customer, "events"), "attribution_model_outputs"),
            "id",
        ),
        source("pageviews", _within(_customer, "pageviews"), "id"),
        source("touchpoints", _within(_customer, "touchpoints"), "id"),
        source("identities", _within(_customer, "identities")),
    ],
    "ihc compute_ihc": [source("attributions", _value, "conversion_id session_id")],
}
"""Sources by vendor and endpoint."""


@dataclass(frozen=True)
class Drift:
    """A change to objects.

    Attributes:
        fits: Returns whether the change can happen to a member with a given value.
        change: Changes the object in place.
        to_key: Whether the change happens to a member of the key.
    """

    name: str
    fits: Callable[[Any], bool]
    change: Callable[[Object, str], None]
    to_key: bool = False

    def __str__(self) -> str:
        return self.name


def into(make: Callable[[Any], Any]) -> Callable[[Object, str], None]:
    """Return a change of a member's value."""

    def change(row: Object, name: str) -> None:
        row[name] = make(row[name])

    return change


def called(rename: Callable[[str], str]) -> Callable[[Object, str], None]:
    """Return a change of a member's name."""

    def change(row: Object, name: str) -> None:
        row[rename(name)] = row.pop(name)

    return change


def beside(name: str, value: Any) -> Callable[[Object, str], None]:
    """Return a change that adds a member."""

    def change(row: Object, _: str) -> None:
        row[name] = value

    return change


def anything(_: Any) -> bool:
    return True


def is_text(value: Any) -> bool:
    return isinstance(value, str) and value != "" and not is_moment(value)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


def is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def is_object(value: Any) -> bool:
    return isinstance(value, dict) and bool(value)


def is_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def is_moment(value: Any) -> bool:
    if not isinstance(value, str) or not value[:4].isdigit() or "-" not in value:
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def snake(name: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in name)


DEEP: Any = "core"
for _ in range(50):
    DEEP = {"in": [DEEP]}

DRIFTS = [
    Drift("a new text", anything, beside("sandboxNew", "new")),
    Drift("a new object", anything, beside("sandboxNew", {"some": {"thing": 1}})),
    Drift("a new list of objects", anything, beside("sandboxNew", [{"a": 1}, {"a": "x"}, None])),
    Drift("a new member, nested deeply", anything, beside("sandboxNew", DEEP)),
    Drift("a member less", anything, lambda row, name: row.pop(name)),
    Drift("null where there was a value", anything, into(lambda _: None)),
    Drift("a member renamed", anything, called(lambda name: f"{name}V2")),
    Drift("a member nested deeper", anything, into(lambda value: {"value": value})),
    Drift("a name in PascalCase", anything, called(lambda name: name[:1].upper() + name[1:])),
    Drift("a name in upper case", anything, called(str.upper)),
    Drift(
        "a name in the other case",
        anything,
        called(lambda name: (snake if "_" not in name else camel)(name)),
    ),
    Drift(
        "a name twice, in two cases",
        anything,
        lambda row, name: row.update({name.upper(): "other", name.capitalize(): "third"}),
    ),
    Drift("a name of other letters", anything, beside("größe ☃ 見", "été")),
    Drift("a name of 200 letters", anything, beside("n" * 200, "long")),
    Drift("an empty name", anything, beside("", "nameless")),
    Drift("a number becomes text", is_number, into(str)),
    Drift("a number becomes words", is_number, into(lambda _: "n/a")),
    Drift("a number with blanks", is_number, into(lambda value: f"  {value} ")),
    Drift("a number with separators", is_number, into(lambda _: "1,234.50")),
    Drift("a number with an exponent", is_number, into(lambda _: Decimal("1.5E+2"))),
    Drift("a number over 64 bits", is_number, into(lambda _: Decimal(2**70))),
    Drift(
        "a number of 50 digits",
        is_number,
        into(lambda _: Decimal("1234567890" * 4 + ".0123456789")),
    ),
    Drift("a whole number gets a fraction", is_number, into(lambda value: value + Decimal("0.25"))),
    Drift(
        "a number becomes an object", is_number, into(lambda value: {"amount": value, "unit": "x"})
    ),
    Drift("a text becomes a number", is_text, into(lambda _: Decimal("12345.678"))),
    Drift("a text becomes a boolean", is_text, into(lambda _: True)),
    Drift("a text becomes an object", is_text, into(lambda value: {"id": 7, "label": value})),
    Drift("a text becomes a list", is_text, into(lambda value: [value, "other"])),
    Drift("a value of an enumeration", is_text, into(lambda _: "SandboxNewValue")),
    Drift("text in other letters", is_text, into(lambda _: "Ünïcödé ☃ 見 🦄 \u202e\ufeff")),
    Drift("text with odd characters", is_text, into(lambda value: f"{value}\r\n\t\\\"'\u2028;")),
    Drift("a long text", is_text, into(lambda _: "x" * 300_000)),
    Drift("a text that is empty", is_text, into(lambda _: "")),
    Drift("a boolean becomes text", is_flag, into(lambda value: "yes" if value else "no")),
    Drift("a boolean becomes a number", is_flag, into(int)),
    Drift("an object becomes a list", is_object, into(lambda value: [value])),
    Drift("an object becomes a text", is_object, into(str)),
    Drift("an object becomes an empty list", is_object, into(lambda _: [])),
    Drift("an object gets a member", is_object, lambda row, name: row[name].update(sandboxNew=1)),
    Drift(
        "an object has a name twice, in two cases",
        is_object,
        lambda row, name: row[name].update(sandboxNew=1, sandbox_new=2),
    ),
    Drift("a list becomes an object", is_list, into(lambda value: {"items": value})),
    Drift("a list becomes a text", is_list, into(lambda _: "a,b")),
    Drift("a list of another length", is_list, into(lambda value: value * 3)),
    Drift(
        "a list gets entries of other kinds",
        is_list,
        into(lambda value: [*value, 7, "x", [1], None]),
    ),
    Drift(
        "objects of a list get a name twice",
        lambda value: is_list(value) and is_object(value[0]),
        lambda row, name: row[name][0].update(sandboxNew=1, sandbox_new=2),
    ),
    Drift("a date of another form", is_moment, into(lambda _: "31.03.2026 12:00")),
    Drift("a date that there is not", is_moment, into(lambda _: "2021-11-31")),
    Drift("a date becomes a number", is_moment, into(lambda _: 1774958400)),
    Drift(
        "a date with another offset", is_moment, into(lambda _: "2026-03-30T23:59:59.123456+05:30")
    ),
    Drift("a date at the edge of time", is_moment, into(lambda _: "0001-01-01T00:00:00+14:00")),
    Drift(
        "a key of another type",
        anything,
        into(lambda value: str(value) if is_number(value) else value),
        to_key=True,
    ),
]
