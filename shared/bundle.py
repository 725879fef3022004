"""Stage a Space as the Hub wants it: its own files, `shared/` and its requirements in one folder.

`python -m shared.bundle decoding` writes `build/decoding`; `suite` stages all Spaces as one.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from shared.article import PICTURE
from shared.catalogue import ROOT, TITLE, head, names
from shared.suite import read_card

SUITE = "suite"
LANDING = "docs/landing.png"
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "*.pyi", ".*")


def stage(name: str, target: Path | None = None) -> Path:
    """Copy a Space into a folder that runs by itself, replacing what an earlier call left there.

    Args:
        name: the Space's folder name, or `SUITE` for all of them in one.
        target: where to; `build/<name>` unless given.

    Returns:
        The folder.
    """
    if name not in (*names(), SUITE):
        raise SystemExit(f"There is no Space {name!r}. Choose one of: {', '.join((*names(), SUITE))}.")
    folder = target or ROOT / "build" / name
    if folder.exists():
        shutil.rmtree(folder)
    if name == SUITE:
        for space in names():
            shutil.copytree(ROOT / "spaces" / space, folder / "spaces" / space, ignore=_LEFT_OUT)
        (folder / "app.py").write_text(_SUITE_APP, encoding="utf-8")
        (folder / "requirements.txt").write_text(suite_requirements(), encoding="utf-8")
        (folder / "README.md").write_text(suite_card(), encoding="utf-8")
        (folder / LANDING).parent.mkdir()
        for picture in (LANDING, PICTURE):
            shutil.copy(ROOT / picture, folder / picture)
    else:
        shutil.copytree(ROOT / "spaces" / name, folder, ignore=_LEFT_OUT)
    shutil.copytree(ROOT / "shared", folder / "shared", ignore=_LEFT_OUT)
    shutil.copy(ROOT / "LICENSE", folder / "LICENSE")
    return folder


def suite_requirements() -> str:
    """The requirements of all Spaces, each once; the same package has one version in all of them."""
    lines: dict[str, None] = {}
    for space in names():
        text = (ROOT / "spaces" / space / "requirements.txt").read_text(encoding="utf-8")
        lines |= dict.fromkeys(
            line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")
        )
    return "# torch, gradio and spaces are the platform's\n" + "\n".join(sorted(lines, key=str.lower)) + "\n"


def suite_card() -> str:
    """The card of the Space that holds all Spaces."""
    import yaml

    heads = [head(space) for space in names()]
    merged = {
        "title": TITLE,
        "emoji": "🧭",
        "colorFrom": "blue",
        "colorTo": "gray",
        "sdk": "gradio",
        "sdk_version": heads[0]["sdk_version"],
        "python_version": heads[0]["python_version"],
        "app_file": "app.py",
        "pinned": False,
        "license": "apache-2.0",
        "short_description": ", ".join(one["title"] for one in heads).capitalize(),
        "suggested_hardware": "zero-a10g",
        "hf_oauth": True,
        "hf_oauth_scopes": sorted({scope for one in heads for scope in one.get("hf_oauth_scopes", [])}),
        "models": sorted({model for one in heads for model in one.get("models", [])}),
        "preload_from_hub": sorted({files for one in heads for files in one.get("preload_from_hub", [])}),
        "course": {"thumbnail": LANDING},
    }
    rooms = "\n".join(f"- **{card.title}**: {card.sentence}" for card in map(read_card, names()))
    text = yaml.safe_dump(merged, sort_keys=False, allow_unicode=True)
    return f"---\n{text}---\n\n# {TITLE}\n\n{rooms}\n"


_SUITE_APP = '''"""All Spaces in one process, each at its own path."""

from shared.suite import main

main()
'''


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(f"Name a Space with SPACE=…: {', '.join((*names(), SUITE))}.")
    print(stage(sys.argv[1]))
