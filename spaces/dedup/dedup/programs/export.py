"""A program of this folder as one file that stands alone.

The programs run and are linted as they stand. One is handed out with what it borrows of this package, and
with its block of settings filled in. What a visitor typed enters it through `repr` alone, as a constant of
that block; all else is text of these files. So a name can neither end a string nor start a statement.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent

BEGIN, END = "# --- settings of the run ---\n", "# --- end of the settings ---\n"
"""Enclose a program's settings."""

IMPORTS = ast.Import, ast.ImportFrom
WIDTH = 110
"""Columns of an import line."""


def exported(name: str, notes: Sequence[str], **settings: object) -> str:
    """A program of this folder as one file that stands alone, its settings filled in.

    Args:
        name: of the program.
        notes: lines of comment above the settings.
        settings: a value for each of its constants.
    """
    program = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    head, block, rest = re.split(f"{re.escape(BEGIN)}|{re.escape(END)}", program)
    imports = [node for node in ast.parse(head).body if isinstance(node, IMPORTS)]
    lines = head.splitlines(keepends=True)
    title, after = lines[: imports[0].lineno - 1], lines[imports[-1].end_lineno :]
    definitions, modules = _borrowed(imports)
    comment = [f"# {note}\n" for note in notes]
    settings_block = [BEGIN, _settled(block, settings), END]
    parts = [*title, _joined(modules), *after, *comment, *settings_block]
    space = "\n\n" if definitions.startswith(("def ", "class ", "@")) else "\n"
    return "".join([*parts, space, definitions, "\n\n\n", rest.lstrip()])


def _settled(block: str, settings: dict[str, object]) -> str:
    """The block of settings with these values in place of its own."""
    lines = block.splitlines(keepends=True)
    constants = [node for node in ast.parse(block).body if isinstance(node, (ast.Assign, ast.AnnAssign))]
    names = [
        ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target) for node in constants
    ]
    if sorted(names) != sorted(settings):
        raise ValueError(f"the settings are {names}, and values are given for {list(settings)}")
    for name, node in zip(names, constants, strict=True):
        value = node.value
        assert value is not None and value.end_lineno == value.lineno == node.lineno
        line = lines[node.lineno - 1]
        lines[node.lineno - 1] = (
            line[: value.col_offset] + repr(settings[name]) + line[value.end_col_offset :]
        )
    return "".join(lines)


@dataclass(frozen=True)
class _Module:
    """A module of this package, of which programs borrow.

    Args:
        texts: of each name that it defines its source, with the comment above it.
        uses: of each name the names in its source.
        origins: of names that it borrows itself the modules.
        imports: of other packages.
    """

    texts: dict[str, str]
    uses: dict[str, set[str]]
    origins: dict[str, str]
    imports: list[ast.Import | ast.ImportFrom]


@cache
def _module(place: str) -> _Module:
    path = FOLDER.parent.joinpath(*place.split(".")[1:]).with_suffix(".py")
    source = path.read_text(encoding="utf-8")
    lines, body = source.splitlines(keepends=True), ast.parse(source).body
    imports = [node for node in body if isinstance(node, IMPORTS)]
    texts, uses = {}, {}
    end = imports[-1].end_lineno
    for node in body[body.index(imports[-1]) + 1 :]:
        if isinstance(node, (ast.Assign, ast.FunctionDef, ast.ClassDef)):
            name = ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else node.name
            texts[name] = "".join(lines[end : node.end_lineno])
            uses[name] = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        end = node.end_lineno
    return _Module(texts, uses, _origins(imports), [node for node in imports if not _is_own(node)])


def _is_own(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and str(node.module).startswith("dedup.")


def _origins(imports: Sequence[ast.Import | ast.ImportFrom]) -> dict[str, str]:
    """Names that come from modules of this package, and these modules."""
    own = [node for node in imports if isinstance(node, ast.ImportFrom) and _is_own(node)]
    return {alias.name: str(node.module) for node in own for alias in node.names}


def _borrowed(
    imports: Sequence[ast.Import | ast.ImportFrom],
) -> tuple[str, list[ast.Import | ast.ImportFrom]]:
    """What a program with these imports borrows of this package, and all that both import of others."""
    waiting = [(module, name) for name, module in _origins(imports).items()]
    used: dict[str, set[str]] = {}
    while waiting:
        place, name = waiting.pop()
        module = _module(place)
        if name in module.origins:
            waiting.append((module.origins[name], name))
        elif name not in used.setdefault(place, set()):
            used[place].add(name)
            waiting += [(place, other) for other in module.uses.get(name, ())]
    # a module that borrows itself comes after those that it borrows from
    order = sorted(used, key=lambda place: len(_module(place).origins))
    needed = [node for node in imports if not _is_own(node)]
    for place in order:
        for node in _module(place).imports:
            names = [alias for alias in node.names if (alias.asname or alias.name) in used[place]]
            if names and isinstance(node, ast.ImportFrom):
                needed.append(ast.ImportFrom(node.module, names, node.level))
            elif names:
                needed.append(ast.Import(names))
    texts = [
        "".join(text for name, text in _module(place).texts.items() if name in used[place]) for place in order
    ]
    return "\n\n\n".join(text.strip() for text in texts), needed


def _joined(imports: Sequence[ast.Import | ast.ImportFrom]) -> str:
    """Imports in the usual order, one statement a module: of this Python, its own modules, others."""
    plain = {ast.unparse(node) for node in imports if isinstance(node, ast.Import)}
    named: dict[str, set[str]] = {}
    for node in imports:
        if isinstance(node, ast.ImportFrom):
            named.setdefault(str(node.module), set()).update(map(ast.unparse, node.names))
    lines = [(line.split()[1], 0, line) for line in plain]
    for module, names in named.items():
        line = f"from {module} import {', '.join(sorted(names))}"
        if len(line) > WIDTH:
            line = f"from {module} import (\n" + "".join(f"    {name},\n" for name in sorted(names)) + ")"
        lines.append((module, 1, line))
    groups: list[list[str]] = [[], [], []]
    for module, _, line in sorted(lines, key=lambda item: (item[1], item[2])):
        top = module.split(".")[0]
        groups[0 if top == "__future__" else 1 if top in sys.stdlib_module_names else 2].append(line)
    return "\n\n".join("\n".join(group) for group in groups if group) + "\n"
