"""What the README and the Spaces' cards tell a reader to type works as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CARDS = [ROOT / "README.md", *sorted(ROOT.glob("spaces/*/README.md"))]


@pytest.mark.parametrize("card", CARDS, ids=lambda path: path.parent.name)
def test_the_program_in_a_card_runs(card, suite_url, tmp_path):
    programs = re.findall(
        r"^```python\n(.*?)^```", card.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert programs, "every card shows how the Space is used from code"
    for name in ("rows.jsonl", "a.jsonl"):
        rows = '{"text": "a row of words"}\n{"text": "A row of words!"}\n'
        (tmp_path / name).write_text(rows, encoding="utf-8")
    (tmp_path / "b.csv").write_text("text\na row of words\n", encoding="utf-8")
    for program in programs:
        assert "http://127.0.0.1:7860" in program or f"from {card.parent.name} import" in program
        run = subprocess.run(
            [sys.executable, "-c", program.replace("http://127.0.0.1:7860", suite_url)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{card.parent}"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert run.returncode == 0, run.stderr[-2000:]
        assert "print(" not in program or run.stdout.strip(), "the program said nothing"


def test_every_target_that_the_readme_names_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)\b", text, re.MULTILINE))
    assert named and named <= targets, named - targets


def test_every_file_that_the_readme_links_to_exists():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if not target.startswith("http")]
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []
