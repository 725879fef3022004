"""Rows as a trainer reads them: token ids, and where what is trained on begins; preference pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from finetuning import masks, sets
from finetuning.rows import Row, form, objects
from finetuning.tokenizer import Reader, Refused
from finetuning.train_request import TrainRequest
from shared.errors import VisitorError
from shared.tokens import Texts

HELD_OUT = 6
"""Held-out rows whose tokens are followed."""
PAIRS_WANTED = "Give “prompt” with “chosen” and “rejected”, as texts or as lists of messages."


@dataclass(frozen=True)
class Text:
    """A row's tokens.

    Args:
        ids: prompt and answer.
        start: where the trained tokens begin, at least 1; they go on to the end.
        cut: tokens that max_length cut off.
    """

    ids: tuple[int, ...]
    start: int
    cut: int = 0

    @property
    def trained(self) -> int:
        """Tokens that the loss counts."""
        return len(self.ids) - self.start


@dataclass(frozen=True)
class Pair:
    """A row: an answer to learn, and for DPO and ORPO another to prefer it to.

    Args:
        number: of the row, from 1.
        prompt: ids of what a model would answer to, up to where its answer begins.
        question: the prompt's last words, for a reader.
        chosen: the answer to learn.
        rejected: the other; None for SFT.
        empty: whether an answer has no letter, so that only its end is trained on.
    """

    number: int
    prompt: tuple[int, ...]
    question: str
    chosen: Text
    rejected: Text | None = None
    empty: bool = False

    @property
    def texts(self) -> tuple[Text, ...]:
        """The answers that there are."""
        return (self.chosen,) if self.rejected is None else (self.chosen, self.rejected)

    @property
    def trains(self) -> bool:
        """Whether anything is left to train on once max_length has cut, and the two answers still differ."""
        return len(set(self.texts)) == len(self.texts) and all(text.trained > 0 for text in self.texts)


@dataclass(frozen=True)
class Rows:
    """What is trained on, and what is not.

    Args:
        train: pairs to train on.
        held: pairs that nothing is trained on; where all rows are the same, one of them.
        source: where they come from.
        left_out: numbers of rows that hold nothing to train on within max_length.
        more: whether there are rows that were not read.
        separate: whether the held-out rows are others than those trained on.
    """

    train: tuple[Pair, ...]
    held: tuple[Pair, ...]
    source: str
    left_out: tuple[int, ...] = ()
    more: bool = False
    separate: bool = True


def read(request: TrainRequest, reader: Reader, upload: Any = None, token: str | None = None) -> Rows:
    """The rows of a request, in tokens.

    Raises:
        VisitorError: as `rows.objects`; a row is not of the wanted form (it is named); or none is left.
    """
    if not request.own and not upload:
        stored, kept = sets.stored(request.data)
        usable, left_out = _usable(_pairs(stored[: request.limit], request, reader), request)
        others, _ = _usable(_pairs(kept[:HELD_OUT], request, reader), request)
        return Rows(tuple(usable), tuple(others), stored_source(request.data), left_out)
    given, source, more = objects(request, upload, token)
    usable, left_out = _usable(_pairs(given, request, reader), request)
    held = usable[4::5] or usable[-1:]
    followed = {pair.texts for pair in held}
    train = [pair for pair in usable if pair.texts not in followed]  # a row may stand there twice
    if not train:
        return Rows(tuple(usable), tuple(held[:HELD_OUT]), source, left_out, more, separate=False)
    return Rows(tuple(train), tuple(held[:HELD_OUT]), source, left_out, more)


def stored_source(name: str) -> str:
    """What a figure calls the source of a stored set; no file is called so, since those end in .json."""
    return f"stored set “{name}”"


def _usable(pairs: Sequence[Pair], request: TrainRequest) -> tuple[list[Pair], tuple[int, ...]]:
    """The pairs that hold something to train on, and the numbers of the others."""
    usable = [pair for pair in pairs if pair.trains]
    if not usable:
        raise VisitorError(
            f"No row has anything to train on within max_length {request.max_length}: the prompts fill it.",
            "Raise max_length, or shorten the prompts.",
        )
    return usable, tuple(pair.number for pair in pairs if not pair.trains)


def _pairs(items: Sequence[Any], request: TrainRequest, reader: Reader) -> list[Pair]:
    return [pair_of(item, number, request, reader) for number, item in enumerate(items, 1)]


def pair_of(item: Any, number: int, request: TrainRequest, reader: Reader) -> Pair:
    """A row as the trainer of the objective reads it.

    Raises:
        VisitorError: it has not the form that the objective needs, or the template refuses it.
    """
    both = isinstance(item, dict) and item.get("chosen") is not None and item.get("rejected") is not None
    if request.paired and not both:
        keys = ", ".join(list(map(str, item))[:6]) if isinstance(item, dict) else type(item).__name__
        raise VisitorError(f"Row {number} is no pair ({keys[:60]}).", PAIRS_WANTED)
    if both:
        item = {**item, **_with_prompt(item)}
    chosen, row, prompt = _text(_completed(item, "chosen" if both else "completion"), number, request, reader)
    rejected = None
    if request.paired:
        rejected, _, _ = _text(_completed(item, "rejected"), number, request, reader)
        if chosen.ids == rejected.ids and not chosen.cut and not rejected.cut:
            raise VisitorError(
                f"The chosen and the rejected answer of row {number} are the same.", "Leave the row out."
            )
    answer = row.ending if row.form == "text_completion" else _words(row.messages[-1:]) or row.text
    question = row.text if row.form == "text_completion" else _words(row.messages[:-1][-1:])
    return Pair(number, prompt, question[-300:], chosen, rejected, empty=not answer.strip())


def _with_prompt(item: dict[str, Any]) -> dict[str, Any]:
    """A pair with its prompt, which may stand in both answers, as TRL's `extract_prompt` finds it."""
    chosen, rejected = item["chosen"], item["rejected"]
    if item.get("prompt") is not None or not isinstance(chosen, list) or not isinstance(rejected, list):
        return {}
    same = 0
    while same < min(len(chosen), len(rejected)) and chosen[same] == rejected[same]:
        same += 1
    same = min(same, len(chosen) - 1, len(rejected) - 1)
    return {"prompt": chosen[:same], "chosen": chosen[same:], "rejected": rejected[same:]}


def _completed(item: Any, name: str) -> Any:
    """A row whose answer is its completion."""
    if not isinstance(item, dict) or name == "completion":
        return item
    kept = {key: value for key, value in item.items() if key not in ("chosen", "rejected", "messages")}
    return {**kept, "completion": item[name]}


def _text(item: Any, number: int, request: TrainRequest, reader: Reader) -> tuple[Text, Row, tuple[int, ...]]:
    """A row's tokens, the row, and the prompt that a model would answer."""
    row = form(item, number)
    if row.form == "messages":  # the last answer is the completion
        talk = list(row.messages)
        while talk and talk[-1]["role"] != "assistant":
            talk.pop()
        if len(talk) < 2:
            raise VisitorError(
                f"Row {number} has no answer of an assistant after a question.",
                "Give conversations that end with an answer.",
            )
        row = Row(number, "completion", tuple(talk), 1, tools=row.tools)
    try:
        tokens = masks.read(reader, row)
        if row.form == "completion":
            asked = reader.write(row.messages[: -row.completion], row.tools, prompt=True)
            prompt = tuple(reader.ids(asked.text))
        elif row.form == "text_completion":
            prompt = tuple(reader.ids(row.text, special=True))
        else:
            prompt = ()
    except Refused as error:
        raise VisitorError(
            f"The chat template refuses row {number}: “{str(error)[:100].rstrip('.')}”.", "Change the row."
        ) from None
    ids, start = list(tokens.ids), tokens.prompt
    if request.objective == "orpo":
        ids, start = _bounded(ids, start, reader)
    kept = ids[: request.max_length]
    return Text(tuple(kept), min(max(1, start), len(kept)), len(ids) - len(kept)), row, prompt


def _bounded(ids: list[int], start: int, reader: Reader) -> tuple[list[int], int]:
    """A text with BOS before it and EOS behind it where they are missing, behind a template too, as TRL's
    ORPOTrainer reads it, and where its answer begins.
    """
    first, end = reader.tokenizer.bos_token_id, reader.tokenizer.eos_token_id
    if first is not None and ids[:1] != [first]:
        ids, start = [first, *ids], start + 1
    return ids if end is None or ids[-1:] == [end] else [*ids, end], start


def _words(messages: Sequence[dict[str, Any]]) -> str:
    content = messages[0].get("content") if messages else ""
    return content if isinstance(content, str) else ""


def pieces(reader: Reader, text: Text) -> list[str]:
    """Each trained token as a list of tokens shows it: ⟨…⟩ around the bytes of a character that it does not
    complete.
    """
    return [piece.label for piece in Texts(reader.tokenizer).in_turn(text.ids)[text.start :]]
