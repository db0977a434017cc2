"""Commands of `attribution-elt` in processes that tests kill at any message to the database."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from attribution_elt.cli.forget import forget
from attribution_elt.cli.models import models
from attribution_elt.core.errors import OneLineError
from attribution_elt.meltano.project import SCHEMA, Extractor, Loader
from tests.operating import TAP_TYPES
from tests.reliability.database import Database
from tests.reliability.fork_server import ForkServer
from tests.targets.target_warehouse.processes import PATIENCE
from tests.targets.target_warehouse.proxy import Proxy

COMMANDS = {"models": models, "forget": forget}
KEY = "the key of the pseudonyms, in these tests"


@dataclass
class PlainProject:
    """The part of a Meltano project that the commands use, without Meltano."""

    url: str
    settings: Mapping[str, Mapping[str, Any]]
    """Settings of each tap."""
    writers: tuple[Any, ...] = ()
    env_file: Path | None = None

    @cached_property
    def loader(self) -> Loader:
        return Loader("target-warehouse", self.url, SCHEMA, KEY)

    @property
    def loaders(self) -> dict[str, Loader]:
        return {"target-warehouse": self.loader}

    @cached_property
    def extractors(self) -> dict[str, Extractor]:
        taps = {each.__module__.split(".")[0].replace("_", "-"): each for each in TAP_TYPES}
        return {
            name: Extractor(name, tap, name.replace("-", "_"), self.settings[name])
            for name, tap in taps.items()
            if name in self.settings
        }

    @property
    def accounts(self) -> list[Extractor]:
        return list(self.extractors.values())

    @property
    def load_schemas(self) -> dict[str, str]:
        return {each.name: each.load_schema for each in self.accounts}

    def state_ids(self) -> list[str]:
        return []


def main() -> None:
    """Run a command: the arguments are a URL, a file of settings by tap, and the command's."""
    _, url, settings, name, *arguments = sys.argv
    os.chdir(Path(settings).parent / "project")
    project = PlainProject(url, json.loads(Path(settings).read_text()))
    try:
        COMMANDS[name](arguments, prog_name=name, obj=project)
    except OneLineError as error:
        sys.exit(f"Error: {error}")


@dataclass
class Operations:
    """Starts commands and kills them.

    Args:
        folder: gets a log and `project/`, the current folder of the commands.
        settings: settings of each tap.
    """

    forks: ForkServer
    database: Database
    folder: Path
    settings: Mapping[str, Mapping[str, Any]]
    messages: int = 0
    """Messages that the last command sent to the database."""
    log: str = ""
    struck: bool = False
    kills: int = field(default=0)

    def run(self, *command: str, kill_at: int | None = None, sends: bool = True) -> int:
        """Run a command; kill it at a message to the database.

        Args:
            command: name and arguments.
            kill_at: number of the message.
            sends: whether the database receives that message.

        Returns:
            The exit code.
        """
        (self.folder / "project").mkdir(exist_ok=True)
        settings = self.folder / "settings.json"
        settings.write_text(json.dumps(self.settings))
        self.messages, self.struck = 0, False
        started = threading.Event()

        def watch(_: bytes, sent: bool) -> None:
            self.messages += not sent
            if self.messages == kill_at and sent is sends and not self.struck:
                started.wait(PATIENCE)
                self.struck = True
                child.send(signal.SIGKILL)

        log = self.folder / "operation.log"
        with Proxy(self.database.url) as proxy, log.open("wb") as output:
            proxy.watch = watch
            nothing = os.open(os.devnull, os.O_RDONLY)
            arguments = ["operation", proxy.url, str(settings), *command]
            child = self.forks.start(arguments, nothing, output.fileno(), output.fileno())
            os.close(nothing)
            started.set()
            code = child.wait(PATIENCE)
        self.log = log.read_text()
        assert code is not None, f"{command} hangs after message {kill_at}"
        killed = code == -signal.SIGKILL
        self.kills += killed
        assert killed or code in (0, 1), self.log
        assert "Traceback" not in self.log, self.log
        return code


def text_of(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return rows in a form that can be sorted and compared."""
    return sorted(map(str, rows))
