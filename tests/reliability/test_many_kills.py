"""Any number of kills, of processes and of Meltano; `-s` prints the figures.

`RELIABILITY_KILLS` is the number of kills (1,000), `RELIABILITY_SEED` chooses their moments (1).
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.reliability.database import Database
from tests.reliability.fork_server import ForkServer
from tests.reliability.kills import Campaign
from tests.reliability.meltano_kills import MeltanoCampaign
from tests.reliability.truth import open_accounts
from tests.targets.target_warehouse.proxy import Proxy

KILLS = int(os.environ.get("RELIABILITY_KILLS", "1000"))
SEED = int(os.environ.get("RELIABILITY_SEED", "1"))
SHARE = 0.02
"""Share of the records that the vendors withdraw each day between two loads."""
OF_MELTANO = 0.02
"""Share of Meltano's kills; a run of Meltano takes ten times as long as one without."""


def test_tap_and_target(forks: ForkServer, server: Database, tmp_path: Path) -> None:
    campaign = Campaign(forks, server, tmp_path, SEED)
    with open_accounts(tmp_path, SEED, SHARE) as accounts:
        figures = campaign.run(accounts, round(KILLS * (1 - OF_MELTANO)))
    print(f"\ntap | target, seed {SEED}: {figures}")  # noqa: T201 - what it is for
    assert figures.faults == [], str(figures)


def test_meltano_run(forks: ForkServer, server: Database, tmp_path: Path) -> None:
    with Proxy(server.url) as proxy, open_accounts(tmp_path, SEED, SHARE) as accounts:
        campaign = MeltanoCampaign(forks, server, tmp_path, SEED, proxy)
        figures = campaign.run(accounts, max(round(KILLS * OF_MELTANO), 1))
    print(f"\nmeltano run, seed {SEED}: {figures}")  # noqa: T201 - what it is for
    assert figures.faults == [], str(figures)
