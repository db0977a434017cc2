"""Replaces uv if no registry can be reached: the packages are installed already.

It accepts the commands that the scripts and Meltano use. An environment that it creates has the
packages of the environment that runs the tests. The project in the working folder gets what an
editable install provides: modules, metadata and console scripts.
"""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
import venv
from collections.abc import Sequence
from importlib.metadata import distribution, entry_points
from pathlib import Path
from sysconfig import get_path

PACKAGES = Path(get_path("purelib"))
SCRIPT = """#!{python}
import sys
from {module} import {root}
if __name__ == "__main__":  # a child process may load it as well
    sys.exit({attribute}())
"""


def main() -> None:
    """Execute a command of uv, or report that it is not supported."""
    match [each for each in sys.argv[1:] if each not in {"--quiet", "--clear"}]:
        case ["venv", *_, folder]:
            make_environment(Path(folder))
        case ["pip", "install", *arguments]:
            install(arguments)
        case other:
            sys.exit(f"uv {shlex.join(other)}: not known here")


def put_into(folder: Path) -> None:
    """Put an executable called uv into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    executable = folder / "uv"
    executable.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$@"\n')
    executable.chmod(0o755)


def make_environment(folder: Path) -> None:
    """Make an environment that has the packages of this one."""
    venv.create(folder, symlinks=True)
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    path = folder / "lib" / python / "site-packages" / "these.pth"
    roots = (Path(), Path("taps"), Path("targets"), PACKAGES)
    path.write_text("".join(f"{root.absolute()}\n" for root in roots))
    put_into(folder / "bin")  # where Meltano looks first


def install(arguments: Sequence[str]) -> None:
    """Install the project, the only package that is not installed already."""
    text = shlex.join(arguments)
    asked = re.fullmatch(r"--python[ =](\S+)( --\S+)*( -c \S+)? -e '?\.(\[.*\])?'?( -c \S+)?", text)
    if asked is None:
        sys.exit(f"uv pip install {text}: only the project itself can be installed without network")
    folder = Path(asked[1]).parent
    (packages,) = folder.parent.glob("lib/python*/site-packages")
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    name = project["name"].replace("-", "_")
    metadata = packages / f"{name}-{project['version']}.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text(distribution(name).read_text("METADATA") or "")
    scripts: dict[str, str] = project["scripts"]
    listed = "".join(f"{script} = {place}\n" for script, place in scripts.items())
    (metadata / "entry_points.txt").write_text(f"[console_scripts]\n{listed}")
    others = {
        each.name: f"{each.module}:{each.attr}" for each in entry_points(group="console_scripts")
    }
    for script, place in {**others, **scripts}.items():
        module, _, attribute = place.partition(":")
        root = attribute.partition(".")[0]
        python = folder / "python"
        text = SCRIPT.format(python=python, module=module, root=root, attribute=attribute)
        if script != "uv":
            (folder / script).write_text(text)
            (folder / script).chmod(0o755)


if __name__ == "__main__":
    main()
