"""One batched pass over prompts that keeps the residual stream where it is wanted.

Prompts are padded on the right: in a causal model what comes after a token cannot change it, so no mask, no
shifted positions, and every number equals that of the prompt run alone up to rounding. What all of them begin
with, which a chat template and its system prompt are, is run once, and its keys and values serve them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from abliteration.architecture import is_known
from abliteration.trees import DEARER, Tree, trees
from abliteration.trees import TOKENS as TREE
from shared.errors import VisitorError
from shared.models import twin
from shared.starts import Memory, Start, begun, without_loss
from shared.steps import last as finished

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from abliteration.architecture import Anatomy

BATCH_TOKENS = 2048
"""Tokens in one forward pass, padding included."""
PASS = 48
"""Tokens that a pass costs a processor beside its own: it reads every weight."""


def states(
    model: PreTrainedModel, anatomy: Anatomy, prompts: list[list[int]], last: int = 1
) -> Iterator[int | Tensor]:
    """The residual stream at the last tokens of every prompt; yields how many prompts are done, at the end
    the stream.

    Index l of the first axis is block l's input (resid_pre of layer l); the last index is the last block's
    output.

    Args:
        model: a causal language model, or its twin with an edit in it.
        anatomy: of the model.
        prompts: token ids.
        last: how many tokens of each, counted from its end; each prompt has at least so many.

    Yields:
        Counts, then float32 (layers + 1, prompts, last, width) on the CPU.

    Raises:
        VisitorError: an activation is not finite.
    """
    for step in passes(model, prompts, anatomy, last):
        if isinstance(step, int):
            yield step
        elif step.streams is not None:
            check_finite(step.streams)
            yield step.streams


def all_states(
    model: PreTrainedModel, anatomy: Anatomy, ids: list[int], take: Callable[[Tensor], Tensor]
) -> Tensor:
    """Something taken from the residual stream at every token of one sequence, (layers + 1, …) float32 on the
    CPU.

    Args:
        take: from (tokens, width) float32 to a tensor.
    """
    import torch

    watched, inputs = watch(model, anatomy, lambda hidden: take(hidden[0].float()))
    with torch.inference_mode():
        watched.base_model(torch.tensor([ids], device=model.device), use_cache=False)
    return torch.stack(inputs).cpu()


def first_tokens(
    model: PreTrainedModel,
    prompts: list[list[int]],
    anatomy: Anatomy | None = None,
    copies: int = 1,
    below: Below | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Log-probabilities of each prompt's next token and, with an anatomy, the stream at its last token, in
    one pass.

    Args:
        copies: as for `passes`, as is `below`.

    Returns:
        float32 (copies · prompts, vocabulary) and None or float32 (layers + 1, copies · prompts, width), on
        the CPU.
    """
    found = finished(passes(model, prompts, anatomy, heads=True, copies=copies, below=below))
    assert not isinstance(found, int) and found.log_p is not None
    return found.log_p, None if found.streams is None else found.streams[:, :, 0]


@dataclass(frozen=True)
class Read:
    """What was read of prompts, each where it is asked for.

    Args:
        log_p: log-probabilities of the next token, float32 (prompts, vocabulary) on the CPU.
        streams: the stream, float32 (layers + 1, prompts, last, width) on the CPU.
        memories: what the model keeps of each prompt; none where it keeps something else than keys and
            values, or too much.
    """

    log_p: Tensor | None
    streams: Tensor | None
    memories: tuple[Memory, ...] = ()


@dataclass(frozen=True)
class Below:
    """What enters one block of the untouched model, at every token of some prompts: an edit that begins at
    that block need not run the blocks below it again.

    Args:
        anatomy: of the model.
        layer: the block.
        start: what enters it where all prompts begin alike, (1, tokens, width).
        rest: at the other tokens of each prompt, (tokens, width).
    """

    anatomy: Anatomy
    layer: int
    start: Tensor
    rest: tuple[Tensor, ...]


KEPT_BYTES = 500_000_000
"""Of all `Below` together, and of all memories: where they would need more, what they spare is run again."""


def belows(
    model: PreTrainedModel, anatomy: Anatomy, prompts: list[list[int]], layers: Sequence[int]
) -> dict[int, Below]:
    """What enters some blocks, by layer, in one pass; none of them where that needs too much memory."""
    import torch

    some = sorted(set(layers))
    numbers = sum(map(len, prompts)) * anatomy.width * len(some)
    if numbers * next(model.parameters()).element_size() > KEPT_BYTES:
        return {}
    watched, inputs = watch(
        model, anatomy, lambda hidden: hidden, tuple(anatomy.blocks[layer] for layer in some)
    )
    start = begun(watched, prompts)
    starts = list(inputs) if start.tokens else []
    rest = [ids[start.tokens :] for ids in prompts]
    found: list[list[Tensor]] = [[torch.empty(0)] * len(prompts) for _ in some]
    for batch in batches(rest):
        ids, _ = padded([rest[index] for index in batch], model.device)
        inputs.clear()
        with torch.inference_mode():
            watched.base_model(ids, **start.settings(len(batch)))
        for rows, hidden in zip(found, inputs, strict=True):
            for row, index in zip(hidden, batch, strict=True):
                rows[index] = row[: len(rest[index])]
    nothing = torch.empty(1, 0, anatomy.width)
    return {
        layer: Below(anatomy, layer, starts[at] if starts else nothing, tuple(found[at]))
        for at, layer in enumerate(some)
    }


def passes(
    model: PreTrainedModel,
    prompts: list[list[int]],
    anatomy: Anatomy | None = None,
    last: int = 1,
    heads: bool = False,
    copies: int = 1,
    below: Below | None = None,
    keep: bool = False,
) -> Iterator[int | Read]:
    """Read prompts; yields how many are done, at the end what was read.

    Args:
        model: a causal language model, or its twin with an edit in it.
        prompts: token ids.
        anatomy: of the model, for the stream.
        last: tokens of each prompt, counted from its end, that the stream is kept at.
        heads: whether the next token is asked for.
        copies: how often each prompt is read, for a twin of so many edits (`ablate.together`); what is read
            is that of all prompts with the first edit, then of all with the second.
        below: of these prompts, where the model is the untouched one up to that block; the stream below it is
            not a number then.
        keep: whether what the model keeps of the prompts is wanted.
    """
    import torch

    rows = copies * len(prompts)
    log_p: list[Tensor] = [torch.empty(0)] * rows
    streams = torch.empty(anatomy.layers + 1, rows, last, anatomy.width) if anatomy else None
    batch = Batch([], torch.empty(0), torch.empty(0), torch.empty(0), {})  # the one that runs

    def at_end(hidden: Tensor) -> Tensor:
        return hidden[batch.lines, batch.places]

    running, entering = (model, list[Any]()) if below is None else _from_below(model, below)
    if below is not None:
        entering[:] = [below.start.expand(copies, -1, -1)]
    known = below is None or below.start.shape[1] > 0
    start = begun(running, prompts, last, copies) if known else Start()
    if below is not None and below.layer and start.tokens:
        # by its first layer's length a model makes masks and positions
        none = below.start.new_zeros(1, 1, start.tokens, 1)
        start.cache.update(none, none, 0)
    rest = [ids[start.tokens :] for ids in prompts]
    keep = keep and start.tokens > 0 and start.size(sum(map(len, rest))) < KEPT_BYTES
    memories: dict[int, Memory] = {}
    watched, inputs = watch(running, anatomy, at_end) if anatomy else (twin(running), [])
    if heads:  # the head is large: only where a prompt ends
        head: Any = watched.get_output_embeddings()
        head.register_forward_pre_hook(lambda _, hidden: (at_end(hidden[0])[:, -1:],))
    done, spared = 0, without_loss(model)
    for batch in _batched(rest, last, copies, start, model):
        if below is not None:
            entering[:] = [batch.of(below.rest, copies)]
        inputs.clear()
        at = [copy * len(prompts) + index for copy in range(copies) for index in batch.chosen]
        with torch.inference_mode():
            if heads:
                logits = watched(batch.ids, **batch.settings, **spared).logits[:, 0].float()
                for index, row in zip(at, logits.log_softmax(-1).cpu(), strict=True):
                    log_p[index] = row
            else:
                watched.base_model(batch.ids, **batch.settings)
        if streams is not None:
            streams[:, at] = torch.stack(inputs).float().cpu()
        if keep:
            memories.update(batch.memories(start, rest))
        done += len(batch.chosen)
        yield done
    if streams is not None and below is not None:
        streams[: below.layer] = torch.nan
    kept = tuple(memories[index] for index in range(len(prompts))) if keep else ()
    yield Read(torch.stack(log_p) if heads else None, streams, kept)


@dataclass(frozen=True)
class Batch:
    """What one pass reads.

    Args:
        chosen: which prompts.
        ids: (rows, tokens).
        lines: the row of each prompt's last tokens, (copies · prompts, 1).
        places: and where they stand there, (copies · prompts, last).
        settings: of the pass.
        tree: where the prompts are one row of tokens.
    """

    chosen: list[int]
    ids: Tensor
    lines: Tensor
    places: Tensor
    settings: dict[str, Any]
    tree: Tree | None = None

    def of(self, rest: Sequence[Tensor], copies: int) -> Tensor:
        """What stands at the prompts' tokens, (tokens, …) of each prompt, as the pass's rows."""
        import torch

        if self.tree is None:
            own = torch.nn.utils.rnn.pad_sequence([rest[index] for index in self.chosen], batch_first=True)
        else:
            pairs = zip(self.tree.first, self.tree.before, strict=True)
            own = torch.stack([rest[index][place] for index, place in pairs])[None]
        return own.repeat(copies, *[1] * (own.ndim - 1))

    def memories(self, start: Start, rest: list[list[int]]) -> Iterator[tuple[int, Memory]]:
        """What the model keeps of each prompt once the pass has run, behind a start."""
        layers = self.settings["past_key_values"].layers
        for number, index in enumerate(self.chosen):
            row, path = (0, self.tree.paths[number]) if self.tree else (number, range(len(rest[index])))
            at = [start.tokens + place for place in path]
            kept = tuple((layer.keys[row][:, at], layer.values[row][:, at]) for layer in layers)
            yield index, Memory(start, kept)


def _batched(
    rest: list[list[int]], last: int, copies: int, start: Start, model: PreTrainedModel
) -> Iterator[Batch]:
    """The passes over what follows behind a start: prompts of similar length side by side, or as a tree where
    that is cheaper. Only in the families that can be edited: others make positions of the mask (Bloom).
    """
    import torch

    beside = list(batches(rest, BATCH_TOKENS // copies, max(1, PASS // copies)))
    if start.tokens and is_known(model.config):
        some = trees(rest, min(TREE, BATCH_TOKENS // copies))
        dear = [(DEARER * len(tree.ids), PASS / copies) for tree in some]
        cheap = [(len(batch) * max(len(rest[index]) for index in batch), PASS / copies) for batch in beside]
        if sum(map(sum, dear)) < sum(map(sum, cheap)):
            for tree in some:
                ends = torch.tensor([path[-last:] for path in tree.paths], device=model.device)
                lines = torch.arange(copies, device=ends.device).repeat_interleave(len(ends))[:, None]
                like = next(model.parameters())
                yield Batch(
                    list(tree.chosen),
                    torch.tensor([tree.ids] * copies, device=ends.device),
                    lines,
                    ends.repeat(copies, 1),
                    {**start.settings(1), **tree.settings(start.tokens, like)},
                    tree,
                )
            return
    for chosen in beside:
        ids, ends = padded([rest[index] for index in chosen], model.device)
        places = (ends[:, None] - last + torch.arange(last, device=ids.device)).clamp(min=0)
        lines = torch.arange(copies * len(chosen), device=ids.device)[:, None]
        settings = start.settings(len(chosen))
        yield Batch(chosen, ids.repeat(copies, 1), lines, places.repeat(copies, 1), settings)


def _from_below(model: PreTrainedModel, below: Below) -> tuple[PreTrainedModel, list[Tensor]]:
    """A twin that runs from one block on, and the list whose only entry enters there."""
    running, entering = twin(model), list[Any]()
    for name in below.anatomy.blocks[: below.layer]:
        passed: Any = running.get_submodule(name)
        passed.forward = lambda hidden, *_, **__: hidden
    block = running.get_submodule(below.anatomy.blocks[below.layer])
    block.register_forward_pre_hook(lambda _, inputs: (entering[0], *inputs[1:]), prepend=True)
    return running, entering


def watch(
    model: PreTrainedModel, anatomy: Anatomy, take: Callable[[Tensor], Tensor], names: tuple[str, ...] = ()
) -> tuple[PreTrainedModel, list[Tensor]]:
    """A twin that keeps something of what enters some modules, and the list that it fills.

    Args:
        take: from what enters, (prompts, tokens, width), to a tensor.
        names: of modules; by default every block and the norm after the last one.
    """
    watched = twin(model)
    inputs_of: list[Tensor] = []

    def keep(_: Any, inputs: Any) -> None:
        inputs_of.append(take(inputs[0]).clone())

    for name in names or (*anatomy.blocks, anatomy.final):
        watched.get_submodule(name).register_forward_pre_hook(keep)
    return watched, inputs_of


def batches(prompts: list[list[int]], tokens: int = BATCH_TOKENS, waste: int = PASS) -> Iterator[list[int]]:
    """Indices of prompts of similar length: at most `tokens` tokens a batch with its padding, which is less
    than `waste` where another batch can be made instead.
    """
    batch: list[int] = []
    held = 0
    for index in sorted(range(len(prompts)), key=lambda index: len(prompts[index])):
        length = len(prompts[index])
        if batch and ((len(batch) + 1) * length > tokens or len(batch) * length - held >= waste):
            yield batch
            batch, held = [], 0
        batch.append(index)
        held += length
    if batch:
        yield batch


def padded(prompts: list[list[int]], device: Any) -> tuple[Tensor, Tensor]:
    """Token ids (prompts, longest), padded on the right with a token that nobody looks at, and each prompt's
    length.
    """
    import torch

    longest = max(map(len, prompts))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in prompts], device=device)
    return ids, torch.tensor([len(row) for row in prompts], device=device)


def check_finite(streams: Tensor) -> None:
    """Raise a VisitorError that names the first layer whose activations are not finite."""
    bad = (~streams.isfinite()).flatten(1).any(1)
    if bad.any():
        layer = int(bad.nonzero()[0])
        raise VisitorError(
            f"The activations entering layer {layer} are not finite numbers.",
            "The model's weights are damaged or overflow in this precision: choose another model.",
        )
