"""A file as llama.cpp runs it: nothing is added where nothing is rounded, and each part is what it says."""

from __future__ import annotations

import pytest
import torch

from quantization import gguf_file, llama_cpp, metrics, rowcache, runtime
from quantization.compare import compare
from quantization.llama_library import Reader
from quantization.plan import estimate
from quantization.request import Request
from shared import measure, texts
from tests.quantization.conftest import small_llama


@pytest.fixture(scope="module")
def wide():
    """Heads of 32 columns, which blocks of a cache fit."""
    return small_llama(128)


def stages(loaded, type: str, folder, context: int = 64) -> dict:
    windows = measure.text_windows(loaded.tokenizer, texts.sample("evaluation"), context, 4)
    *_, base = metrics.base_pass(loaded.model, windows)
    made = gguf_file.quantize_model(loaded, type, None)
    (path,) = made.export(folder)
    *counted, found = runtime.measured(path, made.model, base)
    assert counted == [1, 2, 3, 4] and found["windows"] == 4
    return {stage["name"]: stage for stage in found["stages"]}


def test_a_file_in_sixteen_bits_adds_nothing(wide, tmp_path):
    """But for the 16 bits of weights and cache; a smaller cache adds more."""
    found = stages(wide, "F16", tmp_path)
    assert found["weights"]["reached"]["mean"] < 1e-4
    assert found["f16"]["added"]["mean"] < 1e-4 and found["f16"]["reached"]["mean"] < 1e-4
    assert 1e-4 < found["q8_0"]["added"]["mean"] < found["q4_0"]["added"]["mean"]
    assert all(stage["added"]["sigma"] > 0 for stage in found.values())


def test_speed_is_measured_as_often_as_there_is_time(wide, tmp_path, monkeypatch):
    """With as many threads as PyTorch has: more than processors would wait for each other."""
    (path,) = gguf_file.quantize_model(wide, "Q8_0", None).export(tmp_path)
    asked, ask = [], llama_cpp.ask
    monkeypatch.setattr(llama_cpp, "ask", lambda request: asked.append(request) or ask(request))
    found = llama_cpp.speed(path)
    low, high = found["decode_range"]
    assert found["runs"] == 3 and low <= found["decode_tokens_per_second"] <= high
    assert asked[0]["threads"] == torch.get_num_threads()
    monkeypatch.setattr(llama_cpp, "SECONDS", 0)
    assert llama_cpp.speed(path)["runs"] == 1, "after the one that warms up"


def test_blocks_are_multiplied_by_rounded_activations(wide, tmp_path):
    found = stages(wide, "Q8_0", tmp_path)
    assert found["f16"]["added"]["mean"] > 1e-4, "eight bits of activations"


def test_a_cache_that_a_head_does_not_fit_is_left_out(tiny_gguf, tmp_path):
    found = stages(tiny_gguf, "Q8_0", tmp_path)
    assert found["f16"]["reached"] and found["q8_0"]["reached"] is None and found["q4_0"]["added"] is None


def test_a_batch_is_what_llama_cpp_computes_token_by_token(wide, tmp_path):
    (path,) = gguf_file.quantize_model(wide, "F16", None).export(tmp_path)
    reader = Reader(str(path))
    ids = list(wide.tokenizer(texts.sample("evaluation")).input_ids)[:40]
    context = reader.context(64)
    batch = torch.from_numpy(reader.predictions(context, ids, 10))
    assert batch.shape[0] == 30
    torch.testing.assert_close(batch, torch.from_numpy(reader.logits(ids)[10:]), rtol=0, atol=0.03)
    again = torch.from_numpy(reader.predictions(context, ids, 10))
    assert torch.equal(batch, again), "a text leaves nothing behind"


def test_a_rows_weights_are_the_rows_own_number(wide):
    rowcache.rows.forget()
    values = {"formats": ["gguf:Q4_0", "own:absmax-int8"], "context": 32, "windows": 4, "prompt": ""}
    *_, run = compare(Request.parse(**values, llama_cpp=True), wide)
    file, own = run.to_json()["rows"]
    found = {stage["name"]: stage for stage in file["llama_cpp"]["stages"]}
    assert found["weights"]["reached"]["mean"] == pytest.approx(file["kld"]["mean"], rel=1e-6)
    assert found["weights"]["reached"]["sigma"] == pytest.approx(file["kld"]["sigma"], rel=1e-6)
    assert found["f16"]["reached"]["mean"] != file["kld"]["mean"]
    assert "llama_cpp" not in own
    *_, plain = compare(Request.parse(**values), wide)
    assert "llama_cpp" not in plain.to_json()["rows"][0], "where it was not asked for"
    costs = [estimate(Request.parse(**values, llama_cpp=asked), 10**8)["seconds"] for asked in (False, True)]
    assert costs[1] > costs[0]
