"""GGUF: bytes against the gguf package, llama.cpp's rules, and files that transformers and llama.cpp load."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from quantization import ggml_blocks, ggml_codes, gguf_file, gguf_types, lab, llama_cpp, modules
from shared import ggml
from shared.embedded_model import quiet_progress
from shared.errors import VisitorError
from tests import zoo
from tests.quantization.conftest import small_llama


def weights() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(6, 512, generator=generator) * 0.04
    outlier = normal.clone()
    outlier[2, 9] = 3.0
    return {
        "normal": normal,
        "outlier": outlier,
        "zeros": torch.zeros(2, 512),
        "constant": torch.full((2, 512), 0.3),
        "tiny": normal * 1e-12,
    }


def by_numpy(weight: torch.Tensor, type: str) -> np.ndarray | None:
    try:
        return (
            np.asarray(gguf.quants.quantize(weight.numpy(), gguf.GGMLQuantizationType[type]))
            .view(np.uint8)
            .reshape(len(weight), -1)
        )
    except NotImplementedError:
        return None


def test_bytes_equal_the_reference_quantizers():
    compared = set()
    for name, weight in weights().items():
        for type in ggml.TYPES:
            reference = by_numpy(weight, type)
            if reference is not None and not (name == "tiny" and type in ("Q4_0", "Q5_0")):
                assert np.array_equal(ggml.quantize(weight, type), reference), (name, type)
                compared.add(type)
    assert compared >= {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0", "TQ2_0", "MXFP4"}


def test_bytes_equal_the_reference_on_a_real_weight(embedded):
    weight = embedded.model.model.layers[4].self_attn.k_proj.weight.detach()
    for type in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"):
        assert np.array_equal(ggml.quantize(weight, type), by_numpy(weight, type))


@pytest.mark.parametrize("type", ggml.TYPES)
def test_every_type_quantizes_awkward_weights(type):
    importance = torch.rand(512, generator=torch.Generator().manual_seed(1))
    importance[:5] = 0
    bound = {1: 0.6, 2: 0.35, 3: 0.08, 4: 0.03}
    for name, weight in weights().items():
        made = ggml_codes.quantized(weight, type, importance * (1e-25 if name == "outlier" else 1))
        assert (
            torch.isfinite(made.values).all()
            and made.codes.shape == weight.shape
            and made.codes.unique().numel() <= 256
        )
        assert made.stored_bytes == weight.numel() * ggml.bits(type) / 8
        if name == "normal":
            loss = float(((weight - made.values) ** 2).sum() / (weight**2).sum())
            assert 0 < loss < (0.75 if type.startswith("TQ") else bound.get(int(ggml.bits(type)), 0.03)), (
                loss
            )  # TQ is for ternary models


@pytest.mark.parametrize("type", ggml.TYPES)
def test_explained_blocks_are_gguf_own_values(type):
    """Every value is one of the levels that the explanation names, and codes with the formula give the value
    again.
    """
    weight = weights()["outlier"]
    importance = torch.ones(512)
    made = ggml_codes.quantized(weight, type, importance)
    length = ggml.layout(type)[0]
    for index in range(512 // length):
        found = lab.block("", weight, made, type, 2, index)
        part = slice(index * length, (index + 1) * length)
        assert found["values"] == made.values[2, part].tolist() and found["start"] == index * length
        parts = found.get("sub_blocks") or [{"start": 0, "length": length, "levels": found["levels"]}]
        for sub in parts:
            values = np.array(found["values"][sub["start"] : sub["start"] + sub["length"]])
            levels = np.array(sub["levels"])
            scale = max(float(np.abs(made.values).max()), 1e-9)
            assert (np.abs(values[:, None] - levels).min(1) <= 1e-6 * scale).all()


@pytest.mark.parametrize(
    ("type", "zero", "high"),
    [("Q2_K", 0, 3), ("Q3_K", 4, 7), ("Q4_K", 0, 15), ("Q5_K", 0, 31), ("Q6_K", 32, 63)],
)
def test_codes_and_scales_of_k_types_give_the_values(type, zero, high):
    weight = weights()["normal"]
    made = ggml_codes.quantized(weight, type)
    assert made.codes.min() >= 0 and made.codes.max() <= high
    length = 32 if type in ("Q4_K", "Q5_K") else 16
    for sub in range(256 // length):
        scale, minimum = ggml_blocks.sub_scale(made.details["data"][1][: ggml.layout(type)[1]], type, sub)
        part = slice(sub * length, (sub + 1) * length)
        expected = scale * (made.codes[1, part].double() - zero) - minimum
        torch.testing.assert_close(made.values[1, part].double(), expected, rtol=1e-5, atol=1e-8)


def test_what_a_type_cannot_hold_is_said():
    with pytest.raises(VisitorError, match="Q4_K holds blocks of 256 weights, and rows of 576"):
        ggml.quantize(torch.ones(2, 576), "Q4_K")
    with pytest.raises(VisitorError, match="which columns matter"):
        ggml.quantize(torch.ones(2, 256), "IQ1_S")
    with pytest.raises(VisitorError, match="not finite"):
        ggml.quantize(torch.full((2, 32), float("inf")), "Q4_0")


def test_substitutions_for_rows_of_576():
    expected = {
        "Q4_K": "Q5_0",
        "Q5_K": "Q5_1",
        "Q6_K": "Q8_0",
        "Q2_K": "Q4_0",
        "Q3_K": "Q4_0",
        "IQ4_XS": "IQ4_NL",
        "IQ3_S": "IQ4_NL",
        "IQ2_XXS": "IQ4_NL",
        "IQ1_S": "IQ4_NL",
        "TQ2_0": "Q4_0",
        "Q4_0": "Q4_0",
        "Q8_0": "Q8_0",
    }
    for asked, used in expected.items():
        found, reason = ggml.substitute(asked, 576)
        assert found == used and bool(reason) == (asked != used)
    assert ggml.substitute("Q4_K", 100)[0] == "F16"


def model_of(layers: int, hidden: int = 4096) -> list[tuple[str, tuple[int, int]]]:
    names = [("model.embed_tokens.weight", (32000, hidden))]
    for layer in range(layers):
        for part in (
            "self_attn.q_proj",
            "self_attn.k_proj",
            "self_attn.v_proj",
            "self_attn.o_proj",
            "mlp.gate_proj",
            "mlp.up_proj",
            "mlp.down_proj",
        ):
            names.append((f"model.layers.{layer}.{part}.weight", (hidden, hidden)))
    return [*names, ("lm_head.weight", (32000, hidden))]


def test_the_mix_of_an_ordinary_model():
    """Q4_K_M of a 32-layer Llama: llama.cpp's well-known pattern."""
    found = {
        choice.name: choice.used
        for choice in gguf_types.plan("Q4_K_M", model_of(32), gguf_types.Shape(32, 1, False, False))
    }
    assert found["lm_head.weight"] == "Q6_K" and found["model.embed_tokens.weight"] == "Q4_K"
    better = [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]
    for layer in range(32):
        for part in ("self_attn.v_proj", "mlp.down_proj"):
            assert found[f"model.layers.{layer}.{part}.weight"] == ("Q6_K" if layer in better else "Q4_K"), (
                layer,
                part,
            )
        assert found[f"model.layers.{layer}.self_attn.q_proj.weight"] == "Q4_K"
    small = {
        c.name: c.used for c in gguf_types.plan("Q2_K", model_of(32), gguf_types.Shape(32, 4, False, False))
    }
    assert (
        small["model.layers.5.self_attn.v_proj.weight"] == "Q4_K"
        and small["model.layers.5.mlp.down_proj.weight"] == "Q3_K"
    )
    tied = gguf_types.plan("Q4_K_M", model_of(2)[:-1], gguf_types.Shape(2, 1, True, False))
    assert tied[0].used == "Q6_K", "a tied embedding follows the output's rule"
    chosen = gguf_types.plan(
        "Q8_0", model_of(2), gguf_types.Shape(2, 1, False, False), {"lm_head.weight": "Q4_0"}
    )
    assert chosen[-1].used == "Q4_0"


@pytest.mark.parametrize("file_type", list(gguf_types.FILE_TYPES))
def test_every_file_type_plans_types_that_exist(file_type):
    for columns in (576, 4096):
        shape = gguf_types.Shape(30, 3, True, gguf_types.needs_importance(file_type))
        for choice in gguf_types.plan(file_type, model_of(30, columns)[:-1], shape):
            assert choice.used in (*ggml.TYPES, *ggml.PLAIN)
            assert choice.used in ggml.PLAIN or columns % ggml.layout(choice.used)[0] == 0
            assert bool(choice.reason) == (choice.wanted != choice.used)


def load_gguf(path: Path) -> Any:
    """The model that transformers makes of a GGUF file, in float32."""
    with quiet_progress():
        model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    return model.eval()


@pytest.mark.parametrize(
    ("file_type", "hidden"), [("Q4_0", 64), ("Q8_0", 64), ("Q4_K_M", 256), ("Q2_K", 256), ("BF16", 64)]
)
def test_a_file_loads_in_transformers_as_the_row_was_measured(tmp_path, file_type, hidden):
    loaded = small_llama(hidden, tied=file_type != "Q8_0")
    made = gguf_file.quantize_model(loaded, file_type, None)
    (path,) = made.export(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    back = load_gguf(path)
    ids = torch.randint(0, 400, (1, 24), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(back(ids).logits, made.model(ids).logits, rtol=0, atol=1e-5)
        assert not torch.equal(made.model(ids).logits, loaded.model(ids).logits)
    stored = sum(tensor.n_bytes for tensor in gguf.GGUFReader(path).tensors)
    assert stored == made.weight_bytes and path.stat().st_size == made.file_bytes


def test_a_float32_file_loses_nothing(tmp_path):
    loaded = small_llama()
    matrices = {
        name: ("F32", p.detach().numpy().view(np.uint8))
        for name, p in loaded.model.named_parameters()
        if p.dim() == 2
    }
    path = tmp_path / "exact.gguf"
    gguf_file.write_gguf(
        path, loaded, {name: (type, data.view(np.float32)) for name, (type, data) in matrices.items()}, "F32"
    )
    back = load_gguf(path).state_dict()
    for name, value in loaded.model.state_dict().items():
        assert torch.equal(back[name], value), name


def test_the_embedded_copy_lies_on_the_grid_of_q4_1(embedded):
    """Which is why the page warns: on this copy Q4_1 loses nothing."""
    weight = embedded.model.model.layers[7].mlp.gate_proj.weight.detach()
    lossless = ggml_codes.quantized(weight, "Q4_1").values
    others = ggml_codes.quantized(weight, "Q4_0").values
    assert float(((weight - lossless) ** 2).sum()) < 1e-3 * float(((weight - others) ** 2).sum())


@pytest.fixture(scope="module")
def served(embedded, tmp_path_factory):
    made = gguf_file.quantize_model(embedded, "Q8_0", None)
    (path,) = made.export(tmp_path_factory.mktemp("gguf"))
    return made, path


def test_llama_cpp_says_what_transformers_says(served, embedded):
    """The file in llama.cpp itself, whose arithmetic differs a little: the beginning must agree."""
    made, path = served
    prompt = "The capital of France is"
    ids = embedded.tokenizer(prompt, return_tensors="pt").input_ids
    with torch.no_grad():
        expected = embedded.tokenizer.decode(
            made.model.generate(ids, max_new_tokens=8, do_sample=False, pad_token_id=2)[0, ids.shape[1] :]
        )
    found = llama_cpp.run(path, prompt, 8)
    assert found["text"][:12] == expected[:12]
    assert found["decode_tokens_per_second"] > 0


def test_tokens_are_the_same_in_the_file(served, embedded):
    """Vocabulary, merges and special tokens as llama.cpp's own conversion wrote them for this model."""
    from shared.embedded_model import embedded_gguf

    reader, original = gguf.GGUFReader(served[1]), gguf.GGUFReader(embedded_gguf())

    def strings(source, name):
        field = source.fields[name]
        return [bytes(field.parts[index]) for index in field.data]

    for name in (
        "tokenizer.ggml.tokens",
        "tokenizer.ggml.merges",
        "tokenizer.ggml.model",
        "tokenizer.ggml.pre",
        "general.architecture",
    ):
        assert strings(reader, name) == strings(original, name), name
    for name in (
        "llama.rope.freq_base",
        "llama.attention.head_count_kv",
        "llama.block_count",
        "llama.context_length",
        "tokenizer.ggml.eos_token_id",
    ):
        assert reader.fields[name].parts[-1].tolist() == original.fields[name].parts[-1].tolist(), name


def test_what_llama_cpp_cannot_load_is_an_error(tmp_path):
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(VisitorError, match=r"llama\.cpp could not run"):
        llama_cpp.run(path, "x", 2)


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    made = gguf_file.quantize_model(small_llama(), "Q4_0", None)

    def full(self, *_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(gguf.GGUFWriter, "write_tensors_to_file", full)
    with pytest.raises(VisitorError, match="disk is full"):
        made.export(tmp_path)
    assert not list(tmp_path.iterdir())


def test_other_architectures_are_refused():
    with pytest.raises(VisitorError, match="gpt_neox"):
        gguf_file.quantize_model(zoo.opened("neox"), "Q8_0", None)


def test_the_base_model_is_left_alone(tiny_gguf):
    before = {name: parameter.clone() for name, parameter in tiny_gguf.model.named_parameters()}
    made = gguf_file.quantize_model(tiny_gguf, "Q4_0", None)
    assert all(torch.equal(parameter, before[name]) for name, parameter in tiny_gguf.model.named_parameters())
    assert made.model.get_output_embeddings().weight is made.model.get_input_embeddings().weight, (
        "tied: counted and stored once"
    )
    assert sum(tensor.name == "lm_head.weight" for tensor in made.tensors) == 0
    assert modules.linear_names(tiny_gguf.model)[0] in {tensor.name for tensor in made.tensors}
