"""A mixture's gates are those that mergekit-moe writes, byte for byte, in every mode; its routing is what
transformers' own routers answer.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from merging import gates, mixture, programs, routing
from merging import recipe as recipes
from merging.check import check
from merging.mixture_request import MixtureRequest
from merging.report import Report
from merging.request import Request
from merging.run import finished, merge
from merging.sources import resolve
from merging.tensors import read_headers
from shared import models
from shared.errors import VisitorError
from tests import zoo

SEED = 7
REFERENCE = """
import json, logging, sys
logging.basicConfig(format="%(message)s")
from mergekit.scripts.moe import main
for name, path in json.loads(sys.argv[1]).items():
    print("##", name, file=sys.stderr)
    main.main([path, path + "-child", "--random-seed", "7"], standalone_mode=False)
"""
PROMPTS = (["the sea is wide"], ["a soup", "salt and a little bread for it"], ["two and two"])


def tuned(source: Path, target: Path, seed: int) -> str:
    """A model with a little noise in every weight, as a fine-tune is."""
    shutil.copytree(source, target)
    torch.manual_seed(seed)
    for path in target.glob("*.safetensors"):
        weights = {
            name: (weight.float() + 0.02 * torch.randn(weight.shape)).to(weight.dtype)
            for name, weight in load_file(path).items()
        }
        save_file(weights, path, {"format": "pt"})
    return str(target)


def without_window(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= {"use_sliding_window": False, "sliding_window": None}
    config["layer_types"] = ["full_attention"] * config["num_hidden_layers"]
    (folder / "config.json").write_text(json.dumps(config))


@pytest.fixture(scope="module")
def herd(tmp_path_factory) -> dict[str, dict[str, str]]:
    """By animal: its base, and three models tuned from it."""
    root = tmp_path_factory.mktemp("herd")
    found = {}
    for animal in ("mistral", "tinyllama", "qwen2", "qwen3"):
        base = root / animal
        shutil.copytree(zoo.folder(animal), base)
        if animal == "qwen2":
            without_window(base)
        found[animal] = {"base": str(base)} | {
            name: tuned(base, root / f"{animal}-{name}", seed) for seed, name in enumerate("abc", 1)
        }
    return found


def recipe_of(family: dict[str, str], mode: str = "hidden", **more: object) -> dict:
    experts = [
        {"source_model": family[name], "positive_prompts": list(prompts)}
        for name, prompts in zip("abc", PROMPTS, strict=True)
    ]
    experts[0]["negative_prompts"] = ["bread", "a very long walk over the hills"]
    return {"base_model": family["base"], "gate_mode": mode, "experts": experts, "dtype": "float32", **more}


@pytest.fixture(scope="module")
def written(herd, tmp_path_factory) -> dict[str, tuple[dict, Path, str]]:
    """Recipes, what mergekit's command made of each, and what it warned of."""
    shared = [{"source_model": herd["qwen2"]["base"], "positive_prompts": ["one", "many words"]}]
    made = {
        **{mode: recipe_of(herd["mistral"], mode) for mode in (*gates.MODES, "uniform_random")},
        "one": recipe_of(herd["mistral"], experts_per_token=1),
        "bfloat16": recipe_of(herd["tinyllama"], dtype="bfloat16"),
        "qwen2": recipe_of(herd["qwen2"], shared_experts=shared),
        "qwen2 random": recipe_of(herd["qwen2"], "random", shared_experts=shared),
        "qwen3": recipe_of(herd["qwen3"]),
    }
    folder = tmp_path_factory.mktemp("mixtures")
    paths = {}
    for name, recipe in made.items():
        path = folder / f"{name.replace(' ', '-')}.yml"
        path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
        paths[name] = str(path)
    ran = subprocess.run(
        [sys.executable, "-c", REFERENCE, json.dumps(paths)],
        check=True,
        timeout=400,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    said = dict(part.split("\n", 1) for part in ran.stderr.split("## ")[1:])
    return {name: (made[name], Path(f"{paths[name]}-child"), said[name]) for name in made}


NAMES = (*gates.MODES, "uniform_random", "one", "bfloat16", "qwen2", "qwen2 random", "qwen3")


def base_of(recipe: dict) -> models.Loaded:
    return models.open_folder(Path(recipe["base_model"]), "base", "r", "here", exact=True)


def gates_in(folder: Path) -> torch.Tensor:
    """The routers' weights in a mixture's files, a shared expert's after the others."""
    rows = []
    with safe_open(folder / "model.safetensors", "pt") as file:
        for layer in range(3):
            name = f"model.layers.{layer}.mlp."
            parts = [file.get_tensor(f"{name}gate.weight")]
            if f"{name}shared_expert_gate.weight" in file.keys():  # noqa: SIM118  a handle is no dict
                parts.append(file.get_tensor(f"{name}shared_expert_gate.weight"))
            rows.append(torch.cat(parts))
    return torch.stack(rows)


@pytest.mark.parametrize("name", NAMES)
def test_the_gates_are_mergekits_byte_for_byte(name, written):
    recipe, folder, said = written[name]
    found = gates.vectors(recipe, recipe["gate_mode"], base_of(recipe), SEED)
    theirs = gates_in(folder)
    assert torch.equal(found.to(theirs.dtype), theirs)
    shown = gates.likeness(recipe["gate_mode"], found)
    warned = re.search(r"(.*) (?:has|have) degenerate", said)
    layers = [] if not warned else list(range(3)) if "ALL" in warned[1] else re.findall(r"\d+", warned[1])
    assert shown["degenerate"] == [int(layer) for layer in layers]
    unit = torch.nn.functional.normalize(theirs.double(), dim=-1)
    for pair in shown["pairs"]:
        both = (unit[:, pair["first"]] * unit[:, pair["second"]]).sum(-1)
        assert pair["cosine"] == pytest.approx(both.tolist(), abs=5e-3 if name == "bfloat16" else 1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_the_plan_names_the_tensors_of_the_files(name, written):
    recipe, folder, _ = written[name]
    found = check(recipes.to_yaml(recipe))
    assert found.ok and found.plan.written == read_headers(folder), found.findings


def test_the_files_are_mergekits_byte_for_byte(written, tmp_path):
    recipe, folder, _ = written["hidden"]
    report = finished(merge(Request(recipes.to_yaml(recipe), SEED), tmp_path))
    name = "model.safetensors"
    assert report.kind == "mixture"
    assert (report.folder / name).read_bytes() == (folder / name).read_bytes()
    assert json.loads((report.folder / "config.json").read_text()) == json.loads(
        (folder / "config.json").read_text()
    )


IDS = [1, 5, 9, 30, 31, 77, 12]


@pytest.mark.parametrize("name", ["hidden", "one", "bfloat16", "qwen2", "qwen3"])
def test_the_routing_is_what_transformers_answers(name, written):
    recipe, folder, _ = written[name]
    child = models.open_folder(folder, "child", "r", "here", exact=True)
    found = routing.route(child.model, IDS)
    with torch.no_grad():
        theirs = child.model(torch.tensor([IDS]), output_router_logits=True).router_logits
    assert torch.equal(found.logits, torch.stack(theirs, 1))
    count = recipe.get("experts_per_token", 2)
    for token in range(len(IDS)):
        for layer in range(3):
            chances = [math.exp(float(value)) for value in found.logits[token, layer]]
            first = sorted(range(3), key=lambda expert: -chances[expert])[:count]
            total = sum(chances[expert] for expert in first)
            expected = [chances[expert] / total if expert in first else 0 for expert in range(3)]
            assert found.weights[token, layer].tolist() == pytest.approx(expected, abs=1e-5)
            assert found.taken[token, layer].tolist() == [expert in first for expert in range(3)]


@pytest.mark.parametrize("mode", ["cheap_embed", "random", "uniform_random"])
def test_other_gates_route_as_the_mixture_that_is_made_with_them(mode, written):
    recipe, folder, _ = written["hidden"]
    child = models.open_folder(folder, "child", "r", "here", exact=True)
    before = routing.route(child.model, IDS).logits
    vectors = gates.vectors(recipe, mode, base_of(recipe), SEED)
    found = routing.route(routing.with_gates(child.model, vectors, torch.float32), IDS)
    made = models.open_folder(written[mode][1], "child", "r", "here", exact=True)
    assert torch.equal(found.logits, routing.route(made.model, IDS).logits)
    assert torch.equal(routing.route(child.model, IDS).logits, before), "the shared model was changed"


def test_load_entropy_and_agreement_by_hand():
    logits = torch.tensor([[[0.0, 0.0], [2.0, -200.0]], [[1.0, 0.0], [0.0, 3.0]]])
    taken = torch.tensor([[[True, False], [True, False]], [[True, False], [False, True]]])
    assert routing.load(taken) == [[1.0, 0.0], [0.5, 0.5]]

    def nats(*chances: float) -> float:
        return -sum(chance * math.log(chance) for chance in chances)

    one, three = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(-3))
    expected = [(math.log(2) + nats(one, 1 - one)) / 2, nats(three, 1 - three) / 2]
    assert routing.entropy(logits) == pytest.approx(expected, abs=1e-4)
    assert routing.agreement(logits, logits.flip(-1)) == 0.25  # the tie goes to the first in both
    assert routing.agreement(logits, logits) == 1


def report_of(recipe: dict, folder: Path) -> Report:
    names = recipes.models_of(recipe)
    sources = {name: resolve(name, whole=True) for name in names}
    versions = {"mergekit": "0", "torch": "0", "transformers": "0"}
    text = recipes.to_yaml(recipe)
    return Report("mixture", folder, {}, {}, SEED, 1.0, 1, text, sources, (), versions)


@pytest.mark.parametrize("name", ["hidden", "qwen2"])
def test_the_figure_from_the_recipe_to_the_routing(name, written):
    recipe, folder, _ = written[name]
    request = MixtureRequest.parse(recipe=recipes.to_yaml(recipe), seed=SEED, texts=["the sea", "a soup"])
    found, figure = mixture.begun(request)
    assert list(found) == ["hidden", "cheap_embed", "random"] and figure["gates"]["routed"] == 3
    assert not figure["done"] and figure["progress"], "a figure without progress is taken for complete"
    assert len(figure["gates"]["experts"]) == (4 if name == "qwen2" else 3)
    *_, done = mixture.routed(request, figure, found, report_of(recipe, folder))
    assert done["done"] and done["skipped"] == [] and [one["mode"] for one in done["routed"]] == list(found)
    child = models.open_folder(folder, "child", "r", "here", exact=True)
    ids = child.tokenizer("the sea")["input_ids"]
    assert [token["of"] for token in done["tokens"]].count(0) == len(ids)
    own = done["routed"][0]
    expected = routing.route(child.model, ids).weights
    assert torch.tensor(own["weights"][: len(ids)]) == pytest.approx(expected, abs=6e-4)
    assert own["agreement"] == 1 and [row["expert"] for row in own["own"]] == [0, 1, 2]
    assert all(sum(row["load"]) == pytest.approx(1, abs=1e-3) for row in own["own"])
    assert json.dumps(done, allow_nan=False)


@pytest.mark.parametrize("form", ["plain", "chat"])
def test_the_program_prints_what_the_figure_shows(form, written, tmp_path, monkeypatch, capsys):
    recipe, folder, _ = written["one"]
    (tmp_path / "child").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    exec(programs.routing_program(["the sea", "a soup"], form), {})
    printed = [[int(one) for one in line.split()[-3:]] for line in capsys.readouterr().out.splitlines()]
    request = MixtureRequest.parse(
        recipe=recipes.to_yaml(recipe), seed=SEED, texts=["the sea", "a soup"], form=form
    )
    found, figure = mixture.begun(request)
    *_, done = mixture.routed(request, figure, found, report_of(recipe, folder))
    assert torch.tensor(done["routed"][0]["weights"]).argmax(-1).tolist() == printed


def test_a_mixture_that_transformers_cannot_run_is_said_and_warned_of(herd, tmp_path):
    """mergekit writes sliding layers without their window."""
    base = tmp_path / "sliding"
    shutil.copytree(zoo.folder("qwen2"), base)
    family = {"base": str(base), **{name: tuned(base, tmp_path / name, 1) for name in "abc"}}
    shared = [{"source_model": str(base), "positive_prompts": ["one"]}]
    recipe = recipe_of(family, shared_experts=shared)
    said = [finding.message for finding in check(recipes.to_yaml(recipe)).findings]
    assert any("sliding" in message for message in said)
    plain = recipe_of(herd["qwen2"], shared_experts=[{**shared[0], "source_model": herd["qwen2"]["base"]}])
    assert not any("sliding" in found.message for found in check(recipes.to_yaml(plain)).findings)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"experts": None, "merge_method": "linear", "models": []}, "has no experts"),
        ({"base_model": None}, "no base_model"),
        ({"experts_per_token": 9}, "at least as many"),
        ({"gate_mode": "hiden"}, "hiden"),
    ],
)
def test_what_is_no_mixture_is_refused(change, sentence, herd):
    recipe = {
        key: value for key, value in {**recipe_of(herd["mistral"]), **change}.items() if value is not None
    }
    with pytest.raises(VisitorError, match=sentence):
        mixture.gates_of(MixtureRequest.parse(recipe=recipes.to_yaml(recipe)))


def test_modes_without_prompts_are_left_out_and_named(herd):
    recipe = recipe_of(herd["mistral"], "random")
    for expert in recipe["experts"]:
        del expert["positive_prompts"]
    del recipe["experts"][0]["negative_prompts"]
    shown = mixture.gates_of(MixtureRequest.parse(recipe=recipes.to_yaml(recipe)))["gates"]
    assert [mode["mode"] for mode in shown["modes"]] == ["random"]
    assert [sentence.split(":")[0] for sentence in shown["skipped"]] == ["hidden", "cheap_embed"]


@pytest.mark.parametrize(
    ("prompts", "sentence"), [(["sea " * 300], "tokens"), (["sea"] * 2_049, "together"), ([""], "no token")]
)
def test_prompts_that_would_take_the_memory_are_refused(prompts, sentence, herd):
    recipe = recipe_of(herd["qwen3"])
    recipe["experts"][1]["positive_prompts"] = prompts
    with pytest.raises(VisitorError, match=sentence):
        gates.vectors(recipe, "hidden", base_of(recipe), SEED)


def test_a_base_that_overflows_is_refused(herd):
    recipe = recipe_of(herd["qwen3"])
    base = base_of(recipe)
    with torch.no_grad():
        base.model.get_input_embeddings().weight.fill_(math.nan)
    for mode in ("hidden", "cheap_embed"):
        with pytest.raises(VisitorError, match="not finite"):
            gates.vectors(recipe, mode, base, SEED)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"texts": []}, "no text to route"),
        ({"texts": ["word " * 99]}, "tokens"),
        ({"form": "poem"}, "form is"),
    ],
)
def test_texts_are_checked_before_anything_is_made(values, sentence, herd):
    recipe = recipes.to_yaml(recipe_of(herd["mistral"]))
    with pytest.raises(VisitorError, match=sentence):
        mixture.begun(MixtureRequest.parse(recipe=recipe, **values))


def test_a_link_gives_the_request_again(herd):
    request = MixtureRequest.parse(recipe="experts: []", seed=3, texts=["a", "b\n"], form="chat")
    assert MixtureRequest.from_query(request.to_query()) == request
