"""Finds places in the product's source for small changes, and chooses some of them."""

from __future__ import annotations

import ast
import collections
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

PLACES = ("taps", "targets", "attribution_elt/kit", "attribution_elt/core")
PAIRS = "Lt LtE, Gt GtE, Eq NotEq, Is IsNot, In NotIn, And Or, Add Sub, Mult FloorDiv"
SWAPS = {
    getattr(ast, one): getattr(ast, other)
    for pair in PAIRS.split(", ")
    for one, other in (pair.split(), pair.split()[::-1])
} | {ast.Div: ast.Mult}
TEXTS = {"description", "help", "title"}  # arguments for people
LOGS = {"debug", "info", "warning", "error"}
UNCHANGED = {"annotation", "returns", "decorator_list", "type_comment"}


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
    """Yield the possible changes of a node: the replaced part, a name, the replacement."""
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


def walk(node: ast.AST, name: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield the nodes whose change can matter: no annotations, decorators, logs and messages."""
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            match child:
                case _ if field in UNCHANGED:
                    pass
                case (
                    (ast.JoinedStr() | ast.MatchValue() | ast.Expr(value=ast.Constant()))
                    | ast.If(test=ast.Name(id="TYPE_CHECKING"))
                    | ast.Call(func=ast.Name(id="cast" | "TypeVar" | "NewType"))
                    | ast.Assign(targets=[ast.Name(id="__all__")])
                ):
                    pass
                case ast.keyword(arg=arg) if arg in TEXTS:
                    pass
                case ast.Expr(value=ast.Call(func=ast.Attribute(attr=attr))) if attr in LOGS:
                    pass
                case ast.Raise():
                    yield name, child
                case ast.AST():
                    inner = getattr(child, "name", None)
                    inner = f"{name}.{inner}" if inner else name
                    yield inner, child
                    yield from walk(child, inner)


def order(mutant: Mutant) -> bytes:
    """Return a sort key of changes: the order looks random, but does not change."""
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
