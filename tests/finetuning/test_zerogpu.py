"""`/mask` on emulated ZeroGPU: the Space starts there, and no GPU is asked for."""

from __future__ import annotations

from tests.finetuning.main_job import MAIN_JOB
from tests.shared import zerogpu


def test_looking_at_rows_borrows_no_gpu(embedded, tmp_path):
    with zerogpu.emulated("finetuning", tmp_path) as (scheduler, _, client):
        assert scheduler.started, "the Hub finds a function when the Space starts"
        assert MAIN_JOB.is_right(client.predict(**MAIN_JOB.values, api_name=MAIN_JOB.endpoint))
        assert scheduler.scheduled == []
