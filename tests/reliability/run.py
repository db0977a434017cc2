"""One run of a pipeline with real processes and one failure at a chosen moment."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

from attribution_elt.sandbox import Fault
from attribution_elt.sandbox.messages import Request
from attribution_elt.sandbox.vendor import Vendor
from tests import leaks
from tests.reliability.database import Killable
from tests.reliability.fork_server import ForkServer
from tests.reliability.truth import Account
from tests.targets.target_warehouse.processes import PATIENCE

STATEMENTS = ("CREATE", "COPY", "INSERT", "COMMIT")
SHORT = 4096
"""Size of the pipe from the tap, so small that the tap is still at work while lines pass."""
PLACES = (
    "line",  # before the nth line of the tap reaches the target
    "torn line",  # after half of the nth line has reached the target
    "request",  # when the vendor receives the nth request
    "state",  # after the target has written the nth state
    *(f"{when} {statement}" for statement in STATEMENTS for when in ("before", "after")),
)


@dataclass(frozen=True)
class Kill:
    """A failure at the nth time that a run reaches a place, after a pause."""

    kind: str
    """A signal and its receiver, or the thing to close, crash or fill."""
    place: str
    number: int
    pause: float = 0


class Trigger:
    """Counts how often a run reaches each place, and causes the failure once."""

    def __init__(self, kill: Kill | None, strike: Callable[[], object]) -> None:
        self.seen: Counter[str] = Counter()
        self.struck = False
        self._kill = kill
        self._strike = strike
        self._lock = threading.Lock()

    def reach(self, place: str) -> bool:
        """Count a place; return whether the failure happened here."""
        with self._lock:
            self.seen[place] += 1
            kill = self._kill
            if kill is None or self.struck or kill.place != place:
                return False
            if self.seen[place] < kill.number:
                return False
            self.struck = True
        if kill.pause:
            threading.Event().wait(kill.pause)
        self._strike()
        return True

    @contextmanager
    def watching(self, vendor: Vendor) -> Iterator[None]:
        """Count requests to a vendor."""
        vendor.faults.add(Fault("status", times=None, match=self._see_request))
        try:
            yield
        finally:
            vendor.faults.clear()

    def _see_request(self, _: Request) -> bool:
        self.reach("request")
        return False

    def see_statement(self, data: bytes, sent: bool) -> None:
        """Count the statements in data for the database, before or after they are sent."""
        when = "after" if sent else "before"
        for statement in STATEMENTS:
            if statement.encode() + (b"\0" if statement == "COMMIT" else b" ") in data:
                self.reach(f"{when} {statement}")


@dataclass
class Outcome:
    """The result of a run."""

    struck: bool
    """Whether the failure happened before the run ended."""
    seen: Counter[str]
    states: list[dict[str, Any]]
    codes: tuple[int, int]
    """Exit codes of the tap and the target."""
    log: str = ""
    committed: set[tuple[str, tuple[Any, ...]]] = field(default_factory=set)
    """Streams and keys of the records before the last state that the target wrote."""

    cut_off: bool = False
    """Whether the target received only a part of the tap's output."""

    @property
    def complete(self) -> bool:
        return self.codes == (0, 0) and bool(self.states) and not self.cut_off


class Run:
    """A tap, a target, and a relay between them that counts lines."""

    def __init__(
        self,
        forks: ForkServer,
        account: Account,
        database: Killable,
        folder: Path,
        *,
        state: Mapping[str, Any],
        kill: Kill | None = None,
        more: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Prepare a run, with more settings of the target."""
        self._account = account
        self._database = database
        self._kill = kill
        self._trigger = Trigger(kill, self._strike)
        self._states: list[dict[str, Any]] = []
        self._passed: list[tuple[str, tuple[Any, ...]] | dict[str, Any]] = []
        self._ready = threading.Event()
        self._cut_off = True
        self._folder = folder
        self._forks = forks
        self._state = state
        self._more = more

    def run(self) -> Outcome:
        """Run until both processes have ended."""
        vendor = self._account.vendor
        watched = self._database.watched(self._trigger.see_statement)
        with watched as url, self._trigger.watching(vendor):
            try:
                codes = self._follow(url)
            finally:
                self._database.make_room()
        log = "".join((self._folder / name).read_text() for name in ("tap.log", "target.log"))
        leaks.guard(log, json.dumps(self._states), settings=self._account.settings)
        return Outcome(
            struck=self._trigger.struck,
            seen=self._trigger.seen,
            states=self._states,
            codes=codes,
            log=log,
            committed=self._committed(),
            cut_off=self._cut_off,
        )

    def _follow(self, url: str) -> tuple[int, int]:
        target_config = {
            "url": url,
            "history": ["*"],
            "default_target_schema": schema_of(self._account),
            "batch_size_rows": 8,
            **self._more,
        }
        nothing = os.open(os.devnull, os.O_RDONLY)
        from_tap, tap_out = os.pipe()
        target_in, to_target = os.pipe()
        from_target, target_out = os.pipe()
        fcntl.fcntl(tap_out, fcntl.F_SETPIPE_SZ, SHORT)
        self._target = self._start(
            "target-warehouse", "target.log", target_in, target_out, config=target_config
        )
        self._tap = self._start(
            self._account.tap,
            "tap.log",
            nothing,
            tap_out,
            config=self._account.settings,
            state=self._state,
        )
        for descriptor in (nothing, tap_out, target_in, target_out):
            os.close(descriptor)
        self._ready.set()
        threads = [
            threading.Thread(target=self._relay, args=(from_tap, to_target), daemon=True),
            threading.Thread(target=self._listen, args=(from_target,), daemon=True),
        ]
        for thread in threads:
            thread.start()
        codes = []
        for name, process in (("tap", self._tap), ("target", self._target)):
            code = process.wait(PATIENCE)
            assert code is not None, f"{name} hangs after {self._kill}"
            codes.append(code)
        for thread in threads:
            thread.join(PATIENCE)
        return codes[0], codes[1]

    def _start(self, name: str, log: str, stdin: int, stdout: int, **documents: Any) -> Any:
        command = [name]
        for option, document in documents.items():
            path = self._folder / f"{name}.{option}.json"
            path.write_text(json.dumps(document))
            command += [f"--{option}", str(path)]
        with (self._folder / log).open("wb") as file:
            return self._forks.start(command, stdin, stdout, file.fileno())

    def _relay(self, source: int, sink: int) -> None:
        with (
            suppress(BrokenPipeError),
            open(source, "rb", buffering=SHORT) as tap,
            open(sink, "wb", buffering=0) as target,
        ):
            for line in tap:
                if self._trigger.reach("torn line"):
                    target.write(line[: len(line) // 2])
                    return
                if self._trigger.reach("line") and self._loses_the_rest:
                    return
                target.write(line)
                if line.endswith(b"\n"):  # a kill may cut off the last line
                    self._note(line)
            self._cut_off = False

    @property
    def _loses_the_rest(self) -> bool:
        """Whether the failure ends the output of the tap."""
        kind = self._kill.kind if self._kill else ""
        return kind in {"SIGKILL tap", "SIGKILL both", "close tap's pipe"}

    def _note(self, line: bytes) -> None:
        message = json.loads(line, parse_float=Decimal)
        match message["type"]:
            case "RECORD":
                keys = self._account.streams[message["stream"]].keys
                key = tuple(message["record"][name] for name in keys)
                self._passed.append((message["stream"], key))
            case "STATE":
                self._passed.append(message["value"])

    def _listen(self, source: int) -> None:
        with open(source, "rb") as target:
            for line in target:
                if not line.endswith(b"\n"):
                    return
                self._states.append(json.loads(line))
                struck = self._trigger.reach("state")
                if struck and self._kill and self._kill.kind == "close target's pipe":
                    return

    def _committed(self) -> set[tuple[str, tuple[Any, ...]]]:
        if not self._states:
            return set()
        place = self._passed.index(self._states[-1])
        return {each for each in self._passed[:place] if isinstance(each, tuple)}

    def _strike(self) -> None:
        assert self._kill
        self._ready.wait(PATIENCE)
        match self._kill.kind.split():
            case ["crash", _]:
                self._database.crash()
            case ["fill", _]:
                self._database.fill()
            case ["SIGKILL" | "SIGTERM" as name, victim]:
                for each, process in (("tap", self._tap), ("target", self._target)):
                    if victim in {each, "both"}:
                        process.send(signal.Signals[name])


def schema_of(account: Account) -> str:
    """Return the schema of an account's tables."""
    return account.tap.replace("-", "_")
