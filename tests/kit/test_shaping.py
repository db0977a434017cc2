from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from attribution_elt.kit.records.personal_data import PersonalData
from attribution_elt.kit.records.shaper import RecordShaper, snake_case

KEEP = PersonalData("keep", "")
EXTRA = {"_extra": {"type": ["object", "null"]}}

Shape = Callable[..., dict[str, Any]]


def one(kind: str, **more: Any) -> Callable[[Any], Any]:
    """Shape a value as the only property of a stream; a value that does not fit becomes a pair."""
    schema = {"type": "object", "properties": {"it": {"type": [kind, "null"], **more}, **EXTRA}}
    shaper = RecordShaper(schema, (), KEEP, lambda _: None)

    def shape(value: Any) -> Any:
        record = shaper({"it": value}, {})
        extra = record["_extra"]
        return record["it"] if extra is None else (record["it"], extra["it"])

    return shape


def stream(warnings: list[str] | None = None, **properties: Any) -> Shape:
    flatten = properties.pop("flatten", [])
    schema = {"type": "object", "x-flatten": flatten, "properties": {**properties, **EXTRA}}
    shaper = RecordShaper(schema, (), KEEP, ([] if warnings is None else warnings).append)
    return lambda row, **context: shaper(row, context)


TEXT = {"type": ["string", "null"]}
NUMBER = {"type": ["number", "null"]}


@pytest.mark.parametrize(
    ("vendor", "ours"),
    [
        ("productName", "product_name"),
        ("programURL", "program_url"),
        ("lifecycleStatus", "lifecycle_status"),
        ("URL", "url"),
        ("URLOfShop", "url_of_shop"),
        ("ctr", "ctr"),
        ("already_snake", "already_snake"),
        ("HTTPStatus2xx", "http_status2xx"),
        ("order-id", "order_id"),
        ("order id", "order_id"),
        ("order.id", "order_id"),
        ("EPC30Days", "epc30_days"),
        ("crmId", "crm_id"),
        ("x" * 80, "x" * 63),
    ],
)
def test_names_become_snake_case(vendor: str, ours: str) -> None:
    assert snake_case(vendor) == ours


@pytest.mark.parametrize(
    ("sent", "emitted"),
    [
        ("2017-09-11T19:22:50Z", "2017-09-11T19:22:50Z"),
        ("2017-09-11T19:22:50.328Z", "2017-09-11T19:22:50.328Z"),
        ("2017-09-11T21:22:50.328+0200", "2017-09-11T19:22:50.328Z"),
        ("2017-09-11T21:22:50+02:00", "2017-09-11T19:22:50Z"),
        ("2017-09-11T21:22:50+02", "2017-09-11T19:22:50Z"),
        ("2017-09-11 19:22:50", "2017-09-11T19:22:50Z"),
        ("2017-09-11T14:52:50.5-04:30", "2017-09-11T19:22:50.5Z"),
        ("2017-09-11T19:22:50.123456789Z", "2017-09-11T19:22:50.123456789Z"),
        ("2024-10-27T02:30:00+02:00", "2024-10-27T00:30:00Z"),
        ("2024-10-27T02:30:00+01:00", "2024-10-27T01:30:00Z"),
        ("2024-03-31T03:00:00+0200", "2024-03-31T01:00:00Z"),
        ("2024-01-01T00:30:00+14:00", "2023-12-31T10:30:00Z"),
        ("2024-12-31T20:00:00-12:00", "2025-01-01T08:00:00Z"),
        ("2024-02-29", "2024-02-29T00:00:00Z"),
        (" 2017-09-11T19:22:50Z ", "2017-09-11T19:22:50Z"),
        (None, None),
    ],
)
def test_instants_are_emitted_in_utc(sent: Any, emitted: Any) -> None:
    assert one("string", format="date-time")(sent) == emitted


@pytest.mark.parametrize(
    "sent",
    [
        *("2021-11-31T00:00:00Z", "yesterday", "", "24:00", "2023-02-29", 1, True, {"a": 1}),
        *("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2024-01-01T00:00:00+25:00"),
    ],
)
def test_a_value_that_is_not_an_instant_goes_into_extra(sent: Any) -> None:
    assert one("string", format="date-time")(sent) == (None, sent)


@pytest.mark.parametrize(
    ("sent", "emitted"),
    [
        ("2021-11-30", "2021-11-30"),
        ("2024-02-29", "2024-02-29"),
        ("2021-11-31", (None, "2021-11-31")),
        ("2023-02-29", (None, "2023-02-29")),
        ("20211130", (None, "20211130")),
        ("", (None, "")),
        (5, (None, 5)),
    ],
)
def test_days_that_do_not_exist_go_into_extra(sent: Any, emitted: Any) -> None:
    assert one("string", format="date")(sent) == emitted


@pytest.mark.parametrize(
    ("sent", "emitted"),
    [
        (0, 0),
        (2**63, 2**63),
        (-(10**40), -(10**40)),
        ("9007199254740993", 9007199254740993),
        (Decimal("12.0"), 12),
        (Decimal("1E+3"), 1000),
        (Decimal("12.5"), (None, Decimal("12.5"))),
        ("twelve", (None, "twelve")),
        ("1_000", (None, "1_000")),
        ("", (None, "")),
        (True, (None, True)),
        (Decimal("1E+999999999"), (None, Decimal("1E+999999999"))),
        ([1], (None, [1])),
    ],
)
def test_integers_keep_their_digits(sent: Any, emitted: Any) -> None:
    assert repr(one("integer")(sent)) == repr(emitted)


@pytest.mark.parametrize(
    ("sent", "emitted"),
    [
        (Decimal("249.50"), Decimal("249.50")),
        (Decimal("0.1000000000000000000000000000000001"),) * 2,
        (7, 7),
        (2**80, 2**80),
        ("1 000", (None, "1 000")),
        (" 12.30 ", Decimal("12.30")),
        ("NaN", (None, "NaN")),
        ("Infinity", (None, "Infinity")),
        (False, (None, False)),
        ("", (None, "")),
        ({}, (None, {})),
    ],
)
def test_numbers_are_exact(sent: Any, emitted: Any) -> None:
    assert repr(one("number")(sent)) == repr(emitted)


@pytest.mark.parametrize(
    ("sent", "emitted"),
    [
        (12, "12"),
        (Decimal("12.50"), "12.50"),
        (2**70, str(2**70)),
        (True, "true"),
        ("", ""),
        ("żółć 🧦", "żółć 🧦"),
        ({"a": "x"}, (None, {"a": "x"})),
        (["a"], (None, ["a"])),
    ],
)
def test_texts(sent: Any, emitted: Any) -> None:
    assert one("string")(sent) == emitted


@pytest.mark.parametrize(
    ("sent", "emitted"),
    [
        (True, True),
        (0, False),
        (1, True),
        ("1", True),
        ("False", False),
        ("TRUE", True),
        (2, (None, 2)),
        ("yes", (None, "yes")),
        ("", (None, "")),
    ],
)
def test_booleans(sent: Any, emitted: Any) -> None:
    assert repr(one("boolean")(sent)) == repr(emitted)


def test_an_empty_text_is_null_only_where_the_vendor_means_null() -> None:
    assert one("string", **{"x-empty-is-null": True})("") is None
    assert one("string", **{"x-empty-is-null": True})("a") == "a"
    assert one("string", format="date-time", **{"x-empty-is-null": True})("") is None


def test_every_property_of_the_schema_is_in_every_record() -> None:
    assert stream(a=TEXT, b=NUMBER)({}) == {"a": None, "b": None, "_extra": None}


def test_an_undeclared_property_goes_into_extra_with_one_warning() -> None:
    warnings: list[str] = []
    shape = stream(warnings, known=TEXT)
    row = {"known": "a", "loyaltyTier": {"levelName": "gold", "n": [1, Decimal("2.50")]}}
    for _ in range(3):
        record = shape(row)
        extra = {"loyalty_tier": {"levelName": "gold", "n": [1, Decimal("2.50")]}}
        assert record == {"known": "a", "_extra": extra}
    assert len(warnings) == 1
    assert "loyalty_tier" in warnings[0]


def test_unknown_null_and_falsy_values_are_distinguished() -> None:
    record = stream(known=TEXT)({"zero": 0, "no": False, "empty": "", "list": [], "none": None})
    assert record["_extra"] == {"zero": 0, "no": False, "empty": "", "list": []}


def test_an_invalid_value_is_kept_with_one_warning_and_the_row_is_not_lost() -> None:
    warnings: list[str] = []
    shape = stream(warnings, started={**TEXT, "format": "date"}, name=TEXT)
    for _ in range(3):
        record = shape({"name": "a", "started": "2021-11-31"})
        assert record == {"name": "a", "started": None, "_extra": {"started": "2021-11-31"}}
    assert len(warnings) == 1
    assert "started" in warnings[0]


def test_a_warning_of_an_invalid_value_does_not_repeat_it() -> None:
    warnings: list[str] = []
    stream(warnings, age={"type": ["integer", "null"]})({"age": "jane@example.com"})
    assert "jane" not in "".join(warnings)


def test_nested_objects_that_are_flattened() -> None:
    shape = stream(flatten=["customer"], customer_id={"type": ["integer", "null"]}, customer=TEXT)
    schema_only = stream(flatten=["customer"], customer_id={"type": ["integer", "null"]})
    record = schema_only({"customer": {"id": 7, "shoeSize": 44}})
    assert record == {"customer_id": 7, "_extra": {"customer_shoe_size": 44}}
    assert schema_only({"customer": None}) == {"customer_id": None, "_extra": None}
    assert schema_only({"customer": "7"})["_extra"] == {"customer": "7"}
    assert schema_only({}) == {"customer_id": None, "_extra": None}
    assert shape({"customer": "7"})["customer"] == "7"


def test_context_fills_what_the_vendor_does_not_send() -> None:
    shape = stream(market=TEXT, program_id={"type": ["integer", "null"]})
    assert shape({}, market="SE", program_id=5) == {"market": "SE", "program_id": 5, "_extra": None}


def test_a_vendors_value_for_a_property_of_the_context_is_kept() -> None:
    warnings: list[str] = []
    shape = stream(warnings, market=TEXT)
    assert shape({"market": "SE"}, market="SE") == {"market": "SE", "_extra": None}
    assert warnings == []
    for _ in range(2):
        assert shape({"market": "se"}, market="SE") == {"market": "SE", "_extra": {"market": "se"}}
    assert len(warnings) == 1


def test_an_invalid_value_of_the_context_is_kept_in_every_row() -> None:
    shape = stream(day={**TEXT, "format": "date"})
    misfit = "2021-11-31"
    kept = {"day": None, "_extra": {"day": misfit}}
    assert [shape({}, day=misfit) for _ in range(2)] == [kept, kept]


def test_two_vendor_names_that_are_one_in_snake_case_are_both_kept() -> None:
    warnings: list[str] = []
    shape = stream(warnings, product_name=TEXT)
    record = shape({"productName": "a", "product_name": "b"})
    assert record["product_name"] == "a"
    assert list(record["_extra"].values()) == ["b"]
    assert len(warnings) == 1
    reverse = shape({"product_name": "b", "productName": "a"})
    assert (reverse["product_name"], list(reverse["_extra"].values())) == ("b", ["a"])
    misfits = shape({"productName": [1], "product_name": [2], "PRODUCT_NAME": [3]})
    assert misfits["product_name"] is None
    assert sorted(misfits["_extra"].values()) == [[1], [2], [3]]


def test_a_name_in_another_case_in_one_row_does_not_affect_other_rows() -> None:
    shape = stream(product_name=TEXT)
    names = ["PRODUCT_NAME", "productName", "product_name", "productName"]
    records = [shape({name: "a"}) for name in names]
    assert records == [{"product_name": "a", "_extra": None}] * 4


def test_two_unknown_names_that_are_one_in_snake_case_are_both_kept() -> None:
    record = stream(known=TEXT)({"someThing": 1, "some_thing": 2, "SomeThing": 3})
    assert sorted(record["_extra"].values()) == [1, 2, 3]


def test_a_vendor_name_given_in_the_schema_is_used() -> None:
    shape = stream(client_id={**TEXT, "x-vendor-name": "uid"}, identity_client_id=TEXT)
    record = shape({"uid": "a", "clientId": "b"})
    assert record["client_id"] == "a"
    assert record["_extra"] == {"clientId": "b"} or record["_extra"] == {"client_id": "b"}


def test_members_of_nested_objects_are_renamed() -> None:
    inner = {"type": ["object", "null"], "properties": {"widget_id": TEXT}}
    shape = stream(recommendation=inner)
    record = shape({"recommendation": {"widgetId": "a", "newThing": "b", "n": Decimal("1.0")}})
    assert record["recommendation"] == {"widget_id": "a", "new_thing": "b", "n": Decimal("1.0")}
    assert shape({"recommendation": []}) == {
        "recommendation": None,
        "_extra": {"recommendation": []},
    }


def test_objects_in_arrays_are_renamed() -> None:
    item = {"type": ["object", "null"], "properties": {"widget_id": TEXT}}
    shape = stream(
        all={"type": ["array", "null"], "items": item}, names={"type": ["array", "null"]}
    )
    record = shape({"all": [{"widgetId": "a"}, None], "names": [{"keepMe": 1}, "a"]})
    assert record["all"] == [{"widget_id": "a"}, None]
    assert record["names"] == [{"keepMe": 1}, "a"]
    assert shape({"all": {}})["_extra"] == {"all": {}}


def test_members_of_nested_objects_get_their_types_if_they_fit() -> None:
    item = {"type": ["object", "null"], "properties": {"rate": NUMBER, "kind": TEXT}}
    shape = stream(rates={"type": ["array", "null"], "items": item})
    record = shape({"rates": [{"rate": "4.50", "kind": 1}, {"rate": "n/a", "kind": None}]})
    assert record["rates"] == [
        {"rate": Decimal("4.50"), "kind": "1"},
        {"rate": "n/a", "kind": None},
    ]


def test_nested_names_that_are_one_in_snake_case_are_both_kept() -> None:
    item = {"type": ["object", "null"], "properties": {"widget_id": TEXT}}
    shape = stream(one=item, all={"type": ["array", "null"], "items": item})
    row = {"widgetId": "a", "widget_id": "b", "WidgetId": "c", "newThing": "d"}
    renamed = {"widget_id": "a", "WidgetId": "c", "new_thing": "d"}
    kept = shape({"one": row, "all": [row]})
    assert sorted(kept["one"].values()) == ["a", "b", "c", "d"]
    assert renamed.items() <= kept["one"].items()
    assert kept["all"] == [kept["one"]]
