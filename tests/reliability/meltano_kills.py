"""The same with `meltano run`, which keeps the states itself."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil
from typing_extensions import override

from tests.pipeline.meltano import SCRIPTS, environment, meltano, project
from tests.reliability.database import Database
from tests.reliability.kills import INSIDE, Campaign
from tests.reliability.run import Kill, Outcome, Trigger
from tests.reliability.truth import Account
from tests.reliability.warm import Warm
from tests.targets.target_warehouse.processes import PATIENCE
from tests.targets.target_warehouse.proxy import Proxy

PROD = "--environment=prod"
WEIGHTS: dict[str, int] = {
    "SIGKILL all": 4,
    "SIGKILL meltano": 2,
    "SIGKILL tap": 2,
    "SIGKILL target": 2,
    "SIGTERM meltano": 1,
    "crash database": 1,
}


class MeltanoCampaign(Campaign):
    """Kills Meltano, or what it has started, or all of them."""

    weights: Mapping[str, int] = MappingProxyType(WEIGHTS)
    where: Mapping[str, Sequence[str]] = MappingProxyType(
        dict.fromkeys(WEIGHTS, ("request", *INSIDE))
    )

    def __init__(
        self, warm: Warm, database: Database, folder: Path, seed: int, proxy: Proxy
    ) -> None:
        super().__init__(warm, database, folder, seed)
        self._proxy = proxy
        self._log = folder / "meltano.log"
        self._project = project(folder / "project")
        self._numbers = count()

    @override
    def begin(self, account: Account) -> None:
        super().begin(account)
        self._suffix = f"kills-{next(self._numbers)}"  # the state is then another, and empty

    @override
    def outcome(self, account: Account, state: Mapping[str, Any], kill: Kill | None) -> Outcome:
        variables = {
            "TARGET_WAREHOUSE_URL": self._proxy.url,
            "NO_COLOR": "1",
            # the project leaves a stream out
            f"{account.tap.upper().replace('-', '_')}__SELECT": json.dumps(["*.*"]),
        }
        env = environment({account.tap: account.settings}, **variables)
        # a run that was killed counts as going on for some minutes more
        run = (PROD, "run", "--force", f"--state-id-suffix={self._suffix}")
        processes: list[psutil.Process] = []
        trigger = Trigger(kill, lambda: _strike(kill, processes, self._database))
        with self._log.open("wb") as log, trigger.watching(account.vendor, self._proxy):
            started = subprocess.Popen(
                [str(SCRIPTS / "meltano"), *run, account.tap, "target-warehouse"],
                cwd=self._project,
                env=env,
                stdout=log,
                stderr=log,
            )
            processes.append(psutil.Process(started.pid))
            code = started.wait(PATIENCE)
            # what it has left behind goes on until it sees that nobody is there
            _, alive = psutil.wait_procs(processes[1:], PATIENCE)
            assert not alive, f"{alive} hang after {kill}"
        state_id = f"prod:{account.tap}-to-target-warehouse:{self._suffix}"
        kept = meltano(self._project, PROD, "state", "get", state_id, env=env).stdout
        found = json.loads(kept or "{}").get("singer_state")
        return Outcome(trigger.struck, trigger.seen, [found] if found else [], (code, 0))

    @override
    def was_ended(self, outcome: Outcome) -> bool:
        return outcome.codes[0] != 0  # of those that it has started it tells nothing else


def _strike(kill: Kill | None, processes: list[psutil.Process], database: Database) -> None:
    assert kill
    with suppress(psutil.NoSuchProcess):
        processes += processes[0].children(recursive=True)
    if kill.kind == "crash database":
        database.crash()
        return
    name, victim = kill.kind.split()
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # it ends at this very moment
            if victim == "all" or _is(process, victim):
                process.send_signal(signal.Signals[name])


def _is(process: psutil.Process, name: str) -> bool:
    """Whether a process is a console script whose name begins so."""
    return any(Path(word).name.startswith(name) for word in process.cmdline()[:2])
