"""The running app over HTTP: results, files, errors as sentences, sessions, MCP; and the Hub on loopback."""

from __future__ import annotations

import concurrent.futures
import io
import json
import urllib.request
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from tests.conftest import ROOT, ask_mcp
from tests.dedup.corpus import documents
from tests.dedup.test_engine import exact_pairs
from tests.shared.hub_server import HubServer, Repo, run_against

KITCHEN = ROOT / "spaces/dedup/examples/kitchen.jsonl"


@pytest.fixture(scope="module")
def client(suite_url) -> Client:
    return Client(f"{suite_url}/dedup/", verbose=False)


def test_deduplicate_returns_the_contract_and_the_file(client, tmp_path):
    rows = [{"id": f"{number:04}", "text": text} for number, text in enumerate(documents(800))]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    report, kept = client.predict(
        file=handle_file(str(path)), columns=["text"], threshold=0.7, unit="word", api_name="/deduplicate"
    )
    names = {
        "rows",
        "kept",
        "removed",
        "clusters",
        "pairs",
        "precision",
        "recall",
        "recall_interval",
        "seconds",
        "removed_rows",
    }
    assert names <= set(report)
    assert report["rows"] == 800 and report["kept"] + report["removed"] == 800 and report["precision"] == 1.0
    assert [line.strip() for line in Path(kept).read_text().splitlines()] == [
        json.dumps(row)
        for number, row in enumerate(rows)
        if number not in {item["row"] for item in report["removed_rows"]}
    ]
    truth = exact_pairs([row["text"] for row in rows], 3, 0.7)
    for item in report["removed_rows"]:
        assert item["jaccard"] == pytest.approx(truth[item["keeper"], item["row"]], abs=1e-6)
    assert Path(kept).suffix == ".jsonl"


def test_every_parameter_but_the_source_has_a_default(client):
    report, kept = client.predict(dataset="kitchen.jsonl", api_name="/deduplicate")
    assert (
        report["rows"] == 114 and report["threshold"] == 0.8 and report["provenance"]["columns"] == ["text"]
    )
    assert len(Path(kept).read_text().splitlines()) == report["kept"]
    plan = client.predict(dataset="kitchen.jsonl", api_name="/plan")
    assert (
        plan["expected_recall"] >= 0.99
        and plan["rows"] == 114
        and plan["num_perm"] == plan["num_bands"] * plan["rows_per_band"]
    )


def test_contamination(client, tmp_path):
    result = client.predict(dataset="quiz", threshold=0.7, api_name="/contamination")
    assert [row[column]["rows"] for row, column in ((result["matrix"][1], 0), (result["matrix"][0], 1))] == [
        3,
        2,
    ]
    leak = next(
        leak
        for leak in result["leaks"]
        if leak["containment"] == 1.0 and leak["jaccard"] < 0.9 and leak["split"] == 1
    )
    assert result["texts"][f"1:{leak['row']}"] in result["texts"][f"0:{leak['match']}"]
    texts = list(documents(600))
    for name, part in (("a.txt", texts[:400]), ("b.txt", texts[300:])):
        (tmp_path / name).write_text("\n".join(" ".join(text.split()) for text in part))
    files = [handle_file(str(tmp_path / name)) for name in ("a.txt", "b.txt")]
    result = client.predict(
        files=files, threshold=1.0, measure="jaccard", unit="word", api_name="/contamination"
    )
    truth = exact_pairs(texts, 3, 1.0)
    shared = {b for a, b in truth if a < 400 and b >= 300} | set(range(300, 400))
    assert result["matrix"][1][0]["rows"] == len(shared)


def test_a_clean_split_leaves_with_every_leaking_row(client):
    report, clean, leaks = client.predict(dataset="quiz", threshold=0.7, api_name="/decontaminate")
    rows = [json.loads(line) for line in Path(clean).read_text().splitlines()]
    lines = [json.loads(line) for line in Path(leaks).read_text().splitlines()]
    gone = {line["row"] for line in lines if (line["split"], line["in"]) == ("train", "test")}
    train = (ROOT / "spaces/dedup/examples/quiz_train.jsonl").read_text().splitlines()
    assert rows == [json.loads(line) for row, line in enumerate(train) if row not in gone] and len(gone) == 2
    assert report["clean"] == {"split": 0, "rows": len(rows)}
    assert len(lines) == sum(cell["rows"] for line in report["matrix"] for cell in line)
    with pytest.raises(AppError, match="No split is called"):
        client.predict(dataset="quiz", clean="dev", api_name="/decontaminate")
    for measure, found in (("overlap", 3), ("longest", 2)):
        report, *_ = client.predict(
            dataset="quiz", threshold=0.7, ngram=8, measure=measure, clean="test", api_name="/decontaminate"
        )
        assert report["measure"] == measure and report["clean"]["split"] == 1
        assert report["matrix"][1][0]["rows"] == found


@pytest.mark.parametrize(
    ("endpoint", "values", "sentence"),
    [
        ("/deduplicate", {}, "nothing to read"),
        ("/deduplicate", {"dataset": "someone/unknown"}, "Hub cannot be reached"),
        ("/deduplicate", {"dataset": "../../etc/passwd"}, "is not a"),
        ("/deduplicate", {"dataset": "<img src=x onerror=alert(1)>"}, "is not a"),
        ("/deduplicate", {"dataset": "kitchen.jsonl", "columns": ["nope"]}, "no column “nope”"),
        ("/deduplicate", {"dataset": "kitchen.jsonl", "columns": ["likes"]}, "holds no text"),
        ("/deduplicate", {"dataset": "kitchen.jsonl", "threshold": 7}, "threshold is 7"),
        ("/deduplicate", {"dataset": "kitchen.jsonl", "keep": "max:nope"}, "no column “nope”"),
        ("/deduplicate", {"dataset": "kitchen.jsonl", "goal": 1}, "is the fewest"),
        ("/deduplicate", {"dataset": "kitchen.jsonl", "columns": 3.5}, "columns is 3.5"),
        ("/deduplicate", {"dataset": "kitchen.jsonl", "pinned": 3.5}, "pinned is 3.5"),
        ("/plan", {"dataset": "kitchen.jsonl", "recall": 1}, "recall is 1"),
        ("/contamination", {"dataset": "kitchen.jsonl"}, "two splits are needed"),
        ("/contamination", {"dataset": "quiz", "measure": "cosine"}, "measure is “cosine”"),
        ("/contamination", {"dataset": "quiz", "measure": 3}, "measure is “3”"),
        ("/contamination", {"dataset": "a/b", "splits": 3.5}, "splits is 3.5"),
    ],
)
def test_bad_input_is_one_sentence_and_the_app_goes_on(client, endpoint, values, sentence):
    with pytest.raises(AppError, match=sentence) as caught:
        client.predict(**values, api_name=endpoint)
    assert "Traceback" not in str(caught.value)
    assert client.predict(dataset="kitchen.jsonl", threshold=1.0, api_name="/deduplicate")[0]["kept"] == 96


def raw_call(url: str, values: list) -> str:
    """What the server answers to a request that no client has put in order."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(
        f"{url}/dedup/gradio_api/call/deduplicate", json.dumps({"data": values}).encode(), headers
    )
    event = json.load(urllib.request.urlopen(request, timeout=30))["event_id"]
    return (
        urllib.request.urlopen(f"{url}/dedup/gradio_api/call/deduplicate/{event}", timeout=60).read().decode()
    )


def upload(url: str, name: str, content: bytes) -> str:
    """The path under which the server keeps an upload."""
    boundary = "part-of-an-upload"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    body = head + content + f"\r\n--{boundary}--\r\n".encode()
    answer = urllib.request.urlopen(
        urllib.request.Request(f"{url}/dedup/gradio_api/upload", body, headers), timeout=30
    )
    return str(json.load(answer)[0])


def test_a_path_of_the_server_is_no_upload(client, suite_url):
    """Whatever a raw request names, only uploads are read."""
    described = client.view_api(return_format="dict")["named_endpoints"]["/deduplicate"]["parameters"]
    assert described[0]["parameter_name"] == "file"
    rest = [item["parameter_default"] for item in described[1:]]

    def forms(path: str) -> tuple:
        return {"path": path}, {"path": path, "meta": {"_type": "gradio.FileData"}}

    uploaded = upload(suite_url, "own.txt", b"one line of my own\nand another line of mine\n")
    for file in forms(uploaded):
        answer = raw_call(suite_url, [file, *rest])
        assert "event: complete" in answer and '"rows": 2' in answer, answer[:300]
    for path in (
        "/etc/hostname",
        str(KITCHEN),
        "../examples/kitchen.jsonl",
        f"{uploaded}/../../../{KITCHEN}",
    ):
        for file in (*forms(path), path):
            answer = raw_call(suite_url, [file, *rest])
            assert "event: error" in answer and "not uploaded here" in answer, (file, answer[:300])


def test_visitors_do_not_get_each_others_results(client, suite_url, tmp_path):
    def ask(number: int) -> tuple[int, int]:
        path = tmp_path / f"{number}.txt"
        path.write_text(
            "\n".join(f"visitor {number} wrote the line {line} of their own file" for line in range(number))
        )
        own = Client(f"{suite_url}/dedup/", verbose=False)
        report, kept = own.predict(file=handle_file(str(path)), threshold=1.0, api_name="/deduplicate")
        assert f"visitor {number} wrote" in Path(kept).read_text()
        return number, report["rows"]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for number, rows in pool.map(ask, [3, 5, 7, 9]):
            assert number == rows


def test_only_four_endpoints_are_public_and_they_are_described(client):
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert set(named) == {"/deduplicate", "/plan", "/contamination", "/decontaminate"}
    parameters = {item["parameter_name"]: item for item in named["/deduplicate"]["parameters"]}
    wanted = {"file", "dataset", "split", "columns", "threshold", "ngram", "keep", "recall", "limit"}
    assert wanted <= set(parameters) and all(item["parameter_has_default"] for item in parameters.values())


def test_mcp_lists_and_calls_the_tools(suite_url):
    tools = {tool["name"]: tool for tool in ask_mcp(f"{suite_url}/dedup", "tools/list", {})["tools"]}
    assert len(tools) == 4
    name = next(name for name in tools if name.endswith("deduplicate"))
    assert "threshold" in tools[name]["inputSchema"]["properties"] and "proven" in tools[name]["description"]
    result = ask_mcp(
        f"{suite_url}/dedup",
        "tools/call",
        {"name": name, "arguments": {"dataset": "kitchen.jsonl", "threshold": 1.0}},
    )
    assert not result.get("isError"), result
    assert "96" in result["content"][0]["text"]


HUB_SCRIPT = """
import json, sys
sys.path[:0] = [{root!r}, {root!r} + "/spaces/dedup"]
from shared.errors import VisitorError
from shared import hub
from dedup.read import read_hub
from dedup.engine import deduplicate
from dedup.outcome import outcome
from dedup.request import Request
from dedup.card import dataset_card
from pathlib import Path

def said(function):
    try:
        return function()
    except VisitorError as error:
        return str(error)

data = read_hub("me/rows", None, "train", 60)
*_, result = deduplicate(data, Request.parse(dataset="me/rows", columns=["text"]))
decided = outcome(result)
kept = Path({folder!r}) / "kept.parquet"
from dedup.read import write
write(data, decided.kept, kept)
files = {{"data/kept.parquet": kept}}
card = dataset_card(result, decided, "kept.parquet")
print(json.dumps({{
    "rows": data.rows,
    "cut": [data.cut, read_hub("me/rows", None, "train", 100).cut],
    "columns": data.columns,
    "kept": len(decided.kept),
    "missing": said(lambda: read_hub("me/none", None, "train", 5)),
    "gated": said(lambda: read_hub("me/gated", None, "train", 5)),
    "split": said(lambda: read_hub("me/rows", None, "nope", 5)),
    "url": said(lambda: hub.push("me/new", "dataset", files, card, "hf_secret")),
    "refused": said(lambda: hub.push("me/new", "dataset", files, "x", "refused")),
    "unsigned": said(lambda: hub.push("me/new", "dataset", {{}}, "x", None)),
    "no owner": said(lambda: hub.push("new", "dataset", {{}}, "x", "t")),
}}))
"""


def test_the_hub_is_read_and_written(tmp_path):
    buffer = io.BytesIO()
    texts = [f"row number {row // 2} has a text of its own {row // 2}" for row in range(100)]
    pq.write_table(pa.table({"text": texts, "n": list(range(100))}), buffer)
    repos = {
        "datasets/me/rows": Repo({"data/train-00000-of-00001.parquet": buffer.getvalue()}),
        "datasets/me/gated": Repo({"train.jsonl": b"{}"}, refuse=(403, "GatedRepo")),
    }
    server = HubServer(repos)
    try:
        output = run_against(server, tmp_path / "hf", HUB_SCRIPT.format(root=str(ROOT), folder=str(tmp_path)))
    finally:
        server.stop()
    said = json.loads(output.splitlines()[-1])
    assert (said["rows"], said["columns"], said["kept"]) == (60, ["text", "n"], 30)
    assert said["cut"] == [None, 0], "some rows were left out, or none"
    assert "no dataset me/none" in said["missing"]
    assert "gated" in said["gated"]
    assert "Check its config and split" in said["split"]
    assert said["url"] == f"{server.url}/datasets/me/new"
    assert "refused to write" in said["refused"]
    assert "not signed in" in said["unsigned"] and "no owner" in said["no owner"]
    pushed = repos["datasets/me/new"].files
    assert pq.read_table(io.BytesIO(pushed["data/kept.parquet"])).num_rows == 30
    card = pushed["README.md"].decode()
    assert "30 of 60 rows" in card and "source_datasets:\n- me/rows" in card
    assert "hf_secret" not in card
