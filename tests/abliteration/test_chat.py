"""Both models in one conversation: answers are transformers' own, parting and KL are what they say, draws
share their noise, and what is too long or does not fit is refused in two sentences.
"""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import MagicMock

import pytest
import torch

from abliteration import programs
from abliteration.chat_request import ChatRequest, settings_of
from abliteration.outcome import chat
from abliteration.request import Request, with_direction
from abliteration.study import edit_of, leaving, study
from abliteration_rooms import chat as room
from abliteration_rooms import controls
from shared.errors import VisitorError
from shared.steps import last
from tests import zoo
from tests.abliteration.conftest import returned
from tests.abliteration.test_vectors import ASKED

EDIT = {name: value for name, value in ASKED.to_json().items() if name != "sae"}
TALK = ChatRequest.parse(**EDIT, messages=["Hi there.", "And what is a comet?"], reply_tokens=6)


@pytest.fixture(scope="module")
def loaded():
    return zoo.opened("llama3")


@pytest.fixture(scope="module")
def talked(loaded):
    return last(chat.chat(replace(TALK, second={**settings_of(ASKED), "strength": 0.0}), loaded=loaded))


@pytest.fixture(scope="module")
def models(loaded):
    known = returned(study(ASKED, loaded))
    return {"base": loaded.model, "edited": leaving(known, edit_of(ASKED, known, 2))}


def test_answers_are_those_of_transformers_in_each_ones_own_conversation(talked, models, loaded):
    for side, model in models.items():
        said: list[dict[str, str]] = []
        for turn in talked["turns"]:
            said.append({"role": "user", "content": turn["message"]})
            ids = loaded.tokenizer.apply_chat_template(said, add_generation_prompt=True, return_dict=False)
            out = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=6, use_cache=True)
            text = loaded.tokenizer.decode(out[0, len(ids) :], skip_special_tokens=True).strip()
            assert turn[side]["text"] == text
            said.append({"role": "assistant", "content": text})


def test_parting_and_kl_are_what_they_say(talked, models, loaded):
    for number, turn in enumerate(talked["turns"]):
        assert turn["second"]["parts"] is None and turn["second"]["kl"] == 0, "strength 0 is the base"
        edited = turn["edited"]
        parts, whole = edited["parts"], edited["same"] + edited["token"] + edited["rest"]
        assert whole.strip() == edited["text"] and parts is not None
        ids = chat.conversation(TALK, loaded, talked["turns"][:number], turn["message"], "base")
        odds = [
            model(torch.tensor([ids])).logits[0, -1].detach().double().log_softmax(-1)
            for model in models.values()
        ]
        wanted = (odds[0].exp() * (odds[0] - odds[1])).sum().detach()
        assert edited["kl"] == pytest.approx(float(wanted), rel=2e-3)
        assert (parts == 0) == (odds[0].argmax() != odds[1].argmax()) or number > 0


def test_where_two_answers_part(loaded):
    """Brute force over tokens, an answer that ends, half a character, and none."""
    answer = chat.Answer
    ids = loaded.tokenizer("né – 字 bc", add_special_tokens=False)["input_ids"]
    for at in range(len(ids)):
        other = [*ids[:at], ids[at] - 1, *ids[at + 1 :]]
        found = chat.parting(loaded, answer(tuple(other), False), answer(tuple(ids), False))
        assert found["parts"] == at
        assert found["same"] + found["token"] + found["rest"] == loaded.tokenizer.decode(ids)
        assert found["same"] == loaded.tokenizer.decode(ids[:at]).rstrip("�"), "no part of a character"
    ended = chat.parting(loaded, answer(tuple(ids), False), answer(tuple(ids[:2]), True))
    assert ended["parts"] == 2 and ended["token"] == ""
    assert chat.parting(loaded, answer(tuple(ids), True), answer(tuple(ids), True))["parts"] is None


def test_draws_share_their_noise_and_are_of_the_softmax():
    """The same scores give the same token under one seed; over many seeds, their frequencies."""
    scores = torch.tensor([[0.0, 1.0, 2.0]])
    drawn = []
    for seed in range(400):
        asked = replace(TALK, temperature=2.0, chat_seed=seed)
        one, two = (chat.drawing(asked, 0)(scores) for _ in range(2))
        assert torch.equal(one, two)
        drawn.append(int(one))
    share = torch.bincount(torch.tensor(drawn), minlength=3) / len(drawn)
    assert torch.allclose(share, (scores[0] / 2).softmax(-1), atol=0.07)
    assert chat.drawing(TALK, 0) is None


def test_a_conversation_goes_on_as_if_it_were_asked_whole(talked, loaded, monkeypatch):
    """Turns of the same settings stay, those of others are asked anew, an example begins nothing."""
    first = last(chat.chat(replace(TALK, messages=TALK.messages[:1]), loaded=loaded))
    more = replace(TALK, messages=TALK.messages[1:])
    whole, known = room.going_on(more, first)
    assert whole == TALK and len(known) == 1
    asked = []
    monkeypatch.setattr(chat, "conversation", lambda *given: asked.append(given[3]) or [1, 2, 3])
    list(chat.chat(whole, known, loaded))
    assert set(asked) == {TALK.messages[1]}
    assert room.going_on(replace(more, strength=0.5), first)[1] == []
    assert room.going_on(more, {**first, "example": True}) == (more, [])
    waiting = {"kind": "chat", "drawable": False, "done": False}
    assert room.going_on(more, None) == room.going_on(more, waiting) == (more, [])
    expired = {**first, "request": {**first["request"], "vector": "made/vector-gone-1"}}
    assert room.going_on(more, expired) == (whole, []), "asked anew, without what is not there any more"
    cut = {**first, "turns": [{**first["turns"][0], "done": False}]}
    assert room.going_on(more, cut) == (more, [])


def test_the_edits_of_a_session_are_kept_once_and_open_again(talked):
    kept = controls.kept_with([], talked)
    assert controls.kept_with(kept, talked) == kept and kept[0]["settings"] == settings_of(ASKED)
    other = {**talked, "request": {**talked["request"], "strength": 0.5}}
    both = controls.kept_with(kept, other)
    assert [one["number"] for one in both] == [1, 2]
    assert ChatRequest.parse(**EDIT, second=both[1]["settings"]).edits()[1].strength == 0.5


def test_a_form_and_a_link_are_the_request_again():
    asked = replace(TALK, second=settings_of(ASKED), temperature=0.5)
    assert ChatRequest.parse(**asked.to_form()) == asked
    query = asked.to_query()
    assert query is None or ChatRequest.from_query(query) == asked
    short = ChatRequest.parse(messages=["a\nb", "c"], second={"layer": 3, "model": "cautious"})
    assert ChatRequest.from_query(short.to_query()) == short


def test_a_text_is_parted_at_every_line_that_stands_between():
    asked = ChatRequest.parse(messages="---\na\r\n---\r\n---\nb --- c\n---")
    assert asked.messages == ("a", "b --- c")


def test_seconds_grow_with_what_is_asked():
    one = ChatRequest.parse(messages=["a"], reply_tokens=10)
    assert room.seconds(one) == 66 and room.seconds(replace(one, reply_tokens=100)) == 75
    many = replace(one, messages=("a",) * 12, reply_tokens=100, second=settings_of(one))
    assert room.seconds(many) == 40 + 50 + 180
    assert room.seconds(many, [{}] * 11) == 40 + 50 + 15


def test_the_programs_ask_the_same(monkeypatch):
    """Over the API, also what its endpoints have no argument for."""
    own = {"markers": ["No way"], "candidates": 3, "answer_tokens": 9, "rule": "cosmic", "layer": 2}
    asked = ChatRequest.parse(**{**EDIT, **own}, messages=["a"], temperature=0.5)
    client = MagicMock()
    monkeypatch.setattr("gradio_client.Client", lambda _: client)
    for program, kind in ((programs.chat_program, ChatRequest), (programs.client_program, Request)):
        request = kind.parse(**{name: asked.to_json()[name] for name in kind.declared()})
        exec(program(request, "http://x"), {})
        given = client.predict.call_args.kwargs
        given.pop("api_name")
        assert with_direction(kind=kind, **given) == request


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"messages": ["a"] * 13}, "13 messages"),
        ({"messages": ["a" * 10_000]}, "too long"),
        ({"messages": ["a\0"]}, "NUL"),
        ({"messages": ["a\n---\nb"]}, "a line ---"),
        ({"messages": [1]}, "no texts"),
        ({"second": "[1]"}, "no object"),
        ({"second": {"evil": 1}}, "no object"),
        ({"second": {"model": "pirate"}}, "of pirate, the model cautious"),
        ({"second": {"strength": 99}}, "strength"),
        ({"format": "plain", "messages": ["a", "b"]}, "chat template. Press New chat"),
        ({"temperature": -1}, "temperature"),
        ({"reply_tokens": 1_000}, "reply_tokens"),
    ],
)
def test_what_does_not_fit_is_refused(values, says):
    with pytest.raises(VisitorError, match=says) as caught:
        ChatRequest.parse(**values)
    assert len(str(caught.value)) <= 300


def test_a_conversation_that_the_model_cannot_read_is_refused(loaded):
    turns = [{"message": "word " * 900, "done": True, "base": {"text": "word " * 200}}]
    with pytest.raises(VisitorError, match="Begin a new one"):
        chat.conversation(TALK, loaded, turns, "Hi", "base")
    with pytest.raises(VisitorError, match="no message"):
        list(room.steps(replace(TALK, messages=())))
