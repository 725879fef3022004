"""SIGTERM in the middle of each Space's long run: no process and no file is left."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from pathlib import Path

import psutil
import pytest
from gradio_client import Client, handle_file
from gradio_client.utils import Status

from shared import files
from tests.conftest import Server

MERGE = """merge_method: linear
models:
- model: pirate
  parameters: {weight: 1}
- model: cautious
  parameters: {weight: 1}
"""
STRATEGIES = [
    {"name": name, **config}
    for name, config in (
        ("greedy", {}),
        ("beams", {"num_beams": 4}),
        ("sampled", {"do_sample": True}),
        ("cold", {"do_sample": True, "temperature": 0.5}),
    )
]


@pytest.fixture
def home(embedded, tmp_path: Path) -> Path:
    """A cache folder with the suite's models, as links, and a folder for what lasts a moment."""
    from shared.embedded_model import expert_folder

    for name in ("pirate", "cautious"):
        expert_folder(name)
    cache = tmp_path / "cache/llm-course-demos"
    cache.mkdir(parents=True)
    for path in files.cache_folder().iterdir():
        if (path / "manifest.json").is_file():
            (cache / path.name).symlink_to(path)
    (tmp_path / "tmp").mkdir()
    return tmp_path


def press(page: str, button: str) -> None:
    """Press a button of a page with its controls as they stand, as a browser does, and wait until it runs."""
    config = json.loads(urllib.request.urlopen(f"{page}config", timeout=60).read())
    components = {one["id"]: one["props"] for one in config["components"]}
    (number,) = (key for key, props in components.items() if props.get("elem_id") == button)
    event = next(
        one
        for one in config["dependencies"]
        if [number, "click"] in one["targets"] and one["queue"] is not False and one["backend_fn"]
    )
    values = [components[key].get("value") for key in event["inputs"]]
    body = {"data": values, "fn_index": event["id"], "session_hash": "someone", "trigger_id": number}
    request = urllib.request.Request(
        f"{page}gradio_api/queue/join", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=60).close()
    stream = urllib.request.urlopen(f"{page}gradio_api/queue/data?session_hash=someone", timeout=120)
    heard = []
    while not any('"process_generating"' in line for line in heard):
        heard.append(stream.readline().decode())
        assert heard[-1] and '"process_completed"' not in heard[-1], heard


def test_sigterm_leaves_no_process_and_no_file(home):
    rows = home / "rows.jsonl"
    words = [f"word{number}" for number in range(300)]
    with rows.open("w") as file:
        for row in range(60_000):
            text = " ".join(words[(row * step) % 300] for step in range(1, 60))
            file.write(json.dumps({"text": f"{row} {text}"}) + "\n")
    server = Server(
        ["-m", "shared.suite"],
        {
            "XDG_CACHE_HOME": str(home / "cache"),
            "TMPDIR": str(home / "tmp"),
            "GRADIO_TEMP_DIR": "",
            "OMP_NUM_THREADS": "1",
        },
        "/decoding/",
    )
    try:
        clients = {
            name: Client(f"{server.url}/{name}/", verbose=False, httpx_kwargs={"timeout": 120})
            for name in ("merging", "dedup", "quantization", "decoding")
        }
        runs = {
            "merging": clients["merging"].submit(recipe=MERGE, api_name="/merge"),
            "dedup": clients["dedup"].submit(file=handle_file(str(rows)), api_name="/deduplicate"),
            "quantization": clients["quantization"].submit(
                formats=["gguf:Q4_0", "own:rtn-int4-g32"], windows=16, context=256, api_name="/compare"
            ),
            "decoding": clients["decoding"].submit(
                prompt="Once", strategies=STRATEGIES, max_new_tokens=128, api_name="/decode"
            ),
        }
        press(f"{server.url}/abliteration/", "run-search")
        process = psutil.Process(server.process.pid)
        deadline = time.monotonic() + 120
        worker: list[psutil.Process] = []
        while not worker or not any(home.glob("tmp/*/files/result-*/.merge-*")):
            over = {name: str(run.exception() or "done") for name, run in runs.items() if run.done()}
            assert not over and time.monotonic() < deadline, f"{over} {''.join(server.log[-80:])}"
            time.sleep(0.2)
            worker = process.children(recursive=True)
        states = {name: run.status().code for name, run in runs.items()}
        assert set(states.values()) <= {Status.PROCESSING, Status.ITERATING}, states
        os.kill(server.process.pid, signal.SIGTERM)
        server.process.wait(30)
    finally:
        server.stop()
    _, alive = psutil.wait_procs(worker, 30)
    assert not alive
    assert not list((home / "tmp").iterdir())
    left = [path for path in (home / "cache").rglob("*") if path.is_file() and not path.is_symlink()]
    # signatures of the rows so far, whole files: the run can be taken up again
    assert all(path.parent.name == "dedup" and path.suffix == ".npz" for path in left), left
