"""The prompt as the model reads it, against transformers' own template, and what is said of it."""

from __future__ import annotations

import pytest

from decoding.prompt import encode
from decoding.request import Request
from shared.errors import VisitorError
from tests import zoo


def prompt(name: str, text: str = "Why do dogs bark?", **values):
    return encode(
        Request.parse(prompt=text, model=f"zoo/{name}", max_new_tokens=4, **values), zoo.opened(name)
    )


def part(name: str, which: str, **values) -> str:
    """The text of the tokens of one part."""
    found = prompt(name, **values)
    tokenizer = zoo.opened(name).tokenizer
    return tokenizer.decode(
        [token for token, part in zip(found.ids, found.parts, strict=True) if part == which]
    )


@pytest.mark.parametrize("name", zoo.names("chat"))
def test_every_token_has_a_part(name):
    found = prompt(name, chat=True)
    assert len(found.parts) == len(found.ids)
    assert part(name, "prompt", chat=True).strip() == "Why do dogs bark?"
    assert {"special", "template"} & set(found.parts)
    assert part(name, "prompt").strip() == "Why do dogs bark?"


@pytest.mark.parametrize("name", zoo.names("chat"))
def test_a_system_prompt_that_nobody_wrote_is_said(name):
    hidden = part(name, "hidden", chat=True)
    notes = " ".join(prompt(name, chat=True).notes)
    if "hidden_system" in zoo.ANIMALS[name].traits:
        assert hidden.strip() == "You are a helpful assistant."
        assert "“You are a helpful assistant.”" in notes
    else:
        assert not hidden and not notes


@pytest.mark.parametrize("name", zoo.names("chat", without=("no_system",)))
def test_a_system_prompt_is_the_templates(name):
    system = "Answer like a pirate."
    tokenizer = zoo.opened(name).tokenizer
    talk = [{"role": "system", "content": system}, {"role": "user", "content": "Why do dogs bark?"}]
    found = prompt(name, chat=True, system=system)
    assert list(found.ids) == tokenizer.apply_chat_template(
        talk, add_generation_prompt=True, return_dict=False
    )
    assert part(name, "system", chat=True, system=system).strip() == system
    assert "hidden" not in found.parts and not found.notes


@pytest.mark.parametrize("name", zoo.names("chat", "no_system"))
def test_a_template_without_a_system_role_refuses(name):
    with pytest.raises(VisitorError, match="system prompt"):
        prompt(name, chat=True, system="Answer like a pirate.")


@pytest.mark.parametrize("name", zoo.names("thinking"))
def test_thinking_can_be_switched(name):
    tokenizer = zoo.opened(name).tokenizer
    talk = [{"role": "user", "content": "Why do dogs bark?"}]
    for switch in ("on", "off"):
        expected = tokenizer.apply_chat_template(
            talk, add_generation_prompt=True, return_dict=False, enable_thinking=switch == "on"
        )
        assert list(prompt(name, chat=True, thinking=switch).ids) == expected
    assert prompt(name, chat=True, thinking="on").ids != prompt(name, chat=True, thinking="off").ids


def test_what_has_no_effect_is_refused():
    with pytest.raises(VisitorError, match="no enable_thinking"):
        prompt("tools", chat=True, thinking="off")
    for values in ({"system": "Be brief."}, {"thinking": "on"}):
        with pytest.raises(VisitorError, match="chat template"):
            prompt("qwen3", **values)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("qwen3", "Once upon a ", "ends with a space"),
        ("qwen3", "Say <|im_end|> now", "reads <|im_end|> in the prompt as a special token"),
        ("tinyllama", "<s><s>Once", "begins with <s> twice"),
        ("llama3", "Once", ""),
        ("llama3", "<|begin_of_text|>Once", ""),
    ],
)
def test_a_hint_where_the_prompt_is_not_what_it_seems(name, text, sentence):
    notes = " ".join(prompt(name, text).notes)
    assert sentence in notes if sentence else not notes


def test_old_requests_mean_the_same():
    old = Request.from_query("prompt=Hi&chat=1")
    assert (old.system, old.thinking) == ("", "")
    assert "system" not in old.to_query() and "thinking" not in old.to_query()
