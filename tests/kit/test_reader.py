"""The reader, on a vendor without a network."""

from __future__ import annotations

from typing import Any

import pytest

from attribution_elt.kit.errors import (
    CredentialsError,
    OverloadedError,
    UnitError,
    UnreachableError,
)
from tests.kit.shop import SHOP, order, run


def test_one_response_feeds_several_streams_and_a_unit_ends_with_a_state() -> None:
    output = run([[order(1, lines=[{"order_id": "o1"}])], [order(2)]])
    kinds = [each["type"] for each in output.messages]
    assert kinds[:7] == ["SCHEMA", "SCHEMA", "RECORD", "RECORD", "STATE", "RECORD", "STATE"]
    assert output.rows("lines") == [{"order_id": "o1", "number": 1, "_extra": None}]
    assert output.state["bookmarks"]["orders"]["units"] == {"1": "2026-01-01", "2": "2026-01-01"}


def test_the_log_counts_each_record_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    run([[order(1, lines=[{"order_id": "o1"}])], [order(2)]])
    assert [each for each in caplog.messages if each.endswith("2 of 2 units, 3 records")]


def test_records_are_in_the_order_of_units_and_not_of_responses() -> None:
    output = run([[order(number)] for number in range(50)], max_concurrent_requests=8)
    assert [each["order_id"] for each in output.rows("orders")] == [f"o{n}" for n in range(50)]
    assert SHOP.completed == list(range(1, 51))


def test_a_failed_unit_is_reported_and_does_not_stop_others() -> None:
    output = run([[order(1)], UnitError("returned 404", status=404), [order(3)]])
    assert output.error is None
    assert [str(each) for each in output.tap.run.failures] == ["returned 404"]
    assert output.tap.run.failures[0].streams == ("lines", "orders")
    assert SHOP.completed == [1, 3]
    assert SHOP.failed == [2]
    assert len(output.rows("orders")) == 2


@pytest.mark.parametrize("error", [CredentialsError("returned 401"), UnreachableError("refused")])
def test_an_error_that_concerns_every_request_ends_the_run(error: UnitError) -> None:
    output = run([[order(1)], error, [order(3)]])
    assert output.error is error
    assert SHOP.completed == [1]


def test_a_vendor_that_is_down_gets_no_more_requests_of_the_reader() -> None:
    output = run([OverloadedError("returned 500", status=500) for _ in range(30)])
    assert output.error is None
    assert len(SHOP.failed) == 20
    last = output.tap.run.failures[-1]
    assert str(last) == "lines, orders: gave up after 20 failures in a row"
    assert not any(each.get("complete") for each in output.of("STATE"))


def test_refusals_of_single_units_do_not_count_as_an_outage() -> None:
    output = run([UnitError("returned 404", status=404) for _ in range(30)])
    assert output.error is None
    assert len(SHOP.failed) == 30


@pytest.mark.parametrize(
    "error", [RecursionError("deep"), ValueError("Integer value out of range"), UnitError("page 2")]
)
def test_a_response_that_fails_while_it_is_written_fails_only_its_unit(error: Any) -> None:
    output = run([[order(1), error], [order(2)]], claims=lambda _: ())
    assert SHOP.failed == [1]
    assert SHOP.completed == [2]
    assert len(output.rows("orders")) == 2
    assert output.state["bookmarks"]["orders"]["units"] == {"2": "2026-01-01"}


def test_only_selected_streams_are_written() -> None:
    output = run([[order(1, lines=[{"order_id": "o1"}])]], streams=["lines"])
    assert {each["stream"] for each in output.of("SCHEMA")} == {"lines"}
    assert output.rows("orders") == []
    assert len(output.rows("lines")) == 1


def test_the_last_state_of_a_complete_run_reports_its_end() -> None:
    output = run([[order(1)]])
    assert [each.get("complete") for each in output.of("STATE")] == [None, True]
    assert output.of("STATE")[0]["value"] == output.of("STATE")[1]["value"]


@pytest.mark.parametrize(
    "answers", [[[order(1)], UnitError("returned 404", status=404)], [CredentialsError("no")]]
)
def test_a_run_with_a_failure_is_not_complete(answers: list[Any]) -> None:
    output = run(answers)
    assert not any(each.get("complete") for each in output.of("STATE"))


def test_a_run_without_a_selected_stream_warns(caplog: pytest.LogCaptureFixture) -> None:
    output = run([[order(1)]], streams=[])
    assert output.messages == []
    assert "no stream is selected" in caplog.text


def test_rows_without_a_key_get_a_stand_in(caplog: pytest.LogCaptureFixture) -> None:
    rows: list[Any] = [{"order_id": "o1"}, {"website": 1}, {"website": 1}, {"website": 1, "a": 2}]
    output = run([[*rows, {"order_id": {"odd": 1}, "website": 2}]])
    first, second, same, other, odd = output.rows("orders")
    assert first["website"] == 0
    assert second["order_id"].startswith("sha256:")
    assert len(second["order_id"]) == len("sha256:") + 64
    assert second["order_id"] == same["order_id"]
    assert second["order_id"] != other["order_id"]
    assert odd["order_id"].startswith("sha256:")
    assert odd["_extra"] == {"order_id": {"odd": 1}}
    assert output.tap.run.failures == []
    assert SHOP.completed == [1]
    warned = [each for each in caplog.messages if "fills it in" in each]
    assert len(warned) == 2


def test_a_missing_number_of_a_key_becomes_a_negative_one() -> None:
    lines = [{"order_id": "o1", "text": "a"}, {"order_id": "o1", "text": "b"}]
    output = run([[order(1, lines=lines)]], numbered=False)
    numbers = [each["number"] for each in output.rows("lines")]
    assert len(set(numbers)) == 2
    assert all(-(2**62) <= number < 0 for number in numbers)
