"""Where a model writes into its residual stream: which matrices, in which layout, behind which norms.

The residual stream of a transformer is embedding + Σ over blocks of (attention output + MLP output). A
direction leaves the stream when it leaves every one of these writes. A family that is not listed here is
refused, never half-edited.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.errors import VisitorError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

EXACT, APPROXIMATE = "exact", "approximate"


@dataclass(frozen=True)
class Family:
    """Names of the modules in one family of models.

    Args:
        name: as people call it.
        types: values of `config.model_type`.
        blocks: the list of blocks.
        embedding: the token embedding.
        attention: by block, the module that holds the attention's output matrix; the first that a block has.
        mlp: by block, the module that holds the MLP's output matrix.
        final: the norm after the last block.
        positions: the learned positions, which also enter the stream.
        experts: by block, the module that holds the output matrices of a mixture's experts in one stack;
            "" where the family has none. A block without it has a plain MLP.
        post_norms: by block, norms between these matrices and the stream, for attention and MLP.
        rows: whether attention and MLP store their matrices as [in, out] (GPT-2's Conv1D).
        note: what a visitor should know.
    """

    name: str
    types: tuple[str, ...]
    blocks: str = "model.layers"
    embedding: str = "model.embed_tokens"
    attention: tuple[str, ...] = ("self_attn.o_proj",)
    mlp: str = "mlp.down_proj"
    final: str = "model.norm"
    positions: str | None = None
    experts: str = ""
    post_norms: tuple[str, str] | None = None
    rows: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """Whether edited weights give the same logits as the run-time edit."""
        return APPROXIMATE if self.post_norms else EXACT

    @property
    def reason(self) -> str:
        """The verdict in words."""
        if self.post_norms:
            return (
                "A norm with gain g stands between each matrix and the stream: the matrix is projected "
                "against norm(g⊙r̂), so that nothing of r̂ is written, and the gain makes up for the norm's "
                "rescaling on average; token by token the logits differ from the run-time edit's."
            )
        plain = "Attention and MLP write straight into the stream"
        return self.note or f"{plain}: edited weights give the run-time edit's logits."


FAMILIES: tuple[Family, ...] = (
    Family(
        "Llama",
        ("llama",),
        note="SmolLM2 and TinyLlama too. Attention and MLP write straight into the stream.",
    ),
    Family("Mistral", ("mistral",)),
    Family("Qwen2", ("qwen2",)),
    Family("Qwen3", ("qwen3",)),
    Family("SmolLM3", ("smollm3",)),
    Family("Gemma", ("gemma",), note="The embedding's factor √width is linear and changes nothing."),
    Family("Gemma 2", ("gemma2",), post_norms=("post_attention_layernorm", "post_feedforward_layernorm")),
    Family(
        "Gemma 3 (text)",
        ("gemma3_text",),
        post_norms=("post_attention_layernorm", "post_feedforward_layernorm"),
    ),
    Family("Phi-3", ("phi3",)),
    Family(
        "Phi",
        ("phi",),
        attention=("self_attn.dense",),
        mlp="mlp.fc2",
        final="model.final_layernorm",
        note="Attention and MLP read the same input and both write into the stream, with biases.",
    ),
    Family(
        "GPT-NeoX",
        ("gpt_neox",),
        blocks="gpt_neox.layers",
        embedding="gpt_neox.embed_in",
        attention=("attention.dense",),
        mlp="mlp.dense_4h_to_h",
        final="gpt_neox.final_layer_norm",
        note="Pythia too. Attention and MLP stand side by side and both write into the stream, with biases.",
    ),
    Family(
        "GPT-2",
        ("gpt2",),
        blocks="transformer.h",
        embedding="transformer.wte",
        positions="transformer.wpe",
        attention=("attn.c_proj",),
        mlp="mlp.c_proj",
        final="transformer.ln_f",
        rows=True,
        note="Its matrices are stored transposed, and learned positions enter the stream too.",
    ),
    Family(
        "LFM2",
        ("lfm2",),
        attention=("self_attn.out_proj", "conv.out_proj"),
        mlp="feed_forward.w2",
        final="model.embedding_norm",
        note="Most of its blocks have a short convolution in the attention's place, which writes into the "
        "stream the same way.",
    ),
    *(
        Family(
            name,
            (kind,),
            experts="mlp.experts",
            note="A mixture of experts: the matrix of every expert is edited, whether it is at work or not.",
        )
        for name, kind in (("Mixtral", "mixtral"), ("Qwen3 MoE", "qwen3_moe"), ("OLMoE", "olmoe"))
    ),
)


@dataclass(frozen=True)
class Write:
    """One matrix that writes into the residual stream.

    Args:
        part: "embedding", "positions", "attention" or "mlp".
        layer: index of the block; 0 for embedding and positions.
        module: the module that holds `weight` and perhaps `bias`.
        output: the module whose output is added to the stream: the same, or the norm behind it.
        rows: whether the weight is stored as [n, width] and not as [width, n].
        stack: whether it is a stack of experts' matrices, [experts, width, n].
    """

    part: str
    layer: int
    module: str
    output: str
    rows: bool
    stack: bool = False

    @property
    def name(self) -> str:
        """Of the weight in its module."""
        return "down_proj" if self.stack else "weight"

    def weight(self, model: PreTrainedModel) -> Tensor:
        """The weight as one matrix, [width, n] or with `rows` [n, width]; experts' side by side."""
        held: Tensor = getattr(model.get_submodule(self.module), self.name).detach()
        return held.transpose(0, 1).flatten(1) if self.stack else held

    def stored(self, matrix: Tensor, model: PreTrainedModel) -> Tensor:
        """Such a matrix as the model stores it."""
        if not self.stack:
            return matrix
        experts, width, _ = getattr(model.get_submodule(self.module), self.name).shape
        return matrix.reshape(width, experts, -1).transpose(0, 1).contiguous()


@dataclass(frozen=True)
class Anatomy:
    """A model's residual stream.

    Args:
        family: of the model.
        width: of the stream.
        blocks: module names of the blocks.
        final: module name of the norm after the last block.
        writes: everything that enters the stream, in order.
        tied: whether embedding and head are one matrix.
        head: module name of the head.
    """

    family: Family
    width: int
    blocks: tuple[str, ...]
    final: str
    writes: tuple[Write, ...]
    tied: bool
    head: str

    @property
    def layers(self) -> int:
        """How many blocks."""
        return len(self.blocks)

    @property
    def mixture(self) -> bool:
        """Whether experts write, whose inputs no hook sees."""
        return any(write.stack for write in self.writes)

    def check_method(self, method: str) -> None:
        """Raise a VisitorError for an edit that asks what a matrix reads, where experts write."""
        if self.mixture and method in ("fitted", "norm_preserving"):
            raise VisitorError(
                f"The method {method} needs each matrix's own inputs, which a mixture of experts hides.",
                "Choose the method ablate.",
            )

    def write(self, part: str, layer: int) -> Write:
        """The matrix of one part of one block."""
        return next(write for write in self.writes if write.part == part and write.layer == layer)


def is_known(config: Any) -> bool:
    """Whether a model is of a family that can be edited, whose attention was looked at."""
    return any(getattr(config, "model_type", "") in family.types for family in FAMILIES)


def family_of(config: Any) -> Family:
    """The family of a model's configuration.

    Raises:
        VisitorError: it is not supported, with the reason.
    """
    kind = str(getattr(config, "model_type", "unknown"))
    for family in FAMILIES:
        if kind in family.types:
            if getattr(config, "add_cross_attention", False):
                raise _refused(kind, "its blocks also read an encoder")
            return family
    raise _refused(kind, _why_not(kind, config))


def _why_not(kind: str, config: Any) -> str:
    if getattr(config, "is_encoder_decoder", False):
        return "it is an encoder with a decoder and has two streams"
    if not getattr(config, "is_decoder", True) and kind in (
        "bert",
        "roberta",
        "distilbert",
        "electra",
        "deberta",
        "deberta-v2",
        "modernbert",
    ):
        return "it is an encoder and writes no text"
    if any(getattr(config, name, None) for name in ("num_local_experts", "num_experts", "n_routed_experts")):
        return "its MLPs are mixtures of experts, and nobody has stated where these write"
    if hasattr(config, "vision_config"):
        return "it also takes images; the text model alone may be supported"
    if "mamba" in kind or "rwkv" in kind:
        return "it has no attention"
    return "nobody has stated where this family writes into its residual stream"


def _refused(kind: str, why: str) -> VisitorError:
    names = ", ".join(family.name for family in FAMILIES)
    return VisitorError(
        f"A model of type {kind[:40]} cannot be edited: {why}.", f"Choose one of these families: {names}."
    )


def inspect(model: PreTrainedModel) -> Anatomy:
    """Find every matrix that writes into a model's residual stream.

    Raises:
        VisitorError: the family is not supported, the weights are quantized, or a module is not where the
            family has it.
    """
    family = family_of(model.config)
    kind = str(model.config.model_type)
    modules = dict(model.named_modules())
    embedding = modules.get(family.embedding)
    if embedding is None or family.final not in modules or family.blocks not in modules:
        raise _refused(kind, f"it has no {family.embedding}, {family.blocks} or {family.final}")
    width = embedding.weight.shape[1]
    writes = [Write("embedding", 0, family.embedding, family.embedding, True)]
    if family.positions:
        writes.append(Write("positions", 0, family.positions, family.positions, True))
    blocks = tuple(
        f"{family.blocks}.{layer}" for layer in range(len(list(modules[family.blocks].children())))
    )
    for layer, block in enumerate(blocks):
        attention = next(
            (name for name in family.attention if f"{block}.{name}" in modules), family.attention[0]
        )
        for part, name in (("attention", attention), ("mlp", family.mlp)):
            held = f"{block}.{name}"
            norm = family.post_norms and family.post_norms[part == "mlp"]
            stack = part == "mlp" and bool(family.experts) and f"{block}.{family.experts}" in modules
            held = f"{block}.{family.experts}" if stack else held
            writes.append(Write(part, layer, held, f"{block}.{norm}" if norm else held, family.rows, stack))
    for write in writes:
        weight = getattr(modules.get(write.module), write.name, None)
        if weight is None or write.output not in modules:
            raise _refused(kind, f"it has no {write.module}")
        if (
            not weight.is_floating_point()
            or weight.dim() != (3 if write.stack else 2)
            or weight.shape[1 if write.rows or write.stack else 0] != width
        ):
            raise _refused(kind, f"{write.module} is quantized or has an unexpected shape")
    head = next((name for name, module in modules.items() if module is model.get_output_embeddings()), "")
    if not head:
        raise _refused(kind, "it has no output head")
    tied = modules[head].weight is embedding.weight
    return Anatomy(family, width, blocks, family.final, tuple(writes), tied, head)


def check_layer(anatomy: Anatomy, layer: int) -> None:
    """Raise a VisitorError for a layer that the model does not have."""
    if not 0 <= layer < anatomy.layers:
        raise VisitorError(f"The model has no layer {layer}.", f"Its layers are 0 to {anatomy.layers - 1}.")


def gain(model: PreTrainedModel, write: Write) -> Tensor | None:
    """The gain of the norm between a matrix and the stream, (width,); None where there is none. Gemma's norms
    store g − 1.
    """
    if write.output == write.module:
        return None
    return 1 + model.get_submodule(write.output).weight.detach()  # type: ignore[operator]
