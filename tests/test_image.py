"""The steps of the Dockerfile, in clean roots of this machine, because no Docker engine runs here.

The roots have this machine's programs in place of the base image; a file system of their own, the
steps, the user and the read-only project are those of the Dockerfile.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from attribution_elt.sandbox import Sandbox
from tests.docs.reader import copy_project
from tests.pipeline.meltano import PROJECT, settings

HOST = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/dev", "/proc", sys.base_prefix)
MOST_MEGABYTES = 600
BASE_MEGABYTES = 130
"""What the base image takes, about."""
MANIFEST = yaml.safe_load((PROJECT / "compose.yaml").read_text())


@dataclass
class Stage:
    """A stage of the build: its root, and what the instructions before have set."""

    root: Path
    folder: str = "/"
    user: str = "0"
    variables: dict[str, str] = field(default_factory=dict)
    commands: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for place in ("tmp", "etc", "srv", "opt", "root"):
            (self.root / place).mkdir(parents=True)
        (self.root / "tmp").chmod(0o1777)
        for name in ("passwd", "group", "shadow", "login.defs", "hosts", "resolv.conf", "ssl"):
            source = Path("/etc") / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            if source.exists():
                copy(source, self.root / "etc" / name)

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the root, as the stage's user; other mounts are read-only."""
        lines = ["set -e"]
        for place in HOST:
            own = shlex.quote(f"{self.root}{place}")
            lines += [f"mkdir -p {own}", f"mount --rbind {place} {own}"]
            lines += [f"mount -o remount,bind,ro {own}"] if place not in {"/dev", "/proc"} else []
        if self.user != "0":
            for place in ("srv", "opt"):
                own = shlex.quote(f"{self.root}/{place}")
                lines += [f"mount --bind {own} {own}", f"mount -o remount,bind,ro {own}"]
        inner = f"cd {self.folder} && exec {shlex.join(command)}"
        as_user = f"setpriv --reuid={self.user} --regid={self.user} --clear-groups" * (
            self.user != "0"
        )
        lines.append(
            f"exec chroot {shlex.quote(str(self.root))} {as_user} /bin/sh -c {shlex.quote(inner)}"
        )
        python = f"{sys.base_prefix}/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        path = self.variables.get("PATH", "")
        variables = {
            **self.variables,
            "PATH": f"{path}:{python}".strip(":"),
            "HOME": "/data",
            **more,
        }
        network = {k: v for k, v in os.environ.items() if re.match(r"(?i)(pip|uv|http|no_)", k)}
        return subprocess.run(
            ["unshare", "--mount", "bash", "-c", "\n".join(lines)],
            env={**network, **variables}, capture_output=True, text=True, check=False,
        )  # fmt: skip


def instructions() -> Iterator[tuple[str, str]]:
    for line in (PROJECT / "Dockerfile").read_text().splitlines():
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield word, rest


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The last stage, built."""
    if os.geteuid() or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("mounts need an administrator")
    context = tmp_path_factory.mktemp("context")
    copy_project(context)
    kept = {line[1:] for line in (PROJECT / ".dockerignore").read_text().split() if line[0] == "!"}
    for each in context.iterdir():
        if each.name not in kept:
            shutil.rmtree(each) if each.is_dir() else each.unlink()
    stages: dict[str, Stage] = {}
    stage = Stage(tmp_path_factory.mktemp("none") / "root")
    for word, rest in instructions():
        if word == "FROM":
            _, _, name = rest.partition(" AS ")
            stage = stages[name] = Stage(tmp_path_factory.mktemp("stage") / "root")
        elif word == "COPY":
            copy(stage, stages, context, shlex.split(rest))
        else:
            follow(stage, word, rest)
    return stage


def follow(stage: Stage, word: str, rest: str) -> None:
    match word:
        case "ARG" | "ENV":
            name, _, value = rest.partition("=")
            stage.variables[name] = value
        case "WORKDIR":
            stage.folder = rest
            (stage.root / rest[1:]).mkdir(parents=True, exist_ok=True)
        case "USER":
            users = (stage.root / "etc/passwd").read_text()
            (stage.user,) = re.findall(rf"^{rest}:[^:]*:(\d+):", users, re.MULTILINE)
        case "RUN":
            done = stage.run("/bin/sh", "-c", rest)
            assert done.returncode == 0, f"{rest}\n{done.stdout}{done.stderr}"
        case "CMD" | "ENTRYPOINT" | "HEALTHCHECK":
            stage.commands[word] = json.loads(rest[rest.index("[") :])
        case _:
            assert word == "VOLUME", word


def copy(stage: Stage, stages: dict[str, Stage], context: Path, words: list[str]) -> None:
    root = context
    if words[0].startswith("--from="):
        root = stages[words.pop(0).removeprefix("--from=")].root
    *sources, place = words
    target = stage.root / str(Path(stage.folder) / place)[1:]
    for each in sources:
        source = root / each.lstrip("/")
        into = target / source.name if place.endswith("/") and source.is_file() else target
        if source.is_dir():
            shutil.copytree(source, into, symlinks=True, dirs_exist_ok=True)
        else:
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, into)


def test_the_image_is_small_and_has_no_tools_of_developers(image: Stage) -> None:
    listed = subprocess.run(
        ["du", "-sxm", "opt", "srv"], cwd=image.root, capture_output=True, text=True, check=True
    )
    megabytes = sum(int(line.split()[0]) for line in listed.stdout.splitlines())
    assert megabytes + BASE_MEGABYTES < MOST_MEGABYTES
    assert {each.name for each in (image.root / "srv/attribution-elt").iterdir()} == {
        *("logging.yaml", "meltano.yml", "plugins", "transform")
    }
    scripts = {each.name for each in (image.root / "opt/attribution-elt/bin").iterdir()}
    assert {"attribution-elt", "meltano", "tap-ecdp", "target-warehouse"} <= scripts
    assert not scripts & {"pytest", "ruff", "pip"}


def test_a_run_in_the_image_loads_and_writes_only_to_data(image: Stage) -> None:
    with Sandbox(seed=7) as sandbox:
        variables = {
            f"TAP_ECDP_{name}".upper(): value if isinstance(value, str) else json.dumps(value)
            for name, value in settings(sandbox)["tap-ecdp"].items()
        }
        variables["TARGET_WAREHOUSE_URL"] = "duckdb:////data/warehouse.duckdb"
        entry = image.commands["ENTRYPOINT"]
        health = image.run(*image.commands["HEALTHCHECK"], **variables)
        assert health.returncode == 0, health.stdout + health.stderr
        assert json.loads(health.stdout)["ok"] is True
        done = image.run(*entry, "run", "ecdp", **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        refused = image.run(
            *image.commands["HEALTHCHECK"], **{**variables, "TAP_ECDP_API_KEY": "x"}
        )
        assert refused.returncode == 1
        probe = image.run("sh", "-c", "touch /srv/attribution-elt/x || touch /opt/x; id -u")
        assert probe.stdout == "10001\n"
        assert probe.stderr.count("touch:") == 2
    assert (image.root / "data/warehouse.duckdb").stat().st_size > 100_000


def test_compose_starts_what_the_image_has() -> None:
    services = MANIFEST["services"]
    assert services.keys() == {"postgres", "app", "dagster"}
    for name in ("app", "dagster"):
        service = services[name]
        assert service["read_only"] is True
        assert service["depends_on"]["postgres"]["condition"] == "service_healthy"
        assert service["environment"]["MELTANO_ENVIRONMENT"] == "prod"
        mounted = [each.partition(":")[0] for each in service["volumes"]]
        assert set(mounted) <= MANIFEST["volumes"].keys()
    configs = {each["source"] for each in services["dagster"]["configs"]}
    assert configs <= MANIFEST["configs"].keys()
    assert (PROJECT / MANIFEST["configs"]["dagster"]["file"]).is_file()
    (module,) = [each for each in services["dagster"]["command"] if "." in each]
    assert (PROJECT / (module.replace(".", "/") + ".py")).is_file()
    text = (PROJECT / "Dockerfile").read_text()
    assert "ARG EXTRAS=" in text
    assert "EXTRAS" in services["dagster"]["build"]["args"]


def test_nothing_secret_reaches_the_build() -> None:
    lines = (PROJECT / ".dockerignore").read_text().split()
    assert lines[0] == "*"
    assert not [each for each in lines if each.startswith("!") and "env" in each]
