"""Outputs of successful and failed runs contain no secret.

Each secret setting is a canary. The log level is debug, and the vendors repeat the credentials
that they receive in every spelling.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from attribution_elt.sandbox import Fault
from tests import leaks
from tests.reliability.canaries import canary, echo, opened_by_canaries, secrets_of
from tests.reliability.database import Database, all_rows
from tests.reliability.fork_server import ForkServer
from tests.reliability.truth import Account
from tests.targets.target_warehouse.processes import PATIENCE
from tests.targets.target_warehouse.proxy import Proxy
from tests.targets.target_warehouse.warehouses import record, schema, singer, state
from tests.targets.writing import wishes

TAPS = ("tap-adtraction", "tap-attribution-io", "tap-ecdp", "tap-ignite", "tap-ihc")
STATUSES = (200, 302, 400, 401, 403, 404, 429, 500)


@dataclass(frozen=True)
class Finished:
    """The output and the exit code of a run."""

    stdout: bytes
    stderr: bytes
    code: int

    def hides(self, secrets: Iterable[str]) -> bool:
        """Assert that the output contains no secret and no traceback."""
        secrets = set(secrets)
        assert leaks.found(self.stdout, secrets) == []
        assert leaks.found(self.stderr, secrets) == [], self.stderr.decode()
        assert b"Traceback" not in self.stderr, self.stderr.decode()
        return True


@pytest.fixture
def execute(forks: ForkServer, tmp_path: Path) -> Callable[..., Finished]:
    """Return a function that runs an executable with settings or with a text instead."""

    def run(
        name: str, settings: Mapping[str, Any] | str, given: str = "", *arguments: str
    ) -> Finished:
        text = settings if isinstance(settings, str) else json.dumps(settings)
        paths = [tmp_path / each for each in ("config.json", "given", "stdout", "stderr")]
        paths[0].write_text(text)
        paths[1].write_text(given)
        descriptors = [
            os.open(path, os.O_RDWR | os.O_CREAT | (0 if path == paths[1] else os.O_TRUNC))
            for path in paths[1:]
        ]
        command = [name, "--config", str(paths[0]), *arguments]
        child = forks.start(command, *descriptors)
        for each in descriptors:
            os.close(each)
        code = child.wait(PATIENCE)
        assert code is not None
        return Finished(paths[2].read_bytes(), paths[3].read_bytes(), code)

    return run


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[dict[str, Account]]:
    with opened_by_canaries(tmp_path) as found:
        yield found


@pytest.mark.parametrize("tap", TAPS)
def test_a_run_that_succeeds(
    tap: str, accounts: dict[str, Account], execute: Callable[..., Finished]
) -> None:
    account = accounts[tap]
    for more in ({"pii": "hash"}, {"auth_location": "query"} if tap == "tap-adtraction" else {}):
        done = execute(tap, {**account.settings, **more})
        assert done.code == 0, done.stderr.decode()
        assert b"returned 200" in done.stderr
        assert done.hides(secrets_of(account))


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("tap", TAPS)
def test_a_vendor_that_repeats_the_request(
    tap: str, status: int, accounts: dict[str, Account], execute: Callable[..., Finished]
) -> None:
    account = accounts[tap]
    fault = Fault("status", status=status, times=None, body=echo(account), retry_after=0.1)
    account.vendor.faults.add(fault)
    done = execute(tap, account.settings)
    assert done.hides(secrets_of(account))


WRONG_URLS = (
    "http://user:{}@127.0.0.1:1",
    "http://user:{}@[::1",
    "http://127.0.0.1:1/{}",
    "htp://user:{}@127.0.0.1",
    "user:{}@127.0.0.1",
)


@pytest.mark.parametrize("url", WRONG_URLS)
@pytest.mark.parametrize("tap", TAPS)
def test_a_wrong_url_with_a_password(
    tap: str, url: str, accounts: dict[str, Account], execute: Callable[..., Finished]
) -> None:
    account = accounts[tap]
    secret = canary("password")
    settings = {**account.settings, "api_url": url.format(quote(secret, safe=""))}
    done = execute(tap, settings)
    assert done.code == 1
    assert done.hides({secret, *secrets_of(account)})


@pytest.mark.parametrize("tap", TAPS)
def test_settings_of_wrong_types(
    tap: str, accounts: dict[str, Account], execute: Callable[..., Finished]
) -> None:
    account = accounts[tap]
    names = [name for name in account.settings if name in leaks.secret_settings()]
    for name in names:
        secret = canary("misplaced")
        for value in ([secret], {"value": secret}, {"token": [secret]}, [[secret]], 17):
            done = execute(tap, {**account.settings, name: value})
            assert done.code == 1
            assert done.hides({secret, *secrets_of(account)})
    text = json.dumps(account.settings)
    for broken in (text[:-1], text + text, f"[{text}]", text.replace(":", "=")):
        done = execute(tap, broken)
        assert done.code != 0
        assert done.hides(secrets_of(account))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:{}@127.0.0.1:1/db",
        "postgresql://user:{}@127.0.0.1:port/db",
        "postgresql://user:{}@[::1/db",
        "postgresql://127.0.0.1:1/db?password={}",
        "nosuch://user:{}@127.0.0.1/db",
        "duckdb:////nowhere/x.duckdb?motherduck_token={}",
        "user:{}@127.0.0.1",
        "sqlite:////nowhere/db?password={}",
    ],
)
@pytest.mark.parametrize(
    ("tap", "setting"), [("tap-ihc", "journeys"), ("tap-attribution-io", "customer_ids")]
)
def test_a_database_that_a_tap_cannot_read(
    tap: str, setting: str, url: str, accounts: dict[str, Account], execute: Callable[..., Finished]
) -> None:
    account = accounts[tap]
    secret = canary("password")
    settings = {**account.settings, f"{setting}_query": "SELECT 1"}
    settings |= {f"{setting}_url": url.format(quote(secret, safe=""))}
    for name in ("journeys_file", "customer_ids"):
        settings.pop(name, None)
    done = execute(tap, settings)
    assert done.code == 1
    assert done.hides({secret, *secrets_of(account)})


@contextmanager
def refusing() -> Iterator[int]:
    """Serve a database that refuses each password and repeats it; return its port."""

    def refuse(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.recv(1 << 16)
            client.sendall(b"R\0\0\0\x08\0\0\0\x03")  # the password, please
            password = client.recv(1 << 16)[5:-1]
            text = b"SFATAL\0C28P01\0Mpassword %b authentication failed\0\0" % password
            client.sendall(b"E" + (len(text) + 4).to_bytes(4, "big") + text)

    def serve() -> None:
        with suppress(OSError):
            while True:
                refuse(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(PATIENCE)


MESSAGES = singer(
    [
        schema("orders", id="integer", amount="integer"),
        record("orders", id=1, amount=1),
        record("orders", id=2, amount="much"),
        state({"orders": 2}),
    ]
)


A_MINUTE = pytest.mark.long
"""Marks URLs of hosts that refuse connections, which the loader retries for a minute."""


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("postgresql://user:{}@127.0.0.1:1/db", marks=A_MINUTE),
        pytest.param("postgresql://user:{}@127.0.0.1:port/db", marks=A_MINUTE),
        "postgresql://user:{}@[::1/db",
        pytest.param("postgresql://127.0.0.1:1/db?password={}", marks=A_MINUTE),
        "postgresql://127.0.0.1:1/db?passwort={}",
        "postgres//user:{}@127.0.0.1:1/db",
        "nosuch://user:{}@127.0.0.1/db",
        "dlt+nosuch://user:{}@127.0.0.1/db",
        "duckdb:////nowhere/x.duckdb?motherduck_token={}",
        "sqlite:////nowhere/db?password={}",
        "snowflake://user:{}@127.0.0.1:1/db",
        "user:{}@127.0.0.1",
        "{}",
        pytest.param("postgresql://postgres:{}@127.0.0.1:{port}/warehouse", marks=A_MINUTE),
    ],
)
def test_an_unreachable_warehouse(url: str, execute: Callable[..., Finished]) -> None:
    secret = canary("password")
    with refusing() as port:
        given = url.replace("{port}", str(port)).replace("{}", quote(secret, safe=""))
        done = execute("target-warehouse", {"url": given}, MESSAGES)
    assert done.code == 1
    assert done.hides({secret})


def test_successful_and_failed_loads(server: Database, execute: Callable[..., Finished]) -> None:
    secret = canary("password")
    with Proxy(server.url) as proxy:
        url = proxy.url.replace("postgres:@", f"postgres:{quote(secret, safe='')}@")
        settings: dict[str, Any] = {
            "url": url,
            "default_target_schema": "canaries",
            "history": ["*"],
            "add_record_metadata": True,
        }
        other = MESSAGES.replace('"amount": 1', '"amount": 7')
        for given in (MESSAGES, other, f"{MESSAGES}{{", f'{MESSAGES}{{"type": "RECORD"}}'):
            for dry_run in (True, False):
                done = execute("target-warehouse", {**settings, "dry_run": dry_run}, given)
                assert done.code == 1  # a record is rejected, at least
                assert done.hides({secret})
        for wrong in ({"batch_size_rows": secret}, {"load_method": secret}, {"url": [secret]}):
            assert execute("target-warehouse", {**settings, **wrong}, MESSAGES).code == 1
    rows = all_rows(server.url, "canaries")
    assert {"_runs", "_rejected", "_verifications", "orders__history"} <= rows.keys()
    assert all(rows.values())
    assert leaks.found(repr(rows), {secret}) == []


@pytest.mark.parametrize("status", [None, 401, 500])
@pytest.mark.parametrize("name", ["target-adtraction", "target-ignite"])
def test_writes(
    name: str,
    status: int | None,
    accounts: dict[str, Account],
    execute: Callable[..., Finished],
    tmp_path: Path,
) -> None:
    account = accounts[name.replace("target", "tap")]
    secrets, url = secrets_of(account), f"sqlite:///{tmp_path}/writes.db"
    settings: dict[str, Any] = {"outcomes_url": url, "dry_run": False, "max_retries": 1}
    if name == "target-adtraction":
        settings |= {"api_url": account.vendor.url}
        settings["client_token"] = account.settings["client_token"]
        wish: dict[str, Any] = {"channel_id": 800000002, "approval_status": 1}
        text = wishes("channel_status", [wish])
    else:
        sites = account.settings["websites"]
        settings |= {"api_url": account.sandbox.ignite.opt_out_url, "pii_key": canary("pii_key")}
        settings["websites"] = [{name: each[name] for name in ("name", "token")} for each in sites]
        text = wishes("opt_outs", [{"email": "ada@mail.example", "website": "*"}])
    if status:
        fault = Fault("status", status=status, times=None, body=echo(account))
        account.vendor.faults.add(fault)
    done = execute(name, settings, text)
    assert (done.code == 0) is (status is None), done.stderr.decode()
    assert done.hides({*secrets, "ada@mail.example"})
    stored = (tmp_path / "writes.db").read_bytes()
    assert b"_writes" in stored
    assert leaks.found(stored, {*secrets, "ada@mail.example"}) == []


@pytest.mark.parametrize("pii", ["hash", "drop"])
@pytest.mark.parametrize("tap", [tap for tap in TAPS if tap != "tap-ihc"])  # it has no persons
def test_personal_data_that_is_masked(
    tap: str, pii: str, accounts: dict[str, Account], execute: Callable[..., Finished]
) -> None:
    account = accounts[tap]
    people = set(map(str, personal(account)))
    assert people
    for fault in (None, Fault("truncate"), Fault("status", status=500, body=json.dumps([*people]))):
        if fault:
            account.vendor.faults.add(fault)
        done = execute(tap, {**account.settings, "max_retries": 3, "pii": pii})
        assert done.hides(secrets_of(account))
        assert leaks.found(done.stdout + done.stderr, people) == []


def personal(account: Account) -> Iterator[str]:
    """Yield values that the schemas mark as personal."""
    for name, stream in account.streams.items():
        marked = [each for each, schema in stream.properties.items() if schema.get("x-pii")]
        for row in account.truth[name].values():
            yield from (row[each] for each in marked if isinstance(row.get(each), str))
