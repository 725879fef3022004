"""The check passes and fails as mergekit does, names the place, and downloads no weights."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from merging import recipe as recipes
from merging.check import check
from merging.planner import Plan
from merging.presets import PRESETS
from shared.errors import VisitorError
from tests import zoo
from tests.conftest import ROOT
from tests.merging.conftest import headers_alone
from tests.shared.hub_server import HubServer, Repo, the_hub

ALL = [0, 4]

RECIPES: dict[str, dict] = {
    # the shapes of mergekit's own examples, on tiny models
    "linear": {
        "merge_method": "linear",
        "models": [
            {"model": "a", "parameters": {"weight": 1.0}},
            {"model": "b", "parameters": {"weight": 0.3}},
        ],
        "dtype": "float16",
    },
    "gradient slerp": {
        "merge_method": "slerp",
        "base_model": "a",
        "dtype": "float16",
        "slices": [{"sources": [{"model": "a", "layer_range": ALL}, {"model": "b", "layer_range": ALL}]}],
        "parameters": {
            "t": [
                {"filter": "self_attn", "value": [0, 0.5, 0.3, 0.7, 1]},
                {"filter": "mlp", "value": [1, 0.5, 0.7, 0.3, 0]},
                {"value": 0.5},
            ]
        },
    },
    "franken": {
        "merge_method": "passthrough",
        "dtype": "float16",
        "slices": [
            {"sources": [{"model": "a", "layer_range": [0, 3]}]},
            {"sources": [{"model": "b", "layer_range": [1, 4]}]},
        ],
    },
    "franken scaled": {
        "merge_method": "passthrough",
        "slices": [
            {
                "sources": [
                    {
                        "model": "a",
                        "layer_range": [0, 2],
                        "parameters": {"scale": [{"filter": "o_proj", "value": 0.0}, {"value": 1.0}]},
                    }
                ]
            }
        ],
    },
    "ties": {
        "merge_method": "ties",
        "base_model": "base",
        "parameters": {"normalize": True, "int8_mask": True},
        "models": [
            {"model": "a", "parameters": {"density": [1, 0.7, 0.1], "weight": 1.0}},
            {"model": "b", "parameters": {"density": 0.5, "weight": [0, 0.3, 0.7, 1]}},
            {
                "model": "c",
                "parameters": {"density": 0.33, "weight": [{"filter": "mlp", "value": 0.5}, {"value": 0}]},
            },
        ],
    },
    "nuslerp without base": {
        "merge_method": "nuslerp",
        "models": [{"model": "a", "parameters": {"weight": 1}}, {"model": "b", "parameters": {"weight": 2}}],
    },
    "model stock": {
        "merge_method": "model_stock",
        "base_model": "base",
        "models": [{"model": "a"}, {"model": "b"}],
    },
    "tokenizer words": {
        "merge_method": "linear",
        "models": [{"model": "a", "parameters": {"weight": 1}}, {"model": "a2", "parameters": {"weight": 1}}],
    },
    # and what goes wrong with them
    "no base": {
        "merge_method": "slerp",
        "models": [{"model": "a"}, {"model": "b"}],
        "parameters": {"t": 0.5},
    },
    "three for slerp": {
        "merge_method": "slerp",
        "base_model": "a",
        "models": [{"model": "a"}, {"model": "b"}, {"model": "c"}],
        "parameters": {"t": 0.5},
    },
    "no weight": {"merge_method": "linear", "models": [{"model": "a"}, {"model": "b"}]},
    "t missing": {"merge_method": "slerp", "base_model": "a", "models": [{"model": "a"}, {"model": "b"}]},
    "two of stock": {"merge_method": "model_stock", "base_model": "base", "models": [{"model": "a"}]},
    "hyphen": {
        "merge_method": "dare-ties",
        "base_model": "base",
        "models": [{"model": "a", "parameters": {"weight": 1}}],
    },
    "models and slices": {
        "merge_method": "linear",
        "models": [{"model": "a"}],
        "slices": [{"sources": [{"model": "a", "layer_range": ALL}]}],
    },
    "nothing": {"merge_method": "linear"},
    "uneven slices": {
        "merge_method": "slerp",
        "base_model": "a",
        "parameters": {"t": 0.5},
        "slices": [
            {"sources": [{"model": "a", "layer_range": [0, 3]}, {"model": "b", "layer_range": [0, 4]}]}
        ],
    },
    "architectures": {
        "merge_method": "linear",
        "models": [
            {"model": "a", "parameters": {"weight": 1}},
            {"model": "gpt2", "parameters": {"weight": 1}},
        ],
    },
    "text as number": {
        "merge_method": "slerp",
        "base_model": "a",
        "models": [{"model": "a"}, {"model": "b"}],
        "parameters": {"t": "much"},
    },
    "vocabularies": {
        "merge_method": "linear",
        "models": [
            {"model": "a", "parameters": {"weight": 1}},
            {"model": "words", "parameters": {"weight": 1}},
        ],
    },
    "too deep": {
        "merge_method": "passthrough",
        "slices": [{"sources": [{"model": "a", "layer_range": [2, 6]}]}],
    },
    "dtype": {
        "merge_method": "linear",
        "dtype": "bf16",
        "models": [{"model": "a", "parameters": {"weight": 1}}, {"model": "b", "parameters": {"weight": 1}}],
    },
    "twice": {
        "merge_method": "linear",
        "models": [{"model": "a", "parameters": {"weight": 1}}, {"model": "a", "parameters": {"weight": 1}}],
    },
}
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
        [sys.executable, "-c", REFERENCE, json.dumps(paths)],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    return json.loads(line.removeprefix("RESULT"))


@pytest.mark.parametrize("name", RECIPES)
def test_the_check_agrees_with_mergekit(name, family, mergekit_says):
    found = check(filled(RECIPES[name], family))
    assert found.ok == mergekit_says[name], (name, [str(item) for item in found.findings])
    if found.ok:
        assert found.cost and found.plan and found.plan.tensors
    else:
        where, sentence = SENTENCES[name]
        first = found.findings[0]
        assert first.where == where and first.fix, first
        assert re.search(sentence, first.message), first.message
    said = " ".join(f"{item.where} {item.message} {item.fix}" for item in found.findings)
    assert not re.search("check-|models/[0-9]-|lora-", said), "a visitor reads the recipe's own names"


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
    assert found.plan == Plan(6 * 9 + 2, 6)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("merge_method: linear\nmodels:\n- model: ~nouser/x\n  parameters: {weight: 1}", "no folder"),
        (
            "merge_method: linear\nmodels:\n- model: pirate@main\n  parameters: {weight: 1}",
            "revision of an expert",
        ),
        (
            "merge_method: linear\nmodels:\n- model: /" + "a" * 5000 + "\n  parameters: {weight: 1}",
            "no folder|not a model id",
        ),
        ("merge_method: [linear]\nmodels:\n- model: pirate\n", "no method"),
        ("merge_method: {}\nmodels:\n- model: pirate\n", "no method"),
        (
            "base_model: {model: {path: /etc}}\nexperts:\n- source_model: {model: {path: /etc}}\n"
            "  positive_prompts: [x]\n- source_model: {model: {path: /usr}}\n  positive_prompts: [y]",
            "names no model as text",
        ),
        (
            "merge_method: linear\nmodels:\n- model: ../etc\n  parameters: {weight: 1}",
            "no folder|not a model id",
        ),
        (
            "merge_method: linear\nmodels:\n- model: /etc\n  parameters: {weight: 1}",
            "holds no safetensors|path",
        ),
        (
            "merge_method: linear\nmodels:\n- model: owner/none\n  parameters: {weight: 1}",
            "not on this machine",
        ),
        ("merge_method: linear\nmodels:\n- model: pirate@a@b\n  parameters: {weight: 1}", "two revisions"),
        (
            "merge_method: linear\nmodels:\n- model: pirate+concise+cautious\n  parameters: {weight: 1}",
            "two adapters",
        ),
        (
            "merge_method: linear\nmodels:\n- model: {path: /etc}\n  parameters: {weight: 1}",
            "names no model as text",
        ),
        ("merge_method: linear\nmodels:\n" + "".join(f"- model: o/m{i}\n" for i in range(20)), "20 models"),
        ("merge_method: linear\nmodels:\n- model: <img src=x>\n  parameters: {weight: 1}", "not a model id"),
        (
            "base_model: pirate\nexperts:\n- source_model: cautious\n- source_model: concise\n"
            "  positive_prompts: [x]",
            "no positive prompts",
        ),
        (
            "base_model: pirate\ngate_mode: magic\nexperts:\n"
            "- {source_model: cautious, positive_prompts: [a]}\n"
            "- {source_model: concise, positive_prompts: [x]}",
            "gate_mode",
        ),
    ],
)
def test_bad_models_are_said(text, sentence):
    found = check(text)
    assert not found.ok and any(re.search(sentence, item.message) for item in found.findings), found.findings


ELSEWHERE = {
    "tokenizer_source": lambda model: {"tokenizer_source": model},
    "tokenizer.source": lambda model: {"tokenizer": {"source": model}},
    "tokenizer.tokens.x.source": lambda model: {
        "tokenizer": {"source": "base", "tokens": {"x": {"source": model}}}
    },
    "tokenizer.tokens.x.source.model": lambda model: {
        "tokenizer": {"tokens": {"x": {"source": {"kind": "model_token", "model": model, "token": "x"}}}}
    },
    "base_model": lambda model: {"base_model": model},
}


@pytest.mark.parametrize(
    "model",
    [
        {"model": {"path": "/etc"}},
        {"kind": "zero", "model": "x/y"},
        {"kind": "model_token", "model": "x/y", "lora": {"path": "/etc"}},
        ["x/y"],
        7,
    ],
)
@pytest.mark.parametrize("where", ELSEWHERE)
def test_a_model_is_named_as_text_wherever_mergekit_reads_one(where, model, family):
    recipe = {**RECIPES["linear"], **ELSEWHERE[where](model)}
    first = check(filled(recipe, family)).findings[0]
    assert first.where == where and "names no model as text" in first.message, first


def test_every_place_where_mergekit_reads_a_model_is_known(family):
    """What a future version reads beyond that is refused and not looked for on this machine."""
    from mergekit.config import MergeConfiguration

    from merging.planner import stray_model

    recipe = {
        "merge_method": "linear",
        "models": [{"model": "x/a", "parameters": {"weight": 1}}],
        "tokenizer_source": "x/b",
    }
    recipe["modules"] = None
    for key in ("base_model", "tokenizer_source"):
        named = {**recipe, key: "x/c"}
        assert stray_model(MergeConfiguration.model_validate(named), named) is None
        assert (
            stray_model(
                MergeConfiguration.model_validate({**named, key: {"model": {"path": "/etc"}}}),
                {**named, key: None},
            )
            is not None
        )


def test_zeros_and_tokens_of_models_are_taken(family):
    tokens = {
        "x": {"source": {"kind": "zero"}},
        "y": {"source": {"kind": "model_token", "model": "a", "token_id": 3}},
        "z": {"source": "b"},
    }
    recipe = {**RECIPES["linear"], "tokenizer": {"source": "base", "tokens": tokens}, "base_model": "base"}
    assert not [item for item in check(filled(recipe, family)).findings if "as text" in item.message]


VALUES = (
    None,
    True,
    3,
    -1.5,
    "x",
    "",
    [],
    ["linear"],
    {},
    {"model": "pirate"},
    [{}],
    [None],
    [[1]],
    {"a": {"b": [1]}},
    "2020-01-01",
    10**15,
)


@pytest.mark.parametrize("name", ["linear", "ties", "franken", "mixture"])
def test_values_of_wrong_types_are_findings(name, family):
    mixture = {
        "base_model": "base",
        "gate_mode": "random",
        "experts": [{"source_model": "a"}, {"source_model": "b"}],
        "shared_experts": None,
    }
    recipe = mixture if name == "mixture" else RECIPES[name]
    recipe = {
        **recipe,
        "dtype": "float32",
        "tokenizer": None,
        "tokenizer_source": None,
        "chat_template": None,
        "modules": None,
        "name": None,
    }
    for key in recipe:
        for value in VALUES:
            assert json.dumps(check(filled({**recipe, key: value}, family)).to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("weights", "shared", "sentence"),
    [
        (("nan", 1), {}, "weight is nan"),
        (("1e999", 1), {}, "weight is inf"),
        ((1e300, 1), {}, "weight is 1e"),
        ((1, -1), {}, "sum to 0"),
        (([0, 1], [0, -1]), {}, "sum to 0"),
        ((1, -1), {"normalize": False}, ""),
        ((1, -0.9), {}, ""),
    ],
)
def test_weights_that_give_no_numbers_are_errors(weights, shared, sentence, family):
    entries = [
        {"model": name, "parameters": {"weight": weight}} for name, weight in zip("ab", weights, strict=True)
    ]
    found = check(filled({"merge_method": "linear", "models": entries, "parameters": shared}, family))
    assert found.ok is not bool(sentence) and (found.ok or sentence in found.findings[0].message), (
        found.findings
    )


@pytest.mark.parametrize("inside", [False, True])
def test_a_stack_has_a_limit(inside, family, monkeypatch):
    from shared import limits

    slices = [{"sources": [{"model": "a", "layer_range": ALL}]}] * 200
    deep = {
        "merge_method": "passthrough",
        **({"modules": {"default": {"slices": slices}}} if inside else {"slices": slices}),
    }
    assert "800 layers" in check(filled(deep, family)).findings[0].message
    endless = {
        "merge_method": "passthrough",
        "modules": {"default": {"slices": [{"sources": [{"model": "a", "layer_range": [0, "999999999"]}]}]}},
    }
    assert not check(filled(endless, family)).ok
    monkeypatch.setitem(limits.MODEL_BYTES, "cpu", 40_000)
    assert "billion weights" in check(filled(RECIPES["franken"], family)).findings[0].message


def test_disks_are_asked_where_things_are_written(family, tmp_path, monkeypatch):
    import merging.costs as costs

    asked = []
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "not" / "yet"))
    monkeypatch.setattr(
        costs.shutil, "disk_usage", lambda path: asked.append(path) or usage._replace(free=1_000)
    )
    found = check(filled(RECIPES["linear"], family))
    assert "MB of disk" in found.findings[0].message and tmp_path in asked and found.cost.free == 1_000


def test_a_path_is_refused_in_a_space(monkeypatch, family):
    monkeypatch.setenv("SPACE_ID", "owner/space")
    found = check(filled(RECIPES["linear"], family))
    assert not found.ok and "is a path" in found.findings[0].message


REMOTE = """
import json, sys
from merging.check import check
from merging.planner import Plan
print("RESULT" + json.dumps(check(sys.argv[1]).to_json()))
"""


def test_the_hub_is_asked_for_headers_and_not_for_weights(family, tmp_path):
    files = {
        name: {path.name: path.read_bytes() for path in Path(family[name]).iterdir()}
        for name in ("a", "b", "words")
    }
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
        text = yaml.safe_dump(
            {
                "merge_method": "linear",
                "models": [{"model": name, "parameters": {"weight": 1}} for name in names],
            }
        )
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "spaces/merging")])
        done = subprocess.run(
            [sys.executable, "-c", REMOTE, text], env=environment, capture_output=True, text=True, timeout=180
        )
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


@pytest.fixture
def on_hub(family, tmp_path, monkeypatch):
    """A Hub on loopback for this process, with two models, the embedded one's name and an adapter."""
    from merging import sources

    files = {path.name: path.read_bytes() for path in Path(family["a"]).iterdir()}
    lora = {"adapter_config.json": b"{}", "adapter_model.safetensors": b"x" * 100}
    names = ("tiny/a", "tiny/b", "HuggingFaceTB/SmolLM2-135M-Instruct")
    repos = {**{name: Repo(files, parameters=10_000) for name in names}, "tiny/lora": Repo(lora)}
    monkeypatch.setattr(sources, "_remembered", {})
    with the_hub(repos, tmp_path / "cache") as server:
        yield server


def test_the_hub_is_asked_once_for_many_changes_of_a_recipe(on_hub):
    from merging import sources

    text = (
        "merge_method: linear\nmodels:\n- model: {}\n  parameters: {{weight: 1}}\n- model: tiny/b\n"
        "  parameters: {{weight: 1}}\n"
    )
    assert check(text.format("tiny/a")).ok
    asked = len(on_hub.requests)
    for _ in range(3):
        assert check(text.format("tiny/a")).ok and len(on_hub.requests) == asked
    sources._remembered.clear()  # five minutes later
    assert check(text.format("tiny/a")).ok and len(on_hub.requests) <= asked + 4, (
        "the headers of a commit are kept"
    )
    on_hub.requests.clear()
    found = check(text.format("tiny/a+tiny/lora"))
    assert found.ok and not [path for path in on_hub.requests if "adapter_model" in path], (
        "an adapter comes with the merge"
    )
    found = check(text.format("pirate"))
    assert found.ok and not found.sources["pirate"].here and found.cost.download > 0, (
        "neither does a check fetch an expert's base"
    )
    with pytest.raises(VisitorError, match="not on this machine"):
        sources.weights_of("pirate", whole=False)


def test_a_merge_of_any_size_is_checked_and_runs_elsewhere(on_hub):
    sizes = {"hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80, "vocab_size": 128_256}
    files = headers_alone(**sizes, num_attention_heads=64, num_key_value_heads=8)
    on_hub.repos |= {f"large/{name}": Repo(files, parameters=70_553_706_496) for name in "ab"}
    recipe = (
        "merge_method: linear\ndtype: bfloat16\nmodels:\n"
        "- model: large/a\n  parameters: {weight: 1}\n- model: large/b\n  parameters: {weight: %s}\n"
    )
    large = check(recipe % "1")
    errors = " ".join(item.message for item in large.findings if item.level == "error")
    assert not large.ok and "70.6 billion weights" in errors and large.plan == Plan(723, 80)
    assert large.cost.disk == 2 * 70_553_706_496
    assert "mergekit-yaml recipe.yml" in large.commands and "large/b" in large.commands
    wrong = check(recipe % "-1")
    assert "sum to 0" in wrong.findings[0].message and not wrong.commands


def test_weights_of_the_hub_that_are_not_whole_are_said(on_hub):
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 2, "vocab_size": 16}
    files = headers_alone(**sizes, num_attention_heads=2)
    last = "model-00002-of-00002.safetensors"
    on_hub.repos |= {
        "large/lacks": Repo({name: content for name, content in files.items() if name != last}, parameters=9),
        "large/cut": Repo({**files, last: bytes(files[last])}, parameters=9),
    }
    recipe = "merge_method: linear\nmodels:\n- model: large/%s\n  parameters: {weight: 1}\n"
    for name, said in (("lacks", f"names {last}"), ("cut", f"{last} of large/cut is cut off")):
        found = check(recipe % name)
        first = found.findings[0]
        assert not found.ok and first.where == "models[0].model" and said in first.message, first


def test_weights_of_a_folder_that_are_not_whole_are_said(tmp_path):
    shutil.copytree(zoo.folder("mistral"), tmp_path / "parent")
    files = sorted((tmp_path / "parent").glob("*.safetensors"))
    assert len(files) > 1, "a model in several files"
    text = f"merge_method: linear\nmodels:\n- model: {tmp_path / 'parent'}\n  parameters: {{weight: 1}}\n"
    assert check(text).ok
    content = files[1].read_bytes()
    for kept, said in (
        (content[:-3], "cut off"),
        (content + b"x", "too long"),
        (b"", "not a safetensors file"),
    ):
        files[1].write_bytes(kept)
        first = check(text).findings[0]
        assert f"{files[1].name} is {said}" in first.message and first.where == "models[0].model", first
    files[1].write_bytes(content)
    adapter = (
        shutil.copytree(ROOT / "shared/experts/pirate", tmp_path / "adapter") / "adapter_model.safetensors"
    )
    adapted = text.replace("/parent", f"/parent+{tmp_path / 'adapter'}")
    assert check(adapted).ok
    adapter.write_bytes(adapter.read_bytes()[:-1])
    assert "adapter_model.safetensors is cut off" in check(adapted).findings[0].message
    files[1].unlink()
    assert f"names {files[1].name}, which is not there" in check(text).findings[0].message


def test_a_damaged_file_is_said(family, tmp_path):
    shutil.copytree(family["a"], tmp_path / "broken")
    (tmp_path / "broken/model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0not json at all!")
    found = check(filled(RECIPES["linear"], {**family, "b": str(tmp_path / "broken")}))
    assert not found.ok and "not a safetensors file" in found.findings[0].message
