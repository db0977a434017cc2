from __future__ import annotations

import contextlib
import http.client
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from attribution_elt.sandbox import Fault, Sandbox

REPORT = "/reports/attribution/orders?startDate=2026-03-01&endDate=2026-03-07"


def get(sandbox: Sandbox, path: str = REPORT) -> requests.Response:
    return requests.get(
        sandbox.ecdp.url + path, headers={"x-api-key": sandbox.ecdp.api_key}, timeout=10
    )


def test_connections_are_kept_alive(sandbox: Sandbox) -> None:
    connection = http.client.HTTPConnection(urlsplit(sandbox.url).netloc)
    connection.connect()
    with contextlib.closing(connection):
        first = connection.sock
        for path in ("/ecdp/nowhere", "/nobody", "/ecdp" + REPORT):
            connection.request("GET", path, headers={"x-api-key": sandbox.ecdp.api_key})
            connection.getresponse().read()
            assert connection.sock is first


def test_unknown_paths_and_methods(sandbox: Sandbox) -> None:
    assert get(sandbox, "/nowhere").status_code == 404
    assert requests.get(f"{sandbox.url}/nobody", timeout=10).status_code == 404
    assert requests.post(sandbox.ecdp.url + REPORT, timeout=10).status_code == 405


def test_requests_are_recorded_without_credentials(sandbox: Sandbox) -> None:
    get(sandbox, f"{REPORT}&empty=&twice=1&twice={sandbox.ecdp.api_key}")
    (recorded,) = sandbox.ecdp.requests
    assert (recorded.method, recorded.path, recorded.status) == (
        "GET",
        "/reports/attribution/orders",
        200,
    )
    assert recorded.query == {
        "startDate": ["2026-03-01"],
        "endDate": ["2026-03-07"],
        "empty": [""],
        "twice": ["1", "{api_key}"],
    }
    assert recorded.headers["x-api-key"] == "{api_key}"
    assert abs(recorded.time - time.time()) < 10


def test_requests_in_flight_are_counted(sandbox: Sandbox) -> None:
    sandbox.ecdp.latency = 0.3
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: get(sandbox), range(4)))
    assert sorted(recorded.in_flight for recorded in sandbox.ecdp.requests) == [1, 2, 3, 4]


def test_requests_one_after_the_other_are_never_in_flight_together(sandbox: Sandbox) -> None:
    sessions = [requests.Session() for _ in range(4)]  # each has a thread of the server
    for number in range(1000):
        sessions[number % 4].get(f"{sandbox.ecdp.url}/nowhere", timeout=10)
    assert {recorded.in_flight for recorded in sandbox.ecdp.requests} == {1}
    for session in sessions:
        session.close()


def test_status_faults(sandbox: Sandbox) -> None:
    add = sandbox.ecdp.faults.add
    add(Fault("status", status=429, retry_after=2))
    add(Fault("status", status=429, retry_after=60, retry_after_date=True))
    add(Fault("status", status=502))
    add(Fault("status", status=200, body='{"status":500,"message":"Oops"}'))
    first, second, third, fourth, fifth = (get(sandbox) for _ in range(5))
    assert (first.status_code, first.headers["Retry-After"]) == (429, "2")
    date, later = second.headers["Date"], second.headers["Retry-After"]
    seconds = (parsedate_to_datetime(later) - parsedate_to_datetime(date)).total_seconds()
    assert 59 <= seconds <= 61
    assert (third.status_code, third.text[:9]) == (502, "<!DOCTYPE")
    assert (fourth.status_code, fourth.json()["status"]) == (200, 500)
    assert fifth.status_code == 200
    assert [recorded.fault for recorded in sandbox.ecdp.requests] == ["status"] * 4 + [None]


def test_headers_of_a_fault_follow_the_vendors_clock(sandbox: Sandbox) -> None:
    sandbox.ecdp.clock_skew = 3600
    fault = Fault("status", status=429, headers=lambda now: {"X-RateLimit-Reset": f"{now:.0f}"})
    sandbox.ecdp.faults.add(fault)
    reset = float(get(sandbox).headers["X-RateLimit-Reset"])
    assert abs(reset - 3600 - time.time()) < 10


def test_altered_bodies(sandbox: Sandbox) -> None:
    true = get(sandbox)
    sandbox.ecdp.faults.add(Fault("altered", change=lambda body: body + b" "))
    assert get(sandbox).content == true.content + b" "
    sandbox.ecdp.faults.add(Fault("altered", change=bytes.upper))
    empty = get(sandbox, REPORT.replace("2026", "1999"))
    assert (empty.status_code, empty.content) == (204, b"")


def test_faults_for_some_requests_only(sandbox: Sandbox) -> None:
    sandbox.ecdp.faults.add(Fault("status", times=2, match="startDate=2026"))
    sandbox.ecdp.faults.add(
        Fault("status", status=403, times=None, match=lambda request: request.path == "/b")
    )
    paths = ["/a", REPORT, REPORT, REPORT, "/b", "/b"]
    assert [get(sandbox, path).status_code for path in paths] == [404, 500, 500, 200, 403, 403]
    sandbox.ecdp.faults.clear()
    assert get(sandbox, "/b").status_code == 404


@pytest.mark.parametrize("kind", ["reset", "close"])
def test_connections_without_a_response(sandbox: Sandbox, kind: Any) -> None:
    sandbox.ecdp.faults.add(Fault(kind))
    with pytest.raises(requests.ConnectionError) as error:
        get(sandbox)
    assert ("reset by peer" in str(error.value)) == (kind == "reset")
    assert sandbox.ecdp.requests[0].status is None
    assert get(sandbox).status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("after", [None, 0, 100])
def test_truncated_body(sandbox: Sandbox, chunked: bool, after: int | None) -> None:
    sandbox.ecdp.faults.add(Fault("truncate", chunked=chunked, after=after))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(sandbox)
    assert get(sandbox).status_code == 200


def test_unreadable_bodies(sandbox: Sandbox) -> None:
    sandbox.ecdp.faults.add(Fault("html"))
    sandbox.ecdp.faults.add(Fault("invalid_json"))
    page, half, whole = (get(sandbox) for _ in range(3))
    assert (page.status_code, page.text[:9]) == (200, "<!DOCTYPE")
    assert (half.status_code, half.content) == (200, whole.content[: len(whole.content) // 2])


@pytest.mark.parametrize("kind", ["slow", "stall"])
def test_slow_and_stalled_responses(sandbox: Sandbox, kind: Any) -> None:
    sandbox.ecdp.faults.add(Fault(kind, delay=0.2))
    started = time.monotonic()
    spoilt = get(sandbox)
    assert time.monotonic() - started > 0.2
    assert spoilt.content == get(sandbox).content


def test_responses_in_slow_pieces(sandbox: Sandbox) -> None:
    sandbox.ecdp.faults.add(Fault("drip", delay=0.02))
    started = time.monotonic()
    spoilt = get(sandbox)
    assert time.monotonic() - started > 0.18
    assert spoilt.content == get(sandbox).content


def test_vendors_clock_may_be_wrong(sandbox: Sandbox) -> None:
    sandbox.ecdp.clock_skew = -3600
    answered = parsedate_to_datetime(get(sandbox).headers["Date"]).timestamp()
    assert abs(answered + 3600 - time.time()) < 10


def test_control_over_http(sandbox: Sandbox) -> None:
    control = f"{sandbox.url}/_sandbox"
    assert requests.post(f"{control}/advance", json={"days": 5}, timeout=10).json() == {
        "today": "2026-04-05"
    }
    assert requests.post(f"{control}/advance", json={"days": -1}, timeout=10).status_code == 400
    get(sandbox)
    recorded = requests.get(f"{control}/requests", timeout=10).json()["ecdp"]
    assert [request["status"] for request in recorded] == [200]
    truth = requests.get(f"{control}/truth/ecdp", timeout=10).json()
    assert len(truth) == len(sandbox.ecdp.truth())
    assert requests.get(f"{control}/truth/nobody", timeout=10).status_code == 404


def test_the_clock_cannot_move_back(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="cannot move back"):
        sandbox.advance(-1)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_command(ending: signal.Signals) -> None:
    command = [sys.executable, "-m", "attribution_elt.sandbox", "--today", "2026-03-31"]
    settings = ["--set=ecdp.orders_per_day=1", "--set=ecdp.api_key=another-key"]
    settings += ["--set=adtraction.quota.window=1", "--set=adtraction.page_size=5"]
    with subprocess.Popen(
        [*command, *settings], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        vendor, url, credential = process.stdout.readline().split()
        answer = requests.get(url + REPORT, headers={"x-api-key": "another-key"}, timeout=10)
        process.send_signal(ending)
        _, complaints = process.communicate(timeout=10)
    assert (vendor, credential) == ("ecdp", "api_key=another-key")
    assert len(answer.json()["data"]) < 20
    assert (process.returncode, complaints) == (0, "")


def test_command_refuses_unknown_settings() -> None:
    command = [sys.executable, "-m", "attribution_elt.sandbox", "--set", "ecdp.nothing=1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "--set ecdp.nothing=1: expected vendor.setting=value with an existing setting\n"
    )
