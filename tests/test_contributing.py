"""CONTRIBUTING.md stays true: the files in it are a Space that starts, draws, links and passes lint."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.conftest import ROOT, Server

GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^(`{3,})\w+ file=(\S+)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """A copy of the repository with the guide's new Space in it."""
    folder = tmp_path_factory.mktemp("guide")
    for name in ("shared", "spaces", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "requirements.txt", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    for _, path, text in BLOCK.findall(GUIDE):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    subprocess.run([sys.executable, "-m", "shared.typescript"], cwd=folder, check=True)
    return folder


def test_the_guide_names_files_that_are_there():
    for path in re.findall(r"`((?:shared|tests)/[\w/.]+\.\w+)`", GUIDE):
        assert (ROOT / path).exists(), path


def test_the_new_space_passes_lint(repository):
    places = ["spaces/letters", "tests/letters"]
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *places], cwd=repository, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


def test_what_is_asked_of_every_space_is_true_of_the_new_one(repository):
    """The tests that go over all Spaces: its card, its requirements, its links, its answers to nonsense …"""
    command = [sys.executable, "-m", "pytest", "-k", "letters", "--ignore=tests/test_contributing.py"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 10, done.stdout[-500:]


def test_the_new_space_is_in_the_suite(repository):
    script = "from shared import suite; print(suite.names(), 'Which letters' in suite.landing())"
    done = subprocess.run([sys.executable, "-c", script], cwd=repository, capture_output=True, text=True)
    assert "'letters'] True" in done.stdout, done.stderr


def test_the_new_space_answers_draws_and_links(repository, browser):
    from gradio_client import Client

    server = Server(["-m", "shared.suite", "letters"], {"PYTHONPATH": str(repository)}, cwd=repository)
    try:
        answer = Client(server.url, verbose=False).predict(text="abba c", api_name="/count")
        assert answer["letters"][0] == {"letter": "a", "count": 2}
        page = browser.new_page()
        page.goto(server.url)
        expect(page.locator("#figure")).to_contain_text("stored example")
        page.locator("#text textarea").fill("Mississippi")
        page.locator("#count").click()
        expect(page.locator("#figure .figure-title")).to_have_text("11 letters")
        expect(page.locator("#figure li").first).to_contain_text("i")
        expect(page).to_have_url(re.compile("room=count&text=Mississippi"))
        page.reload()
        expect(page.locator("#figure .figure-title")).to_have_text("11 letters")
        page.locator("#text textarea").fill(" ")
        page.locator("#count").click()
        expect(page.locator("#figure .alert")).to_have_text("The text is empty. Write a few words.")
        page.close()
    finally:
        server.stop()
