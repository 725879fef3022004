"""Short texts of several kinds, so that a format's divergence can be seen on each: a format that is close to
the base in prose may not be in code.

The texts lie in `passages`; they were written for this page, so that no model has seen them before it. Those
in `passages/learn` are of the same kinds, for importance matrices: a format that learnt from one kind of text
is measured on another text of it, and on the other kinds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quantization import data, metrics
from shared import chat_templates, estimates, measure, talk
from shared.measure import Windows
from shared.models import Loaded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from quantization.comparison import Comparison, Row

KINDS = {"prose": "prose", "code": "code", "chat": "chat", "maths": "maths", "german": "German"}
"""Kinds of text, and what they are called."""

CONTEXT, WINDOWS = 96, 4
"""Tokens in a window, and windows of each kind at most."""

_FOLDER = Path(__file__).parent / "passages"


@dataclass(frozen=True)
class Kinds:
    """The base model's pass over all kinds, and which of its windows are whose.

    Args:
        base: its pass.
        places: the windows of each kind, in the order of `KINDS`.
    """

    base: metrics.Base
    places: dict[str, slice]

    def to_json(self) -> list[data.TextKind]:
        """The columns of the matrix."""
        each = len(measure.scored_positions(self.base.windows.context))
        return [
            {
                "name": name,
                "label": KINDS[name],
                "windows": place.stop - place.start,
                "scored": each * (place.stop - place.start),
                "ppl": estimates.perplexity(self.base.scores.loss[place]).mean,
            }
            for name, place in self.places.items()
        ]


def text_of(loaded: Loaded, kind: str, learn: bool = False) -> str:
    """A kind's text; a conversation as the model's chat template writes it, where it has one that does.

    Args:
        loaded: the model.
        kind: of `KINDS`.
        learn: whether it is the text to learn from, not that to measure on.
    """
    folder = _FOLDER / "learn" if learn else _FOLDER
    if kind != "chat":
        return (folder / f"{kind}.txt").read_text(encoding="utf-8")
    turns = json.loads((folder / "chat.json").read_text(encoding="utf-8"))
    tokenizer = loaded.tokenizer
    if tokenizer.chat_template:
        more = {"tools": None, "documents": None, "add_generation_prompt": False}
        try:
            return chat_templates.fill(
                tokenizer.get_chat_template(), {"messages": turns, **more, **tokenizer.special_tokens_map}
            )
        except (chat_templates.Failed, chat_templates.TooMuch, ValueError):
            pass  # a template that takes no such conversation
    return "\n\n".join(f"{turn['role'].capitalize()}: {turn['content']}" for turn in turns)


def context_of(loaded: Loaded) -> int:
    """Tokens of a window of these texts."""
    return min(CONTEXT, talk.context_limit(loaded) or CONTEXT)


def base_pass(loaded: Loaded) -> Iterator[int | Kinds]:
    """Run the base model over all kinds; yields windows done, at the end the `Kinds`.

    Raises:
        VisitorError: as `metrics.base_pass`.
    """
    import torch

    context = context_of(loaded)
    parts, places, start = [], {}, 0
    for kind in KINDS:
        windows = measure.text_windows(loaded.tokenizer, text_of(loaded, kind), context, WINDOWS)
        parts.append(windows)
        places[kind] = slice(start, start + len(windows))
        start += len(windows)
    joined = Windows(
        torch.cat([part.ids for part in parts]), parts[0].lead, sum(part.text_tokens for part in parts)
    )
    for done in metrics.base_pass(loaded.model, joined):
        yield Kinds(done, places) if isinstance(done, metrics.Base) else done


def measured(model: PreTrainedModel, kinds: Kinds) -> Iterator[int | list[data.OfKind]]:
    """Run a quantized model over all kinds; yields windows done, at the end the divergence on each.

    Raises:
        VisitorError: as `metrics.score`.
    """
    for done in metrics.score(model, kinds.base):
        if isinstance(done, metrics.Scores):
            yield [_of_kind(name, done, place) for name, place in kinds.places.items()]
        else:
            yield done


def put_base(run: Comparison, steps: int) -> Iterator[Comparison]:
    """Have the base model read all kinds; yields the comparison at each window."""
    for done in base_pass(run.loaded):
        if isinstance(done, Kinds):
            run.kinds = done
        else:
            run.progress = (f"Texts of {len(KINDS)} kinds with the base model, window {done}", 1, steps)
            yield run


def put(
    run: Comparison, row: Row, model: PreTrainedModel, doing: str, step: int, steps: int
) -> Iterator[Comparison]:
    """Have a row's model read all kinds; yields the comparison at each window."""
    assert run.kinds is not None and row.facts is not None
    for done in measured(model, run.kinds):
        if isinstance(done, list):
            row.facts["kinds"] = done
        else:
            run.progress = (f"{doing} on texts of {len(KINDS)} kinds, window {done}", step + 0.9, steps)
            yield run


def _of_kind(name: str, scores: metrics.Scores, place: slice) -> data.OfKind:
    found = estimates.estimate(scores.kl[place])
    low, high = estimates.interval(found) if found.sigma is not None else (None, None)
    return {"name": name, "mean": found.mean, "sigma": found.sigma, "low": low, "high": high}
