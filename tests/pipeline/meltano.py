"""Runs the project's meltano.yml against the sandbox, as the schedules would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.environment import settings as settings_of_taps
from attribution_elt.sandbox.environment import spelled
from attribution_elt.sandbox.ihc.journeys import journeys
from scripts.demo import copy_plugins
from tests import leaks
from tests.invalid_journeys import invalid_journeys

PROJECT = Path(__file__).parent.parent.parent
SCRIPTS = Path(sys.executable).parent
TAPS = ("tap-ecdp", "tap-adtraction", "tap-ignite", "tap-attribution-io", "tap-ihc")

Settings = dict[str, dict[str, Any]]


def settings(sandbox: Sandbox) -> Settings:
    """Each tap's settings, which connect it with the sandbox."""
    every = settings_of_taps(sandbox)
    every["tap-ignite"]["hash_algorithms"] = ["md5", "sha2"]
    return every


def with_journeys(sandbox: Sandbox, path: Path) -> Settings:
    """Return the settings with a file of journeys for tap-ihc, one of which is invalid."""
    day = sandbox.clock.today
    rows = [*journeys(40, day, seed=sandbox.seed), *invalid_journeys(day)["30 February"]]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    every = settings(sandbox)
    every["tap-ihc"]["journeys_file"] = str(path)
    return every


def project(
    folder: Path,
    *,
    config: Mapping[str, Mapping[str, Any]] | None = None,
    extractors: tuple[dict[str, Any], ...] = (),
    loaders: tuple[dict[str, Any], ...] = (),
) -> Path:
    """Copy the project's meltano.yml into a folder, with our plugins from this environment.

    `config` adds settings to plugins by name; `extractors` and `loaders` are added to the existing
    ones.
    """
    folder.mkdir(exist_ok=True)
    document = yaml.safe_load((PROJECT / "meltano.yml").read_text())
    plugins = document["plugins"]
    for plugin in plugins["extractors"] + plugins["loaders"] + plugins["utilities"]:
        if plugin.get("pip_url", "").startswith("-e ."):
            del plugin["pip_url"]
        plugin.setdefault("config", {}).update((config or {}).get(plugin["name"], {}))
    plugins["extractors"] += extractors
    plugins["loaders"] += loaders
    copy_plugins(folder / "plugins")
    (folder / "meltano.yml").write_text(yaml.safe_dump(document))
    return folder


def environment(every: Mapping[str, Mapping[str, Any]], **more: str) -> dict[str, str]:
    """Return this process's environment, in which only these settings of plugins are set."""
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "NO_COLOR": "1", **spelled(every), **more, "PATH": path}


def meltano(
    folder: Path, *arguments: str, env: Mapping[str, str], check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a Meltano command to its end."""
    done = run_script("meltano", folder, env, *arguments)
    assert not check or done.returncode == 0, done.stderr[-5000:]
    return done


def run_script(
    name: str, folder: Path, env: Mapping[str, str], *arguments: str, seconds: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run a console script to its end."""
    done = subprocess.run(
        [str(SCRIPTS / name), *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    leaks.guard(done.stdout, done.stderr)
    return done
