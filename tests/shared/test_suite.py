"""The shape of the repository: what the design promises of folders, imports, staging and figures."""

from __future__ import annotations

import ast
import errno
import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shared import bundle, figure, limits, suite
from shared.errors import VisitorError
from tests.conftest import ROOT, Server

SPACES = suite.names()


def test_the_folder_spaces_does_not_shadow_the_package():
    import spaces

    assert not (ROOT / "spaces/__init__.py").exists()
    assert callable(spaces.GPU)


def test_importing_an_app_loads_no_model_and_starts_nothing():
    script = (
        "import sys, threading\nfrom shared.suite import load_app\nbefore = threading.active_count()\nload_app(sys.argv[1])\n"
        "from shared import models\nassert not models._loaded\nassert 'transformers.modeling_utils' not in sys.modules\n"
        "assert threading.active_count() == before, threading.enumerate()\n"
    )
    for name in SPACES:
        done = subprocess.run([sys.executable, "-c", script, name], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("name", SPACES)
def test_engines_import_nothing_from_gradio_or_each_other(name):
    for path in (ROOT / "spaces" / name / name).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else []
            )
            for module in modules:
                top = module.split(".")[0]
                assert top != "gradio", path
                assert top not in set(SPACES) - {name}, path
    for path in (ROOT / "shared").rglob("*.py"):
        assert not re.search(rf"^\s*(from|import) {name}\b", path.read_text(), re.MULTILINE), path


MAIN_JOB = {
    "decoding": (
        "/decode",
        {"prompt": "Once", "max_new_tokens": 2},
        lambda trace: len(trace["runs"][0]["sequences"][0]["token_ids"]) == 2,
    ),
    "quantization": (
        "/compare",
        {"formats": ["own:absmax-int8"], "context": 64, "windows": 1},
        lambda answer: 0 < answer["rows"][0]["kld"]["mean"] < 1,
    ),
    "merging": (
        "/check",
        {"recipe": "merge_method: passthrough\nmodels:\n- model: pirate\n"},
        lambda answer: answer["ok"] and answer["tensors"] == 272,
    ),
    "abliteration": (
        "/find_direction",
        {
            "positive": [
                f"How do I cook {dish}?" for dish in ("rice", "soup", "pie", "fish", "bread", "eggs")
            ],
            "negative": [
                f"What is {thing}?" for thing in ("a comet", "a verb", "rust", "a map", "a lock", "snow")
            ],
            "layer": 18,
        },
        lambda answer: answer["choice"]["layer"] == 18 and answer["layers"][18]["auc"] > 0.9,
    ),
    "dedup": (
        "/deduplicate",
        {"dataset": "kitchen.jsonl", "threshold": 0.7},
        lambda answer: answer[0]["kept"] == 60,
    ),
}


@pytest.mark.parametrize("name", SPACES)
def test_a_staged_space_runs_by_itself(tmp_path, embedded, name):
    folder = bundle.stage(name, tmp_path / "staged")
    assert (folder / "shared/models.py").is_file()
    assert (folder / "requirements.txt").is_file()
    assert not list(folder.rglob("__pycache__"))
    script = f"import os, sys, runpy; os.chdir({str(folder)!r}); sys.path[:] = [p for p in sys.path if p and p != {str(ROOT)!r}]; runpy.run_path('app.py', run_name='__main__')"
    server = Server(["-P", "-c", script], {"PYTHONPATH": ""})
    try:
        from gradio_client import Client

        endpoint, values, right = MAIN_JOB[name]
        assert right(Client(server.url, verbose=False).predict(**values, api_name=endpoint))
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


def test_an_address_that_cannot_be_used_is_said():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = str(taken.getsockname()[1])
        for port, sentence in (
            (busy, f"Nothing can listen on 127.0.0.1:{busy}"),
            ("seven", "PORT is 'seven'"),
        ):
            environment = {**os.environ, "HOST": "127.0.0.1", "PORT": port}
            done = subprocess.run(
                [sys.executable, "-m", "shared.suite"],
                cwd=ROOT,
                capture_output=True,
                text=True,
                env=environment,
            )
            assert done.returncode != 0
            assert sentence in done.stderr
            assert "Traceback" not in done.stderr


def test_control_c_ends_the_suite_while_a_page_is_open():
    server = Server(["-m", "shared.suite"], {}, "/dedup/")
    try:
        with urllib.request.urlopen(
            f"{server.url}/dedup/gradio_api/heartbeat/anyone", timeout=60
        ):  # what every open page holds
            server.process.send_signal(signal.SIGINT)
            server.process.wait(60)
    finally:
        server.stop()


@pytest.mark.parametrize("name", SPACES)
def test_card_says_what_the_hub_needs(name):
    import yaml

    head = yaml.safe_load((ROOT / "spaces" / name / "README.md").read_text().split("---\n")[1])
    assert {
        "title",
        "emoji",
        "sdk",
        "sdk_version",
        "python_version",
        "app_file",
        "license",
        "short_description",
    } <= set(head)
    assert len(head["short_description"]) <= 60
    assert head["sdk_version"] in (ROOT / "requirements.txt").read_text()
    assert {head["colorFrom"], head["colorTo"]} <= {
        "red",
        "yellow",
        "green",
        "blue",
        "indigo",
        "purple",
        "pink",
        "gray",
    }
    if head.get("hf_oauth"):  # creates repositories and sees those alone; write-repos could create none
        assert head["hf_oauth_scopes"] == ["contribute-repos"]
    card = suite.read_card(name)
    assert card.title == head["title"]
    assert "<script" not in card.picture


SIGN_IN = """
from starlette.testclient import TestClient
from shared import gpu
from shared.suite import build
visitor = TestClient(build(), base_url="https://me-course.hf.space", follow_redirects=False)
assert "Sign in with Hugging Face" in visitor.get("/quantization/config").text
print(visitor.get("/login/huggingface?_target_url=/quantization/").headers["location"])
for path in ("/login/callback?code=x&state=stale", "/logout?_target_url=/quantization/"):
    print(visitor.get(path).headers["location"])
"""


def test_visitors_of_the_suite_can_sign_in():
    """The Hub sends who has signed in to /login/callback of the Space, whatever room the button was in."""

    class Provider(BaseHTTPRequestHandler):
        def log_message(self, *_):
            return None

        def do_GET(self):
            home = f"http://127.0.0.1:{self.server.server_address[1]}"
            answer = {
                "issuer": home,
                "authorization_endpoint": home + "/authorize",
                "token_endpoint": home + "/token",
            }
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

    provider = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    home = f"http://127.0.0.1:{provider.server_address[1]}"
    environment = {
        **os.environ,
        "SYSTEM": "spaces",
        "SPACE_ID": "me/course",
        "SPACE_HOST": "me-course.hf.space",
        "NO_PROXY": "127.0.0.1",
    }
    environment |= {
        "OAUTH_CLIENT_ID": "id",
        "OAUTH_CLIENT_SECRET": "secret",
        "OAUTH_SCOPES": "openid contribute-repos",
    }
    environment |= {"OPENID_PROVIDER_URL": home}
    done = subprocess.run(
        [sys.executable, "-c", SIGN_IN],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    provider.shutdown()
    assert done.returncode == 0, done.stderr[-2000:]
    asked, again, after = [line for line in done.stdout.splitlines() if line.startswith((home, "/"))]
    sent = urllib.parse.parse_qs(urllib.parse.urlsplit(asked).query)
    assert asked.startswith(home + "/authorize?") and sent["scope"] == ["openid contribute-repos"]
    assert sent["redirect_uri"][0].startswith("https://me-course.hf.space/login/callback?")
    assert again.startswith("/login/huggingface?") and after == "/quantization/"


def test_a_page_comes_compressed(suite_url):
    for name in SPACES:
        request = urllib.request.Request(f"{suite_url}/{name}/", headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            content = answer.read()
        assert (
            answer.headers["Content-Encoding"] == "gzip" and len(content) < len(gzip.decompress(content)) / 3
        )


def test_uploads_have_a_limit(suite_url):
    for name in SPACES:
        config = json.loads(urllib.request.urlopen(f"{suite_url}/{name}/config", timeout=60).read())
        assert config["max_file_size"] == limits.MAX_FILE_BYTES


FOLDERS = [*(ROOT / "spaces" / name / name / "js" for name in SPACES), ROOT / "shared/panel"]


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_modules_join_into_one_script(folder: Path):
    """Top-level names are unique over the folder, and nothing of the module syntax is left."""
    script = figure.bundle(folder)
    names = re.findall(r"^(?:async )?(?:function|const|let|class) ([A-Za-z_$][\w$]*)", script, re.MULTILINE)
    assert len(names) == len(set(names)), {name for name in names if names.count(name) > 1}
    assert names.count("render") == 1
    assert not re.search(r"^(import|export)\b", script, re.MULTILINE)
    assert "fetch(" not in script.replace("host.fetch(", "")
    for forbidden in ("XMLHttpRequest", "eval(", "innerHTML", "https://cdn"):
        assert forbidden not in script


def test_an_export_cannot_be_broken_out_of():
    data = {"kind": "decoding", "runs": [], "text": "</script><script>alert(1)</script>\u2028<!--"}
    text = figure.standalone_html(data, FOLDERS[0], title="</title><b>", link="javascript:alert(1)")
    assert text.count("</script>") == 2
    assert "<b>" not in text.split("<style>")[0].split("<title>")[1].replace("&lt;b&gt;", "")
    assert "javascript:alert" not in text
    stored = re.search(r'id="figure-data">(.*?)</script>', text, re.DOTALL).group(1)
    assert json.loads(stored) == data


def test_errors_that_nobody_foresaw_are_two_sentences_without_a_traceback():
    from shared import frame

    def fails():
        yield {"a": 1}
        raise RuntimeError("secret path /home")

    shown = list(frame.for_page(fails)())
    assert shown[0] == {"a": 1}
    assert set(shown[1]["error"]) == {"what", "remedy"}
    assert "secret" not in json.dumps(shown[1])
    assert str(VisitorError("What.", "Do.")) == "What. Do."
    for error, what in (
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (MemoryError(), "out of memory"),
    ):
        assert what in frame.unexpected(error).what


def test_expiring_a_folder_bears_another_run_doing_the_same(tmp_path, monkeypatch):
    """What was listed may be gone before it is looked at."""
    from shared import frame

    for name in ("old.npz", "gone.npz", "new.npz", "old.txt"):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (0, 0) if "new" not in name else None)
    (tmp_path / "old-folder.npz").mkdir()
    os.utime(tmp_path / "old-folder.npz", (0, 0))
    listed = list(tmp_path.glob("*.npz"))
    (tmp_path / "gone.npz").unlink()
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(listed))
    frame.expire(tmp_path, "*.npz", 60)
    monkeypatch.undo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.npz", "old.txt"]
