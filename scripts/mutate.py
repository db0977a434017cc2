"""Change the product a little, many times, and count the changes that the tests notice.

    python scripts/mutate.py cover FOLDER tests/kit -k duckdb    # which tests execute which lines
    python scripts/mutate.py run FOLDER [--count 340] [--again]  # one change at a time
    python scripts/mutate.py report FOLDER                       # figures, and what survived

FOLDER holds a copy of the last commit with the tests of the work tree, the coverage (install the
package `coverage`), and `results.jsonl`. `run` continues where it was interrupted; `--again`
repeats what survived. A change is chosen by its own text, so other changes of the source matter
little.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import gc
import hashlib
import importlib
import inspect
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
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
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
    """A plugin of pytest that notes which test runs, and how long it takes."""

    def __init__(self, coverage: Any) -> None:
        self._coverage = coverage
        self.seconds: dict[str, float] = collections.defaultdict(float)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Let the lines that are executed from now on belong to a test."""
        self._coverage.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add a duration; a test that fails or is skipped has none."""
        self.seconds[report.nodeid] += report.duration if report.passed else math.inf


def import_copy(root: Path) -> None:
    """Let this process and its children import the copy."""
    sys.path[:0] = folders = [str(root), str(root / "taps"), str(root / "targets")]
    os.environ["PYTHONPATH"] = os.pathsep.join(folders)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    os.chdir(root)


def cover(root: Path, tests: list[str]) -> None:
    """Run tests and note which lines each of them executes."""
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


def essence(code: CodeType) -> Any:
    """Return what differs between two code objects that do not do the same."""
    inner = [essence(each) if isinstance(each, CodeType) else repr(each) for each in code.co_consts]
    return code.co_code, code.co_names, inner


def is_replaced(mutant: Mutant, source: bytes) -> bool:
    """Replace the code of a function in this process; return whether the change is in one."""
    place = Path(mutant.path).with_suffix("").as_posix().removesuffix("/__init__")
    found: Any = sys.modules.get(re.sub("^(taps|targets)/", "", place).replace("/", "."))
    codes = [compile(source, mutant.path, "exec", dont_inherit=True)]
    for part in mutant.key.split(":")[1].split(".")[1:]:
        found = getattr(found, "__dict__", {}).get(part)
        for wrapper in ("__func__", "fget", "func"):
            found = getattr(found, wrapper, found)
        found = inspect.unwrap(found)
        consts = [each for code in codes for each in code.co_consts]
        codes = [each for each in consts if isinstance(each, CodeType) and each.co_name == part]
        if isinstance(found, FunctionType):
            old = found.__code__
            for new in codes:
                if new.co_firstlineno == old.co_firstlineno and essence(new) != essence(old):
                    with contextlib.suppress(ValueError):  # other variables of outer functions
                        found.__code__ = new
                        return True
            return False
    return False


def run_items(items: list[pytest.Item]) -> int:
    """Run tests that are collected, until one fails; return an exit code of pytest."""
    for item, following in zip(items, [*items[1:], None], strict=True):
        for report in runtestprotocol(item, log=False, nextitem=following):
            if report.failed:
                print("FAILED", item.nodeid, report.longreprtext, flush=True)
                with contextlib.suppress(BaseException):
                    item.session._setupstate.teardown_exact(None)  # noqa: SLF001 - ends servers
                return 1
    return 0


def result(
    root: Path, mutant: Mutant, items: list[pytest.Item], seconds: float, *, in_process: bool
) -> str:
    """Run tests in a child; return what became of the change."""
    source = (root / mutant.path).read_bytes()
    if not (child := os.fork()):
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        output = os.open(root.parent / "last.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))  # a loop may never end
        if in_process and is_replaced(mutant, source):
            os._exit(run_items(items))
        names = [*(each.nodeid for each in items), *ON_IMPORT]
        command = [sys.executable, "-m", "pytest", *PYTEST, "-x"]
        os.execv(sys.executable, [*command, f"--basetemp={root.parent}/temporary", *names])  # noqa: S606
    until = time.monotonic() + seconds
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        time.sleep(0.02)
        if time.monotonic() > until:
            os.killpg(child, signal.SIGINT if time.monotonic() < until + 15 else signal.SIGKILL)
            time.sleep(1)
    if time.monotonic() > until:
        return "timeout"
    return "killed" if os.waitstatus_to_exitcode(ended[1]) else "survived"


def attempt(
    root: Path, mutant: Mutant, items: list[pytest.Item], seconds: float, *, in_process: bool
) -> dict[str, Any]:
    """Try one change, and return what became of it."""
    file = root / mutant.path
    original = file.read_bytes()
    try:
        file.write_bytes(changed(original, mutant))
        outcome = result(root, mutant, items, seconds, in_process=in_process)
    finally:
        file.write_bytes(original)
        for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
            compiled.unlink()
    noted = {**mutant._asdict(), "result": outcome, "tests": len(items)}
    if outcome == "killed":
        log = (root.parent / "last.log").read_text(errors="replace")
        noted["by"] = re.findall(r"^(?:FAILED|ERROR) (\S+)", log, re.MULTILINE)[:1]
    del noted["node"]
    return noted


class Trying:
    """A plugin of pytest that tries changes, instead of running all collected tests."""

    def __init__(self, root: Path, mutants: list[Mutant], tests: Tests) -> None:
        self._root, self._mutants, self._tests = root, mutants, tests

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try each change with some of the tests, and write what became of it."""
        items = {item.nodeid: item for item in session.items}
        gc.freeze()
        for mutant in self._mutants:
            found = [items[each] for each in self._tests.of(mutant) if each in items]
            rest = found[CLOSEST:]
            found = found[:CLOSEST] + rest[:: len(rest) // SPREAD + 1]
            seconds = 60 + 6 * sum(self._tests.seconds[each.nodeid] for each in found)
            in_process = bool(self._tests.exact(mutant))
            noted = attempt(self._root, mutant, found, seconds, in_process=in_process)
            with (self._root.parent / "results.jsonl").open("a") as lines:
                lines.write(json.dumps(noted) + "\n")
        return True


def run(root: Path, options: argparse.Namespace) -> None:
    """Try each chosen change."""
    known = read(root.parent)
    wanted = ("survived",) if options.again else (None,)
    todo = [
        each
        for each in sorted(chosen(root, options.count), key=order)
        if re.search(options.only, each.path) and known.get(each.key, {}).get("result") in wanted
    ]
    tests = Tests(root.parent)
    import_copy(root)
    files = sorted({name.partition("::")[0] for name in tests.seconds})
    found = [each for each in files if Path(each).exists()]
    arguments = [*PYTEST, "-s", f"--basetemp={root.parent}/temporary", *found]
    pytest.main(arguments, [Trying(root, todo, tests)])


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the last result of each change."""
    results = folder / "results.jsonl"
    lines = results.read_text().splitlines() if results.exists() else []
    return {noted["key"]: noted for noted in map(json.loads, lines)}


def report(folder: Path) -> None:
    """Print figures for each package, and the changes that no test noticed."""
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
