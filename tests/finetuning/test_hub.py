"""Tokenizers and rows of the Hub: files of a tokenizer alone, and what the Hub refuses in two sentences."""

from __future__ import annotations

import json

from tests import zoo
from tests.finetuning.talks import TALKS
from tests.shared.hub_server import HubServer, Repo, run_against

SCRIPT = """
import json, sys
sys.path.insert(0, "spaces/finetuning")
from finetuning.engine import mask
from finetuning.request import MaskRequest
from shared.errors import VisitorError
for model in ("tiny/llama", "tiny/none", "tiny/bare", "no id"):
    try:
        data = mask(MaskRequest.parse(rows=ROWS, model=model, template="chatml-marked"))
        print(data["provenance"]["added"], len(data["rows"][0]["ids"]) > 20)
    except VisitorError as error:
        print(error)
"""


def test_a_tokenizer_comes_without_its_weights(tmp_path):
    files = {path.name: path.read_bytes() for path in zoo.folder(zoo.names()[0]).iterdir()}
    hub = HubServer({"tiny/llama": Repo(files, parameters=800_000), "tiny/bare": Repo({"a.txt": b"x"})})
    rows = json.dumps([{"messages": TALKS["two turns"]}])
    try:
        said = run_against(hub, tmp_path, SCRIPT.replace("ROWS", repr(rows))).splitlines()
    finally:
        hub.stop()
    assert said[0] == "['<|im_start|>', '<|im_end|>'] True"
    assert "The Hub has no public model tiny/none" in said[1]
    assert "tokenizer of tiny/bare could not be opened" in said[2]
    assert "is not a model id" in said[3]
    assert not [path for path in hub.requests if "safetensors" in path]
