"""Rows whose static text vectors are near: cosine similarity, of every pair or, of many rows, of those that
share a cell.

A static vector is the weighted mean of a text's token vectors (model2vec): fast, and blind to word order and
negation. It finds paraphrases that share no shingle, and it also joins texts on the same subject that say
opposite things: what it finds are candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from dedup.arrays import Float32, Float64, Int64
from dedup.nearest import near_in_cells
from dedup.shingles import BORDER
from dedup.verify import Pairs
from shared import gpu, hub, limits, owner, patterns
from shared.errors import VisitorError

if TYPE_CHECKING:
    from model2vec import StaticModel

EMBEDDED = "embedded"
"""Token vectors of the embedded language model, for a machine without the Hub."""

HUB_DEFAULT = "minishlab/potion-base-8M"

FILES = (
    "model.safetensors",
    "config.json",
    "tokenizer.json",
    "config_sentence_transformers.json",
    "0_StaticEmbedding/model.safetensors",
    "0_StaticEmbedding/tokenizer.json",
)
"""What model2vec reads, its own layout first and then those of sentence-transformers; nothing else is
downloaded.
"""

BLOCK = 1_000
GPU_ROWS = 4_000
"""Rows from which a GPU is asked for: comparing fewer takes a processor less than a second."""

EXACT_ROWS = 50_000
"""Rows of which every pair is compared; of more only those that share a cell, see `dedup.nearest`."""

SECONDS = gpu.seconds_for(0, passes=0)
"""GPU seconds that a comparison asks for: 50,000 rows of 256 numbers are 0.6 · 10¹² operations, so nearly all
of it is the start.
"""

MAX_PAIRS = 2_000_000
DIMENSIONS = 256
COMMON = 8
"""Strongest directions that are left out: they tell frequent tokens from rare ones (Mu and Viswanath
2018).
"""

SIF = 1e-4
"""Smoothing of the inverse frequency weights (Arora et al. 2017); a token's rank stands for its frequency,
after Zipf.
"""


def default_model() -> str:
    """The embedded vectors where the demo runs locally, a model of the Hub on a Space."""
    return HUB_DEFAULT if owner.is_space() else EMBEDDED


_kept: dict[tuple[str, bool], StaticModel] = {}
"""The model that was used last, by its name and whether the owner asked for it."""


def load(name: str) -> StaticModel:
    """A static embedding model; the last one is kept, and goes before another one comes. What the owner's
    token brought here is kept for the owner alone.

    Args:
        name: "embedded", or a model2vec model's id on the Hub (safetensors).

    Raises:
        VisitorError: malformed id, the Hub cannot be reached, no such model, or larger than
            `limits.MAX_EMBEDDING_BYTES`.
    """
    key = name, owner.is_here()
    known = _kept.get(key)
    if known is None:
        _kept.clear()
        known = _kept[key] = _load(name)
    return known


def _load(name: str) -> StaticModel:
    from huggingface_hub import snapshot_download
    from model2vec import StaticModel

    if name == EMBEDDED:
        return _from_embedded()
    hub.check_id(name)
    if not hub.reachable():
        raise VisitorError(
            f"{name} is not on this machine and the Hub cannot be reached.", f"Choose “{EMBEDDED}”."
        )
    size = hub.model_size(name, FILES)
    if size > limits.MAX_EMBEDDING_BYTES:
        raise VisitorError(
            f"{name} has {size / 1e6:,.0f} MB; the limit is {limits.MAX_EMBEDDING_BYTES / 1e6:,.0f} MB.",
            f"Choose {HUB_DEFAULT}.",
        )
    try:
        # Given the name, model2vec would take a folder of this machine that is called so, or download
        # whatever the repository holds.
        model = StaticModel.from_pretrained(
            snapshot_download(name, allow_patterns=list(FILES), token=hub.token_for())
        )
        patterns.check_plain(model.tokenizer)
        return model
    except VisitorError:
        raise
    except Exception as error:  # model2vec raises whatever its readers raise
        raise VisitorError(
            f"{name} is not a static embedding model ({type(error).__name__}).",
            f"Choose {HUB_DEFAULT}, or “{EMBEDDED}”.",
        ) from error


def _from_embedded() -> StaticModel:
    """Token vectors of the embedded model: centred, without what all share, reduced by PCA, weighted by
    inverse frequency.
    """
    from model2vec import StaticModel
    from safetensors import safe_open
    from tokenizers import Tokenizer

    from shared import models

    folder = models.embedded_folder()
    with safe_open(folder / "model.safetensors", framework="numpy") as file:
        table = file.get_tensor("model.embed_tokens.weight").astype(np.float32)
    frequency = 1 / np.arange(2, len(table) + 2)
    frequency /= frequency.sum()
    table = table - frequency @ table  # what an average text's tokens have in common says nothing
    _, directions = np.linalg.eigh(
        (table * np.sqrt(frequency)[:, None]).T @ (table * np.sqrt(frequency)[:, None])
    )
    vectors = table @ directions[:, -DIMENSIONS - COMMON : -COMMON]
    weights = SIF / (SIF + frequency)
    return StaticModel(
        (vectors * weights[:, None]).astype(np.float32),
        Tokenizer.from_file(str(folder / "tokenizer.json")),
        normalize=True,
    )


def embed(texts: list[str], name: str) -> Float32:
    """Unit vectors of texts, float32 of shape (texts, dimensions); a text without tokens has the zero vector.

    Raises:
        VisitorError: as `load`, or more than `limits.MAX_SEMANTIC_ROWS` texts.
    """
    if len(texts) > limits.MAX_SEMANTIC_ROWS:
        raise VisitorError(
            f"{len(texts):,} different rows are too many for vectors; at most {limits.MAX_SEMANTIC_ROWS:,} "
            "are compared.",
            "Lower the limit of rows, or use jaccard.",
        )
    vectors = np.asarray(
        load(name).encode(
            [text.replace(BORDER, "\n") for text in texts], max_length=None, use_multiprocessing=False
        ),
        dtype=np.float32,
    )
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


Near = Callable[[int, float], tuple[Int64, Int64, Float32]]
"""From the first row of a block and a floor: the near pairs' rows, counted from there, and their cosines."""


def _on_cpu(vectors: Float32) -> Near:
    def near(begin: int, floor: float) -> tuple[Int64, Int64, Float32]:
        product = vectors[begin : begin + BLOCK] @ vectors[begin:].T
        first, second = np.nonzero(product >= floor)
        upper = first < second
        first, second = first[upper], second[upper]
        return first, second, product[first, second]

    return near


def _on_cuda(vectors: Float32) -> Near:
    import torch

    rows = torch.from_numpy(vectors).to("cuda")

    def near(begin: int, floor: float) -> tuple[Int64, Int64, Float32]:
        product = rows[begin : begin + BLOCK] @ rows[begin:].T
        first, second = torch.nonzero(torch.triu(product >= floor, 1), as_tuple=True)
        return first.cpu().numpy(), second.cpu().numpy(), product[first, second].cpu().numpy()

    return near


def pairs_of(vectors: Float32, floor: float, seed: int = 0) -> Pairs:
    """Pairs as `similar_pairs` finds them, on a GPU where ZeroGPU lends one for many rows.

    Raises:
        VisitorError: as `similar_pairs`, or as `gpu.on_gpu`.
    """
    if len(vectors) < GPU_ROWS:
        return similar_pairs(vectors, floor, seed=seed)
    return next(_lent_pairs(vectors, floor, seed))


@gpu.on_gpu(duration=lambda *_, **__: SECONDS)
def _lent_pairs(vectors: Float32, floor: float, seed: int) -> Iterator[Pairs]:
    yield similar_pairs(vectors, floor, gpu.device(), seed)


def similar_pairs(
    vectors: Float32, floor: float, device: str = "cpu", seed: int = 0, exact: int = EXACT_ROWS
) -> Pairs:
    """Pairs of rows whose cosine similarity is at least `floor`: every one of them where there are at most
    `exact` rows, of more those that share a cell.

    Args:
        vectors: unit vectors, float32 of shape (rows, dimensions).
        floor: above 0.
        device: "cuda", or "cpu".
        seed: of the cells.
        exact: see above.

    Raises:
        VisitorError: more pairs than a page can hold.
    """
    on_device = _on_cuda if device == "cuda" else _on_cpu

    def compare(rows: Float32) -> Iterator[tuple[Int64, Int64, Float32]]:
        near = on_device(rows)
        for begin in range(0, len(rows), BLOCK):
            first, second, cosine = near(begin, floor)
            yield first + begin, second + begin, cosine

    if len(vectors) <= exact:
        return _gathered(compare(vectors), floor, len(vectors))
    return _gathered(near_in_cells(vectors, seed, compare), floor, len(vectors))


def _gathered(parts: Iterator[tuple[Int64, Int64, Float32]], floor: float, rows: int) -> Pairs:
    """The different pairs of all parts, in their order by rows."""
    codes, cosines, waiting, count = [np.zeros(0, np.int64)], [np.zeros(0)], 0, 0
    for first, second, cosine in parts:
        codes.append(first * rows + second)
        cosines.append(np.minimum(1.0, cosine.astype(np.float64)))
        waiting += len(first)
        if waiting > MAX_PAIRS:
            codes, cosines = _different(codes, cosines)
            waiting, count = 0, len(codes[0])
        if count > MAX_PAIRS:
            break
    codes, cosines = _different(codes, cosines)
    if len(codes[0]) > MAX_PAIRS:
        raise VisitorError(
            f"More than {MAX_PAIRS:,} pairs have a cosine of {floor:g} or more.", "Raise the threshold."
        )
    return Pairs(codes[0] // max(1, rows), codes[0] % max(1, rows), cosines[0])


def _different(codes: list[Int64], cosines: list[Float64]) -> tuple[list[Int64], list[Float64]]:
    found, places = np.unique(np.concatenate(codes), return_index=True)
    return [found], [np.concatenate(cosines)[places]]


def against_all(vectors: Float32, sample: Int64, floor: float) -> Pairs:
    """Every pair of a sampled row and any other with a cosine of at least `floor`, first < second, each
    once.
    """

    def parts() -> Iterator[tuple[Int64, Int64, Float32]]:
        for begin in range(0, len(vectors), BLOCK):
            product = vectors[sample] @ vectors[begin : begin + BLOCK].T
            own, other = np.nonzero(product >= floor)
            cosine = product[own, other]
            one, two = sample[own], other + begin
            apart = one != two
            yield np.minimum(one, two)[apart], np.maximum(one, two)[apart], cosine[apart]

    return _gathered(parts(), floor, len(vectors))


def on_a_map(vectors: Float32) -> tuple[Float32, float]:
    """Two numbers for each row, and the share of the variance that they show: the first two principal
    components, each so turned that the row farthest out lies on the positive side.
    """
    if vectors.shape[1] < 2 or not len(vectors):
        vectors = np.zeros((len(vectors), 2), np.float32)
    middle = vectors.mean(axis=0, dtype=np.float64) if len(vectors) else np.zeros(2)
    centred = (vectors - middle).astype(np.float32)
    variance, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    spots = (centred @ directions[:, :-3:-1].astype(np.float32)).astype(np.float32)
    if len(spots):
        farthest = spots[np.abs(spots).argmax(axis=0), np.arange(spots.shape[1])]
        spots = spots * np.where(farthest < 0, -1, 1).astype(np.float32)
    total = float(variance.sum())
    return spots, float(variance[-2:].sum()) / total if total > 0 else 0.0
