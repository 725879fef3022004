"""Rows as a trainer reads them: token ids, and where what is trained on begins; preference pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from finetuning import masks, sets
from finetuning.row_columns import PAIRS_WANTED, ignored, with_prompt
from finetuning.row_forms import Row, form, refusal
from finetuning.rows import guessed, objects
from finetuning.tokenizer import Reader, Refused
from finetuning.train_request import TrainRequest
from shared.errors import VisitorError
from shared.tokens import Texts

HELD_OUT = 6
"""Held-out rows whose tokens are followed."""
LABELLED_WANTED = (
    "Give “prompt”, “completion” and “label” (true or false), or pairs of “chosen” and “rejected”."
)


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
    """A row: an answer to learn, and for DPO and ORPO another to prefer it to. For KTO the answer alone.

    Args:
        number: of the row, from 1.
        prompt: ids of what a model would answer to, up to where its answer begins.
        question: the prompt's last words, for a reader.
        chosen: the answer to learn.
        rejected: the other; None for SFT.
        empty: whether an answer has no letter, so that only its end is trained on.
        label: whether the answer is wanted; KTO alone has others.
        rests: of each answer the tokens that max_length cut off.
        plain: whether it is a text, which no template writes.
    """

    number: int
    prompt: tuple[int, ...]
    question: str
    chosen: Text
    rejected: Text | None = None
    empty: bool = False
    label: bool = True
    rests: tuple[tuple[int, ...], ...] = ()
    plain: bool = False

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
        ignored: what the objective does not read of the rows, in sentences, behind what `rows.guessed` says.
    """

    train: tuple[Pair, ...]
    held: tuple[Pair, ...]
    source: str
    left_out: tuple[int, ...] = ()
    more: bool = False
    separate: bool = True
    ignored: tuple[str, ...] = ()

    @property
    def form(self) -> Literal["talks", "texts", "both"]:
        """Whether they are conversations or texts."""
        kinds = {pair.plain for pair in (*self.train, *self.held)}
        return "both" if len(kinds) > 1 else "texts" if True in kinds else "talks"

    @property
    def sides(self) -> tuple[tuple[Text, ...], tuple[Text, ...]]:
        """The held-out answers that are chosen or wanted, and those that are rejected or unwanted."""
        rejected = tuple(pair.rejected for pair in self.held if pair.rejected is not None)
        unwanted = tuple(pair.chosen for pair in self.held if not pair.label)
        return tuple(pair.chosen for pair in self.held if pair.label), rejected or unwanted


def read(request: TrainRequest, reader: Reader, upload: Any = None, token: str | None = None) -> Rows:
    """The rows of a request, in tokens.

    Raises:
        VisitorError: as `rows.objects`; a row is not of the wanted form (it is named); or none is left.
    """
    rows = _read(request, reader, upload, token)
    if request.objective != "kto":
        return rows
    rows = replace(rows, train=unpaired(rows.train), held=unpaired(rows.held))
    if len({pair.label for pair in rows.train}) < 2:
        only = "true" if rows.train[0].label else "false"
        raise VisitorError(
            f"Every row has the label {only}, and KTO learns from wanted and unwanted answers.",
            "Give rows of both labels.",
        )
    return rows


def _read(request: TrainRequest, reader: Reader, upload: Any, token: str | None) -> Rows:
    """The rows as they are given, pairs still pairs."""
    if not request.own and not upload:
        stored, kept = sets.stored(request.data)
        usable, left_out = _usable(_pairs(stored[: request.limit], request, reader), request)
        others, _ = _usable(_pairs(kept[:HELD_OUT], request, reader), request)
        return Rows(tuple(usable), tuple(others), stored_source(request.data), left_out)
    given, source, more = objects(request, upload, token)
    usable, left_out = _usable(_pairs(given, request, reader), request)
    sides = [side for label in (True, False) if (side := [pair for pair in usable if pair.label is label])]
    chosen = [side[4::5] or side[-1:] for side in sides]
    followed = {(pair.texts, pair.label) for side in chosen for pair in side}
    train = [pair for pair in usable if (pair.texts, pair.label) not in followed]  # one may stand there twice
    held = tuple(pair for side in chosen for pair in side[:HELD_OUT])
    separate = len({pair.label for pair in train}) == len(sides)
    learnt = tuple(train if separate else usable)
    said = (*filter(None, [guessed(source)]), *ignored(given, request))
    return Rows(learnt, held, source, left_out, more, separate, said)


def unpaired(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """Pairs as rows of KTO: each chosen answer, and behind it the rejected one of the pair half the set away,
    so that a step has both kinds and its neighbours have other prompts. Rows with a label stay as they are.
    """
    rows: list[Pair] = []
    for at, pair in enumerate(pairs):
        if pair.rejected is None:
            rows.append(pair)
            continue
        other = pairs[(at + (len(pairs) + 1) // 2) % len(pairs)]
        assert other.rejected is not None
        rows.append(replace(pair, rejected=None, rests=pair.rests[:1]))
        rows.append(
            replace(
                other, chosen=other.rejected, rejected=None, label=False, rests=other.rests[1:], empty=False
            )
        )
    return tuple(rows)


def crossed(some: Sequence[Pair], max_length: int) -> list[Text]:
    """Each row's prompt with the answer of the row before it, the first with the last one's, as TRL's
    KTOTrainer estimates its KL divergence on a step's rows.
    """
    texts = []
    for pair, before in zip(some, (*some[-1:], *some[:-1]), strict=True):
        start = pair.chosen.start
        ids = pair.chosen.ids[:start] + before.chosen.ids[before.chosen.start :] + before.rests[0]
        texts.append(Text(ids[:max_length], start))
    return texts


def stored_source(name: str) -> str:
    """What a figure calls the source of a stored set; no file is called so, since those end in .json."""
    return f"stored set “{name}”"


def _usable(pairs: Sequence[Pair], request: TrainRequest) -> tuple[list[Pair], tuple[int, ...]]:
    """The pairs that hold something to train on, and the numbers of the others."""
    usable = [pair for pair in pairs if pair.trains]
    if not usable and not any(text.cut for pair in pairs for text in pair.texts):
        raise VisitorError("No row has anything to train on: they are empty.", "Give rows with an answer.")
    if not usable:
        raise VisitorError(
            f"No row has anything to train on within max_length {request.max_length}: the prompts fill it.",
            "Raise max_length, or shorten the prompts.",
        )
    return usable, tuple(pair.number for pair in pairs if not pair.trains)


def _pairs(items: Sequence[Any], request: TrainRequest, reader: Reader) -> list[Pair]:
    pairs = [pair_of(item, number, request, reader) for number, item in enumerate(items, 1)]
    for pair in pairs if request.objective == "kto" else ():
        if (pair.rejected is None) != (pairs[0].rejected is None):
            raise VisitorError(
                f"Row {pair.number} is a {'pair' if pair.rejected else 'row with a label'}, and row "
                f"{pairs[0].number} is not.",
                LABELLED_WANTED,
            )
    return pairs


def pair_of(item: Any, number: int, request: TrainRequest, reader: Reader) -> Pair:
    """A row as the trainer of the objective reads it.

    Raises:
        VisitorError: it has not the form that the objective needs, or the template refuses it.
    """
    both = isinstance(item, dict) and item.get("chosen") is not None and item.get("rejected") is not None
    if request.paired and not both:
        keys = ", ".join(list(map(str, item))[:6]) if isinstance(item, dict) else type(item).__name__
        raise VisitorError(f"Row {number} is no pair ({keys[:60]}).", PAIRS_WANTED)
    label = True
    if request.objective == "kto" and not both:
        label = _label(item, number)
    if both:
        item = {**item, **with_prompt(item, number)}
    chosen, row, prompt, rest = _text(
        _completed(item, "chosen" if both else "completion"), number, request, reader
    )
    rejected: Text | None = None
    rests: tuple[tuple[int, ...], ...] = (rest,)
    if request.paired or (request.objective == "kto" and both):
        rejected, _, _, other = _text(_completed(item, "rejected"), number, request, reader)
        rests = rest, other
        if request.objective == "dpo":  # its trainer parts both where the first of them parts from the prompt
            start = min(chosen.start, rejected.start)
            chosen, rejected = replace(chosen, start=start), replace(rejected, start=start)
        if chosen.ids == rejected.ids and not chosen.cut and not rejected.cut:
            raise VisitorError(
                f"The chosen and the rejected answer of row {number} are the same.", "Leave the row out."
            )
    answer = row.ending if row.form == "text_completion" else _words(row.messages[-1:]) or row.text
    question = row.text if row.form == "text_completion" else _words(row.messages[:-1][-1:])
    plain = row.form in ("text", "text_completion")
    return Pair(number, prompt, question[-300:], chosen, rejected, not answer.strip(), label, rests, plain)


def _label(item: Any, number: int) -> bool:
    """Whether a row of KTO says that its answer is wanted.

    Raises:
        VisitorError: it has no prompt, completion or label, or the label is no truth value.
    """
    known = isinstance(item, dict)
    missing = [name for name in ("prompt", "completion", "label") if not known or item.get(name) is None]
    if missing:
        raise VisitorError(f"Row {number} has no “{missing[0]}”, which KTO needs.", LABELLED_WANTED)
    if item["label"] not in (True, False):
        label = item["label"]
        words = f"the text “{label[:40]}”" if isinstance(label, str) else str(label)[:40]
        raise VisitorError(f"The label of row {number} is {words}, neither true nor false.", LABELLED_WANTED)
    return bool(item["label"])


def _completed(item: Any, name: str) -> Any:
    """A row whose answer is its completion."""
    if not isinstance(item, dict) or name == "completion":
        return item
    kept = {key: value for key, value in item.items() if key not in ("chosen", "rejected", "messages")}
    return {**kept, "completion": item[name]}


def _text(
    item: Any, number: int, request: TrainRequest, reader: Reader
) -> tuple[Text, Row, tuple[int, ...], tuple[int, ...]]:
    """A row's tokens, the row, the prompt that a model would answer, and the tokens that were cut off."""
    row = replace(form(item, number), columns={})  # a column beside prompt and completion is not handed on
    if row.form == "messages":  # the last answer is the completion
        talk = list(row.messages)
        while talk and talk[-1]["role"] != "assistant":
            talk.pop()
        if len(talk) < 2:
            raise VisitorError(
                f"Row {number} has no answer of an assistant after a question.",
                "Give conversations that end with an answer.",
            )
        row = Row(number, "completion", tuple(talk), 1, given=row.given)
    try:
        tokens = masks.read(reader, row)
        if row.form == "completion":
            asked = reader.write(row.messages[: -row.completion], row.given, prompt=True)
            prompt = tuple(reader.ids(asked.text))
        elif row.form == "text_completion":
            prompt = tuple(reader.ids(row.text, special=True))
        else:
            prompt = ()
    except Refused as error:
        raise refusal(row, str(error)) from None
    ids, start = list(tokens.ids), tokens.prompt
    if request.objective == "orpo":
        ids, start = _bounded(ids, start, reader)
    kept, rest = ids[: request.max_length], tuple(ids[request.max_length :])
    return Text(tuple(kept), min(max(1, start), len(kept)), len(rest)), row, prompt, rest


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
