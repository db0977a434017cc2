from __future__ import annotations

import hashlib
from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
import requests

from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.exact_json import decode
from attribution_elt.sandbox.ignite.people import emails

TODAY = date(2026, 3, 31)  # of the fixture


def get(sandbox: Sandbox, path: str, website: int = 0, /, **query: str | None) -> requests.Response:
    site = sandbox.ignite.websites[website]
    return requests.get(
        f"{sandbox.ignite.url}/{path}",
        params={"token": site.token, "secret": site.secret, **query},
        timeout=10,
    )


def rows(sandbox: Sandbox, path: str, website: int = 0, /, **query: str) -> Any:
    answer = get(sandbox, path, website, **query)
    assert answer.status_code == 200
    return decode(answer.content)


def days_ago(days: int) -> date:
    return TODAY - timedelta(days)


def ids(listed: list[dict[str, Any]]) -> set[int]:
    return {row["id"] for row in listed}


PRODUCT = (
    '{"url":"<https://www.website.com/inventory/'
    'new-2022-honda-hr-v-lx-fwd-sport-utility-3czru5h3xnm705748/>",'
    '"title":"New 2022 Honda HR-V LX Sport Utility #NM705748","item_condition":"NEW",'
    '"color":"PLATINUM","created_at":"2021-10-03T17:14:07.480Z",'
    '"updated_at":"2021-10-04T13:36:32.331Z","year":"2022","make":"Honda","model":"HR-V",'
    '"trim":"LX","stock":"NM705748","vin":"3CZRU5H3XNM705748",'
    '"feature_image_url":"<https://image-host/imageurl.png>"}'
)
LOCATION = (
    '{"id":59378,"latitude":35.783336,"longitude":-78.848969,"street":"406 Daylin Dr",'
    '"city":"Cary","state":"nc","zip":"27519","resident":"JON SNOW"'
)
DETAILS = (
    f'{LOCATION},"hashed_emails":["1ca81507aa511c9501c24cdea61e06",'
    '"4f19af40f5ba74309b1dc0e594aa8d"],"summary":{"visit_last":"2021-04-29T14:41:32.000Z",'
    '"visit_first":"2021-03-08T19:42:52.000Z","session_count":7,"traffic_score":108,'
    '"page_view_count":23,"top_topic_segments":"NEW",'
    '"top_product_segment":"NEW HONDA ACCORD SEDAN","traffic_score_stars":4.5},"pages":[]}'
)
AUDIENCES = (
    '{"id":4922,"primary_category":"USED","brand":"MERCEDES-BENZ","model":"C-CLASS",'
    '"visitors_count":123},{"id":18687,"primary_category":"USED","brand":"KIA","model":"RIO5",'
    '"visitors_count":2}'
)
GROUP = (
    '{"id":15,"label":"Used Model Visitors","primary_categories":["USED"],"brands":[],'
    '"models":[],"visitors_count":106931}'
)
MEMBERS = (
    '["28d8dfd2afe8c09ab1f99920e4026b8","4f8d58443835f3e0ac4d7eee3c58647",'
    '"47433718fd101c960807c2b2e6a10f4"]'
)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("products", f"[{PRODUCT}]"),
        ("locations", f"[{LOCATION}}}]"),
        ("locations/59378", DETAILS),
        ("audiences", f"[{AUDIENCES}]"),
        ("audiences/4922", MEMBERS),
        ("audience_groups", f"[{GROUP}]"),
        ("audience_groups/15", MEMBERS),
        ("sales", '{"sales":[],"matched_sales":[]}'),
    ],
)
def test_documented_samples(sandbox: Sandbox, path: str, text: str) -> None:
    sizes = sandbox.ignite.sizes
    sizes.products = sizes.locations = sizes.audiences = sizes.audience_groups = sizes.sales = 0
    assert get(sandbox, path).text == text
    elsewhere = get(sandbox, path, 1)
    if "/" in path:
        assert elsewhere.status_code == 404
    else:
        assert elsewhere.json() in ([], {"sales": [], "matched_sales": []})


@pytest.mark.parametrize("website", [0, 1])
def test_responses_are_the_truth(sandbox: Sandbox, website: int) -> None:
    site = sandbox.ignite.websites[website]
    since = days_ago(10)
    query = {"date": str(since), "algo": "sha1"}
    assert rows(sandbox, "visitors", website, **query) == site.visitors(since, "sha1")
    assert rows(sandbox, "products", website, **query) == site.products(since)
    assert rows(sandbox, "locations", website, **query) == site.locations(since)
    assert rows(sandbox, "audiences", website) == site.listed("audiences")
    assert rows(sandbox, "audience_groups", website) == site.listed("audience_groups")
    assert rows(sandbox, "sales", website) == site.sales()
    for number in ids(site.locations(since)):
        assert rows(sandbox, f"locations/{number}", website) == site.location(number)
    for number in ids(site.listed("audiences")):
        found = rows(sandbox, f"audiences/{number}", website, **query)
        assert found == site.members("audiences", number, since, "sha1")
    for number in ids(site.listed("audience_groups")):
        found = rows(sandbox, f"audience_groups/{number}", website, **query)
        assert found == site.members("audience_groups", number, since, "sha1")


def test_truth_has_the_default_lookback(sandbox: Sandbox) -> None:
    first, second = sandbox.ignite.truth().values()
    assert first["visitors"] == rows(sandbox, "visitors")
    assert second["products"] == rows(sandbox, "products", 1)
    assert ids(second["location_details"]) == ids(second["locations"])
    number, members = list(second["audience_members"].items())[3]
    assert members == rows(sandbox, f"audiences/{number}", 1)
    control = requests.get(f"{sandbox.url}/_sandbox/truth/ignite", timeout=10)
    assert decode(control.content) == sandbox.ignite.truth()


def test_lookback(sandbox: Sandbox) -> None:
    def seen(since: date) -> set[str]:
        return set(rows(sandbox, "visitors", date=str(since)))

    default = set(rows(sandbox, "visitors"))
    assert seen(days_ago(0)) < seen(days_ago(5)) < seen(days_ago(30)) < seen(days_ago(60))
    assert seen(days_ago(30)) == default
    assert seen(days_ago(61)) == seen(days_ago(4000)) == default
    assert default < seen(days_ago(60)) < set(sandbox.ignite.websites[0].visitors(days_ago(200)))
    assert seen(days_ago(-1)) == set()
    assert rows(sandbox, "locations", date="2020-01-20") == rows(sandbox, "locations")
    assert len(rows(sandbox, "products", date=str(days_ago(1)))) < len(rows(sandbox, "products"))


def test_lookback_includes_visits_on_its_first_day(sandbox: Sandbox) -> None:
    listed = ids(rows(sandbox, "locations", 1, date=str(days_ago(60))))
    last_visits = {
        number: rows(sandbox, f"locations/{number}", 1)["summary"]["visit_last"][:10]
        for number in listed
    }
    for since in {*last_visits.values(), str(TODAY)}:
        expected = {number for number, last in last_visits.items() if last >= since}
        assert ids(rows(sandbox, "locations", 1, date=since)) == expected


def test_hashes(sandbox: Sandbox) -> None:
    known = [email for number in range(200) for email in emails(number, "website_2")]
    assert {len(emails(number, "website_2")) for number in range(10)} == {0, 1, 2}
    for algorithm, make in (("md5", hashlib.md5), ("sha1", hashlib.sha1), ("sha2", hashlib.sha256)):
        hashes = {make(email.encode()).hexdigest() for email in known}
        found = rows(sandbox, "visitors", 1, algo=algorithm)
        assert set(found) < hashes
        assert len(set(found)) == len(found) > 50
    assert rows(sandbox, "visitors") == rows(sandbox, "visitors", algo="md5")


@pytest.mark.parametrize("path", ["visitors", "audiences", "locations/59378", "audience_groups/15"])
def test_credentials(sandbox: Sandbox, path: str) -> None:
    other = sandbox.ignite.websites[1]
    for wrong in (
        {"token": None},
        {"secret": None},
        {"secret": ""},
        {"token": other.token},
        {"secret": other.secret},
    ):
        assert get(sandbox, path, **wrong).status_code == 401


def test_sales_require_the_token_only(sandbox: Sandbox) -> None:
    assert get(sandbox, "sales", secret=None).content == get(sandbox, "sales").content
    assert get(sandbox, "sales", secret="wrong").status_code == 401
    assert get(sandbox, "sales", token=None).status_code == 401


@pytest.mark.parametrize("path", ["visitors", "products", "locations", "audiences/4922"])
@pytest.mark.parametrize("text", ["", "2026-02-30", "2026-3-1", "yesterday", "20260301"])
def test_bad_dates(sandbox: Sandbox, path: str, text: str) -> None:
    assert get(sandbox, path, date=text).status_code == 400


def test_bad_algorithm(sandbox: Sandbox) -> None:
    assert get(sandbox, "visitors", algo="sha256").status_code == 400


def test_audiences_and_groups_are_numbered_apart(sandbox: Sandbox) -> None:
    both = ids(rows(sandbox, "audiences", 1)) & ids(rows(sandbox, "audience_groups", 1))
    assert both
    for number in both:
        members = rows(sandbox, f"audiences/{number}", 1)
        assert members != rows(sandbox, f"audience_groups/{number}", 1)
    for path in ("audience_groups/4922", "audiences/15", "locations/1", "audiences/x"):
        assert get(sandbox, path).status_code == 404


def test_sales_are_of_many_shapes(sandbox: Sandbox) -> None:
    sales, matched = rows(sandbox, "sales").values()
    equal = Counter(map(str, sales))
    nameless = [row for row in sales if "id" not in row and "sale_id" not in row]
    assert any("id" in row for row in sales)
    assert any("sale_id" in row for row in sales)
    assert {equal[str(row)] for row in nameless} == {1, 2}
    assert {count for row, count in equal.items() if "id'" in row} == {1}
    assert 0 < len(matched) < len(sales)


def test_variety(sandbox: Sandbox) -> None:
    sandbox.ignite.sizes.audiences = 100
    products, locations = rows(sandbox, "products", 1), rows(sandbox, "locations", 1)
    details = [rows(sandbox, f"locations/{number}", 1) for number in ids(locations)]
    assert all(
        product["url"][:9] == "<https://" and product["url"][-1] == ">" for product in products
    )
    assert all(isinstance(product["year"], str) for product in products)
    for name in ("trim", "vin", "color", "feature_image_url"):
        assert 0 < sum(product[name] is None for product in products) < len(products)
    assert {location["zip"][0] == "0" for location in locations} == {True, False}
    assert {len(detail["hashed_emails"]) for detail in details} >= {0, 1, 2}
    assert any(detail["pages"] for detail in details)
    members = [
        (row["visitors_count"], len(rows(sandbox, f"audiences/{row['id']}", 1)))
        for row in rows(sandbox, "audiences", 1)
    ]
    assert any(count == 0 for _, count in members)
    assert any(reported < count for reported, count in members)
    assert any(reported > count for reported, count in members)


def test_websites_have_different_data(sandbox: Sandbox) -> None:
    sandbox.ignite.website_count = 3
    first, second, third = sandbox.ignite.truth().values()
    for name in ("visitors", "products", "locations", "sales"):
        assert first[name] != second[name] != third[name]
    assert set(second["visitors"]) & set(third["visitors"]), "some people visit both"
    assert set(second["audience_members"]) & set(third["audience_members"]), "numbered alike"


def test_ids_may_vanish_before_their_details(sandbox: Sandbox) -> None:
    sandbox.ignite.sizes.vanishing_share = 0.3
    site = sandbox.ignite.websites[1]
    listed = ids(rows(sandbox, "audiences", 1))
    gone = {n for n in listed if get(sandbox, f"audiences/{n}", 1).status_code == 404}
    assert gone == {n for n in listed if site.members("audiences", n, TODAY) is None}
    assert 0 < len(gone) < len(listed)
    assert any(site.location(n) is None for n in ids(rows(sandbox, "locations", 1)))


def test_opt_outs(sandbox: Sandbox) -> None:
    url = f"{sandbox.url}/ignite/opt_outs/new"
    site = sandbox.ignite.websites[1]

    def post(emails: str | None, token: str = site.token) -> requests.Response:
        return requests.post(url, params={"token": token, "emails": emails}, timeout=10)

    assert post("test@domain.com").text == "{}"
    assert post('["a+b@example.com", "ü@example.com"]').status_code == 200
    assert site.opt_outs == ["test@domain.com", "a+b@example.com", "ü@example.com"]
    for bad in (None, "", "[", "[]", "[1]"):
        assert post(bad).status_code == 400
    assert post("test@domain.com", token="wrong").status_code == 401
    assert requests.get(url, timeout=10).status_code == 405


def test_data_changes_as_days_pass(sandbox: Sandbox) -> None:
    site = sandbox.ignite.websites[1]
    yesterday = set(site.visitors(days_ago(1)))
    audiences, sales = ids(site.listed("audiences")), site.sales()
    locations = {row["id"]: site.location(row["id"]) for row in site.locations(days_ago(60))}
    sandbox.advance(days=15)
    today = set(rows(sandbox, "visitors", 1, date=str(sandbox.clock.today - timedelta(1))))
    assert yesterday - today
    assert today - yesterday
    now = ids(rows(sandbox, "audiences", 1))
    assert len(now) == len(audiences)
    assert now - audiences
    for number in audiences:
        status = get(sandbox, f"audiences/{number}", 1).status_code
        assert status == (200 if number in now else 404)
    later = {number: site.location(number) for number in locations}
    assert any(later[number] != location for number, location in locations.items())
    assert ids(site.locations(days_ago(60))) - locations.keys(), "new ones"
    assert len(site.sales()["sales"]) > len(sales["sales"])
    assert len(site.sales()["matched_sales"]) > len(sales["matched_sales"])


def test_days_simulated_singly_or_together_give_equal_data(sandbox: Sandbox) -> None:
    with Sandbox(seed=sandbox.seed, today=sandbox.clock.today) as other:
        for _ in range(5):
            other.ignite.truth()
            other.advance()
        sandbox.advance(days=5)
        assert other.ignite.truth() == sandbox.ignite.truth()


def test_other_seed_other_data(sandbox: Sandbox) -> None:
    assert Sandbox(seed=8, today=TODAY).ignite.truth() != sandbox.ignite.truth()


def test_credentials_are_not_recorded(sandbox: Sandbox) -> None:
    get(sandbox, "visitors", 1)
    (recorded,) = sandbox.ignite.requests
    assert recorded.query == {"token": ["{website_2_token}"], "secret": ["{website_2_secret}"]}


def test_settings(sandbox: Sandbox) -> None:
    sandbox.ignite.chunked = True
    sandbox.ignite.extra = {"dealer": 7}
    sandbox.ignite.sizes.audiences = 2000
    answer = get(sandbox, "audiences", 1)
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert len(answer.json()) == len(ids(answer.json())) == 2000
    assert {row["dealer"] for row in answer.json()} == {7}
    assert rows(sandbox, "sales")["sales"][0]["dealer"] == 7
    assert rows(sandbox, "locations/59378")["dealer"] == 7
