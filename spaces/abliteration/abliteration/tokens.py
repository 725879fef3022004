"""The residual stream at every token of some texts, at one layer's input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abliteration.activations import batches, check_finite, padded, watch
from abliteration.architecture import check_layer
from shared.errors import VisitorError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from abliteration.architecture import Anatomy


@dataclass(frozen=True)
class Tokens:
    """The stream at every token of some texts, at one layer's input.

    Args:
        activations: float32 (tokens, width).
        texts: token ids of each text.
        owner: by activation, which text.
        place: by activation, which token of it.
    """

    activations: Tensor
    texts: tuple[tuple[int, ...], ...]
    owner: tuple[int, ...]
    place: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.owner)

    def parted(self, every: int = 5) -> tuple[Tokens, Tokens]:
        """The tokens of most texts, and those of every so many-th text, to measure what was learnt on the
        others; the same twice where there is no such text.
        """
        held = [number for number, owner in enumerate(self.owner) if owner % every == every - 1]
        rest = [number for number, owner in enumerate(self.owner) if owner % every != every - 1]
        return (self._of(rest), self._of(held)) if held and rest else (self, self)

    def _of(self, numbers: list[int]) -> Tokens:
        owner, place = (tuple(row[number] for number in numbers) for row in (self.owner, self.place))
        return Tokens(self.activations[numbers], self.texts, owner, place)


def collect(
    model: PreTrainedModel, anatomy: Anatomy, texts: list[list[int]], layer: int, skip: int = 1
) -> Tokens:
    """The stream at one layer's input at every token, without the first `skip` of each text.

    The first token of a text carries a norm tens of times that of the others and would be all that an
    autoencoder learns.

    Raises:
        VisitorError: an activation is not finite, or no token is left.
    """
    import torch

    check_layer(anatomy, layer)
    rows = [row[skip:] for row in streams_at(model, anatomy, texts, layer)]
    owner = [number for number, row in enumerate(rows) for _ in row]
    place = [skip + index for row in rows for index in range(len(row))]
    if not owner:
        raise VisitorError("The texts hold no token to learn from.", "Give longer texts.")
    activations = torch.cat(rows)
    check_finite(activations[None])
    return Tokens(activations, tuple(map(tuple, texts)), tuple(owner), tuple(place))


def streams_at(model: PreTrainedModel, anatomy: Anatomy, texts: list[list[int]], layer: int) -> list[Tensor]:
    """The stream at one layer's input of every text, each float32 (tokens, width), on the CPU; in batches of
    similar length.
    """
    import torch

    streams: list[Tensor] = [torch.empty(0, anatomy.width)] * len(texts)
    for batch in batches(texts):
        ids, _ = padded([texts[index] for index in batch], model.device)
        watched, inputs = watch(model, anatomy, lambda hidden: hidden.float(), (anatomy.blocks[layer],))
        with torch.inference_mode():
            watched.base_model(ids, use_cache=False)
        for row, index in zip(inputs[0].cpu(), batch, strict=True):
            streams[index] = row[: len(texts[index])]
    return streams
