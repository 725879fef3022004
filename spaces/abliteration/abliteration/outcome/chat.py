"""A conversation with the model as it is and with the edit, side by side, message after message."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from abliteration import answers, data
from abliteration.activations import first_tokens
from abliteration.chat_request import ChatRequest
from abliteration.numbers import short
from abliteration.outcome.run import Editing, complete, editing, head, step, waiting
from abliteration.study import leaving
from shared import talk
from shared.errors import VisitorError
from shared.measure import kl_divergence
from shared.models import Loaded
from shared.talk import Answer

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

NAMES: tuple[data.ChatSide, ...] = ("base", "edited", "second")


def chat(
    request: ChatRequest, known: Sequence[data.Turn] = (), loaded: Loaded | None = None
) -> Iterator[data.Chat | data.Waiting]:
    """Answer the messages one after the other; every model goes on with its own answers.

    Args:
        request: of the run.
        known: the first turns, as the same settings have answered them.
        loaded: the model.

    Raises:
        VisitorError: as `editing`, or the conversation is longer than the model reads.
    """
    started = time.monotonic()
    works: list[Editing] = []
    for one in request.edits():
        works.append((yield from editing("chat", one, loaded)))
    first = works[0].known
    yield waiting("chat", "Editing the weights")
    edits = {side: leaving(work.known, work.edit) for side, work in zip(NAMES[1:], works, strict=False)}
    sides: dict[data.ChatSide, PreTrainedModel] = {"base": first.loaded.model, **edits}
    figure: data.Chat = {
        **head(first, request),  # type: ignore[typeddict-item]  # its request is a chat's
        "kind": "chat",
        "edit": works[0].to_json(),
        "turns": [copy.deepcopy(turn) for turn in known],
    }
    if len(works) > 1:
        figure["second"] = works[1].to_json()
    for number, message in enumerate(request.messages[len(known) :], len(known)):
        rows = {side: conversation(request, first.loaded, figure["turns"], message, side) for side in sides}
        before = figure["turns"]
        for count, replies in enumerate(_together(request, first.loaded, sides, rows, number), 1):
            turn = _turn(request, first.loaded, message, replies)
            figure["turns"] = [*before, turn]
            yield step(figure, "Answering", count, request.reply_tokens)
        for side in edits:
            turn[side]["kl"] = first_kl(sides["base"], sides[side], rows["base"])  # type: ignore[typeddict-item]
        turn["done"] = True
        yield step(figure, "Answered", 1, 1)
    yield complete(figure, started)


def conversation(
    request: ChatRequest, loaded: Loaded, turns: Sequence[data.Turn], message: str, side: data.ChatSide
) -> list[int]:
    """Token ids of the messages and of a model's own answers to them, up to where its next answer begins.

    Raises:
        VisitorError: as `talk.prompt_ids`, or the conversation is too long.
    """
    how = request.how
    said = [("system", how.system)] if how.system and turns else []
    for turn in turns:
        said += [("user", turn["message"]), ("assistant", turn[side]["text"])]  # type: ignore[typeddict-item]
    ids = (
        talk.turns_ids(loaded, [*said, ("user", message)], **how.switches)
        if turns
        else how.ids(loaded, message)
    )
    most = talk.longest_prompt(loaded, request.reply_tokens)
    if len(ids) > most:
        raise VisitorError(
            f"The conversation has {len(ids):,} tokens, {most:,} are read.",
            "Begin a new one, or send a shorter message.",
        )
    return ids


def _together(
    request: ChatRequest,
    loaded: Loaded,
    sides: Mapping[data.ChatSide, PreTrainedModel],
    rows: Mapping[data.ChatSide, list[int]],
    number: int,
) -> Iterator[dict[data.ChatSide, Answer]]:
    """All models' answers, after every token of any."""
    runs = {
        side: talk.greedy(
            model, loaded.tokenizer, [rows[side]], request.reply_tokens, drawing(request, number)
        )
        for side, model in sides.items()
    }
    found = dict.fromkeys(sides, Answer((), False))
    while runs:
        for side in list(runs):
            if step_ := next(runs[side], None):
                found[side] = step_[0]
            else:
                del runs[side]
        if runs:
            yield dict(found)


def drawing(request: ChatRequest, number: int) -> Callable[[Tensor], Tensor] | None:
    """How a token is chosen: None for the likeliest. A draw adds Gumbel noise to the log-odds over the
    temperature and takes the largest (the Gumbel-max trick, Gumbel 1954), which is a sample of the softmax.
    Every model gets the same noise at the same place, so that answers part by the models and not by chance.

    Args:
        request: with temperature and seed.
        number: of the message.
    """
    if not request.temperature:
        return None
    import torch

    generator = torch.Generator().manual_seed(request.chat_seed * 1_000 + number)

    def choose(scores: Tensor) -> Tensor:
        uniform = torch.rand(scores.shape[-1], generator=generator, dtype=torch.float64)
        noise = -torch.log(-torch.log(uniform.clamp(1e-12, 1 - 1e-12)))
        return (scores.double().cpu() / request.temperature + noise).argmax(-1).to(scores.device)

    return choose


def _turn(
    request: ChatRequest, loaded: Loaded, message: str, replies: Mapping[data.ChatSide, Answer]
) -> data.Turn:
    base = replies["base"]
    turn: data.Turn = {"message": message, "done": False, "base": _reply(request, loaded, base)}
    for side in NAMES[1:]:
        if side in replies:
            turn[side] = {  # type: ignore[literal-required]
                **_reply(request, loaded, replies[side]),
                **parting(loaded, base, replies[side]),
            }
    return turn


def _reply(request: ChatRequest, loaded: Loaded, answer: Answer) -> data.Reply:
    judged = answers.to_json(answer.text(loaded.tokenizer), request.refusal_markers)
    return {**judged, "tokens": len(answer.ids), "ended": answer.ended}


def parting(loaded: Loaded, base: Answer, other: Answer) -> data.Parting:
    """Where an answer parts from the base's: the number of tokens that both share, and the answer's text in
    three pieces: shared, the first other token, the rest. Where they are the same so far, there is no number.
    """
    one, two = ([*answer.ids, *([-1] if answer.ended else [])] for answer in (base, other))
    shared = next((at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), None)
    if shared is None:
        return {"parts": None, "same": "", "token": "", "rest": ""}
    decode = loaded.tokenizer.decode
    whole = str(decode(list(other.ids), skip_special_tokens=True))
    ends = []
    for count in (shared, shared + 1):
        text = str(decode(list(other.ids[:count]), skip_special_tokens=True))
        while text and not whole.startswith(text):  # a token may hold part of a character
            text = text[:-1]
        ends.append(len(text))
    return {
        "parts": shared,
        "same": whole[: ends[0]],
        "token": whole[ends[0] : ends[1]],
        "rest": whole[ends[1] :],
    }


def first_kl(base: PreTrainedModel, other: PreTrainedModel, ids: list[int]) -> float:
    """KL(base ‖ other) of the next token in nats, both reading the base's conversation."""
    one, two = (first_tokens(model, [ids])[0] for model in (base, other))
    return short(float(kl_divergence(one, two)[0]), 4)
