"""What each part of a rendered conversation is: found by writing it again with one message changed or fewer
messages, never by guessing at a template's source.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from finetuning.data import Part
from finetuning.row_forms import Message, Row
from finetuning.tokenizer import Ask, Reader, Refused, Written

PLACEHOLDERS = ("[[placeholder]]", "zzplaceholderzz")
"""Two that share no letter at their ends: what a template puts beside a message may equal one of them, not
both.
"""
THOUGHTS = ("reasoning_content", "reasoning", "thinking")
"""Keys of a message under which data sets keep a thought; templates read one or the other, or none."""
_MARKED: Message = {"role": "system", "content": "⁂mark⁂"}
"""A system message that stands where a template's own one would."""


@dataclass(frozen=True)
class Turn:
    """A message in the text that the template wrote; places are of characters.

    Args:
        role: of the message.
        start: where its content begins, -1 where it is not in the text.
        end: where its content ends.
        head: where its header begins.
        answer: where the model's part begins, for a message of the assistant.
        over: where what the template writes for it ends.
        lost: whether its content is not in the text.
        prompted: whether the generation prompt stands before it, word for word; True for other roles.
        calls: whether it calls tools, which stand behind its content.
        listed: whether its parts stand in the text as Python would print the list.
        thought: whether a thought of its own, which is no part of its content, stands in the text.
    """

    role: str
    start: int
    end: int
    head: int
    answer: int
    over: int
    lost: bool
    prompted: bool
    calls: bool = False
    listed: bool = False
    thought: bool = False


@dataclass(frozen=True)
class Layout:
    """A conversation as the template wrote it.

    Args:
        written: the text with its marks.
        turns: its messages.
        hidden: a system message that the template adds by itself, from one character to before another.
        kept: whether each beginning of the conversation is written as the whole begins.
        prompt: what begins the next answer.
    """

    written: Written
    turns: tuple[Turn, ...]
    hidden: tuple[int, int] | None
    kept: bool
    prompt: str


def span_of_change(text: str, other: str) -> tuple[int, int]:
    """What of a text is not in another one, from one character to before another."""
    most = min(len(text), len(other))
    start = _common(text, other, most)
    return start, len(text) - _common(text[::-1], other[::-1], most - start)


def _common(first: str, second: str, most: int) -> int:
    """How many letters two texts begin with together."""
    if first[:most] == second[:most]:
        return most
    low, high = 0, most
    while low < high:  # the first difference, by halves: each comparison is one of C
        middle = (low + high + 1) // 2
        low, high = (middle, high) if first[low:middle] == second[low:middle] else (low, middle - 1)
    return low


def renders(row: Row) -> Iterator[Ask]:
    """What `layout` and the trainers' rules have a template write of a conversation."""
    messages, given = row.messages, row.given
    yield messages, given, False
    if row.completion:
        yield messages[: -row.completion], given, True
    if messages and messages[0]["role"] != "system":
        yield [_MARKED, *messages], given, False
    for place, message in enumerate(messages):
        if place:
            yield messages[:place], given, False
        answers = message["role"] == "assistant"
        if place and answers:
            yield messages[:place], given, True
        if answers or (isinstance(message.get("content"), str) and not message.get("tool_calls")):
            for placeholder in PLACEHOLDERS:
                changed = {"role": message["role"], "content": placeholder}
                yield [*messages[:place], changed, *messages[place + 1 :]], given, False
        if isinstance(message.get("content"), list):
            for placeholder in PLACEHOLDERS:
                yield [*messages[:place], _parts(message, placeholder), *messages[place + 1 :]], given, False


def _called(calls: Any, whole: str) -> bool:
    """Whether the text names every tool that a message calls."""
    some = (
        [one.get("function", one) for one in calls if isinstance(one, dict)]
        if isinstance(calls, list)
        else []
    )
    return all(str(one.get("name", "")) in whole for one in some if isinstance(one, dict))


def _parts(message: Message, text: str) -> Message:
    """A message of parts with one text in their place."""
    return {"role": message["role"], "content": [{"type": "text", "text": text}]}


def content_span(
    reader: Reader, messages: Sequence[Message], place: int, whole: str, given: Any
) -> tuple[int, int] | None:
    """Where a message's content stands in the text; None where the template writes nothing of it.

    Raises:
        Refused: the template does not take the placeholder.
    """
    spans = []
    for placeholder in PLACEHOLDERS:
        changed: Message = {"role": messages[place]["role"], "content": placeholder}
        if isinstance(messages[place].get("content"), list):
            changed = _parts(messages[place], placeholder)
        other = reader.write([*messages[:place], changed, *messages[place + 1 :]], given).text
        if other == whole:
            return None
        spans.append(span_of_change(whole, other))
    start, end = min(start for start, _ in spans), max(end for _, end in spans)
    return (start, end) if end >= start else None


def layout(reader: Reader, row: Row) -> Layout:
    """A conversation's layout.

    Raises:
        Refused: the template raised an error for the whole conversation.
    """
    messages, given = row.messages, row.given
    written = reader.write(messages, given)
    whole = written.text
    ends, kept = _ends(reader, messages, whole, given)
    turns: list[Turn] = []
    head = 0
    for place, message in enumerate(messages):
        span = _span(reader, messages, place, whole, given)
        calls = bool(message.get("tool_calls"))
        empty = not message.get("content")
        lost = (span is None or span[0] == span[1]) and not empty
        lost = lost or (calls and not _called(message["tool_calls"], whole)) or (span is None and not calls)
        start, end = span or (-1, -1)
        over = max(ends[place], end, head)
        answer, prompted = start, True
        if message["role"] == "assistant":
            begun = _begun(reader, messages[:place], whole, given)
            prompted = begun is not None
            if begun is not None and head <= begun <= (over if start < 0 else max(start, begun)):
                answer = begun
            elif start < 0:
                answer = head
        listed = span is not None and isinstance(message.get("content"), list)
        listed = listed and whole[start:end] == str(message["content"])
        thoughts = [message.get(name) for name in THOUGHTS]
        thought = any(isinstance(one, str) and one.strip() and one.strip() in whole for one in thoughts)
        turns.append(
            Turn(message["role"], start, end, head, answer, over, lost, prompted, calls, listed, thought)
        )
        head = over
    prompt = ""
    try:
        first = reader.write([{"role": "user", "content": "a"}]).text
        more = reader.write([{"role": "user", "content": "a"}], prompt=True).text
        prompt = more[len(first) :] if more.startswith(first) else more[_common(first, more, len(first)) :]
    except Refused:
        pass
    return Layout(written, tuple(turns), _hidden(reader, messages, whole, given), kept, prompt)


def _span(
    reader: Reader, messages: Sequence[Message], place: int, whole: str, given: Any
) -> tuple[int, int] | None:
    content = messages[place].get("content")
    if isinstance(content, list) and content:
        at = whole.find(printed := str(content))
        if at >= 0:
            return at, at + len(printed)
        try:
            return content_span(reader, messages, place, whole, given)
        except Refused:
            return None
    if isinstance(content, str) and not messages[place].get("tool_calls"):
        try:
            found = content_span(reader, messages, place, whole, given)
        except Refused:
            found = None
        if found is not None or not content.strip():
            return found
        at = whole.find(content.strip())
        return (at, at + len(content.strip())) if at >= 0 else None
    if isinstance(content, str) and content.strip():
        at = whole.find(content.strip())
        return (at, at + len(content.strip())) if at >= 0 else None
    return None


def _ends(reader: Reader, messages: Sequence[Message], whole: str, given: Any) -> tuple[list[int], bool]:
    """Where what is written for each message ends: the whole begins as the conversation up to it does."""
    ends, kept = [], True
    for count in range(1, len(messages) + 1):
        if count == len(messages):
            ends.append(len(whole))
            continue
        try:
            part = reader.write(messages[:count], given).text
        except Refused:  # such a beginning is no conversation for it
            ends.append(-1)
            continue
        end = _common(whole, part, min(len(whole), len(part)))
        ends.append(end)
        # Phi writes EOS behind whatever comes last; that changes nothing that stands before it
        kept = kept and part[end:].strip() in ("", reader.tokenizer.eos_token)
    return ends, kept


def _begun(reader: Reader, before: Sequence[Message], whole: str, given: Any) -> int | None:
    """Where the text goes on after the prompt for an answer; None where it does not begin with it."""
    if not before:
        return None
    try:
        part = reader.write(before, given, prompt=True).text
    except Refused:
        return None
    return len(part) if whole.startswith(part) else None


def _hidden(reader: Reader, messages: Sequence[Message], whole: str, given: Any) -> tuple[int, int] | None:
    """Where the template wrote a system message that nobody gave: there one that is given would stand."""
    if messages[0]["role"] == "system":
        return None
    try:
        marked = reader.write([_MARKED, *messages], given).text
    except Refused:
        return None
    before, found, after = marked.partition(_MARKED["content"])
    if not found or not whole.startswith(before):
        return None
    end = whole.find(after, len(before))
    return (len(before), end) if end > len(before) else None


def parts_of(
    layout: Layout, offsets: Sequence[tuple[int, int]], ids: Sequence[int], reader: Reader
) -> tuple[list[Part], list[int]]:
    """What each token is, and the place of its message, -1 for none."""
    starts, ends = [start for start, _ in offsets], [end for _, end in offsets]
    parts: list[Part] = ["template"] * len(ids)
    owners = [-1] * len(ids)

    def tokens(start: int, end: int) -> range:
        """Those that overlap so many characters."""
        return range(bisect_right(ends, start), bisect_left(starts, end))

    def put(part: Part, start: int, end: int, owner: int) -> None:
        if end > start:
            for token in tokens(start, end):
                parts[token], owners[token] = part, owner

    specials, whole = reader.specials, layout.written.text
    for place, turn in enumerate(layout.turns):
        put("header", turn.head, turn.over, place)
        if layout.hidden and place == 0:
            put("hidden", *layout.hidden, -1)
        if turn.role == "assistant":
            _put_answer(put, tokens, turn, place, whole, parts, ids, specials)
        elif turn.start >= 0:
            put("end", turn.end, turn.over, place)
            put(_ROLE_PARTS.get(turn.role, "user"), turn.start, turn.end, place)
    if ids and ids[0] == reader.tokenizer.bos_token_id and parts[0] == "header":
        bos = reader.tokenizer.bos_token
        if layout.prompt.lstrip()[: len(bos)] != bos:  # SmolLM2's BOS opens every message
            parts[0] = "bos"
    return parts, owners


_ROLE_PARTS: dict[str, Part] = {"system": "system", "developer": "system", "tool": "tool", "ipython": "tool"}


def _put_answer(
    put: Any,
    tokens: Any,
    turn: Turn,
    place: int,
    whole: str,
    parts: list[Part],
    ids: Sequence[int],
    specials: set[int],
) -> None:
    """The parts of an answer: what prompts it, itself with its thoughts, its stop token, what follows."""
    answer = turn.answer if turn.answer >= 0 else turn.head
    put("prompt", turn.head, answer, place)
    end = turn.end
    if turn.start < 0:  # calls of tools, parts: whatever stands before the last special token
        inside = [token for token in tokens(answer, turn.over) if ids[token] in specials]
        put("answer", answer, turn.over, place)
        if inside:
            parts[inside[-1]] = "stop"
            for token in tokens(answer, turn.over):
                if token > inside[-1]:
                    parts[token] = "after"
        return
    if turn.start > answer:
        put("inserted", answer, turn.start, place)
    tail = list(tokens(end, turn.over)) if turn.over > end else []
    put("after", end, turn.over, place)
    stops = [token for token in tail if ids[token] in specials]
    stop = (stops[-1] if turn.calls else stops[0]) if stops else None
    if stop is not None:
        parts[stop] = "stop"
        if turn.calls:  # they belong to the answer, with marks such as <tool_call>
            parts[tail[0] : stop] = ["answer"] * (stop - tail[0])
    elif whole[end : turn.over].strip():
        for token in tail:
            parts[token] = "stop"
    put("answer", turn.start, end, place)
    opening = whole.find("<think>", answer if turn.thought else turn.start, end)
    closing = whole.find("</think>", max(opening, turn.start), end)
    if opening >= 0 and closing >= 0:
        put("thinking", opening, closing + len("</think>"), place)
