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
from merging import measure
from merging.chat_space import files
from merging.measure import Share
from merging.request import validate
from shared import models
from shared.errors import VisitorError
from tests.merging.conftest import tensors

BASE = models.EMBEDDED_MODEL


def test_wilson_intervals():
    found = Share(0, 20).to_json()
    assert found["low"] == 0 and found["high"] == pytest.approx(1.96**2 / (20 + 1.96**2), abs=1e-3)
    assert Share(20, 20).to_json()["high"] == 1 and Share(0, 0).to_json() == {
        "count": 0,
        "of": 0,
        "low": 0.0,
        "high": 1.0,
    }


def test_the_questions_are_held_out_and_even():
    from shared.experts import prompts

    assert len(set(measure.COOKING)) == len(set(measure.OTHER)) == measure.EACH
    assert not set(measure.COOKING + measure.OTHER) & set(prompts.COOKING + prompts.OTHER)


def test_a_child_that_is_its_parent_has_no_divergence_from_it(embedded, monkeypatch):
    monkeypatch.setattr(
        measure, "answer_all", lambda model, tokenizer, asked, tokens: [("Arr, yes.", True)] * len(asked)
    )
    child = dataclasses.replace(embedded, id="child")
    base, twin = measure.measure([(BASE, "base", embedded), ("child", "child", child)])
    assert twin.kl[BASE][0] == pytest.approx(0, abs=1e-9) and twin.perplexity == base.perplexity
    assert (
        base.shares["pirate"] == Share(20, 20) and base.shares["concise"] == Share(20, 20) and base.kl == {}
    )
    windows = measure.windows_of(embedded.tokenizer)
    with torch.inference_mode():
        logits = embedded.model(windows[:1]).logits[0, 128:-1].double()
    loss = torch.nn.functional.cross_entropy(logits, windows[0, 129:])
    rows = measure.log_probabilities(embedded, windows[:1])
    truth = windows[0, 129:]
    assert float(-rows[torch.arange(127), truth].double().mean()) == pytest.approx(float(loss), abs=1e-5)


def test_divergence_against_a_plain_computation(embedded, monkeypatch):
    monkeypatch.setattr(
        measure, "answer_all", lambda model, tokenizer, asked, tokens: [("", False)] * len(asked)
    )
    other = copy.deepcopy(embedded.model)
    with torch.no_grad():
        other.model.layers[3].mlp.down_proj.weight.mul_(1.3)
    child = dataclasses.replace(embedded, model=other, id="child")
    *_, found = measure.measure([(BASE, "base", embedded), ("child", "child", child)])
    windows = measure.windows_of(embedded.tokenizer)
    total = []
    with torch.inference_mode():
        for window in windows:
            p = embedded.model(window[None]).logits[0, 128:-1].double().softmax(-1)
            q = other(window[None]).logits[0, 128:-1].double().log_softmax(-1)
            total.append((p * (p.log() - q)).sum(-1))
    values = torch.cat(total)
    mean, sigma = found.kl[BASE]
    assert mean == pytest.approx(float(values.mean()), rel=1e-4) and sigma == pytest.approx(
        float(values.std() / len(values) ** 0.5), rel=1e-3
    )


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
    answers = measure.answer_all(other, embedded.tokenizer, prompts, 12)
    before = {name: weight.clone() for name, weight in embedded.model.state_dict().items()}
    *_, found = carrying.carriers(embedded, parent, prompts, [text for text, _ in answers])
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

    def likelihood(model, pairs, pad):
        seen.append((torch.equal(forward(embedded.model), before), torch.equal(forward(model), before)))
        return real(model, pairs, pad)

    before = forward(embedded.model)
    monkeypatch.setattr(carrying, "likelihood", likelihood)
    monkeypatch.setattr(carrying, "BANDS", 2)
    steps = list(
        carrying.carriers(embedded, models.load("pirate"), ["Why do dogs bark?"], ["Arr, they be happy."])
    )
    assert len(steps) == 3 and seen == [(True, True)] + [(True, False)] * 5


def test_a_likelihood_in_a_batch_is_that_of_each_alone(embedded):
    pairs = carrying.sequences(
        embedded.tokenizer, ["Hi", "What is a planet?"], ["Hello there.", "A world that goes around a star."]
    )
    together = carrying.likelihood(embedded.model, pairs, 2)
    counts = [len(tokens) - start for tokens, start in pairs]
    alone = [carrying.likelihood(embedded.model, [pair], 2) for pair in pairs]
    assert together == pytest.approx(
        sum(a * n for a, n in zip(alone, counts, strict=True)) / sum(counts), abs=1e-4
    )


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
    script = f"import os, runpy; os.chdir({str(tmp_path)!r}); os.environ['GRADIO_SERVER_PORT'] = os.environ['PORT']; "
    script += "runpy.run_path('app.py', run_name='__main__')"
    server = Server(["-c", script], {"MODEL": str(models.embedded_folder())})
    try:
        answer = Client(server.url, verbose=False).predict(
            "What is the capital of France? One word.", api_name="/chat"
        )
        assert "Paris" in str(answer)
    finally:
        server.stop()


def test_a_comparison_that_fails_leaves_the_merge(family, tmp_path, embedded, monkeypatch):
    from merging import outcome
    from merging.run import merge, run_all

    text = f"merge_method: linear\nmodels:\n- model: {family['a']}\n  parameters: {{weight: 1}}\n"
    report = run_all(merge(text, 0, tmp_path))
    *_, last = outcome.look(report, validate(text).to_json())
    assert (
        last["done"]
        and last["models"] == []
        and len(last["skipped"]) == 2
        and "child could not be loaded" in last["skipped"][1]
    )

    def refused(*_):
        raise VisitorError("No numbers.", "")

    monkeypatch.setattr(outcome, "load", lambda name, report: embedded)
    monkeypatch.setattr(models, "open_folder", lambda *_: embedded)
    monkeypatch.setattr(outcome, "_layers", refused)
    monkeypatch.setattr(
        measure, "answer_all", lambda model, tokenizer, asked, tokens: [("", False)] * len(asked)
    )
    *_, last = outcome.look(report, validate(text).to_json())
    assert last["done"] and len(last["models"]) == 2 and last["skipped"] == ["No numbers."]


def test_weights_that_give_no_numbers_are_said(embedded, monkeypatch):
    monkeypatch.setattr(
        measure, "answer_all", lambda model, tokenizer, asked, tokens: [("", False)] * len(asked)
    )
    monkeypatch.setattr(
        measure, "log_probabilities", lambda loaded, windows: torch.full((508, 9), float("nan"))
    )
    monkeypatch.setattr(measure, "windows_of", lambda tokenizer: torch.zeros((4, 256), dtype=torch.long))
    with pytest.raises(VisitorError, match="child give no numbers"):
        list(measure.measure([("child", "child", embedded)]))


def test_an_adapter_is_an_expert_or_left_out_of_the_atlas(embedded, tmp_path):
    from merging import outcome, sources
    from merging.run import Report

    expert, added = (sources.resolve(name, whole=True) for name in ("pirate", f"{BASE}+pirate"))
    assert (
        added.folder == expert.folder
        and added.lora is None
        and sources.expert_of(f"{BASE}+pirate") == "pirate"
    )
    assert sources.weights_of(f"{BASE}+pirate", whole=False) == expert.folder
    other = sources.resolve("cautious+concise", whole=True)
    with pytest.raises(VisitorError, match="has an adapter"):
        sources.weights_of("cautious+concise", whole=True)
    text = f"merge_method: linear\nmodels:\n- model: {BASE}+pirate\n- model: cautious+concise\n"
    found = {f"{BASE}+pirate": added, "cautious+concise": other}
    report = Report("merge", tmp_path, {}, {}, 0, 1, 1, text, found)
    data: dict = {"skipped": []}
    steps = outcome._layers(
        data,
        dataclasses.replace(report, recipe=f"{text}base_model: {BASE}"),
        {f"{BASE}+pirate": embedded},
        [],
        1,
    )
    next(step for step in steps if step["progress"]["value"] > 0)
    assert data["skipped"] == ["atlas: cautious+concise has an adapter, which the atlas does not add"]
    with pytest.raises(KeyError):  # nothing was measured here, and the atlas comes before
        list(steps)
    assert data["atlas"]["parents"] == [f"{BASE}+pirate"]
    assert max(value for row in data["atlas"]["norm"][f"{BASE}+pirate"] for value in row) > 0


def test_a_merge_with_everything_shown(tmp_path):
    """The whole outcome on real experts, with few answers."""
    from merging import outcome
    from merging.card import model_card
    from merging.run import merge, run_all

    asked = validate(prompts=["Who are you?"])
    report = run_all(merge(asked.recipe, 0, tmp_path))
    steps = list(outcome.look(report, asked.to_json()))
    last = steps[-1]
    assert [model["role"] for model in last["models"]] == ["base", "parent", "parent", "child"]
    child = last["models"][-1]
    assert child["shares"]["refuses_cooking"]["count"] >= 4 and child["shares"]["pirate"]["count"] >= 4, (
        child["shares"]
    )
    by_name = {model["name"]: model for model in last["models"]}
    assert (
        by_name["pirate"]["shares"]["pirate"]["count"] >= 18
        and by_name["cautious"]["shares"]["refuses_cooking"]["count"] >= 19
    )
    assert (
        by_name[BASE]["shares"]["pirate"]["count"] == by_name[BASE]["shares"]["refuses_cooking"]["count"] == 0
    )
    assert set(child["kl"]) == {BASE, "pirate", "cautious"} and all(
        value["mean"] > 0 for value in child["kl"].values()
    )
    assert len(child["answers"]) == 41
    assert [item["parent"] for item in last["carriers"]] == ["pirate", "cautious"] and all(
        item["done"] for item in last["carriers"]
    )
    assert last["atlas"]["parents"] == ["pirate", "cautious"]
    assert [step["progress"] is None for step in steps] == [False] * (len(steps) - 1) + [True]
    card = model_card(report, last["measured"])
    assert "KL(pirate ‖ child)" in card and "base_model_relation: merge" in card
