"""Loading models by name, from a Hub and from this machine."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
import threading
import time
import weakref
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakKeyDictionary

import pytest
import torch
from safetensors.torch import load_file, save_file

from shared import limits, models
from shared.embedded_model import quiet_progress
from shared.errors import VisitorError
from tests import zoo
from tests.conftest import ROOT
from tests.shared.hub_server import HubServer, Repo, run_against


def test_load_returns_the_same_object(embedded):
    assert models.load(models.EMBEDDED_MODEL) is embedded


LOAD = """
from shared import embedded_model, models
from shared.errors import VisitorError
for name in {names!r}:
    try:
        loaded = models.load(name)
        print(name, "OK", loaded.revision, loaded.source, sum(p.numel() for p in loaded.model.parameters()))
    except VisitorError as error:
        print(name, "ERROR", error)
"""


def test_hub_models_load_or_say_why_not(tiny_files, tmp_path):
    code = json.loads(tiny_files["config.json"]) | {
        "model_type": "mystery",
        "auto_map": {"AutoModelForCausalLM": "modeling.Mystery"},
    }
    encoder = json.loads(tiny_files["config.json"]) | {"architectures": ["BertForMaskedLM"]}
    hub = HubServer(
        {
            "tiny/llama": Repo(tiny_files, parameters=800_000),
            "tiny/pickled": Repo({"config.json": tiny_files["config.json"], "pytorch_model.bin": b"x"}),
            "tiny/gated": Repo(tiny_files, refuse=(403, "GatedRepo")),
            "tiny/huge": Repo(tiny_files, parameters=70_000_000_000),
            "tiny/broken": Repo(tiny_files, refuse=(500, "")),
            "tiny/code": Repo(tiny_files | {"config.json": json.dumps(code).encode()}, parameters=800_000),
            "tiny/encoder": Repo(
                tiny_files | {"config.json": json.dumps(encoder).encode()}, parameters=800_000
            ),
            "tiny/truncated": Repo(
                tiny_files | {"model.safetensors": tiny_files["model.safetensors"][:-100]}, parameters=800_000
            ),
        }
    )
    names = [
        "tiny/llama",
        "tiny/pickled",
        "tiny/gated",
        "tiny/huge",
        "tiny/broken",
        "tiny/code",
        "tiny/encoder",
        "tiny/truncated",
        "tiny/none",
        "../x",
        "<b>",
    ]
    try:
        lines = run_against(hub, tmp_path, LOAD.format(names=names)).splitlines()
    finally:
        hub.stop()
    told = {line.split(" ", 1)[0]: line for line in lines}
    assert "OK 0123456789abcdef0123456789abcdef01234567 original weights from the Hub" in told["tiny/llama"]
    assert "no safetensors" in told["tiny/pickled"]
    assert "is gated" in told["tiny/gated"]
    assert "70.0 billion parameters" in told["tiny/huge"]
    assert "did not answer" in told["tiny/broken"]
    assert "could not be loaded" in told["tiny/code"]
    assert "does not write text" in told["tiny/encoder"]
    assert "could not be loaded" in told["tiny/truncated"]
    assert "no public model" in told["tiny/none"]
    assert "is not a model id" in told["../x"]
    assert "is not a model id" in told["<b>"]
    assert not any("pytorch_model.bin" in path or "modeling" in path for path in hub.requests)


LARGE = """
from shared import limits, models
from shared.errors import VisitorError
models.machine = lambda: "cuda"
limits.MODEL_BYTES["cuda"] = 3 * {parameters}
try:
    models.load("tiny/llama")
except VisitorError as error:
    print(error)
"""


def test_weights_that_are_too_large_as_they_are_stored_are_not_downloaded(tiny_files, tmp_path):
    """On a GPU a model has the dtype that it is stored in: in float32 fewer parameters fit."""
    parameters = len(tiny_files["model.safetensors"]) // 4
    hub = HubServer({"tiny/llama": Repo(tiny_files, parameters=parameters)})
    try:
        said = run_against(hub, tmp_path, LARGE.format(parameters=parameters))
    finally:
        hub.stop()
    assert "GB of weights; the limit here is" in said
    assert not any(path.endswith("model.safetensors") for path in hub.requests)


def test_catalogue_name_means_the_hub_when_it_answers(tiny_files, tmp_path):
    hub = HubServer({models.EMBEDDED_MODEL: Repo(tiny_files, parameters=800_000)})
    script = LOAD.format(names=[models.EMBEDDED_MODEL])
    try:
        first = run_against(hub, tmp_path, script)
    finally:
        hub.stop()
    assert models.HUB_SOURCE in first
    again = run_against(hub, tmp_path, script)  # the Hub is gone, its cache is not
    assert models.HUB_SOURCE in again
    elsewhere = run_against(hub, tmp_path / "empty", script)
    assert models.EMBEDDED_SOURCE in elsewhere


def test_unreachable_hub_is_said(tmp_path):
    with pytest.raises(VisitorError, match="Hub cannot be reached"):
        models.load("someone/something")


def test_local_folder_is_refused_on_a_space(monkeypatch, tmp_path):
    monkeypatch.setenv("SPACE_ID", "someone/decoding")
    with pytest.raises(VisitorError, match="is not a model id"):
        models.load(str(tmp_path))


def test_two_models_load_at_the_same_time(monkeypatch):
    """A download that takes minutes holds up only those who want the same model."""
    started, go_on = threading.Event(), threading.Event()

    def slow(name, report, exact):
        if name == "slow/one":
            started.set()
            assert go_on.wait(30)
        return models.Loaded(None, None, name, "", "", "float32", "cpu")

    monkeypatch.setattr(models, "_load", slow)
    monkeypatch.setattr(models, "_loaded", OrderedDict())
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(models.load, "slow/one") for _ in range(2)]
        assert started.wait(30)
        quick = pool.submit(models.load, "quick/one").result(30)
        go_on.set()
        first, second = (job.result(30) for job in waiting)
    assert (
        first is second
        and models.is_kept(quick)
        and models.in_memory("slow/one") is first
        and not models._turns
    )


def test_a_forked_worker_never_waits_for_a_thread_that_it_does_not_have():
    """ZeroGPU forks while other visitors' requests load models and ask whether the Hub is there."""
    script = """
import os, signal
from shared import hub, models
models._turns["slow/one"] = __import__("threading").Lock()
with models._lock, hub._reachable_lock, models._turns["slow/one"]:
    child = os.fork()
    if not child:
        signal.alarm(20)
        assert models.in_memory("slow/one") is None and not hub._reachable_lock.locked() and not models._turns
        os._exit(0)
    assert models._lock.locked() and os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=60)


def test_a_visitor_gets_no_model_that_the_owner_brought(monkeypatch, tmp_path):
    """It stays in memory under its name."""
    monkeypatch.setattr(models, "_loaded", OrderedDict())
    monkeypatch.setattr(
        models, "_load", lambda name, *_: models.Loaded(None, None, name, "", "", "float32", "cpu")
    )
    private = models.load(str(tmp_path))
    assert models.load(str(tmp_path)) is private and models.in_memory(str(tmp_path)) is private
    monkeypatch.undo()
    monkeypatch.setattr(models, "_loaded", OrderedDict({(str(tmp_path), True): private}))
    monkeypatch.setattr(models.owner, "is_here", lambda: False)
    assert models.in_memory(str(tmp_path)) is None
    with pytest.raises(VisitorError, match="is not a model id"):
        models.load(str(tmp_path))


def test_models_are_loaded_one_at_a_time(monkeypatch):
    """transformers replaces a method of all models while it loads one: after two at the same time no model
    with tied weights could be loaded any more.
    """
    from transformers import AutoModelForCausalLM, PreTrainedModel

    present, most = 0, 0
    load, tie = AutoModelForCausalLM.from_pretrained, PreTrainedModel.tie_weights

    def watched(*args, **kwargs):
        nonlocal present, most
        present += 1
        most = max(most, present)
        time.sleep(0.1)
        try:
            return load(*args, **kwargs)
        finally:
            present -= 1

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", watched)
    folder = zoo.folder("gpt2")
    with ThreadPoolExecutor(3) as pool:
        opened = list(pool.map(lambda name: models.open_folder(folder, name, "", ""), "abc"))
    assert most == 1 and len(opened) == 3 and PreTrainedModel.tie_weights is tie


@pytest.mark.parametrize(
    ("stored", "device", "exact", "dtype"),
    [
        ("bfloat16", "cuda", False, "bfloat16"),
        ("float16", "cuda", False, "float16"),
        ("float32", "cuda", False, "float32"),
        ("bfloat16", "cuda", True, "float32"),
        ("bfloat16", "cpu", False, "float32"),
        ("float16", "cpu", True, "float32"),
    ],
)
def test_a_gpu_takes_the_stored_dtype_and_a_cpu_float32(stored, device, exact, dtype):
    assert models.dtype_for(stored, device, exact=exact) == dtype


@pytest.mark.parametrize(
    ("parameters", "width", "device", "fits"),
    [
        (9.0e9, 2, "cuda", True),
        (9.5e9, 2, "cuda", False),
        (4.5e9, 4, "cuda", True),
        (9.0e9, 4, "cuda", False),
        (1.8e9, 4, "cpu", True),
        (3.0e9, 4, "cpu", False),
    ],
)
def test_what_fits(parameters, width, device, fits):
    assert limits.fits(int(parameters * width), device) is fits
    assert not limits.fits(int(parameters * width), device, held=limits.MODELS_BYTES[device])


def saved_in(dtype, folder):
    """An animal of the zoo, stored in a dtype."""
    zoo.opened("qwen2")
    shutil.copytree(zoo.folder("qwen2"), folder)
    tensors = load_file(folder / "model.safetensors")
    save_file(
        {name: tensor.to(dtype) for name, tensor in tensors.items()},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    return str(folder)


def test_a_gpu_machine_keeps_a_model_by_its_dtype(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "_loaded", OrderedDict())
    monkeypatch.setattr(models, "machine", lambda: "cuda")
    name = saved_in(torch.bfloat16, tmp_path / "half")
    loaded, exact = models.load(name), models.load(name, exact=True)
    assert (loaded.dtype, loaded.model.dtype) == ("bfloat16", torch.bfloat16) and models.load(name) is loaded
    assert (exact.dtype, exact.model.dtype) == ("float32", torch.float32)
    assert models.dtype_of(name) == "bfloat16" and models.dtype_of(name, exact=True) == "float32"
    assert models._alive[exact.model] == pytest.approx(2 * models._alive[loaded.model], rel=0.01)
    assert models.largest_model() > 9e9 > 5e9 > models.largest_model(exact=True)


def test_the_old_model_goes_before_the_new_one_comes(tmp_path, monkeypatch):
    models.import_transformers()  # a warning of the first import keeps the frames that imported it
    first, second = (saved_in(torch.float32, tmp_path / name) for name in ("one", "two"))
    monkeypatch.setattr(models, "_loaded", OrderedDict())
    monkeypatch.setattr(models, "_alive", WeakKeyDictionary())

    def refused_while_the_other_is_held() -> None:
        one = models.load(first)
        monkeypatch.setitem(limits.MODELS_BYTES, "cpu", int(1.5 * models._alive[one.model]))
        with pytest.raises(VisitorError, match="the models in use leave no room"):
            models.load(second)

    refused_while_the_other_is_held()
    assert models.in_memory(first) is None
    one = weakref.ref(models.load(first).model)
    told, there = [], []
    monkeypatch.setattr(models, "_forgetful", [lambda gone: told.append(gone.id)])
    monkeypatch.setattr(models, "quiet_progress", lambda: there.append(one() is None) or quiet_progress())
    models.load(second)
    assert there == [False, True] and told == [first] and not models._coming


def test_a_twin_is_what_deepcopy_makes_with_every_number_shared():
    def same(one, other, model):
        assert type(one) is type(other) and set(vars(one)) == set(vars(other))
        for name, value in vars(one).items():
            assert type(value) is type(vars(other)[name]), name
        for shared, own in zip(other.named_parameters(), model.named_parameters(), strict=True):
            assert shared[1] is own[1], "a number of its own"
        held = {name: value for name, value in vars(model).items() if isinstance(value, (dict, set))}
        assert not [name for name, value in held.items() if vars(other)[name] is value]
        parts = (module.named_children() for module in (one, other, model))
        for (_, first), (_, second), (_, third) in zip(*parts, strict=True):
            same(first, second, third)

    for name in zoo.names():
        model = zoo.opened(name).model
        tensors = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
        made = models.twin(model)
        same(copy.deepcopy(model, tensors), made, model)
        assert made.config is not model.config and made.base_model.config is made.config
        named = dict(made.named_modules(remove_duplicate=False)).values()
        assert not {id(module) for module in named} & {id(module) for module in model.modules()}
