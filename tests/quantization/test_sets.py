"""Sets of files: every number is of the file that was written, one that fails leaves nothing, and what is
published is what was measured.
"""

from __future__ import annotations

import ast
import re
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from quantization import checkpoints, formats, modules, sets, written
from quantization.libraries import common
from quantization.memory import cache_bytes, compute_bytes, memory_of
from quantization.request import USUAL_SET, SetRequest, TakeRequest
from quantization_rooms import sets as room
from shared import files, limits, measure, models, steps
from shared.errors import VisitorError
from shared.models import twin
from tests import zoo
from tests.conftest import ROOT
from tests.quantization.conftest import small_llama
from tests.shared.hub_server import HubServer, run_against

TEXT = "word and number, sentence and word. " * 200
FORMATS = ("gguf:Q8_0", "gguf:Q4_0", "bitsandbytes:nf4", "gptq:int4", "own:nf4", "awq:int4")


@pytest.fixture(scope="module")
def loaded():
    return small_llama(128)


def asked(loaded, **values) -> SetRequest:
    return SetRequest.parse(
        **{"model": loaded.id, "text": TEXT, "calibration": TEXT, "context": 64, "windows": 4, **values}
    )


@pytest.fixture(scope="module")
def written_set(loaded, tmp_path_factory):
    """A whole set, its folder, and the steps on the way."""
    folder = tmp_path_factory.mktemp("set")
    *before, step = sets.make(asked(loaded, formats=FORMATS), loaded, folder)
    return step, folder, before


def rows_of(step) -> dict:
    return {row["format"]: row for row in step.figure["compared"]["rows"]}


def opened_by_its_library(folder: Path, name: str):
    """A format's files as others read them, or by what the suite's own reader is held to."""
    if name.startswith("gguf:"):
        (path,) = folder.glob(f"*{name.partition(':')[2]}.gguf")
        return AutoModelForCausalLM.from_pretrained(folder, gguf_file=path.name, dtype=torch.float32)
    inside = folder / name.replace(":", "-")
    if name.startswith("bitsandbytes:"):
        return AutoModelForCausalLM.from_pretrained(inside, dtype=torch.float32, device_map="cpu")
    return checkpoints.opened(inside)


@pytest.mark.parametrize("name", [name for name in FORMATS if not name.startswith("own:")])
def test_the_table_is_of_the_files(written_set, loaded, name):
    """Read by their libraries and measured by a plain loop in float64, the files give the row's numbers."""
    step, folder, _ = written_set
    row, model = rows_of(step)[name], opened_by_its_library(folder, name).eval()
    windows = measure.text_windows(loaded.tokenizer, TEXT, 64, 4)
    divergences, losses, same = [], [], []
    for window in windows.ids:
        with torch.inference_mode():
            p, q = (
                one(window[None]).logits[0, 32:63].double().log_softmax(-1) for one in (loaded.model, model)
            )
        divergences.append((p.exp() * (p - q)).sum(-1).mean())
        losses.append(-q.gather(1, window[33:, None]).mean())
        same.append((p.argmax(-1) == q.argmax(-1)).double().mean())
    kld = torch.stack(divergences)
    assert row["kld"]["mean"] == pytest.approx(float(kld.mean()), rel=1e-3, abs=1e-7)
    assert row["kld"]["sigma"] == pytest.approx(float(kld.std() / 2), rel=2e-3, abs=1e-7)
    assert row["kld"]["low"] < row["kld"]["mean"] < row["kld"]["high"]
    assert row["ppl"] == pytest.approx(float(torch.stack(losses).mean().exp()), rel=1e-4)
    assert row["same_top"] == pytest.approx(float(torch.stack(same).mean()), abs=1e-9)
    own = [file for file in step.figure["files"] if file["format"] == name]
    weights = [file["bytes"] for file in own if file["name"].endswith((".gguf", ".safetensors"))]
    assert row["file_bytes"] == sum(weights)
    assert any("read back by" in note for note in row["notes"])


def test_memory_is_files_cache_and_what_is_computed_in(written_set, loaded):
    step, _, _ = written_set
    memory, context = memory_of(loaded.model.config), step.figure["context"]
    assert context == 512, "the model reads no more"
    needs = {need["format"]: need for need in step.figure["needs"]}
    for name, row in rows_of(step).items():
        if row["status"] != "done":
            assert name not in needs
            continue
        beside = cache_bytes(memory, context)
        beside += compute_bytes(memory, context) if name.startswith("gguf") else 0
        assert needs[name]["bytes"] == row["file_bytes"] + beside
        assert needs[name]["at_least"] != name.startswith("gguf")


def test_one_that_fails_is_a_row_and_the_others_go_on(written_set):
    step, folder, _ = written_set
    rows = rows_of(step)
    assert rows["own:nf4"]["status"] == "failed" and "nothing loads" in rows["own:nf4"]["error"]["what"]
    assert all(row["status"] == "done" for name, row in rows.items() if name != "own:nf4")
    said = {file["name"] for file in step.figure["files"]}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert said == there == {path.relative_to(folder).as_posix() for path in step.files}
    assert "bitsandbytes-nf4/model.safetensors" in said and sets.CARD in said


def test_progress_goes_a_format_at_a_time(loaded, tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "UPDATE_SECONDS", 0)
    labels, counts = [], []
    for step in sets.make(asked(loaded, formats=("gguf:Q8_0", "gguf:Q4_0")), loaded, tmp_path):
        if step.figure.get("progress"):
            labels.append(step.figure["progress"]["label"])
        if step.figure["drawable"]:
            counts.append(len(step.figure["files"]))
    order = [next(at for at, label in enumerate(labels) if label.startswith(word)) for word in (
        "Quantizing gguf:Q8_0", "Writing gguf:Q8_0", "Reading gguf:Q8_0 back", "Measuring gguf:Q8_0",
        "Quantizing gguf:Q4_0", "Measuring gguf:Q4_0",
    )]  # fmt: skip
    assert order == sorted(order)
    assert counts == sorted(counts) and {0, 1, 3} <= set(counts)


def test_the_card_says_what_the_figure_says(written_set):
    step, folder, _ = written_set
    card = (folder / sets.CARD).read_text(encoding="utf-8")
    assert card == step.figure["card"] and card.startswith("---\n")
    assert "library_name: gguf" in card and "base_model_relation: quantized" in card
    for name, row in rows_of(step).items():
        (line,) = [line for line in card.splitlines() if line.startswith(f"| {name} |")] or [None]
        if row["status"] != "done":
            assert line is None and f"- {name} is not among the files" in card
            continue
        assert f"{row['kld']['mean']:.5f} ({row['kld']['low']:.5f} to" in line
        assert f"{row['file_bytes'] / 1e6:,.1f}" in line and f"{row['bits']:.2f}" in line
        assert f"{100 * row['same_top']:.2f}" in line and f"{row['ppl']:.3f}" in line
    assert "4 windows of 64 tokens" in card and str(folder) not in card


def test_a_file_that_is_not_the_model_shows_in_its_numbers(loaded, tmp_path, monkeypatch):
    """Scales that are written twice as large: what was measured before writing would not tell."""
    request = asked(loaded, formats=("gptq:int8",))
    (tmp_path / "a").mkdir()
    *_, right = sets.make(request, loaded, tmp_path / "a")
    real = common.save

    def wrong(loaded, state, settings, folder):
        state = {name: value * 2 if name.endswith("scales") else value for name, value in state.items()}
        return real(loaded, state, settings, folder)

    monkeypatch.setattr(common, "save", wrong)
    (tmp_path / "b").mkdir()
    *_, broken = sets.make(request, loaded, tmp_path / "b")
    one, other = (rows_of(step)["gptq:int8"]["kld"]["mean"] for step in (right, broken))
    assert one < 0.01 < 0.1 < other


def test_what_bitsandbytes_reads_back_computes_as_what_was_written(tmp_path):
    """Also where the file holds the rest in bfloat16, in which transformers would compute."""
    base, made, files = read_from_zoo("llama3", "bitsandbytes:nf4", tmp_path)
    model, _ = written.read_back(files, base)
    assert torch.equal(zoo_logits(model), zoo_logits(made.model))


def test_what_auto_round_reads_back_computes_in_float32(tmp_path):
    """Its library puts all of it, rotary frequencies and an embedding's scale too, into float16: of the file
    are codes and their scales alone, unpacked here by hand.
    """
    base, made, files = read_from_zoo("gemma2", "autoround:rtn-int4-g64", tmp_path)
    (weights,) = (path for path in files if path.suffix == ".safetensors")
    stored, model = load_file(weights), twin(base.model)
    for name in (tensor.name for tensor in made.tensors):
        layer = name.removesuffix("weight")
        codes = checkpoints.unpack(stored[f"{layer}qweight"], 4).T.float() - 8
        scales = stored[f"{layer}scales"].float().T.repeat_interleave(64, 1)
        modules.replace_weight(model, name, codes * scales)
    read, _ = written.read_back(files, base)
    assert {one.dtype for one in (*read.parameters(), *read.buffers())} <= {torch.float32, torch.int32}
    assert float((zoo_logits(read) - zoo_logits(model)).abs().max()) < 1e-4


def read_from_zoo(animal, name, folder):
    """An animal stored in bfloat16, a format of it, and its files."""
    base = zoo.opened(animal)
    nothing = formats.Calibration(torch.zeros(1, 2, dtype=torch.int64))
    made = formats.quantize(base, formats.parse(name), nothing)
    assert base.stored == "bfloat16" and made.export is not None
    return base, made, list(made.export(folder / "it"))


def zoo_logits(model):
    with torch.inference_mode():
        return model(torch.arange(3, 40)[None]).logits


def test_a_file_that_cannot_be_read_back_does_not_stay(loaded, tmp_path, monkeypatch):
    real = written.read_back

    def broken(files, loaded):
        if files[0].suffix != ".gguf":
            raise VisitorError("It cannot be read.", "Choose another.")
        return real(files, loaded)

    monkeypatch.setattr(written, "read_back", broken)
    *_, step = sets.make(asked(loaded, formats=("bitsandbytes:nf4", "gguf:Q8_0")), loaded, tmp_path)
    rows = rows_of(step)
    assert rows["bitsandbytes:nf4"]["error"]["what"] == "It cannot be read."
    assert rows["gguf:Q8_0"]["status"] == "done"
    assert {path.suffix for path in tmp_path.iterdir()} == {".gguf", ".md"}


def test_a_published_file_is_not_written_again(loaded, tmp_path):
    """Its row says where to go, and the Hub is not asked."""
    names = ("maker/llama-GGUF", "maker/llama-GGUF/m-Q4_0.gguf", "gguf:Q8_0")
    *_, step = sets.make(asked(loaded, formats=names), loaded, tmp_path)
    *refused, written = step.figure["compared"]["rows"]
    assert written["status"] == "done" and len(refused) == 2
    assert all("is a file already" in row["error"]["what"] for row in refused)
    assert {path.suffix for path in tmp_path.iterdir()} == {".gguf", ".md"}


def test_nothing_to_write_is_refused_before_the_text_is_read(loaded, tmp_path, monkeypatch):
    from quantization import metrics

    monkeypatch.setattr(metrics, "base_pass", lambda *_: pytest.fail("the text was read"))
    with pytest.raises(VisitorError, match=r"None of 2 rows can be measured. The first: .* taken home"):
        list(sets.make(asked(loaded, formats=("own:nf4", "hqq:int4-g64")), loaded, tmp_path))
    with pytest.raises(VisitorError, match="no format to write"):
        asked(loaded, formats=[])


def test_room_is_asked_for_before_anything_is_made(loaded, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_SESSION_BYTES", 100_000)
    with pytest.raises(VisitorError, match="the limit is 0 MB") as caught:
        list(sets.make(asked(loaded, formats=("gguf:Q8_0",)), loaded, tmp_path))
    assert caught.value.remedy and not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [name for name in FORMATS if not name.startswith("own:")])
def test_the_size_is_known_before(written_set, loaded, name):
    size = rows_of(written_set[0])[name]["file_bytes"]
    near = 0 if name.startswith("gguf") else 0.04
    assert sets.planned_bytes(loaded, name) == pytest.approx(size, rel=near, abs=3_000 if near else 0)


def test_a_rotated_set_is_the_rotated_model(tmp_path):
    loaded = small_llama()
    request = asked(loaded, formats=("gguf:F16",), rotated=True)
    *_, step = sets.make(request, loaded, tmp_path)
    assert rows_of(step)["gguf:F16"]["kld"]["mean"] < 1e-4
    assert "base_model" not in step.figure["card"].split("---")[1]


@pytest.fixture
def here(loaded, monkeypatch, tmp_path):
    """The tiny model under its name, and a folder for results."""
    monkeypatch.setattr(models, "load", lambda *_, **__: loaded)
    monkeypatch.setattr(files, "upload_folder", lambda: tmp_path)
    return tmp_path


def test_the_archive_holds_the_whole_set(loaded, here):
    *_, step = room.run(asked(loaded, formats=("gguf:Q8_0", "bitsandbytes:nf4")))
    (archive,) = step.files
    with zipfile.ZipFile(archive) as opened:
        assert sorted(opened.namelist()) == sorted(file["name"] for file in step.figure["files"])
        assert opened.testzip() is None
        for file in step.figure["files"]:
            assert opened.getinfo(file["name"]).file_size == file["bytes"]
    assert [path.name for path in archive.parent.iterdir()] == [archive.name], "nothing is there twice"


def test_a_set_that_is_stopped_leaves_nothing(loaded, here, monkeypatch):
    monkeypatch.setattr(steps, "UPDATE_SECONDS", 0)
    run = room.run(asked(loaded, formats=("gguf:Q8_0", "gguf:Q4_0")))
    for step in run:
        if step.figure["drawable"] and step.figure["files"]:
            break
    assert list(here.rglob("*.gguf"))
    run.close()
    assert not list(here.iterdir())


def test_the_programs_are_the_requests(loaded):
    request = asked(loaded, formats=("gguf:Q4_K_M", "gguf:IQ2_XS", "awq:int4"), text="", calibration="")
    listings = room.programs_of(request, {})
    python = listings["The same set, from Python"]
    assert ast.parse(python.replace("{this demo}", "x")) and "'awq:int4'" in python
    shell = listings["The GGUF files, with llama.cpp's own tools"]
    assert re.findall(r"^llama-quantize (.*)$", shell, re.MULTILINE) == [
        "base.gguf Q4_K_M.gguf Q4_K_M",
        "--imatrix imatrix.gguf base.gguf IQ2_XS.gguf IQ2_XS",
    ]
    assert "-c 64 --chunks 4" in shell
    again = SetRequest.from_query(request.to_query())
    assert again == request


def test_a_set_may_be_made_with_somebodys_matrix():
    names = ("gguf:Q4_K_M+imatrix", "gguf:Q8_0")
    request = SetRequest.parse(formats=names, imatrix="a/m-GGUF/m.imatrix.gguf")
    assert request.comparison().imatrix == request.imatrix
    assert SetRequest.from_query(request.to_query()) == request
    shell = room.programs_of(request, {})["The GGUF files, with llama.cpp's own tools"]
    assert "--imatrix m.imatrix.gguf base.gguf" in shell and "llama-imatrix" not in shell
    for kind, formats_ in ((SetRequest, {"formats": names}), (TakeRequest, {"format": names[0]})):
        mine = kind.parse(**formats_, imatrix="upload:a1/m.imatrix.gguf")
        assert mine.to_query() is None, "nobody else has it"


def test_the_plan_says_what_nothing_opens():
    assert "4 formats" in sets.set_plan(SetRequest.parse(formats=USUAL_SET[:4]))
    with pytest.raises(VisitorError, match="cannot be taken home"):
        sets.set_plan(SetRequest.parse(formats=["own:nf4"]))


PUSH = """
import sys
sys.path[:0] = [{root!r}, {root!r} + "/spaces/quantization"]
from shared import gpu, page
from quantization_rooms import sets
made = {{"archive": {archive!r}, "card": "---\\nlibrary_name: gguf\\n---\\n# A card"}}
for values, name, token in (
    ((made, True), "me/set", "hf_secret"),
    ((made, True), "me/public", "hf_secret"),
    ((made, False), "me/open", "hf_secret"),
    ((None, True), "me/set", "hf_secret"),
    ((made, True), "me/set", None),
    (({{**made, "archive": "/gone.zip"}}, True), "me/set", "hf_secret"),
):
    print(page.pushed(sets.push, values, name, token))
"""


def test_a_set_is_pushed_as_one_private_repository(tmp_path):
    from tests.shared.hub_server import Repo

    folder = tmp_path / "set"
    (folder / "gptq-int4").mkdir(parents=True)
    content = {"m-Q8_0.gguf": b"GGUF" + bytes(90), "gptq-int4/config.json": b"{}", "README.md": b"# card"}
    for name, data in content.items():
        (folder / name).write_bytes(data)
    archive = files.zipped(folder, tmp_path / "set.zip")
    repos: dict = {"me/public": Repo()}
    server = HubServer(repos)
    try:
        script = PUSH.format(root=str(ROOT), archive=str(archive))
        output = run_against(server, tmp_path / "hf", script)
    finally:
        server.stop()
    pushed, public, opened, nothing, unsigned, gone = output.strip().splitlines()[-6:]
    assert f"{server.url}/me/set" in pushed and repos["me/set"].private
    assert set(repos["me/set"].files) == set(content)
    assert repos["me/set"].files["gptq-int4/config.json"] == b"{}"
    assert b"# A card" in repos["me/set"].files["README.md"]
    assert "everyone can see it" in public and not repos["me/public"].files
    assert "me/open" in opened and not repos["me/open"].private
    assert "nothing to push" in nothing and "not signed in" in unsigned and "no longer here" in gone
