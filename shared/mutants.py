"""Wrong versions of a Python function: each differs from it in one place, found in its syntax tree and
changed in its text. Nothing is ever run.

Every change replaces one token or exchanges two, so that lengths stay about equal and the style stays the
author's. Operators of mutation testing, as far as they do that.
"""

from __future__ import annotations

import ast
import random
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from shared.errors import VisitorError
from shared.items import Item

COMPARISONS = {
    **{"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="},
    **{"in": "not in", "not in": "in", "is": "is not", "is not": "is"},
}
ARITHMETIC = {
    **{"+": "-", "-": "+", "*": "+", "/": "*", "//": "%", "%": "//", "**": "*"},
    **{"&": "|", "|": "&", "^": "&", "<<": ">>", ">>": "<<"},
}
LOGIC = {"and": "or", "or": "and"}
FUNCTIONS = {
    one: other
    for pair in (
        *(("min", "max"), ("any", "all"), ("upper", "lower"), ("startswith", "endswith"), ("ceil", "floor")),
        *(("lstrip", "rstrip"), ("islower", "isupper"), ("isalpha", "isdigit"), ("find", "rfind")),
    )
    for one, other in (pair, pair[::-1])
}
"""Functions and methods, each with the one that it is mistaken for."""
SIGNS: dict[type[ast.AST], str] = {
    **{ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="},
    **{ast.In: "in", ast.NotIn: "not in", ast.Is: "is", ast.IsNot: "is not", ast.And: "and", ast.Or: "or"},
    **{ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%"},
    **{ast.Pow: "**", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>"},
}
_ATOMS = (ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.Call)
_SAYS_NO = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)
"""What Python's parser raises."""


@dataclass(frozen=True)
class Mutant:
    """A wrong version.

    Args:
        operator: what was done.
        start: where the text was changed, in characters of the function's own.
        text: prompt and solution are one text; of it what stands behind the prompt.
    """

    operator: str
    start: int
    text: str


@lru_cache(256)
def mutants(prompt: str, solution: str) -> tuple[Mutant, ...]:
    """All versions of a solution with one change each that Python compiles to another tree, no two alike.

    Args:
        prompt: a program up to where the solution begins, such as a function's head with its docstring.
        solution: the rest.

    Raises:
        VisitorError: the two are no Python.
    """
    source = prompt + solution
    try:
        tree = _tree(source)
        known = {ast.dump(tree)}
    except _SAYS_NO as error:
        raise VisitorError(
            f"Prompt and solution are no Python ({str(error)[:60]}).", "Give a function's head and its body."
        ) from None
    found: list[Mutant] = []
    for operator, start, end, text in sorted(_edits(tree, source), key=lambda edit: edit[1:]):
        if start < len(prompt):
            continue
        changed = source[:start] + text + source[end:]
        try:
            dumped = ast.dump(_tree(changed))
        except _SAYS_NO:
            continue
        if dumped not in known:
            known.add(dumped)
            found.append(Mutant(operator, start - len(prompt), changed[len(prompt) :]))
    return tuple(found)


def function_item(
    task: str,
    name: str,
    prompt: str,
    solution: str,
    draw: random.Random,
    wrong: int = 3,
    equal: Sequence[str] = (),
) -> Item | None:
    """An item of a function: which body follows its head, the right one or a mutant; None where there is no
    mutant.

    Args:
        task: of the item.
        name: its id.
        prompt: the head with its docstring.
        solution: the right body.
        draw: of the mutants, and of the order of the choices.
        wrong: mutants at most.
        equal: changed lines that leave a function what it was: their mutants are not drawn.

    Raises:
        VisitorError: as `mutants`.
    """
    lines = solution.splitlines()
    some = [
        one
        for one in mutants(prompt, solution)
        if not {line.strip() for line in one.text.splitlines() if line not in lines} & set(equal)
    ]
    head, right = prompt.rstrip(), solution.strip("\n").rstrip()
    choices = [right, *(one.text.strip("\n").rstrip() for one in drawn(some, wrong, draw))]
    if len(choices) < 2:
        return None
    draw.shuffle(choices)
    return Item(name, task, head, tuple(choices), choices.index(right), delimiter="\n")


def drawn(found: Sequence[Mutant], count: int, draw: random.Random) -> list[Mutant]:
    """So many of a solution's mutants at most: of other operators first, then of other places."""
    left = draw.sample(found, len(found))
    some: list[Mutant] = []
    for key in (lambda one: one.operator, lambda one: one.start, lambda one: one.text):
        used = {key(one) for one in some}
        for one in left:
            if len(some) < count and one not in some and key(one) not in used:
                used.add(key(one))
                some.append(one)
    return some


Edit = tuple[str, int, int, str]
"""Operator, the characters that go, from and to, and what takes their place."""


def _tree(source: str) -> ast.Module:
    """The tree of a program that compiles."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as of `1 is 2`
        tree = ast.parse(source)
        compile(tree, "<mutant>", "exec", dont_inherit=True)
    return tree


def _edits(tree: ast.Module, source: str) -> Iterator[Edit]:
    lines = source.splitlines(keepends=True) if "\f" not in source and "\v" not in source else []
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))

    def span(node: ast.expr | ast.stmt) -> tuple[int, int]:
        def at(line: int, byte: int) -> int:
            return starts[line - 1] + len(lines[line - 1].encode()[:byte].decode())

        return at(node.lineno, node.col_offset), at(node.end_lineno or 0, node.end_col_offset or 0)

    if not lines or len(lines) != source.count("\n") + (not source.endswith("\n")):
        return  # other signs end lines here than in Python
    inside = {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)
    }
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            names = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
            for node in ast.walk(function):
                if id(node) not in inside:
                    for change in _CHANGES:
                        yield from change(node, source, span, names)


Span = Callable[[ast.expr | ast.stmt], tuple[int, int]]


def _between(source: str, start: int, end: int, sign: str) -> tuple[int, int] | None:
    """Where a sign stands in a part of the text."""
    pattern = r"\s+".join(map(re.escape, sign.split()))
    found = re.search(pattern, source[start:end])
    return (start + found.start(), start + found.end()) if found else None


def _comparison(node: ast.AST, source: str, span: Span, _: list[str]) -> Iterator[Edit]:
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        for left, right, sign in zip(sides, sides[1:], node.ops, strict=False):
            told = SIGNS[type(sign)]
            if place := _between(source, span(left)[1], span(right)[0], told):
                yield "wrong comparison", *place, COMPARISONS[told]


def _operator(node: ast.AST, source: str, span: Span, _: list[str]) -> Iterator[Edit]:
    if isinstance(node, (ast.BinOp, ast.AugAssign)):
        left, right = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.target, node.value)
        sign = SIGNS.get(type(node.op), "@")
        place = _between(source, span(left)[1], span(right)[0], sign)
        if sign in ARITHMETIC and place:
            yield "swapped operator", *place, ARITHMETIC[sign]
    if isinstance(node, ast.BoolOp):
        sign = SIGNS[type(node.op)]
        for one, other in zip(node.values, node.values[1:], strict=False):
            if place := _between(source, span(one)[1], span(other)[0], sign):
                yield "swapped operator", *place, LOGIC[sign]


def _operands(node: ast.AST, source: str, span: Span, _: list[str]) -> Iterator[Edit]:
    one_way = (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, one_way):
        return
    if isinstance(node.left, _ATOMS) and isinstance(node.right, _ATOMS):
        (start, a), (b, end) = span(node.left), span(node.right)
        alike = source[:start].endswith("abs(") and source[end : end + 1] == ")"
        if not alike:
            yield "swapped operands", start, end, source[b:end] + source[a:b] + source[start:a]


def _constant(node: ast.AST, source: str, span: Span, _: list[str]) -> Iterator[Edit]:
    if not isinstance(node, ast.Constant):
        return
    if isinstance(node.value, bool):
        yield "flipped constant", *span(node), str(not node.value)
    elif isinstance(node.value, int) and node.value < 10**6:
        added = source[: span(node)[0]].rstrip().endswith(("+", "-", "*"))  # nobody adds 0, or writes -0
        for step in (1, -1):
            if node.value + step >= added:
                yield "off by one", *span(node), str(node.value + step)


def _negation(node: ast.AST, source: str, span: Span, _: list[str]) -> Iterator[Edit]:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "lost negation", span(node)[0], span(node.operand)[0], ""


def _function(node: ast.AST, source: str, span: Span, _: list[str]) -> Iterator[Edit]:
    if isinstance(node, ast.Call):
        end = span(node.func)[1]
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in FUNCTIONS and isinstance(node.func, (ast.Name, ast.Attribute)):
            yield "wrong function", end - len(name), end, FUNCTIONS[name]


def _return(node: ast.AST, source: str, span: Span, _: list[str]) -> Iterator[Edit]:
    if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and len(node.value.elts) == 2:
        (start, a), (b, end) = map(span, node.value.elts)
        yield "swapped return", start, end, source[b:end] + source[a:b] + source[start:a]


def _name(node: ast.AST, source: str, span: Span, names: list[str]) -> Iterator[Edit]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
        for other in names:
            if other != node.id:
                yield "other name", *span(node), other


_CHANGES = (_comparison, _operator, _operands, _constant, _negation, _function, _return, _name)
OPERATORS = (
    *("wrong comparison", "swapped operator", "swapped operands", "off by one", "flipped constant"),
    *("lost negation", "wrong function", "swapped return", "other name"),
)
"""What is done to a function, by name."""
