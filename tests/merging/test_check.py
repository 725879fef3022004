"""The check passes and fails as mergekit does, names the place, and downloads no weights."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from merging import recipe as recipes
from merging.check import check
from merging.presets import PRESETS
from tests.conftest import ROOT
from tests.shared.hub_server import HubServer, Repo

ALL = [0, 4]

RECIPES: dict[str, dict] = {
    # the shapes of mergekit's own examples, on tiny models
    "linear": {"merge_method": "linear", "models": [{"model": "a", "parameters": {"weight": 1.0}}, {"model": "b", "parameters": {"weight": 0.3}}], "dtype": "float16"},
    "gradient slerp": {
        "merge_method": "slerp", "base_model": "a", "dtype": "float16",
        "slices": [{"sources": [{"model": "a", "layer_range": ALL}, {"model": "b", "layer_range": ALL}]}],
        "parameters": {"t": [{"filter": "self_attn", "value": [0, 0.5, 0.3, 0.7, 1]}, {"filter": "mlp", "value": [1, 0.5, 0.7, 0.3, 0]}, {"value": 0.5}]},
    },
    "franken": {
        "merge_method": "passthrough", "dtype": "float16",
        "slices": [{"sources": [{"model": "a", "layer_range": [0, 3]}]}, {"sources": [{"model": "b", "layer_range": [1, 4]}]}],
    },
    "franken scaled": {
        "merge_method": "passthrough",
        "slices": [{"sources": [{"model": "a", "layer_range": [0, 2], "parameters": {"scale": [{"filter": "o_proj", "value": 0.0}, {"value": 1.0}]}}]}],
    },
    "ties": {
        "merge_method": "ties", "base_model": "base", "parameters": {"normalize": True, "int8_mask": True},
        "models": [{"model": "a", "parameters": {"density": [1, 0.7, 0.1], "weight": 1.0}}, {"model": "b", "parameters": {"density": 0.5, "weight": [0, 0.3, 0.7, 1]}},
                   {"model": "c", "parameters": {"density": 0.33, "weight": [{"filter": "mlp", "value": 0.5}, {"value": 0}]}}],
    },
    "nuslerp without base": {"merge_method": "nuslerp", "models": [{"model": "a", "parameters": {"weight": 1}}, {"model": "b", "parameters": {"weight": 2}}]},
    "model stock": {"merge_method": "model_stock", "base_model": "base", "models": [{"model": "a"}, {"model": "b"}]},
    "tokenizer words": {"merge_method": "linear", "models": [{"model": "a", "parameters": {"weight": 1}}, {"model": "a2", "parameters": {"weight": 1}}]},
    # and what goes wrong with them
    "no base": {"merge_method": "slerp", "models": [{"model": "a"}, {"model": "b"}], "parameters": {"t": 0.5}},
    "three for slerp": {"merge_method": "slerp", "base_model": "a", "models": [{"model": "a"}, {"model": "b"}, {"model": "c"}], "parameters": {"t": 0.5}},
    "no weight": {"merge_method": "linear", "models": [{"model": "a"}, {"model": "b"}]},
    "t missing": {"merge_method": "slerp", "base_model": "a", "models": [{"model": "a"}, {"model": "b"}]},
    "two of stock": {"merge_method": "model_stock", "base_model": "base", "models": [{"model": "a"}]},
    "hyphen": {"merge_method": "dare-ties", "base_model": "base", "models": [{"model": "a", "parameters": {"weight": 1}}]},
    "models and slices": {"merge_method": "linear", "models": [{"model": "a"}], "slices": [{"sources": [{"model": "a", "layer_range": ALL}]}]},
    "nothing": {"merge_method": "linear"},
    "uneven slices": {"merge_method": "slerp", "base_model": "a", "parameters": {"t": 0.5}, "slices": [{"sources": [{"model": "a", "layer_range": [0, 3]}, {"model": "b", "layer_range": [0, 4]}]}]},
    "architectures": {"merge_method": "linear", "models": [{"model": "a", "parameters": {"weight": 1}}, {"model": "gpt2", "parameters": {"weight": 1}}]},
    "text as number": {"merge_method": "slerp", "base_model": "a", "models": [{"model": "a"}, {"model": "b"}], "parameters": {"t": "much"}},
    "vocabularies": {"merge_method": "linear", "models": [{"model": "a", "parameters": {"weight": 1}}, {"model": "words", "parameters": {"weight": 1}}]},
    "too deep": {"merge_method": "passthrough", "slices": [{"sources": [{"model": "a", "layer_range": [2, 6]}]}]},
    "dtype": {"merge_method": "linear", "dtype": "bf16", "models": [{"model": "a", "parameters": {"weight": 1}}, {"model": "b", "parameters": {"weight": 1}}]},
    "twice": {"merge_method": "linear", "models": [{"model": "a", "parameters": {"weight": 1}}, {"model": "a", "parameters": {"weight": 1}}]},
}  # fmt: skip
SENTENCES = {
    "no base": ("base_model", "slerp needs base_model"),
    "three for slerp": ("models", "at most 2|exactly 2"),
    "no weight": ("parameters", "linear needs a weight"),
    "t missing": ("parameters", "slerp needs a t"),
    "two of stock": ("models", "at least 3"),
    "hyphen": ("merge_method", "no method “dare-ties”"),
    "models and slices": ("slices", "both models and slices"),
    "nothing": ("models", "neither models nor slices"),
    "uneven slices": ("slices", "different numbers of layers"),
    "architectures": ("", "different architectures"),
    "text as number": ("", "number"),
    "vocabularies": ("model.embed_tokens.weight", "vocabularies differ in size"),
    "too deep": ("slices[0].sources[0].layer_range", "layers 0 to 3"),
    "dtype": ("dtype", "dtype is “bf16”"),
    "twice": ("models", "twice"),
}

REFERENCE = """
import json, sys, shutil, logging, yaml
logging.disable(logging.CRITICAL)
from mergekit.scripts.run_yaml import main
found = {}
for name, path in json.loads(sys.argv[1]).items():
    from mergekit.io.tasks import LoaderCache
    LoaderCache().loaders.clear()
    try:
        main.main([path, path + "-child", "--random-seed", "0", "--quiet"], standalone_mode=False)
        found[name] = True
    except BaseException as error:
        found[name] = False
    shutil.rmtree(path + "-child", ignore_errors=True)
print("RESULT" + json.dumps(found))
"""


def filled(recipe: dict, family: dict[str, str]) -> str:
    """A recipe with the names of tiny models replaced by their folders."""
    copy = json.loads(json.dumps(recipe))
    for holder, key, _ in list(recipes.named(copy)):
        holder[key] = family.get(holder[key], family["b"] if holder[key] == "a2" else holder[key])
    return yaml.safe_dump(copy, sort_keys=False)


@pytest.fixture(scope="module")
def mergekit_says(family, tmp_path_factory) -> dict[str, bool]:
    """Which recipes the mergekit-yaml command merges."""
    folder = tmp_path_factory.mktemp("reference")
    paths = {}
    for number, (name, recipe) in enumerate(RECIPES.items()):
        path = folder / f"{number}.yml"
        path.write_text(filled(recipe, family), encoding="utf-8")
        paths[name] = str(path)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", REFERENCE, json.dumps(paths)], capture_output=True, text=True, timeout=300, env=environment
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    return json.loads(line.removeprefix("RESULT"))


@pytest.mark.parametrize("name", RECIPES)
def test_the_check_agrees_with_mergekit(name, family, mergekit_says):
    found = check(filled(RECIPES[name], family))
    assert found.ok == mergekit_says[name], (name, [str(item) for item in found.findings])
    if found.ok:
        assert found.cost and found.tensors
    else:
        where, sentence = SENTENCES[name]
        first = found.findings[0]
        assert first.where == where and first.fix, first
        import re

        assert re.search(sentence, first.message), first.message
        assert "/" not in first.message.replace(" / ", "") or "tmp" in first.message  # a visitor's own path at most


def test_what_mergekit_passes_over_is_an_error_here(family):
    recipe = json.loads(json.dumps(RECIPES["ties"]))
    recipe["models"][0]["parameters"]["densty"] = recipe["models"][0]["parameters"].pop("density")
    found = check(filled(recipe, family))
    assert [item.where for item in found.findings if item.level == "error"] == ["models[0].parameters.densty"]


@pytest.mark.parametrize("name", PRESETS)
def test_the_examples_can_run(name):
    found = check(PRESETS[name])
    assert found.ok, found.findings
    assert found.cost and found.cost.parameters >= 134_000_000
    assert json.dumps(found.to_json())


def test_depth_of_a_stack_and_its_size(family):
    found = check(filled(RECIPES["franken"], family))
    assert found.layers == 6 and found.tensors == 6 * 9 + 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("merge_method: linear\nmodels:\n- model: ../etc\n  parameters: {weight: 1}", "no folder|not a model id"),
        ("merge_method: linear\nmodels:\n- model: /etc\n  parameters: {weight: 1}", "holds no safetensors|path"),
        ("merge_method: linear\nmodels:\n- model: owner/none\n  parameters: {weight: 1}", "not on this machine"),
        ("merge_method: linear\nmodels:\n- model: pirate@a@b\n  parameters: {weight: 1}", "two revisions"),
        ("merge_method: linear\nmodels:\n- model: pirate+concise+cautious\n  parameters: {weight: 1}", "two adapters"),
        ("merge_method: linear\nmodels:\n- model: {path: /etc}\n  parameters: {weight: 1}", "names no model as text"),
        ("merge_method: linear\nmodels:\n" + "".join(f"- model: o/m{i}\n" for i in range(20)), "20 models"),
        ("merge_method: linear\nmodels:\n- model: <img src=x>\n  parameters: {weight: 1}", "not a model id"),
        ("base_model: pirate\nexperts:\n- source_model: cautious\n- source_model: concise\n  positive_prompts: [x]", "no positive prompts"),
        ("base_model: pirate\ngate_mode: magic\nexperts:\n- {source_model: cautious, positive_prompts: [a]}\n- {source_model: concise, positive_prompts: [x]}", "gate_mode"),
    ],
)  # fmt: skip
def test_bad_models_are_said(text, sentence):
    import re

    found = check(text)
    assert not found.ok and any(re.search(sentence, item.message) for item in found.findings), found.findings


def test_a_path_is_refused_in_a_space(monkeypatch, family):
    monkeypatch.setenv("SPACE_ID", "owner/space")
    found = check(filled(RECIPES["linear"], family))
    assert not found.ok and "is a path" in found.findings[0].message


REMOTE = """
import json, sys
from merging.check import check
print("RESULT" + json.dumps(check(sys.argv[1]).to_json()))
"""


def test_the_hub_is_asked_for_headers_and_not_for_weights(family, tmp_path):
    files = {name: {path.name: path.read_bytes() for path in Path(family[name]).iterdir()} for name in ("a", "b", "words")}
    large = {name: content for name, content in files["a"].items() if name != "model.safetensors"}
    hub = HubServer(
        {
            "tiny/a": Repo(files["a"], parameters=10_000),
            "tiny/b": Repo(files["b"], parameters=10_000),
            "tiny/words": Repo(files["words"], parameters=10_000),
            "tiny/pickled": Repo({**large, "pytorch_model.bin": b"x"}),
            "tiny/gated": Repo(files["a"], refuse=(403, "GatedRepo")),
        }
    )

    def ask(*names: str) -> dict:
        text = yaml.safe_dump({"merge_method": "linear", "models": [{"model": name, "parameters": {"weight": 1}} for name in names]})
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "spaces/merging")])
        done = subprocess.run([sys.executable, "-c", REMOTE, text], env=environment, capture_output=True, text=True, timeout=180)
        line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT")), None)
        assert line, done.stderr[-3000:]
        return json.loads(line.removeprefix("RESULT"))

    try:
        good = ask("tiny/a", "tiny/b")
        bad = ask("tiny/a", "tiny/words", "tiny/pickled", "tiny/gated", "tiny/none")
        sizes = ask("tiny/a", "tiny/words")
    finally:
        hub.stop()
    assert good["ok"], good["findings"]
    assert [model["here"] for model in good["models"]] == [False, False] and good["cost"]["download"] > 0
    assert good["models"][0]["revision"] == "0123456789abcdef0123456789abcdef01234567"
    said = " ".join(item["message"] for item in bad["findings"])
    assert "no safetensors" in said and "is gated" in said and "no public model" in said
    assert any("vocabularies differ" in item["message"] for item in sizes["findings"]) and not sizes["ok"]
    assert not (tmp_path / "home").exists() or not list((tmp_path / "home").rglob("*.safetensors"))


def test_a_damaged_file_is_said(family, tmp_path):
    shutil.copytree(family["a"], tmp_path / "broken")
    (tmp_path / "broken/model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0not json at all!")
    found = check(filled(RECIPES["linear"], {**family, "b": str(tmp_path / "broken")}))
    assert not found.ok and "no safetensors file" in found.findings[0].message
