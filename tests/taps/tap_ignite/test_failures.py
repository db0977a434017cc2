"""A failed unit affects no other one, is reported in a line, and is requested again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tap_ignite.snapshot import FailedDetails

from attribution_elt.sandbox import Fault, Request, Sandbox
from tests.tap_process import Output, lists_in, merged
from tests.taps.tap_ignite.helpers import (
    KEYS,
    days_ago,
    expected,
    marks,
    matches_truth,
    only,
    requests,
    run,
    run_here,
    settings,
)

MEMBERS = "audience_members"
GARBAGE = ("", "null", "[", "{}", '"x"', '{"error":"busy"}', "<html></html>")


def break_path(sandbox: Sandbox, path: str, status: int, website: int | None = None) -> None:
    """Replace the response to every request for a path, at one website or at all."""
    token = "" if website is None else sandbox.ignite.websites[website].token

    def matches(request: Request) -> bool:
        return request.path == f"/api/{path}" and token in request.target

    sandbox.ignite.faults.add(Fault("status", status=status, times=None, match=matches))


def wrong(sandbox: Sandbox, number: int) -> dict[str, Any]:
    """Return settings in which the secret of one website is wrong."""
    config = settings(sandbox)
    config["websites"][number]["secret"] = "not-the-secret"
    return config


def all_but(output: Output, sandbox: Sandbox, number: int, stream: str, *ids: int) -> bool:
    """Return whether only the details of some ids are missing of a website."""
    site = sandbox.ignite.websites[number]
    for name, rows in expected(site, days_ago(sandbox, 30)).items():
        found = {key: row for key, row in output.rows(name).items() if key[0] == site.name}
        wanted = {key: row for key, row in rows.items() if name != stream or key[1] not in ids}
        assert found == wanted, name
    return True


def test_wrong_credentials_affect_only_their_website(today: Sandbox, tmp_path: Path) -> None:
    today.ignite.website_count = 3
    output = run(tmp_path, config=wrong(today, 1))
    assert output.code == 1
    (error,) = output.errors
    assert all(word in error for word in ("Ignite", "website_2", "401", "websites"))
    first, second, third = today.ignite.websites
    assert all(matches_truth(output, site, days_ago(today, 30)) for site in (first, third))
    assert not any(key[0] == second.name for name in KEYS for key in output.rows(name))
    for name in KEYS:
        assert set(marks(output.states[-1], name)) == {first.name, third.name}
    refused = [request for request in requests(today) if request.status == 401]
    assert len(refused) == 1, "nothing more is asked with credentials that were refused"


def test_credentials_that_expire_in_the_middle_are_reported_once(sandbox: Sandbox) -> None:
    sandbox.ignite.sizes.audiences = 60
    break_path(sandbox, "audiences/20010", 401, website=1)
    config = settings(sandbox)
    output = run_here(config, catalog=only(config, MEMBERS))
    assert len(output.stderr.splitlines()) == 1
    assert "401" in output.stderr
    assert "website_2" in output.stderr
    assert set(marks(output.states[-1], MEMBERS)) == {"website_1"}
    rows = expected(sandbox.ignite.websites[0], days_ago(sandbox, 30))[MEMBERS]
    assert rows.items() <= output.rows(MEMBERS).items()


def test_a_failed_audience_is_requested_again_by_the_next_run(sandbox: Sandbox) -> None:
    first, second = (row["id"] for row in sandbox.ignite.websites[1].listed("audiences")[3:5])
    break_path(sandbox, f"audiences/{first}", 500, website=1)
    break_path(sandbox, f"audiences/{second}", 404, website=1)
    output = run_here(settings(sandbox))
    assert output.code == 1
    failures = output.stderr.splitlines()
    assert len(failures) == 2
    for id_, status, line in zip((first, second), ("500", "404"), failures, strict=True):
        assert all(word in line for word in ("Ignite", "website_2", f"audiences/{id_}", status))
    assert matches_truth(output, sandbox.ignite.websites[0], days_ago(sandbox, 30))
    assert all_but(output, sandbox, 1, MEMBERS, first, second)
    state = output.states[-1]
    assert marks(state, MEMBERS) == dict.fromkeys(
        ("website_1", "website_2"), str(sandbox.clock.today)
    )
    assert len(json.dumps(state)) < 3000
    assert not lists_in(state)

    sandbox.ignite.faults.clear()
    again = run_here(settings(sandbox), state=state)
    assert again.code == 0
    rows = expected(sandbox.ignite.websites[1], days_ago(sandbox, 30))[MEMBERS]
    assert rows.items() <= again.rows(MEMBERS).items()


def test_a_location_that_failed_is_requested_though_no_list_has_it(sandbox: Sandbox) -> None:
    site = sandbox.ignite.websites[1]
    shown = {row["id"] for row in site.locations(days_ago(sandbox, 1))}
    location = next(
        row["id"] for row in site.locations(days_ago(sandbox, 30)) if row["id"] not in shown
    )
    break_path(sandbox, f"locations/{location}", 500, website=1)
    first = run_here(settings(sandbox))
    assert len(first.stderr.splitlines()) == 1
    sandbox.ignite.faults.clear()
    second = run_here(settings(sandbox), state=first.states[-1])
    assert second.code == 0
    row = second.rows("location_details")[site.name, location]
    assert row == {**expected(site, days_ago(sandbox, 30))["location_details"][site.name, location]}


def test_a_failed_location_that_the_vendor_has_removed_is_forgotten(sandbox: Sandbox) -> None:
    site = sandbox.ignite.websites[1]
    location = site.locations(days_ago(sandbox, 30))[0]["id"]
    break_path(sandbox, f"locations/{location}", 500, website=1)
    config = settings(sandbox, websites=[site])
    first = run_here(config)
    assert str(location) in first.stderr
    sandbox.ignite.faults.clear()
    break_path(sandbox, f"locations/{location}", 404, website=1)
    sandbox.ignite.faults.add(
        Fault("status", status=200, body="[]", match="/locations?", times=None)
    )
    second = run_here(config, state=first.states[-1])
    assert (second.code, second.stderr) == (0, "")
    sandbox.ignite.requests.clear()
    run_here(config, state=merged(first.states[-1], second.states[-1]))
    assert not requests(sandbox, f"locations/{location}")


def test_ids_that_vanish_between_list_and_detail(sandbox: Sandbox) -> None:
    sandbox.ignite.sizes.vanishing_share = 0.3
    output = run_here(settings(sandbox))
    assert output.code == 1
    missing = len(output.stderr.splitlines())
    assert missing > 3
    assert all("404" in line for line in output.stderr.splitlines())
    for site in sandbox.ignite.websites:
        for name, rows in expected(site, days_ago(sandbox, 30)).items():
            assert rows.items() <= output.rows(name).items()
    sandbox.ignite.sizes.vanishing_share = 0
    again = run_here(settings(sandbox), state=output.states[-1])
    assert again.code == 0
    for site in sandbox.ignite.websites:
        rows = expected(site, days_ago(sandbox, 30))[MEMBERS]
        assert rows.keys() <= output.rows(MEMBERS).keys() | again.rows(MEMBERS).keys()


@pytest.mark.parametrize("path", ["visitors", "locations", "audiences", "sales"])
def test_a_list_that_fails_keeps_its_websites_bookmark(sandbox: Sandbox, path: str) -> None:
    streams = {"locations": ("locations", "location_details"), "audiences": ("audiences", MEMBERS)}
    touched = streams.get(path, ("sales", "matched_sales") if path == "sales" else (path,))
    break_path(sandbox, path, 500, website=0)
    output = run_here(settings(sandbox))
    assert output.code == 1
    (failure,) = output.stderr.splitlines()
    assert all(word in failure for word in ("Ignite", "website_1", path, "500"))
    for name in KEYS:
        rows = marks(output.states[-1], name)
        assert set(rows) == {"website_2"} | (set() if name in touched else {"website_1"}), name
    assert matches_truth(output, sandbox.ignite.websites[1], days_ago(sandbox, 30))
    sandbox.ignite.faults.clear()
    again = run_here(settings(sandbox), state=output.states[-1])
    rows = expected(sandbox.ignite.websites[0], days_ago(sandbox, 30))
    for name in set(touched) & rows.keys():
        assert rows[name].items() <= again.rows(name).items()


@pytest.mark.parametrize("streams", [KEYS, [MEMBERS]], ids=["all", "members alone"])
def test_an_entry_without_an_id_does_not_hold_back_the_others(
    sandbox: Sandbox, streams: Iterable[str], caplog: pytest.LogCaptureFixture
) -> None:
    site = sandbox.ignite.websites[1]
    config = settings(sandbox, websites=[site], lookback_days=0)
    catalog = only(config, *streams)
    kept = site.listed("audiences")[3:]
    body = json.dumps([{"brand": "a"}, "text", *kept])
    sandbox.ignite.faults.add(Fault("status", status=200, body=body, match="/audiences?"))
    output = run_here(config, catalog=catalog)
    assert caplog.text.count("audiences: entries without a usable id") == 1
    wanted = expected(site, days_ago(sandbox, 30))[MEMBERS]
    ids = {row["id"] for row in kept}
    assert {key for key in wanted if key[1] in ids} == output.rows(MEMBERS).keys()


def test_with_too_many_failed_locations_the_bookmark_stays(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FailedDetails, "MOST_FAILED", 3)
    locations = sandbox.ignite.websites[1].locations(days_ago(sandbox, 30))
    for row in locations[:4]:
        break_path(sandbox, f"locations/{row['id']}", 500, website=1)
    config = settings(sandbox)
    output = run_here(config, catalog=only(config, "location_details"))
    assert len(output.stderr.splitlines()) == 4
    assert set(marks(output.states[-1], "location_details")) == {"website_1"}
    assert str(locations[0]["id"]) not in json.dumps(output.states[-1])


def test_a_vendor_that_is_down_is_not_requested_each_of_its_units(sandbox: Sandbox) -> None:
    sandbox.ignite.sizes.audiences = 100
    sandbox.ignite.faults.add(Fault("status", status=503, times=None, match="audiences/"))
    config = settings(sandbox, max_retries=1)
    output = run_here(config, catalog=only(config, MEMBERS))
    assert output.code == 1
    assert "in a row" in output.stderr
    assert len(requests(sandbox, "audiences/")) < 50
    assert marks(output.states[-1] if output.states else {}, MEMBERS) == {}


def test_an_endpoint_that_is_down_does_not_stop_the_other_streams(sandbox: Sandbox) -> None:
    sandbox.ignite.sizes.audiences = 100
    sandbox.ignite.faults.add(Fault("status", status=503, times=None, match="audiences/"))
    config = settings(sandbox, max_retries=1)
    output = run_here(config, catalog=only(config, MEMBERS, "sales", "visitors"))
    assert output.code == 1
    assert "audience_members: gave up after 20 failures in a row" in output.stderr
    assert {each["stream"] for each in output.of("RECORD")} == {"sales", "visitors"}


@pytest.mark.parametrize("body", GARBAGE)
@pytest.mark.parametrize(
    ("stream", "path"),
    [
        ("visitors", "visitors"),
        ("locations", "locations"),
        ("location_details", "locations/60002"),
        (MEMBERS, "audiences/20001"),
        ("sales", "sales"),
    ],
)
def test_a_response_of_the_wrong_shape_is_requested_again(
    sandbox: Sandbox, stream: str, path: str, body: str
) -> None:
    config = settings(sandbox, websites=sandbox.ignite.websites[1:])
    catalog = only(config, stream)
    clean = run_here(config, catalog=catalog)
    fault = Fault("status", status=200, body=body, match=f"/{path}?")
    sandbox.ignite.faults.add(fault)
    assert run_here(config, catalog=catalog).stdout == clean.stdout
    sandbox.ignite.faults.add(replace(fault, times=2))
    failed = run_here(config, catalog=catalog)
    assert (failed.code, len(failed.stderr.splitlines())) == (1, 1)
    assert len(failed.records(stream)) < len(clean.records(stream))


@pytest.mark.parametrize(
    ("stream", "path", "reason"),
    [
        ("visitors", "visitors", "the response is not a list"),
        ("location_details", "locations/60002", "the response has no location"),
        ("sales", "sales", "the response has no list of sales"),
    ],
)
def test_an_error_names_what_the_response_lacks(
    sandbox: Sandbox, stream: str, path: str, reason: str
) -> None:
    config = settings(sandbox, websites=sandbox.ignite.websites[1:])
    sandbox.ignite.faults.add(Fault("status", status=200, body="{}", match=f"/{path}?", times=None))
    output = run_here(config, catalog=only(config, stream))
    assert output.code == 1
    assert reason in output.stderr


@pytest.mark.parametrize("kind", ["reset", "close", "truncate", "invalid_json"])
def test_a_broken_connection_is_retried_without_repeating_rows(sandbox: Sandbox, kind: Any) -> None:
    clean = run_here(settings(sandbox))
    sandbox.ignite.chunked = True
    for match in ("/products?", "/audiences/20003?", "/sales?"):
        sandbox.ignite.faults.add(Fault(kind, match=match))
    assert run_here(settings(sandbox)).stdout == clean.stdout
