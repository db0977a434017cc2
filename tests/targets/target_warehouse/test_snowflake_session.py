"""Signing in to Snowflake, and errors in doing so."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from snowflake.connector.errors import OperationalError
from target_warehouse.warehouses.base import WarehouseError
from target_warehouse.warehouses.registry import connect

from tests.serving import serving
from tests.targets.target_warehouse.stand_in import Snowflake
from tests.targets.target_warehouse.warehouses import record, schema, state

LINES = [schema("orders", id="integer"), record("orders", id=1), state(1)]
PASSWORD = "p@ss:wörd/%"
SIGNED_IN = {"success": True, "data": {"token": "t", "masterToken": "m", "sessionInfo": {}}}
REFUSED: dict[str, Any] = {
    "success": False,
    "code": "390100",
    "message": "Incorrect username or password was specified.",
    "data": {},
}


class Answers:
    """A server that accepts or refuses logins, and does not respond to other requests."""

    def __init__(self, login: dict[str, Any]) -> None:
        self.login = login
        self.logins: list[dict[str, Any]] = []
        """Contents of the login requests."""
        self.queries: list[str] = []
        """Numbers of the requests without a response."""

    @contextmanager
    def served(self) -> Iterator[str]:
        """Return the URL's parameters for this server."""
        answers = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                parts = urlsplit(self.path)
                if parts.path != "/session/v1/login-request":
                    answers.queries += parse_qs(parts.query).get("requestId", [])
                    self.connection.close()
                    return
                answers.logins.append(json.loads(body)["data"])
                text = json.dumps(answers.login).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

            def handle(self) -> None:
                with suppress(OSError, ValueError):  # the connection was closed above
                    super().handle()

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        with serving(server):
            yield f"host=127.0.0.1&port={server.server_address[1]}&protocol=http"


def only_error(stderr: str) -> str:
    """Return the only line of the error."""
    assert "Traceback" not in stderr
    (line,) = [line for line in stderr.splitlines() if " INFO " not in line]
    return line


def test_a_password_that_is_wrong(tmp_path: Path) -> None:
    answers = Answers(REFUSED)
    with answers.served() as way:
        url = f"snowflake://me:{quote(PASSWORD, safe='')}@shop-eu/db?role=r&warehouse=w&{way}"
        run = Snowflake(0, "db", tmp_path).execute(*LINES, url=url)

    assert (run.code, run.states) == (1, [])
    assert only_error(run.stderr).startswith(
        "Error: cannot sign in to the Snowflake account 'shop-eu': 390100 (28000): "
    )
    assert REFUSED["message"] in run.stderr
    [sent] = answers.logins
    assert (sent["LOGIN_NAME"], sent["PASSWORD"]) == ("me", PASSWORD)
    assert sent["SESSION_PARAMETERS"]["TIMEZONE"] == "UTC"
    assert sent["SESSION_PARAMETERS"]["QUOTED_IDENTIFIERS_IGNORE_CASE"] is False
    for secret in (PASSWORD, quote(PASSWORD), quote(PASSWORD, safe=""), "wörd"):
        assert secret not in run.stderr


def test_an_unreachable_account(tmp_path: Path) -> None:
    url = "snowflake://me:secret@nowhere/db?host=127.0.0.1&port=1&protocol=http&login_timeout=1"
    run = Snowflake(0, "db", tmp_path).execute(*LINES, url=url)
    assert run.code == 1
    assert only_error(run.stderr).startswith(
        "Error: cannot sign in to the Snowflake account 'nowhere': 250001: "
    )


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("", "the setting url must be of the form snowflake://user:password@account/database"),
        ("/a/b/c", "the setting url must be of the form"),
        (":443/db", "the setting url must be of the form"),
        ("/db?warehose=w", "the setting url has an unknown parameter 'warehose'; known are ware"),
        ("/db?port=https", "the parameter port of the setting url must be a whole number"),
        (
            "/db?client_session_keep_alive=1",
            "the parameter client_session_keep_alive of the setting url must be true or false",
        ),
        (
            "/db?private_key_path=/no/such/key.p8",
            "the private key of the setting url is not usable: No such file or directory",
        ),
        (
            f"/db?private_key_file={quote(__file__)}",
            "the private key of the setting url is not usable",
        ),
    ],
)
def test_a_url_that_is_wrong(rest: str, message: str) -> None:
    with pytest.raises(WarehouseError) as raised:
        connect(f"snowflake://me:s3cr3t@account{rest}", None)
    assert str(raised.value).startswith(message)
    assert "s3cr3t" not in str(raised.value)


@pytest.mark.parametrize(
    "names",
    [("private_key_file", "private_key_file_pwd"), ("private_key_path", "private_key_passphrase")],
)
def test_a_key_pair_instead_of_a_password(tmp_path: Path, names: tuple[str, str]) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (tmp_path / "key.p8").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"open sesame"),
        )
    )
    file, phrase = names
    answers = Answers(REFUSED)
    with answers.served() as way:
        parameters = f"{file}={quote(str(tmp_path / 'key.p8'))}&{phrase}=open%20sesame&{way}"
        with pytest.raises(WarehouseError):
            connect(f"snowflake://me@account.snowflakecomputing.com/db?{parameters}", None)

    sent = answers.logins[0]
    assert (sent["AUTHENTICATOR"], sent["LOGIN_NAME"]) == ("SNOWFLAKE_JWT", "me")
    assert sent["ACCOUNT_NAME"] == "account"


def test_a_server_that_stops_responding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("target_warehouse.warehouses.snowflake.connection._WAITS", (0, 0))
    answers = Answers(SIGNED_IN)
    with answers.served() as way, pytest.raises(OperationalError) as raised:
        connect(f"snowflake://me:secret@account/db?{way}", None)

    assert "Snowflake has not responded" in str(raised.value)
    # The request is repeated under its number, so that a statement whose response was lost
    # is not run again.
    assert len(answers.queries) > 1
    assert len(set(answers.queries)) == 1
