"""Seconds until a fresh process has used the GPU for the first time: `python -m tests.gpu_check.start`."""

from __future__ import annotations

from tests.gpu_check import setting

if __name__ == "__main__":
    setting.prepare()
    import torch

    from shared import measure, talk
    from tests import zoo

    loaded = zoo.opened("llama3")
    ids = talk.plain_ids(loaded.tokenizer, "Once upon a time there was a ship.")

    def first_use() -> None:
        """Move a small model, read a text, write a few tokens."""
        moved = setting.moved(loaded, setting.device())
        measure.next_token_logits(moved.model, ids, 1)
        setting.last(talk.greedy(moved.model, moved.tokenizer, [ids], 4))

    torch.set_num_threads(1)
    import time

    began = time.perf_counter()
    first_use()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    print(time.perf_counter() - began)
