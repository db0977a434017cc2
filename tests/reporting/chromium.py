"""A headless Chromium, controlled over a pipe: chromedevtools.github.io/devtools-protocol."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")


def found() -> str | None:
    """Return the path of Chromium; None if it is not installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """A browser with one open page; `events` has the events so far.

    Args:
        executable: the browser.
        profile: an empty folder for what it keeps.
    """

    def __init__(self, executable: str, profile: Path) -> None:
        self.events: list[dict[str, Any]] = []
        self._numbers = itertools.count(1)
        self._session: dict[str, str] = {}
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # it reads from 3 and writes to 4
        command = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        options = ("--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu")
        self._process = subprocess.Popen(
            ["bash", "-c", command, "-", executable, *options, f"--user-data-dir={profile}"],
            pass_fds=(theirs_in, theirs_out),
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._answers = os.fdopen(self._in, "rb")

    def __enter__(self) -> Self:
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.ask(f"{domain}.enable")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._session = {}
        self.ask("Browser.close")
        self._process.wait(30)
        self._answers.close()
        os.close(self._out)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command, and return its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters, **self._session}
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def _read(self) -> dict[str, Any]:
        text = b""
        while (byte := self._answers.read(1)) not in {b"\0", b""}:
            text += byte
        answer: dict[str, Any] = json.loads(text)
        return answer

    def show(self, page: Path, *, width: int, dark: bool = False) -> None:
        """Open a page at this width, and wait until it is loaded."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setDeviceMetricsOverride", **metrics)
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.ask("Page.navigate", url=page.resolve().as_uri())
        while not self.events_of("Page.loadEventFired"):
            self.events.append(self._read())

    def events_of(self, method: str) -> list[Mapping[str, Any]]:
        """The parameters of the events of a kind."""
        return [each["params"] for each in self.events if each.get("method") == method]

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""
        return self.ask("Runtime.evaluate", expression=expression)["result"].get("value")
