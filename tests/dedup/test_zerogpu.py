"""`/deduplicate` on emulated ZeroGPU: comparing many rows by meaning borrows a GPU, and nothing else does."""

from __future__ import annotations

import json

from gradio_client import handle_file

from dedup import semantic
from tests.dedup.corpus import documents
from tests.shared import zerogpu


def test_only_many_rows_by_meaning_borrow_a_gpu(embedded, tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [{"text": f"{text} {number}"} for number, text in enumerate(documents(semantic.GPU_ROWS))]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with zerogpu.emulated("dedup", tmp_path) as (scheduler, server, client):
        assert scheduler.started, "the Hub finds the function when the Space starts"
        values = {"columns": ["text"], "threshold": 0.999, "measure": "cosine", "api_name": "/deduplicate"}
        report, _ = client.predict(file=handle_file(str(path)), **values)
        assert report["rows"] == len(rows)
        assert scheduler.allowed and scheduler.allowed != [server.process.pid]
        assert [one["durationSeconds"] for one in scheduler.scheduled] == [str(semantic.SECONDS)]
        # pairs that are spared are told apart once the vectors are back
        spared, _ = client.predict(dataset="kitchen.jsonl", spare=["form"], **values)
        assert "form" not in spared["differences"] and spared["request"]["spare"] == ["form"]
        client.predict(dataset="kitchen.jsonl", **values)
        client.predict(dataset="kitchen.jsonl", api_name="/deduplicate")
        assert len(scheduler.scheduled) == 1
