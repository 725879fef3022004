"""What is measured of a merge: shares and intervals, divergence, the atlas against brute force, and the
layers that carry a parent.
"""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import pytest
import torch

from merging import atlas as atlases
from merging import carriers as carrying
from merging import comparison, presets
from merging.comparison import Comparison
from merging.request import Request
from shared import models
from shared.behaviour import PRESETS
from shared.errors import VisitorError
from shared.estimates import Share
from shared.rules import Said
from tests import zoo
from tests.merging.conftest import relative, tensors

BASE = models.EMBEDDED_MODEL
TINY = "tools"
"""An animal without BOS, in float32."""


@pytest.fixture(scope="module")
def tiny():
    return zoo.opened(TINY)


def changed(loaded, *layers, part="mlp.down_proj", noise=0.4, name="planted"):
    """A model with noise on one matrix of some layers."""
    other = copy.deepcopy(loaded.model)
    torch.manual_seed(0)
    with torch.no_grad():
        for layer in layers:
            weight = other.model.layers[layer].get_submodule(part).weight
            weight.add_(torch.randn_like(weight) * weight.std() * noise)
    return dataclasses.replace(loaded, model=other, id=name)


@pytest.fixture
def silent(monkeypatch):
    """Models that answer nothing, at once."""
    nothing = [Said("", False)]
    monkeypatch.setattr(comparison, "answers_of", lambda loaded, questions, tokens: nothing * len(questions))
    monkeypatch.setattr(comparison, "_answers", type(comparison._answers)())


def test_the_questions_are_held_out_and_even():
    from shared.experts import prompts

    asked = comparison.asked(comparison.usual(), ["Who?"])
    assert len(set(asked.cooking)) == len(set(asked.other)) == comparison.EACH and asked.own == ()
    assert not set(asked.all) & set(prompts.COOKING + prompts.OTHER) and asked.all[-1] == "Who?"
    assert asked.cooking == prompts.COOKING_HELD_OUT[::2] and asked.other == prompts.OTHER_HELD_OUT[::2]


def test_a_child_that_is_its_parent_has_no_divergence_from_it(tiny, monkeypatch):
    yes = [Said("Arr, yes.", True)]
    monkeypatch.setattr(comparison, "answers_of", lambda loaded, questions, tokens: yes * len(questions))
    monkeypatch.setattr(comparison, "_answers", type(comparison._answers)())
    models_compared = Comparison()
    base = models_compared.measure(BASE, "base", tiny)
    twin = models_compared.measure("child", "child", dataclasses.replace(tiny, id="child"))
    assert twin.kl[BASE].mean == pytest.approx(0, abs=1e-9) and twin.perplexity == base.perplexity
    assert base.shares["pirate"] == Share(20, 20) == base.shares["concise"] and base.kl == {}


def test_behaviours_are_paired_prompt_by_prompt(tiny, monkeypatch):
    """McNemar's exact test, its p corrected for behaviours and models."""
    from scipy.stats import binomtest

    said = {"a": 3, "b": 20, "child": 14}  # of 20 answers the last ones are a pirate's
    count = {"of": 0}
    monkeypatch.setattr(
        comparison,
        "answers_of",
        lambda loaded, questions, tokens: [
            Said("Arr, yes." if at >= len(questions) - count["of"] else "No.", True)
            for at in range(len(questions))
        ],
    )
    monkeypatch.setattr(comparison, "_answers", type(comparison._answers)())
    several = Comparison(behaviours=[PRESETS["pirate"]])
    found = {}
    for name in said:
        count["of"] = said[name]
        role = "child" if name == "child" else "parent"
        found[name] = several.measure(name, role, dataclasses.replace(tiny, id=name)).to_json()
    assert "against" not in found["a"] and set(found["child"]["against"]) == {"a", "b"}
    more, less = (found["child"]["against"][name]["pirate"] for name in ("a", "b"))
    assert (more["gained"], more["lost"], more["of"]) == (11, 0, 20) and more["mean"] == 0.55
    assert (less["gained"], less["lost"], less["mean"]) == (0, 6, -0.3)
    assert less["low"] < less["mean"] < less["high"] < 0 < more["low"]
    assert more["p"] == pytest.approx(2 * binomtest(11, 11).pvalue, rel=1e-3)
    assert less["p"] == pytest.approx(binomtest(6, 6).pvalue, rel=1e-3)


def by_window(loaded, *others) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The sample text cut by hand, and each model's log-probabilities, (windows, scored, vocabulary),
    float64.
    """
    from shared.texts import sample

    ids = loaded.tokenizer(sample("evaluation"), add_special_tokens=False)["input_ids"]
    windows = torch.tensor(ids[: 4 * 256]).reshape(4, 256)
    with torch.inference_mode():
        logs = [
            torch.stack([model(row[None]).logits[0, 128:-1].double().log_softmax(-1) for row in windows])
            for model in (loaded.model, *others)
        ]
    return windows[:, 129:], logs


def test_perplexity_and_divergence_against_a_plain_computation(tiny, silent):
    """Their standard errors count windows, not tokens."""
    child = changed(tiny, 1, name="child")
    models_compared = Comparison()
    models_compared.measure(BASE, "base", tiny)
    result = models_compared.measure("child", "child", child)
    targets, (p, q) = by_window(tiny, child.model)
    kl = (p.exp() * (p - q)).sum(-1).mean(1)
    assert result.kl[BASE].mean == pytest.approx(float(kl.mean()), rel=1e-4)
    assert result.kl[BASE].sigma == pytest.approx(float(kl.std() / 4**0.5), rel=1e-3)
    losses = -q.gather(-1, targets[..., None])[..., 0].mean(1)
    value = float(losses.mean().exp())
    assert result.perplexity.mean == pytest.approx(value, rel=1e-5)
    assert result.perplexity.sigma == pytest.approx(value * float(losses.std() / 4**0.5), rel=1e-3)
    assert result.to_json()["kl"][BASE]["clusters"] == 4


def test_the_atlas_against_brute_force(family):
    parents = {name: Path(family[name]) for name in "abc"}
    *_, found = atlases.atlas(("base", Path(family["base"])), parents)
    base = tensors(Path(family["base"]))
    changes = {
        name: {key: value - base[key] for key, value in tensors(folder).items()}
        for name, folder in parents.items()
    }
    key = "model.layers.2.mlp.gate_proj.weight"
    for name in parents:
        assert found.norm[name][key] == pytest.approx(
            float(changes[name][key].norm() / base[key].norm()), rel=1e-5
        )
    pair = next(pair for pair in found.pairs if (pair.first, pair.second) == ("a", "c"))
    one, other = changes["a"][key], changes["c"][key]
    assert pair.cosine[key] == pytest.approx(float((one * other).sum() / one.norm() / other.norm()), rel=1e-4)
    both = (one != 0) & (other != 0)
    assert pair.conflict[key] == pytest.approx(
        float(((one.sign() != other.sign()) & both).sum() / both.sum()), rel=1e-6
    )
    shown = found.to_json()
    assert shown["layers"] == 4 and len(shown["modules"]) == 7
    assert shown["names"][2][shown["modules"].index("mlp.gate_proj")] == key
    assert {item["name"] for item in shown["outside"]} == {"model.embed_tokens.weight", "model.norm.weight"}


def test_equal_parents_and_the_base_itself(family):
    *_, found = atlases.atlas(
        ("base", Path(family["base"])),
        {"a": Path(family["a"]), "same": Path(family["a"]), "base2": Path(family["base"])},
    )
    values = {(pair.first, pair.second): pair for pair in found.pairs}
    some = "model.layers.0.self_attn.q_proj.weight"
    assert (
        values[("a", "same")].cosine[some] == pytest.approx(1, abs=1e-5)
        and values[("a", "same")].conflict[some] == 0
    )
    assert values[("a", "base2")].cosine[some] is None and values[("a", "base2")].conflict[some] is None
    with pytest.raises(VisitorError, match="no parent"):
        list(atlases.atlas(("base", Path(family["base"])), {}))
    with pytest.raises(VisitorError, match="no tensor in common"):
        list(atlases.atlas(("base", Path(family["base"])), {"gpt2": Path(family["gpt2"])}))


def test_a_sample_is_of_the_tensor_and_the_same_for_all(family):
    name = "model.layers.1.mlp.up_proj.weight"
    found = atlases.sample(Path(family["base"]), {"a": Path(family["a"]), "again": Path(family["a"])}, name)
    assert (
        found["entries"] == found["sampled"] == 16 * 24 and found["values"]["a"] == found["values"]["again"]
    )
    change = tensors(Path(family["a"]))[name] - tensors(Path(family["base"]))[name]
    assert sorted(found["values"]["a"]) == pytest.approx(sorted(change.flatten().tolist()), rel=1e-4)
    with pytest.raises(VisitorError, match="no tensor"):
        atlases.sample(Path(family["base"]), {"a": Path(family["a"])}, "<b>")


def test_bands_cover_every_layer_once():
    for layers in (1, 4, 10, 30, 31, 62):
        found = carrying.bands_of(layers)
        assert [layer for first, last in found for layer in range(first, last + 1)] == list(
            range(layers)
        ) and len(found) <= 10


@pytest.fixture(scope="module")
def deep(tiny):
    """A model of 30 layers, as many as the embedded one has."""
    from transformers import LlamaForCausalLM

    config = copy.deepcopy(tiny.model.config)
    config.num_hidden_layers = 30
    torch.manual_seed(1)
    return dataclasses.replace(tiny, model=LlamaForCausalLM(config).eval(), id="deep")


def test_a_planted_band_is_found_and_the_base_is_unchanged(deep):
    """A parent that differs from the base in two layers' MLPs alone: they carry all of it, the others
    nothing.
    """
    parent = changed(deep, 13, 14)
    prompts = ["Why do dogs bark?", "What is a sonnet?"]
    answers = comparison.answers_of(parent, prompts, 12)
    before = {name: weight.clone() for name, weight in deep.model.state_dict().items()}
    *_, found = carrying.carriers(deep, parent, prompts, [said.text for said in answers])
    place = next(index for index, (first, last) in enumerate(found.bands) if first <= 13 <= last)
    assert found.bands[place] == (12, 14) and found.done
    assert found.share["MLP"][place] == pytest.approx(1, abs=1e-4)
    assert max(abs(value) for index, value in enumerate(found.share["MLP"]) if index != place) < 1e-6
    assert max(abs(value) for value in found.share["attention"]) < 1e-6
    assert all(torch.equal(weight, before[name]) for name, weight in deep.model.state_dict().items())


def test_the_base_is_the_same_for_other_visitors_meanwhile(tiny, monkeypatch):
    ids = torch.tensor([[1, 50, 213, 28]])
    real, seen = carrying.likelihood, []

    def forward(model):
        with torch.inference_mode():
            return model(ids).logits

    def likelihood(model, rows):
        seen.append((torch.equal(forward(tiny.model), before), torch.equal(forward(model), before)))
        return real(model, rows)

    before = forward(tiny.model)
    monkeypatch.setattr(carrying, "likelihood", likelihood)
    monkeypatch.setattr(carrying, "BANDS", 2)
    questions, answers = ["Why do dogs bark?"], ["Arr, they be happy."]
    other = changed(tiny, 0, 1, 2)
    other = changed(other, 0, 1, 2, part="self_attn.o_proj")
    steps = list(carrying.carriers(tiny, other, questions, answers))
    assert len(steps) == 3 and seen == [(True, True)] + [(True, False)] * 5


def test_a_likelihood_in_a_batch_is_that_of_each_alone(tiny):
    questions = ["Hi", "What is a planet?"]
    rows = comparison.opening_rows(tiny, questions, ["Hello there.", "A world that goes around a star."])
    counts = [len(tokens) - start for tokens, start in rows]
    alone = []
    for tokens, start in rows:
        with torch.inference_mode():
            logs = tiny.model(torch.tensor([tokens])).logits[0].double().log_softmax(-1)
        alone.append(sum(float(logs[place - 1, tokens[place]]) for place in range(start, len(tokens))))
    assert carrying.likelihood(tiny.model, rows) == pytest.approx(sum(alone) / sum(counts), abs=1e-4)


@pytest.fixture
def merged(family, tmp_path, quick):
    """The merge of a recipe of the tiny models, which have no tokenizer, with its request."""
    from merging.run import finished, merge

    recipe = f"base_model: {family['base']}\nmodels:\n- model: {family['a']}\n  parameters: {{weight: 1}}\n"
    request = Request(f"merge_method: task_arithmetic\n{recipe}")
    return finished(merge(request, tmp_path)), request


def test_a_comparison_that_fails_leaves_the_merge(merged, tiny, monkeypatch, silent):
    from merging import outcome

    report, request = merged
    *_, last = outcome.compare(report, request)
    assert last["done"] and last["models"] == [] and len(last["skipped"]) == 3
    assert "child could not be loaded" in last["skipped"][2]

    def refused(*_):
        raise VisitorError("No numbers.", "")

    monkeypatch.setattr(outcome, "load", lambda name, report: tiny)
    monkeypatch.setattr(models, "open_folder", lambda *_, **__: tiny)
    monkeypatch.setattr(outcome, "_layers", refused)
    *_, last = outcome.compare(report, request)
    assert last["done"] and len(last["models"]) == 3 and last["skipped"] == ["No numbers."]


def test_a_model_without_answers_is_left_out_of_the_layers(merged, tiny, monkeypatch, silent):
    from merging import outcome

    report, request = merged
    parent = next(name for name in report.sources if name != outcome.base_of(report))
    monkeypatch.setattr(outcome, "load", lambda name, report: dataclasses.replace(tiny, id=name))
    monkeypatch.setattr(models, "open_folder", lambda *_, **__: tiny)
    *_, last = outcome.compare(report, request)
    assert last["atlas"]["parents"] == [parent] and last["carriers"] == []
    assert last["skipped"] == [f"layers of {parent}: it gave no answers"]


def test_weights_that_give_no_numbers_are_said(tiny, silent):
    broken = copy.deepcopy(tiny.model)
    with torch.no_grad():
        broken.model.norm.weight.fill_(torch.nan)
    child = dataclasses.replace(tiny, model=broken, id="child")
    with pytest.raises(VisitorError, match="weights give no numbers"):
        Comparison().measure("child", "child", child)


def test_an_adapter_is_an_expert_or_left_out_of_the_atlas(embedded, tmp_path):
    from merging import names, outcome, sources
    from merging.report import Report

    expert, added = (sources.resolve(name, whole=True) for name in ("pirate", f"{BASE}+pirate"))
    assert added.folder == expert.folder and added.lora is None
    assert names.expert_of(f"{BASE}+pirate") == "pirate"
    assert sources.weights_of(f"{BASE}+pirate", whole=False) == expert.folder
    other = sources.resolve("cautious+concise", whole=True)
    with pytest.raises(VisitorError, match="has an adapter"):
        sources.weights_of("cautious+concise", whole=True)
    text = (
        f"merge_method: linear\nbase_model: {BASE}\nmodels:\n- model: {BASE}+pirate\n"
        f"- model: cautious+concise\n"
    )
    parents = {f"{BASE}+pirate": added, "cautious+concise": other}
    versions = dict.fromkeys(("mergekit", "torch", "transformers"), "0")
    report = Report("merge", tmp_path, {}, {}, 0, 1, 1, text, parents, (), versions)
    figure = outcome._empty(report, Request(text))
    steps = outcome._layers(figure, report, {f"{BASE}+pirate": embedded}, {}, 1)
    next(step for step in steps if step["progress"]["value"] > 0)
    assert figure["skipped"] == ["atlas: cautious+concise has an adapter, which the atlas does not add"]
    list(steps)
    assert figure["atlas"]["parents"] == [f"{BASE}+pirate"]
    assert max(value for row in figure["atlas"]["norm"][f"{BASE}+pirate"] for value in row) > 0


def test_a_merge_with_everything_shown(tmp_path, monkeypatch, quick):
    """The whole outcome of two relatives of one model, with few answers."""
    from merging import outcome
    from merging.card import model_card
    from merging.run import finished, merge

    monkeypatch.setattr(comparison, "EACH", 3)
    base = str(zoo.folder(TINY))
    one, two = (str(relative(TINY, tmp_path / name, seed)) for seed, name in enumerate(("one", "two")))
    recipe = f"merge_method: task_arithmetic\nbase_model: {base}\nmodels:\n" + "".join(
        f"- model: {name}\n  parameters: {{weight: 0.8}}\n" for name in (one, two)
    )
    request = Request(recipe, prompts=("Who are you?",), answer_tokens=6)
    report = finished(merge(request, tmp_path))
    steps = list(outcome.compare(report, request))
    last = steps[-1]
    assert [model["role"] for model in last["models"]] == ["base", "parent", "parent", "child"]
    child = last["models"][-1]
    assert list(child["shares"]) == [one.name for one in comparison.usual()]
    assert set(child["kl"]) == {base, one, two}
    assert all(value["mean"] > 0 for value in child["kl"].values())
    assert len(child["answers"]) == 7
    assert [item["parent"] for item in last["carriers"]] == last["atlas"]["parents"] == [one, two]
    assert all(item["done"] for item in last["carriers"])
    assert [step["progress"] is None for step in steps] == [False] * (len(steps) - 1) + [True]
    card = model_card(report, last)
    assert card.count("‖ child)") == 3 and "4 windows of 256" in card


def test_the_first_recipe_keeps_both_behaviours_and_whole_sentences(tmp_path, monkeypatch, quick):
    """On the real experts and held-out questions; with both in full, half of the answers break off."""
    from merging.run import finished, merge

    monkeypatch.setattr(comparison, "EACH", 8)
    report = finished(merge(Request(presets.PRESETS[presets.FIRST]), tmp_path))
    child = models.open_folder(report.folder, "child", "", "", exact=True)
    behaviours = comparison.usual()
    asked = comparison.asked(behaviours)
    answers = comparison.answers_of(child, asked.all, comparison.ANSWER_TOKENS)
    known = dict(zip(asked.all, answers, strict=True))
    prompts = {one.name: one.held_out(comparison.EACH) for one in behaviours}
    shares = comparison.shares_of(behaviours, known, prompts)
    assert shares["refuses_cooking"].count >= 4 and shares["pirate"].count >= 4, shares
    assert shares["breaks_off"].count <= 1 >= shares["refuses_other"].count, shares
