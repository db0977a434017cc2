"""The requests that the tap sends."""

from __future__ import annotations

import itertools

import pytest

from attribution_elt.sandbox.attribution_io import AttributionIo
from tests.taps.tap_attribution_io.helpers import (
    KEYS,
    matches_truth,
    only,
    requested_ids,
    run_here,
    settings,
)

FLAGS = {
    "events": "show_events",
    "event_attributions": "show_events",
    "pageviews": "show_pageviews",
    "touchpoints": "show_touchpoints",
    "identities": "show_identities",
}
AWKWARD = [
    "a/b",
    "a+b@example.com",
    "100%",
    "%41",
    "%2F",
    "a b",
    "a&show_all=true",
    "a?b#c",
    "a;b=c,d",
    "Łódź 名前",
    "a\\b",
    "~._-",
    "'\"<>",
    "a\tb",
    "//",
    "....",
]


@pytest.mark.parametrize("count", range(len(FLAGS) + 1))
def test_every_subset_of_streams_is_requested_with_just_its_flags(
    vendor: AttributionIo, count: int
) -> None:
    config = settings(vendor, customer_ids=["MrSmith"])
    others = itertools.cycle([(), *itertools.combinations(sorted(KEYS.keys() - FLAGS.keys()), 2)])
    for flagged in itertools.combinations(FLAGS, count):
        streams = (*flagged, *next(others))
        vendor.requests.clear()
        output = run_here(config, catalog=only(config, *streams))
        assert {message["stream"] for message in output.of("RECORD")} == set(streams)
        flags = {FLAGS[stream] for stream in streams if stream in FLAGS}
        assert [request.query for request in vendor.requests] == [
            {"secret": ["{secret}"]} | {flag: ["true"] for flag in flags}
        ] * bool(streams)


def test_selected_streams_have_all_their_rows(vendor: AttributionIo) -> None:
    config = settings(vendor)
    for streams in (("customers",), ("pageviews", "identities"), ("customer_event_counts",)):
        assert matches_truth(
            vendor, run_here(config, catalog=only(config, *streams)), streams=streams
        )


def test_special_characters_of_ids_arrive_unchanged(vendor: AttributionIo) -> None:
    run_here(settings(vendor, customer_ids=AWKWARD))
    assert sorted(requested_ids(vendor)) == sorted(AWKWARD)
    for request in vendor.requests:
        assert request.query.keys() == {"secret", *FLAGS.values()}


def test_every_kind_of_id_of_the_sandbox_is_found(vendor: AttributionIo) -> None:
    assert run_here(settings(vendor)).code == 0
    assert {request.status for request in vendor.requests} == {200}
    assert all(any(sign in id_ for id_ in requested_ids(vendor)) for sign in "/+@% ?#ëŁ名")


def test_a_base_url_may_end_with_a_slash(vendor: AttributionIo) -> None:
    assert matches_truth(vendor, run_here(settings(vendor, api_url=f"{vendor.url}/")))


def test_the_order_of_the_ids_changes_no_byte_of_the_rows(vendor: AttributionIo) -> None:
    forward = run_here(settings(vendor))
    backward = run_here(settings(vendor, customer_ids=vendor.client_ids[::-1]))
    assert forward.of("RECORD") == backward.of("RECORD")
