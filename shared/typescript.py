"""JavaScript's view of a figure's data, written from the TypedDicts that Python annotates it with.

`python -m shared.typescript` writes `js/data.d.ts` beside every `data.py`: interfaces of its TypedDicts,
whose docstrings become comments, and a type of its own for every module-level name of a union, list, tuple
or Literal.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import textwrap
import types
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NotRequired, Union, get_args, get_origin

from typing_extensions import get_original_bases, get_type_hints, is_typeddict

ROOT = Path(__file__).parents[1]
COMMON = "shared.data"
"""Whose types every Space's file imports instead of repeating."""

_WORDS = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "null", Any: "unknown"}
_WIDTH = 100


def typed_dicts(module: ModuleType) -> list[type]:
    """The TypedDicts that a module defines, in its order."""
    return [
        item for item in vars(module).values() if is_typeddict(item) and item.__module__ == module.__name__
    ]


def declarations(module: ModuleType) -> str:
    """The text of `data.d.ts` for a module of TypedDicts.

    Raises:
        TypeError: for an annotation that JSON has no word for.
    """
    aliases = {
        value: name
        for name, value in vars(module).items()
        if not name.startswith("_") and get_origin(value) is not None
    }
    docs = _docs(module.__name__)
    common: set[str] = set()
    parts = []
    for value, name in aliases.items():
        others = {other: word for other, word in aliases.items() if word != name}
        line = f"export type {name} = {_spell(value, others, common)};"
        parts.append("\n".join([*_comment(docs.get(name, ""), ""), _wrapped(line), ""]))
    for kind in typed_dicts(module):
        parts.append(_interface(kind, aliases, common))
    head = f"// Written by `make types` from {module.__name__.split('.')[-1]}.py: change it there.\n"
    if common and module.__name__ != COMMON:
        head += f'\nimport type {{ {", ".join(sorted(common))} }} from "../../../../shared/js/data.js";\n'
    return "\n".join([head, *parts]) if parts else head + "\nexport {};\n"


def _interface(kind: type, aliases: dict[Any, str], common: set[str]) -> str:
    """A TypedDict as an interface that extends those which it inherits from."""
    docs = _docs(kind.__module__)
    bases = [base for base in get_original_bases(kind) if is_typeddict(base)]
    inherited: dict[str, Any] = {}
    for base in bases:
        inherited |= get_type_hints(base, include_extras=True)
    extends = f" extends {', '.join(_spell(base, aliases, common) for base in bases)}" if bases else ""
    lines = [*_comment(docs.get(kind.__name__, ""), ""), f"export interface {kind.__name__}{extends} {{"]
    for key, hint in get_type_hints(kind, include_extras=True).items():
        if inherited.get(key) == hint:
            continue
        optional = get_origin(hint) is NotRequired
        inner = get_args(hint)[0] if optional else hint
        absent = optional or key in kind.__optional_keys__  # type: ignore[attr-defined]
        name = key if key.isidentifier() else f'"{key}"'
        line = f"  {name}{'?' if absent else ''}: {_spell(inner, aliases, common)};"
        lines += [*_comment(docs.get(f"{kind.__name__}.{key}", ""), "  "), _wrapped(line)]
    return "\n".join([*lines, "}\n"])


@cache
def _docs(module: str) -> dict[str, str]:
    """A module's docstrings: of `Class`, `Class.key` and of names at its top level."""
    docs: dict[str, str] = {}

    def collect(body: list[ast.stmt], prefix: str) -> None:
        for item, after in zip(body, [*body[1:], None], strict=True):
            if isinstance(item, ast.ClassDef):
                docs[item.name] = ast.get_docstring(item) or ""
                collect(item.body, f"{item.name}.")
            target = item.targets[0] if isinstance(item, ast.Assign) else getattr(item, "target", None)
            text = after.value if isinstance(after, ast.Expr) else None
            if isinstance(target, ast.Name) and isinstance(text, ast.Constant):
                docs[prefix + target.id] = inspect.cleandoc(str(text.value))

    collect(ast.parse(inspect.getsource(importlib.import_module(module))).body, "")
    return docs


def _wrapped(line: str) -> str:
    """A union too long for one line, a part in each."""
    return line.replace(" | ", "\n    | ") if len(line) > _WIDTH else line


def _comment(text: str, indent: str) -> list[str]:
    if not text:
        return []
    if "\n" not in text and len(text) + len(indent) + 7 <= _WIDTH:
        return [f"{indent}/** {text} */"]
    lines = [part for line in text.split("\n") for part in textwrap.wrap(line, _WIDTH - 5) or [""]]
    return [f"{indent}/**", *(f"{indent} * {line}".rstrip() for line in lines), f"{indent} */"]


def _spell(hint: Any, aliases: dict[Any, str], common: set[str]) -> str:
    """A type in TypeScript; the common types that it names are added to `common`."""
    if name := aliases.get(hint):
        return name
    if is_typeddict(hint):
        if hint.__module__ == COMMON:
            common.add(hint.__name__)
        return str(hint.__name__)
    if hint in _WORDS:
        return _WORDS[hint]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " | ".join(f'"{value}"' if isinstance(value, str) else str(value).lower() for value in inner)
    words = [_spell(part, aliases, common) for part in inner if part is not Ellipsis]
    if origin in (Union, types.UnionType):
        return " | ".join(dict.fromkeys(words))
    if origin is list or (origin is tuple and inner[-1] is Ellipsis):
        return f"({words[0]})[]" if " | " in words[0] else f"{words[0]}[]"
    if origin is tuple:
        return f"[{', '.join(words)}]"
    if origin is dict:
        return f"Record<{words[0]}, {words[1]}>"
    raise TypeError(f"{hint!r} has no word in JSON's types")


def sources() -> dict[Path, str]:
    """Every `data.d.ts` with the name of the module that it is written from."""
    spaces = sorted((ROOT / "spaces").glob("*/*/data.py"))
    return {ROOT / "shared/js/data.d.ts": COMMON} | {
        path.parent / "js" / "data.d.ts": f"{path.parent.name}.data" for path in spaces
    }


if __name__ == "__main__":
    sys.path += [str(folder) for folder in sorted((ROOT / "spaces").iterdir())]
    for target, module_name in sources().items():
        target.write_text(declarations(importlib.import_module(module_name)), encoding="utf-8")
