"""Importance matrices: files as llama.cpp writes and reads them, rows with and without one, and matrices of
other models, which are refused.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import struct

import gguf
import numpy as np
import pytest
import torch

from quantization import calibration, formats, gguf_file, importance, kinds, llama_rows, published
from quantization.compare import compare
from quantization.request import Request, TakeRequest
from quantization.take import take
from shared import files, ggml
from shared.errors import VisitorError
from shared.steps import last
from tests import zoo
from tests.quantization.conftest import small_llama

WINDOWS = torch.randint(5, 60, (3, 24), generator=torch.Generator().manual_seed(0))


def learnt(loaded) -> importance.Importance:
    return formats.Calibration(WINDOWS).importance(loaded)


@pytest.fixture(scope="module")
def loaded():
    return small_llama(256)


def by_llama_cpp(path):
    """A GGUF file's tensors by llama.cpp's own reader, in this process: name, bytes and size."""
    files = importlib.metadata.files("xllamacpp") or []
    library = ctypes.CDLL(str(next(file.locate() for file in files if str(file).endswith(".so"))))
    pointer, index = ctypes.c_void_p, ctypes.c_int64

    class Parameters(ctypes.Structure):
        _fields_ = [("no_alloc", ctypes.c_bool), ("ctx", pointer)]

    types = {
        "gguf_init_from_file": (pointer, [ctypes.c_char_p, Parameters]),
        "gguf_get_n_tensors": (index, [pointer]),
        "gguf_get_tensor_name": (ctypes.c_char_p, [pointer, index]),
        "gguf_get_tensor_offset": (ctypes.c_size_t, [pointer, index]),
        "gguf_get_tensor_size": (ctypes.c_size_t, [pointer, index]),
        "gguf_get_data_offset": (ctypes.c_size_t, [pointer]),
        "gguf_find_key": (index, [pointer, ctypes.c_char_p]),
        "gguf_get_val_u32": (ctypes.c_uint32, [pointer, index]),
        "gguf_get_val_str": (ctypes.c_char_p, [pointer, index]),
        "gguf_get_arr_str": (ctypes.c_char_p, [pointer, index, ctypes.c_size_t]),
        "gguf_free": (None, [pointer]),
    }
    for name, (result, arguments) in types.items():
        getattr(library, name).restype, getattr(library, name).argtypes = result, arguments
    opened = library.gguf_init_from_file(str(path).encode(), Parameters(True, None))
    assert opened, "llama.cpp reads it"
    try:
        start, content, found = library.gguf_get_data_offset(opened), path.read_bytes(), {}
        for place in range(library.gguf_get_n_tensors(opened)):
            at = start + library.gguf_get_tensor_offset(opened, place)
            size = library.gguf_get_tensor_size(opened, place)
            found[library.gguf_get_tensor_name(opened, place).decode()] = np.frombuffer(
                content[at : at + size], "<f4"
            )
        key = {
            name: library.gguf_find_key(opened, name.encode())
            for name in (
                "general.type",
                "imatrix.datasets",
                "imatrix.chunk_count",
                "imatrix.chunk_size",
                "general.architecture",
            )
        }
        assert key["general.architecture"] < 0
        said = (
            library.gguf_get_val_str(opened, key["general.type"]).decode(),
            library.gguf_get_arr_str(opened, key["imatrix.datasets"], 0).decode(),
            library.gguf_get_val_u32(opened, key["imatrix.chunk_count"]),
            library.gguf_get_val_u32(opened, key["imatrix.chunk_size"]),
        )
        return found, said
    finally:
        library.gguf_free(opened)


def test_llama_cpp_reads_what_is_written(loaded, tmp_path):
    """Sums over counts are the mean squares that a plain hook sees."""
    path = tmp_path / importance.FILE
    importance.write(learnt(loaded), loaded, path)
    found, said = by_llama_cpp(path)
    assert said == ("imatrix", importance.DATASET, 3, 24)
    layer, seen = loaded.model.model.layers[1].mlp.down_proj, []
    hook = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()[0].double()))
    with torch.inference_mode():
        for window in WINDOWS:
            loaded.model(window[None])
    hook.remove()
    wanted = (torch.cat(seen) ** 2).mean(0).numpy()
    assert found["blk.1.ffn_down.weight.counts"].tolist() == [72]
    np.testing.assert_allclose(found["blk.1.ffn_down.weight.in_sum2"] / 72, wanted, rtol=1e-5)
    names = {name.rpartition(".")[0] for name in found}
    blocks = len(loaded.model.model.layers)
    assert len(names) == 7 * blocks and names.isdisjoint({"output.weight", "token_embd.weight"})


@pytest.mark.parametrize("ending", importance.KINDS)
@pytest.mark.parametrize("name", ["llama3", "phi3", "gpt2"])
def test_a_file_comes_back(tmp_path, name, ending):
    base = zoo.opened(name)
    written = learnt(base)
    path = tmp_path / f"it.{ending}"
    importance.write(written, base, path)
    back = importance.read(path, path.name, base)
    assert back.columns.keys() == written.columns.keys()
    for key, values in written.columns.items():
        torch.testing.assert_close(back.columns[key], values, rtol=1e-6, atol=0)
    assert (back.datasets, back.chunks) == ((importance.DATASET,), 3)


def test_the_format_of_before_is_read_without_its_end(loaded, tmp_path):
    """The oldest files stop after the last layer; values are means times calls."""
    path = tmp_path / "it.dat"
    importance.write(learnt(loaded), loaded, path)
    content = path.read_bytes()
    count, length = struct.unpack_from("<ii", content)
    assert count == len(learnt(loaded).columns) and content[8 : 8 + length].decode().startswith("blk.0.")
    path.write_bytes(content[: -(8 + len(importance.DATASET))])
    back = importance.read(path, path.name, loaded)
    assert back.datasets == () and back.columns.keys() == learnt(loaded).columns.keys()
    path.write_bytes(content[:-40])
    with pytest.raises(VisitorError, match="no importance matrix that"):
        importance.read(path, path.name, loaded)


def test_experts_have_their_own(tmp_path):
    """A matrix of a mixture, as llama-imatrix writes it: each expert's blocks are made with its own row."""
    base = zoo.opened("mixtral")
    layers = importance._layers(base.model)
    stacked = next(name for name in layers if "ffn_down_exps" in name)
    generator = torch.Generator().manual_seed(1)
    columns = {
        parameter: torch.rand(shape, generator=generator) + 0.01 for parameter, shape in layers.values()
    }
    path = tmp_path / "it.gguf"
    importance.write(importance.Importance(columns, "it.gguf", ("a",), 2, 8), base, path)
    parameter, shape = layers[stacked]
    assert gguf.GGUFReader(path).tensors and len(shape) == 2
    back = importance.read(path, "it.gguf", base).columns[parameter]
    torch.testing.assert_close(back, columns[parameter], rtol=1e-6, atol=0)
    whole = ggml.quantize(gguf_file.matrix(base.model, parameter).float(), "Q4_0", back)
    for one, (weight, row) in enumerate(zip(base.model.get_parameter(parameter), back, strict=True)):
        rows = len(weight)
        alone = ggml.quantize(weight.detach().float(), "Q4_0", row)
        assert np.array_equal(whole[one * rows : (one + 1) * rows], alone)


def test_which_types_learn():
    """A matrix changes the bytes of just those types that are said to take one, and none weighs more."""
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(16, 512, generator=generator)
    matters = torch.exp(2 * torch.randn(512, generator=generator))

    def loss(data, type):
        return float((((ggml.dequantize(data, type, 512) - weight) ** 2) * matters).sum())

    quick = [one for one in ggml.TYPES if one not in (*ggml.WITH_IMPORTANCE, "IQ2_S", "IQ3_XXS", "IQ3_S")]
    learning = set()
    for type in quick:
        without, with_one = ggml.quantize(weight, type), ggml.quantize(weight, type, matters)
        if not np.array_equal(without, with_one):
            learning.add(type)
            assert loss(with_one, type) < loss(without, type)
    assert learning == {*quick} - {"Q8_0", "TQ1_0", "TQ2_0", "MXFP4"}


def test_rows_with_and_without(loaded, tmp_path, monkeypatch):
    """Two rows of one type differ; a file of the same matrix gives the row of the text; another model's is
    refused before anything is measured.
    """
    monkeypatch.setattr(files, "upload_folder", lambda: tmp_path)
    monkeypatch.setattr(llama_rows, "is_file", lambda *_: False)
    text = "word and number, sentence and word. " * 60
    asked = {"text": text, "calibration": text, "context": 32, "windows": 4, "prompt": ""}
    names = ("gguf:Q4_0", "gguf:Q4_0+imatrix")
    run = last(compare(Request.parse(formats=names, **asked), loaded))
    plain, learning = (row.facts for row in run.rows)
    assert [row.error for row in run.rows] == [None, None]
    assert plain["kld"]["mean"] != learning["kld"]["mean"]
    assert any("Learnt from" in note for note in learning["notes"])
    step = last(take(TakeRequest.parse(format="imatrix:dat", calibration=text), loaded, tmp_path))
    (path,) = step.files
    assert step.figure["row"] is None and "llama-quantize --imatrix" in step.figure["script"]
    request = Request.parse(formats=names[1:], imatrix=published.uploaded(str(path), matrix=True), **asked)
    assert request.to_query() is None, "nobody else has the file"
    again = last(compare(request, loaded)).rows[0].facts
    assert "importance matrix" in " ".join(again["notes"]) and "calibration text" in " ".join(again["notes"])
    assert 0 <= again["file_bytes"] - learning["file_bytes"] <= 32, "its name is in the file"
    other = zoo.opened("llama3")
    with pytest.raises(VisitorError, match="of another model"):
        next(iter(compare(request, other)))
    with pytest.raises(VisitorError, match="no format takes it"):
        next(iter(compare(Request.parse(**{**request.to_json(), "formats": ["gguf:Q8_0"]}), loaded)))


def test_a_file_says_what_it_was_made_with(loaded, tmp_path):
    made = formats.quantize(loaded, formats.parse("gguf:Q4_0+imatrix"), formats.Calibration(WINDOWS))
    (path,) = made.export(tmp_path)
    assert path.name.endswith("Q4_0-imatrix.gguf")
    assert path.stat().st_size == made.file_bytes == gguf_file.planned_bytes(loaded, "Q4_0", True)
    stated = gguf.GGUFReader(path).fields
    keys = ("file", "dataset", "entries_count", "chunks_count")
    assert [stated[f"quantize.imatrix.{key}"].contents() for key in keys] == [
        importance.FILE,
        importance.DATASET,
        7 * len(loaded.model.model.layers),
        3,
    ]


def test_a_row_may_learn_from_a_kind_of_text(loaded):
    """From another text than that of the kind that is measured, in the same windows."""
    form = formats.parse("gguf:Q4_0+imatrix:code")
    assert (form.name, form.spec, form.kind) == ("gguf:Q4_0+imatrix:code", "Q4_0", "code")
    found = formats.Calibration(WINDOWS).importance(loaded, "code")
    text = kinds.text_of(loaded, "code", learn=True)
    windows = calibration.calibration_windows(loaded.tokenizer, text, kinds.CONTEXT).ids
    wanted = calibration.collect(loaded.model, windows)
    assert windows.numel() > 300 and found.tokens == windows.numel()
    for name, seen in wanted.items():
        assert torch.equal(found.columns[name], seen.column_mean_square)
    for kind in kinds.KINDS:
        measured, learning = (kinds.text_of(loaded, kind, learn=one).split() for one in (False, True))
        runs = [{tuple(words[at : at + 6]) for at in range(len(words) - 5)} for words in (measured, learning)]
        assert not runs[0] & runs[1] and len(learning) > 150, kind
    with pytest.raises(VisitorError, match="There is no kind of text"):
        formats.parse("gguf:Q4_0+imatrix:poems")


WRONG = {
    "a model": (
        lambda path, base: gguf_file.quantize_model(base, "Q8_0", None).export(path),
        "no importance",
    ),
    "a text": (lambda path, _: (path / "it.dat").write_text("hello world, a text"), "that llama.cpp wrote"),
    "other widths": (
        lambda path, _: importance.write(learnt(small_llama(128)), small_llama(128), path / "it.gguf"),
        "is of another model: its blk.0",
    ),
    "another family": (
        lambda path, _: importance.write(learnt(zoo.opened("gpt2")), zoo.opened("gpt2"), path / "it.dat"),
        "is of another model: it has",
    ),
    "not finite": (
        lambda path, base: importance.write(
            importance.Importance(
                {key: values * float("nan") for key, values in learnt(base).columns.items()}, "", (), 1, 1
            ),
            base,
            path / "it.gguf",
        ),
        "no mean squares",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_matrix_of_the_model_is_refused(loaded, tmp_path, name):
    make, reason = WRONG[name]
    make(tmp_path, loaded)
    (path,) = tmp_path.iterdir()
    with pytest.raises(VisitorError, match=reason):
        importance.read(path, path.name, loaded)


def test_names():
    assert formats.parse("gguf:IQ2_XS+imatrix").name == "gguf:IQ2_XS", "it always has one"
    assert formats.parse("gguf:Q4_K_M+imatrix").spec == "Q4_K_M"
    with pytest.raises(VisitorError, match="changes nothing in Q8_0"):
        formats.parse("gguf:Q8_0+imatrix")
    address = "https://huggingface.co/a/m-GGUF/resolve/main/imatrix.dat"
    assert published.matrix_spec(address) == "a/m-GGUF/imatrix.dat" and published.matrix_spec(" ") == ""
    for wrong, reason in {
        "a/m-GGUF": "names no importance matrix",
        "a/m-GGUF/wiki.txt": "by its name",
        "a/../../etc/x.dat": "names no",
    }.items():
        with pytest.raises(VisitorError, match=reason):
            published.matrix_spec(wrong)
