"""A run of a page takes its steps in whatever thread is free: between two of them it leaves nothing in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
OF_THE_THREAD = ("inference_mode", "no_grad", "enable_grad", "grad_enabled", "autocast", "fork_rng")
OF_THE_PROCESS = ("silence", "redirect_std", "catch_warnings", "default_dtype", "chdir")


def yields(nodes: list[ast.stmt]) -> Iterator[ast.AST]:
    """Yields of these statements themselves, not of functions in them."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for child in ast.walk(node):
            if isinstance(child, ast.Yield | ast.YieldFrom):
                yield child


def held(text: str) -> list[str]:
    """Modes of a thread or of the process that a generator holds while it waits, as file lines."""
    found = []
    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef):
            continue
        decorators = [ast.unparse(one) for one in function.decorator_list]
        if any("contextmanager" in one for one in decorators):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.With) and any(yields(node.body)):
                modes = [ast.unparse(item.context_expr) for item in node.items]
                found += [
                    f"{node.lineno}: {mode}"
                    for mode in modes
                    if any(name in mode for name in (*OF_THE_THREAD, *OF_THE_PROCESS))
                ]
        if any(name in one for one in decorators for name in OF_THE_THREAD) and any(yields(function.body)):
            found.append(f"{function.lineno}: decorated")
    return found


def test_no_generator_holds_a_mode_while_it_waits():
    """A thread left in inference mode loads models that no run can train, edit or hand to another."""
    assert held("def f():\n    with torch.inference_mode():\n        yield 1\n") == [
        "2: torch.inference_mode()"
    ]
    assert held("@torch.no_grad()\ndef f():\n    yield 1\n") == ["2: decorated"]
    files = [*(ROOT / "shared").rglob("*.py"), *(ROOT / "spaces").rglob("*.py")]
    assert len(files) > 300
    found = {path.name: lines for path in files if (lines := held(path.read_text(encoding="utf-8")))}
    assert not found
