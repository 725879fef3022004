"""What holds for the modules of every figure, because one page is put together from all of them."""

from __future__ import annotations

import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from shared.figure import COMMON, bundle, stylesheet

FOLDERS = {path.parent.name: path for path in sorted((Path(__file__).parents[2] / "spaces").glob("*/*/js"))}
pytestmark = pytest.mark.parametrize("folder", FOLDERS.values(), ids=FOLDERS)


def test_top_level_names_are_unique(folder) -> None:
    names = re.findall(r"^(?:async )?(?:function\*?|const|let|class) ([\w$]+)", bundle(folder), re.MULTILINE)
    assert len(names) > 20
    assert sorted(name for name in set(names) if names.count(name) > 1) == []


def test_the_style_sheet_survives_gradio(folder) -> None:
    """Gradio puts its own class before every selector and splits them at each comma, brackets or not."""
    assert not re.search(r":(is|where|not|has)\([^)]*,", stylesheet(COMMON) + stylesheet(folder))
    rules = re.sub(
        r"/\*.*?\*/|@keyframes \w+ \{\s+[^}]*\}\s+\}|@media[^{]*\{", "", stylesheet(folder), flags=re.DOTALL
    )
    selectors = [part.strip() for rule in re.findall(r"([^{}]+)\{", rules) for part in rule.split(",")]
    figure = f".{folder.parent.name}-figure"
    assert selectors
    assert [selector for selector in selectors if not selector.startswith(figure)] == [], (
        "a figure styles itself alone"
    )


def test_imports_go_in_one_direction(folder) -> None:
    """A circle is a `CycleError`, which names its modules."""
    imports = {
        path: {
            (path.parent / name).resolve()
            for name in re.findall(
                r'^import [^;]* from "([^"]+)";', path.read_text(encoding="utf-8"), re.MULTILINE
            )
        }
        for path in [*COMMON.glob("*.js"), *folder.glob("*.js")]
    }
    assert any(imports.values())
    TopologicalSorter(imports).prepare()


def test_modules_are_short(folder) -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in folder.glob("*.js")}
    assert lengths
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}
