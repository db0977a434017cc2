"""Killed pipelines lose no rows and duplicate no rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.reliability.database import Database
from tests.reliability.fork_server import ForkServer
from tests.reliability.kills import Campaign
from tests.reliability.truth import Account, open_accounts

SEED = 1
SHARE = 0.0
"""Share of the records that the vendors withdraw each day between two loads."""
KILLS = 20


@pytest.fixture
def campaign(forks: ForkServer, server: Database, tmp_path: Path) -> Campaign:
    return Campaign(forks, server, tmp_path, SEED)


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[list[Account]]:
    with open_accounts(tmp_path, SEED, SHARE) as vendors:
        yield vendors


def test_killed_pipelines_of_each_vendor_complete(
    campaign: Campaign, accounts: list[Account]
) -> None:
    figures = campaign.run(accounts, KILLS)
    assert figures.faults == [], str(figures)
    assert set(figures.by_tap) == {account.tap for account in accounts}
    assert figures.kills.total() == KILLS


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("DELETE FROM {} WHERE order_id = (SELECT min(order_id) FROM {})", ["lost", "ahead"]),
        ("UPDATE {} SET channel = 'other'", ["lost", "duplicated", "ahead"]),
        ("INSERT INTO {} (website_id, order_id) VALUES (1, 'nobody')", ["duplicated"]),
    ],
)
def test_the_campaign_detects_wrong_rows(
    campaign: Campaign, accounts: list[Account], server: Database, change: str, found: list[str]
) -> None:
    (account,) = [each for each in accounts if each.tap == "tap-ecdp"]
    campaign.begin(account)
    outcome = campaign.outcome(account, {}, None)
    with psycopg.connect(server.url) as connection:
        connection.execute(change.replace("{}", "tap_ecdp.attributed_orders").encode())
    campaign.check(account, outcome.states[-1], outcome, {})
    campaign.compare(account)
    faults = {name for name in ("lost", "duplicated", "ahead") if getattr(campaign.figures, name)}
    assert faults == set(found)
