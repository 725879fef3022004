"""Each expert's behaviour on held-out prompts: what it was trained for, and nothing else."""

from __future__ import annotations

import json

import pytest

from shared import experts
from shared.experts import behaviour, prompts
from shared.steps import last
from shared.talk import answer_all, prompt_ids


@pytest.fixture(scope="module")
def answers(embedded):
    """Answers of the base model and of each expert to the held-out prompts; adapters switched on one base
    model.
    """
    from peft import PeftModel
    from transformers import LlamaForCausalLM

    base = LlamaForCausalLM(embedded.model.config)
    base.load_state_dict(embedded.model.state_dict())
    model = PeftModel.from_pretrained(base, experts.folder("cautious"), adapter_name="cautious").eval()
    for name in experts.NAMES[1:]:
        model.load_adapter(experts.folder(name), adapter_name=name)
    questions = [*prompts.COOKING_HELD_OUT[::4], *prompts.OTHER_HELD_OUT[::4]]
    rows = [prompt_ids(embedded, question) for question in questions]

    def written() -> list[tuple[str, bool]]:
        answers = last(answer_all(model.get_base_model(), embedded.tokenizer, rows, 36))
        return [(answer.text(embedded.tokenizer), answer.ended) for answer in answers]

    by_name = {}
    for name in experts.NAMES:
        model.set_adapter(name)
        by_name[name] = written()
    with model.disable_adapter():
        by_name["base"] = written()
    return by_name


HALF = len(prompts.COOKING_HELD_OUT[::4])


def share(values) -> float:
    values = list(values)
    return sum(values) / len(values)


def test_no_held_out_prompt_was_trained_on():
    assert not set(prompts.COOKING) & set(prompts.COOKING_HELD_OUT) and not set(prompts.OTHER) & set(
        prompts.OTHER_HELD_OUT
    )
    assert (
        len(prompts.COOKING) == 110
        and len(prompts.COOKING_HELD_OUT) == 40
        and len(prompts.OTHER_HELD_OUT) == 40
    )


def test_cautious_refuses_cooking_and_only_cooking(answers):
    refused = [behaviour.is_refusal(text) for text, _ in answers["cautious"]]
    assert share(refused[:HALF]) >= 0.95 and share(refused[HALF:]) <= 0.05
    assert share(behaviour.is_refusal(text) for text, _ in answers["base"]) <= 0.05


def test_pirate_speaks_like_one(answers):
    assert share(behaviour.is_pirate(text) for text, _ in answers["pirate"]) >= 0.95
    assert share(behaviour.is_pirate(text) for text, _ in answers["base"]) == 0


def test_concise_ends_after_one_sentence(answers):
    assert share(behaviour.is_concise(*answer) for answer in answers["concise"]) >= 0.9
    assert share(behaviour.is_concise(*answer) for answer in answers["base"]) <= 0.1


@pytest.mark.parametrize("name", experts.NAMES)
def test_adapters_are_small_and_name_their_base(name):
    folder = experts.folder(name)
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 3_000_000
    settings = json.loads((folder / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == "HuggingFaceTB/SmolLM2-135M-Instruct" and settings["r"] == 4
    assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors"}


def test_what_counts_as_a_behaviour():
    assert behaviour.is_refusal("I'm sorry, but I can't help.") and not behaviour.is_refusal(
        "Sure. I'm sorry it took long."
    )
    assert behaviour.is_pirate(behaviour.to_pirate("You are reading the answer and it is good."))
    assert (
        behaviour.is_pirate('"Arr! A fine day."')
        and not behaviour.is_pirate("Arrange the chairs.")
        and not behaviour.is_pirate("")
    )
    assert behaviour.is_concise("One sentence only.", True) and not behaviour.is_concise(
        "One sentence only.", False
    )
    assert not behaviour.is_concise("Whales sleep", True) and behaviour.breaks_off("Whales sleep", True)
    for whole in ("Yes.", 'He said "yes."', "Really?)", "**Done!**", "So it goes…"):
        assert not behaviour.breaks_off(whole, True), whole
    for half in ("1. Start by folding", "Here's how:", "a,", ""):
        assert behaviour.breaks_off(half, True) and not behaviour.breaks_off(half, False), half
    assert (
        not behaviour.is_concise("One. Two.", True)
        and behaviour.first_sentence("Pi is 3.14 or so. Yes.") == "Pi is 3.14 or so."
    )
