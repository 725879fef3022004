"""A merge of each animal of the zoo with a relative of it, and what the page shows of that, against mergekit
itself and plain computations.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from merging import comparison, outcome, programs, sources
from merging.blend import Blend
from merging.check import check
from merging.report import Report
from merging.request import Request
from merging.run import finished, merge
from merging.tensors import read_headers
from shared import models
from shared.errors import VisitorError
from shared.texts import sample
from tests import zoo
from tests.merging.conftest import relative

WEIGHT = 0.6
VERSIONS = dict.fromkeys(("mergekit", "torch", "transformers"), "0")
UNMERGEABLE = dict.fromkeys(("gemma3_vision", "neox", "rinna"), "has no tensor")
"""Animals whose tensors mergekit looks for under other names, with a pattern of what the check says."""
SILENT = {"no_default": "chat templates for rag, tool_use, and none for a question alone"}
"""Animals that cannot be asked, with the reason."""

MERGEKIT = """
import json, logging, sys
logging.disable(logging.CRITICAL)
from mergekit.io.tasks import LoaderCache
from mergekit.scripts.run_yaml import main
merged = []
for name, path in json.loads(sys.argv[1]).items():
    LoaderCache().loaders.clear()
    try:
        main.main([path, path + "-child", "--no-write-model-card", "--quiet"], standalone_mode=False)
        merged.append(name)
    except BaseException:
        pass
print("MERGED" + json.dumps(merged))
"""


@pytest.fixture(scope="module")
def relatives(tmp_path_factory) -> dict[str, Path]:
    """Each animal with a little noise on its weights, as a fine-tune has it."""
    root = tmp_path_factory.mktemp("relatives")
    return {name: relative(name, root / name) for name in zoo.names()}


@pytest.fixture(scope="module")
def recipes(relatives) -> dict[str, str]:
    return {
        name: f"merge_method: task_arithmetic\nbase_model: {zoo.folder(name)}\nmodels:\n"
        f"- model: {relative}\n  parameters: {{weight: {WEIGHT}}}\ndtype: float32\n"
        for name, relative in relatives.items()
    }


@pytest.fixture(scope="module")
def children(recipes, tmp_path_factory) -> dict[str, Path]:
    """The children that mergekit's own command makes, all in one process."""
    root = tmp_path_factory.mktemp("children")
    for name, recipe in recipes.items():
        (root / name).write_text(recipe)
    paths = json.dumps({name: str(root / name) for name in recipes})
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [sys.executable, "-c", MERGEKIT, paths], capture_output=True, text=True, env=environment, timeout=300
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("MERGED"))
    return {name: root / f"{name}-child" for name in json.loads(line.removeprefix("MERGED"))}


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Three questions of a kind and short answers: the engine is the same, and answers are random words."""
    monkeypatch.setattr(comparison, "EACH", 3)
    monkeypatch.setattr(comparison, "ANSWER_TOKENS", 6)


@pytest.mark.parametrize("name", zoo.names())
def test_the_check_says_what_mergekit_does(name, recipes, children):
    result = check(recipes[name])
    assert (name in children) == result.ok == (name not in UNMERGEABLE), [str(one) for one in result.findings]
    if result.ok:
        assert result.plan.written == read_headers(children[name])
    else:
        assert re.search(UNMERGEABLE[name], result.findings[0].message) and result.findings[0].fix


@pytest.mark.parametrize("name", [name for name in zoo.names() if name not in UNMERGEABLE])
def test_the_bytes_are_mergekits_on_every_animal(name, recipes, children, tmp_path, quick):
    child = finished(merge(Request(recipes[name]), tmp_path)).folder
    theirs = {path.name: path.read_bytes() for path in children[name].glob("*.safetensors")}
    assert theirs and theirs == {path.name: path.read_bytes() for path in child.glob("*.safetensors")}


def plain(loaded, context: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities of the scored tokens' distributions, and the tokens, window by window: float64."""
    tokenizer = loaded.tokenizer
    ids = tokenizer(sample("evaluation"), add_special_tokens=False)["input_ids"]
    first = [token for token in tokenizer("a")["input_ids"][:1] if token == tokenizer.bos_token_id]
    rows = [*first, *ids]
    count = min(4, len(rows) // context)
    windows = torch.tensor(rows[: count * context]).reshape(count, context)
    if first:
        windows[:, 0] = first[0]
    with torch.inference_mode():
        logs = torch.stack([loaded.model(row[None]).logits[0].double().log_softmax(-1) for row in windows])
    return logs[:, context // 2 : -1], windows[:, context // 2 + 1 :]


@pytest.mark.parametrize("name", [name for name in zoo.names() if name not in UNMERGEABLE])
def test_a_merge_is_compared_with_its_parents(name, recipes, relatives, children):
    base, other = str(zoo.folder(name)), str(relatives[name])
    parents = {path: sources.resolve(path, whole=True) for path in (base, other)}
    files = {path.name: path.stat().st_size for path in children[name].iterdir()}
    report = Report("merge", children[name], files, {}, 0, 1, 1, recipes[name], parents, (), VERSIONS)
    *_, figure = outcome.compare(report, Request(recipes[name], answer_tokens=6))
    json.dumps(figure, allow_nan=False)

    loaded = models.open_folder(children[name], "child", "", "")
    one, two = models.load(base).model.state_dict(), models.load(other).model.state_dict()
    for key, value in loaded.model.state_dict().items():
        assert torch.allclose(value, one[key] + WEIGHT * (two[key] - one[key]), atol=2e-6), key
    blended = Blend(models.load(base), [models.load(other)]).set((WEIGHT,)).model.state_dict()
    for key, value in loaded.model.state_dict().items():
        assert torch.allclose(value, blended[key], atol=2e-6), key
    largest = [value or 0 for row in figure["atlas"]["norm"][other] for value in row]
    assert max(largest) > 0

    if name in SILENT:
        assert figure["models"] == [] and len(figure["skipped"]) == 4
        assert all(SILENT[name] in line for line in figure["skipped"][:3])
        return
    assert figure["skipped"] == []
    assert [model["role"] for model in figure["models"]] == ["base", "parent", "child"]
    q, targets = plain(loaded, figure["text"]["context"])
    p, _ = plain(models.load(base), figure["text"]["context"])
    losses = -q.gather(-1, targets[..., None])[..., 0]
    numbers = figure["models"][-1]
    assert numbers["perplexity"] == pytest.approx(float(losses.mean().exp()), rel=1e-4)
    assert numbers["kl"][base]["mean"] == pytest.approx(float((p.exp() * (p - q)).sum(-1).mean()), rel=1e-3)
    assert len(losses) == figure["text"]["windows"] == numbers["kl"][base]["clusters"]
    assert len(numbers["answers"]) == 6
    assert figure["carriers"] and figure["carriers"][0]["done"]


def test_a_model_that_reads_little_is_measured_in_shorter_windows(relatives, children):
    assert comparison.sample_windows(models.load(str(zoo.folder("short")))).context == 64
    with pytest.raises(VisitorError, match=r"has \d+ tokens"):
        comparison.answers_of(models.load(str(zoo.folder("short"))), ["What is a sonnet? " * 9], 36)


def test_the_programs_make_the_same_merge(recipes, children, tmp_path):
    """The listings below the figure, run as they stand."""
    request = Request(recipes["llama3"])
    (tmp_path / "pip").write_text("#!/bin/sh\n")
    (tmp_path / "pip").chmod(0o755)
    path = os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PATH": path, "HOME": str(tmp_path)}
    command = ["bash", "-ec", programs.commands(request)]
    runs = []
    for number, program in enumerate((command, [sys.executable, "-c", programs.python_program(request)])):
        (tmp_path / str(number)).mkdir()
        runs.append(
            subprocess.Popen(program, cwd=tmp_path / str(number), env=environment, stdout=subprocess.PIPE)
        )
    answers = [run.communicate(timeout=200)[0].decode() for run in runs]
    assert [run.returncode for run in runs] == [0, 0] and "generated_text" in answers[1]
    weights = (children["llama3"] / "model.safetensors").read_bytes()
    for number in range(2):
        assert (tmp_path / str(number) / "child" / "model.safetensors").read_bytes() == weights


@pytest.mark.parametrize("name", zoo.refused())
def test_what_cannot_be_opened_is_a_reason_beside_the_merge(name, tmp_path):
    folder = zoo.folder(name)
    recipe = f"merge_method: passthrough\nmodels:\n- model: {folder}\n"
    report = Report("merge", folder, {}, {}, 0, 1, 1, recipe, {}, (), VERSIONS)
    *_, figure = outcome.compare(report, Request(recipe, answer_tokens=6))
    assert figure["done"] and figure["models"] == []
    assert re.search(zoo.ANIMALS[name].reason or "", " ".join(figure["skipped"])), figure["skipped"]
