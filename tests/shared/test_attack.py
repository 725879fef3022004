"""What a careful stranger tries on a running suite: file routes, forged files, uploads, functions of figures,
links. All of it held when it was first tried by hand; here it stays so.

The server has secrets that no answer may hold: a file outside its folders, a Hub token in the user's cache, a
variable of its environment, its own source, and a neighbour on loopback that nobody may be led to.
"""

from __future__ import annotations

import http.client
import importlib
import json
import re
import threading
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from shared import limits, page
from shared.errors import VisitorError
from shared.request import Request
from tests.conftest import Server

ONE = """
from shared import suite
suite.names = lambda: ["dedup"]
suite.main()
"""
SECRET = "CANARY"
SECRETS = [SECRET, "root:x:", "def local_token"]
STRANGER = {"X-Forwarded-For": "203.0.113.9"}


@dataclass
class Target:
    """A server, its folders, and a neighbour that counts its visitors."""

    port: int
    uploads: Path
    home: Path
    neighbour: str
    visits: list[str]

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        """Status and text of an answer; the path goes out as it is, dots and all."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            line.putrequest(method, path, skip_accept_encoding=True)
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            for name, value in {**STRANGER, **given, "Content-Length": str(len(body or b""))}.items():
                line.putheader(name, value)
            line.endheaders(body)
            answer = line.getresponse()
            try:
                return answer.status, answer.read().decode("utf-8", "replace")
            except http.client.IncompleteRead as end:
                return answer.status, end.partial.decode("utf-8", "replace")
        finally:
            line.close()

    def post(self, path: str, value: object) -> tuple[int, str]:
        """Status and text of the answer to JSON."""
        return self.ask("POST", path, json.dumps(value).encode(), Content_Type="application/json")


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """The attacked server."""
    visits: list[str] = []

    class Neighbour(BaseHTTPRequestHandler):
        def log_message(self, *_):
            return

        def do_GET(self):
            visits.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(SECRET.encode())

    neighbour = ThreadingHTTPServer(("127.0.0.1", 0), Neighbour)
    threading.Thread(target=neighbour.serve_forever, daemon=True).start()
    root = tmp_path_factory.mktemp("attacked")
    home, uploads = root / "home", root / "gradio"
    (home / ".cache/huggingface").mkdir(parents=True)
    (home / ".cache/huggingface/token").write_text(SECRET)
    (home / "rows.txt").write_text(SECRET)
    uploads.mkdir()
    (uploads / "link.txt").symlink_to(home / "rows.txt")
    (uploads / "linked").symlink_to(home)
    environment = {"HOME": str(home), "GRADIO_TEMP_DIR": str(uploads), "SOME_TOKEN": SECRET}
    server = Server(["-c", ONE], environment, "/dedup/")
    yield Target(server.port, uploads, home, f"http://127.0.0.1:{neighbour.server_port}", visits)
    server.stop()
    neighbour.shutdown()


def places(target: Target) -> list[str]:
    """Files that no route may serve, and ways to name them."""
    files = [
        "/etc/passwd",
        "/proc/self/environ",
        "shared/hub.py",
        "./shared/hub.py",
        "requirements.txt/../shared/hub.py",
    ]
    files += [str(target.home / ".cache/huggingface/token"), "~/.cache/huggingface/token"]
    climbs = [
        f"{target.uploads}/../home/rows.txt",
        f"{target.uploads}/linked/rows.txt",
        f"{target.uploads}/link.txt",
    ]
    climbs += [
        f"{target.uploads}/{'../' * 12}etc/passwd",
        "../" * 12 + "etc/passwd",
        "..\\" * 6 + "etc\\passwd",
    ]
    return files + climbs


FILES = ["/gradio_api/file={}", "/gradio_api/file/{}", "/gradio_api/file=/{}", "/gradio_api/file=file://{}"]
OTHERS = [
    "/file={}",
    "/gradio_api/proxy=file://{}",
    "/static/{}",
    "/assets/{}",
    "/svelte/{}",
    "/static/../{}",
    "/gradio_api/custom_component/html/client/component/{}",
    "/gradio_api/stream/s/r/1/{}",
    "/gradio_api/deep_link?session_hash={}",
    "/config?deep_link={}",
    "/?deep_link={}",
    "/theme.css?x={}",
    "/gradio_api/upload_progress?upload_id={}",
    "/pwa_icon/{}",
    "/monitoring/{}",
    "/gradio_api/runs/{}",
    "/../../{}",
]
SPELLINGS = {
    "plain": lambda path: path.replace(" ", "%20"),
    "quoted": lambda path: quote(path, safe=""),
    "twice": lambda path: quote(quote(path, safe=""), safe=""),
    "dots": lambda path: path.replace(".", "%2e"),
    "null": lambda path: quote(path) + "%00.txt",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_route_serves_a_file_that_is_not_meant_to_be(target, spelling):
    spell = SPELLINGS[spelling]
    asked = [(route, place) for route in FILES for place in places(target)]
    asked += [(route, place) for route in OTHERS for place in ("shared/hub.py", "../" * 12 + "etc/passwd")]
    for route, place in asked:
        path = route.replace("{}", spell(place))
        for start in ("/dedup", "") if spelling == "quoted" else ("/dedup",):
            status, text = target.ask("GET", start + path)
            assert not any(secret in text for secret in SECRETS), start + path
            assert status >= 400 or route not in FILES, start + path


def test_no_route_leads_to_a_neighbour(target):
    port = target.neighbour.rpartition(":")[2]
    names = [
        "127.0.0.1",
        "localhost",
        "0.0.0.0",
        "[::1]",
        "2130706433",
        "127.1",
        "127.0.0.1.nip.io",
        "0x7f.1",
    ]
    for name in names:
        url = f"http://{name}:{port}/rows.txt"
        for route in ("/gradio_api/file={}", "/gradio_api/proxy={}", "/gradio_api/file/{}", "/file={}"):
            for given in (url, quote(url, safe=""), f"x@{url}", url.replace("http:", "HTTP:")):
                status, text = target.ask("GET", "/dedup" + route.format(given))
                assert status >= 400 and SECRET not in text, (name, route)
    assert target.visits == []


def test_what_a_visitor_uploads_is_read_and_served(target):
    """Else what follows would hold for a server that reads nothing at all."""
    path = json.loads(upload(target, "rows.txt")[1])[0]
    assert target.ask("GET", f"/dedup/gradio_api/file={path}") == (200, "row")
    file = {"path": path, "orig_name": "rows.txt", "meta": {"_type": "gradio.FileData"}}
    assert "event: complete" in deduplicate(target, file)


def upload(target: Target, name: str) -> tuple[int, str]:
    """Status and text of the answer to a small file of that name."""
    head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\nrow\r\n--x--\r\n'
    kind = "multipart/form-data; boundary=x"
    return target.ask("POST", "/dedup/gradio_api/upload", head.encode(), Content_Type=kind)


def deduplicate(target: Target, file: object) -> str:
    """What the API says of a file."""
    call = "/dedup/gradio_api/call/v2/deduplicate"
    status, text = target.post(call, {"file": file, "dataset": ""})
    return target.ask("GET", f"{call}/{json.loads(text)['event_id']}")[1] if status == 200 else text


def forms(target: Target) -> list[object]:
    """Files as a forger would hand them over."""
    meta = {"meta": {"_type": "gradio.FileData"}}
    outside, token = str(target.home / "rows.txt"), str(target.home / ".cache/huggingface/token")
    url = f"{target.neighbour}/rows.txt"
    named = {"orig_name": "rows.txt"}
    return [
        {"path": outside},
        {"path": outside, **meta},
        {"path": outside, **meta, **named},
        {"path": token, **meta, **named},
        {"path": "/proc/self/environ", **meta, **named},
        {"path": "/etc/passwd", **meta, "orig_name": "../../rows.txt"},
        {"path": f"{target.uploads}/../home/rows.txt", **meta},
        {"path": f"{target.uploads}/link.txt", **meta},
        {"path": f"{target.uploads}/linked/rows.txt", **meta},
        {"path": str(target.uploads), **meta, **named},
        {"path": "~/.cache/huggingface/token", **meta, **named},
        {"path": f"file://{outside}", **meta, **named},
        {"path": url, **meta},
        {"path": "rows.txt", "url": url, **meta},
        {"path": "rows.txt", "url": f"file://{outside}", **meta},
        {"path": outside, "url": url, **meta},
        {"path": "", "url": "http://169.254.169.254/latest/meta-data/", **meta, **named},
        {"path": f"{outside}\0.txt", **meta},
        {"path": None, **meta},
        {"path": [outside], **meta},
        {"path": {"path": outside, **meta}, **meta},
        {"data": "data:text/plain;base64,eA==", "name": outside, "is_file": True},
        {"video": {"path": outside, **meta}, **meta},
        outside,
        [outside],
        [{"path": outside, **meta}],
        7,
    ]


def test_no_forged_file_is_read(target):
    for form in forms(target):
        text = deduplicate(target, form)
        assert "event: complete" not in text, form
        assert not any(secret in text for secret in SECRETS), form
    assert target.visits == []


NAMES = [
    "../../up.txt",
    "/tmp/up.txt",
    "..\\..\\up.txt",
    "a/../../up.txt",
    "%2e%2e/up.txt",
    ".",
    "..",
    "up\0.txt",
]


@pytest.mark.parametrize("name", NAMES)
def test_an_upload_stays_in_its_folder(target, name):
    status, text = upload(target, name)
    for path in json.loads(text) if status == 200 else ():
        assert target.uploads in Path(path).resolve().parents and Path(path).is_file()
    assert {path.name for path in target.uploads.parent.iterdir()} == {"home", "gradio"}


def test_a_figure_answers_with_its_own_functions_alone(target):
    blocks = json.loads(target.ask("GET", "/dedup/config")[1])["components"]
    names = [
        "__init__",
        "__class__",
        "postprocess",
        "get_config",
        "load",
        "_id",
        "server_fns",
        "",
        "a.b",
        "é",
    ]
    for block in blocks:
        for name in names:
            body = {"session_hash": "s", "component_id": block["id"], "fn_name": name, "data": {"path": "/"}}
            assert target.post("/dedup/gradio_api/component_server", body)[0] == 404, (block["type"], name)
    for part, values in {"component_id": [-1, 10**30, "1", None, []], "fn_name": [None, 1, []]}.items():
        for value in values:
            body = {"session_hash": "s", "component_id": 1, "fn_name": "x", "data": {}, part: value}
            assert target.post("/dedup/gradio_api/component_server", body)[0] >= 400, (part, value)


@pytest.mark.parametrize(
    "path", ["process_recording", "deep_link?session_hash=s", "dev/reload", "vibe-code", "proxy=x"]
)
def test_what_no_page_needs_is_not_offered(target, path):
    """One of these cuts videos and leaves each upload for ever, another writes what a session shows."""
    for method in ("GET", "POST"):
        kind = "multipart/form-data; boundary=x"
        status, _ = target.ask(method, f"/dedup/gradio_api/{path}", b"--x--\r\n", Content_Type=kind)
        assert status in (404, 405), (method, status)
    assert not (target.uploads / "deep_links").exists()


def test_a_body_without_end_is_not_held(target):
    line = http.client.HTTPConnection("127.0.0.1", target.port, timeout=60)
    sent = 0
    try:
        line.putrequest("POST", "/dedup/gradio_api/queue/join")
        line.putheader("Content-Type", "application/json")
        line.putheader("Transfer-Encoding", "chunked")
        line.endheaders()
        with suppress(OSError):
            while sent < 100 * limits.MAX_BODY_BYTES:
                line.send(b"10000\r\n" + b"[" * 0x10000 + b"\r\n")
                sent += 0x10000
        assert sent < 10 * limits.MAX_BODY_BYTES
    finally:
        line.close()
    long = json.dumps({"data": [], "fn_index": 0, "session_hash": "x" * 4_000_000})
    for path in ("queue/join", "component_server"):
        body = {**json.loads(long), "component_id": 1, "fn_name": "x"}
        status, text = target.post(f"/dedup/gradio_api/{path}", body)
        assert status == 400 and "no name of a session" in text
    assert target.ask("GET", f"/dedup/gradio_api/upload_progress?upload_id={'x' * 30_000}")[0] == 400


MARKUP = "<img src=x onerror=alert(1)>"
VALUES = [
    MARKUP,
    f"'\"><script>{MARKUP}</script>",
    "javascript:alert(1)",
    "../../../etc/passwd",
    "/etc/passwd",
    "\0",
    "a\r\nSet-Cookie: x=1",
    "\x1b[2J\x07\u202e\u2028",
    "9" * 400,
    "-" + "9" * 400,
    "1e999",
    "NaN",
    "[" * 3_000,
    '{"a":' * 500,
    "a" * 100_000,
    "{{7*7}}${7*7}%s%n",
    "!!python/object/apply:os.system [id]",
    "\ufffe\U0010ffff",
]
REQUESTS = {
    "decoding.request": ["Request"],
    "quantization.request": ["Request", "LabRequest", "TakeRequest"],
    "merging.request": ["Request"],
    "merging.explore_request": ["ExploreRequest"],
    "family_tree.request": ["TreeRequest"],
    "family_tree.report_request": ["ReportRequest"],
    "abliteration.request": ["Request"],
    "dedup.request": ["Request", "SplitsRequest"],
    "evaluation.request": ["CompareRequest", "PowerRequest"],
}


@pytest.mark.parametrize("module", REQUESTS)
def test_a_link_makes_a_request_or_two_sentences(module):
    for name in REQUESTS[module]:
        request: type[Request] = getattr(importlib.import_module(module), name)
        for setting, field in request.declared().items():
            known = field.metadata["link"] or setting
            for value in VALUES:
                for query in (urlencode({known: value}), urlencode([(known, value)] * 3), f"{known}=%ff%00%"):
                    try:
                        made = request.from_query(query)
                    except VisitorError as error:
                        said = page.alert(error)
                        assert error.what and error.remedy and "<img" not in said and "<script" not in said
                        assert len(error.what) < 600, (setting, value[:20], error.what[:100])
                    else:
                        assert not (short := made.to_query()) or request.from_query(short)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value[:20]))
def test_a_page_shows_no_part_of_its_link(target, value):
    short = value[:4_000]
    for query in (urlencode({"dataset": short}), urlencode([("room", short)] * 3), quote(short, safe="=&")):
        status, text = target.ask("GET", f"/dedup/?{query}")
        text = re.sub(
            r'<meta property="og:url" content="[!#-;=?-~]*">', "", text
        )  # the address, as it was sent
        assert status == 200 and MARKUP not in text and "Set-Cookie" not in text


def test_a_link_of_many_values_is_refused():
    from dedup.request import Request as Dedup

    with pytest.raises(VisitorError, match="too many values"):
        Dedup.from_query("&".join(["pinned=1"] * 5_000))
