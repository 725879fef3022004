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
from merging.chat_space import files
from merging.comparison import Comparison
from merging.request import Request
from shared import models
from shared.errors import VisitorError
from shared.estimates import Share
from shared.rules import Said
from tests.merging.conftest import tensors

BASE = models.EMBEDDED_MODEL


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


def test_a_child_that_is_its_parent_has_no_divergence_from_it(embedded, monkeypatch):
    yes = [Said("Arr, yes.", True)]
    monkeypatch.setattr(comparison, "answers_of", lambda loaded, questions, tokens: yes * len(questions))
    monkeypatch.setattr(comparison, "_answers", type(comparison._answers)())
    models_compared = Comparison()
    base = models_compared.measure(BASE, "base", embedded)
    twin = models_compared.measure("child", "child", dataclasses.replace(embedded, id="child"))
    assert twin.kl[BASE].mean == pytest.approx(0, abs=1e-9) and twin.perplexity == base.perplexity
    assert base.shares["pirate"] == Share(20, 20) == base.shares["concise"] and base.kl == {}


def by_window(embedded, *others) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The sample text cut by hand, and each model's log-probabilities, (windows, scored, vocabulary),
    float64.
    """
    from shared.texts import sample

    ids = embedded.tokenizer(sample("evaluation"), add_special_tokens=False)["input_ids"]
    windows = torch.tensor(ids[: 4 * 256]).reshape(4, 256)
    with torch.inference_mode():
        logs = [
            torch.stack([model(row[None]).logits[0, 128:-1].double().log_softmax(-1) for row in windows])
            for model in (embedded.model, *others)
        ]
    return windows[:, 129:], logs


def test_perplexity_and_divergence_against_a_plain_computation(embedded, silent):
    """Their standard errors count windows, not tokens."""
    other = copy.deepcopy(embedded.model)
    with torch.no_grad():
        other.model.layers[3].mlp.down_proj.weight.mul_(1.3)
    models_compared = Comparison()
    models_compared.measure(BASE, "base", embedded)
    child = dataclasses.replace(embedded, model=other, id="child")
    result = models_compared.measure("child", "child", child)
    targets, (p, q) = by_window(embedded, other)
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


def test_a_planted_band_is_found_and_the_base_is_unchanged(embedded):
    """A parent that differs from the base in two layers' MLPs alone: they carry all of it, the others
    nothing.
    """
    other = copy.deepcopy(embedded.model)
    torch.manual_seed(0)
    with torch.no_grad():
        for layer in (13, 14):
            weight = other.model.layers[layer].mlp.down_proj.weight
            weight.add_(torch.randn_like(weight) * weight.std() * 0.4)
    parent = dataclasses.replace(embedded, model=other, id="planted")
    prompts = ["Why do dogs bark?", "What is a sonnet?"]
    answers = comparison.answers_of(parent, prompts, 12)
    before = {name: weight.clone() for name, weight in embedded.model.state_dict().items()}
    *_, found = carrying.carriers(embedded, parent, prompts, [said.text for said in answers])
    place = next(index for index, (first, last) in enumerate(found.bands) if first <= 13 <= last)
    assert found.bands[place] == (12, 14) and found.done
    assert found.share["MLP"][place] == pytest.approx(1, abs=1e-4)
    assert max(abs(value) for index, value in enumerate(found.share["MLP"]) if index != place) < 1e-6
    assert max(abs(value) for value in found.share["attention"]) < 1e-6
    assert all(torch.equal(weight, before[name]) for name, weight in embedded.model.state_dict().items())


def test_the_base_is_the_same_for_other_visitors_meanwhile(embedded, monkeypatch):
    ids = torch.tensor([[1, 504, 2132, 282]])
    real, seen = carrying.likelihood, []

    def forward(model):
        with torch.inference_mode():
            return model(ids).logits

    def likelihood(model, rows):
        seen.append((torch.equal(forward(embedded.model), before), torch.equal(forward(model), before)))
        return real(model, rows)

    before = forward(embedded.model)
    monkeypatch.setattr(carrying, "likelihood", likelihood)
    monkeypatch.setattr(carrying, "BANDS", 2)
    questions, answers = ["Why do dogs bark?"], ["Arr, they be happy."]
    steps = list(carrying.carriers(embedded, models.load("pirate"), questions, answers))
    assert len(steps) == 3 and seen == [(True, True)] + [(True, False)] * 5


def test_a_likelihood_in_a_batch_is_that_of_each_alone(embedded):
    questions = ["Hi", "What is a planet?"]
    rows = comparison.opening_rows(embedded, questions, ["Hello there.", "A world that goes around a star."])
    counts = [len(tokens) - start for tokens, start in rows]
    alone = []
    for tokens, start in rows:
        with torch.inference_mode():
            logs = embedded.model(torch.tensor([tokens])).logits[0].double().log_softmax(-1)
        alone.append(sum(float(logs[place - 1, tokens[place]]) for place in range(start, len(tokens))))
    assert carrying.likelihood(embedded.model, rows) == pytest.approx(sum(alone) / sum(counts), abs=1e-4)


def test_the_chat_space_compiles_and_names_its_model():
    made = files("owner/child")
    assert set(made) == {"README.md", "app.py", "requirements.txt"}
    compile(made["app.py"], "app.py", "exec")
    assert (
        '"owner/child"' in made["app.py"]
        and "sdk: gradio" in made["README.md"]
        and "torch" not in made["requirements.txt"]
    )
    for bad in ("child", "a/b/c", '"; import os #', "../x/y", ""):
        with pytest.raises(VisitorError, match="owner/name"):
            files(bad)


def test_the_chat_space_answers(embedded, tmp_path):
    """The generated files in a process of their own, away from the repository, with a local model in place of
    the pushed one.
    """
    from gradio_client import Client

    from tests.conftest import Server

    for name, text in files("owner/child").items():
        (tmp_path / name).write_text(text)
    script = (
        f"import os, runpy; os.chdir({str(tmp_path)!r}); os.environ['GRADIO_SERVER_PORT'] = "
        f"os.environ['PORT']; "
    )
    script += "runpy.run_path('app.py', run_name='__main__')"
    server = Server(["-c", script], {"MODEL": str(models.embedded_folder())})
    try:
        answer = Client(server.url, verbose=False).predict(
            "What is the capital of France? One word.", api_name="/chat"
        )
        assert "Paris" in str(answer)
    finally:
        server.stop()


def test_a_comparison_that_fails_leaves_the_merge(family, tmp_path, embedded, monkeypatch, silent):
    from merging import outcome
    from merging.run import finished, merge

    text = f"merge_method: linear\nmodels:\n- model: {family['a']}\n  parameters: {{weight: 1}}\n"
    report = finished(merge(Request(text), tmp_path))
    *_, last = outcome.compare(report, Request(text))
    assert last["done"] and last["models"] == [] and len(last["skipped"]) == 2
    assert "child could not be loaded" in last["skipped"][1]

    def refused(*_):
        raise VisitorError("No numbers.", "")

    monkeypatch.setattr(outcome, "load", lambda name, report: embedded)
    monkeypatch.setattr(models, "open_folder", lambda *_, **__: embedded)
    monkeypatch.setattr(outcome, "_layers", refused)
    *_, last = outcome.compare(report, Request(text))
    assert last["done"] and len(last["models"]) == 2 and last["skipped"] == ["No numbers."]


def test_a_model_without_answers_is_left_out_of_the_layers(family, tmp_path, embedded, monkeypatch, silent):
    from merging import outcome
    from merging.run import finished, merge

    recipe = f"base_model: {family['base']}\nmodels:\n- model: {family['a']}\n  parameters: {{weight: 1}}\n"
    text = f"merge_method: task_arithmetic\n{recipe}"
    report = finished(merge(Request(text), tmp_path))
    monkeypatch.setattr(outcome, "load", lambda name, report: dataclasses.replace(embedded, id=name))
    monkeypatch.setattr(models, "open_folder", lambda *_, **__: embedded)
    *_, last = outcome.compare(report, Request(text))
    assert last["atlas"]["parents"] == [family["a"]] and last["carriers"] == []
    assert last["skipped"] == [f"layers of {family['a']}: it gave no answers"]


def test_weights_that_give_no_numbers_are_said(embedded, silent):
    broken = copy.deepcopy(embedded.model)
    with torch.no_grad():
        broken.model.norm.weight.fill_(torch.nan)
    child = dataclasses.replace(embedded, model=broken, id="child")
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


def test_a_merge_with_everything_shown(tmp_path, monkeypatch):
    """The whole outcome on real experts, with few answers."""
    from merging import outcome
    from merging.card import model_card
    from merging.run import finished, merge

    monkeypatch.setattr(comparison, "EACH", 8)
    request = Request(presets.PRESETS[presets.FIRST], prompts=("Who are you?",))
    report = finished(merge(request, tmp_path))
    steps = list(outcome.compare(report, request))
    last = steps[-1]
    assert [model["role"] for model in last["models"]] == ["base", "parent", "parent", "child"]
    child = last["models"][-1]
    assert child["shares"]["refuses_cooking"]["count"] >= 2 and child["shares"]["pirate"]["count"] >= 2, (
        child["shares"]
    )
    by_name = {model["name"]: model for model in last["models"]}
    assert by_name["pirate"]["shares"]["pirate"]["count"] >= 7
    assert by_name["cautious"]["shares"]["refuses_cooking"]["count"] >= 7
    assert by_name[BASE]["shares"]["pirate"]["count"] == 0
    assert by_name[BASE]["shares"]["refuses_cooking"]["count"] == 0
    assert set(child["kl"]) == {BASE, "pirate", "cautious"}
    assert all(value["mean"] > 0 for value in child["kl"].values())
    assert len(child["answers"]) == 17
    assert [item["parent"] for item in last["carriers"]] == ["pirate", "cautious"]
    assert all(item["done"] for item in last["carriers"])
    assert last["atlas"]["parents"] == ["pirate", "cautious"]
    assert [step["progress"] is None for step in steps] == [False] * (len(steps) - 1) + [True]
    card = model_card(report, last)
    assert (
        "KL(pirate ‖ child)" in card and "base_model_relation: merge" in card and "4 windows of 256" in card
    )
