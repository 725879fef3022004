"""Staging, requirements and deployment to a Hub on loopback."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest

from shared import bundle, suite
from tests import main_jobs
from tests.conftest import ROOT, Server
from tests.shared.hub_server import HubServer, Repo
from tests.shared.zerogpu import PRELUDE, Scheduler

TOKEN = "hf_not_a_real_token"
PLATFORM = {
    "torch",
    "gradio",
    "spaces",
    *(re.split(r"[^\w.-]", line)[0].lower() for line in requires("gradio") or []),
}
"""What the Hub installs in every Gradio Space, and what gradio itself requires."""


def run(
    arguments: list[str], hub: HubServer | None = None, token: str = TOKEN
) -> subprocess.CompletedProcess[str]:
    environment = {
        key: value for key, value in os.environ.items() if key not in ("HF_HUB_OFFLINE", "HF_TOKEN")
    }
    environment |= {
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": "/nonexistent",
        **({"HF_TOKEN": token} if token else {}),
    }
    environment |= {"HF_ENDPOINT": hub.url} if hub else {}
    return subprocess.run(
        [sys.executable, "-m", "shared.deploy", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_deploying_creates_uploads_cleans_up_and_asks_for_hardware():
    hub = HubServer({"spaces/me/decoding": Repo({"stale.py": b"old", "README.md": b"old"})})
    done = run(["decoding", "me"], hub)
    assert done.returncode == 0, done.stderr[-2000:]
    files = hub.repos["spaces/me/decoding"].files
    assert "stale.py" not in files and files["app.py"] == (ROOT / "spaces/decoding/app.py").read_bytes()
    assert files["shared/models.py"] == (ROOT / "shared/models.py").read_bytes() and not any(
        "__pycache__" in name for name in files
    )
    assert hub.repos["spaces/me/decoding"].hardware == "zero-a10g"
    head = files["README.md"].decode().split("---\n")[1]
    assert "thumbnail: https://huggingface.co/spaces/me/decoding/resolve/main/docs/tree.png" in head
    assert "docs/tree.png" in files
    assert f"{hub.url}/spaces/me/decoding" in done.stdout and TOKEN not in done.stdout + done.stderr
    hub.stop()


def test_a_new_space_is_created_on_its_hardware():
    for name in suite.names():
        assert suite.head(name)["suggested_hardware"] == "zero-a10g", "what a free account can host"
    hub = HubServer({})
    done = run(["dedup", "me"], hub)
    assert done.returncode == 0, done.stderr[-2000:]
    assert [one["hardware"] for one in hub.created] == ["zero-a10g"]
    assert not [path for path in hub.requests if path.endswith("/hardware")], "it has it already"
    hub.stop()


def test_the_article_becomes_a_static_space_without_hardware():
    hub = HubServer({})
    done = run(["gallery", "me"], hub)
    assert done.returncode == 0, done.stderr[-2000:]
    (made,) = hub.created
    assert made["sdk"] == "static" and not made.get("hardware")
    assert "index.html" in hub.repos["spaces/me/llm-course-article"].files
    assert not [path for path in hub.requests if path.endswith("/hardware")]
    hub.stop()


@pytest.mark.parametrize(
    ("status", "words", "parts"),
    [
        (
            402,
            "Hosting Gradio Spaces on free cpu-basic requires a PRO subscription.",
            ("needs a paid plan", "requires a PRO subscription"),
        ),
        (403, "You may host 2 ZeroGPU Spaces", ("“You may host 2 ZeroGPU Spaces”", "hosts two Spaces")),
        (500, "", ("status 500", "Try again")),
    ],
)
def test_a_refusal_is_said_with_the_hubs_reason(status, words, parts):
    hub = HubServer({})
    hub.no_new = (status, words)
    done = run(["dedup", "me"], hub)
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert all(part in done.stderr for part in parts), done.stderr[-1500:]
    hub.stop()


def test_a_dry_run_asks_nobody():
    hub = HubServer({})
    done = run(["dedup", "me", "--dry-run"], hub, token="")
    assert (
        done.returncode == 0 and "me/dedup" in done.stdout and "app.py" in done.stdout and hub.requests == []
    )
    hub.stop()


def test_what_stops_a_deployment_is_said():
    refused = HubServer({"spaces/me/dedup": Repo()})
    for arguments, hub, token, sentence in (
        (["dedup", "me"], refused, "refused", "refused to write to me/dedup"),
        (["dedup", "me"], refused, "", "no Hub token"),
        (["dedup"], None, TOKEN, "Name a Space and where to"),
        (["nothing", "me"], None, TOKEN, "There is no Space"),
    ):
        done = run(arguments, hub, token)
        assert done.returncode != 0 and sentence in done.stderr and "Traceback" not in done.stderr, (
            done.stderr[-1500:]
        )
    refused.stop()


def test_the_suite_is_staged_as_one_space_and_runs_on_zero_gpu(tmp_path, embedded):
    folder = bundle.stage(bundle.SUITE, tmp_path / "suite")
    assert {path.name for path in (folder / "spaces").iterdir()} == set(suite.names())
    scheduler = Scheduler()
    script = PRELUDE + f"import os, runpy; os.chdir({str(folder)!r}); sys.path.insert(0, {str(folder)!r}); "
    script += f"sys.path[:] = [path for path in sys.path if path and path != {str(ROOT)!r}]; "
    script += "runpy.run_path('app.py', run_name='__main__')"
    server = Server(["-P", "-c", script], {**scheduler.environment(tmp_path), "PYTHONPATH": ""}, "/decoding/")
    try:
        from gradio_client import Client

        assert scheduler.started
        for name in ("decoding", "dedup"):
            job = main_jobs.of(name)
            client = Client(f"{server.url}/{name}/", verbose=False)
            assert job.is_right(client.predict(**job.values, api_name=job.endpoint)), name
        assert scheduler.allowed, "decoding ran in a worker that ZeroGPU lent"
    finally:
        server.stop()
        scheduler.stop()


def named(requirements: Path) -> set[str]:
    lines = [line.split("#")[0].strip() for line in requirements.read_text().splitlines()]
    return {re.split(r"[=<>\[ ]", line)[0].lower().replace("_", "-") for line in lines if line}


@pytest.mark.parametrize("name", suite.names())
def test_requirements_name_what_the_space_imports(name):
    """Every third-party module that the Space's own code imports is the platform's or in its requirements.

    Programs that a visitor takes along run elsewhere, and name what they need themselves.
    """
    known = packages_distributions()
    wanted = named(ROOT / "spaces" / name / "requirements.txt") | PLATFORM
    space = ROOT / "spaces" / name
    own = {"shared"} | {path.stem for path in space.iterdir()}
    for path in (path for path in space.rglob("*.py") if "programs" not in path.parts):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [node.module] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else modules
            for module in modules:
                top = str(module).split(".")[0]
                if top in sys.stdlib_module_names or top in own:
                    continue
                distributions = {item.lower().replace("_", "-") for item in known.get(top, [top])}
                assert distributions & wanted, f"{path.name} imports {top}: {distributions}"


def test_pins_agree_with_the_repositorys():
    root = {line.strip() for line in (ROOT / "requirements.txt").read_text().splitlines()}
    for name in suite.names():
        for line in (ROOT / "spaces" / name / "requirements.txt").read_text().splitlines():
            assert not line or line.startswith("#") or line.strip() in root, (name, line)
    assert len(bundle.suite_requirements().splitlines()) == len(
        {line.split("==")[0] for line in bundle.suite_requirements().splitlines()}
    )
