"""A model's tensors as mergekit reads them: it joins what a file keeps apart, as the experts of a mixture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from merging.sources import Source
from merging.tensors import Headers, place, promoted


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


def _layer(name: str) -> int:
    spot = place(name)
    return spot[0] if spot else -1
