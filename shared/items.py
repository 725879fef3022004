"""One item format for every small measure: a text, choices that may follow it, and which of them is right.

A text and a choice become tokens as lm-eval makes them (`lm_eval.api.model.TemplateLM._encode_pair`): blanks
at the end of the text move to the choice, both are encoded together and cut where the text alone ends, and
an empty text becomes BOS, or EOS where there is none. Only a tokenizer that puts EOS behind every text is
read otherwise: there lm-eval would score the choice behind that EOS, here it stays out.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.errors import VisitorError
from shared.talk import context_limit, plain_ids, render_turns, token_ids

if TYPE_CHECKING:
    from shared.models import Loaded

MAX_ITEMS = 2_000
"""Items of one run."""
MAX_CHOICES = 26
"""Choices of one item."""
MAX_ITEM_CHARACTERS = 8_000
"""Prompt and choices of one item together."""
NO_TEMPLATE = "Switch the chat template off, or choose an instruct model."
_KEYS = ("prompt", "choices", "gold", "id", "task", "cluster", "delimiter", "turns")


@dataclass(frozen=True)
class Item:
    """A question with its choices.

    Args:
        id: of its task, unique there.
        task: its kind.
        prompt: what a model reads first.
        choices: what may follow, at least two, all different.
        gold: place of the right one.
        cluster: what it shares with others (a passage, a template); "" where it stands alone.
        delimiter: between the prompt and a choice; left out behind a chat template, as lm-eval does.
        turns: the prompt as a conversation, for a chat template: role and text of each message, the last one
            a user's; () where the whole prompt is one message.
    """

    id: str
    task: str
    prompt: str
    choices: tuple[str, ...]
    gold: int
    cluster: str = ""
    delimiter: str = " "
    turns: tuple[tuple[str, str], ...] = ()

    @property
    def group(self) -> str:
        """Items of the same group are not independent of each other."""
        return f"{self.task}/{self.cluster or f'={self.id}'}"

    def to_json(self) -> dict[str, Any]:
        """The item as a line of JSON holds it, without what is as usual."""
        stated = {name: getattr(self, name) for name in (*_KEYS[3:5], *_KEYS[:3], *_KEYS[5:])}
        stated["choices"], stated["turns"] = list(self.choices), list(map(list, self.turns))
        usual: dict[str, Any] = {"cluster": "", "delimiter": " ", "turns": []}
        return {name: value for name, value in stated.items() if usual.get(name) != value}


@dataclass(frozen=True)
class Row:
    """An item as a model reads it.

    Args:
        context: the text's tokens, at least one.
        choices: the tokens of every choice, at least one each.
        text: the text, with the chat template where there is one.
        delimiter: what stands between it and a choice.
    """

    context: tuple[int, ...]
    choices: tuple[tuple[int, ...], ...]
    text: str
    delimiter: str


def row_of(loaded: Loaded, item: Item, *, chat: bool = False) -> Row:
    """An item's tokens.

    Args:
        loaded: the model.
        item: what is asked.
        chat: whether the prompt is a user's message in the model's chat template, or its turns are those of a
            conversation; the choices then begin the answer.

    Raises:
        VisitorError: there is no template, a choice adds no token, or the row is longer than what the model
            reads.
    """
    turns = item.turns or (("user", item.prompt),)
    text = render_turns(loaded, turns, NO_TEMPLATE) if chat else item.prompt
    delimiter = "" if chat else item.delimiter
    pairs = [pair_ids(loaded, text, delimiter + choice) for choice in item.choices]
    context = pairs[0][0]
    for choice, (own, ids) in zip(item.choices, pairs, strict=True):
        if not ids or own != context:
            raise VisitorError(
                f"The choice “{choice[:40]}” of item {item.id[:40]} adds no token of its own to the prompt.",
                "Write the choices so that each begins with other letters, or move the blank before them.",
            )
    longest, limit = len(context) + max(len(ids) for _, ids in pairs), context_limit(loaded)
    if limit is not None and longest > limit:
        raise VisitorError(
            f"Item {item.id[:40]} has {longest:,} tokens, and {loaded.id} reads {limit:,}.",
            "Leave it out, or choose a model that reads more.",
        )
    return Row(tuple(context), tuple(tuple(ids) for _, ids in pairs), text, delimiter)


def pair_ids(loaded: Loaded, text: str, continuation: str) -> tuple[list[int], list[int]]:
    """Tokens of a text and of what continues it, as lm-eval parts them; the second may be empty."""
    tokenizer = loaded.tokenizer
    if not text:
        ids = token_ids(tokenizer, continuation)
        first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        if first is None:
            raise VisitorError(
                f"{loaded.id} has neither BOS nor EOS, so that nothing stands before an empty prompt.",
                "Give the item a prompt.",
            )
        return (ids[:1], ids[1:]) if ids[:1] == [first] else ([int(first)], ids)
    blanks = len(text) - len(text.rstrip())
    if blanks:
        text, continuation = text[:-blanks], text[-blanks:] + continuation
    if not text:  # nothing but blanks: lm-eval has no context then, and fails
        return pair_ids(loaded, "", continuation)
    context = plain_ids(tokenizer, text)
    return context, plain_ids(tokenizer, text + continuation)[len(context) :]


def items_of(value: Any, task: str = "own") -> tuple[Item, ...]:
    """Items from a list of objects, or from text: a JSON list, or JSON Lines.

    Args:
        value: objects with `prompt`, `choices` and `gold` (the right choice, or its place from 0), and
            perhaps `id`, `task`, `cluster`, `delimiter` and `turns`.
        task: of those that name none.

    Raises:
        VisitorError: one is not an item, or there are too many.
    """
    found: list[Item] = []
    seen: set[tuple[str, str]] = set()
    for place, one in enumerate(_objects(value), 1):
        item = _item(place, one, task)
        if (item.task, item.id) in seen:
            raise VisitorError(
                f"Two items of “{item.task[:40]}” are called “{item.id[:40]}”.",
                "Give each an id of its own, or leave ids out.",
            )
        seen.add((item.task, item.id))
        found.append(item)
        if len(found) > MAX_ITEMS:
            raise VisitorError(f"There are more than {MAX_ITEMS:,} items.", "Give fewer.")
    return tuple(found)


def _objects(value: Any) -> Iterable[Any]:
    if isinstance(value, (list, tuple)):
        return value
    if not isinstance(value, str):
        raise VisitorError("The items are no text and no list.", f"Write one a line, such as {_example()}.")
    text = value.strip()
    if text.startswith("["):
        try:
            return list(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise VisitorError(
                f"The items are not JSON ({str(error)[:60]}).", f"Write one a line, such as {_example()}."
            ) from None
    found = []
    for number, line in enumerate(io.StringIO(text, newline=None), 1):  # `splitlines` parts strings
        if line.strip():
            try:
                found.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise VisitorError(
                    f"Line {number} of the items is not JSON ({str(error)[:60]}).",
                    f"Write one a line, such as {_example()}.",
                ) from None
    return found


def _example() -> str:
    one = Item("1", "own", "The sea is", ("wet", "dry"), 0)
    return json.dumps({name: one.to_json()[name] for name in _KEYS[:3]})


def _item(place: int, value: Any, task: str) -> Item:
    if not isinstance(value, dict):
        raise VisitorError(f"Item {place} is no object.", f"Write it as {_example()}.")
    if unknown := sorted(set(map(str, value)) - set(_KEYS)):
        raise VisitorError(
            f"Item {place} has a part “{unknown[0][:40]}”.", f"The parts of an item are {', '.join(_KEYS)}."
        )
    prompt, choices, gold = value.get("prompt"), value.get("choices"), value.get("gold")
    if not isinstance(prompt, str):
        raise VisitorError(f"Item {place} has no prompt.", f"Write it as {_example()}.")
    if not isinstance(choices, list) or not all(isinstance(one, str) and one for one in choices):
        raise VisitorError(f"The choices of item {place} are no list of texts.", f"Write it as {_example()}.")
    if not 2 <= len(choices) <= MAX_CHOICES or len(set(choices)) < len(choices):
        raise VisitorError(
            f"Item {place} has {len(choices)} choices, {len(set(choices))} of them different.",
            f"Give 2 to {MAX_CHOICES} different ones.",
        )
    if isinstance(gold, str) and gold in choices:
        gold = choices.index(gold)
    if isinstance(gold, bool) or not isinstance(gold, int) or not 0 <= gold < len(choices):
        raise VisitorError(
            f"The right choice of item {place} is “{str(gold)[:40]}”, which is none of its choices.",
            "Give the choice itself as gold, or its place, from 0.",
        )
    named = {name: value.get(name, usual) for name, usual in _USUAL.items()}
    for name, text in named.items():
        named[name] = str(text) if isinstance(text, int) and not isinstance(text, bool) else text
        if not isinstance(named[name], str):
            raise VisitorError(f"{name} of item {place} is no text.", "Write it in quotation marks.")
    turns = _turns(place, value.get("turns"))
    said = [text for _, text in turns]
    try:
        "".join((prompt, *choices, *named.values(), *said)).encode()
    except UnicodeEncodeError:
        raise VisitorError(
            f"Item {place} contains half of a character.", "Delete it or paste the text again."
        ) from None
    longest = max(len(prompt), sum(map(len, said)))
    if longest + sum(map(len, (*choices, *named.values()))) > MAX_ITEM_CHARACTERS:
        raise VisitorError(
            f"Item {place} is longer than {MAX_ITEM_CHARACTERS:,} characters.", "Shorten or leave it out."
        )
    return Item(
        named["id"] or str(place),
        named["task"] or task,
        prompt,
        tuple(choices),
        gold,
        named["cluster"],
        named["delimiter"],
        turns,
    )


def _turns(place: int, value: Any) -> tuple[tuple[str, str], ...]:
    """A conversation: perhaps a system message, then a user's and an assistant's in turn, a user's last."""
    if value is None or value == [] or value == ():
        return ()
    listed = value if isinstance(value, (list, tuple)) else [None]
    pairs = [tuple(one) for one in listed if isinstance(one, (list, tuple))]
    if pairs and len(pairs) == len(listed) and all(len(one) == 2 for one in pairs):
        roles = [role for role, _ in pairs]
        after = roles[1:] if roles[0] == "system" else roles
        in_turn = after == [("user", "assistant")[at % 2] for at in range(len(after))]
        if in_turn and len(after) % 2 and all(isinstance(text, str) for _, text in pairs):
            return tuple(pairs)
    raise VisitorError(
        f"The turns of item {place} are no conversation.",
        'Write ["user", text] and ["assistant", text] in turn, a user last; ["system", text] may come first.',
    )


_USUAL = {"id": "", "task": "", "cluster": "", "delimiter": " "}


def clusters_of(items: Sequence[Item]) -> list[int]:
    """Of every item the number of its group, counted in the order in which groups come."""
    known: dict[str, int] = {}
    return [known.setdefault(item.group, len(known)) for item in items]
