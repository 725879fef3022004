"""The shape of the repository: what the design promises of folders, imports and cards."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from shared import bundle, suite
from tests.conftest import ROOT

SPACES = suite.names()


def test_the_folder_spaces_does_not_shadow_the_package():
    import spaces

    assert not (ROOT / "spaces/__init__.py").exists()
    assert callable(spaces.GPU)


IMPORT = """
import sys, threading
from shared.suite import load_app
before = threading.active_count()
load_app(sys.argv[1])
from shared import models
assert not models._loaded
assert 'transformers.modeling_utils' not in sys.modules
assert threading.active_count() == before, threading.enumerate()
assert 'torch' not in sys.modules
"""


def test_importing_an_app_loads_no_model_and_starts_nothing():
    for name in SPACES:
        done = subprocess.run([sys.executable, "-c", IMPORT, name], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("name", SPACES)
def test_engines_import_nothing_from_gradio_or_each_other(name):
    """One direction: app → rooms → engine → shared."""
    packages = {path.parent.name: path.parent for path in (ROOT / "spaces").glob("*/*/__init__.py")}
    mine = {package for package, folder in packages.items() if folder.parent.name == name}
    for package in mine:
        for path in packages[package].rglob("*.py"):
            tops = imports(path)
            assert not tops & (set(packages) - mine), path
            if not package.endswith("_rooms"):
                assert "gradio" not in tops and f"{name}_rooms" not in tops, path
    for path in (ROOT / "shared").rglob("*.py"):
        assert not imports(path) & mine, path


def imports(path: Path) -> set[str]:
    """The top-level packages that a module imports, anywhere in it."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    froms = {(node.module or "").split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
    return froms | {
        a.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for a in node.names
    }


@pytest.mark.parametrize("name", SPACES)
def test_card_says_what_the_hub_needs(name):
    head = suite.head(name)
    assert {
        "title",
        "emoji",
        "sdk",
        "sdk_version",
        "python_version",
        "app_file",
        "license",
        "short_description",
    } <= set(head)
    assert len(head["short_description"]) <= 60
    assert head["sdk_version"] in (ROOT / "requirements.txt").read_text()
    assert {head["colorFrom"], head["colorTo"]} <= {
        "red",
        "yellow",
        "green",
        "blue",
        "indigo",
        "purple",
        "pink",
        "gray",
    }
    # creates repositories and sees those alone; write-repos could create none. Evaluation opens pull
    # requests.
    scope = "write-discussions" if name == "evaluation" else "contribute-repos"
    if head.get("hf_oauth"):
        assert head["hf_oauth_scopes"] == [scope]
    assert (ROOT / "spaces" / name / head["course"].get("thumbnail", "card.svg")).is_file()
    lines = head.get("preload_from_hub", [])
    preloaded = {line.split(" ")[0]: line.split(" ")[1].split(",") for line in lines}
    assert set(preloaded) == set(head.get("models", [])), "what a visit begins with comes with the build"
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "spaces" / name).rglob("*.py"))
    weights = {"model.safetensors"} if any("models.load(" in source for source in sources) else set()
    assert all({"config.json", "tokenizer.json", *weights} <= set(files) for files in preloaded.values())
    card = suite.read_card(name)
    assert card.title == head["title"]
    assert "<script" not in card.picture


def test_the_suite_asks_for_what_its_spaces_ask_of_a_sign_in():
    """No scope less, or a room that pushes fails there; none more, or a visitor grants what nobody needs."""
    asked = {name: suite.head(name).get("hf_oauth_scopes", []) for name in SPACES}
    assert {"contribute-repos"} < {scope for scopes in asked.values() for scope in scopes}
    merged = yaml.safe_load(bundle.suite_card().split("---\n")[1])
    assert merged["hf_oauth"] is True
    for scope in merged["hf_oauth_scopes"]:
        assert any(scope in scopes for scopes in asked.values()), scope
    for name, scopes in asked.items():
        assert set(scopes) <= set(merged["hf_oauth_scopes"]), name
    assert len(merged["hf_oauth_scopes"]) == len(set(merged["hf_oauth_scopes"]))
