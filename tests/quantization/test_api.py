"""The launched app over its API: compare, weights, quantize, and what a caller reads when something is
wrong.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from tests.conftest import ROOT, ask_mcp
from tests.shared.hub_server import HubServer, run_against

FAST = {"context": 64, "windows": 1}


@pytest.fixture(scope="module")
def client(suite_url):
    return Client(f"{suite_url}/quantization/", verbose=False)


def test_compare_returns_rows_with_every_column(client):
    answer = client.predict(formats=["own:absmax-int8", "own:rtn-int2-g32"], **FAST, api_name="/compare")
    rows = {row["format"]: row for row in answer["rows"]}
    columns = {
        "engine",
        "version",
        "rank",
        "tied",
        "bits",
        "bits_quantized",
        "file_bytes",
        "resident_bytes",
        "ppl",
        "ppl_sigma",
        "ratio",
        "kld",
        "same_top",
        "rms_dp",
        "prefill",
        "decode",
        "tensors",
        "notes",
        "seconds",
        "front",
    }
    assert all(columns <= set(row) for row in rows.values())
    assert rows["own:absmax-int8"]["kld"]["mean"] < rows["own:rtn-int2-g32"]["kld"]["mean"]
    assert rows["own:absmax-int8"]["rank"] is None, "one window ranks nothing"
    assert answer["provenance"]["torch"] and answer["model"]["scored"] == 31
    assert "microscope" not in answer


def test_weights_returns_one_tensor(client):
    answer = client.predict(method="rtn", settings={"bits": 4, "group": 64}, api_name="/weights")
    assert answer["shape"] == [576, 576] and answer["summary"]["distinct_codes"] == 16
    assert answer["summary"]["kld"]["mean"] > 0 and answer["summary"]["kld"]["tokens"] == 127
    assert sum(answer["histogram"]["before"]) == sum(answer["histogram"]["after"]) == 576 * 576
    q4 = client.predict(method="Q4_0", api_name="/weights")
    assert q4["summary"]["bits"] == 4.5 and q4["type"] == "Q4_0"


def test_quantize_returns_a_file_that_loads_and_its_card(client):
    path, card = client.predict(format="gguf:Q8_0", api_name="/quantize")
    from gguf import GGUFReader

    reader = GGUFReader(path)
    types = {tensor.tensor_type.name for tensor in reader.tensors}
    assert types == {"Q8_0", "F32"} and "library_name: gguf" in card and "KL divergence" in card
    assert Path(path).suffix == ".gguf"


@pytest.mark.parametrize(
    ("endpoint", "values", "sentence"),
    [
        ("/compare", {"formats": ["gguf:Q9"]}, "gguf has no format"),
        ("/compare", {"formats": ["own:nf4"], "text": "short"}, "tokens"),
        ("/compare", {"formats": ["own:nf4"], "model": "no-such/model"}, "not on this machine"),
        ("/compare", {"formats": ["own:nf4"], "model": "/etc"}, "no config|not a model|local|folder"),
        ("/weights", {"tensor": "model.norm.weight"}, "has no weight"),
        ("/weights", {"method": "Q4_K"}, "256"),
        ("/weights", {"method": "rtn", "settings": {"group": 128}}, "128"),
        ("/quantize", {"format": "own:nf4"}, "taken home"),
        ("/quantize_set", {"formats": ["own:nf4"]}, "taken home"),
    ],
)
def test_errors_are_two_sentences(client, endpoint, values, sentence):
    with pytest.raises(AppError, match=sentence) as caught:
        client.predict(**values, api_name=endpoint)
    assert "Traceback" not in str(caught.value)


def test_four_endpoints_are_public_and_are_tools(client, suite_url):
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert set(named) == {"/compare", "/weights", "/quantize", "/quantize_set"}
    tools = {tool["name"]: tool for tool in ask_mcp(f"{suite_url}/quantization", "tools/list", {})["tools"]}
    assert len(tools) == 4
    name = next(name for name in tools if name.endswith("weights"))
    assert "method" in tools[name]["inputSchema"]["properties"]
    called = ask_mcp(
        f"{suite_url}/quantization", "tools/call", {"name": name, "arguments": {"method": "absmax"}}
    )
    assert not called.get("isError") and "distinct_codes" in called["content"][0]["text"]


PUSH = """
import sys
sys.path[:0] = [{root!r}, {root!r} + "/spaces/quantization"]
from pathlib import Path
from shared import gpu, page
from quantization_rooms import take
path = Path({folder!r}) / "model-Q8_0.gguf"
path.write_bytes(b"GGUF" + bytes(100))
made = {{"files": [str(path)], "card": "---\\nlibrary_name: gguf\\n---\\n# A card"}}
for values, name, token in (
    ((made,), "me/quantized", "hf_secret"),
    ((None,), "me/quantized", "hf_secret"),
    ((made,), "me/quantized", None),
    ((made,), "<b>", "hf_secret"),
):
    print(page.pushed(take.push, values, name, token))
"""


def test_files_and_card_are_pushed_with_the_visitors_token(tmp_path):
    repos: dict = {}
    server = HubServer(repos)
    try:
        output = run_against(server, tmp_path / "hf", PUSH.format(root=str(ROOT), folder=str(tmp_path)))
    finally:
        server.stop()
    pushed, nothing, unsigned, hostile = output.strip().splitlines()[-4:]
    assert f"{server.url}/me/quantized" in pushed and set(repos["me/quantized"].files) >= {
        "README.md",
        "model-Q8_0.gguf",
    }
    assert "nothing to push" in nothing and "not signed in" in unsigned
    assert "<b>" not in hostile.replace('<p role="alert"><b>', "") and "not a model id" in hostile


def test_a_file_that_a_client_uploads_is_a_row(client, tmp_path):
    """Or a row with the reason why not, and the others go on."""
    path = tmp_path / "packed.gguf"
    path.write_bytes(b"PK\x03\x04model.gguf")
    names = [handle_file(str(path)), "own:absmax-int8"]
    refused, measured = client.predict(formats=names, **FAST, api_name="/compare")["rows"]
    assert refused["label"] == "packed" and measured["status"] == "done"
    assert refused["error"] == {
        "what": "packed.gguf cannot be read: it is a zip archive, not a GGUF file.",
        "remedy": "Choose another file.",
    }
