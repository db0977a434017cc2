"""`attribution-elt forget` within this process, with a project that is not Meltano's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result
from tap_ecdp.tap import TapEcdp
from target_ignite.target import TargetIgnite

from attribution_elt.cli.forget import forget
from attribution_elt.core.pseudonyms import person_key
from attribution_elt.meltano.project import SCHEMA, Extractor, Loader, Writer
from tests.targets.target_warehouse.warehouses import DuckDB, record, schema, state

JANE, JOE = "jane@example.com", "joe@example.com"
STATE = "dev:tap-ecdp-to-target-warehouse"


@dataclass
class Project:
    """The members of `meltano.project.Project` that the command uses."""

    extractors: dict[str, Extractor]
    loaders: dict[str, Loader]
    states: dict[str, Mapping[str, Any]]
    writers: list[Writer] = field(default_factory=list)
    env_file: Path | None = None

    @property
    def accounts(self) -> list[Extractor]:
        return list(self.extractors.values())

    @property
    def load_schemas(self) -> dict[str, str]:
        own = {each.name: each.load_schema for each in self.extractors.values()}
        return {**own, "tap-crm": "tap_crm"}

    def state_ids(self) -> list[str]:
        return list(self.states)

    def state(self, state_id: str) -> Mapping[str, Any]:
        return self.states[state_id]

    def keep_state(self, state_id: str, state: Mapping[str, Any]) -> None:
        self.states[state_id] = state


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with two orders, a state, a log and a list of customers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TARGET_WAREHOUSE_PII_KEY", raising=False)
    url = "duckdb:///warehouse.duckdb"
    columns = {"order_id": "integer", "customer_email": "string", "products_count": "integer"}
    orders = schema("attributed_orders", ["order_id"], **columns)
    rows = [
        record("attributed_orders", order_id=number, customer_email=each, products_count=1)
        for number, each in enumerate((JANE, JOE))
    ]
    DuckDB(url, tmp_path).load(orders, *rows, state({}), default_target_schema="tap_ecdp")
    (tmp_path / "customers.csv").write_text(f"client_id\n{JANE}\n{JOE}\n")
    (tmp_path / "run.log").write_text(f"asked for {JANE}\n")
    (tmp_path / "old.csv.gz").write_bytes(b"")
    return Project(
        {"tap-ecdp": Extractor("tap-ecdp", TapEcdp, "tap_ecdp", {"api_key": "made-up"})},
        {"target-warehouse": Loader("target-warehouse", url, SCHEMA)},
        {STATE: {"bookmarks": {"customers": {"units": {JANE: 1, JOE: 2}}}}},
    )


def run(project: Project, *arguments: str) -> Result:
    return CliRunner().invoke(forget, arguments, obj=project)


def emails(table: str = "tap_ecdp.attributed_orders") -> list[str | None]:
    with duckdb.connect("warehouse.duckdb") as connection:
        rows = connection.execute(f"SELECT customer_email FROM {table} ORDER BY order_id")
        return [email for (email,) in rows.fetchall()]


def test_a_dry_run_counts_and_changes_nothing(project: Project, tmp_path: Path) -> None:
    done = run(project, "--email", JANE, "--dry-run")
    assert done.exit_code == 0, done.output
    assert "attributed_orders: 1 row to erase, 0 to remove" in done.output
    assert "tap_ecdp: to erase" not in done.output
    for name in (f"the state {STATE}", "customers.csv", "run.log"):
        assert f"{name}: to erase" in done.output
    assert emails() == [JANE, JOE]
    assert JANE in (tmp_path / "run.log").read_text()
    assert not (tmp_path / ".env").exists()


def test_a_dry_run_makes_no_schema_and_no_file(project: Project, tmp_path: Path) -> None:
    account = {"api_key": "made-up"}
    project.extractors["tap-ecdp--new"] = Extractor("tap-ecdp--new", TapEcdp, "new", account)
    project.loaders["other"] = Loader("other", "sqlite:///other.db", SCHEMA)
    done = run(project, "--email", JANE, "--dry-run")
    assert done.exit_code == 0, done.output
    assert "attributed_orders: 1 row to erase, 0 to remove" in done.output
    with duckdb.connect("warehouse.duckdb") as connection:
        made = "SELECT 1 FROM duckdb_schemas() WHERE schema_name = 'new'"
        assert connection.execute(made).fetchall() == []
    assert not (tmp_path / "other.db").exists()


def test_people_are_erased_from_warehouse_states_and_files(
    project: Project, tmp_path: Path
) -> None:
    requests = tmp_path / "requests.csv"
    requests.write_text(f"name,address\nJane,{JANE.upper()}\n")
    done = run(project, "--from", str(requests))
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1] == "nothing is left"
    assert "not searched, because they are compressed: old.csv.gz" in done.output
    assert "jane" not in done.output.lower()
    assert emails() == [None, JOE]
    assert json.dumps(project.states).count("@") == 1
    assert JANE.upper() in requests.read_text(), "the user's file is left alone"
    assert (tmp_path / "customers.csv").read_text() == f"client_id\n{JOE}\n"
    assert (tmp_path / "run.log").read_text() == "asked for erased\n"
    env = tmp_path / ".env"
    assert env.stat().st_mode & 0o077 == 0
    key = env.read_text().strip().split("=")[1].strip("'")
    with duckdb.connect("warehouse.duckdb") as connection:
        people = connection.execute("SELECT person FROM tap_ecdp._suppressed").fetchall()
    assert (person_key(JANE, key),) in people


def test_models_outcomes_other_taps_and_hashes_by_each_key_are_searched(project: Project) -> None:
    account = {"api_key": "made-up", "start_date": "2026-01-01"}
    drops = {**account, "pii": "drop"}
    project.extractors["tap-ecdp--drop"] = Extractor("tap-ecdp--drop", TapEcdp, "other", drops)
    fallback = TapEcdp(config=drops).run.personal_data.key
    own, written = "a key of a tap, only", "a key of a target"
    settings = {**account, "pii": "hash", "pii_key": own}
    project.extractors["tap-ecdp--own"] = Extractor("tap-ecdp--own", TapEcdp, "own", settings)
    outcomes = {"outcomes_url": "duckdb:///warehouse.duckdb", "outcomes_schema": "outcomes"}
    project.writers.append(Writer("target-ignite", TargetIgnite, {**outcomes, "pii_key": written}))
    places = {
        "attribution.people": JANE,
        "outcomes._writes": person_key(JANE, written),
        "own.attributed_orders": person_key(JANE, own),
        "tap_crm.people": JANE,
        "other.attributed_orders": person_key(JANE, fallback),
    }
    with duckdb.connect("warehouse.duckdb") as connection:
        for table, person in places.items():
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {table.partition('.')[0]}")
            connection.execute(f"CREATE TABLE {table} (order_id INT, customer_email TEXT)")
            connection.execute(f"INSERT INTO {table} VALUES (1, '{person}')")
    done = run(project, "--email", JANE)
    assert done.exit_code == 0, done.output
    for table in places:
        assert emails(table) in ([], [None], ["erased"]), table


def test_the_command_after_an_interrupted_one_rewrites_the_file(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (loader,) = project.loaders.values()
    project.loaders[loader.name] = replace(loader, pii_key="a key of a loader")
    with monkeypatch.context() as patch:
        patch.setattr("attribution_elt.erasure.tables.SchemaEraser.scrub", interrupt)
        run(project, "--email", JANE)
    assert emails() == [None, JOE]
    assert JANE.encode() in (tmp_path / "warehouse.duckdb").read_bytes()
    assert run(project, "--email", JANE).exit_code == 0
    assert JANE.encode() not in (tmp_path / "warehouse.duckdb").read_bytes()


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_personal_data_that_is_left_is_an_error(project: Project, tmp_path: Path) -> None:
    (tmp_path / "archive.bin").write_bytes(b"\xff\xff\xff" + f" {JANE} ".encode())
    done = run(project, "--email", JANE)
    assert done.exit_code == 1
    assert "personal data is left in archive.bin" in done.output
    assert emails() == [None, JOE]


def test_a_warehouse_without_ids_of_rows_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("target_warehouse.warehouses.duckdb.adapter.ADAPTER.row_id", None)
    done = run(project, "--email", JANE)
    assert done.exit_code == 1
    assert "people cannot be erased from this warehouse" in str(done.exception)
    assert emails() == [JANE, JOE]
    assert not Path(".env").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "no person is named"),
        (("--email", "jane"), "--email: address 1 is not an e-mail address"),
        (("--email", f"Jane;{JANE}"), "--email: address 1 is not an e-mail address"),
        (("--email", f"{JOE}|{JANE}"), "--email: address 1 is not an e-mail address"),
        (("--email", f"<{JANE}>"), "--email: address 1 is not an e-mail address"),
        (("--email", f"mailto:{JANE}"), "--email: address 1 is not an e-mail address"),
    ],
)
def test_invalid_input_is_one_line(
    project: Project, arguments: tuple[str, ...], reason: str
) -> None:
    done = run(project, *arguments)
    assert done.exit_code == 1
    assert reason in str(done.exception)
    assert "jane" not in str(done.exception)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"Größe,email\n1,{JANE}\n".encode("latin-1"), "the file is not a CSV in UTF-8"),
        (f"email\n{JANE}\n".encode("utf-16"), "the file is not a CSV in UTF-8"),
        (f"\n{JANE},Jane,{JOE}\n".encode(), "line 2 has 2 addresses: keep one"),
    ],
)
def test_a_file_that_may_not_name_everybody_is_refused(
    project: Project, tmp_path: Path, text: bytes, reason: str
) -> None:
    requests = tmp_path / "requests.csv"
    requests.write_bytes(text)
    done = run(project, "--from", str(requests))
    assert done.exit_code == 1
    assert str(done.exception).startswith(f"--from: {reason}")
    assert emails() == [JANE, JOE]


@pytest.mark.parametrize("text", [f"\ufeffemail\r\n{JANE}\r\n", f"a,b\n{JANE},{JANE}\n"])
def test_a_byte_order_mark_or_a_repeated_address_is_accepted(
    project: Project, tmp_path: Path, text: str
) -> None:
    (tmp_path / "requests.csv").write_text(text)
    done = run(project, "--from", str(tmp_path / "requests.csv"))
    assert done.exit_code == 0, done.output
    assert emails() == [None, JOE]


def test_a_first_line_without_its_at_sign_is_not_a_header(project: Project, tmp_path: Path) -> None:
    requests = tmp_path / "requests.csv"
    requests.write_text(f"jane.example.com\n{JOE}\n")
    done = run(project, "--from", str(requests))
    assert done.exit_code == 1
    assert str(done.exception) == "--from: address 1 is not an e-mail address"
    assert emails() == [JANE, JOE]
