"""Models made of others: rounded ones have ggml's numbers, a mean is the mean; the others stay untouched."""

from dataclasses import replace

import pytest
import torch
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize

from shared import ggml, models
from shared.errors import VisitorError
from shared.mean import mean
from shared.rounding import K_TYPES, TYPES, rounded
from tests import zoo


@pytest.mark.parametrize("to", TYPES)
def test_a_rounded_model_has_ggufs_weights_and_leaves_the_model_alone(to):
    loaded = zoo.opened("llama3")
    before = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    copy = rounded(loaded, to)
    kind = GGMLQuantizationType[to]
    changed = 0
    for name, tensor in copy.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], before[name])
        if name.endswith("_proj.weight"):
            want = dequantize(quantize(before[name].float().numpy(), kind), kind)
            assert torch.equal(tensor, torch.from_numpy(want))
            changed += 1
        else:
            assert torch.equal(tensor, before[name])
    assert f"{changed} matrices rounded to {to}" in copy.source
    assert rounded(loaded, to) is copy
    assert rounded(loaded, "") is loaded


def test_a_model_without_whole_blocks_is_refused():
    loaded = zoo.opened("llama3")
    narrow = torch.nn.Linear(31, 8)
    model = type("Narrow", (torch.nn.Module,), {"get_output_embeddings": lambda _: None})()
    model.add_module("layer", narrow)
    with pytest.raises(VisitorError, match="whole blocks of 32"):
        rounded(replace(loaded, model=model), "Q4_0")


def test_k_types_are_ggmls_blocks_and_llama_cpps_other_type_where_rows_do_not_fit():
    """Read back by the gguf package's own reader, which shares no code with ours."""
    model = torch.nn.Module()
    model.get_output_embeddings = lambda: None  # type: ignore[assignment]
    model.wide, model.narrow = torch.nn.Linear(512, 3), torch.nn.Linear(576, 3)
    loaded = replace(zoo.opened("llama3"), model=model)
    for to, other in {"Q2_K": "Q4_0", "Q6_K": "Q8_0"}.items():
        copy = rounded(loaded, to)
        blocks, kind = ggml.quantize(model.wide.weight.detach(), to), GGMLQuantizationType[to]
        assert torch.equal(copy.model.wide.weight, torch.from_numpy(dequantize(blocks, kind)))
        narrow, kind = model.narrow.weight.detach().numpy(), GGMLQuantizationType[other]
        want = dequantize(quantize(narrow, kind), kind)
        assert torch.equal(copy.model.narrow.weight, torch.from_numpy(want))
        assert f"1 matrix rounded to {to}, 1 matrix rounded to {other} (rows of 576 weights" in copy.source
    errors = [(rounded(loaded, to).model.wide.weight - model.wide.weight).square().mean() for to in K_TYPES]
    assert errors == sorted(errors), "fewer bits, larger errors"


def test_a_mean_is_the_mean_of_every_weight_and_leaves_the_models_alone():
    one = zoo.opened("llama3")
    other = replace(one, model=models.twin(one.model), id="other")
    with torch.no_grad():
        for parameter_name, weight in list(other.model.named_parameters()):
            module = other.model.get_submodule(parameter_name.rpartition(".")[0])
            setattr(module, parameter_name.rpartition(".")[2], torch.nn.Parameter(weight + 1))
    before = {name: tensor.clone() for name, tensor in one.model.state_dict().items()}
    found = mean([one, other])
    assert mean([one, other]).model is found.model and found.id == f"{one.id}+other"
    assert mean([one]) is one and mean([one, other, other]).model is not found.model
    for name, weight in found.model.named_parameters():
        assert torch.allclose(weight, before[name] + 0.5, atol=1e-6)
        assert torch.equal(one.model.state_dict()[name], before[name])


def test_models_of_other_shapes_or_vocabularies_have_no_mean():
    one = zoo.opened("llama3")
    with pytest.raises(VisitorError, match="differ in shape"):
        mean([one, zoo.opened("gpt2")])
    with pytest.raises(VisitorError, match="differ in vocabulary"):
        mean([one, replace(one, tokenizer=zoo.opened("gpt2").tokenizer)])
