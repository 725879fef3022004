"""Whether two texts say the same, as a small language model reads them.

Nobody asks the model; it is seen which of two words it expects the second text after. “In other words:” calls
for a restatement, “The opposite:” for an opposite; the text is the same both times, so how much it repeats of
the first one weighs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dedup.arrays import Float64, Int64
from dedup.shingles import BORDER
from shared import gpu
from shared.embedded_model import EMBEDDED_MODEL as MODEL
from shared.embedded_model import EMBEDDED_PARAMETERS

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from shared.models import Loaded

READER = f"{MODEL} ({EMBEDDED_PARAMETERS / 1e6:.0f} million parameters)"

SAME, OPPOSITE = " In other words:", " The opposite:"
"""What stands between two texts."""

CUT = -0.3
"""Nats a token above which a pair counts as restated: of the 40 sentences that it was chosen by (see
`dedup.meaning`) it keeps 78 % of the restatements and 22 % of the opposites, of 40 others 74 % and 22 %.
"""

MAX_TOKENS = 128
"""Of a text; the score was measured on sentences, and a pair with a longer text is not read."""

MAX_CHARACTERS = 12 * MAX_TOKENS
"""Of a text that is tokenized at all."""

MAX_READ = {"cpu": 60_000, "cuda": 3_000_000}
"""Tokens that one run reads, by what it runs on: two minutes of a processor, or half a minute of a GPU."""

AT_ONCE = 16
"""Pairs between two words of progress."""


def seconds() -> int:
    """GPU seconds that a run asks for."""
    return gpu.seconds_for(EMBEDDED_PARAMETERS, passes=MAX_READ["cuda"] // 2_000, read=MAX_READ["cuda"])


def read(texts: Sequence[tuple[str, str]]) -> Iterator[int | Float64]:
    """The score of each pair of texts: ln p of one after the other and “In other words:”, less that after
    “The opposite:”, per token of it, and the mean of both directions. Above `CUT` the two rather say the
    same.

    Args:
        texts: the pairs; the first ones are read where there are too many.

    Yields:
        How many were read, and last the scores, nats a token; nan where a text was too long, or the pair came
        too late.

    Raises:
        VisitorError: as `models.load`, or as `gpu.on_gpu`.
    """
    if not texts:
        yield np.zeros(0)
        return
    from shared import models

    models.load(MODEL)  # ahead of the fork, and of the seconds
    yield from _read(list(texts))


@gpu.on_gpu(duration=lambda *_, **__: seconds())
def _read(texts: list[tuple[str, str]]) -> Iterator[int | Float64]:
    from shared import models

    loaded = models.on_device(models.load(MODEL))
    scores = np.full(len(texts), np.nan)
    rows = [_rows(loaded, one, other) for one, other in texts]
    sizes = np.array([sum(len(ids) for ids, _ in row) for row in rows], dtype=np.int64)
    chosen = np.flatnonzero((sizes > 0) & (np.cumsum(sizes) <= MAX_READ[loaded.device]))
    for begin in range(0, len(chosen), AT_ONCE):
        yield begin
        part = chosen[begin : begin + AT_ONCE]
        scores[part] = _scores(loaded.model, [rows[place] for place in part.tolist()])
    yield scores


Row = tuple[tuple[int, ...], int]
"""Tokens, and where those begin whose probability counts."""


def _rows(loaded: Loaded, one: str, other: str) -> list[Row]:
    """What is read of a pair: each text after the other, with both words between; nothing of long ones."""
    texts = [text.replace(BORDER, "\n").strip() for text in (one, other)]
    if not all(texts) or max(map(len, texts)) > MAX_CHARACTERS:
        return []
    ids = [_ids(loaded, text) for text in texts]
    after = [_ids(loaded, f" {text}") for text in texts]
    if max(map(len, after)) > MAX_TOKENS:
        return []
    rows: list[Row] = []
    for first in (0, 1):
        for word in (SAME, OPPOSITE):
            before = (loaded.tokenizer.bos_token_id, *ids[first], *_ids(loaded, word))
            rows.append(((*before, *after[1 - first]), len(before)))
    return rows


def _ids(loaded: Loaded, text: str) -> list[int]:
    found: list[int] = loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
    return found


def _scores(model: PreTrainedModel, pairs: Sequence[list[Row]]) -> Float64:
    from shared.measure import continuation_log_probabilities

    logs = continuation_log_probabilities(model, [row for rows in pairs for row in rows])
    means = np.array([float(log.mean()) for log in logs]).reshape(len(pairs), 2, 2)
    return (means[:, :, 0] - means[:, :, 1]).mean(axis=1)


def passed(scores: Float64) -> Int64:
    """Places of the pairs that were read and rather say the same."""
    return np.flatnonzero(np.nan_to_num(scores, nan=-np.inf) > CUT)
