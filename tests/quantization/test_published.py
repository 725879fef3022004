"""Published GGUF files as rows: read to the bit on every family, refused by their headers before any weight
is downloaded, and named as people name them.
"""

from __future__ import annotations

import random
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch

from quantization import (
    compare,
    formats,
    ggml_codes,
    gguf_file,
    gguf_header,
    plan,
    published,
    published_check,
    published_model,
    published_rows,
)
from quantization.request import Request
from quantization_rooms import compare as room
from shared import files, ggml, hub_files, models, owner
from shared.errors import VisitorError
from tests.quantization import herd
from tests.shared.hub_server import HubServer, Repo, the_hub


@pytest.fixture
def mine(monkeypatch):
    """Whoever asks is the owner of the machine."""
    monkeypatch.setattr(owner, "is_here", lambda: True)


def read(loaded, path: Path):
    base = published_check.expected(loaded)
    found = published_model.opened(published.place(str(path)), base)
    return published_model.read(found, path, base)


def parameters(model) -> dict[str, torch.Tensor]:
    return dict(model.named_parameters(remove_duplicate=False))


@pytest.mark.parametrize("name", herd.WRITTEN)
@pytest.mark.parametrize("type", ["Q8_0", "Q2_K"])
def test_a_file_is_read_to_the_bit(name, type, mine, tmp_path):
    """As its blocks were made of the model's rows, which never were in llama.cpp's order."""
    loaded = herd.opened(name)
    made = gguf_file.quantize_model(loaded, type, None)
    (path,) = made.export(tmp_path)
    found = read(loaded, path)
    expected = parameters(made.model)
    base = published_check.expected(loaded)
    alone = published_model.model_of(published_model.opened(published.place(str(path)), base), path, base)
    for parameter, value in parameters(found.model).items():
        assert torch.equal(value, expected[parameter]), parameter
        assert torch.equal(parameters(alone)[parameter], value), "the same without a look at errors"
    assert found.file_bytes == path.stat().st_size and found.weight_bytes == made.weight_bytes
    assert sum(one.stored_bytes for one in found.tensors) == sum(one.stored_bytes for one in made.tensors)
    assert sum(one.squared_error for one in found.tensors) == pytest.approx(
        sum(one.squared_error for one in made.tensors), rel=1e-9
    )
    assert not any(one.reason for one in found.tensors), "ours are llama.cpp's types"
    assert not any("other weights" in note for note in found.notes)


@pytest.mark.parametrize("name", herd.WRITTEN)
def test_what_llama_cpps_converter_wrote_is_the_model(name, mine, theirs):
    loaded, path = herd.opened(name), theirs[name]
    found = read(loaded, path)
    expected = parameters(loaded.model)
    for parameter, value in parameters(found.model).items():
        if "norm" in parameter:  # Gemma's gains, to which 1 was added
            torch.testing.assert_close(value, expected[parameter], rtol=0, atol=3e-7)
        else:
            assert torch.equal(value, expected[parameter]), parameter
    assert not any("settings are not the model's" in note for note in found.notes), found.notes


@pytest.mark.parametrize("type", [*ggml.TYPES, "NVFP4", "F16", "BF16"])
def test_any_bytes_are_the_values_of_the_gguf_package(type):
    """ggml's own code reads them; infinities of a broken scale too."""
    block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[type]]
    count = 4096 // block
    data = np.random.default_rng(0).integers(0, 256, (3, count * size), np.uint8)
    with np.errstate(all="ignore"):
        expected = gguf.dequantize(data, gguf.GGMLQuantizationType[type]).astype(np.float32)
    values = ggml.dequantize(data, type, count * block)
    assert np.array_equal(values.numpy(), expected.reshape(values.shape), equal_nan=True)
    if type in ggml.TYPES:
        found = ggml_codes.distinct(data, type, torch.nan_to_num(values, 0.0, 0.0, 0.0))
        assert len(found) <= ggml_codes.most(type)
        if not type.startswith(("IQ1", "IQ2", "IQ3")) and type != "TQ1_0":
            assert found == set(ggml_codes.codes_of(data, type, count * block).ravel().tolist())


@pytest.mark.parametrize("name", ["llama31", "gemma3", "qwen2", "mixtral8", "longrope"])
def test_a_header_says_what_the_gguf_package_reads(name, tmp_path):
    made = gguf_file.quantize_model(herd.opened(name), "Q4_K_M", None)
    (path,) = made.export(tmp_path)
    header = gguf_header.read_header(*gguf_header.of_path(path), path.name)
    reader = gguf.GGUFReader(path)
    known = {key: field.contents() for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    assert header.values.keys() == known.keys()
    for key, value in known.items():
        ours = header.values[key]
        assert (ours.tolist() if isinstance(ours, np.ndarray) else ours) == value, key
    assert list(header.tensors) == [tensor.name for tensor in reader.tensors]
    for tensor in reader.tensors:
        ours = header.tensors[tensor.name]
        assert (ours.start, ours.bytes, ours.type) == (
            tensor.data_offset,
            tensor.n_bytes,
            tensor.tensor_type.name,
        )
        assert list(reversed(ours.shape)) == tensor.shape.tolist()


def test_a_vocabulary_is_read_once_for_the_files_of_a_model(tiny_gguf, tmp_path, monkeypatch):
    """And never taken for another's, wherever the pieces end, nor where the file ends."""
    monkeypatch.setattr(gguf_header, "MANY", 10)
    monkeypatch.setattr(gguf_header, "_read_last", [])
    (path,) = gguf_file.quantize_model(tiny_gguf, "Q8_0", None).export(tmp_path)
    other = rewritten(path, tmp_path / "other.gguf", other_token)
    names = [
        [field.contents() for key, field in gguf.GGUFReader(one).fields.items() if key == TOKENS]
        for one in (path, other)
    ]

    def tokens(path: Path, piece: int):
        monkeypatch.setattr(gguf_header, "PIECE", piece)
        return gguf_header.read_header(*gguf_header.of_path(path), "it").values[TOKENS]

    first = tokens(path, 1_000_000)
    assert tokens(path, 1_000_000) is first and tokens(path, 4_000) is first
    assert [first] == names[0] and [tokens(other, 3_000)] == names[1] and tokens(path, 3_000) is first
    begun = path.read_bytes()[:5_000]
    with pytest.raises(VisitorError, match="in the middle of its header"):
        gguf_header.read_header(lambda start, count: begun[start : start + count], len(begun), "it")


TOKENS = "tokenizer.ggml.tokens"


def test_a_damaged_file_is_refused_in_two_sentences(tiny_gguf, tmp_path):
    """Cut anywhere, or with any byte changed: nothing else than a refusal, and no gigabytes are asked for."""
    (path,) = gguf_file.quantize_model(tiny_gguf, "Q4_0", None).export(tmp_path)
    whole = path.read_bytes()
    start = gguf_header.read_header(*gguf_header.of_path(path), "it").start
    draw = random.Random(0)

    def header(content: bytes):
        return gguf_header.read_header(
            lambda first, count: content[first : first + count], len(content), "model.gguf"
        )

    for length in (0, 3, 4, 8, 20, 24, 100, start // 2, start - 1, start, len(whole) - 1):
        with pytest.raises(VisitorError) as caught:
            header(whole[:length])
        assert caught.value.remedy
    for _ in range(300):
        broken = bytearray(whole)
        broken[draw.randrange(2000)] = draw.randrange(256)
        try:
            header(bytes(broken))
        except VisitorError as error:
            assert "model.gguf" in error.what
    big = bytearray(whole)
    big[8:16] = (2**62).to_bytes(8, "little")
    with pytest.raises(VisitorError, match="tensors"):
        header(bytes(big))


def rewritten(path: Path, target: Path, change: Any) -> Path:
    """A copy of a GGUF file with other values and tensors: `change` gets both, and changes them."""
    reader = gguf.GGUFReader(path)
    values = {
        key: (field.types, field.contents())
        for key, field in reader.fields.items()
        if not key.startswith("GGUF.")
    }
    tensors = {tensor.name: (tensor.data, tensor.tensor_type) for tensor in reader.tensors}
    change(values, tensors)
    writer = gguf.GGUFWriter(target, values.pop("general.architecture")[1])
    for key, (types, value) in values.items():
        writer.add_key_value(key, value, types[0], types[1] if len(types) > 1 else None)
    for name, (value, type) in tensors.items():
        writer.add_tensor(name, value, raw_dtype=type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def put(key: str, value: Any, *types: gguf.GGUFValueType):
    return lambda values, tensors: values.__setitem__(
        key, (types or (values[key][0] if key in values else [gguf.GGUFValueType.STRING]), value)
    )


def without(name: str):
    return lambda values, tensors: tensors.pop(name)


def with_tensor(name: str):
    return lambda values, tensors: tensors.__setitem__(
        name, (np.ones(4, np.float32), gguf.GGMLQuantizationType.F32)
    )


def other_token(values, tensors):
    values["tokenizer.ggml.tokens"][1][300] = "elephant"


def other_merges(values, tensors):
    values["tokenizer.ggml.merges"][1][:2] = reversed(values["tokenizer.ggml.merges"][1][:2])


def emptied(values, tensors):
    tensors.clear()


def norm_in_blocks(values, tensors):
    """llama.cpp multiplies with norms, which it does in plain types alone."""
    gain = torch.from_numpy(np.array(tensors["blk.0.attn_norm.weight"][0], np.float32))
    tensors["blk.0.attn_norm.weight"] = (ggml.quantize(gain[None], "Q8_0")[0], Q8_0)


def turned(values, tensors):
    """As many weights, in other rows."""
    rows, columns = 128, 64
    assert tensors["blk.0.ffn_up.weight"][0].shape[0] == rows
    plain = gguf.GGMLQuantizationType.F32
    tensors["blk.0.ffn_up.weight"] = (np.ones((columns, rows), np.float32), plain)


Q8_0 = gguf.GGMLQuantizationType.Q8_0
UINT16 = gguf.GGUFValueType.UINT16
REFUSED = {
    "a projector": (put("general.type", "mmproj"), "a vision projector"),
    "clip": (put("general.architecture", "clip"), "a vision projector"),
    "an adapter": (put("general.type", "adapter"), "an adapter"),
    "an importance matrix": (put("general.type", "imatrix"), "an importance matrix"),
    "a part": (put("split.count", 3, UINT16), "one of 3 parts"),
    "nothing": (emptied, "holds no weights"),
    "mamba": (put("general.architecture", "mamba"), "“mamba”, which is not read here"),
    "another family": (put("general.architecture", "qwen3"), "is a qwen3 model, and .* is a llama"),
    "other layers": (put("llama.block_count", 7), "its block_count is 7, and that of .* is 2"),
    "a missing tensor": (without("blk.1.ffn_up.weight"), "lacks the tensor blk.1.ffn_up.weight"),
    "one more tensor": (with_tensor("blk.0.attn_q.bias"), "holds the tensor blk.0.attn_q.bias"),
    "a norm in blocks": (norm_in_blocks, "blk.0.attn_norm.weight, which is no matrix, as Q8_0"),
    "a matrix turned": (turned, "its blk.0.ffn_up.weight is 64 × 128, and that of .* 128 × 64"),
    "another token": (other_token, "its token 300 is “elephant”"),
    "other merges": (other_merges, "its merges differ"),
    "another kind of tokenizer": (put("tokenizer.ggml.model", "llama"), "kind “llama”"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_the_base_model_is_refused(case, tiny_gguf, mine, tmp_path):
    change, sentence = REFUSED[case]
    (path,) = gguf_file.quantize_model(tiny_gguf, "Q4_0", None).export(tmp_path)
    other = rewritten(path, tmp_path / "other.gguf", change)
    with pytest.raises(VisitorError, match=sentence) as caught:
        published_model.opened(published.place(str(other)), published_check.expected(tiny_gguf))
    assert caught.value.remedy and caught.value.what.startswith("other.gguf")


NOTED = {
    "another rotary base": (put("llama.rope.freq_base", 500.0), "rope.freq_base is 500 where"),
    "another split": (put("tokenizer.ggml.pre", "gpt-2"), "split as “gpt-2”"),
    "another beginning": (
        put("tokenizer.ggml.add_bos_token", True, gguf.GGUFValueType.BOOL),
        "begin with BOS, the tokenizer that they begin without",
    ),
    "an importance matrix": (put("quantize.imatrix.file", "wiki.dat"), "importance matrix wiki.dat"),
}


@pytest.mark.parametrize("case", NOTED)
def test_what_llama_cpp_would_do_otherwise_is_said(case, tiny_gguf, mine, tmp_path):
    change, sentence = NOTED[case]
    (path,) = gguf_file.quantize_model(tiny_gguf, "Q4_0", None).export(tmp_path)
    base = published_check.expected(tiny_gguf)
    plain = published_model.opened(published.place(str(path)), base)
    noted = published_model.opened(
        published.place(str(rewritten(path, tmp_path / "other.gguf", change))), base
    )
    assert len(noted.notes) == len(plain.notes) + 1
    assert any(sentence in note for note in noted.notes), noted.notes


def test_a_fine_tune_under_the_models_name_is_noticed(tiny_gguf, mine, tmp_path):
    """By what every file keeps as it is."""

    def tuned(values, tensors):
        name = "blk.0.attn_norm.weight"
        tensors[name] = (tensors[name][0] + 0.1, tensors[name][1])

    (path,) = gguf_file.quantize_model(tiny_gguf, "Q8_0", None).export(tmp_path)
    found = read(tiny_gguf, rewritten(path, tmp_path / "tuned.gguf", tuned))
    assert any("blk.0.attn_norm.weight: it was made from other weights" in note for note in found.notes)


def test_a_type_that_rules_would_not_give_is_said(tiny_gguf, mine, tmp_path):
    """Uploaders who choose tensor by tensor."""

    def mixed(values, tensors):
        value = gguf.quants.dequantize(*tensors["blk.0.ffn_down.weight"])
        type = gguf.GGMLQuantizationType.Q8_0
        tensors["blk.0.ffn_down.weight"] = (gguf.quants.quantize(value, type), type)

    (path,) = gguf_file.quantize_model(tiny_gguf, "Q4_0", None).export(tmp_path)
    found = read(tiny_gguf, rewritten(path, tmp_path / "mixed.gguf", mixed))
    (other,) = [tensor for tensor in found.tensors if tensor.reason]
    assert (other.name, other.type, other.wanted) == ("model.layers.0.mlp.down_proj.weight", "Q8_0", "Q4_0")


def test_a_head_of_its_own_is_read_beside_the_embedding(tiny_gguf, mine, tmp_path):
    """Some uploaders store the tied embedding twice, the head in more bits."""

    def headed(values, tensors):
        table = tiny_gguf.model.get_input_embeddings().weight.detach().numpy()
        tensors["output.weight"] = (table.copy(), gguf.GGMLQuantizationType.F32)

    (path,) = gguf_file.quantize_model(tiny_gguf, "Q4_0", None).export(tmp_path)
    found = read(tiny_gguf, rewritten(path, tmp_path / "headed.gguf", headed))
    head, table = found.model.get_output_embeddings().weight, found.model.get_input_embeddings().weight
    original = tiny_gguf.model.get_input_embeddings().weight
    assert torch.equal(head, original) and not torch.equal(table, original)
    assert tiny_gguf.model.get_output_embeddings().weight is original


NAMES = {
    "bartowski/SmolLM2-GGUF": "bartowski SmolLM2-GGUF",
    "bartowski/SmolLM2-GGUF/SmolLM2-Q4_K_M.gguf": "bartowski Q4_K_M",
    "bartowski/SmolLM2-GGUF:Q4_K_M": "bartowski Q4_K_M",
    "unsloth/m-gguf/sub folder/m.UD-Q4_K_XL.gguf": "unsloth UD-Q4_K_XL",
    "https://huggingface.co/a/m-GGUF/blob/main/m-Q8_0.gguf": "a Q8_0",
    "https://hf.co/a/m-GGUF/resolve/main/m-Q8_0.gguf?download=true": "a Q8_0",
    "https://huggingface.co/a/m-GGUF/tree/main": "a m-GGUF",
    "published:a/plain": "a plain",
    "~/models/mine.gguf": "mine",
}


@pytest.mark.parametrize("name", NAMES)
def test_files_are_named_as_people_name_them(name):
    form = formats.parse(name)
    assert form.engine == "published" and form.label == NAMES[name]
    assert formats.parse(form.name) == form
    assert Request.from_query(Request.parse(formats=[name]).to_query()).formats == (form.name,)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a/m-GGUF/m-Q4_0-00001-of-00003.gguf", "one part of a file that is split"),
        ("a/m-GGUF/mmproj-m-f16.gguf", "a vision projector"),
        ("a/m-GGUF/m.imatrix.gguf", "an importance matrix"),
        ("a/m-GGUF/imatrix.dat", "an importance matrix"),
        ("a/m-GGUF/README.md", "no GGUF file"),
        ("a/m-GGUF/../../etc.gguf", "names no GGUF file"),
        ("published:", "names no GGUF file"),
        ("published:m.gguf", "names no GGUF file"),
        ("exl3:4", "There is no format"),
        ("a/b/" + "m" * 400 + ".gguf", "There is no format"),
    ],
)
def test_a_name_that_is_no_model_is_refused(name, sentence):
    with pytest.raises(VisitorError, match=sentence) as caught:
        formats.parse(name)
    assert caught.value.remedy


def test_a_visitor_reads_no_file_of_the_machine(tiny_gguf, monkeypatch, tmp_path):
    monkeypatch.setattr(owner, "is_here", lambda: False)
    monkeypatch.setattr(files, "upload_folder", lambda: tmp_path / "uploads")
    (path,) = gguf_file.quantize_model(tiny_gguf, "Q4_0", None).export(tmp_path)
    inside = tmp_path / "uploads" / "a1b2" / "mine.gguf"
    inside.parent.mkdir(parents=True)
    path.copy(inside) if hasattr(path, "copy") else inside.write_bytes(path.read_bytes())
    for spec in (str(path), "~/x.gguf", "./x.gguf"):
        with pytest.raises(VisitorError, match="its owner's"):
            published.place(spec)
    for spec in (f"upload:../{path.name}", "upload:a1b2/none.gguf", f"upload:{path}"):
        with pytest.raises(VisitorError, match="gone"):
            published.place(spec)
    name = published.uploaded(str(inside))
    assert name == "published:upload:a1b2/mine.gguf"
    (asked,) = Request.parse(formats=[{"path": str(inside)}]).formats
    assert asked == name and formats.parse(str(inside)).name == name, "as the API answers an upload"
    assert published.matrix_spec(str(inside)) == "upload:a1b2/mine.gguf"
    assert published.place(formats.parse(name).spec).path == inside.resolve()
    assert Request.parse(formats=[name]).to_query() is None, "nobody else has it"
    with pytest.raises(VisitorError, match="not uploaded here"):
        published.uploaded(str(path))


@pytest.fixture
def serve(tmp_path):
    """A function that starts a Hub with repositories and points the real client at it, its cache empty."""
    with ExitStack() as hubs:

        def start(repos: dict[str, Repo]) -> HubServer:
            published._listings.clear()
            return hubs.enter_context(the_hub(repos, tmp_path / "cache"))

        yield start
    published._listings.clear()


def asked(loaded, names: list[str]) -> dict[str, dict]:
    """The rows of a comparison, by their labels."""
    request = Request.parse(formats=names, context=32, windows=4, prompt="", model=loaded.id)
    for _ in published_rows.fetched(request, loaded):
        pass
    *_, run = compare.compare(request, loaded)
    return {row["label"]: row for row in run.to_json()["rows"]}


@pytest.fixture(scope="module")
def repository(tiny_gguf, tmp_path_factory):
    """A repository as uploaders have them, of the tiny model."""
    folder = tmp_path_factory.mktemp("repository")
    content = {
        f"llama-{type}.gguf": gguf_file.quantize_model(tiny_gguf, type, None)
        .export(folder / type)[0]
        .read_bytes()
        for type in ("F16", "Q8_0", "Q4_0", "Q2_K")
    }
    (path,) = gguf_file.quantize_model(tiny_gguf, "Q4_0", None).export(folder / "other")
    other = rewritten(path, folder / "other.gguf", other_token).read_bytes()
    extra = {
        "README.md": b"# A card",
        "llama-Q6_K-00001-of-00002.gguf": b"GGUF",
        "mmproj-llama-f16.gguf": b"GGUF",
        "llama.imatrix.gguf": b"GGUF",
    }
    return content, other, extra


@pytest.fixture
def in_memory(tiny_gguf, monkeypatch):
    monkeypatch.setattr(models, "in_memory", lambda *_, **__: tiny_gguf)
    return tiny_gguf


def test_all_files_of_a_repository_are_compared(repository, serve, in_memory):
    content, _, extra = repository
    server = serve({"maker/llama-GGUF": Repo({**content, **extra})})
    names = ["maker/llama-GGUF", "gguf:Q4_0"]
    said = plan.plan(Request.parse(formats=names))
    size = sum(map(len, content.values())) / 1e6
    assert said.startswith("Plan: 5 formats") and f"{size:,.0f} MB to download" in said
    found = asked(in_memory, names)
    assert set(found) == {"maker F16", "maker Q8_0", "maker Q2_K", "maker Q4_0", "Q4_0"}
    assert all(row["status"] == "done" for row in found.values()), found
    assert found["maker Q4_0"]["kld"] == found["Q4_0"]["kld"], "the same blocks, read or made"
    assert "gguf:Q4_0" in found["maker Q4_0"]["tied"]
    assert found["maker F16"]["kld"]["mean"] < found["maker Q8_0"]["kld"]["mean"]
    assert found["maker Q8_0"]["kld"]["mean"] < found["Q4_0"]["kld"]["mean"]
    assert found["maker Q8_0"]["file_bytes"] == len(content["llama-Q8_0.gguf"])
    assert found["maker Q8_0"]["version"] == "maker/llama-GGUF at 0123456"
    assert "in llama.cpp" in found["maker Q8_0"]["runtime"]
    downloads = [name for name, wanted in server.pieces if wanted is None]
    assert sorted(downloads) == sorted(content), "once each, and nothing else"
    server.pieces.clear()
    assert "download" not in plan.plan(Request.parse(formats=["maker/llama-GGUF:q4_0"]))
    assert list(asked(in_memory, ["maker/llama-GGUF:q4_0"])) == ["maker Q4_0"]
    assert not server.pieces, "what is here is not asked for"


def test_what_is_refused_is_not_downloaded(repository, serve, in_memory):
    server = serve({"maker/llama-GGUF": Repo({"other-Q4_0.gguf": repository[1] + bytes(5_000_000)})})
    files = ["maker/llama-GGUF/other-Q4_0.gguf", "maker/llama-GGUF/none.gguf", "gone/m-GGUF/m.gguf"]
    found = asked(in_memory, [*files, "own:absmax-int8"])
    assert "“elephant”" in found["maker other-Q4_0"]["error"]["what"]
    assert "has no file none.gguf" in found["maker none"]["error"]["what"]
    assert "no public model gone/m-GGUF" in found["gone m"]["error"]["what"]
    assert found["absmax-int8"]["status"] == "done"
    assert set(server.pieces) == {("other-Q4_0.gguf", "bytes=0-999999")}, "a piece of the header alone"


def test_a_repository_that_is_gone_is_a_row_and_the_others_go_on(serve, in_memory):
    serve({"maker/split-GGUF": Repo({"a-00001-of-00002.gguf": b"GGUF"})})
    found = asked(in_memory, ["gone/m-GGUF", "maker/split-GGUF", "maker/split-GGUF:Q4_0", "own:absmax-int8"])
    assert found.pop("absmax-int8")["status"] == "done"
    whys = [row["error"]["what"] for row in found.values()]
    assert "no public model gone/m-GGUF" in whys[0] and "is split" in whys[1] and "is split" in whys[2]


def test_where_no_row_is_left_no_text_is_read(repository, serve, in_memory, monkeypatch):
    serve({"maker/llama-GGUF": Repo({"a.gguf": repository[1], "b.gguf": b"PK\x03\x04"})})
    monkeypatch.setattr(compare.metrics, "base_pass", lambda *_: pytest.fail("the text was read"))
    with pytest.raises(VisitorError, match=r"None of 2 rows can be measured. The first: a.gguf .*elephant"):
        asked(in_memory, ["maker/llama-GGUF"])
    with pytest.raises(VisitorError, match=r"^b.gguf cannot be read: it is a zip archive"):
        asked(in_memory, ["maker/llama-GGUF/b.gguf"])


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"text": "too short"}, "tokens"),
        ({"context": 1024}, "reads at most"),
        ({"imatrix": "maker/llama-GGUF/other.imatrix.gguf"}, "no importance matrix"),
    ],
)
def test_what_is_wrong_is_said_before_a_file_is_downloaded(
    more, sentence, repository, serve, in_memory, monkeypatch
):
    """A matrix of another model, or a text that is too short, among files of gigabytes."""
    content, other, _ = repository
    server = serve({"maker/llama-GGUF": Repo({**content, "other.imatrix.gguf": other})})
    monkeypatch.setattr(models, "load", lambda *_, **__: in_memory)
    names = ["maker/llama-GGUF", "gguf:Q4_0+imatrix"]
    request = Request.parse(**{"formats": names, "context": 32, "windows": 2, "prompt": "", **more})
    for run in (lambda: list(room.run(request)), lambda: room.compare(request)):
        with pytest.raises(VisitorError, match=sentence):
            run()
    assert {name for name, wanted in server.pieces if wanted is None} <= {"other.imatrix.gguf"}


@pytest.mark.parametrize(
    ("repo", "sentence"),
    [
        (Repo({"model.safetensors": b"x"}), "has no GGUF file"),
        (Repo({"a-00001-of-00002.gguf": b"GGUF"}), "one part of a file that is split"),
        (Repo({f"m-{number}.gguf": b"GGUF" for number in range(40)}), "40 files were named"),
        (Repo({"m-Q8_0.gguf": b"GGUF"}), "no file that ends in Q4_0.gguf"),
    ],
)
def test_a_repository_without_files_to_compare_is_refused(repo, sentence, serve, in_memory):
    serve({"maker/llama-GGUF": repo})
    tag = ":Q4_0" if "Q4_0" in sentence else ""
    with pytest.raises(VisitorError, match=sentence) as caught:
        plan.plan(Request.parse(formats=[f"maker/llama-GGUF{tag}"]))
    assert caught.value.remedy


def test_a_server_that_sends_the_whole_file_is_not_listened_to(serve, monkeypatch):
    server = serve({"maker/m-GGUF": Repo({"m.gguf": b"GGUF" + bytes(2_000_000)})})
    listed = hub_files.listing("maker/m-GGUF")
    read = hub_files.ranges(listed, "m.gguf")
    assert (read(0, 4), len(read(1_999_000, 10_000)), read(3_000_000, 5)) == (b"GGUF", 1_004, b"")
    server.ignores_ranges = True
    with pytest.raises(VisitorError, match="status 200"):
        read(0, 4)


def test_a_visitor_needs_a_hub_that_answers(monkeypatch):
    monkeypatch.setattr(owner, "is_here", lambda: False)
    published._listings.clear()
    with pytest.raises(VisitorError, match="cannot be reached"):
        published_rows.names(["published:maker/m-GGUF"])
    assert published_rows.counted(["published:maker/m-GGUF", "own:nf4"]) == 2 + published_rows.GUESS


def test_a_rotated_model_has_no_files(tiny_gguf, mine, tmp_path):
    (path,) = gguf_file.quantize_model(tiny_gguf, "Q4_0", None).export(tmp_path)
    request = Request.parse(
        formats=[str(path), "own:absmax-int8"], rotated=True, context=32, windows=1, prompt=""
    )
    *_, run = compare.compare(request, tiny_gguf)
    assert [row.status for row in run.rows] == ["failed", "done"]
    assert "not the rotated equivalent" in run.rows[0].error.what
