"""The locks: every package that `make demo` installs at one version, with its hashes."""

from __future__ import annotations

import re

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
