"""Reading the stream: batched as alone, whatever the padding; directions and separations against plain
computations.
"""

from __future__ import annotations

from unittest.mock import MagicMock

import pytest
import torch

from abliteration import activations, directions
from abliteration.ablate import live, together
from abliteration.architecture import inspect
from abliteration.edit import Edit
from abliteration.kernel import full
from abliteration.trees import trees as trees_of
from abliteration.xray import re_emergence, xray
from shared import talk
from shared.errors import VisitorError
from shared.models import twin
from shared.starts import begun
from tests.abliteration.conftest import FAMILIES, build, direction, logits, prompts

RUNS = prompts(5)
LEAD = prompts(1, seed=9)[0] * 3
WITHOUT = ("mistral", "gemma2", "gemma3_text", "lfm2")
"""Families that keep a window or a convolution's inputs: nothing is run once for all."""


def alone(model, anatomy, ids, last):
    """The stream at a prompt's last tokens, through hooks of this test's own on a run without padding."""
    watched, seen = twin(model), []
    for name in (*anatomy.blocks, anatomy.final):
        watched.get_submodule(name).register_forward_pre_hook(
            lambda module, inputs: seen.append(inputs[0][0, -last:].float())
        )
    logits(watched, ids)
    return torch.stack(seen)


@pytest.mark.parametrize("name", FAMILIES)
def test_batched_is_alone(tiny, name):
    """Also behind a start that all prompts share, which is run once."""
    model = tiny(name)
    anatomy = inspect(model)
    edited = live(model, anatomy, Edit("ablate", direction(3), full(3, 0.7)))
    for runs, asked in ((RUNS, model), ([LEAD + ids for ids in RUNS], edited)):
        *counts, found = activations.states(asked, anatomy, runs, 2)
        assert counts == [5] and found.shape == (4, 5, 2, 32) and found.dtype == torch.float32
        for index, ids in enumerate(runs):
            assert torch.allclose(found[:, index], alone(asked, anatomy, ids, 2), atol=1e-5, rtol=1e-4)
        log_p, streams = activations.first_tokens(asked, runs, anatomy)
        assert torch.allclose(streams, found[:, :, -1], atol=1e-5, rtol=1e-4)
        for index, ids in enumerate(runs):
            assert torch.allclose(log_p[index].double(), logits(asked, ids)[-1].log_softmax(-1), atol=1e-4)
    assert begun(edited, runs).tokens == (0 if name in WITHOUT else len(LEAD))
    assert not begun(model, RUNS).tokens and not begun(model, runs[:1]).tokens
    assert begun(model, [LEAD, LEAD], 3).tokens in (0, len(LEAD) - 3)


@pytest.mark.parametrize("name", [*FAMILIES, "olmoe"])
def test_several_edits_in_one_pass_are_each_alone(tiny, name):
    """Rows with an edit of their own, behind a start that all prompts share and without one; steps also from
    their block on, with what enters there taken from the untouched model.
    """
    model = tiny(name)
    anatomy = inspect(model)
    generator = torch.Generator().manual_seed(2)
    for runs in (RUNS, [LEAD + ids for ids in RUNS]):
        below = activations.belows(model, anatomy, runs, [0, 2, 2])
        for layer in (0, 2):
            steps = torch.randn(3, 32, generator=generator)
            added = [Edit("add", direction(3), full(3, 0.0), layer=layer, step=step) for step in steps]
            twins = [live(model, anatomy, edit) for edit in added]
            expected = [activations.first_tokens(one, runs, anatomy) for one in twins]
            many = together(model, anatomy, added)
            for given in (None, below[layer]):
                log_p, streams = activations.first_tokens(many, runs, anatomy, 3, given)
                first = layer if given else 0
                for number, (one_p, one_streams) in enumerate(expected):
                    own = slice(5 * number, 5 * number + 5)
                    assert torch.allclose(log_p[own], one_p, atol=1e-4)
                    assert torch.allclose(streams[first:, own], one_streams[first:], atol=1e-4, rtol=1e-4)
                assert streams[:first].isnan().all() and not torch.allclose(log_p[:5], log_p[5:10], atol=0.1)
        if anatomy.mixture:
            continue  # experts have no fitted edit
        reads = {
            write.module: torch.randn(
                model.get_submodule(write.module).weight.shape[not write.rows], generator=generator
            )
            / 20
            for write in anatomy.writes
            if write.part in ("attention", "mlp")
        }
        edits = [
            Edit("ablate", direction(3, seed=4), full(3, 0.7)),
            Edit("fitted", direction(3, seed=5), full(3, 1.0), reads=reads),
            Edit("ablate", direction(3, seed=6), full(3, 0.0)),
        ]
        log_p, _ = activations.first_tokens(together(model, anatomy, edits), runs, copies=3)
        for rows, edit in zip(log_p.chunk(3), edits, strict=True):
            own, _ = activations.first_tokens(live(model, anatomy, edit), runs)
            assert torch.allclose(rows, own, atol=1e-4)


FORKS = [[*LEAD, *RUNS[0][:5], *RUNS[index][:length]] for index, length in ((1, 4), (2, 6), (1, 4), (3, 1))]


@pytest.mark.parametrize("name", [*FAMILIES, "olmoe"])
def test_prompts_that_begin_alike_are_read_as_a_tree(tiny, name, monkeypatch):
    """And each is as if it were alone; with several edits, and from a block on."""
    monkeypatch.setattr(activations, "DEARER", 0.0)  # however little it saves
    monkeypatch.setattr(activations, "TREE", 14)
    model = tiny(name)
    anatomy, asked = inspect(model), [*FORKS, [*LEAD, *RUNS[4]]]
    below = activations.belows(model, anatomy, asked, [1])[1]
    steps = torch.randn(2, 32, generator=torch.Generator().manual_seed(6))
    edits = [Edit("add", direction(3), full(3, 0.0), layer=1, step=step) for step in steps]
    many = together(model, anatomy, edits)
    seen: list[tuple[int, ...]] = []
    many.base_model.register_forward_pre_hook(
        lambda _, inputs, kwargs: seen.append(tuple((inputs[0] if inputs else kwargs["input_ids"]).shape)),
        with_kwargs=True,
    )
    for given in (None, below):
        *_, read = activations.passes(many, asked, anatomy, 3, True, 2, given)
        log_p, streams = read.log_p, read.streams
        for number, edit in enumerate(edits):
            edited = live(model, anatomy, edit)
            for index, ids in enumerate(asked):
                row, expected = 5 * number + index, alone(edited, anatomy, ids, 3)
                first = 1 if given else 0
                assert torch.allclose(streams[first:, row], expected[first:], atol=1e-4, rtol=1e-4)
                plain = logits(edited, ids)[-1].log_softmax(-1)
                assert torch.allclose(log_p[row].double(), plain, atol=1e-4)
    trees = trees_of([ids[len(LEAD) :] for ids in asked], 14)
    assert sorted(index for tree in trees for index in tree.chosen) == [0, 1, 2, 3, 4] and len(trees) > 1
    assert sum(len(tree.ids) for tree in trees) < sum(len(ids) - len(LEAD) for ids in asked) - 10
    shapes = {(2, len(tree.ids)) for tree in trees}
    assert shapes <= set(seen) if name not in WITHOUT else not shapes <= set(seen)


@pytest.mark.parametrize("name", [*FAMILIES, "olmoe"])
def test_answers_go_on_from_what_was_read(tiny, name, monkeypatch):
    """As a tree and side by side: the tokens of answers that read the prompts again, and the prompts are not
    read again; nothing is kept where a family keeps something else, or where it is too much.
    """
    model, asked = tiny(name), [*FORKS, [*LEAD, *RUNS[4]]]
    anatomy, tokenizer = inspect(model), MagicMock(eos_token_id=None, pad_token_id=0)
    seen: list[int] = []
    asking = twin(model)
    asking.get_input_embeddings().register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1]))
    *_, expected = talk.answer_all(model, tokenizer, asked, 6)
    assert len({answer.ids for answer in expected}) > 1
    for dearer in (0.0, 1e9):
        monkeypatch.setattr(activations, "DEARER", dearer)
        *_, read = activations.passes(model, asked, anatomy, 3, keep=True)
        if name in WITHOUT:
            assert read.memories == ()
            continue
        seen.clear()
        *_, answers = talk.answer_all(asking, tokenizer, asked, 6, read.memories)
        assert answers == expected and set(seen) == {1}
    monkeypatch.setattr(activations, "KEPT_BYTES", 1_000)
    *_, read = activations.passes(model, asked, anatomy, 3, keep=True)
    assert read.memories == ()


def test_other_families_are_read_side_by_side(monkeypatch):
    """Forensics asks models that cannot be edited: Bloom makes its positions of the mask."""
    from transformers import BloomConfig, BloomForCausalLM

    monkeypatch.setattr(activations, "DEARER", 0.0)
    torch.manual_seed(0)
    config = BloomConfig(vocab_size=96, hidden_size=32, n_head=4, n_layer=2, initializer_range=0.3)
    model = BloomForCausalLM(config).eval()
    forks = [[*LEAD, first, *RUNS[3], last] for first in (5, 6) for last in range(5, 9)]
    found, _ = activations.first_tokens(model, forks)
    for row, ids in zip(found, forks, strict=True):
        assert torch.allclose(row, logits(model, ids)[-1].log_softmax(-1), atol=1e-4)


def test_what_enters_blocks_is_not_kept_where_it_is_too_much(tiny, monkeypatch):
    monkeypatch.setattr(activations, "KEPT_BYTES", 1_000)
    model = tiny("llama")
    assert not activations.belows(model, inspect(model), RUNS, [1])


def test_batches_hold_every_prompt_once_and_no_more_than_fits():
    rows = [[0] * length for length in (3, 9, 1, 30, 4, 4)]
    # 4 × 9 − 12 tokens of padding are more than 20 allow, 4 × 4 − 12 are not
    assert list(activations.batches(rows, 100, 20)) == [[2, 0, 4, 5], [1], [3]]
    found = list(activations.batches(rows, 12))
    assert sorted(index for chosen in found for index in chosen) == list(range(6))
    assert all(
        len(chosen) == 1 or len(chosen) * max(len(rows[index]) for index in chosen) <= 12 for chosen in found
    )


def test_activations_that_are_not_finite_are_named():
    model = build("llama")
    anatomy = inspect(model)
    model.get_submodule(anatomy.write("mlp", 1).module).weight[0, 0] = float("nan")
    with pytest.raises(VisitorError) as caught:
        list(activations.states(model, anatomy, RUNS, 1))
    assert "layer 2" in caught.value.what and caught.value.remedy


def test_a_planted_direction_is_found(tiny):
    """Two sets whose embeddings differ by one vector: the difference of means at the first layer is that
    vector.
    """
    model = build("llama")
    planted = direction(1)[0]
    half = 48
    with torch.no_grad():
        table = model.get_input_embeddings().weight
        table[half:] = table[:half] + 5 * planted
    sets = [[[token] for token in range(3, 40)], [[token + half] for token in range(3, 40)]]
    (*_, negative), (*_, positive) = (activations.states(model, inspect(model), side) for side in sets)
    found = directions.difference_of_means(positive, negative, ("",))
    assert float(found.direction(0)[0].double() @ planted) > 1 - 1e-6
    assert float(found.raw(0).norm()) == pytest.approx(5, rel=1e-5)
    separation = directions.separation(
        (positive[:, :, 0], negative[:, :, 0]), (positive[:, :, 0], negative[:, :, 0])
    )
    assert (
        separation.auc[0] > 0.95
        and separation.d_prime[0] > separation.random[0][2]
        and separation.cosine[0][0] == pytest.approx(1)
    )
    assert [(row["layer"], row["d_prime"], row["cosine"]) for row in separation.layers()] == list(
        zip(range(3), separation.d_prime, separation.cosine, strict=True)
    )


def test_projections():
    generator = torch.Generator().manual_seed(0)
    found = directions.Directions(
        torch.randn(4, 2, 8, generator=generator), torch.randn(4, 2, 8, generator=generator), ("a", "b")
    )
    plain, projected, both = (found.direction(2, -1, name) for name in ("plain", "projected", "biprojected"))
    assert all(torch.allclose(rows.norm(dim=-1), torch.ones(4)) for rows in (plain, projected, both))
    assert torch.allclose(plain[0], found.differences[2, 1] / found.differences[2, 1].norm())
    assert float((projected[0] @ found.means[2, 1]).abs()) < 1e-5 and torch.equal(projected[0], projected[3])
    assert float((both * found.means[:, 1]).sum(-1).abs().max()) < 1e-5 and torch.allclose(
        both[2], projected[2], atol=1e-6
    )


def test_sets_that_do_not_differ():
    same = torch.ones(3, 5, 1, 8)
    with pytest.raises(VisitorError):
        directions.difference_of_means(same, same, ("",))
    found = directions.Directions(torch.zeros(2, 1, 8), torch.ones(2, 1, 8), ("",))
    assert not found.differ(0)
    with pytest.raises(VisitorError) as caught:
        found.direction(0)
    assert "layer 0" in caught.value.what
    flat = directions.Directions(torch.ones(2, 1, 8), torch.ones(2, 1, 8), ("",))
    with pytest.raises(VisitorError):
        flat.direction(1, -1, "projected")


def test_separation_against_other_libraries():
    from scipy.stats import mannwhitneyu

    generator = torch.Generator().manual_seed(3)
    positive, negative = (
        torch.randn(9, generator=generator).round(decimals=1) + 0.5,
        torch.randn(14, generator=generator).round(decimals=1),
    )
    expected = mannwhitneyu(positive.numpy(), negative.numpy()).statistic / (9 * 14)
    assert float(directions.auc(positive, negative)) == pytest.approx(expected, abs=1e-6)
    spread = ((positive.numpy().var() + negative.numpy().var()) / 2) ** 0.5
    assert float(directions.d_prime(positive, negative)) == pytest.approx(
        float(positive.mean() - negative.mean()) / float(spread), rel=1e-5
    )


def test_the_plane_is_a_principal_component_analysis():
    generator = torch.Generator().manual_seed(1)
    positive, negative = torch.randn(6, 10, generator=generator) + 2, torch.randn(7, 10, generator=generator)
    found = directions.plane(positive, negative)
    points = torch.tensor(found["positive"] + found["negative"])
    both = torch.cat((positive, negative))
    values = torch.linalg.eigvalsh(torch.cov(both.T)).flip(0)
    assert torch.allclose(points.var(0), values[:2], rtol=1e-3)
    assert found["explained"] == pytest.approx((values[:2] / values.sum()).tolist(), rel=1e-3)
    assert points[:6, 0].mean() > points[6:, 0].mean()


def test_random_labels_are_the_null_of_two_equal_sets():
    """Where nothing parts the sets, the fitted direction lies within the ribbon of permuted labels."""
    generator = torch.Generator().manual_seed(5)
    draw = lambda: torch.randn(3, 40, 16, generator=generator)  # noqa: E731
    found = directions.separation((draw(), draw()), (draw(), draw()))
    assert all(
        low - 0.3 < value < high + 0.3
        for value, (low, _, high) in zip(found.d_prime, found.permuted, strict=True)
    )


def test_the_xray_and_the_re_emergence_read_the_stream(tiny):
    model = tiny("llama")
    anatomy = inspect(model)
    rows = direction(3)
    ray = xray(model, anatomy, rows, RUNS[2])
    expected = alone(model, anatomy, RUNS[2], len(RUNS[2])) @ rows[0].float()
    assert torch.allclose(ray, expected, atol=1e-4)
    assert (
        xray(live(model, anatomy, Edit("ablate", rows, full(3))), anatomy, rows, RUNS[2]).abs().max() < 1e-5
    )
    plain, *curves = re_emergence(model, anatomy, rows[0], RUNS, [0, 2])
    assert plain["layer"] is None and [curve["layer"] for curve in curves] == [0, 2]
    # the hook at a block's input acts before the block reads it: 0 there, and written again by what follows
    assert curves[0]["component"][0] == pytest.approx(0, abs=1e-5) and abs(curves[0]["component"][1]) > 1e-3
    assert curves[1]["component"][:2] == plain["component"][:2] and curves[1]["component"][
        2
    ] == pytest.approx(0, abs=1e-5)
