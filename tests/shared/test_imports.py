"""What the modules of the house keep to: no import circle, and a reason where one is long."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted([*(ROOT / "shared").glob("*/*.js"), *(ROOT / "spaces").glob("*/*/js/*.js")])
MODULES = sorted(
    path
    for folder in ("shared", "spaces", "tests", "examples", "docs")
    for path in (ROOT / folder).rglob("*.py")
    if "build" not in path.parts
)


def script_imports() -> dict[str, set[str]]:
    """The modules that each JavaScript module imports, types not counted: they are gone when it runs."""
    graph = {}
    for path in SCRIPTS:
        name = path.relative_to(ROOT).as_posix()
        targets = re.findall(r'^(?:import|\}) .*?"(\..*?)";$', path.read_text(encoding="utf-8"), re.MULTILINE)
        graph[name] = {posixpath.normpath(posixpath.join(posixpath.dirname(name), to)) for to in targets}
    return graph


def module_name(path: Path) -> str:
    """A Python module's name as it is imported: a Space's folder is on the path."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[2:] if parts[0] == "spaces" else parts
    return ".".join(part for part in parts if part != "__init__")


def imported(tree: ast.Module) -> Iterator[str]:
    """Names that a module imports, in functions as well; not those for the type checker alone."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        waiting += ast.iter_child_nodes(node)


def module_imports() -> dict[str, set[str]]:
    """The modules of the house that each Python module imports."""
    paths = {module_name(path): path for path in MODULES if path.stem not in ("app", "make_examples")}
    graph = {}
    for name, path in paths.items():
        graph[name] = set()
        for target in imported(ast.parse(path.read_text(encoding="utf-8"))):
            whole = target if target in paths else target.rpartition(".")[0]
            if whole in paths and whole != name:
                graph[name].add(whole)
    return graph


@pytest.mark.parametrize("imports", [script_imports, module_imports])
def test_no_import_circle(imports) -> None:
    graph = imports()
    assert sum(map(len, graph.values())) > 100
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_circles_are_seen() -> None:
    graph = script_imports()
    graph["shared/js/dom.js"].add("shared/js/tabbed.js")
    with pytest.raises(CycleError):
        TopologicalSorter(graph).prepare()


def test_a_long_module_says_why() -> None:
    """Types that are written from a `data.py` need no reason, nor do tests."""
    houses = [path for path in MODULES if path.relative_to(ROOT).parts[0] in ("shared", "spaces")]
    long = [path for path in [*houses, *SCRIPTS] if len(path.read_text(encoding="utf-8").splitlines()) > 400]
    assert len(long) > 5
    silent = [
        path.relative_to(ROOT).as_posix()
        for path in long
        if "long because" not in " ".join(path.read_text(encoding="utf-8")[:1_500].split())
    ]
    assert silent == []
