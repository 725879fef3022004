"""A set named as a column of a Hub dataset, read by the real client from a Hub on loopback."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq

from tests.conftest import ROOT
from tests.shared.hub_server import HubServer, Repo, run_against

SCRIPT = """
import json, sys
sys.path[:0] = [{root!r}, {root!r} + "/spaces/abliteration"]
from abliteration import sets
from abliteration.request import Request
from shared.errors import VisitorError

def said(positive):
    try:
        others = [f"What is {{n}}?" for n in range(8)]
        pair, sources = sets.resolved(Request.parse(positive=[positive], negative=others).pair())
        return [pair.positive, sources]
    except VisitorError as error:
        return str(error)

asked = Request.parse(positive=["hf://me/cooking?column=q"], negative=["hf://me/cooking?column=other"])
print(json.dumps({{
    "read": said("hf://me/cooking?column=q"), "column": said("hf://me/cooking?column=nope"), "missing": said("hf://me/none"),
    "part": said("hf://me/cooking?colunm=q"), "id": said("hf://../etc"),
    "link": Request.from_query(asked.to_query()).positive == asked.positive,
}}))
"""


def test_a_column_of_a_dataset_is_a_set(tmp_path):
    buffer = io.BytesIO()
    questions = [f"How do I cook {number // 2}?" for number in range(20)]  # each twice
    pq.write_table(pa.table({"q": questions, "other": questions}), buffer)
    server = HubServer(
        {"datasets/me/cooking": Repo({"data/train-00000-of-00001.parquet": buffer.getvalue()})}
    )
    try:
        output = run_against(server, tmp_path / "hf", SCRIPT.format(root=str(ROOT)))
    finally:
        server.stop()
    said = json.loads(output.splitlines()[-1])
    prompts, (source,) = said["read"]
    assert prompts == [f"How do I cook {number}?" for number in range(10)]
    assert source["dataset"] == "me/cooking" and len(source["revision"]) == 40 and source["column"] == "q"
    assert "no column “nope”" in said["column"] and "q, other" in said["column"]
    assert "no dataset me/none" in said["missing"]
    assert "unknown part, colunm" in said["part"] and "is not a dataset id" in said["id"]
    assert said["link"]
