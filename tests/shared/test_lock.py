"""The locks: every package that `make demo` installs at one version, with its hashes."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from shared.embedded_model import EMBEDDED_WHEEL, EMBEDDED_WHEEL_VERSION
from tests.conftest import ROOT

LOCKS = ROOT / "locks"


def entries(name: str) -> dict[str, str]:
    """A lock's entries by package."""
    found = re.findall(r"^\w.*(?:\n .*)*", (LOCKS / name).read_text(), re.MULTILINE)
    return {re.split(r"[=\[ ]", entry)[0]: entry for entry in found}


@pytest.mark.parametrize("name", ["requirements.lock", "cuda.lock"])
def test_every_package_has_one_version_and_its_hashes(name):
    assert "://" not in (LOCKS / name).read_text(), "no lock names an index"
    assert len(entries(name)) >= 15
    for package, entry in entries(name).items():
        assert re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+ ", entry), package
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), package


def test_the_lock_is_that_of_the_requirements():
    locked = entries("requirements.lock")
    lines = [line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    for line in filter(None, [*lines, f"{EMBEDDED_WHEEL}=={EMBEDDED_WHEEL_VERSION}"]):
        package, version = line.split("==")
        name = package.split("[")[0].lower().replace("_", "-")
        assert locked[name].split("==")[1].split()[0] == version, f"{line}: run `make lock`"
    assert f"MODEL := {EMBEDDED_WHEEL}=={EMBEDDED_WHEEL_VERSION}\n" in (ROOT / "Makefile").read_text()


def test_a_cpu_build_of_torch_is_locked_too():
    lines = (LOCKS / "torch-cpu.txt").read_text().splitlines()
    hashes = [line.split()[1] for line in lines if line[0] != "#"]
    locked = entries("requirements.lock")
    assert len(hashes) == 12 and all(f"sha256:{one}" in locked["torch"] for one in hashes)
    assert not {name for name in locked if name.startswith(("nvidia", "cuda", "triton"))}


def part(*space: str) -> subprocess.CompletedProcess[str]:
    """What `make demo` installs."""
    return subprocess.run([sys.executable, LOCKS / "part.py", *space], capture_output=True, text=True)


def test_a_space_alone_installs_what_its_requirements_name_and_no_more():
    locked, needs = entries("requirements.lock"), json.loads((LOCKS / "spaces.json").read_text())
    for requirements in ROOT.glob("spaces/*/requirements.txt"):
        space = requirements.parent.name
        lines = [line for line in requirements.read_text().splitlines() if line and line[0] != "#"]
        own = {line.split("==")[0].split("[")[0].lower().replace("_", "-") for line in lines}
        assert own | {"torch", "gradio", "spaces", EMBEDDED_WHEEL} <= set(needs[space]), "run `make lock`"
        assert set(needs[space]) <= set(locked), "run `make lock`"
        text = part(space).stdout
        assert all(locked[name] in text for name in own)
        assert {line.split("=")[0].split("[")[0] for line in re.findall(r"^\w.*", text, re.MULTILINE)} == set(
            needs[space]
        )
    assert "mergekit" in needs["merging"] and "mergekit" not in needs["dedup"]


def test_the_suite_installs_what_its_spaces_need_and_nothing_for_tests():
    needs = json.loads((LOCKS / "spaces.json").read_text())
    names = {line.split("=")[0].split("[")[0] for line in re.findall(r"^\w.*", part().stdout, re.MULTILINE)}
    assert names == {name for space in needs.values() for name in space}
    assert not names & {"pytest", "ruff", "mypy", "playwright"}


def test_an_unknown_space_is_said_before_anything_is_installed():
    done = part("nowhere")
    assert done.returncode and not done.stdout
    assert done.stderr.startswith("There is no Space 'nowhere'. Choose one of: ")
