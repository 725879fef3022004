"""Merges as their authors publish them, for reports: folders with a card, and the same as repositories of a
Hub on loopback.
"""

from __future__ import annotations

import hashlib
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from merging.request import Request
from merging.run import finished, merge
from tests.shared.hub_server import HubServer, Repo, the_hub


def recipe(method: str, parents: dict[str, dict[str, Any]], **settings: Any) -> str:
    """A recipe of models with their parameters."""
    import yaml

    models = [{"model": name, **({"parameters": own} if own else {})} for name, own in parents.items()]
    return yaml.safe_dump({"merge_method": method, "models": models, **settings}, sort_keys=False)


def publish(text: str, folder: Path, *, seed: int = 0, says: str | None = None, card: str = "") -> Path:
    """Merge a recipe and put it beside the weights, as an author does.

    Args:
        text: what is merged.
        folder: is made; its files are the model's.
        seed: of the draws.
        says: the recipe that is published, where it is another.
        card: its README.
    """
    made = folder.with_name(f"{folder.name}-made")
    made.mkdir()
    child = finished(merge(Request(text, seed), made)).folder
    shutil.copytree(child, folder)
    shutil.rmtree(made)
    name = "mergekit_moe_config.yml" if "experts:" in text else "mergekit_config.yml"
    (folder / name).write_text(says or text)
    (folder / "README.md").write_text(card or "---\nlicense: apache-2.0\n---\n# A merge\n")
    return folder


def repository(folder: Path, **metadata: Any) -> Repo:
    """A folder as a repository; its commit follows from its files."""
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
    sha = hashlib.sha1(b"".join(files.values()) + repr(metadata).encode()).hexdigest()
    card = {"license": "apache-2.0", **metadata.pop("cardData", {})}
    return Repo(files, sha=sha, metadata={"cardData": card, **metadata})


def changed(folder: Path, target: Path, name: str, entries: int) -> Path:
    """A copy of a model with some entries of one tensor made larger by 0.5."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, target)
    weights = load_file(target / "model.safetensors")
    weights[name].view(-1)[:entries] += 0.5
    (target / "model.safetensors").unlink()
    save_file(weights, target / "model.safetensors", {"format": "pt"})
    return target


@pytest.fixture
def hub_with(tmp_path):
    """A function that starts a Hub with repositories and points the real client at it, its cache empty."""
    from family_tree import hub_reader
    from merging import sources

    def forget() -> None:
        hub_reader.forget()
        sources._remembered.clear()

    with ExitStack() as hubs:

        def start(repos: dict[str, Repo]) -> HubServer:
            forget()
            return hubs.enter_context(the_hub(repos, tmp_path / "cache"))

        yield start
    forget()
