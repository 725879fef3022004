"""A vector file of the visitor's: what the page and others write is read as they mean it, and what is hostile
ends in a sentence.
"""

from __future__ import annotations

import struct
from dataclasses import replace

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from abliteration import given, vectors
from abliteration.outcome import find, remove, search, take
from abliteration.outcome.run import editing, prepare
from abliteration.vector_programs import TENSORS
from abliteration_rooms import uploads
from shared import files, models, owner, shelf
from shared.errors import VisitorError
from shared.steps import last
from tests import zoo
from tests.abliteration.conftest import returned
from tests.abliteration.test_vectors import ASKED


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The files of the page's own export."""
    folder = tmp_path_factory.mktemp("vectors") / "files"
    list(take.vectors_of(ASKED, folder, zoo.opened("llama3")))
    return folder


def control(path, rows, kind=np.float32, **more):
    """A control vector by the gguf library, rows by llama.cpp's block."""
    writer = gguf.GGUFWriter(path, "controlvector")
    for key, value in more.items():
        writer.add_array(key, value) if isinstance(value, list) else writer.add_string(key, value)
    for block, row in rows.items():
        writer.add_tensor(f"direction.{block}", np.array(row, kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_both_files_of_an_export_are_the_same_vectors(written):
    one, other = (given.read(written / name) for name in (TENSORS, vectors.CONTROL))
    assert set(other.rows) == {layer for layer in one.rows if layer > 1}
    assert all(torch.equal(other.rows[layer], one.rows[layer]) for layer in other.rows)
    turned = replace(one, edited=one.edited.flip(0))  # an edit's own rows go before the raw differences
    assert torch.allclose(turned.units(len(one.edited)), turned.edited, atol=1e-6)


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_a_control_vector_is_what_the_gguf_library_wrote(tmp_path, kind):
    rows = {1: [1.0, 2, 2, 0], 2: [0.5, 0, 0, -1], 5: [0, 0, 0.25, 0]}
    control(tmp_path / "a.gguf", rows, kind, words=["a", "bc"], numbers=[1, 2, 3], note="é" * 40)
    found = given.read(tmp_path / "a.gguf")
    assert {layer: row.tolist() for layer, row in found.rows.items()} == {k + 1: v for k, v in rows.items()}
    assert found.units(8)[2].tolist() == pytest.approx([1 / 3, 2 / 3, 2 / 3, 0])
    assert torch.equal(found.units(8)[7], found.units(8, 6)[0]), "the nearest one's"
    assert found.layer(8) == 3 and found.layer(8, 6) == 6
    with pytest.raises(VisitorError, match="no vector for layer 1"):
        found.layer(8, 1)


@pytest.mark.parametrize("shape", [(4,), (3, 4)])
def test_other_safetensors(tmp_path, shape):
    values = torch.arange(1.0, 13)[: 12 if len(shape) == 2 else 4].reshape(shape)
    save_file({"refusal": values.half()}, tmp_path / "a.safetensors")
    found = given.read(tmp_path / "a.safetensors")
    rows = values if len(shape) == 2 else values.expand(3, -1)
    assert found.stacked == (3 if len(shape) == 2 else 0)
    assert torch.allclose(found.units(3), torch.nn.functional.normalize(rows, dim=-1), atol=1e-3)


def test_names_and_numbers_of_other_tools(tmp_path):
    """TransformerLens' names; one vector with axes of length 1; bfloat16; a GGUF of doubles, as NumPy makes
    of repeng's vectors times a number of its own.
    """
    file = tmp_path / "a.safetensors"
    save_file({f"blocks.{k}.hook_resid_{end}": torch.ones(4) for k, end in ((3, "pre"), (6, "post"))}, file)
    assert set(given.read(file).rows) == {3, 7}
    save_file({"refusal_dir": torch.ones(1, 1, 4).bfloat16()}, file)
    assert given.read(file).rows[None].tolist() == [1, 1, 1, 1]
    control(tmp_path / "a.gguf", {2: [0.1, 0, 2]}, np.float64)
    assert given.read(tmp_path / "a.gguf").rows[3].tolist() == pytest.approx([0.1, 0, 2])
    raw = np.array([0.5, -2, 96], np.float32).view(np.uint32) >> 16
    writer = gguf.GGUFWriter(tmp_path / "b.gguf", "controlvector")
    bf16 = gguf.GGMLQuantizationType.BF16
    writer.add_tensor("direction.1", raw.astype(np.uint16).view(np.uint8), raw_dtype=bf16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert given.read(tmp_path / "b.gguf").rows[2].tolist() == [0.5, -2, 96]


def test_a_file_as_repeng_writes_it(tmp_path):
    """Its export_gguf: unit vectors from the last layer to the second, the family and how many there are."""
    path, family = tmp_path / "a.gguf", "mistral"
    rows = {k: np.eye(5, dtype=np.float32)[k] for k in (4, 3, 2, 1)}
    writer = gguf.GGUFWriter(path, "controlvector")
    writer.add_string("controlvector.model_hint", family)
    writer.add_uint32("controlvector.layer_count", len(rows))
    for layer, row in rows.items():
        writer.add_tensor(f"direction.{layer}", row)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = given.read(path)
    assert {layer: int(row.argmax()) for layer, row in found.rows.items()} == {5: 4, 4: 3, 3: 2, 2: 1}


def bad_files(folder):
    """Damaged and hostile files, with what is said of each."""
    control(folder / "good.gguf", {1: [1.0, 2], 2: [3.0, 4]}, note="x")
    good = (folder / "good.gguf").read_bytes()
    header = b"GGUF" + struct.pack("<I", 3)
    many = 2**62
    yield good[:-40], "beyond its end"
    yield header + struct.pack("<QQ", many, 0), "tensors"
    yield header + struct.pack("<QQ", 1, many), "tensors"
    yield header + struct.pack("<QQQ", 0, 1, many) + b"x", "beyond its end"
    yield header + struct.pack("<QQQ1sIIQ", 0, 1, 1, b"a", 9, 4, many), "beyond its end"
    yield header + struct.pack("<QQQ1sIIQ", 0, 1, 1, b"a", 9, 9, 1), "list of lists"
    yield header + struct.pack("<QQQ1sI", 0, 1, 1, b"a", 77), "type 77"
    yield header + struct.pack("<QQQ1sI", 1, 0, 1, b"a", many % 2**32 + 9), "axes"
    yield header + struct.pack("<QQQ11sIQIQ", 1, 0, 11, b"direction.1", 1, many, 0, 0), "beyond its end"
    yield struct.pack("<Q", 2**40) + b"{}", "cannot be read"
    yield b"", "cannot be read"
    yield b"PK\x03\x04" + bytes(60), "hold code that runs"
    for begin in (b"\x80\x02", b"\x80\x04", b"\x93NUMPY\x01\x00"):
        yield begin + b"{" * 60, "hold code that runs"
    several = header + struct.pack("<QQ", 9, 0)
    for number in range(9):  # all of them the same 400 bytes
        several += struct.pack("<Q11sIQIQ", 11, b"direction.%d" % number, 1, 100, 0, 0)
    yield several + bytes(600), "over one another"
    for tensors, says in (
        ({"direction.1": torch.tensor([1.0, float("nan")])}, "not finite"),
        ({"direction.1": torch.zeros(3)}, "all zero"),
        ({"direction.1": torch.ones(3), "direction.2": torch.ones(4)}, "differ in length"),
        ({"a": torch.ones(3), "b": torch.ones(3)}, "its tensors: “a”, “b”"),
        ({"direction.1": torch.full((3,), 3e38)}, "not finite"),
        ({"layer.1": torch.ones(3), "direction": torch.eye(3) * torch.tensor([1.0, 0, 1])}, "Row 1 of"),
        ({"layer.1": torch.ones(3), "direction": torch.full((2, 3), float("nan"))}, "Row 0 of"),
        ({"layer.1": torch.ones(3), "direction": torch.ones(3)}, "no matrix"),
        ({"a": torch.ones(3, dtype=torch.int32)}, "none of floating point"),
    ):
        save_file(tensors, folder / "made.safetensors")
        yield (folder / "made.safetensors").read_bytes(), says


def test_damaged_and_hostile_files_are_refused_in_two_sentences(tmp_path, monkeypatch):
    for data, says in bad_files(tmp_path):
        (tmp_path / "bad").write_bytes(data)
        with pytest.raises(VisitorError, match=says) as caught:
            given.read(tmp_path / "bad")
        assert caught.value.remedy and len(str(caught.value)) <= 300
    monkeypatch.setattr(given, "MAX_BYTES", 3)
    with pytest.raises(VisitorError, match="more than"):
        given.read(tmp_path / "good.gguf")


def test_an_uploaded_vector_is_the_edits_direction(written, tmp_path, monkeypatch):
    """The page's own file makes the page's own edit; of somebody else's shelf nothing is taken."""
    monkeypatch.setattr(owner, "visitor", lambda: "a")
    loaded = zoo.opened("llama3")
    name = uploads.upload_vector(str(written / TENSORS))
    assert name.startswith("made/vector-")
    asked = replace(ASKED, vector=name)
    ours, theirs = (returned(editing("ablate", one, loaded)) for one in (ASKED, asked))
    assert torch.allclose(ours.edit.directions, theirs.edit.directions, atol=1e-6)
    assert theirs.to_json()["projection"] == "vector file" and theirs.layer == ASKED.layer
    *_, data = remove.ablate(replace(asked, method="add", prompts=("Hi.",)), loaded)
    *_, other = remove.ablate(replace(ASKED, method="add", prompts=("Hi.",)), loaded)
    assert [pair["edited"] for pair in data["pairs"]] == [pair["edited"] for pair in other["pairs"]]
    save_file({"direction": torch.ones(7)}, tmp_path / "a.safetensors")
    wide = uploads.upload_vector(str(tmp_path / "a.safetensors"))
    with pytest.raises(VisitorError, match="have 7 numbers"):
        returned(editing("ablate", replace(asked, vector=wide), loaded))
    (tmp_path / "bad").write_bytes(b"GGUF")
    field, said, _ = uploads.taken_vector(str(tmp_path / "bad"))
    assert field == "" and "cannot be read" in said
    monkeypatch.setattr(owner, "visitor", lambda: "b")
    with pytest.raises(VisitorError, match="shelf"):
        returned(editing("ablate", asked, loaded))
    with pytest.raises(VisitorError, match="no vector file"):
        type(ASKED).parse(vector="somewhere/else")


def test_a_vector_behind_the_last_block_belongs_to_the_model(tmp_path, monkeypatch):
    """llama.cpp's generator and repeng write one for every block but the first, hidden states are one more
    than layers: what acts behind the last block is no layer's, and no other model's either.
    """
    monkeypatch.setattr(owner, "visitor", lambda: "a")
    control(tmp_path / "a.gguf", {1: [1.0, 0], 2: [0, 2.0]})
    save_file({"states": torch.tensor([[1.0, 0], [0, 1], [0, 1], [1, 0]])}, tmp_path / "a.safetensors")
    for file, middle, end in (("a.gguf", 2, [1, 0]), ("a.safetensors", 1, [0, 1])):
        name = uploads.upload_vector(str(tmp_path / file))
        found = given.opened(name, 3, 2)
        assert found.layer(3) == middle and found.units(3)[2].tolist() == end and 3 not in found.rows
        with pytest.raises(
            VisitorError, match=r"for layer 3, the model's layers are 0 to 1|4 rows, the model 2"
        ):
            given.opened(name, 2, 2)


def test_a_header_of_any_length_is_no_pickle(tmp_path):
    """Its length, the first 8 bytes, begins as a pickle does."""
    file = tmp_path / "a.safetensors"
    for length in (0x280, 0x380, 0x480, 0x580):
        head = b'{"direction.1":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'.ljust(length)
        file.write_bytes(struct.pack("<Q", length) + head + struct.pack("<2f", 1, 2))
        assert given.read(file).rows[2].tolist() == [1, 2]


def test_a_made_thing_that_is_no_vector_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(owner, "visitor", lambda: "a")
    made = shelf.put(files.result_folder(), "model", "x", says="", parents=["a/b"], relation="merge")
    with pytest.raises(VisitorError, match="no vector file"):
        given.opened(made.name, 3, 2)


def test_a_vector_that_does_not_fit_is_refused_before_prompts_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(owner, "visitor", lambda: "a")
    monkeypatch.setattr(models, "load", lambda *_, **__: zoo.opened("llama3"))
    save_file({"direction": torch.ones(7)}, tmp_path / "a.safetensors")
    asked = replace(ASKED, vector=uploads.upload_vector(str(tmp_path / "a.safetensors")))
    for kind in ("find", "ablate", "measure", "features", "certificate", "export", "chat"):
        with pytest.raises(VisitorError, match="have 7 numbers"):
            list(prepare(kind, asked))
    list(prepare("optimise", asked))  # which finds its own


def test_a_matrix_is_of_a_model_with_as_many_layers(tmp_path, monkeypatch):
    monkeypatch.setattr(owner, "visitor", lambda: "a")
    save_file({"all": torch.ones(5, 2)}, tmp_path / "a.safetensors")
    name = uploads.upload_vector(str(tmp_path / "a.safetensors"))
    for layers in (5, 4):
        assert len(given.opened(name, layers, 2).rows) == layers
    for layers in (3, 6):
        with pytest.raises(VisitorError, match="5 rows"):
            given.opened(name, layers, 2)
    save_file({"layer.1": torch.ones(2), "direction": torch.eye(4)[:, :2] + 1}, tmp_path / "a.safetensors")
    name = uploads.upload_vector(str(tmp_path / "a.safetensors"))
    for layers in (4, 3):
        assert given.opened(name, layers, 2).units(layers).shape == (layers, 2)
    with pytest.raises(VisitorError, match="“direction” has 4 rows"):
        given.opened(name, 5, 2)


def test_find_holds_the_file_against_what_it_finds(written, tmp_path, monkeypatch):
    """The page's own file has a cosine of 1 where it has a vector; a search says that it passes it over."""
    monkeypatch.setattr(owner, "visitor", lambda: "a")
    loaded = zoo.opened("llama3")
    save_file(
        {f"layer.{k}": row for k, row in given.read(written / TENSORS).rows.items()},
        tmp_path / "own.safetensors",
    )
    name = uploads.upload_vector(str(tmp_path / "own.safetensors"))
    data = last(find.find(replace(ASKED, vector=name, candidates=1), loaded))
    assert data["given"]["cosines"] == [None, pytest.approx(1), pytest.approx(1)] and data["aside"]
    assert data["request"]["vector"] == "" and data["given"]["name"] == name
    data = last(search.search(replace(ASKED, vector=name, trials=1), loaded))
    assert data["aside"] and "given" not in data


def test_what_leaves_with_an_uploaded_vector_is_that_vector(tmp_path, monkeypatch):
    """As vectors in both formats, in the card's words, and in the certificate; nobody else gets its name."""
    monkeypatch.setattr(owner, "visitor", lambda: "a")
    loaded = zoo.opened("llama3")
    chance, width = torch.Generator().manual_seed(3), loaded.model.config.hidden_size
    mine = {k: torch.randn(width, generator=chance) for k in (0, 1, 2)}
    save_file({f"layer.{k}": row for k, row in mine.items()}, tmp_path / "a.safetensors")
    asked = replace(ASKED, layer=None, vector=uploads.upload_vector(str(tmp_path / "a.safetensors")))
    data = last(take.vectors_of(asked, tmp_path / "vectors", loaded))
    assert data["certificate"]["gap"] < 1e-3 and data["request"]["layer"] is None
    again = [given.read(tmp_path / "vectors" / name) for name in (TENSORS, vectors.CONTROL)]
    assert all(torch.equal(again[0].rows[k], row) for k, row in mine.items())
    assert torch.equal(again[1].rows[2], mine[2])
    data = last(take.export(replace(asked, layer=0), tmp_path / "model", "lora", loaded))
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "came in a vector file" in card and "difference of means" not in card
    assert "that of layer 0 at all layers" in card and "made/" not in card
    assert asked.vector not in (tmp_path / "model" / "edit.json").read_text(encoding="utf-8")
    assert [row["name"] for row in data["measures"]["controls"]] == ["random direction"], "equal at layer 0"
