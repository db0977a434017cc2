"""Builds the distribution into `dist/`, checks it, and writes its software bill of materials.

The sdist and the wheel are built twice from the committed files and must be equal byte by byte.
The wheel is installed with the extra `run` into an empty environment, where every executable must
start.
The bill of materials (CycloneDX) lists exactly what that environment has.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def main() -> None:
    """Build the release of HEAD."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="folder to fill")
    options = parser.parse_args()
    require_notes()
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        first, second = (build(Path(folder) / name) for name in ("one", "two"))
        for name, content in first.items():
            if second[name] != content:
                sys.exit(f"Error: {name} differs between two builds")
            (options.output / name).write_bytes(content)
            print(f"{hashlib.sha256(content).hexdigest()}  {name}")
        call("twine", "check", "--strict", *(str(options.output / name) for name in first))
        (wheel,) = (options.output / name for name in first if name.endswith(".whl"))
        python = install(f"{wheel}[run]", Path(folder) / "clean")
        start_executables(python.parent)
        sbom = options.output / f"{wheel.name.removesuffix('.whl')}.cdx.json"
        count = describe(python, sbom)
        print(f"{sbom.name}: {count} components, equal to the installed packages")


def require_notes() -> None:
    """Require a section of the changelog for the version, which pyproject.toml alone names."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    section = re.search(
        rf"^## {re.escape(PROJECT['version'])}\b.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    if section is None or "- " not in section[0]:
        sys.exit(f"Error: CHANGELOG.md has no notes for version {PROJECT['version']}")


def build(folder: Path) -> dict[str, bytes]:
    """Return the sdist and the wheel of HEAD by file name, built in a new folder."""
    source, built = folder / "source", folder / "built"
    source.mkdir(parents=True)
    archive = folder / "source.tar"
    call("git", "-C", str(ROOT), "archive", f"--output={archive}", "HEAD")
    with tarfile.open(archive) as opened:
        opened.extractall(source, filter="data")
    call(sys.executable, "-m", "build", f"--outdir={built}", str(source))
    return {path.name: path.read_bytes() for path in sorted(built.iterdir())}


def install(requirement: str, folder: Path) -> Path:
    """Install into an empty environment, and return its Python."""
    call(sys.executable, "-m", "venv", str(folder))
    python = folder / "bin" / "python"
    pip = (str(python), "-m", "pip", "--disable-pip-version-check")
    call(*pip, "install", "--quiet", f"--constraint={ROOT / 'constraints.txt'}", requirement)
    call(*pip, "uninstall", "--quiet", "--yes", "setuptools", "pip")  # not a part of the product
    return python


def start_executables(scripts: Path) -> None:
    """Start every executable, and compare the version that it prints."""
    for name in PROJECT["scripts"]:
        printed = call(str(scripts / name), "--version").strip()
        if printed.removesuffix(".").split(" v")[1].split(",")[0] != PROJECT["version"]:
            sys.exit(f"Error: {name} --version prints {printed!r}")
        if name != "attribution-elt":
            json.loads(call(str(scripts / name), "--about", "--format=json"))
    print(f"{len(PROJECT['scripts'])} executables start")


def describe(python: Path, sbom: Path) -> int:
    """Write the bill of materials, compare it with the environment, and return its size."""
    call(
        "cyclonedx-py", "environment", f"--pyproject={ROOT / 'pyproject.toml'}",
        "--output-reproducible", f"--output-file={sbom}", str(python),
    )  # fmt: skip
    document: dict[str, Any] = json.loads(sbom.read_text("utf-8"))
    for each in document["components"]:
        # the source of a package on this machine is not a property of the package
        each["externalReferences"] = [
            link for link in each.get("externalReferences", ()) if link["type"] != "distribution"
        ]
    sbom.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    listed = {(canonical(each["name"]), each["version"]) for each in components(document)}
    code = (
        "import json, importlib.metadata as m; "
        "print(json.dumps([(d.name, d.version) for d in m.distributions()]))"
    )
    installed = {
        (canonical(name), version) for name, version in json.loads(call(str(python), "-c", code))
    }
    if listed != installed:
        sys.exit(f"Error: {sbom.name} differs from the environment: {listed ^ installed}")
    return len(listed)


def components(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the components of a bill of materials, with the product itself."""
    return [document["metadata"]["component"], *document["components"]]


def canonical(name: str) -> str:
    """Return a distribution's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def call(*command: str) -> str:
    """Run a command, and return its standard output; end with its output if it fails."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(  # noqa: S603 - commands of this file
        command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
    )
    if done.returncode:
        sys.exit(f"Error: {' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
