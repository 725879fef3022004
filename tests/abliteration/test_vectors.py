"""The direction as files: llama.cpp steers by the GGUF as the page's own step does, and the program beside it
makes the edit in transformers.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import replace

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from abliteration import select, vectors
from abliteration.ablate import live
from abliteration.outcome import take
from abliteration.request import Request
from abliteration.study import edit_of, study
from abliteration.vector_programs import FILES, TENSORS
from shared.errors import VisitorError
from tests import zoo
from tests.abliteration.conftest import logits, returned
from tests.abliteration.links import COOKING, OTHER

ASKED = Request.parse(positive=COOKING, negative=OTHER, layer=2, answer_tokens=3, projection="plain")
LLAMA_CPP = """\
import ctypes, json, sys
import gguf, numpy as np
from quantization.llama_library import Reader

model, vector, tokens, block, out = json.loads(sys.stdin.read())
reader, found = Reader(model), {t.name: t.data for t in gguf.GGUFReader(vector).tensors}
width = len(next(iter(found.values())))
rows = np.zeros((max(int(name.split(".")[1]) for name in found), width), np.float32)
for name, value in found.items():  # llama.cpp keeps direction.k in row k - 1, and adds it behind block k
    rows[int(name.split(".")[1]) - 1] = value
steer = reader._library.llama_set_adapter_cvec
steer.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, *3 * [ctypes.c_int32]]
context = reader.context(512)
plain = reader.predictions(context, tokens)
assert steer(context.pointer, rows.ctypes.data, rows.size, width, block, block) == 0
np.savez(out, plain=plain, steered=reader.predictions(context, tokens))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vectors") / "files"
    loaded = zoo.opened("llama3")
    *_, figure = take.vectors_of(ASKED, folder, loaded)
    return folder, loaded, returned(study(ASKED, loaded)), figure


def test_the_files_hold_the_differences(made):
    folder, loaded, known, figure = made
    assert figure["kind"] == "certificate" and figure["done"]
    stored = load_file(folder / TENSORS)
    edit = edit_of(ASKED, known, 2)
    assert torch.equal(stored["direction"], edit.directions)
    reader = gguf.GGUFReader(folder / vectors.CONTROL)
    field = {key: reader.get_field(key).contents() for key in reader.fields}
    assert field["general.architecture"] == "controlvector"
    assert field["controlvector.model_hint"] == loaded.model.config.model_type
    found = {tensor.name: torch.from_numpy(tensor.data.copy()) for tensor in reader.tensors}
    wanted = {f"direction.{layer - 1}": known.directions.raw(layer, -1) for layer in range(2, known.layers)}
    assert set(found) == set(wanted) and field["controlvector.layer_count"] == len(wanted)
    for name, value in wanted.items():
        assert torch.equal(found[name], value) and f"difference.{int(name[10:]) + 1}" in stored


def test_llama_cpp_steers_by_it(made, tmp_path):
    from quantization import gguf_file, llama_cpp

    folder, loaded, known, _ = made
    gguf_file.write_gguf(tmp_path / "model.gguf", loaded, {}, "F32")
    ids = known.side("report", "positive")[0]
    asked = [str(tmp_path / "model.gguf"), str(folder / vectors.CONTROL), ids, 1, str(tmp_path / "out.npz")]
    subprocess.run(
        [sys.executable, "-c", LLAMA_CPP],
        input=json.dumps(asked),
        text=True,
        check=True,
        capture_output=True,
        env=llama_cpp.environment(),
    )
    found = np.load(tmp_path / "out.npz")
    steered = live(loaded.model, known.anatomy, select.steering(known.directions, 2, -1, 1.0))
    wanted = {"plain": logits(loaded.model, ids).numpy(), "steered": logits(steered, ids).numpy()}
    effect = np.abs(wanted["steered"] - wanted["plain"]).max()
    for name, value in wanted.items():
        assert np.abs(found[name] - value).max() < 0.05 * effect, name


def run(folder, library, name):
    """The names of an exported program after its run."""
    program = (folder / FILES[library]).read_text().replace(f"'zoo/{name}'", repr(str(zoo.folder(name))))
    scope: dict = {}
    with contextlib.chdir(folder):
        exec(program, scope)
    return scope


def test_the_program_makes_the_edit(made):
    folder, loaded, known, figure = made
    assert set(figure["programs"]) == set(FILES) and "use_it.py" in (folder / vectors.NOTES).read_text()
    scope = run(folder, "transformers", "llama3")
    running = live(loaded.model, known.anatomy, edit_of(ASKED, known, 2))
    for ids in known.side("report", "positive")[:2]:
        made_by_it = logits(scope["model"].float(), ids)
        assert torch.allclose(made_by_it, logits(running, ids), atol=1e-4)
        assert not torch.allclose(made_by_it, logits(loaded.model, ids), atol=1e-3)


@pytest.mark.parametrize("name", ["llama3", "neox"])
def test_transformer_lens_makes_the_edit(name, tmp_path):
    """Blocks one part behind the other, and side by side with biases."""
    loaded, folder = zoo.opened(name), tmp_path / "files"
    asked = replace(
        ASKED,
        format="chat" if loaded.tokenizer.chat_template else "plain",
        kernel={"attention": 0.7, "mlp": 1},
    )
    list(take.vectors_of(asked, folder, loaded))
    known = returned(study(asked, loaded))
    scope = run(folder, "TransformerLens", name)
    ids = scope["tokens"][0].tolist()
    running = live(loaded.model, known.anatomy, edit_of(asked, known, 2))
    assert torch.allclose(scope["logits"][0].float(), logits(running, ids), atol=1e-3)
    assert not torch.allclose(scope["logits"][0].float(), logits(loaded.model, ids), atol=1e-2)


def test_a_name_of_this_page_alone_has_no_program():
    for name, says in (("cautious", "opens in the demo alone"), ("a/b", "no ablation")):
        assert says in vectors._notes({}, {"model": name, "read": ""}, {})


def test_what_has_no_weights_is_refused(tmp_path):
    asked = Request.parse(**{**ASKED.to_json(), "method": "affine"})
    with pytest.raises(VisitorError, match="affine"):
        list(take.vectors_of(asked, tmp_path / "none", zoo.opened("llama3")))
    assert not (tmp_path / "none").exists()
