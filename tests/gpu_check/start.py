"""Seconds until a fresh process has used the GPU for the first time: `python -m tests.gpu_check.start`."""

from __future__ import annotations

import time

from tests.gpu_check import setting

if __name__ == "__main__":
    setting.prepare()
    from shared import measure, talk
    from shared.steps import last
    from tests import zoo

    loaded = zoo.opened("llama3")
    ids = talk.plain_ids(loaded.tokenizer, "Once upon a time there was a ship.")

    began = time.perf_counter()  # nothing has touched the GPU yet
    moved = setting.moved(loaded, setting.device())
    measure.next_token_logits(moved.model, ids, 1).cpu()
    last(talk.greedy(moved.model, moved.tokenizer, [ids], 4))
    print(time.perf_counter() - began)
