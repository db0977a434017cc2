"""200 people in the data of five vendors: 20 of them are forgotten, and do not come back.

The pipelines run for 30 days as real processes, and some runs are killed. Takes minutes.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dotenv import dotenv_values

from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.adtraction.channels import Channels
from attribution_elt.sandbox.attribution_io import timeline
from attribution_elt.sandbox.ecdp import catalogue
from attribution_elt.sandbox.ihc.journeys import journeys
from tests import people, postgres
from tests.operating import TAP_TYPES, attribution_elt
from tests.pipeline.expected import Stream
from tests.pipeline.meltano import environment, meltano, project
from tests.reliability.database import Database
from tests.reliability.days import shrink
from tests.reliability.fork_server import ForkServer
from tests.reliability.run import Kill, Outcome, Run
from tests.reliability.spellings import ENCODINGS, needles
from tests.reliability.truth import Account
from tests.targets.target_warehouse.warehouses import record, schema, singer

PEOPLE = int(os.environ.get("RELIABILITY_PEOPLE", "200"))
DAYS = int(os.environ.get("RELIABILITY_DAYS", "30"))
KILLED = 0.25
"""Share of the runs that are killed first."""
FORGOTTEN = [people.address(number) for number in range(1, PEOPLE + 1, 10)]
EVERY = {"tap-attribution-io": 5, "tap-ignite": 3}
"""Days between runs of the pipelines with the most records; the others run daily."""
KILLS = ("SIGKILL tap", "SIGKILL target", "SIGKILL both", "SIGTERM both", "crash database")
VISITS = 10_000
"""The number of a visit is that of its person times this one, and its place."""


NEEDLES = sorted({needle for address in FORGOTTEN for needle in needles(address)})


def found_in(content: bytes) -> list[bytes]:
    lower = content.lower().replace(b"\\\\", b"\\")  # JSON within JSON, and rows as text
    return [each for each in NEEDLES if each in lower]


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox whose vendors repeat addresses in every encoding, and whose last day is today."""
    people.share(monkeypatch, PEOPLE)
    buyer, make_visit, add = catalogue.customer, timeline.make_visit, Channels._add  # noqa: SLF001

    def customer(rng: random.Random) -> dict[str, Any]:
        found = buyer(rng)
        address = people.address(found["id"] - 300000)
        return {**found, "note": f"mail to {rng.choice(ENCODINGS)(address)}, please"}

    def visit(rng: random.Random, visit_id: int, *given: Any) -> timeline.Visit:
        found = make_visit(rng, visit_id, *given)
        address = people.address(visit_id // VISITS)
        found.touchpoint["url"] += f"&m={rng.choice(ENCODINGS)(address)}"
        return found

    def channel(self: Channels, day: Any) -> None:
        add(self, day)
        row = self.rows[-1]
        address = people.address(len(self.rows) % PEOPLE + 1)
        row["affiliateName"] = address
        row["channelDescription"] = f"of {ENCODINGS[len(self.rows) % len(ENCODINGS)](address)}!"

    monkeypatch.setattr(catalogue, "customer", customer)
    monkeypatch.setattr(timeline, "make_visit", visit)
    monkeypatch.setattr(Channels, "_add", channel)
    first = datetime.now(UTC).date() - timedelta(DAYS + 1)
    with Sandbox(seed=7, today=first) as sandbox:
        shrink(sandbox)
        sandbox.ecdp.orders_per_day, sandbox.ecdp.history_days = 12, 5
        sandbox.ignite.sizes.visitors, sandbox.ignite.sizes.locations = PEOPLE, 12
        sandbox.attribution_io.customer_count = PEOPLE
        sandbox.attribution_io.pageviews_per_visit = 1
        sandbox.withdraw_daily(0.02)
        yield sandbox


class Pipelines:
    """The pipelines of five vendors into one PostgreSQL database, and the project's folder."""

    def __init__(
        self, sandbox: Sandbox, database: Database, forks: ForkServer, folder: Path
    ) -> None:
        self.sandbox, self.database, self.forks = sandbox, database, forks
        self.folder = project(folder / "project")
        self.upstream = self.folder
        self.loader: dict[str, Any] = {"batch_size_rows": 200, "vanish_limit": 1}
        self.states: dict[str, dict[str, Any]] = {}
        self.kills = 0
        self._rng = random.Random(1)

    def accounts(self) -> Iterator[Account]:
        """The accounts with the settings of the day, whose files are in `upstream`."""
        listed = self.upstream / "customers.csv"
        addresses = [people.address(number) for number in range(1, PEOPLE + 1)]
        listed.write_text("client_id\n" + "".join(f"{each}\n" for each in addresses))
        sessions = self.upstream / "journeys.jsonl"
        sessions.write_text("".join(f"{json.dumps(each)}\n" for each in self._sessions()))
        ecdp, io, ihc = self.sandbox.ecdp, self.sandbox.attribution_io, self.sandbox.ihc
        sites = [
            {"name": site.name, "token": site.token, "secret": site.secret}
            for site in self.sandbox.ignite.websites
        ]
        adtraction = self.sandbox.adtraction
        settings: dict[str, dict[str, Any]] = {
            "tap-ecdp": {"api_key": ecdp.api_key, "start_date": str(self._first - timedelta(6))},
            "tap-adtraction": {
                **adtraction.credentials,
                "markets": list(adtraction.markets),
                "channel_ids": list(adtraction.channel_ids),
            },
            "tap-ignite": {
                "websites": sites,
                "hash_algorithms": ["md5", "sha1", "sha2"],
                "start_date": str(self._first),
                "lookback_days": 40,
                "snapshot_days": 59,
            },
            "tap-attribution-io": {**io.credentials, "customer_ids_file": str(listed)},
            "tap-ihc": {
                "api_key": ihc.api_key,
                "conv_type_id": ihc.conv_type_id,
                "journeys_file": str(sessions),
            },
        }
        for kind in TAP_TYPES:
            url = self.sandbox.vendors[kind.name.removeprefix("tap-")].url
            given = {"api_url": url, "max_retries": 2, **settings[kind.name]}
            account = Account(kind.name, kind, self.sandbox, given, lambda *_: False, dict)
            for name, stream in kind(config=given).streams.items():
                keys = list(stream.primary_keys)
                account.streams[name] = Stream(stream.schema["properties"], keys)
            yield account

    @cached_property
    def _first(self) -> Any:
        return self.sandbox.clock.start

    def _sessions(self) -> Iterator[dict[str, Any]]:
        """Yield the sessions of a journey for every fifth person."""
        numbers: dict[str, int] = {}
        lengths = {range(2, 5): 1}
        for row in journeys(PEOPLE // 5, self._first, days=9, seed=7, lengths=lengths):
            number = numbers.setdefault(row["conversion_id"], 5 * len(numbers) + 1)
            encode = ENCODINGS[number % len(ENCODINGS)]
            yield {**row, "conversion_id": f"order:{encode(people.address(number))}"}

    def run(self, *, killed: float = KILLED, day: int = 0) -> None:
        """Run the pipelines of a day; a share of the runs is killed and repeated."""
        for account in self.accounts():
            if day % EVERY.get(account.tap, 1):
                continue
            while self._rng.random() < killed:
                kind = self._rng.choice(KILLS)
                kill = Kill(kind, "line", self._rng.randint(2, 400), 0)
                self.kills += self._outcome(account, kill).struck
            outcome = self._outcome(account, None)
            assert outcome.complete, (account.tap, outcome.codes, outcome.log[-3000:])

    def _outcome(self, account: Account, kill: Kill | None) -> Outcome:
        logs = self.folder / "runs" / account.tap
        logs.mkdir(parents=True, exist_ok=True)
        state = self.states.get(account.tap, {})
        run = Run(
            *(self.forks, account, self.database, logs),
            state=state,
            kill=kill,
            more=self.loader,
        )
        outcome = run.run()
        if outcome.states:
            self.states[account.tap] = outcome.states[-1]
        return outcome

    def reject(self) -> None:
        """Load records of forgotten people that the warehouse rejects."""
        orders = schema("attributed_orders", ["website_id", "order_id"], order_id="string")
        orders["schema"]["properties"] |= {
            "website_id": {"type": "integer"},
            "order_value_converted": {"type": ["number", "null"]},
        }
        wrong = [
            record(
                "attributed_orders",
                website_id=22,
                order_id=f"rejected {number}",
                order_value_converted=f"much, says {encode(address)}",
                customer_email=address.upper(),
            )
            for number, address in enumerate(FORGOTTEN)
            for encode in ENCODINGS
        ]
        config = self.folder / "rejecting.json"
        given = self.folder / "rejected.jsonl"
        given.write_text(singer([orders, *wrong]))
        settings = {"url": self.database.url, "default_target_schema": "tap_ecdp", **self.loader}
        config.write_text(json.dumps(settings))
        with given.open("rb") as lines, (self.folder / "rejecting.log").open("wb") as log:
            command = ["target-warehouse", "--config", str(config)]
            child = self.forks.start(command, lines.fileno(), log.fileno(), log.fileno())
        assert child.wait(100) == 1

    def rows(self) -> dict[str, Counter[bytes]]:
        """The rows of all tables."""
        with self._connected() as connection:
            tables = connection.execute(
                "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
                "WHERE schemaname LIKE 'tap%'"
            ).fetchall()
            every = {}
            for (table,) in tables:
                with connection.cursor().copy(f"COPY {table} TO STDOUT CSV".encode()) as copy:
                    every[table] = Counter(b"".join(copy).splitlines())
        return every

    def stored(self) -> Iterator[tuple[str, bytes]]:
        """Yield the name and the content of each table, file of the database, and own file."""
        for table, rows in self.rows().items():
            yield table, b"\n".join(rows)
        self.execute("CHECKPOINT")
        [(folder,)] = self.query(
            "SELECT current_setting('data_directory') || '/base/' || oid FROM pg_database "
            "WHERE datname = current_database()"
        )
        for root in (self.folder, Path(folder)):
            for path in root.rglob("*"):
                if path.is_file():
                    yield str(path), path.read_bytes()

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection]:
        with psycopg.connect(self.database.url, autocommit=True) as connection:
            yield connection

    def execute(self, sql: str) -> None:
        with self._connected() as connection:
            connection.execute(sql.encode())

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with self._connected() as connection:
            return connection.execute(sql.encode()).fetchall()

    @property
    def variables(self) -> dict[str, str]:
        """The environment of the project's commands."""
        return environment({"target-warehouse": {"url": self.database.url}})


@pytest.fixture
def pipelines(sandbox: Sandbox, forks: ForkServer, tmp_path: Path) -> Iterator[Pipelines]:
    with postgres.serving() as server:
        yield Pipelines(sandbox, Database(server, None), forks, tmp_path)


AGGREGATES = (
    "SELECT lower(trim(customer_email)), count(*), sum(order_value_converted), max(order_id) \
     FROM tap_ecdp.attributed_orders GROUP BY 1",
    "SELECT client_id, count(*), sum(summary_total_amount) \
     FROM tap_attribution_io.customers GROUP BY 1",
    "SELECT client_id, count(*), sum(amount) FROM tap_attribution_io.events GROUP BY 1",
    "SELECT client_id, count(*), count(url) FROM tap_attribution_io.pageviews GROUP BY 1",
    "SELECT website, hashed_email, count(*) FROM tap_ignite.visitors GROUP BY 1, 2",
    "SELECT conversion_id, sum(ihc), count(*) FROM tap_ihc.attributions GROUP BY 1",
    "SELECT affiliate_name, count(*) FROM tap_adtraction.channels GROUP BY 1",
)
TOTALS = (
    "SELECT count(*), sum(order_value_converted) FROM tap_ecdp.attributed_orders",
    "SELECT count(*), sum(amount) FROM tap_attribution_io.events",
    "SELECT count(*) FROM tap_attribution_io.pageviews",
    "SELECT count(*) FROM tap_adtraction.channels",
)


def others(pipelines: Pipelines) -> list[list[tuple[Any, ...]]]:
    """The aggregates of the people who are not forgotten."""
    return [
        sorted(row for row in pipelines.query(sql) if row[0] and not found_in(repr(row).encode()))
        for sql in AGGREGATES
    ]


def totals(pipelines: Pipelines) -> list[Any]:
    return [pipelines.query(sql) for sql in TOTALS]


def without_people(rows: dict[str, Counter[bytes]]) -> dict[str, Counter[bytes]]:
    return {
        table: Counter({row: n for row, n in each.items() if not found_in(row)})
        for table, each in rows.items()
    }


def places(stored: Iterable[tuple[str, bytes]]) -> dict[str, list[bytes]]:
    """The names of what has forgotten people, with what it has."""
    every = {name: found_in(content)[:3] for name, content in stored}
    return {name: found for name, found in every.items() if found}


def keep_states(pipelines: Pipelines) -> list[str]:
    """Store the states in Meltano, with one of another tap that has people as keys."""
    states = {f"dev:{tap}-to-target-warehouse": each for tap, each in pipelines.states.items()}
    states["dev:tap-other-to-target-warehouse"] = {
        "bookmarks": {"customers": {"units": dict.fromkeys(FORGOTTEN, "2026-01-01")}}
    }
    for name, state in states.items():
        path = pipelines.folder / "state.json"
        path.write_text(json.dumps({"singer_state": state}))
        given = ("state", "set", "--force", f"--input-file={path}", name)
        meltano(pipelines.folder, *given, env=pipelines.variables)
    return list(states)


def test_20_of_200_people_are_forgotten_and_stay_out(pipelines: Pipelines, tmp_path: Path) -> None:
    for day in range(DAYS):
        pipelines.run(day=day)
        if day == DAYS // 2:
            pipelines.reject()
        pipelines.sandbox.advance()
    pipelines.run(killed=0)
    assert pipelines.kills >= DAYS // 2
    logs = [(str(path), path.read_bytes()) for path in pipelines.folder.rglob("*.log")]
    assert len(logs) > len(TAP_TYPES)
    assert places(logs) == {}, "logs have no people"
    state_ids = keep_states(pipelines)
    folder = pipelines.folder
    (folder / "extract.csv").write_text("".join(f"{each},1\n" for each in FORGOTTEN), "utf-16")
    (folder / "asked.log").write_text(
        "".join(f"{encode(each)}\n" for each in FORGOTTEN for encode in ENCODINGS)
    )
    requests = tmp_path / "requests.txt"
    requests.write_text("\n".join(FORGOTTEN))
    pipelines.execute("ANALYZE")
    before, kept, whole = pipelines.rows(), others(pipelines), totals(pipelines)
    assert all(each for each in kept)
    tables = places((table, b"\n".join(rows)) for table, rows in before.items())
    assert "tap_ecdp._rejected" in tables
    assert DAYS < 9 or "tap_ecdp.attributed_orders__history" in tables

    done = attribution_elt(
        folder, pipelines.variables, "forget", "--from", str(requests), seconds=1800
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert found_in((done.stdout + done.stderr).encode()) == []
    assert places(pipelines.stored()) == {}
    after = pipelines.rows()
    for table, rows in without_people(before).items():
        assert list(rows - after[table])[:3] == [], table
    assert others(pipelines) == kept
    assert totals(pipelines) == whole

    for name in state_ids:
        read = meltano(folder, "state", "get", name, env=pipelines.variables).stdout
        assert found_in(read.encode()) == []
        tap = name.removeprefix("dev:").removesuffix("-to-target-warehouse")
        pipelines.states[tap] = json.loads(read)["singer_state"]
    pipelines.upstream = tmp_path / "upstream"
    pipelines.upstream.mkdir()
    pipelines.loader["pii_key"] = dotenv_values(folder / ".env")["TARGET_WAREHOUSE_PII_KEY"]
    pipelines.run(killed=0)
    assert places(pipelines.stored()) == {}
    assert others(pipelines) == kept
    assert totals(pipelines) == whole
    pipelines.sandbox.advance()
    pipelines.run(killed=0.5)
    assert places(pipelines.stored()) == {}
    pipelines.states = {}
    pipelines.run(killed=0.5)
    assert places(pipelines.stored()) == {}
    done = attribution_elt(
        folder, pipelines.variables, "forget", "--from", str(requests), seconds=1800
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " erased, " not in done.stdout
