"""Which small mistakes could somebody make in a rule? Each is one mutant.

A mutant is the module with one spot changed: a comparison turned round, a code left out of a
list, a refusal forgotten. Whoever tests a rule well notices every one of them.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeGuard

Change: TypeAlias = Callable[[], None]
"""Changes the copy of the tree in place."""

COMPARED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
COMBINED: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.Sub: ast.Add,
    ast.Add: ast.Sub,
}
SWAPPED: Final = {"any": "all", "all": "any", "max": "min", "min": "max"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One mistake."""

    name: str
    """``function: mistake``, with the spot as text: it stays when lines above it move."""
    line: int
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """Make every mutant of a module, one by one."""
    spots = _spots(ast.parse(source))
    seen: dict[str, int] = {}
    for number, (place, node) in enumerate(spots):
        for kind, _ in enumerate(_mistakes(node)):
            changed = ast.parse(source)
            _, spot = _spots(changed)[number]
            what, change = _mistakes(spot)[kind]
            before = ast.unparse(spot)
            change()
            text = f"{place}: {what} in `{' '.join(before.split())[:90]}`"
            seen[text] = seen.get(text, 0) + 1
            name = text if seen[text] == 1 else f"{text} #{seen[text]}"
            # As text: a thousand trees would be copied into the process of each mutant.
            yield Mutant(name=name, line=getattr(node, "lineno", 0), source=ast.unparse(changed))


def _spots(tree: ast.Module) -> list[tuple[str, ast.AST]]:
    """List the nodes that code decides by, with the function that each stands in."""
    found: list[tuple[str, ast.AST]] = []

    def walk(node: ast.AST, place: str) -> None:
        for child in _that_decide(node):
            inner = place
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                inner = child.name if not place else f"{place}.{child.name}"
            if isinstance(child, ast.Assign | ast.AnnAssign) and not place:
                target = child.targets[0] if isinstance(child, ast.Assign) else child.target
                inner = ast.unparse(target)
            found.append((inner, child))
            walk(child, inner)

    walk(tree, "")
    return found


def _that_decide(node: ast.AST) -> Iterator[ast.AST]:
    """Give the children of a node but what only people and type checkers read."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_read_only(child):
                yield child


def _is_read_only(node: ast.AST) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
            return True
        case ast.AnnAssign(annotation=ast.Name(id="TypeAlias")):
            return True
        case ast.JoinedStr():
            # A sentence for people; a pointer has no space in it.
            return any(" " in str(each.value) for each in node.values if _is_text(each))
        case ast.Constant():
            return _is_text(node) and " " in str(node.value)
        case ast.Assign(value=ast.Call(func=ast.Name(id="TypeVar"))):
            return True
        case _:
            return False


def _is_text(node: ast.AST) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _mistakes(node: ast.AST) -> list[tuple[str, Change]]:
    if isinstance(node, ast.Compare):
        return [*_turned(node)]
    if isinstance(node, ast.Set | ast.Tuple | ast.List):
        return [*_left_out(node)]
    if isinstance(node, ast.Constant):
        return _other_constant(node)
    if isinstance(node, ast.FunctionDef):
        return [*_forgotten(node)]
    return [*_other_logic(node)]


def _other_logic(node: ast.AST) -> Iterator[tuple[str, Change]]:
    match node:
        case ast.BoolOp(op=ast.And()):
            yield "or for and", lambda: _set(node, "op", ast.Or())
        case ast.BoolOp():
            yield "and for or", lambda: _set(node, "op", ast.And())
        case ast.UnaryOp(op=ast.Not()):
            # A plus before a truth value leaves it as true or false as it is.
            yield "not left out", lambda: _set(node, "op", ast.UAdd())
        case ast.BinOp() if type(node.op) in COMBINED:
            other = COMBINED[type(node.op)]
            yield other.__name__, lambda: _set(node, "op", other())
        case ast.If() | ast.IfExp():
            yield "always", lambda: _set(node, "test", ast.Constant(value=True))
            yield "never", lambda: _set(node, "test", ast.Constant(value=False))
        case ast.Call(func=ast.Name(id=name)) if name in SWAPPED:
            yield SWAPPED[name], lambda: _set(node, "func", ast.Name(SWAPPED[name], ast.Load()))
        case _:
            return


def _turned(node: ast.Compare) -> Iterator[tuple[str, Change]]:
    for index, operator in enumerate(node.ops):
        other = COMPARED[type(operator)]
        yield other.__name__, lambda i=index, o=other: node.ops.__setitem__(i, o())


def _left_out(node: ast.Set | ast.Tuple | ast.List) -> Iterator[tuple[str, Change]]:
    if len(node.elts) < 2:
        return
    if isinstance(getattr(node, "ctx", None), ast.Store):
        return
    for index, element in enumerate(node.elts):
        what = f"`{' '.join(ast.unparse(element).split())[:60]}` left out"
        yield what, lambda i=index: node.elts.__delitem__(i)


def _other_constant(node: ast.Constant) -> list[tuple[str, Change]]:
    value = node.value
    if isinstance(value, bool):
        return [("turned round", lambda: _set(node, "value", not value))]
    if isinstance(value, int):
        return [("one more", lambda: _set(node, "value", value + 1))]
    if isinstance(value, str) and value and "\n" not in value:
        return [("another text", lambda: _set(node, "value", f"{value}~"))]
    return []


def _forgotten(node: ast.FunctionDef) -> Iterator[tuple[str, Change]]:
    """Leave a statement of a function out: a refusal, or an answer."""
    for number, statement in enumerate(_statements(node)):
        if isinstance(statement, ast.Raise | ast.Return | ast.Continue | ast.AugAssign):
            what = f"`{' '.join(ast.unparse(statement).split())[:60]}` forgotten"
            yield what, lambda n=number: _forget(node, n)


def _statements(node: ast.FunctionDef) -> list[ast.stmt]:
    return [each for each in ast.walk(node) if isinstance(each, ast.stmt) and each is not node]


def _forget(node: ast.FunctionDef, number: int) -> None:
    gone = _statements(node)[number]
    for each in ast.walk(node):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(each, name, None)
            if isinstance(block, list) and gone in block:
                block[block.index(gone)] = ast.Pass()
                return


def _set(node: ast.AST, name: str, value: object) -> None:
    setattr(node, name, value)
