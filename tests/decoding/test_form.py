"""The strategies as text: what is pasted, what the form shows and writes, what the sampler panel puts in."""

from __future__ import annotations

import json

import pytest

from decoding import pasted, presets
from decoding.settings import SETTINGS
from decoding.strategy import describe, strategies_of
from decoding_rooms.form import FORMS, from_field, names_in, to_field, with_config, with_names, with_sampling
from shared import limits
from shared.errors import VisitorError


def test_pasted_generation_config():
    text = json.dumps(
        {
            "do_sample": True,
            "top_p": 0.8,
            "eos_token_id": 2,
            "transformers_version": "5.0",
            "max_new_tokens": 9,
            "typical_p": None,
        }
    )
    found = pasted.read(text)
    assert json.loads(found.strategies) == [{"do_sample": True, "top_p": 0.8}]
    assert found.max_new_tokens == 9 and not found.unused
    for text in ("not json", "3", "[]", "[3]"):
        assert pasted.read(text) == pasted.Pasted(text)


GEMMA3 = {
    "_from_model_config": True,
    "bos_token_id": 2,
    "cache_implementation": "hybrid",
    "do_sample": True,
    "eos_token_id": [1, 106],
    "pad_token_id": 0,
    "top_k": 64,
    "top_p": 0.95,
    "transformers_version": "4.50.0.dev0",
}
LLAMA2 = {"_from_model_config": True, "temperature": 0.6, "top_p": 0.9, "transformers_version": "4.31.0"}
WHISPER = {
    "begin_suppress_tokens": [220, 50257],
    "no_timestamps_token_id": 50363,
    "num_beams": 1,
    "transformers_version": "4.31.0",
}


def full_dump(**values) -> dict:
    """A dump of every field, as transformers 4 wrote it."""
    neutral = {
        "max_length": 20,
        "min_length": 0,
        "do_sample": False,
        "early_stopping": False,
        "num_beams": 1,
        "num_beam_groups": 1,
        "diversity_penalty": 0.0,
        "temperature": 1.0,
        "top_k": 50,
        "top_p": 1.0,
        "typical_p": 1.0,
        "epsilon_cutoff": 0.0,
        "eta_cutoff": 0.0,
        "repetition_penalty": 1.0,
        "encoder_repetition_penalty": 1.0,
        "length_penalty": 1.0,
        "no_repeat_ngram_size": 0,
        "encoder_no_repeat_ngram_size": 0,
        "bad_words_ids": None,
        "num_return_sequences": 1,
        "output_scores": False,
        "return_dict_in_generate": False,
        "remove_invalid_values": False,
        "renormalize_logits": False,
        "suppress_tokens": None,
        "num_assistant_tokens": 5,
        "num_assistant_tokens_schedule": "constant",
        "use_cache": True,
    }
    return {**neutral, **values}


@pytest.mark.parametrize(
    ("published", "strategy", "unused"),
    [
        (GEMMA3, {"do_sample": True, "top_k": 64, "top_p": 0.95}, ["cache_implementation"]),
        (LLAMA2, {}, ["temperature (do_sample is false)", "top_p (do_sample is false)"]),
        (WHISPER, {}, ["begin_suppress_tokens", "no_timestamps_token_id"]),
        (full_dump(), {"do_sample": False}, []),
        (full_dump(num_beams=4, length_penalty=2.0), {"num_beams": 4, "length_penalty": 2.0}, []),
        (full_dump(do_sample=True, top_p=0.9), {"do_sample": True, "top_p": 0.9}, []),
        (full_dump(length_penalty=2.0), {}, ["length_penalty (num_beams is 1)"]),
        (full_dump(penalty_alpha=0.6, top_k=4), {"penalty_alpha": 0.6, "top_k": 4}, []),
    ],
    ids=["gemma3", "llama2", "whisper", "dump", "beams", "sampling", "idle", "contrastive"],
)
def test_a_published_generation_config_can_be_pasted(published, strategy, unused):
    """And means the same: what is left out is neutral, or transformers would leave it aside too."""
    found = pasted.read(json.dumps(published))
    (one,) = strategies_of(found.strategies)
    neutral = ("min_length", "no_repeat_ngram_size", "repetition_penalty", "renormalize_logits", "top_k")
    stated = {name: value for name, value in one.config.items() if name in strategy or name not in neutral}
    for name, value in strategy.items():
        assert stated[name] == value
    assert list(found.unused) == unused


def test_what_is_written_by_hand_is_not_corrected_silently():
    """A setting that has no effect is an error that the visitor should see."""
    found = pasted.read('[{"temperature": 0.5}]')
    assert json.loads(found.strategies) == [{"temperature": 0.5}]
    with pytest.raises(VisitorError, match="do_sample is false"):
        strategies_of(found.strategies)
    assert "topp" in pasted.read('[{"topp": 0.5}]').strategies


CONFIG = {
    "num_beams": 3,
    "early_stopping": "never",
    "bad_words_ids": [[5], [6, 7]],
    "do_sample": True,
    "top_p": 0.5,
    "dola_layers": [1, 3],
}


def test_form_fields_round_trip():
    for name in SETTINGS:
        assert from_field(name, to_field(name, CONFIG.get(name))) == CONFIG.get(name)
    with pytest.raises(VisitorError, match="not a number"):
        from_field("num_beams", "many")
    for text in ("[[", "[" * 100_000):
        with pytest.raises(VisitorError, match="not valid JSON"):
            from_field("bad_words_ids", text)


def test_the_form_edits_one_strategy_and_keeps_the_others():
    text = text_with("greedy", "beam 5")
    edited = json.loads(with_config(text, "beam 5", {"num_beams": 3, "top_p": None}))
    assert edited == [{"name": "greedy", "do_sample": False}, {"name": "beam 5", "num_beams": 3}]
    twins = json.loads(with_config('[{"name": "a"}, {"name": "a"}]', "a (2)", {"num_beams": 2}))
    assert [one.get("num_beams") for one in twins] == [None, 2]
    with pytest.raises(VisitorError, match="not valid JSON"):
        with_config("[", "a", {})


def text_with(*names: str) -> str:
    """The JSON of presets."""
    return with_names('[{"name": "greedy"}]', list(names))


def test_the_sampler_panel_writes_its_settings_into_the_strategy_of_its_run():
    text = text_with("greedy", "nucleus .9")
    chain = {"temperature": 0.7, "top_k": 5}
    greedy, nucleus = strategies_of(with_sampling(text, "nucleus .9", chain))
    assert nucleus.config == {"do_sample": True, **chain}, "the panel's chain replaces the filters before it"
    assert "nucleus" not in nucleus.name, "a preset's name says what its settings are"
    assert greedy.kind == "greedy"
    assert [one.name for one in strategies_of(with_sampling(text, "", chain))][-1].startswith("sample")
    full = text_with(*list(presets.PRESETS)[: limits.MAX_STRATEGIES])
    assert len(strategies_of(with_sampling(full, "another", chain))) == limits.MAX_STRATEGIES
    named = strategies_of(with_sampling('[{"name": "mine", "do_sample": true}]', "mine", chain))
    assert [one.name for one in named] == ["mine"], "a name that the visitor gave stays"


@pytest.mark.parametrize(
    "name", ["greedy", "beam 5", "contrastive .6", "DoLa", "greedy, repetition_penalty 1.3"]
)
def test_sampling_does_not_take_the_name_of_what_does_not_draw(name):
    text = text_with(name)
    kept, new = strategies_of(with_sampling(text, name, {"top_k": 0}))
    assert kept == strategies_of(text)[0]
    assert new.kind in ("sample", "beam_sample") and new.name == describe(new)
    assert new.config.get("repetition_penalty") == kept.config.get("repetition_penalty")


def test_a_name_chosen_above_keeps_what_was_written_below():
    own = '[{"name": "mine", "num_beams": 3}, {"name": "beam 5", "num_beams": 6}]'
    both = json.loads(with_names(own, ["mine", "beam 5", "greedy"]))
    assert [one["name"] for one in both] == ["mine", "beam 5", "greedy"]
    assert [one.get("num_beams") for one in both] == [3, 6, None]
    assert names_in(own) == ["mine", "beam 5"]
    assert names_in("[") is None
    with pytest.raises(VisitorError):
        with_names("[", ["greedy"])
    assert json.loads(with_names(own, [])) == [{"name": "greedy"}]


def test_the_panel_writes_llama_cpps_chain_in_place_of_what_was_there():
    text = text_with("greedy", "llama.cpp default")
    chain = {"runtime": "llama.cpp", "temperature": 0.5, "samplers": ["top_k", "temperature"]}
    greedy, mine = strategies_of(with_sampling(text, "llama.cpp default", chain))
    assert mine.config == chain and mine.name == describe(mine) and greedy.kind == "greedy"
    _, other = strategies_of(with_sampling(text, "llama.cpp default", {"top_k": 5}))
    assert other.config == {"do_sample": True, "top_k": 5}


def test_the_form_edits_llama_cpps_fields():
    text = text_with("llama.cpp default")
    edited = with_config(text, "llama.cpp default", {"runtime": "llama.cpp", "top_k": 3, "top_p": None})
    assert json.loads(edited) == [{"name": "llama.cpp default", "runtime": "llama.cpp", "top_k": 3}]
    for name, setting in FORMS["llama.cpp"].items():
        value = {"samplers": ["top_k"], "dry_sequence_breakers": ["\n"]}.get(name, 1)
        assert from_field(name, to_field(name, value), setting) == value
