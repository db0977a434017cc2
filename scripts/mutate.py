"""Make many small changes of the product, and count the changes that tests detect.

    python scripts/mutate.py cover FOLDER tests/kit -k duckdb    # which tests execute which lines
    python scripts/mutate.py run FOLDER [--count 340] [--again]  # one change at a time
    python scripts/mutate.py report FOLDER                       # figures and survivors

FOLDER contains a copy of the last commit with the tests of the work tree, the coverage (install the
package `coverage`), and `results.jsonl`. After an interruption, `run` resumes; `--again` repeats
the changes that survived. A hash of its text decides whether a change is chosen, so edits elsewhere
in the source matter little.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import hashlib
import importlib
import itertools
import json
import math
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mutations import PLACES, Mutant, changed, chosen, order

ROOT = Path(__file__).parent.parent
ON_IMPORT = (  # tests of settings and their definitions
    "tests/kit/test_settings.py",
    "tests/test_project.py::test_a_definition_has_the_settings_and_capabilities_of_its_plugin",
    "tests/test_project.py::test_settings_accept_every_number_and_text_that_makes_sense",
)
PYTEST = ("-q", "-p", "no:cacheprovider", "-m", "not long and not alone")
CLOSEST, SPREAD = 20, 40  # tests that are run for each change


class Noticing:
    """A plugin of pytest that records which test runs, and how long it takes."""

    def __init__(self, coverage: Any) -> None:
        self._coverage = coverage
        self.seconds: dict[str, float] = collections.defaultdict(float)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Assign the lines that are executed from now on to a test."""
        self._coverage.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add a duration; a test that fails or is skipped has none."""
        self.seconds[report.nodeid] += report.duration if report.passed else math.inf


def import_copy(root: Path) -> None:
    """Make this process and its children import the copy."""
    sys.path[:0] = folders = [str(root), str(root / "taps"), str(root / "targets")]
    os.environ["PYTHONPATH"] = os.pathsep.join(folders)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    os.chdir(root)


def cover(root: Path, tests: list[str]) -> None:
    """Run tests and record which lines each of them executes."""
    import_copy(root)
    name = hashlib.sha256(" ".join(tests).encode()).hexdigest()[:8]
    coverage = importlib.import_module("coverage")
    measured = coverage.Coverage(root.parent / f"{name}.coverage", source=list(PLACES))
    plugin = Noticing(measured)
    measured.start()
    pytest.main([*PYTEST, f"--basetemp={root.parent / name}", *tests], [plugin])
    measured.stop()
    measured.save()
    (root.parent / f"{name}.seconds").write_text(json.dumps(plugin.seconds))


class Tests:
    """The tests that execute a line."""

    def __init__(self, folder: Path) -> None:
        self.seconds: dict[str, float] = {}
        for file in folder.glob("*.seconds"):
            known = json.loads(file.read_text())
            self.seconds |= {name: took for name, took in known.items() if took < math.inf}
        self._names: dict[tuple[str, int], set[str]] = collections.defaultdict(set)
        for file in folder.glob("*.coverage"):
            data = importlib.import_module("coverage").CoverageData(str(file))
            data.read()
            for measured in data.measured_files():
                path = measured.partition("/copy/")[2]
                for line, names in data.contexts_by_lineno(measured).items():
                    self._names[path, line].update(set(names) & self.seconds.keys())
        self._lines = collections.Counter(name for names in self._names.values() for name in names)

    def exact(self, mutant: Mutant) -> set[str]:
        """Return the tests that execute a changed line; none if only the import does."""
        first, last = mutant.lines
        return set().union(*(self._names[mutant.path, each] for each in range(first, last + 1)))

    def of(self, mutant: Mutant) -> list[str]:
        """Return tests that execute a changed line, then those that execute lines of its module.

        Tests that execute few lines come first, because they check these lines; then further
        parameters of the same tests. Tests of the package are last: they may start a process.
        """
        module = [names for (path, _), names in self._names.items() if path == mutant.path]
        found: list[str] = []
        for names in (self.exact(mutant), set().union(*module)):
            turns: dict[str, Iterator[int]] = collections.defaultdict(itertools.count)
            ordered = sorted(names, key=lambda name: (self._lines[name], name))
            found += sorted(ordered, key=lambda name: next(turns[name.partition("[")[0]]))
        others = (name for name in self.seconds if f"/{mutant.path.split('/')[1]}/" in name)
        return list(dict.fromkeys([*found, *others]))


def result(root: Path, names: list[str], seconds: float) -> str:
    """Run tests of the changed copy; return the result of the change."""
    command = [sys.executable, "-m", "pytest", *PYTEST, "-x", f"--basetemp={root.parent}/temporary"]
    with (root.parent / "last.log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            [*command, *names], cwd=root, stdout=log, stderr=log, process_group=0
        )
        # a loop of the change may never end
        resource.prlimit(process.pid, resource.RLIMIT_AS, (8 << 30, 8 << 30))
        try:
            return "killed" if process.wait(seconds) else "survived"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)  # lets the tests stop their servers
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return "timeout"


def attempt(root: Path, mutant: Mutant, names: list[str], seconds: float) -> dict[str, Any]:
    """Try one change, and return its result."""
    file = root / mutant.path
    original = file.read_bytes()
    try:
        file.write_bytes(changed(original, mutant))
        outcome = result(root, names, seconds)
    finally:
        file.write_bytes(original)
        for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
            compiled.unlink()
    noted = {**mutant._asdict(), "result": outcome, "tests": len(names)}
    if outcome == "killed":
        log = (root.parent / "last.log").read_text(errors="replace")
        noted["by"] = re.findall(r"^(?:FAILED|ERROR) (\S+)", log, re.MULTILINE)[:1]
    del noted["node"]
    return noted


def run(root: Path, options: argparse.Namespace) -> None:
    """Try each chosen change with some of the tests, and write its result."""
    known = read(root.parent)
    wanted = "survived" if options.again else None
    tests = Tests(root.parent)
    import_copy(root)
    listing = [sys.executable, "-m", "pytest", *PYTEST, "--collect-only"]
    collected = subprocess.run(listing, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own command line
    existing = set(collected.splitlines())
    for mutant in sorted(chosen(root, options.count), key=order):
        is_wanted = known.get(mutant.key, {}).get("result") == wanted
        if not is_wanted or not re.search(options.only, mutant.path):
            continue
        found = [each for each in tests.of(mutant) if each in existing]
        rest = found[CLOSEST:]
        found = found[:CLOSEST] + rest[:: len(rest) // SPREAD + 1]
        seconds = 60 + 6 * sum(tests.seconds[each] for each in found)
        names = found if tests.exact(mutant) & existing else [*found, *ON_IMPORT]
        noted = attempt(root, mutant, names, seconds)
        with (root.parent / "results.jsonl").open("a") as lines:
            lines.write(json.dumps(noted) + "\n")


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the last result of each change."""
    results = folder / "results.jsonl"
    lines = results.read_text().splitlines() if results.exists() else []
    return {noted["key"]: noted for noted in map(json.loads, lines)}


def report(folder: Path) -> None:
    """Print figures for each package, and the changes that no test detected."""
    figures: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for noted in read(folder).values():
        for name in (str(Path(noted["path"]).parent), "all"):
            figures[name][noted["result"]] += 1
        if noted["result"] not in {"killed", "timeout"}:
            print(f"{noted['path']}:{noted['lines'][0]}, {noted['operator']}, {noted['result']}")
            print(f"    {noted['before']}  ->  {noted['after']}")
    for name, counts in sorted(figures.items()):
        print(name, counts.total(), dict(counts))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["cover", "run", "report"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=340)
    parser.add_argument("--only", default="", help="a pattern of paths")
    parser.add_argument("--again", action="store_true")
    options, more = parser.parse_known_args()
    root = options.folder.resolve() / "copy"
    root.mkdir(parents=True, exist_ok=True)
    command = f"git archive HEAD | tar -x -C {root}"
    subprocess.run(command, shell=True, check=True, cwd=ROOT)  # noqa: S602 - no foreign text
    shutil.copytree(ROOT / "tests", root / "tests", dirs_exist_ok=True)
    match options.command:
        case "cover":
            cover(root, more)
        case "run":
            run(root, options)
        case _:
            report(root.parent)


if __name__ == "__main__":
    main()
