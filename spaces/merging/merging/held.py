"""A model's tensors as mergekit reads them: it joins what a file keeps apart, as the experts of a mixture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from merging.sources import Source
from merging.tensors import Headers, Weights, place, promoted

if TYPE_CHECKING:
    from torch import Tensor


class Held:
    """The tensors of a model, by the names that mergekit asks for.

    Args:
        source: the model.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.tensors: Headers = dict(source.tensors)
        """Dtype and shape; those that were joined come with the first question for them."""
        self._pieces: dict[str, tuple[str, ...]] = {}
        self._layers: dict[int, list[str]] = {}

    def pieces(self, name: str) -> tuple[str, ...]:
        """The tensors of the file that one is made of, itself where it stands there."""
        return self._pieces.get(name, (name,))

    def joined(self, names: Sequence[str]) -> str | None:
        """The first of some tensors that mergekit makes of others of the layer; None where none is."""
        import torch
        from mergekit.architecture.conversion import convert_checkpoint_tensors

        if not self._layers:
            layers = defaultdict(list)
            for name in self.source.tensors:
                layers[_layer(name)].append(name)
            self._layers = dict(layers)
        for name in names:
            used: list[str] = []

            def empty(piece: str, used: list[str] = used) -> torch.Tensor:
                used.append(piece)
                return torch.empty(self.source.tensors[piece][1], device="meta")

            near = self._layers.get(_layer(name), [])
            given = {piece: partial(empty, piece) for piece in near}
            made = convert_checkpoint_tensors(self.source.config.get("model_type"), given, name)
            if made is not None:
                dtype = promoted([self.source.tensors[piece][0] for piece in used])
                self.tensors[name] = (dtype, tuple(made.shape))
                self._pieces[name] = tuple(dict.fromkeys(used))
                return name
        return None

    def like(self, others: Headers) -> Headers:
        """The model's tensors, those joined that `others` has joined."""
        for name in others:
            if name not in self.tensors:
                self.joined([name])
        apart = {piece for pieces in self._pieces.values() for piece in pieces}
        return {name: header for name, header in self.tensors.items() if name not in apart}

    def made(self, name: str, stored: Callable[[str], Tensor]) -> Tensor:
        """A tensor that mergekit joins, from its pieces.

        Args:
            name: that was asked for before.
            stored: gives a tensor of the file.
        """
        from mergekit.architecture.conversion import convert_checkpoint_tensors

        given = {piece: partial(stored, piece) for piece in self._pieces[name]}
        made = convert_checkpoint_tensors(self.source.config.get("model_type"), given, name)
        assert made is not None
        return made


class Joined(Weights):
    """The tensors of a folder as mergekit reads them.

    Args:
        folder: with the weights.
        held: what is known of them.
    """

    def __init__(self, folder: Path, held: Held) -> None:
        super().__init__(folder)
        self.held = held

    def stored(self, name: str) -> Tensor:
        """A tensor in the dtype of the file, or of its pieces."""
        return super().stored(name) if name in self.files else self.held.made(name, super().stored)


def _layer(name: str) -> int:
    spot = place(name)
    return spot[0] if spot else -1
