"""The strategies as text: what is pasted, what the form shows and writes, what the sampler panel puts in."""

from __future__ import annotations

import json

import pytest

from decoding import presets
from decoding.settings import SETTINGS
from decoding.strategy import strategies_of
from decoding_rooms.form import from_field, read_pasted, to_field, with_config, with_sampling
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
    strategies, max_new_tokens = read_pasted(text, 24)
    assert json.loads(strategies) == [{"do_sample": True, "top_p": 0.8}]
    assert max_new_tokens == 9
    assert read_pasted("not json", 24) == ("not json", 24)
    assert read_pasted("3", 24) == ("3", 24)


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
    text = presets.from_names(["greedy", "beam 5"])
    edited = json.loads(with_config(text, "beam 5", {"num_beams": 3, "top_p": None}))
    assert edited == [{"name": "greedy", "do_sample": False}, {"name": "beam 5", "num_beams": 3}]
    twins = json.loads(with_config('[{"name": "a"}, {"name": "a"}]', "a (2)", {"num_beams": 2}))
    assert [one.get("num_beams") for one in twins] == [None, 2]
    with pytest.raises(VisitorError, match="not valid JSON"):
        with_config("[", "a", {})


def test_the_sampler_panel_writes_its_settings_into_the_strategy_of_its_run():
    text = presets.from_names(["greedy", "nucleus .9"])
    chain = {"temperature": 0.7, "top_k": 5}
    greedy, nucleus = strategies_of(with_sampling(text, "nucleus .9", chain))
    assert nucleus.config == {"do_sample": True, **chain}, "the panel's chain replaces the filters before it"
    assert greedy.kind == "greedy"
    assert [one.name for one in strategies_of(with_sampling(text, "", chain))][-1] == "sample"
    full = presets.from_names(list(presets.PRESETS)[: limits.MAX_STRATEGIES])
    assert len(strategies_of(with_sampling(full, "another", chain))) == limits.MAX_STRATEGIES
