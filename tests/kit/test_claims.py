"""Claims: when a reader makes them, and how STATE carries them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import pytest

from attribution_elt.kit.claims import Claim, Range, Written
from attribution_elt.kit.errors import UnitError
from tests.kit.shop import Walk, order, run

KEY = "k" * 16
NOVEMBER = Range(date(2026, 11, 1), date(2026, 12, 1))
IN_NOVEMBER = {"from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}


def of_website(unit: int) -> Iterable[Claim]:
    return [Claim("orders", {"website": unit})]


def of_everything(_: int) -> Iterable[Claim]:
    return [Claim("lines")]


def test_the_schema_announces_the_columns_of_claims() -> None:
    schemas = {each["stream"]: each["schema"] for each in run([[order(1)]]).of("SCHEMA")}
    assert schemas["orders"]["x-claims"] == ["website", "moment", "email"]
    assert schemas["lines"]["x-claims"] == []


def test_the_state_after_a_unit_has_the_claim_next_to_its_value() -> None:
    output = run([[order(1), order(2)], [order(3, website=2)]], claims=of_website)
    first, second = (each for each in output.of("STATE") if "delivered" in each)
    assert first["delivered"] == [{"stream": "orders", "where": {"website": 1}, "rows": 2}]
    assert second["delivered"] == [{"stream": "orders", "where": {"website": 2}, "rows": 1}]
    assert "delivered" not in str(first["value"])


def test_an_empty_response_is_a_claim_without_rows() -> None:
    assert run([[]], claims=of_website).delivered == [
        {"stream": "orders", "where": {"website": 1}, "rows": 0}
    ]


def test_rows_counts_what_the_whole_run_has_written_inside_the_claim() -> None:
    output = run([[order(1)], [order(2), order(3, website=9)]], claims=lambda _: of_website(1))
    assert [each["rows"] for each in output.delivered] == [1, 2]


def test_a_claim_of_the_whole_stream() -> None:
    answers = [[order(1, lines=[{"order_id": "o1"}, {"order_id": "o1"}])]]
    assert run(answers, claims=of_everything).delivered == [
        {"stream": "lines", "where": {}, "rows": 2}
    ]


def test_a_range_of_days_includes_its_first_day_and_not_its_end() -> None:
    moments = [
        "2026-10-31T23:59:59.9Z",
        "2026-11-01T00:00:00Z",
        "2026-11-01T00:00:00.5Z",
        "2026-11-30T23:59:59.999Z",
        "2026-12-01T00:00:00Z",
        None,
    ]
    rows = [order(number, moment=moment) for number, moment in enumerate(moments)]
    where = {"moment": NOVEMBER, "website": 1}
    output = run([rows], closing=lambda _: [Claim("orders", where)])
    assert output.delivered == [
        {"stream": "orders", "where": {"moment": IN_NOVEMBER, "website": 1}, "rows": 3}
    ]


@pytest.mark.parametrize("broken", [UnitError("returned 500", status=500), [UnitError("page 2")]])
def test_a_unit_with_an_error_makes_no_claim(broken: Any) -> None:
    output = run([broken, [order(1, website=2)]], claims=of_website)
    assert [each["where"] for each in output.delivered] == [{"website": 2}]


def test_closing_claims_depend_on_failed_units() -> None:
    def closing(walk: Walk) -> Iterable[Claim]:
        return [] if walk.has_failures else [Claim("orders")]

    assert run([[order(1)]], closing=closing).delivered[0]["rows"] == 1
    assert run([[order(1)], UnitError("no", status=404)], closing=closing).delivered == []


def test_a_stream_that_is_not_selected_makes_no_claim() -> None:
    assert run([[order(1)]], claims=of_website, streams=["lines"]).delivered == []


def test_a_column_that_the_schema_does_not_announce_is_an_error() -> None:
    with pytest.raises(ValueError, match="x-claims"):
        run([[order(1)]], claims=lambda _: [Claim("orders", {"order_id": "o1"})])


def test_personal_data_in_a_claim_is_masked_like_that_of_records() -> None:
    rows = [order(1, email="Jane@Example.com"), order(2, email="joe@example.com")]
    claim = Claim("orders", {"email": "jane@example.com"})
    output = run([rows], claims=lambda _: [claim], pii="hash", pii_key=KEY)
    (found,) = output.delivered
    assert found["where"] == {"email": output.rows("orders")[0]["email"]}
    assert found["rows"] == 1


def test_a_claim_on_data_that_is_dropped_is_not_made() -> None:
    claim = Claim("orders", {"email": "jane@example.com"})
    assert run([[order(1)]], claims=lambda _: [claim], pii="drop", pii_key=KEY).delivered == []


@pytest.mark.parametrize(
    "maps",
    [
        {"orders": {"__filter__": "website == 1"}},
        {"orders": {"__alias__": "sales"}},
        {"orders": {"website": "website + 1"}},
        {"orders": {"moment": None}},
        {"orders": {"order_id": "order_id + 'x'"}},
        {"orders": {"website": "website", "order_id": "order_id", "__else__": None}},
        {"orders": {"__key_properties__": ["order_id"]}},
        {"copy": {"__source__": "orders", "website": "website + 1"}},
    ],
)
def test_stream_maps_that_touch_the_scope_end_claims_with_one_warning(
    maps: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    output = run([[order(1)], [order(2)]], claims=of_website, stream_maps=maps)
    assert output.delivered == []
    assert len([each for each in caplog.messages if "vanish" in each]) == 1
    announced = [each for each in output.of("SCHEMA") if "x-claims" in each["schema"]]
    assert {each["stream"] for each in announced} == {"lines"}


def test_stream_maps_of_other_columns_leave_claims() -> None:
    maps = {"orders": {"twice": "website + website"}}
    output = run([[order(1)]], claims=of_website, stream_maps=maps)
    assert output.delivered[0]["rows"] == 1
    (row,) = output.rows("orders")
    assert row["twice"] == 2 * row["website"]


def test_a_column_of_the_scope_that_is_not_selected_ends_claims() -> None:
    assert run([[order(1)]], claims=of_website, without=["moment"]).delivered == []


def test_counts_of_many_scopes_are_exact() -> None:
    written = Written(("customer",), ())
    for number in range(30_000):
        written.add({"customer": number % 15_000})
    assert written.count({"customer": 7}) == 2
    assert written.count({"customer": 15_000}) == 0
    assert written.count({}) == 30_000


def test_values_of_other_types_and_null_are_never_inside_a_claim() -> None:
    written = Written(("a", "day"), ("day",))
    for value in (None, "", 2**70, "1"):
        written.add({"a": value, "day": "2026-11-05"})
    assert written.count({"a": ""}) == 1
    assert written.count({"a": 2**70}) == 1
    assert written.count({"day": NOVEMBER}) == 4
