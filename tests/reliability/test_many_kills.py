"""The same as often as anyone likes, and with Meltano; the figures are printed with `-s`.

`RELIABILITY_KILLS` says how often (1,000), `RELIABILITY_SEED` at which moments (1).
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.reliability.database import Database
from tests.reliability.kills import Campaign
from tests.reliability.meltano_kills import MeltanoCampaign
from tests.reliability.truth import world
from tests.reliability.warm import Warm
from tests.targets.target_warehouse.proxy import Proxy

KILLS = int(os.environ.get("RELIABILITY_KILLS", "1000"))
SEED = int(os.environ.get("RELIABILITY_SEED", "1"))
OF_MELTANO = 0.02
"""A run of Meltano takes ten times as long."""


def test_tap_and_target(warm: Warm, server: Database, tmp_path: Path) -> None:
    campaign = Campaign(warm, server, tmp_path, SEED)
    with world(tmp_path, SEED) as accounts:
        figures = campaign.go_on(accounts, round(KILLS * (1 - OF_MELTANO)))
    print(f"\ntap | target, seed {SEED}: {figures}")  # noqa: T201 - what it is for
    assert figures.faults == [], str(figures)


def test_meltano_run(warm: Warm, server: Database, tmp_path: Path) -> None:
    with Proxy(server.url) as proxy, world(tmp_path, SEED) as accounts:
        campaign = MeltanoCampaign(warm, server, tmp_path, SEED, proxy)
        figures = campaign.go_on(accounts, max(round(KILLS * OF_MELTANO), 1))
    print(f"\nmeltano run, seed {SEED}: {figures}")  # noqa: T201 - what it is for
    assert figures.faults == [], str(figures)
