"""What memory a run takes, by a stated formula, and what fits on which card.

Peak bytes = weights + states + activations, and for full training the gradients where they are more than the
activations, since both are not there at once:

- weights: w bytes a parameter (4 in float32, 2 in bfloat16); QLoRA keeps the blocks' linear layers in
  NF4, half a byte and 4/64 for the scales of blocks of 64;
- states: LoRA 16 bytes a parameter of the adapter (value, gradient and AdamW's two means in float32); full
  2·w bytes a parameter (the two means);
- activations: tokens × (L·a·(8H + 4I) + 12·V), with a = w bytes a number, H the width, I that of the MLP, V
  the vocabulary, and L the blocks from the lowest adapted one on; with gradient checkpointing tokens ×
  (L·a·H + a·(8H + 4I) + 12·V).

The terms were fitted to peaks of a Llama of 135 million parameters in float32 on a processor.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetuning.data import Method, Plan
from finetuning.lora import adapted_layers, blocks, is_linear
from finetuning.request import name_text
from finetuning.train_request import TARGETS
from shared import experts, hub, request, shelf, weights
from shared.checks import flag, one_of, whole
from shared.embedded_model import EMBEDDED_MODEL, embedded_folder
from shared.errors import VisitorError, reason
from shared.imports import import_transformers
from shared.jobs import FREE
from shared.request import setting

METHODS = ("full", "lora", "qlora")
CARDS = (8, 16, 24, 80)
"""Of GPUs, in GB of 10⁹ bytes."""
LENGTHS = (256, 512, 1_024, 2_048, 4_096, 8_192)
WORDS = (
    "peak = weights + states + activations (full: the larger of activations and gradients); activations = "
    "tokens · (L·a·(8H + 4I) + 12·V), checkpointed tokens · (L·a·H + a·(8H + 4I) + 12·V)"
)


@dataclass(frozen=True)
class PlanRequest(request.Request):
    """What a plan is of."""

    model: str = setting(EMBEDDED_MODEL, name_text, "the model, whose config.json is read and no weights")
    rank: int = setting(8, whole(1, 1_024), "r of LoRA")
    targets: str = setting("all-linear", one_of(*TARGETS), f"which layers are adapted: {', '.join(TARGETS)}")
    layers: int = setting(0, whole(0, 1_000), "blocks that get adapters, counted from the top; 0 for all")
    dtype: str = setting("bfloat16", one_of("float32", "bfloat16"), "of weights and activations")
    checkpointing: bool = setting(False, flag, "whether activations are computed again on the way back")


@dataclass(frozen=True)
class Shape:
    """What the formula needs of a model.

    Args:
        parameters: all of them, tied ones once.
        linear: those of the blocks' linear layers.
        adapter: of LoRA, in the adapted layers.
        blocks: all.
        trained: blocks from the lowest adapted one on.
        width: H.
        inner: I.
        vocabulary: V.
    """

    parameters: int
    linear: int
    adapter: int
    blocks: int
    trained: int
    width: int
    inner: int
    vocabulary: int


def shape_of(model: Any, asked: PlanRequest) -> Shape:
    """The shape of a model, which may be on the device "meta"."""
    config = model.config.get_text_config()
    _, _, found = blocks(model)
    chosen, wanted = adapted_layers(len(found), asked.layers), TARGETS[asked.targets]
    linear = adapter = 0
    for at, block in enumerate(found):
        for name, module in block.named_modules():
            if is_linear(module):
                linear += module.weight.numel()
                if at in chosen and (not wanted or name.rpartition(".")[2] in wanted):
                    adapter += asked.rank * sum(module.weight.shape)
    width = int(config.hidden_size)
    # some families name one for every layer
    inner = getattr(config, "intermediate_size", None) or getattr(config, "n_inner", None) or 4 * width
    return Shape(
        sum(value.numel() for value in model.parameters()),
        linear,
        adapter,
        len(found),
        len(chosen),
        width,
        max(inner) if isinstance(inner, (list, tuple)) else int(inner),
        int(config.vocab_size),
    )


def fixed(shape: Shape, method: str, dtype: str) -> tuple[int, int, int]:
    """Bytes of weights, of states, and of gradients beside the activations."""
    size = 4 if dtype == "float32" else 2
    if method == "full":
        return size * shape.parameters, 2 * size * shape.parameters, size * shape.parameters
    if method == "lora":
        return size * shape.parameters, 16 * shape.adapter, 0
    kept = size * (shape.parameters - shape.linear) + round(shape.linear * (0.5 + 4 / 64))
    return kept, 16 * shape.adapter, 0


def a_token(shape: Shape, method: str, dtype: str, *, checkpointing: bool) -> int:
    """Bytes of activations for one token."""
    size = 4 if dtype == "float32" else 2
    deep = shape.blocks if method == "full" else shape.trained
    block = size * (8 * shape.width + 4 * shape.inner)
    if checkpointing:
        return deep * size * shape.width + block + 12 * shape.vocabulary
    return deep * block + 12 * shape.vocabulary


def peak(shape: Shape, method: str, dtype: str, tokens: int, *, checkpointing: bool) -> int:
    """Bytes at the peak of a step that reads so many tokens, padding included."""
    kept, states, gradients = fixed(shape, method, dtype)
    read = tokens * a_token(shape, method, dtype, checkpointing=checkpointing)
    return kept + states + max(read, gradients)


def fits(shape: Shape, asked: PlanRequest, method: str, card: int, length: int) -> int:
    """The largest batch of rows of a length that fits on a card; 0 where not even one does."""
    kept, states, gradients = fixed(shape, method, asked.dtype)
    left = int(FREE * card * 1e9) - kept - states
    each = length * a_token(shape, method, asked.dtype, checkpointing=asked.checkpointing)
    return max(0, left // each) if left >= gradients else 0


def plan(asked: PlanRequest) -> Plan:
    """What a run takes, and what fits where.

    Raises:
        VisitorError: the model is not known, or none of text.
    """
    shape = shape_of(empty(asked.model), asked)
    if not shape.adapter:
        raise VisitorError(f"The model has no layer called {asked.targets}.", "Choose all-linear as targets.")
    methods: list[Method] = []
    for method in METHODS:
        kept, states, gradients = fixed(shape, method, asked.dtype)
        methods.append(
            {
                "method": method,  # type: ignore[typeddict-item]
                "weights": kept,
                "states": states,
                "gradients": gradients,
                "a_token": a_token(shape, method, asked.dtype, checkpointing=asked.checkpointing),
                "trained": shape.parameters if method == "full" else shape.adapter,
                "fits": [
                    {"card": card, "batch": {str(n): fits(shape, asked, method, card, n) for n in LENGTHS}}
                    for card in CARDS
                ],
            }
        )
    return {
        "kind": "plan",
        "drawable": True,
        "done": True,
        "run_id": str(time.time_ns()),
        "request": asked.to_json(),
        "model": asked.model,
        "parameters": shape.parameters,
        "shape": {
            "L": shape.trained,
            "blocks": shape.blocks,
            "H": shape.width,
            "I": shape.inner,
            "V": shape.vocabulary,
        },
        "methods": methods,
        "formula": WORDS,
        "assumed": f"{100 * FREE:.0f} % of a card, of 10⁹ bytes a GB, is free; AdamW; not measured on a GPU",
    }


def empty(model_id: str) -> Any:
    """A model as its config says, without weights."""
    import_transformers()
    if model_id == EMBEDDED_MODEL or model_id in experts.NAMES:
        return _built(embedded_folder(), model_id)
    if shelf.is_made(model_id):
        return _built(shelf.folder_of(model_id), model_id)
    if hub.is_local_path(model_id):
        return _built(Path(model_id).expanduser().resolve(), model_id)
    hub.check_id(model_id)
    if not hub.reachable():
        raise VisitorError(
            f"{model_id} is not on this machine and the Hub cannot be reached.",
            "Choose the embedded SmolLM2-135M-Instruct.",
        )
    hub.model_size(model_id, ())  # it says what is missing, private or gated
    with tempfile.TemporaryDirectory() as folder:
        hub.small_files(model_id, None, Path(folder))
        return _built(Path(folder), model_id)


def _built(folder: Path, model_id: str) -> Any:
    weights.check_kind(folder, model_id)
    try:
        return weights.described(folder, model_id)
    except VisitorError:
        raise
    except Exception as error:
        raise VisitorError(
            f"{model_id} cannot be built from its config.json ({reason(error)}).", "Choose another model."
        ) from error
