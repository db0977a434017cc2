"""`verify --repair`, `models` and `forget` are killed again and again; `-s` prints the figures.

`RELIABILITY_KILLS` is the number of kills of each, `RELIABILITY_SEED` chooses their moments.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
import pytest
from typing_extensions import override

from tests import people
from tests.reliability.database import Database
from tests.reliability.fork_server import ForkServer
from tests.reliability.kills import Campaign
from tests.reliability.operations import KEY, Operations, text_of
from tests.reliability.run import Kill, Outcome, Run, schema_of
from tests.reliability.truth import Account, identified, open_accounts

KILLS = int(os.environ.get("RELIABILITY_KILLS", "100"))
SEED = int(os.environ.get("RELIABILITY_SEED", "1"))
PEOPLE = 12
VENDORS = ("tap-ecdp", "tap-ignite", "tap-attribution-io")
METADATA = "_sdc_"

Tables = dict[str, list[str]]


class Warehouse:
    """The database, as the tests read and damage it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @contextmanager
    def connected(self) -> Iterator[psycopg.Connection]:
        with psycopg.connect(self.database.url, autocommit=True) as connection:
            yield connection

    def execute(self, sql: str) -> list[Any]:
        with self.connected() as connection:
            found = connection.execute(sql.encode())
            return found.fetchall() if found.description else []

    def tables(self, schema: str, *, views: bool = False) -> list[str]:
        kinds = "('BASE TABLE', 'VIEW')" if views else "('BASE TABLE')"
        rows = self.execute(
            "SELECT table_name FROM information_schema.tables "
            f"WHERE table_schema = '{schema}' AND table_type IN {kinds} ORDER BY 1"
        )
        return [name for (name,) in rows]

    def rows(self, schema: str, *, views: bool = False) -> Tables:
        """Return the rows of all tables but the run's own, without metadata, as sorted texts."""
        found = {}
        for name in self.tables(schema, views=views):
            if not name.startswith("_"):
                rows = self.execute(f'SELECT to_jsonb(held) FROM {schema}."{name}" AS held')
                kept = [
                    {n: value for n, value in row.items() if not n.startswith(METADATA)}
                    for (row,) in rows
                ]
                found[name] = text_of([[each] for each in kept])
        return found


@pytest.fixture
def warehouse(server: Database) -> Warehouse:
    return Warehouse(server)


@pytest.fixture
def accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Account]]:
    people.share(monkeypatch, PEOPLE)
    with open_accounts(tmp_path, SEED) as every:
        chosen = [each for each in every if each.tap in VENDORS]
        for account in chosen:
            if account.tap == "tap-attribution-io":
                addresses = [people.address(number) for number in range(1, PEOPLE + 1)]
                account.settings["customer_ids"] = ["MrSmith", *addresses]
        yield chosen


def load(account: Account, into: Operations, **more: Any) -> None:
    run = Run(into.forks, account, into.database, into.folder, state={}, more=more)
    outcome = run.run()
    assert outcome.complete, outcome.log


@pytest.fixture
def operations(
    accounts: list[Account], forks: ForkServer, server: Database, tmp_path: Path
) -> Operations:
    """Return commands over the tables of all accounts, which are loaded."""
    settings = {each.tap: each.settings for each in accounts}
    made = Operations(forks, server, tmp_path, settings)
    for account in accounts:
        server.drop_schema(schema_of(account))
        load(account, made, pii_key=KEY)
    server.drop_schema("attribution")
    return made


def test_models_are_completely_old_or_new(operations: Operations, warehouse: Warehouse) -> None:
    rng = random.Random(SEED)
    schemas = [name.replace("-", "_") for name in VENDORS]
    assert operations.run("models") == 0, operations.log
    messages, old = operations.messages, warehouse.rows("attribution", views=True)
    assert old["fct_credits"]
    assert operations.run("models") == 0, operations.log
    assert warehouse.rows("attribution", views=True) == old
    while operations.kills < KILLS:
        warehouse.execute(
            "UPDATE tap_ecdp.attributed_orders "
            "SET order_value_converted = order_value_converted + 1"
        )
        loaded = {name: warehouse.rows(name) for name in schemas}
        assert operations.run("models", "--schema=fresh") == 0, operations.log
        new = warehouse.rows("fresh", views=True)
        assert new.keys() == old.keys()
        for _ in range(rng.randint(1, 4)):
            operations.run("models", kill_at=rng.randint(1, messages), sends=rng.random() < 0.5)
            held = warehouse.rows("attribution")  # a view shows the rows below it
            assert held.keys() == {n for n in new if n in held}
            assert set(warehouse.tables("attribution", views=True)) >= new.keys()
            wrong = [n for n, rows in held.items() if rows not in (old[n], new[n])]
            assert not wrong, f"{wrong} after message {operations.messages}"
        assert operations.run("models") == 0, operations.log
        assert warehouse.rows("attribution", views=True) == new
        assert {name: warehouse.rows(name) for name in schemas} == loaded
        old = new
    print(f"\nmodels: {operations.kills} kills, {len(old)} models")  # noqa: T201 - its purpose


def names_of(number: int) -> re.Pattern[str]:
    """Return a pattern for all that names a person."""
    address = people.address(number)
    digests = [
        hashlib.new(each, address.encode(), usedforsecurity=False).hexdigest()
        for each in ("md5", "sha1", "sha256")
    ]
    phone = people.phone(number).removeprefix("+")
    names = [re.escape(address), *digests, phone, f"crm-{number}", str(300000 + number)]
    return re.compile(rf"(?<!\w)(?:{'|'.join(names)})(?!\w)", re.IGNORECASE)


def lost_rows(before: Tables, after: Tables) -> Iterator[str]:
    """Yield the rows that are missing or changed."""
    for table, rows in before.items():
        yield from (Counter(rows) - Counter(after.get(table, []))).elements()


class Repairs(Campaign):
    """Damages tables, and kills the comparisons and the loads of `verify --repair`."""

    more: Mapping[str, Any] = MappingProxyType({})

    @override
    def outcome(self, account: Account, state: Mapping[str, Any], kill: Kill | None) -> Outcome:
        forks, database, folder = self._forks, self._database, self._folder
        run = Run(forks, account, database, folder, state=state, kill=kill, more=self.more)
        return run.run()

    @override
    def _pipeline(self, account: Account, kills: int) -> None:
        self.begin(account)
        account.past = {}
        if account.tap in self._profiles:
            assert self._run(account, {}, None).complete
        else:
            self._learn(account)
        self._damage(account)
        damaged = {name: self._rows(account, name) for name in account.streams}
        self.more = {"dry_run": True}
        for _ in range(3):
            kill = self._choose(account, 0, whole=False)
            outcome = self._run(account, {}, kill)
            if outcome.struck and self.was_ended(outcome):
                self._count(account, kill, whole=False)
            assert outcome.states == []
            assert damaged == {name: self._rows(account, name) for name in account.streams}
        self.more = {}
        self._owed = self._keys_of(account)
        self._load(account, {}, kills)

    def _damage(self, account: Account) -> None:
        """Delete rows of each table and empty a column of others."""
        for name, stream in account.streams.items():
            table = f"{schema_of(account)}.{name}"
            plain = [
                each
                for each, described in stream.properties.items()
                if each not in stream.keys and "null" in described["type"] and each != "_extra"
            ]
            with psycopg.connect(self._database.url) as connection:
                first, last = (f"SELECT {which}(ctid) FROM {table}" for which in ("min", "max"))
                connection.execute(f"DELETE FROM {table} WHERE ctid IN ({first})".encode())
                for column in plain[:1]:
                    empty = f"UPDATE {table} SET {column} = NULL WHERE ctid IN ({last})"
                    connection.execute(empty.encode())
        account.past = {
            name: dict(identified(stream, self._rows(account, name)))
            for name, stream in account.streams.items()
        }


def test_damaged_tables_are_repaired_in_spite_of_kills(
    accounts: list[Account], forks: ForkServer, server: Database, tmp_path: Path
) -> None:
    figures = Repairs(forks, server, tmp_path, SEED).run(accounts, KILLS)
    print(f"\nverify --repair, seed {SEED}: {figures}")  # noqa: T201 - its purpose
    assert figures.faults == [], str(figures)


@dataclass
class Erasure:
    """The tables of all vendors, and the people who are forgotten in them one by one."""

    operations: Operations
    warehouse: Warehouse
    accounts: list[Account]
    number: int = 0
    """The number of the last forgotten person."""
    messages: int = 60
    """Messages to the database of a whole run, or a first guess."""

    def load(self) -> None:
        """Load everything again."""
        for account in self.accounts:
            load(account, self.operations, pii_key=KEY)

    def begin_again(self) -> None:
        """Load everything into new tables, without forgotten people."""
        self.number = 0
        for account in self.accounts:
            self.operations.database.drop_schema(schema_of(account))
        self.load()

    def tables(self) -> dict[str, Tables]:
        return {tap: self.warehouse.rows(tap.replace("-", "_")) for tap in VENDORS}

    def forget(self, rng: random.Random) -> None:
        """Forget the next person in killed runs and a whole one, and load again."""
        self.number += 1
        command = ("forget", "--email", people.address(self.number))
        before, person = self.tables(), names_of(self.number)
        assert any(person.search(str(tables)) for tables in before.values())
        for _ in range(rng.randint(3, 8)):
            kill_at, sends = rng.randint(1, self.messages), rng.random() < 0.5
            if self.operations.run(*command, kill_at=kill_at, sends=sends) == 0:
                self.messages = self.operations.messages
            self.check(before, person)
        assert self.operations.run(*command) == 0, self.operations.log
        assert "nothing is left" in self.operations.log.splitlines()
        self.load()
        self.check(before, person)
        for tap, tables in self.tables().items():
            for number in range(1, self.number + 1):
                assert not names_of(number).search(str(tables)), (tap, number)

    def check(self, before: dict[str, Tables], person: re.Pattern[str]) -> None:
        """Check that no row about others is missing or changed."""
        for tap, tables in self.tables().items():
            others = [row for row in lost_rows(before[tap], tables) if not person.search(row)]
            assert not others, (tap, len(others), others[0])


def test_forgotten_people_are_gone_and_others_stay(
    operations: Operations, warehouse: Warehouse, accounts: list[Account]
) -> None:
    rng, rounds = random.Random(SEED), 0
    erasure = Erasure(operations, warehouse, accounts)
    while operations.kills < KILLS:
        if erasure.number == PEOPLE:
            erasure.begin_again()
        erasure.forget(rng)
        rounds += 1
    print(f"\nforget: {operations.kills} kills, {rounds} people")  # noqa: T201 - its purpose
