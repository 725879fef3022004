"""A rounded model: gguf's own numbers in its copy, the model itself untouched."""

import pytest
import torch
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize

from shared.errors import VisitorError
from shared.rounding import TYPES, rounded
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
    from dataclasses import replace

    with pytest.raises(VisitorError, match="whole blocks of 32"):
        rounded(replace(loaded, model=model), "Q4_0")
