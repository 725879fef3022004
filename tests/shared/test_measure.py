"""Windows, losses and divergences against plain float64 loops, over models of many shapes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from shared import estimates, measure, talk
from shared.errors import VisitorError
from shared.texts import sample
from tests import zoo

CONTEXT = 48
TEXT = sample("evaluation")


def plain_losses(model, ids, lead, context, most):
    """llama.cpp's perplexity in a loop: BOS over the first token of every window, n/2 … n − 2 predict."""
    rows = []
    for begin in range(0, min(most, len(ids) // context) * context, context):
        window = list(ids[begin : begin + context])
        window[: len(lead)] = lead
        with torch.no_grad():
            logits = model(torch.tensor([window])).logits[0].double().numpy()
        row = []
        for place in range(context // 2, context - 1):
            row.append(math.log(math.fsum(np.exp(logits[place]))) - logits[place][window[place + 1]])
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize("name", zoo.names())
def test_losses_equal_a_plain_loop(name):
    loaded = zoo.opened(name)
    # Special tokens by the tokenizer's own hand: what it puts before the text, and nothing behind it.
    full = loaded.tokenizer(TEXT)["input_ids"]
    lead = [loaded.tokenizer.bos_token_id] if "adds_bos" in zoo.ANIMALS[name].traits else []
    ids = full[:-1] if "adds_eos" in zoo.ANIMALS[name].traits else full
    assert ids[: len(lead)] == lead
    windows = measure.text_windows(loaded.tokenizer, TEXT, CONTEXT, 3)
    assert list(windows.lead) == lead and len(windows) == 3 and windows.context == CONTEXT
    assert windows.text_tokens == len(ids)
    losses = measure.window_losses(loaded.model, windows)
    expected = plain_losses(loaded.model, ids, lead, CONTEXT, 3)
    assert losses.dtype == torch.float64 and losses.shape == expected.shape == windows.targets.shape
    np.testing.assert_allclose(losses.numpy(), expected, rtol=2e-5, atol=2e-5)
    value = estimates.perplexity(losses)
    assert value.mean == pytest.approx(math.exp(expected.mean()), rel=1e-5) and value.clusters == 3
    if lead:  # a first window alone with BOS is another number: the loop can tell them apart
        once = plain_losses(loaded.model, ids, [], CONTEXT, 3)
        assert np.abs(once[0] - expected[0]).max() < 1e-9 and np.abs(once[1:] - expected[1:]).max() > 1e-3


@pytest.mark.parametrize("name", zoo.names("adds_bos"))
def test_bos_begins_every_window_and_replaces_its_first_token(name):
    loaded = zoo.opened(name)
    windows = measure.text_windows(loaded.tokenizer, TEXT, CONTEXT, 3)
    bos, ids = loaded.tokenizer.bos_token_id, loaded.tokenizer(TEXT)["input_ids"]
    assert windows.ids[:, 0].tolist() == [bos] * 3
    for number in range(3):
        assert windows.ids[number, 1:].tolist() == ids[number * CONTEXT + 1 : (number + 1) * CONTEXT]


def test_the_embedded_model_has_the_perplexity_that_every_space_states(embedded):
    windows = measure.text_windows(embedded.tokenizer, TEXT, 256, 4)
    assert windows.lead == (), "SmolLM2 has a BOS, and its tokenizer does not add it"
    losses = measure.window_losses(embedded.model, windows)
    assert windows.to_json() == {
        "windows": 4,
        "context": 256,
        "scored": 508,
        "text_tokens": windows.text_tokens,
        "lead": [],
    }
    assert estimates.perplexity(losses).mean == pytest.approx(21.810, abs=0.001)


def test_a_text_that_fills_no_window_is_refused():
    tokenizer = zoo.opened("llama3").tokenizer
    count = len(tokenizer("Three short words.")["input_ids"])
    with pytest.raises(VisitorError) as error:
        measure.text_windows(tokenizer, "Three short words.", 256, 4)
    assert f"{count} tokens" in error.value.what and f"lower context to {count}" in error.value.remedy
    assert len(measure.text_windows(tokenizer, "Three short words.", count, 4)) == 1
    with pytest.raises(VisitorError, match=r"Use a longer text\.$"):
        measure.text_windows(zoo.opened("gpt2").tokenizer, "", 256, 4)


@pytest.mark.parametrize("name", zoo.names())
def test_log_probabilities_of_given_tokens_equal_a_plain_loop(name):
    loaded = zoo.opened(name)
    texts = [("The sea", " is wide and blue."), ("In the long run", " yes"), ("A", " lighthouse stands")]
    rows = []
    for start, end in texts:
        before = talk.plain_ids(loaded.tokenizer, start)
        rows.append((before + loaded.tokenizer(end, add_special_tokens=False)["input_ids"], len(before)))
    together = measure.continuation_log_probabilities(loaded.model, rows)
    for (ids, start), logs in zip(rows, together, strict=True):
        whole = measure.log_probabilities(loaded.model, ids, start)
        with torch.no_grad():
            expected = loaded.model(torch.tensor([ids])).logits[0].double().log_softmax(-1)[start - 1 : -1]
        assert whole.dtype == torch.float32 and len(whole) == len(ids) - start == len(logs)
        torch.testing.assert_close(whole.double(), expected, rtol=1e-4, atol=1e-4)
        true = expected[torch.arange(len(logs)), torch.tensor(ids[start:])]
        torch.testing.assert_close(logs, true, rtol=1e-4, atol=1e-4)


def test_batches_hold_rows_of_similar_length(monkeypatch):
    monkeypatch.setattr(measure, "BATCH_TOKENS", 20)
    assert list(measure._batches([9, 3, 30, 4, 10])) == [[1, 3], [0, 4], [2]]
    loaded = zoo.opened("llama3")
    rows = [(list(range(5, 5 + count)), count - 2) for count in (9, 3, 30, 4, 10)]
    for (ids, start), logs in zip(
        rows, measure.continuation_log_probabilities(loaded.model, rows), strict=True
    ):
        (alone,) = measure.continuation_log_probabilities(loaded.model, [(ids, start)])
        torch.testing.assert_close(logs, alone, rtol=1e-5, atol=1e-5)


def test_a_token_past_the_vocabulary_is_refused_before_the_model_sees_it():
    loaded = zoo.opened("gemma3")
    extra = loaded.tokenizer.convert_tokens_to_ids("<image_soft_token>")
    with pytest.raises(VisitorError, match=f"token {extra}"):
        measure.log_probabilities(loaded.model, [2, 5, extra], 1)
    with pytest.raises(VisitorError, match=f"token {extra}"):
        measure.continuation_log_probabilities(loaded.model, [([2, 5, extra], 1)])


def plain_kl(base, other):
    """In a loop over the vocabulary, in float64; a token of no probability adds nothing."""
    values = []
    for first, second in zip(base.double().numpy(), other.double().numpy(), strict=True):
        p, q = (np.exp(row - row.max()) for row in (first, second))
        p, q = p / math.fsum(p), q / math.fsum(q)
        values.append(math.fsum(a * (math.log(a) - math.log(b)) for a, b in zip(p, q, strict=True) if a > 0))
    return np.array(values)


@pytest.mark.parametrize("scale", [1e-3, 0.1, 3.0])
def test_kl_and_loss_equal_a_plain_loop(scale):
    generator = torch.Generator().manual_seed(0)
    base = 3 * torch.randn(37, 200, generator=generator)
    other = base + scale * torch.randn(37, 200, generator=generator)
    targets = torch.randint(0, 200, (37,), generator=generator)
    expected = plain_kl(base, other)
    for given in (
        (base, other),
        (base.log_softmax(-1), other.log_softmax(-1)),
        (base.double(), other.double()),
    ):
        found = measure.compare(*given, targets)
        # Of float32 logits the difference itself has seven digits; of float64 ones more.
        tolerance = 1e-9 if given[0].dtype == torch.float64 else 3e-7
        np.testing.assert_allclose(found.kl.numpy(), expected, rtol=1e-4, atol=tolerance)
        loss = -other.double().log_softmax(-1)[torch.arange(37), targets]
        np.testing.assert_allclose(found.loss.numpy(), loss.numpy(), rtol=1e-6, atol=1e-6)
        assert torch.equal(measure.losses(given[1], targets), found.loss)
    assert expected.min() > 0
    cube = measure.kl_divergence(base.reshape(1, 37, 200), other.reshape(1, 37, 200))
    assert cube.shape == (1, 37) and cube.dtype == torch.float64


def test_kl_of_impossible_tokens():
    inf = math.inf
    base = torch.tensor([[0.0, 0.0, -inf], [0.0, 0.0, 0.0], [math.nan, 0.0, 0.0]])
    other = torch.tensor([[0.0, 0.0, -inf], [0.0, 0.0, -inf], [0.0, 0.0, 0.0]])
    both, only, broken = measure.kl_divergence(base, other).tolist()
    assert both == 0 and only == inf and math.isnan(broken)
    assert measure.kl_divergence(base[:2], base[:2].clone()).tolist() == [0, 0]
    assert measure.kl_divergence(base[:0], other[:0]).shape == (0,)


def test_a_model_is_at_exactly_nothing_from_itself(embedded):
    ids = embedded.tokenizer(TEXT)["input_ids"][:40]
    one = measure.log_probabilities(embedded.model, ids, 20)
    assert measure.kl_divergence(one, one).max() == measure.kl_divergence(one, one.clone()).max() == 0
