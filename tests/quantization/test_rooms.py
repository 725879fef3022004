"""The rooms' functions without a server: what hostile or broken values give, and what passes the queue by."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest
import torch

from quantization import gguf_file, importance, modules, plan
from quantization.importance import DATASET, FILE, Importance
from quantization.methods import METHODS
from quantization.request import Request, TakeRequest
from quantization_rooms import compare, lab, settings, take, textfield
from shared import experts, files, models, steps
from shared.errors import VisitorError
from tests.conftest import ask

DEFAULT = {"tensor": "model.layers.0.mlp.down_proj.weight", "method": "rtn", "settings": {"group": 32}}


@pytest.fixture
def loaded(tiny_gguf, monkeypatch):
    """The tiny model as the only one in memory; whoever loads another fails the test."""
    monkeypatch.setattr(models, "in_memory", lambda name, **_: tiny_gguf if name == tiny_gguf.id else None)
    monkeypatch.setattr(models, "load", lambda *_, **__: pytest.fail("a model was loaded"))
    return tiny_gguf


def test_a_handle_asks_of_a_model_in_memory_only(loaded):
    found = ask(lab.block, {**DEFAULT, "model": loaded.id, "row": 1, "block": 1})
    assert found["row"] == 1 and len(found["codes"]) == 32
    assert ask(lab.adjust, {**DEFAULT, "model": loaded.id})["kld"]["mean"] > 0
    assert (
        "not in memory any more"
        in ask(lab.block, {**DEFAULT, "model": "someone/else", "row": 0, "block": 0})["error"]["what"]
    )


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"row": float("inf")}, "row is inf"),
        ({"row": None}, "row is None"),
        ({"row": 10**6}, "There is no block"),
        ({"block": -1}, "block is -1"),
        ({"settings": {"bits": 10**400}}, "bits is 1000"),
        ({"settings": "[" * 100_000}, "not a JSON object"),
        ({"method": ["rtn"]}, "not text"),
    ],
)
def test_a_figure_that_asks_nonsense_reads_what_is_wrong(loaded, values, sentence):
    found = ask(lab.block, {**DEFAULT, "model": loaded.id, "row": 0, "block": 0, **values})
    assert sentence in found["error"]["what"], found


def test_what_nobody_foresaw_is_an_error_too(loaded, monkeypatch):
    from quantization import effect

    def broken(*_):
        raise OverflowError

    monkeypatch.setattr(effect, "adjusted", broken)
    assert "OverflowError" in ask(lab.adjust, {**DEFAULT, "model": loaded.id})["error"]["what"]
    assert "TypeError" in ask(lab.adjust, 3)["error"]["what"]


def test_the_plan_loads_no_model(loaded, tmp_path):
    assert plan.parameters_of(loaded.id) == sum(parameter.numel() for parameter in loaded.model.parameters())
    assert (
        plan.parameters_of(models.EMBEDDED_MODEL)
        == plan.parameters_of(experts.NAMES[0])
        == plan.EMBEDDED_PARAMETERS
    )
    request = replace(Request.parse(), model=str(tmp_path))
    assert plan.parameters_of(request.model) is None and "once" in plan.plan(request)


@pytest.mark.parametrize(
    ("format", "sentences"),
    [
        ("gguf:Q8_0", ("at least 143 MB", "llama.cpp, Ollama", "halve it again")),
        ("gguf:Q4_K_M", ("at least 76 MB, since most weights take 4.5 bits", "What most people take")),
        ("gguf:Q2_K", ("Below 4 bits",)),
        ("gguf:IQ3_XS", ("at least 51 MB, since no matrix takes fewer than 3.062 bits",)),
        ("autoround:int4-g64", ("at least 73 MB, since most weights take 4.312 bits",)),
        ("gptq:int4", ("a GPU", "What most people take")),
        ("bitsandbytes:nf4", ("transformers reads it", "What most people take")),
        ("mix:100", ("at most 100 MB",)),
        ("script:exl3", ("nothing is computed here",)),
    ],
)
def test_a_file_has_a_plan(format, sentences, monkeypatch):
    monkeypatch.setattr(models, "in_memory", lambda *_, **__: None)
    said = plan.take_plan(TakeRequest.parse(format=format))
    assert said.startswith("Plan: ") and all(sentence in said for sentence in sentences), said


@pytest.mark.parametrize("type", ["Q8_0", "Q4_K_M", "IQ2_XS"])
def test_a_file_of_a_model_in_memory_has_its_size_to_the_byte(loaded, type, tmp_path):
    inputs = {
        name: torch.ones(modules.weight_of(loaded.model, name).shape[1])
        for name in modules.linear_names(loaded.model)
    }
    known = Importance(inputs, FILE, (DATASET,), 1, 1) if type == "IQ2_XS" else None
    (path,) = gguf_file.quantize_model(loaded, type, known).export(tmp_path)
    assert gguf_file.planned_bytes(loaded, type) == path.stat().st_size
    said = plan.take_plan(TakeRequest.parse(model=loaded.id, format=f"gguf:{type}"))
    assert f"a file of {path.stat().st_size / 1e6:,.1f} MB ·" in said


def test_what_nothing_opens_is_said_before_it_is_made():
    with pytest.raises(VisitorError, match="Nothing opens a file of own:nf4") as caught:
        plan.take_plan(TakeRequest.parse(format="own:nf4"))
    assert caught.value.remedy


def test_controls_follow_a_methods_settings():
    shown = settings._shown("bits", "rtn", {"bits": 3})
    assert shown == {"value": "3", "visible": True}
    assert settings._shown("alpha", "rtn", {})["visible"] is False
    assert settings._shown("alpha", "smoothquant", {}) == {"value": "0.5", "visible": True}
    assert settings._shown("act_order", "gptq", {"act_order": True}) == {"value": True, "visible": True}
    assert not any(settings._shown(name, "Q4_0", {})["visible"] for name in settings.LABELS)
    assert {name for method in METHODS.values() for name in method.settings} == set(settings.LABELS)


@pytest.mark.parametrize(
    ("format", "sentence"),
    [("", "no format to take home"), ("mix:", "The mix has no size"), ("script:awq", "There is no format")],
)
def test_the_endpoint_writes_files_only(format, sentence):
    with pytest.raises(VisitorError, match=sentence):
        take.file_request(format=format)


def test_a_program_is_said_to_be_one_and_has_no_card(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "upload_folder", lambda: tmp_path)
    (step,) = take.run(TakeRequest.parse(model=None, format="script:gptq", calibration=None))
    assert "It was not run here" in step.figure["warnings"][0]
    (path,) = step.files
    assert models.EMBEDDED_MODEL in path.read_text(encoding="utf-8") == step.figure["script"]
    assert step.figure["card"] == "" and step.figure["files"][0]["name"] == "quantize-gptq.py"


def test_a_run_that_is_stopped_leaves_no_files(tiny_gguf, monkeypatch, tmp_path):
    monkeypatch.setattr(models, "load", lambda *_, **__: tiny_gguf)
    monkeypatch.setattr(files, "upload_folder", lambda: tmp_path)
    monkeypatch.setattr(steps, "UPDATE_SECONDS", 0)
    text = "word and number " * 400
    request = TakeRequest.parse(model=tiny_gguf.id, format="gguf:Q4_0", text=text, calibration=text)
    run = take.run(request)
    next(run), next(run)
    assert list(tmp_path.iterdir())
    run.close()
    assert not list(tmp_path.iterdir())


def test_a_file_comes_with_what_was_measured_of_it(tiny_gguf, monkeypatch, tmp_path):
    monkeypatch.setattr(models, "load", lambda *_, **__: tiny_gguf)
    monkeypatch.setattr(files, "upload_folder", lambda: tmp_path)
    text = "word and number " * 400
    request = TakeRequest.parse(model=tiny_gguf.id, format="gguf:Q4_0", text=text, calibration=text)
    *waiting, step = take.run(request)
    assert all(not one.files and not one.figure["done"] for one in waiting)
    (path,) = step.files
    figure = step.figure
    assert figure["files"] == [{"name": path.name, "bytes": path.stat().st_size}]
    assert f"{figure['row']['kld']['mean']:.5f}" in figure["card"]
    assert TakeRequest.parse(**figure["request"]) == request
    listings = take.programs_of(request, figure)
    assert any("llama-quantize" in listing for listing in listings.values())
    assert all(ast.parse(listing) for name, listing in listings.items() if "Python" in name)


def test_an_uploaded_file_becomes_a_row(tiny_gguf, monkeypatch, tmp_path):
    monkeypatch.setattr(files, "upload_folder", lambda: tmp_path)
    path = tmp_path / "a1" / "mine.gguf"
    path.parent.mkdir()
    (written,) = gguf_file.quantize_model(tiny_gguf, "Q4_0", None).export(tmp_path)
    content = written.read_bytes()
    path.write_bytes(content)
    said = []
    monkeypatch.setattr(compare.gr, "Warning", said.append)
    row = "published:upload:a1/mine.gguf"
    field, rotated = compare.add_file(str(path), ["own:nf4"])
    assert field.value == ["own:nf4", row] and rotated is False
    assert ("mine (your file)", row) in [tuple(choice) for choice in field.choices], "by its short name"
    assert compare.add_file(str(path), [row])[0].value == [row] and not said
    assert compare.add_file("/etc/passwd", [])[1] is not False and "not uploaded here" in said[0]
    projector = path.with_name("mmproj-mine.gguf")
    projector.write_bytes(b"GGUF")
    compare.add_file(str(projector), [])
    assert "a vision projector" in said[1]
    for wrong, reason in {
        content[:-1]: "is not complete",
        b"": "it is empty.",
        b"PK\x03\x04model.gguf": "a zip archive, not",
        b"version https://git-lfs.github.com/spec/v1": "a Git LFS pointer to the file",
        b"<!DOCTYPE html>": "a web page",
        bytes([2] + 7 * [0]) + b'{"a":{}}': "a safetensors file",
        b"\x00" * 40: "something else",
    }.items():
        path.write_bytes(wrong)
        compare.add_file(str(path), [row])
        assert reason in said.pop() and len(said) == 2


def test_an_uploaded_matrix_is_looked_at(tiny_gguf, monkeypatch, tmp_path):
    """Of whatever model: which one it is of is known when it is used."""
    monkeypatch.setattr(files, "upload_folder", lambda: tmp_path)
    said = []
    monkeypatch.setattr(textfield.gr, "Warning", said.append)
    path = tmp_path / "a1" / "it.imatrix.gguf"
    path.parent.mkdir()
    inputs = {
        name: torch.ones(modules.weight_of(tiny_gguf.model, name).shape[1])
        for name in modules.linear_names(tiny_gguf.model)
    }
    importance.write(Importance(inputs, FILE, (DATASET,), 1, 1), tiny_gguf, path)
    assert textfield._matrix(str(path)) == "upload:a1/it.imatrix.gguf" and not said
    path.write_bytes(path.read_bytes()[:-100])
    textfield._matrix(str(path))
    path.write_bytes(b"PK\x03\x04")
    textfield._matrix(str(path))
    assert "is not complete" in said[0] and "no importance matrix that llama.cpp wrote" in said[1]


def test_a_published_file_unticks_the_rotation(loaded):
    assert compare.without_rotation(["gguf:Q4_0", "owner/model-GGUF/m-Q4_K_M.gguf"]) is False
    assert compare.without_rotation(["owner/mmproj-model.gguf"]) is False
    assert compare.without_rotation(["gguf:Q4_0"]) is not False
    request = Request(formats=("published:upload:a1/mine.gguf", "own:nf4"), rotated=True)
    assert "will be refused. Untick the rotation" in plan.plan(request)
    assert "refused" not in plan.plan(replace(request, rotated=False))


def test_more_to_read_needs_more_seconds():
    short, long = (
        plan.gpu_seconds(Request.parse(formats=["own:absmax-int8"], windows=64, context=context))
        for context in (64, 2_048)
    )
    assert 20 + 8 * 2 <= short < long <= 240
