from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from attribution_elt.sandbox import Sandbox


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(sandbox: Sandbox) -> Clock:
    clock = Clock()
    sandbox.adtraction.quota.clock = clock
    sandbox.adtraction.quota.limit = 5
    return clock


def ask(sandbox: Sandbox, path: str = "programs/commissions/1/2/") -> requests.Response:
    return requests.get(
        f"{sandbox.adtraction.url}/partner/{path}",
        headers={"X-Token": sandbox.adtraction.partner_token},
        timeout=10,
    )


def statuses(sandbox: Sandbox, count: int) -> list[int]:
    return [ask(sandbox).status_code for _ in range(count)]


def remaining(answer: requests.Response) -> int:
    return int(answer.headers["X-RateLimit-Remaining"])


def reset(answer: requests.Response) -> float:
    return int(answer.headers["X-RateLimit-Reset"]) / 1000


def test_limits_of_the_document() -> None:
    with Sandbox() as documented:
        assert ask(documented).headers["X-RateLimit-Limit"] == "30"
        assert 59 < reset(ask(documented)) - time.time() <= 60


def test_over_quota(sandbox: Sandbox) -> None:
    answers = [ask(sandbox) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert [remaining(answer) for answer in answers] == [4, 3, 2, 1, 0, 0]
    assert {answer.headers["X-RateLimit-Limit"] for answer in answers} == {"5"}
    refused = answers[-1].json()
    sent = refused["message"].rpartition("Reset time ")[2]
    assert refused["status"] == 429
    assert len(sent) == 13
    assert int(sent) / 1000 == reset(answers[-1])


def test_each_endpoint_has_its_own_quota(sandbox: Sandbox) -> None:
    sandbox.adtraction.quota.limits["feedinfo"] = 1
    assert statuses(sandbox, 6)[-1] == 429
    path = "products/feedinfo/1/2/"
    assert [ask(sandbox, path).status_code for _ in range(2)] == [200, 429]


def test_fixed_window_starts_afresh(sandbox: Sandbox, clock: Clock) -> None:
    assert statuses(sandbox, 1) == [200]
    clock.now += 59.9
    assert statuses(sandbox, 5) == [200, 200, 200, 200, 429]
    clock.now += 0.1
    assert statuses(sandbox, 6) == [200, 200, 200, 200, 200, 429]


def test_sliding_window_frees_one_by_one(sandbox: Sandbox, clock: Clock) -> None:
    sandbox.adtraction.quota.sliding = True
    assert statuses(sandbox, 1) == [200]
    clock.now += 59.9
    assert statuses(sandbox, 5) == [200, 200, 200, 200, 429]
    clock.now += 0.1
    assert statuses(sandbox, 2) == [200, 429]


def test_window_may_be_shorter(sandbox: Sandbox, clock: Clock) -> None:
    sandbox.adtraction.quota.window = 1.0
    assert 0 < reset(ask(sandbox)) - time.time() < 1.01
    assert statuses(sandbox, 5)[-1] == 429
    clock.now += 1
    assert statuses(sandbox, 1) == [200]


def test_headers_may_be_off(sandbox: Sandbox) -> None:
    sandbox.adtraction.quota.headers = False
    assert not any(name.startswith("X-RateLimit") for name in ask(sandbox).headers)


def test_reset_in_seconds(sandbox: Sandbox) -> None:
    sandbox.adtraction.quota.reset_unit = "s"
    assert abs(int(ask(sandbox).headers["X-RateLimit-Reset"]) - 60 - time.time()) < 5


def test_vendors_clock_may_be_wrong(sandbox: Sandbox) -> None:
    sandbox.adtraction.clock_skew = 600
    assert abs(reset(ask(sandbox)) - 660 - time.time()) < 5


@pytest.mark.parametrize(("comes", "counted"), [("first", [5, 4, 3, 2, 1, 0]), ("between", None)])
def test_another_client(sandbox: Sandbox, comes: Any, counted: list[int] | None) -> None:
    sandbox.adtraction.quota.limit = 10
    sandbox.adtraction.quota.foreign_share = 0.4
    sandbox.adtraction.quota.foreign_comes = comes
    answers = [ask(sandbox) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 6 + [429]
    assert {answer.headers["X-RateLimit-Limit"] for answer in answers} == {"10"}
    assert counted is None or [remaining(answer) for answer in answers[:6]] == counted


def test_refused_tokens_use_no_quota(sandbox: Sandbox) -> None:
    for _ in range(6):
        refused = requests.get(
            f"{sandbox.adtraction.url}/partner/programs/commissions/1/", timeout=10
        )
        assert refused.status_code == 401
    assert statuses(sandbox, 1) == [200]
