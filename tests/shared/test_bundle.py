"""Staging: every Space runs by itself, with nothing of the repository beside it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from shared import bundle, suite
from tests import main_jobs
from tests.conftest import ROOT, Server

START = """
import os, runpy, sys
os.chdir({folder!r})
sys.path[:] = [path for path in sys.path if path and path != {root!r}]
runpy.run_path("app.py", run_name="__main__")
"""


@pytest.mark.parametrize("name", suite.names())
def test_a_staged_space_runs_by_itself(tmp_path, embedded, name):
    from gradio_client import Client

    folder = bundle.stage(name, tmp_path / "staged")
    assert (folder / "shared/models.py").is_file()
    assert (folder / "requirements.txt").is_file()
    assert not list(folder.rglob("__pycache__"))
    script = START.format(folder=str(folder), root=str(ROOT))
    server = Server(["-P", "-c", script], {"PYTHONPATH": ""})
    try:
        job = main_jobs.of(name)
        job = job.quick or job
        answer = Client(server.url, verbose=False).predict(**job.values, api_name=job.endpoint)
        assert job.is_right(answer)
    finally:
        server.stop()


def test_unknown_space_is_said():
    for command in (["-m", "shared.suite", "nothing"], ["-m", "shared.bundle", "nothing"]):
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, env={**os.environ}
        )
        assert done.returncode != 0
        assert "There is no Space 'nothing'. Choose one of: decoding" in done.stderr
        assert "Traceback" not in done.stderr
