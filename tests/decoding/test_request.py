"""Requests: what is accepted, what is refused and with which sentence, and the way to URLs and back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from decoding import presets
from decoding.pair.request import PairRequest
from decoding.request import Request
from shared import limits
from shared.errors import VisitorError


def make(strategies, **values) -> Request:
    return Request.parse(**{"prompt": "Once", "strategies": strategies} | values)


@pytest.mark.parametrize(
    ("strategies", "sentence"),
    [
        ("{}", "are a JSON object, not a list"),
        ("[", "not valid JSON"),
        ("null", "are null, not a list"),
        ("[]", "No strategy"),
        ("[" * 100_000, "more than"),
        ("[" * 10_000, "not valid JSON"),
        ([3], "is a number, not a JSON object"),
        ([{"temprature": 1}], "temprature.*Did you mean temperature"),
        ([{"<img src=x onerror=alert(1)>": 1}], "is not a setting"),
        ([{"do_sample": True, "temperature": -1}], r"temperature is -1\. Use a number from 0.01 to 100"),
        ([{"do_sample": True, "temperature": 0}], "temperature is 0"),
        ([{"do_sample": True, "temperature": 1e-40}], "temperature is 1e-40"),
        ([{"do_sample": True, "temperature": 10**400}], "not a finite number"),
        ('[{"do_sample": true, "temperature": NaN}]', "not a finite number"),
        ('[{"do_sample": true, "top_p": Infinity}]', "not a finite number"),
        ([{"do_sample": True, "top_p": 1.5}], "top_p is 1.5"),
        ([{"do_sample": True, "top_k": 2.5}], "top_k is 2.5"),
        ([{"do_sample": "yes"}], "not true or false"),
        ([{"temperature": 0.5}], "temperature has no effect while do_sample is false"),
        ([{"temperature": 0.5, "top_p": 0.5}], "temperature and top_p have no effect"),
        ([{"length_penalty": 2.0}], "length_penalty has no effect with num_beams 1"),
        ([{"num_beams": 2, "num_return_sequences": 3}], "num_return_sequences 3 is more than num_beams 2"),
        ([{"num_return_sequences": 3}], "needs sampling or beams"),
        (
            [{"num_beams": 6, "num_beam_groups": 4, "diversity_penalty": 1.0}],
            "cannot be split into 4 equal groups",
        ),
        ([{"num_beams": 6, "num_beam_groups": 3}], "needs a diversity_penalty"),
        ([{"num_beams": 6, "diversity_penalty": 1.0}], "needs num_beam_groups"),
        (
            [{"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 1.0, "do_sample": True}],
            "cannot be combined with do_sample",
        ),
        ([{"penalty_alpha": 0.6, "top_k": 1}], "top_k of at least 2"),
        ([{"penalty_alpha": 0.6, "num_beams": 3}], "penalty_alpha cannot be combined"),
        ([{"dola_layers": "low", "num_beams": 3}], "dola_layers cannot be combined"),
        ([{"dola_layers": "low", "do_sample": True}], "dola_layers cannot be combined with do_sample"),
        ([{"dola_layers": "middle"}], "dola_layers is middle"),
        ([{"dola_layers": list(range(65))}], "at most 64 layer numbers"),
        ([{"num_beams": 2, "early_stopping": 1}], "early_stopping is 1"),
        ([{"num_beams": 2, "early_stopping": 1.0}], "early_stopping is 1.0"),
        ([{"repetition_penalty": 1e-40}], "repetition_penalty is 1e-40"),
        ([{"bad_words_ids": [1, 2]}], "bad_words_ids is not a list of lists"),
        ([{"sequence_bias": {"a": 1}}], "sequence_bias is not a list of pairs"),
        ([{"sequence_bias": [[[5], float("nan")]]}], "sequence_bias is not"),
        ([{"sequence_bias": [[[5], 10**400]]}], "sequence_bias is not"),
        ([{"sequence_bias": [[[5], -1e308]]}], "each bias at most 10,000"),
        ([{"bad_words_ids": [[1]] * 9_000}], "more than 20,000 characters"),
        ([{"prefix": [-1]}], "prefix is not a list"),
        ([{"name": "x" * 41}], "at most 40 characters"),
        ([{"name": "half \ud83d"}], "lone surrogate"),
        ([{}] * 5, "There are 5 strategies"),
        ([{}] * 100_000, "There are 100,000 strategies"),
        ([{"num_beams": 16}] * 3, "48 sequences at once"),
    ],
)
def test_refused_strategies(strategies, sentence):
    with pytest.raises(VisitorError, match=sentence):
        make(strategies)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"prompt": ""}, "prompt is empty"),
        ({"prompt": " \n"}, "prompt is empty"),
        ({"prompt": None}, "prompt is empty"),
        ({"prompt": "x" * (limits.MAX_PROMPT_CHARACTERS + 1)}, "8,001 characters"),
        ({"prompt": "half \ud83d"}, r"lone surrogate U\+D83D"),
        ({"model": ""}, "No model"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"max_new_tokens": "many"}, "max_new_tokens is many"),
        ({"max_new_tokens": 10_000}, "max_new_tokens is 10000"),
        ({"max_new_tokens": True}, "max_new_tokens is True"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"chat": "perhaps"}, "chat is perhaps"),
        ({"temperature": 1}, "no setting “temperature”"),
    ],
)
def test_refused_values(values, sentence):
    with pytest.raises(VisitorError, match=sentence):
        make([{}], **values)


def test_a_mark_of_order_that_the_model_shall_read_stays():
    assert Request.parse(prompt="\ufeffOnce", system="\ufeffBe", chat=True).prompt == "\ufeffOnce"
    assert PairRequest.parse(prompt="\ufeffOnce", other="some/model").prompt == "\ufeffOnce"
    assert Request.parse(prompt="Once", model="\ufeffgpt2").model == "gpt2"


def test_cross_limits():
    with pytest.raises(VisitorError, match="min_new_tokens is 9 but max_new_tokens is 4"):
        make([{"min_new_tokens": 9}], max_new_tokens=4)
    with pytest.raises(VisitorError, match="starts after 4 tokens"):
        make([{"prefix": [1, 2, 3, 4]}], max_new_tokens=4)


def test_query_round_trip_of_every_preset():
    for name, config in presets.PRESETS.items():
        request = make(
            [{"name": name, **config}],
            prompt="<b>“ünïcode” & = ? #</b>\n",
            max_new_tokens=7,
            seed=3,
            chat=True,
        )
        assert Request.from_query(request.to_query()) == request


def test_branches_survive_the_link():
    request = make([{}, {"name": "b", "prefix": [5, 6]}])
    assert Request.from_query(request.to_query()) == request
    with pytest.raises(VisitorError, match="1 strategies and 9 branches"):
        make([{}, *[{"prefix": [i]} for i in range(limits.MAX_BRANCHES + 1)]])


def test_do_sample_is_always_explicit():
    """A model's own generation_config may turn sampling on; greedy must stay greedy."""
    assert make([{}]).strategies[0].config == {"do_sample": False}


def test_kinds_follow_transformers_own_precedence():
    from transformers import GenerationConfig
    from transformers.generation.configuration_utils import GenerationMode

    kinds = {
        "greedy": GenerationMode.GREEDY_SEARCH,
        "sample": GenerationMode.SAMPLE,
        "beam": GenerationMode.BEAM_SEARCH,
        "beam_sample": GenerationMode.BEAM_SAMPLE,
        "group_beam": GenerationMode.GROUP_BEAM_SEARCH,
        "contrastive": GenerationMode.CONTRASTIVE_SEARCH,
        "dola": GenerationMode.DOLA_GENERATION,
    }
    for config in presets.PRESETS.values():
        strategy = make([config]).strategies[0]
        if strategy.kind == "llama_cpp":
            continue
        defaults = {"num_beams": 1, "num_beam_groups": 1, "do_sample": False, "top_k": 50}
        assert GenerationConfig(**defaults | strategy.config).get_generation_mode() == kinds[strategy.kind], (
            config
        )


def test_names_are_made_and_made_unique():
    assert [s.name for s in make([{}, {}, {"num_beams": 3}]).strategies] == ["greedy", "greedy (2)", "beam 3"]
    for names in (["a", "a (2)", "a", "a"], ["x" * 40] * 4):
        request = make([{"name": name} for name in names])
        assert len({s.name for s in request.strategies}) == len(names)
        assert Request.parse(**request.to_json()) == request


def test_layers_are_named_once():
    assert make([{"dola_layers": [3, 1] * 3_000}]).strategies[0].config["dola_layers"] == [1, 3]


def test_every_accepted_request_is_accepted_again():
    """It holds names and do_sample, which a list at the limit of length may lack."""
    accepted = []
    for words in range(4_980, 4_999):
        try:
            request = make([{"bad_words_ids": [[1]] * words}])
        except VisitorError:
            continue
        accepted.append(words)
        assert Request.parse(**request.to_json()) == request
        assert request.to_query() is None, "no server takes an address of 20,000 characters"
    assert accepted and accepted[-1] < 4_998


def test_links_of_earlier_versions_open():
    """They state every setting, and the strategies with their defaults."""
    link = (
        "prompt=A+walk&model=HuggingFaceTB%2FSmolLM2-135M-Instruct&max_new_tokens=6&seed=3&chat=1"
        "&strategies=%5B%7B%22name%22%3A%22sample%22%2C%22do_sample%22%3Atrue%2C%22top_p%22%3A0.8%7D%5D"
    )
    request = make([{"do_sample": True, "top_p": 0.8, "name": "sample"}], prompt="A walk", seed=3, chat=True)
    assert Request.from_query(link) == replace(request, max_new_tokens=6)
    assert Request.from_query(f"?{link}&room=decode&utm_source=x") == replace(request, max_new_tokens=6)
    assert Request.from_query("prompt=A+walk").to_query() == "prompt=A+walk"
