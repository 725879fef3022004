"""`make check-build`: every staged Space in an environment of its own, made from its own requirements, does
its main job.

First its requirements are resolved for what the Hub runs, Python 3.12 with torch 2.11; then the Space is
installed with this Python and the repository's torch, started away from the repository, and asked over its
API.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from shared import bundle, models, suite
from tests import main_jobs
from tests.conftest import ROOT, free_port

HUB_PYTHON, HUB_TORCH = "3.12", "torch==2.11.0"
WHEEL = f"{models.EMBEDDED_WHEEL}=={models.EMBEDDED_WHEEL_VERSION}"


def pinned(package: str) -> str:
    """The repository's line for a package."""
    return next(
        line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith(package)
    )


def resolve(requirements: Path) -> None:
    """Fail unless the requirements can be met together on the Hub's platform; nothing is installed."""
    index = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True
    ).stdout.strip()
    wanted = requirements.read_text() + f"\n{HUB_TORCH}\n{pinned('gradio')}\n{pinned('spaces')}\n"
    command = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--python-version",
        HUB_PYTHON,
        "--no-header",
        "-",
    ]
    environment = {**os.environ, **({"UV_DEFAULT_INDEX": index} if index else {})}
    done = subprocess.run(command, input=wanted, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(
            f"The requirements cannot be met on Python {HUB_PYTHON} with {HUB_TORCH}:\n{done.stderr[-2000:]}"
        )


def install(folder: Path, name: str) -> Path:
    """An environment as the Hub makes it; its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    for wanted in (
        [pinned("torch")],
        [pinned("gradio"), pinned("spaces")],
        ["-r", str(folder.parent / name / "requirements.txt")],
        ["--no-deps", WHEEL],
    ):
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "DISABLE_CUDA": "1"}
        )
        if done.returncode:
            raise SystemExit(f"{name}: {' '.join(wanted)} cannot be installed:\n{done.stderr[-2000:]}")
    return python


def drive(python: Path, folder: Path, jobs: dict[str, str]) -> None:
    """Start a staged Space and do the main job of each app in it.

    Args:
        python: of its environment.
        folder: the staged Space.
        jobs: path of each app by the name of its Space.
    """
    from gradio_client import Client

    port = free_port()
    log = folder.parent / "log.txt"
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            [python, "app.py"],
            cwd=folder,
            env={**environment, "HOST": "127.0.0.1", "PORT": str(port)},
            stdout=output,
            stderr=output,
        )
        try:
            for name, path in jobs.items():
                client = connect(f"http://127.0.0.1:{port}{path}", process, log)
                job = main_jobs.of(name)
                assert isinstance(client, Client)
                if not job.is_right(client.predict(**job.values, api_name=job.endpoint)):
                    raise SystemExit(f"{name}: {job.endpoint} answered something else than it should.")
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:  # a run that the client left behind ends with its step
                process.kill()
                process.wait()


def connect(url: str, process: subprocess.Popen[bytes], log: Path) -> object:
    """A client, as soon as the app answers."""
    from gradio_client import Client

    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return Client(url, verbose=False)
        except Exception:
            time.sleep(1)
    raise SystemExit(f"The Space did not start:\n{log.read_text()[-3000:]}")


def main(*chosen: str) -> None:
    """Check all Spaces and the suite, or those named."""
    for name in chosen or (*suite.names(), bundle.SUITE):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as place:
            folder = bundle.stage(name, Path(place) / name)
            resolve(folder / "requirements.txt")
            python = install(Path(place) / "environment", name)
            drive(
                python,
                folder,
                {space: f"/{space}/" for space in suite.names()} if name == bundle.SUITE else {name: "/"},
            )
        seconds = time.monotonic() - began
        print(f"{name}: resolves for the Hub, installs, starts, does its job ({seconds:.0f} s)", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
