"""Two models on a Hub on loopback: compared by ranges of bytes, with heretic's record beside one of them."""

from __future__ import annotations

import json

from tests import zoo
from tests.abliteration.test_forensics import REPRODUCE, baked_folder, edit_of
from tests.shared.hub_server import HubServer, Repo, run_against

SCRIPT = """
import json, sys
sys.path.insert(0, "spaces/abliteration")
from pathlib import Path
from abliteration.forensics_request import ForensicsRequest
from abliteration.outcome.forensics import compare
request = ForensicsRequest.parse(base="tiny/base", edited="tiny/edited", scope="writes")
*_, figure = compare(request, Path("nowhere"))
print(json.dumps(figure))
"""


def test_nothing_but_what_is_compared_is_read(tmp_path):
    base = zoo.folder("llama3")
    edited = baked_folder("llama3", edit_of("llama3"), tmp_path / "edited")
    files = [
        {
            path.name: path.read_bytes()
            for path in folder.iterdir()
            if path.suffix in (".json", ".safetensors")
        }
        for folder in (base, edited)
    ]
    files[1]["reproduce/reproduce.json"] = json.dumps(REPRODUCE).encode()
    hub = HubServer({"tiny/base": Repo(files[0]), "tiny/edited": Repo(files[1])})
    try:
        figure = json.loads(run_against(hub, tmp_path / "home", SCRIPT))
    finally:
        hub.stop()
    assert figure["verdict"]["kind"] == "projection"
    assert all(abs(value - 0.9) < 0.02 for value in figure["curves"][1]["strengths"])
    claims = figure["claims"]
    assert claims["by"].startswith("heretic") and claims["hashes"][0]["unknown"] == ["model.safetensors"]
    assert not list((tmp_path / "home").rglob("*.safetensors")), "a weight file was downloaded"
    assert all(asked for name, asked in hub.pieces if name.endswith(".safetensors"))
