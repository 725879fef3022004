"""The labels that five trainers give one row, each by its own rules.

TRL 1.16, Axolotl 0.19 and Unsloth (zoo 2026.10) are followed as they are documented and as they were seen to
answer; transformers' collator is its rule in one line. What a rule says of each token is kept with the label.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from finetuning.data import Rule, Stretch, View
from finetuning.row_forms import Row
from finetuning.structure import PLACEHOLDERS, span_of_change
from finetuning.tokenizer import Reader
from finetuning.unsloth import Markers, response_spans

Labels = list[tuple[bool, Rule]]
"""Whether each token has a label, and why."""

NO_TALK = "It wants conversations: messages with role and content."

RULES: dict[Rule, str] = {
    "everything": "nothing is masked: every token is trained on",
    "marked": "the template marks it by {% generation %}",
    "unmarked": "the template does not mark it by {% generation %}",
    "completion": "it belongs to the completion",
    "prompt": "it belongs to the prompt",
    "span": "it is what changes in the text when the assistant's message does",
    "eot": "it is the first EOS or EOT token, at most three tokens behind the answer",
    "outside": "it is no part of an answer, nor a stop token behind one",
    "response": "it stands between a response marker and the stop token or the next message",
    "instruction": "it stands before a response marker, or behind the end of a response",
    "pad": "it has the id of the pad token, which the collator masks wherever it stands",
    "first": "nothing stands before it that could predict it",
    "packed": "it begins a packed document, and another document must not predict it",
    "cut": "max_length cuts it off",
    "dropped": "the whole row is left out",
}


@dataclass(frozen=True)
class Read:
    """A row's tokens.

    Args:
        row: the row.
        text: that was tokenized.
        ids: of the tokens.
        offsets: where each stands in the text.
        spans: what the template marks by `{% generation %}`.
        encoding: transformers' own, which knows the token of a letter.
        prompt: tokens of the prompt, for a row with a completion.
    """

    row: Row
    text: str
    ids: list[int]
    offsets: list[tuple[int, int]]
    spans: tuple[tuple[int, int], ...]
    encoding: Any
    prompt: int = 0


def read(reader: Reader, row: Row) -> Read:
    """A row's tokens, as TRL makes them.

    Raises:
        Refused: the template raised an error.
        VisitorError: the template or the tokenizer goes past a limit, or there is no template.
    """
    if row.form in ("text", "text_completion"):
        text, eos = row.text + row.ending, reader.tokenizer.eos_token or ""
        if eos and not row.bare and not text.endswith(eos):
            text += eos
        encoding = reader.encode(text, special=True)
        spans: tuple[tuple[int, int], ...] = ()
        before = reader.ids(row.text, special=True) if row.form == "text_completion" else []
    else:
        written = reader.write(row.messages, row.given)
        text, spans = written.text, written.spans
        encoding = reader.encode(text)
        before = []
        if row.completion:
            head = reader.write(row.messages[: -row.completion], row.given, prompt=True)
            before = reader.ids(head.text)
    ids = [int(token) for token in encoding["input_ids"]]
    offsets = [(int(start), int(end)) for start, end in encoding["offset_mapping"]]
    return Read(row, text, ids, offsets, spans, encoding, common_prefix(before, ids))


def common_prefix(first: Sequence[Any], second: Sequence[Any]) -> int:
    """How many tokens, letters or messages two sequences begin with together."""
    for place, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return place
    return min(len(first), len(second))


def trl(read: Read) -> Labels:
    """SFTTrainer with its defaults: a conversation or a text whole, of a prompt and completion the latter."""
    if read.row.form in ("completion", "text_completion"):
        size = len(read.ids) - read.prompt
        before: Labels = [(False, "prompt")] * read.prompt
        return before + [(True, "completion")] * size
    return [(True, "everything")] * len(read.ids)


def has_marks(template: str) -> bool:
    """Whether a template marks what the model said."""
    return re.search(r"\{%-?\s*generation\s*-?%\}", template) is not None


def assistant_mask(read: Read) -> list[bool]:
    """Transformers' `assistant_masks`, with what it makes of spans that are empty or end in nothing."""
    mask = [False] * len(read.ids)
    for start, end in read.spans:
        first = read.encoding.char_to_token(0, start)
        last = read.encoding.char_to_token(0, end - 1) if end > 0 else None
        if first is None:
            break
        for token in range(first, last + 1 if last else len(mask)):
            mask[token] = True
    return mask


def trl_assistant(read: Read) -> Labels:
    """SFTTrainer with `assistant_only_loss=True`; where a completion is known too, both masks must agree."""
    labels: Labels = [(one, "marked" if one else "unmarked") for one in assistant_mask(read)]
    if read.row.form == "completion":
        labels = [(False, "prompt") if at < read.prompt else one for at, one in enumerate(labels)]
    return labels


def axolotl(read: Read, reader: Reader, eot_tokens: Sequence[str]) -> Labels:
    """Dataset type chat_template with its defaults: `roles_to_train: [assistant]`, `train_on_eos: turn`."""
    labels: Labels = [(False, "outside")] * len(read.ids)
    starts = [start for start, _ in read.offsets]
    ends = [end for _, end in read.offsets]
    stops = stop_ids(reader, eot_tokens)
    eos = reader.tokenizer.eos_token_id
    for place, message in enumerate(read.row.messages):
        if message["role"] != "assistant":
            continue
        spans = []
        for placeholder in PLACEHOLDERS:
            other = {"role": "assistant", "content": placeholder}
            messages = [*read.row.messages[:place], other, *read.row.messages[place + 1 :]]
            spans.append(span_of_change(read.text, reader.write(messages, read.row.given).text))
        first, last = min(start for start, _ in spans), max(end for _, end in spans)
        start = end = -1
        if last > first:
            start, end = bisect_right(ends, first), bisect_left(starts, last)
            if start >= len(ends) or end <= start:
                start = end = -1
        if start != -1:
            labels[start:end] = [(True, "span")] * (end - start)
        for ids in (stops, {eos}):
            # behind a turn that was not found Axolotl looks from the end of its list of tokens
            found = _first(read.ids, ids, end)
            if found != -1 and abs(found - end) <= 3:
                labels[found] = (True, "eot")
    return labels


def _first(ids: Sequence[int], wanted: set[Any], start: int) -> int:
    for place in range(start, len(ids)):
        if ids[place] in wanted:
            return place
    return -1


def stop_ids(reader: Reader, eot_tokens: Sequence[str]) -> set[int]:
    """Axolotl's end-of-turn tokens: those named that the template writes, else EOS."""
    names = [name for name in eot_tokens if name in reader.template] if eot_tokens else []
    if not eot_tokens and reader.tokenizer.eos_token:
        names = [reader.tokenizer.eos_token]
    found = (reader.ids(name) for name in names)
    return {ids[0] for ids in found if len(ids) == 1}


def unsloth(read: Read, reader: Reader, markers: Markers) -> Labels:
    """`train_on_responses_only` over the tokens that TRL has labelled."""
    labels: Labels = [(False, "instruction")] * len(read.ids)
    before = trl(read)
    for start, end in response_spans(read.ids, markers, reader):
        labels[start:end] = [(True, "response") if had else (False, rule) for had, rule in before[start:end]]
    return labels


def transformers(read: Read, pad: int | None) -> Labels:
    """DataCollatorForLanguageModeling: a copy of the tokens, without those of the pad token's id."""
    return [(False, "pad") if token == pad else (True, "everything") for token in read.ids]


def view(labels: Labels, trainer: str, max_length: int, *, packed: bool = False) -> View:
    """Labels as one trainer's view, after `max_length`, without the first token, which nothing predicts.

    A row that is left with no label is dropped by TRL; one that is too long by Axolotl.
    """
    size = len(labels)
    kept = min(size, max_length) if max_length else size
    cut: Labels = [one if at < kept else (False, "cut") for at, one in enumerate(labels)]
    dropped = None
    if trainer == "axolotl" and kept < size:
        dropped = (
            f"It has {size:,} tokens, more than sequence_len {max_length:,}: Axolotl leaves it out "
            "(excess_length_strategy: drop)."
        )
    elif trainer.startswith(("trl", "unsloth")) and kept < size and not any(one for one, _ in cut):
        dropped = f"The first {kept:,} tokens hold nothing that is trained on: TRL leaves the row out."
    if dropped:
        cut, kept = [(False, "dropped")] * size, 0
    elif cut and cut[0][0]:
        cut[0] = (False, "packed" if packed and trainer.startswith("trl") else "first")
    return {
        "refused": None,
        "dropped": dropped,
        "stretches": _stretches(cut),
        "trained": sum(one for one, _ in cut),
        "kept": kept,
    }


def refused(why: str) -> View:
    """The view of a trainer that does not take the row."""
    return {"refused": why, "dropped": None, "stretches": [], "trained": 0, "kept": 0}


def _stretches(labels: Labels) -> list[Stretch]:
    found: list[Stretch] = []
    for at, (trained, rule) in enumerate(labels):
        if found and found[-1]["trained"] == trained and found[-1]["rule"] == rule:
            found[-1]["to"] = at + 1
        else:
            found.append({"to": at + 1, "trained": trained, "rule": rule})
    return found


def labels_of(view: View) -> list[bool]:
    """Whether each token is trained on."""
    labels: list[bool] = []
    for stretch in view["stretches"]:
        labels += [stretch["trained"]] * (stretch["to"] - len(labels))
    return labels


def rules_of(view: View) -> list[Rule]:
    """The rule of each token."""
    rules: list[Rule] = []
    for stretch in view["stretches"]:
        rules += [stretch["rule"]] * (stretch["to"] - len(rules))
    return rules
