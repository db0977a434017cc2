"""Settings for behaviour that the vendors' documents leave open or contradict themselves on."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
import requests

from attribution_elt.sandbox import Sandbox

ORDERS = "/reports/attribution/orders?startDate=2026-03-01&endDate=2026-03-07"


def report(sandbox: Sandbox, path: str = ORDERS) -> requests.Response:
    headers = {"x-api-key": sandbox.ecdp.api_key}
    return requests.get(sandbox.ecdp.url + path, headers=headers, timeout=10)


def client(sandbox: Sandbox, method: str, **body: Any) -> requests.Response:
    vendor = sandbox.adtraction
    headers = {"X-Token": vendor.client_token}
    return requests.request(
        method, f"{vendor.url}/client/channels/", json=body, headers=headers, timeout=10
    )


def partner(sandbox: Sandbox, path: str, **body: Any) -> requests.Response:
    vendor = sandbox.adtraction
    headers = {"X-Token": vendor.partner_token}
    method = "POST" if body else "GET"
    return requests.request(
        method, f"{vendor.url}/partner/{path}", json=body or None, headers=headers, timeout=10
    )


def test_connections_may_close_after_each_response(sandbox: Sandbox) -> None:
    """Adtraction's samples have `Connection: close`."""
    assert "Connection" not in report(sandbox).headers
    sandbox.ecdp.keeps_alive = False
    with requests.Session() as session:
        answers = [
            session.get(
                sandbox.ecdp.url + ORDERS, headers={"x-api-key": sandbox.ecdp.api_key}, timeout=10
            )
            for _ in range(2)
        ]
    assert {answer.headers["Connection"] for answer in answers} == {"close"}
    assert answers[0].content == answers[1].content


@pytest.mark.parametrize("chunked", [False, True])
def test_responses_may_be_compressed(sandbox: Sandbox, chunked: bool) -> None:
    plain = report(sandbox)
    sandbox.ecdp.compressed = True
    sandbox.ecdp.chunked = chunked
    packed = report(sandbox)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.content == plain.content
    if not chunked:
        assert int(packed.headers["Content-Length"]) < len(plain.content)
    assert report(sandbox, ORDERS.replace("2026", "1999")).status_code == 204


def test_lists_may_have_any_order(sandbox: Sandbox) -> None:
    sorted_rows = report(sandbox).json()["data"]
    sandbox.ecdp.shuffled = True
    rows = report(sandbox).json()["data"]
    assert rows != sorted_rows
    assert sorted(map(str, rows)) == sorted(map(str, sorted_rows))


def test_empty_reports_may_be_a_list(sandbox: Sandbox) -> None:
    sandbox.ecdp.empty_as = "list"
    answer = report(sandbox, ORDERS.replace("2026", "1999"))
    assert (answer.status_code, answer.json()) == (200, {"data": []})


def test_channels_may_come_in_pages(sandbox: Sandbox) -> None:
    every = client(sandbox, "POST").json()
    sandbox.adtraction.page_size = 5
    pages = [client(sandbox, "POST", page=page).json() for page in range(3)]
    assert [row for page in pages for row in page["data"]] == every
    assert {(page["count"], page["pageSize"]) for page in pages} == {(len(every), 5)}
    assert [page["page"] for page in pages] == [0, 1, 2]


def test_empty_lists_may_be_in_an_envelope(sandbox: Sandbox) -> None:
    sandbox.adtraction.empty_as = "envelope"
    assert partner(sandbox, "programs/", market="PT").json() == {"programs": []}
    assert partner(sandbox, "products/feedinfo/1/2/").json() == {"feeds": []}


def test_some_feeds_may_be_in_feedinfo_only(sandbox: Sandbox) -> None:
    vendor = sandbox.adtraction
    channel = vendor.channel_ids[0]
    program = vendor.programs("SE", channel)[0]
    (feed,) = program["feeds"]
    vendor.unlisted_feeds = {feed["feedId"]}
    assert vendor.programs("SE", channel)[0]["feeds"] == []
    path = f"products/feedinfo/{program['programId']}/{channel}/"
    assert [row["feedId"] for row in partner(sandbox, path).json()] == [feed["feedId"]]


def test_a_refusal_may_contain_the_time_until_reset(sandbox: Sandbox) -> None:
    sandbox.adtraction.quota.limits = {"channels": 0}
    sandbox.adtraction.quota.message = "seconds"
    assert client(sandbox, "POST").json()["message"].endswith("Time until reset: 60 seconds")


def test_details_of_groups_may_be_missing(sandbox: Sandbox) -> None:
    site = sandbox.ignite.websites[0]
    number = site.listed("audience_groups")[0]["id"]

    def status(kind: str) -> int:
        query = {"token": site.token, "secret": site.secret}
        return requests.get(
            f"{sandbox.ignite.url}/{kind}/{number}", params=query, timeout=10
        ).status_code

    assert status("audience_groups") == 200
    sandbox.ignite.group_details = False
    assert status("audience_groups") == 404


def test_opt_outs_may_be_a_web_form(sandbox: Sandbox) -> None:
    site = sandbox.ignite.websites[0]
    form = {"token": site.token, "emails": "test@domain.com"}
    url = f"{sandbox.ignite.opt_out_url}/opt_outs/new"
    assert requests.post(url, data=form, timeout=10).json() == {}
    assert site.opt_outs == ["test@domain.com"]


def test_events_may_be_attributed_by_two_models(sandbox: Sandbox) -> None:
    sandbox.attribution_io.all_models = True
    numbers: Counter[int] = Counter()
    for customer in sandbox.attribution_io.truth()[1:]:
        for event in customer["events"]:
            outputs = event["attribution_model_outputs"]
            numbers.update(output["id"] for output in outputs)
            by_model: Counter[str] = Counter()
            for output in outputs:
                by_model[output["attribution_model_name"]] += output["weight"]
            sums = {name: round(total, 6) for name, total in by_model.items()}
            assert sums in ({}, {"Linear": 100, "Time Decay": 100})
    assert set(numbers.values()) == {1}


def test_summaries_may_have_several_entries_of_a_source(sandbox: Sandbox) -> None:
    def entries() -> list[Counter[tuple[int, int]]]:
        return [
            Counter((entry["medium_id"], entry["source_id"]) for entry in value)
            for customer in sandbox.attribution_io.truth()
            for name, value in customer["summary"].items()
            if name.endswith("_attrib")
        ]

    assert {times for counts in entries() for times in counts.values()} == {1}
    sandbox.attribution_io.split_attributions = True
    assert max(times for counts in entries() for times in counts.values()) > 1


def test_sums_of_ihc_may_differ_by_rounding(sandbox: Sandbox) -> None:
    def sums() -> set[Decimal]:
        found: dict[str, Decimal] = {}
        for row in sandbox.ihc.credits_of(sandbox.ihc.sessions()):
            found[row["conversion_id"]] = found.get(row["conversion_id"], Decimal()) + row["ihc"]
        return set(found.values())

    assert sums() == {Decimal(1)}
    sandbox.ihc.exact_sums = False
    rounded = sums()
    assert len(rounded) > 1
    assert all(abs(each - 1) < Decimal("0.01") for each in rounded)
