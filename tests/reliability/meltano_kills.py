"""Kills of `meltano run`, which stores the states itself."""

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
from tests.reliability.fork_server import ForkServer
from tests.reliability.kills import INSIDE, Campaign
from tests.reliability.run import Kill, Outcome, Trigger
from tests.reliability.truth import Account
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
    """Kills Meltano, its child processes, or all of them."""

    weights: Mapping[str, int] = MappingProxyType(WEIGHTS)
    where: Mapping[str, Sequence[str]] = MappingProxyType(
        dict.fromkeys(WEIGHTS, ("request", *INSIDE))
    )

    def __init__(
        self, forks: ForkServer, database: Database, folder: Path, seed: int, proxy: Proxy
    ) -> None:
        super().__init__(forks, database, folder, seed)
        self._proxy = proxy
        self._log = folder / "meltano.log"
        self._project = project(folder / "project")
        self._numbers = count()

    @override
    def begin(self, account: Account) -> None:
        super().begin(account)
        self._suffix = f"kills-{next(self._numbers)}"  # a new state id, without a state

    @override
    def outcome(self, account: Account, state: Mapping[str, Any], kill: Kill | None) -> Outcome:
        variables = {
            "TARGET_WAREHOUSE_URL": self._proxy.url,
            "NO_COLOR": "1",
            # the project does not select all streams
            f"{account.tap.upper().replace('-', '_')}__SELECT": json.dumps(["*.*"]),
        }
        env = environment({account.tap: account.settings}, **variables)
        # Meltano takes a killed run for a running one for some minutes
        run = (PROD, "run", "--force", f"--state-id-suffix={self._suffix}")
        processes: list[psutil.Process] = []
        trigger = Trigger(kill, lambda: _strike(kill, processes, self._database))
        self._proxy.watch = trigger.see_statement
        with self._log.open("wb") as log, trigger.watching(account.vendor):
            started = subprocess.Popen(
                [str(SCRIPTS / "meltano"), *run, account.tap, "target-warehouse"],
                cwd=self._project,
                env=env,
                stdout=log,
                stderr=log,
            )
            processes.append(psutil.Process(started.pid))
            code = started.wait(PATIENCE)
            # its child processes run until they notice the closed pipes
            _, alive = psutil.wait_procs(processes[1:], PATIENCE)
            assert not alive, f"{alive} hang after {kill}"
        state_id = f"prod:{account.tap}-to-target-warehouse:{self._suffix}"
        kept = meltano(self._project, PROD, "state", "get", state_id, env=env).stdout
        found = json.loads(kept or "{}").get("singer_state")
        return Outcome(trigger.struck, trigger.seen, [found] if found else [], (code, 0))

    @override
    def was_ended(self, outcome: Outcome) -> bool:
        return outcome.codes[0] != 0  # Meltano does not report its child processes' exit codes


def _strike(kill: Kill | None, processes: list[psutil.Process], database: Database) -> None:
    assert kill
    with suppress(psutil.NoSuchProcess):
        processes += processes[0].children(recursive=True)
    if kill.kind == "crash database":
        database.crash()
        return
    name, victim = kill.kind.split()
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # the process may end at this moment
            if victim == "all" or _is(process, victim):
                process.send_signal(signal.Signals[name])


def _is(process: psutil.Process, name: str) -> bool:
    """Return whether a process is a console script whose name starts with `name`."""
    return any(Path(word).name.startswith(name) for word in process.cmdline()[:2])
