"""How a model reads and answers a task's documents, as lm-eval's `HFLM` does: prompts of greedy answers that
end at the task's texts, targets behind a prompt, whole texts in windows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.choices import Scored, alone_rows, scored
from shared.errors import VisitorError
from shared.items import NO_TEMPLATE, Row, pair_ids, row_of
from shared.measure import kept_logits, losses
from shared.talk import check_vocabulary, context_limit, greedy, plain_ids, render_turns

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from evaluation.whole_task import Question, Recipe
    from shared.models import Loaded

LONGEST_WINDOW = 2_048
"""Tokens of a window, or of a target, whose logits are held at once: lm-eval's where a model states none."""


@dataclass(frozen=True)
class Ready:
    """A document as a model reads it.

    Args:
        question: what is asked.
        prompt: tokens before an answer that is written.
        windows: rows of tokens, and in each the place from which it is scored.
        row: of a document with choices.
        alone: the same without its prompt, where the task counts by mutual information.
    """

    question: Question
    prompt: tuple[int, ...] = ()
    windows: tuple[tuple[tuple[int, ...], int], ...] = ()
    row: Row | None = None
    alone: Row | None = None


@dataclass(frozen=True)
class Read:
    """What a model makes of a document.

    Args:
        text: what it wrote, up to where the task ends it.
        tokens: that it wrote; or that were scored.
        ended: "stop", "end" or "length".
        log: ln p of what was scored, nats.
        greedy: whether every token of it is the likeliest.
        scored: of a document with choices.
    """

    text: str = ""
    tokens: int = 0
    ended: str = ""
    log: float = 0.0
    greedy: bool = False
    scored: Scored | None = None


class Deadline:
    """When a run has taken too long.

    Args:
        seconds: that are left.
    """

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    @property
    def over(self) -> bool:
        """Whether no second is left."""
        return time.monotonic() > self.end


def prepared(loaded: Loaded, question: Question, recipe: Recipe, chat: bool) -> Ready:
    """A document's tokens.

    Raises:
        VisitorError: as `items.row_of`; it has no token, or more than the model reads.
    """
    if question.item:
        row = row_of(loaded, question.item, chat=chat)
        alone = None
        if any(one.metric.name == "acc_mutual_info" for one in recipe.measures):
            (alone,) = alone_rows(loaded, [question.item], chat=chat)
        return Ready(question, row=row, alone=alone)
    if recipe.kind == "loglikelihood_rolling":
        return Ready(question, windows=_rolled(loaded, question))
    turns = question.turns or (("user", question.prompt),)
    text = render_turns(loaded, turns, NO_TEMPLATE) if chat else question.prompt
    limit = context_limit(loaded)
    if recipe.kind == "loglikelihood":
        context, target = pair_ids(loaded, text, question.targets[0])
        if not target:
            raise VisitorError(
                f"The target of document {question.id} adds no token to its prompt.",
                "Let it begin with other letters, or with the blank before it.",
            )
        _check(loaded, question, len(context) + len(target), limit)
        if len(target) > LONGEST_WINDOW:
            raise VisitorError(
                f"The target of document {question.id} has {len(target):,} tokens; the limit is "
                f"{LONGEST_WINDOW:,}.",
                "Shorten it.",
            )
        return Ready(question, windows=(((*context, *target), len(context)),))
    ids = plain_ids(loaded.tokenizer, text)
    if not ids:
        raise VisitorError(f"Document {question.id} has an empty prompt.", "Look at the task's doc_to_text.")
    check_vocabulary(loaded.model, ids)
    _check(loaded, question, len(ids) + recipe.tokens, limit)
    return Ready(question, prompt=tuple(ids))


def _check(loaded: Loaded, question: Question, tokens: int, limit: int | None) -> None:
    if limit is not None and tokens > limit:
        raise VisitorError(
            f"Document {question.id} and its answer have {tokens:,} tokens, and {loaded.id} reads {limit:,}.",
            "Lower num_fewshot or tokens, or choose a model that reads more.",
        )


def _rolled(loaded: Loaded, question: Question) -> tuple[tuple[tuple[int, ...], int], ...]:
    """A text in windows as lm-eval rolls it (`lm_eval.utils.get_rolling_token_windows` with one token of
    context): BOS, or EOS, before the first; the others begin behind the last token of the one before, and the
    last one reaches back to be full.
    """
    tokenizer = loaded.tokenizer
    first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if first is None:
        raise VisitorError(
            f"{loaded.id} has neither BOS nor EOS, so that nothing stands before a text.",
            "Choose another model.",
        )
    ids = plain_ids(tokenizer, question.targets[0])
    check_vocabulary(loaded.model, [first, *ids])
    longest = min(context_limit(loaded) or tokenizer.model_max_length, LONGEST_WINDOW)
    found = [((int(first), *ids[:longest]), 1)]
    for start in range(longest, len(ids), longest):
        end = min(start + longest, len(ids))
        found.append((tuple(ids[max(0, end - longest - 1) : end]), start - max(0, end - longest - 1)))
    return tuple(found)


def sized(ready: Ready) -> int:
    """Tokens that a document takes to read."""
    rows = [row for row in (ready.row, ready.alone) if row]
    choices = sum(len(row.context) + sum(map(len, row.choices)) for row in rows)
    return len(ready.prompt) + sum(len(ids) for ids, _ in ready.windows) + choices


def answered(
    loaded: Loaded, some: Sequence[Ready], recipe: Recipe, deadline: Deadline
) -> Iterator[float | list[Read]]:
    """What a model makes of some documents; before it, of answers that are written, the share of their
    longest length. Nothing where the time ends before: an answer that it cut would count as a wrong one.

    Args:
        loaded: the model, where it is to run.
        some: the documents.
        recipe: of the task.
        deadline: no document is read after it.

    Raises:
        VisitorError: a likelihood is no finite number.
    """
    if deadline.over:
        return
    if recipe.kind == "multiple_choice":
        found = _chosen(loaded, some)
    elif recipe.kind == "generate_until":
        yield from _written(loaded, some, recipe, deadline)
        return
    else:
        found = []
        for one in some:
            if deadline.over:
                return
            found.append(_scored(loaded, one))
    for one, read in zip(some, found, strict=True):
        logs = (*read.scored.sums, *read.scored.alone) if read.scored else (read.log,)
        if not all(map(math.isfinite, logs)):
            raise _broken(loaded, f"document {one.question.id}")
    yield found


def _broken(loaded: Loaded, where: str) -> VisitorError:
    return VisitorError(
        f"{loaded.id} gives {where} a likelihood that is no finite number.",
        "Its weights may be broken, or too large for its precision: choose another model.",
    )


def _chosen(loaded: Loaded, some: Sequence[Ready]) -> list[Read]:
    items = [one.question.item for one in some if one.question.item]
    found = scored(loaded.model, items, [one.row for one in some if one.row])
    alone = [one.alone for one in some if one.alone]
    if alone:
        without = scored(loaded.model, items, alone)
        found = [Scored(one.item, one.tokens, other.sums) for one, other in zip(found, without, strict=True)]
    return [Read(scored=one) for one in found]


def _scored(loaded: Loaded, ready: Ready) -> Read:
    """The log-likelihood of a document's windows, in float64 of the model's own logits."""
    import torch

    model = loaded.model
    device = model.get_input_embeddings().weight.device
    log, likeliest, count = 0.0, True, 0
    for ids, start in ready.windows:
        row = torch.tensor([ids[:-1]], device=device)  # nothing asks what follows the last token
        with torch.inference_mode():
            keep = len(ids) - start
            logits = model(row, use_cache=False, **kept_logits(model, keep)).logits[0, -keep:]
        wanted = torch.tensor(ids[start:], device=device)
        log -= float(losses(logits, wanted).sum())
        likeliest = likeliest and bool((logits.argmax(-1) == wanted).all())
        count += len(wanted)
    return Read(tokens=count, log=log, greedy=likeliest)


def _written(
    loaded: Loaded, some: Sequence[Ready], recipe: Recipe, deadline: Deadline
) -> Iterator[float | list[Read]]:
    tokenizer = loaded.tokenizer
    until = stops(tokenizer, recipe.until)

    def likeliest(scores: Tensor) -> Tensor:
        if scores.isnan().any():
            raise _broken(loaded, "a token of its answers")
        return scores.argmax(-1)

    def enough(ids: Sequence[int]) -> bool:
        return bool(until) and cut(decoded(tokenizer, ids), until)[1]

    answers: list[Any] = []
    for count, step in enumerate(
        greedy(loaded.model, tokenizer, [one.prompt for one in some], recipe.tokens, likeliest, enough), 1
    ):
        if deadline.over:
            return
        answers = step
        if count % 8 == 0:
            yield count / recipe.tokens
    found = []
    for answer in answers:
        text, stopped = cut(decoded(tokenizer, answer.ids), until)
        ended = "stop" if stopped else "end" if answer.ended else "length"
        found.append(Read(text, len(answer.ids), ended))
    yield found


def stops(tokenizer: PreTrainedTokenizerBase, until: Sequence[str]) -> tuple[str, ...]:
    """Texts at which an answer ends: the task's, and the written form of EOS, as lm-eval adds it."""
    eos = tokenizer.eos_token_id
    last = [str(tokenizer.decode([eos], skip_special_tokens=False))] if eos is not None else []
    return tuple(dict.fromkeys(one for one in (*until, *last) if one))


def decoded(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """An answer's text without special tokens, with the blanks around it."""
    return str(tokenizer.decode(list(ids), skip_special_tokens=True))


def cut(text: str, until: Sequence[str]) -> tuple[str, bool]:
    """A text up to each of some texts in turn, as lm-eval cuts it, and whether one of them was in it."""
    left = text
    for one in until:
        left = left.split(one, 1)[0]
    return left, left != text
