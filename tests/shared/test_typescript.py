"""The data contract: JavaScript's types are what the generator gives, stored figures what the types say."""

from __future__ import annotations

import importlib
import json
import re
import types
from pathlib import Path
from typing import Any, Literal, NotRequired

import pytest
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict, get_type_hints

from shared import typescript
from shared.request import Request

ROOT = Path(__file__).parents[2]
MODULES = [name for name in typescript.sources().values() if name != typescript.COMMON]
STORED = sorted(
    path
    for path in (ROOT / "spaces").glob("*/examples/*.json")
    if path.name != "edit.json"  # no figure: an edit
)


def forbid_extra(module: types.ModuleType) -> None:
    """Let pydantic refuse keys that a TypedDict of this module does not name."""
    for kind in typescript.typed_dicts(module):
        kind.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[attr-defined]


def figure_type(space: str, kind: str) -> type:
    """The TypedDict of what a Space's figure draws, by the `kind` that it names."""
    modules = [importlib.import_module(name) for name in (typescript.COMMON, f"{space}.data")]
    for module in modules:
        forbid_extra(module)
    figures = typescript.typed_dicts(modules[-1])
    wanted = {"kind": Literal[kind], "drawable": Literal[True]}
    (figure,) = (item for item in figures if wanted.items() <= get_type_hints(item).items())
    return figure


class Leaf(TypedDict):
    """A thing."""

    width: float
    """In pixels."""
    kind: Literal["a", "b"] | None
    tail: NotRequired[list[int | str]]


class Branch(Leaf):
    pair: tuple[int, Any]
    by_name: dict[str, list[Leaf]]
    flag: bool
    rest: tuple[str, ...]


def test_every_type_has_its_word() -> None:
    module = types.ModuleType(__name__)
    module.Leaf, module.Branch = Leaf, Branch  # type: ignore[attr-defined]
    module.Kind = Literal["a", "b"] | None  # type: ignore[attr-defined]
    assert typescript.declarations(module).split("\n", 1)[1] == (
        """
export type Kind = "a" | "b" | null;

/** A thing. */
export interface Leaf {
  /** In pixels. */
  width: number;
  kind: Kind;
  tail?: (number | string)[];
}

export interface Branch extends Leaf {
  pair: [number, unknown];
  by_name: Record<string, Leaf[]>;
  flag: boolean;
  rest: string[];
}
"""
    )


def test_a_type_without_a_word_is_refused() -> None:
    module = types.ModuleType(__name__)
    module.Odd = list[set[int]]  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="set"):
        typescript.declarations(module)


@pytest.mark.parametrize("path", typescript.sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_committed_types_are_the_generators(path: Path) -> None:
    module = importlib.import_module(typescript.sources()[path])
    assert path.read_text(encoding="utf-8") == typescript.declarations(module), "run `make types`"


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.relative_to(ROOT / "spaces").as_posix())
def test_stored_examples_are_what_the_types_say(path: Path) -> None:
    """Strictly: no number for a text, no key that is not named."""
    text = path.read_text(encoding="utf-8")
    TypeAdapter(figure_type(path.parts[-3], json.loads(text)["kind"])).validate_json(text, strict=True)


@pytest.mark.parametrize("module", MODULES)
def test_settings_that_a_figure_names_are_all_named(module: str) -> None:
    """Where `data.py` spells out a request instead of `dict[str, Any]`: a new setting is not forgotten."""
    requests = vars(importlib.import_module(module.replace(".data", ".request")))
    for kind in typescript.typed_dicts(importlib.import_module(module)):
        request = requests.get(kind.__name__)
        if isinstance(request, type) and issubclass(request, Request):
            assert set(get_type_hints(kind)) == {*request.declared(), *request.DERIVED}, kind.__name__


def test_a_key_that_is_not_named_is_refused() -> None:
    forbid_extra(types.SimpleNamespace(__name__=__name__, Leaf=Leaf))  # type: ignore[arg-type]
    adapter = TypeAdapter(Leaf)
    adapter.validate_python({"width": 1.0, "kind": None}, strict=True)
    with pytest.raises(ValidationError, match="forbidden"):
        adapter.validate_python({"width": 1.0, "kind": None, "height": 2}, strict=True)


def test_package_lock_names_no_registry() -> None:
    assert not re.search(
        r'"resolved"|https?://[^"]*registry', (ROOT / "package-lock.json").read_text(encoding="utf-8")
    )
