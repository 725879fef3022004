"""Unsloth's `train_on_responses_only`: the markers around answers, and what stands between them.

Written from its documented rule: after each response marker everything is trained on up to the EOS token,
that included, or to where the next message begins, that excluded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from finetuning.tokenizer import Reader, Refused

QUESTION, ANSWER = "QUESTIONPROBE", "ANSWERPROBE"


NEIGHBOURS = ("\\", "{", "a", "A", "1", "(", ".", "<", "}", ">")
"""Signs that a marker is tried beside: a token at its end may join with them."""


@dataclass(frozen=True)
class Core:
    """A marker's tokens.

    Args:
        before: tokens that may stand before it.
        ids: that must stand.
        after: tokens that may stand behind it.
    """

    before: tuple[int, ...]
    ids: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True)
class Markers:
    """What stands before a question and before an answer.

    Args:
        instruction: the first, as text.
        response: the second.
        question: the first, as tokens.
        answer: the second.
    """

    instruction: str
    response: str
    question: Core
    answer: Core


def given(reader: Reader, instruction: str, response: str) -> Markers | None:
    """Markers that a visitor named; None where one has no tokens."""
    question, answer = core_of(reader, instruction), core_of(reader, response)
    if not question.ids or not answer.ids:
        return None
    # what is left must not be what every role begins with
    first, second = question.ids, answer.ids
    if answer.after and second == first[: len(second)]:
        answer = Core(answer.before, second + answer.after, ())
    if question.after and first == second[: len(first)]:
        question = Core(question.before, first + question.after, ())
    return Markers(instruction, response, question, answer)


def core_of(reader: Reader, marker: str) -> Core:
    """A marker's tokens; those at its ends that another neighbour would change are optional, as long as a
    special token stays.
    """
    ids = reader.ids(marker)
    start, end = 0, len(ids)
    for neighbour in NEIGHBOURS if ids else ():
        end = min(end, _begin_together(ids, reader.ids(marker + neighbour)))
        same = _begin_together(ids[::-1], reader.ids(neighbour + marker)[::-1])
        start = max(start, len(ids) - same)
    known = reader.tokenizer.added_tokens_decoder
    if end > start and any(str(known.get(token, "")).strip() for token in ids[start:end]):
        return Core(tuple(ids[:start]), tuple(ids[start:end]), tuple(ids[end:]))
    return Core((), tuple(ids), ())


def _begin_together(first: Sequence[int], second: Sequence[int]) -> int:
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count


def found(reader: Reader) -> Markers | None:
    """The markers of a template, from what it writes between questions and answers; None where there are no
    two that differ.
    """
    talk = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": ANSWER}] * 3
    try:
        whole = reader.write(talk).text
        ended, begun = reader.write(talk[:-1]).text, reader.write(talk[:-1], prompt=True).text
    except Refused:
        return None
    before_answers = _between(whole, QUESTION, ANSWER)
    before_questions = _between(whole, ANSWER, QUESTION)
    if before_answers is None or before_questions is None:
        return None
    header = ""
    if ended != begun:  # what the generation prompt adds behind the end of the question
        tails = [text[text.rfind(QUESTION) + len(QUESTION) :] for text in (ended, begun)]
        header = _without_shared(tails[1], tails[0], reader)
    if header and before_answers.endswith(header) and len(header) < len(before_answers):
        end = before_answers[: -len(header)]
        response, instruction = header, _without(before_questions, [end])
    elif header and header == before_answers:
        response = _without_shared(header, before_questions, reader)
        instruction = _without_shared(before_questions, header, reader)
        instruction = _without(instruction, _around(reader))
    else:
        response = _without(before_answers, _around(reader))
        instruction = _without(before_questions, _around(reader))
    response = _without_scaffold(reader, response)
    instruction, response = (part.strip(" \t") for part in (instruction, response))
    if not instruction or not response:
        return None
    probe = reader.ids(whole)
    chosen = [_that_stands(reader, part, probe) for part in (instruction, response)]
    if not all(chosen):
        return None
    return given(reader, *chosen)


def _without_scaffold(reader: Reader, response: str) -> str:
    """A marker without the empty thought at its end, where an answer that has one begins without it."""
    empty = re.search(r"<([^\s/>]+)>\s*</\1>\s*$", response) or re.search(r"</([^\s/>]+)>\s*$", response)
    if not empty or not empty.start():
        return response
    header, scaffold, tag = response[: empty.start()], response[empty.start() :], empty[1]
    try:
        written = reader.write(
            [
                {"role": "user", "content": QUESTION},
                {"role": "assistant", "content": f"<{tag}>a</{tag}>{ANSWER}"},
            ]
        ).text
    except Refused:
        return response
    _, stands, after = written.rpartition(header)
    return header if stands and not after.startswith(scaffold) else response


def _that_stands(reader: Reader, part: str, probe: Sequence[int]) -> str:
    """A marker as its tokens stand in the text: with a space or line before it where those belong to it."""
    counts = []
    for text in (part, f" {part}", f"\n{part}"):
        ids = list(core_of(reader, text).ids)
        count = sum(probe[at : at + len(ids)] == ids for at in range(len(probe))) if ids else 0
        if count > 1:
            return text
        counts.append((text, count))
    return next((text for text, count in counts[:2] if count), "")


def _between(whole: str, first: str, second: str) -> str | None:
    """The commonest text between two of the probes, the earlier one where several are."""
    gaps = []
    for part in whole.split(first)[1:]:
        if second in part:
            gaps.append(part.partition(second)[0])
    return max(dict.fromkeys(gaps), key=gaps.count) if gaps else None


def _around(reader: Reader) -> list[str]:
    tokenizer = reader.tokenizer
    return [" ", "\t", *filter(None, (tokenizer.eos_token, tokenizer.bos_token))]


def _without(text: str, leading: Sequence[str]) -> str:
    while part := next((part for part in leading if part and text.startswith(part)), None):
        text = text[len(part) :]
    return text


def _without_shared(text: str, other: str, reader: Reader) -> str:
    """A text without the special tokens and the white space that another begins with too."""
    specials = sorted({str(token) for token in reader.tokenizer.get_added_vocab()}, key=len, reverse=True)
    while True:
        spaces = text[: len(text) - len(text.lstrip())], other[: len(other) - len(other.lstrip())]
        part = spaces[0] if spaces[0] == spaces[1] else ""
        part = part or next((one for one in specials if one and text.startswith(one)), "")
        if not part or not other.startswith(part):
            return text
        text, other = text[len(part) :], other[len(part) :]


def response_spans(ids: Sequence[int], markers: Markers, reader: Reader) -> Iterator[tuple[int, int]]:
    """The responses in a row's tokens, from one to before another."""
    ids = tuple(ids)
    question, answer = markers.question, markers.answer
    opener = _opener(question.ids, answer.ids, reader)
    bos, eos = reader.tokenizer.bos_token_id, reader.tokenizer.eos_token_id

    def stands(what: tuple[int, ...], at: int) -> bool:
        return bool(what) and ids[at : at + len(what)] == what

    at = 0
    while at < len(ids):
        if not stands(answer.ids, at):
            at += 1
            continue
        at += len(answer.ids)
        at += _begin_together(answer.after, ids[at:])
        start = at
        while at < len(ids):
            if ids[at] == eos:
                at += 1
                break
            if ids[at] == bos or stands(opener, at) or stands(answer.ids, at):
                break
            if stands(question.ids, at):
                at -= _begin_together(question.before[::-1], ids[start:at][::-1])
                break
            at += 1
        if at > start:
            yield start, at


def _opener(question: tuple[int, ...], answer: tuple[int, ...], reader: Reader) -> tuple[int, ...]:
    """What both markers begin with, where that is a special token: every message begins with it."""
    shared = []
    for one, other in zip(question, answer, strict=False):
        if one != other:
            break
        shared.append(one)
    known = reader.tokenizer.added_tokens_decoder
    special = {token for token, facts in known.items() if facts.special} | set(
        reader.tokenizer.all_special_ids
    )
    visible = any(token in known and known[token].content.strip() for token in shared)
    return tuple(shared) if visible and all(token in special for token in shared) else ()
