"""The main job over models of every shape: the numbers of a plain implementation, or a reason in two
sentences.
"""

from __future__ import annotations

import math
import re

import pytest
import torch

from quantization import calibration, effect, modules, rowcache
from quantization.compare import compare
from quantization.methods import check_settings, quantize
from quantization.request import LabRequest, Request
from shared import ggml, measure, models, texts
from shared.errors import VisitorError
from tests import zoo

CONTEXT, WINDOWS = 32, 2
SETTINGS = {"context": CONTEXT, "windows": WINDOWS, "prompt": ""}


@pytest.fixture(autouse=True)
def _nothing_is_remembered():
    rowcache.rows.forget()


def finished(name: str, **values):
    *_, run = compare(Request.parse(**{**SETTINGS, **values}), zoo.opened(name))
    return run


def windows_of(loaded) -> list[list[int]]:
    """llama.cpp's windows, written down once more: BOS takes the place of each window's first token."""
    tokenizer, text = loaded.tokenizer, texts.sample("evaluation")
    ids = tokenizer(text).input_ids
    has_bos = ids[0] == tokenizer.bos_token_id
    cuts = [ids[start : start + CONTEXT] for start in range(0, CONTEXT * WINDOWS, CONTEXT)]
    return [[ids[0], *cut[1:]] if has_bos else cut for cut in cuts]


def plain_logs(model, window: list[int]) -> torch.Tensor:
    """Log-probabilities at the scored positions, float64."""
    with torch.no_grad():
        logits = model(torch.tensor([window]), use_cache=False).logits[0]
    return logits[CONTEXT // 2 : CONTEXT - 1].double().log_softmax(-1)


@pytest.mark.parametrize("name", zoo.names())
def test_numbers_are_those_of_a_plain_implementation(name):
    """Base perplexity, and the divergence of a row whose weights are quantized one by one and put in by
    hand.
    """
    loaded = zoo.opened(name)
    copy = models.twin(loaded.model)
    for weight in modules.linear_names(loaded.model):
        values = modules.weight_of(loaded.model, weight).detach()
        result = quantize(values, "absmax", check_settings("absmax", {"bits": 5}))
        modules.replace_weight(copy, weight, result.values)
    losses, divergences = [], []
    for window in windows_of(loaded):
        log_p, log_q = plain_logs(loaded.model, window), plain_logs(copy, window)
        divergences.append((log_p.exp() * (log_p - log_q)).sum(-1))
        losses.append(-log_p.gather(1, torch.tensor(window[CONTEXT // 2 + 1 :])[:, None])[:, 0])
    run = finished(name, formats=["own:absmax-int5"])
    (row,) = run.rows
    assert row.status == "done", row.error
    assert run.base_facts["ppl"] == pytest.approx(math.exp(torch.cat(losses).mean()), rel=1e-4)
    assert row.facts["kld"]["mean"] == pytest.approx(float(torch.cat(divergences).mean()), rel=1e-3)
    assert run.model()["scored"] == WINDOWS * (CONTEXT // 2 - 1)
    assert bool(run.model()["lead"]) == ("adds_bos" in zoo.ANIMALS[name].traits)


@pytest.mark.parametrize("name", zoo.names("adds_bos"))
def test_without_bos_the_numbers_would_be_others(name):
    """So that a window which forgets it shows."""
    loaded = zoo.opened(name)
    first, second = windows_of(loaded)
    unled = loaded.tokenizer(texts.sample("evaluation")).input_ids[CONTEXT : 2 * CONTEXT]
    assert second[1:] == unled[1:] and second[0] == first[0] != unled[0]
    assert (plain_logs(loaded.model, second) - plain_logs(loaded.model, unled)).abs().max() > 1e-3


@pytest.mark.parametrize("name", zoo.names(without=("recurrent",)))
def test_calibration_begins_every_window_with_bos(name, monkeypatch):
    texts_seen = []
    real = calibration.collect

    def watched(model, windows, *rest, **settings):
        texts_seen.append(windows)
        return real(model, windows, *rest, **settings)

    monkeypatch.setattr(calibration, "collect", watched)
    run = finished(name, formats=["own:llm_int8"])
    (row,), (windows,) = run.rows, texts_seen
    assert row.status == "done", row.error
    lead = run.model()["lead"]
    assert all(window[: len(lead)].tolist() == lead for window in windows) and len(windows) > WINDOWS


@pytest.mark.parametrize("name", zoo.names("chat"))
def test_prompts_go_through_the_template(name):
    run = finished(name, formats=["own:absmax-int8"], prompt="Why do dogs bark?", answer_tokens=3)
    assert len(run.base_answer.token_ids) >= 1 and run.rows[0].answer is not None


def test_a_template_that_takes_no_question_is_refused():
    with pytest.raises(VisitorError, match="none for a question alone") as caught:
        finished("no_default", formats=["own:absmax-int8"], prompt="Why?")
    assert caught.value.remedy == "Leave the prompt empty."


@pytest.mark.parametrize("name", zoo.names())
def test_the_lab_looks_at_a_weight_of_every_model(name, monkeypatch):
    monkeypatch.setattr(effect, "CONTEXT", CONTEXT)
    loaded = zoo.opened(name)
    tensor = effect.tensor_names(loaded)[-1]
    request = LabRequest.parse(tensor=tensor, settings={"group": "row"}, compare=False, model=loaded.id)
    figure = effect.look(loaded, request)
    kld = figure["summary"]["kld"]
    assert kld["mean"] > 0 and kld["sigma"] is None and kld["tokens"] == CONTEXT // 2 - 1
    assert figure["summary"]["sqnr"] > 10


def test_the_lab_shows_the_tensor_before_it_tries_every_other_method(monkeypatch):
    """Tables of ggml's smallest types take 20 seconds to make."""
    monkeypatch.setattr(effect, "CONTEXT", CONTEXT)
    monkeypatch.setattr(ggml, "TYPES", ("Q8_0",))
    loaded = zoo.opened("llama3")
    request = LabRequest.parse(tensor=effect.tensor_names(loaded)[-1], model=loaded.id)
    first, last = effect.looks(loaded, request)
    assert not first["done"] and first["methods"] is None and first["progress"]["label"]
    assert last["done"] and "progress" not in last
    assert {"absmax", "Q8_0"} <= {row["method"] for row in last["methods"]}
    assert {**last, "methods": None, "done": False, "progress": first["progress"]} == first


REFUSED = [
    ("gpt2", "bitsandbytes:nf4", "built of Conv1D"),
    ("gpt2", "autoround:int4-g64", "built of Conv1D"),
    ("mamba", "hqq:int4-g64", "without its layer"),
    ("mamba", "own:gptq-int4-g32", "shows nothing of what"),
    ("mamba", "own:rtn-int4-g64", "do not divide rows of 4"),
    ("tools", "bitsandbytes:nf4", "blocks of 64 divide"),
    ("tools", "autoround:int4-g64", "Groups of 64 do not divide"),
    ("mixtral", "autoround:int4-g64", "mixture of experts"),
    ("lfm2", "autoround:int4-g64", "does not get through"),
    ("lfm2", "gguf:Q8_0", "not written here"),
    ("gemma2", "gguf:Q8_0", "would not compute this model"),
]


@pytest.mark.parametrize(("name", "format", "reason"), REFUSED)
def test_what_cannot_work_is_refused_in_two_sentences(name, format, reason):
    """By its row, or before the base is read where that can be said so early and no other row is left."""
    try:
        (row,) = finished(name, formats=[format]).rows
    except VisitorError as early:
        error = early
    else:
        assert row.status == "failed" and row.error is not None
        error = row.error
    assert reason in error.what
    for sentence in (error.what, error.remedy):
        assert re.fullmatch(r"[^\n]+[^.]\.", sentence) and "should not" not in sentence


def test_the_weights_of_a_models_eyes_are_left_alone():
    loaded = zoo.opened("gemma3_vision")
    names = modules.linear_names(loaded.model)
    assert len(names) == 21 and not any("vision" in name for name in names)


@pytest.mark.parametrize("name", zoo.names("moe"))
def test_experts_that_stay_as_they_are_are_told(name):
    loaded = zoo.opened(name)
    (row,) = finished(name, formats=["own:absmax-int8"]).rows
    experts = sum(p.numel() for n, p in loaded.model.named_parameters() if n.split(".")[-2] == "experts")
    share = round(100 * experts / sum(p.numel() for p in loaded.model.parameters()))
    assert share > 10 and any(f"{share} % of the weights are experts" in note for note in row.facts["notes"])


def test_a_short_model_says_how_much_it_reads():
    with pytest.raises(VisitorError, match="reads at most 64 tokens"):
        finished("short", formats=["own:absmax-int8"], context=128)


def test_a_token_that_the_model_does_not_have_is_refused():
    """Gemma 3's tokenizer writes one more token than its embedding has rows."""
    with pytest.raises(VisitorError, match="The tokenizer writes token"):
        finished("gemma3", formats=["own:absmax-int8"], text="a <image_soft_token> " * 100)


def test_measured_windows_are_shared_measures():
    """The same base perplexity as any other Space's."""
    loaded = zoo.opened("llama3")
    windows = measure.text_windows(loaded.tokenizer, texts.sample("evaluation"), CONTEXT, WINDOWS)
    loss = measure.window_losses(loaded.model, windows)
    assert finished("llama3", formats=["own:absmax-int8"]).base_facts["ppl"] == pytest.approx(
        float(loss.mean().exp()), rel=1e-6
    )
