"""Prompts as ids, ends of texts and greedy answers, over models of many shapes, against transformers."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from transformers import GenerationConfig

from shared import choices, measure, starts, talk
from shared.errors import VisitorError
from shared.models import twin
from tests import zoo

PROMPTS = ("Why is the sea salty?", "Hi.", "Tell me, in a few words, how a lighthouse works at night.")


@pytest.mark.parametrize("name", zoo.names())
def test_what_a_tokenizer_puts_before_a_text(name):
    loaded = zoo.opened(name)
    lead = (loaded.tokenizer.bos_token_id,) if "adds_bos" in zoo.ANIMALS[name].traits else ()
    assert talk.leading_tokens(loaded.tokenizer) == lead
    ids = talk.plain_ids(loaded.tokenizer, "The sea is")
    whole = loaded.tokenizer("The sea is")["input_ids"]
    assert ids == (whole[:-1] if "adds_eos" in zoo.ANIMALS[name].traits else whole)
    if lead:
        again = talk.plain_ids(loaded.tokenizer, loaded.tokenizer.bos_token + "The sea is")
        assert again.count(lead[0]) == 1


@pytest.mark.parametrize("name", zoo.names("chat"))
def test_chat_ids_are_transformers_own(name):
    loaded = zoo.opened(name)
    ids = talk.prompt_ids(loaded, PROMPTS[0])
    expected = loaded.tokenizer.apply_chat_template(
        [{"role": "user", "content": PROMPTS[0]}], add_generation_prompt=True, return_dict=True
    )["input_ids"]
    assert ids == expected == talk.prompt_ids(loaded, PROMPTS[0], "chat")
    if "template_bos" in zoo.ANIMALS[name].traits:
        assert ids[0] == loaded.tokenizer.bos_token_id and ids.count(ids[0]) == 1, "one BOS, not two"
    assert talk.prompt_ids(loaded, PROMPTS[0], "plain") == talk.plain_ids(loaded.tokenizer, PROMPTS[0])


def test_settings_reach_the_template():
    loaded = zoo.opened("qwen3")
    assert "</think>" not in talk.render(loaded, "Hi.")
    assert talk.render(loaded, "Hi.", enable_thinking=False).endswith("<think>\n\n</think>\n\n")


@pytest.mark.parametrize("name", zoo.names("no_template"))
def test_without_a_template_a_prompt_is_text_or_refused(name):
    loaded = zoo.opened(name)
    assert talk.prompt_ids(loaded, "Hi.") == talk.plain_ids(loaded.tokenizer, "Hi.")
    with pytest.raises(VisitorError) as error:
        talk.prompt_ids(loaded, "Hi.", "chat", remedy="Switch the template off.")
    assert error.value.what == f"{loaded.id} has no chat template."
    assert error.value.remedy == "Switch the template off."
    with pytest.raises(VisitorError, match="no chat template"):
        talk.prompt_ids(loaded, "Hi.", system="Be brief.")


@pytest.mark.parametrize("name", zoo.names("no_system"))
def test_a_template_that_takes_no_system_prompt_says_so(name):
    loaded = zoo.opened(name)
    with pytest.raises(VisitorError) as error:
        talk.render(loaded, "Hi.", "Be brief.")
    assert error.value.what == f"The chat template of {loaded.id} takes no system prompt."
    assert "system prompt" in error.value.remedy


@pytest.mark.parametrize("name", zoo.names("chat", without=("no_system",)))
def test_a_system_prompt_stands_in_the_text(name):
    assert "Be brief." in talk.render(zoo.opened(name), "Hi.", "Be brief.")


def with_template(template):
    import copy

    loaded = zoo.opened("llama3")
    tokenizer = copy.deepcopy(loaded.tokenizer)
    tokenizer.chat_template = template
    return replace(loaded, tokenizer=tokenizer)


def test_templates_that_lose_what_is_said_are_refused():
    dropped = with_template("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}")
    assert talk.render(dropped, "Hi.") == "Hi."
    with pytest.raises(VisitorError, match="drops the system prompt"):
        talk.render(dropped, "Hi.", "Be brief.")
    for broken in (
        "{{ bos_token }}",
        "{{ messages[0].content[0].text }}",
        "{{ 1 / 0 }}",
        "{% if %}",
    ):
        with pytest.raises(VisitorError, match="does not take a question alone"):
            talk.render(with_template(broken), "Hi.")
    named = with_template({"rag": "documents", "default": "{{ messages[0].content }}"})
    assert talk.render(named, "Hi.") == "Hi."


def test_several_templates_without_a_default_are_named():
    with pytest.raises(
        VisitorError, match="has chat templates for rag, tool_use, and none for a question alone"
    ):
        talk.prompt_ids(zoo.opened("no_default"), "Hi.")


def test_prompts_without_or_with_unknown_tokens_are_refused():
    with pytest.raises(VisitorError, match="no token that the model knows"):
        talk.prompt_ids(zoo.opened("gpt2"), "")
    with pytest.raises(VisitorError, match="has only"):
        talk.prompt_ids(zoo.opened("gemma3"), "<image_soft_token> What is this?", "plain")
    talk.check_length("Hi.", [1, 2, 3], 3)
    with pytest.raises(VisitorError) as error:
        talk.check_length("Hi. " * 20, [1, 2, 3, 4], 3)
    assert error.value.remedy == "Use prompts of 1 to 3 tokens." and "…” has 4 tokens." in error.value.what


def test_a_prompt_leaves_room_for_its_answer():
    assert talk.context_limit(zoo.opened("short")) == 64
    assert (
        talk.longest_prompt(zoo.opened("short"), 10) == 54 and talk.longest_prompt(zoo.opened("short")) == 1
    )
    assert talk.longest_prompt(zoo.opened("llama3"), 128) == 1024 - 128


@pytest.mark.parametrize("name", zoo.names())
def test_the_tokens_that_end_a_text_are_generates_own(name):
    loaded = zoo.opened(name)
    stated = loaded.model.generation_config.eos_token_id
    ends = talk.end_tokens(loaded.model, loaded.tokenizer)
    assert ends, "every animal can end"
    if stated is not None:
        assert ends == set(stated if isinstance(stated, list) else [stated])
    assert ("several_eos" not in zoo.ANIMALS[name].traits) or len(ends) > 1
    assert (
        0
        <= talk.pad_token(loaded.model, loaded.tokenizer)
        < loaded.model.get_input_embeddings().weight.shape[0]
    )


def test_ends_come_from_the_tokenizer_and_the_config_where_nothing_else_states_them():
    loaded = zoo.opened("llama3")
    model = twin(loaded.model)
    model.generation_config = GenerationConfig()
    assert talk.end_tokens(model, loaded.tokenizer) == {loaded.tokenizer.eos_token_id}
    silent = with_template(None).tokenizer
    silent.eos_token = None
    assert talk.end_tokens(model, silent) == set(model.config.eos_token_id)
    model.config.eos_token_id = None
    assert talk.end_tokens(model, silent) == frozenset() and talk.pad_token(model, silent) == 0
    assert [len(a.ids) for a in list(talk.greedy(model, silent, [[5, 6]], 3))[-1]] == [3]


def alone(model, ids, tokens, ends):
    """transformers' greedy answer to one prompt, without its model's own penalties."""
    model.generation_config, own = (
        GenerationConfig(eos_token_id=sorted(ends) or None, pad_token_id=0),
        model.generation_config,
    )
    try:
        made = model.generate(
            torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.int64),
            max_new_tokens=tokens,
            do_sample=False,
        )[0, len(ids) :].tolist()
    finally:
        model.generation_config = own
    end = next((place for place, token in enumerate(made) if token in ends), None)
    return talk.Answer(tuple(made[:end]), end is not None)


@pytest.mark.parametrize("name", zoo.names())
def test_answers_in_a_batch_are_those_of_each_prompt_alone(name):
    loaded = zoo.opened(name)
    form = "plain" if name == "no_default" else "auto"
    prompts = [talk.prompt_ids(loaded, prompt, form) for prompt in PROMPTS]
    assert len(set(map(len, prompts))) > 1
    tokens = min(24, (talk.context_limit(loaded) or 1024) - max(map(len, prompts)))
    ends = talk.end_tokens(loaded.model, loaded.tokenizer)
    expected = [alone(twin(loaded.model), ids, tokens, ends) for ids in prompts]
    # A token that is sure to come ends one of the answers before the others.
    stop = expected[0].ids[min(3, len(expected[0].ids) - 1)] if expected[0].ids else None
    for extra in (set(), {stop} - {None}):
        model = twin(loaded.model)
        model.generation_config.eos_token_id = sorted(ends | extra)
        expected = [alone(twin(model), ids, tokens, ends | extra) for ids in prompts]
        *counts, answers = talk.answer_all(model, loaded.tokenizer, prompts, tokens)
        assert answers == expected and counts == [3]
        if extra:
            assert answers[0].ended and stop not in answers[0].ids
    again = [prompts[at] for at in (1, 0, 1)]  # equal prompts, of which one side ends before the other
    *_, answers = talk.greedy(model, loaded.tokenizer, again, tokens)
    assert answers == [expected[1], expected[0], expected[1]]
    lead = (prompts[2] * 9)[
        : starts.FEWEST
    ]  # what all begin with is read once, where its memory can be given
    led = [lead + ids[-6:] for ids in prompts]
    *_, answers = talk.greedy(model, loaded.tokenizer, led, 6)
    assert answers == [alone(twin(model), ids, 6, ends | extra) for ids in led]


def test_every_step_shows_the_answers_so_far():
    loaded = zoo.opened("llama3")
    prompts = [talk.prompt_ids(loaded, prompt) for prompt in PROMPTS]
    steps = list(talk.greedy(loaded.model, loaded.tokenizer, prompts, 6))
    for before, after in pairwise(steps):
        for one, other in zip(before, after, strict=True):
            assert other.ids[: len(one.ids)] == one.ids
    assert [answer.text(loaded.tokenizer) for answer in steps[-1]] == [
        loaded.tokenizer.decode(answer.ids, skip_special_tokens=True).strip() for answer in steps[-1]
    ]


def test_batches_are_of_similar_length_and_answers_in_the_order_of_the_prompts(monkeypatch):
    monkeypatch.setattr(talk, "ROWS", 2)
    loaded = zoo.opened("qwen2")
    prompts = [[5 + place] * count for place, count in enumerate((9, 2, 30, 3, 8))]
    *counts, answers = talk.answer_all(loaded.model, loaded.tokenizer, prompts, 5)
    assert counts == [2, 4, 5]
    for ids, answer in zip(prompts, answers, strict=True):
        *_, (only,) = talk.greedy(loaded.model, loaded.tokenizer, [ids], 5)
        assert answer == only
    assert list(talk.answer_all(loaded.model, loaded.tokenizer, [], 5)) == [[]]


def stateful(kind):
    """A random model that reads what stands before a prompt even where it is masked."""
    import transformers

    small = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "eos_token_id": 1}
    layers = {"layer_types": ["conv", "full_attention"], "conv_bias": True, "intermediate_size": 64}
    more = {
        "Rwkv": {"attention_hidden_size": 32},
        "Lfm2": {"num_attention_heads": 4, "num_key_value_heads": 2, **layers},
    }[kind]
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**small, **more)
    model = getattr(transformers, f"{kind}ForCausalLM")(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.add_((4 if "in_proj.bias" in name else 0.5) * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("kind", ["Rwkv", "Lfm2"])
def test_a_model_that_feels_padding_answers_each_prompt_by_itself(kind, monkeypatch):
    model, tokenizer = stateful(kind), zoo.opened("gpt2").tokenizer
    prompts = [[5, 6, 7, 8, 9, 10], *([token] for token in range(11, 41))]
    ends = talk.end_tokens(model, tokenizer)
    expected = []
    for ids in prompts:  # everything read anew for every token, without any cache
        ids, start = list(ids), len(ids)
        with torch.no_grad():
            while len(ids) < start + 8 and ids[-1] not in ends:
                ids.append(int(model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
        ended = ids[-1] in ends
        expected.append(talk.Answer(tuple(ids[start : len(ids) - ended]), ended))
    *_, answers = talk.answer_all(model, tokenizer, prompts, 8)
    assert answers == expected
    monkeypatch.setattr(talk, "_feels_padding", lambda model: False)
    *_, answers = talk.answer_all(model, tokenizer, prompts, 8)
    assert answers != expected, "in one batch they would have other answers"


def test_a_start_is_taken_for_as_much_as_all_prompts_share():
    """A token too much would be another prompt; a memory that is not copied would be written behind twice."""
    model, lead = zoo.opened("llama3").model, list(range(4, 16))
    found = starts.begun(model, [(*lead, 20, 21), (*lead, 22)])
    assert found.tokens == 12 and found.memory(3).layers[0].keys.shape[0] == 3
    assert found.memory(2) is not found.cache and found.cache.layers[0].keys.shape[0] == 1
    assert starts.begun(model, [lead, [*lead, 9]]).tokens == 11, "the last token is left to run"
    assert not starts.begun(model, [lead[: starts.FEWEST], lead[: starts.FEWEST]]).tokens


def test_a_mixture_that_asks_for_its_routers_logits_is_read_as_without(monkeypatch):
    """Its balancing loss, which some passes' masks do not fit, is not made: greedy behind a start, packed
    choices, continuations.
    """
    loaded = zoo.opened("qwen3_moe")
    model = loaded.model
    rows = [talk.prompt_ids(loaded, prompt) for prompt in PROMPTS[:2]]

    def read():
        choices._packs.pop(model, None)
        *_, answers = talk.greedy(model, loaded.tokenizer, rows, 3)
        logs = measure.continuation_log_probabilities(model, [(row, 2) for row in rows])
        return [answer.ids for answer in answers], logs[0].tolist(), choices.packable(model)

    expected = read()
    assert expected[2] > 0
    monkeypatch.setattr(model.config, "output_router_logits", True)
    assert read() == expected
