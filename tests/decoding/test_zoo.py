"""Decoding over the zoo: on a model of every shape the tokens are those of `generate`, with the model's own
generation settings, template and special tokens; what cannot work is refused with its reason.
"""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest
import torch

from decoding.decoders.dola import early_head
from decoding.engine import decode, next_token_distribution
from decoding.programs import transformers_program
from decoding.request import Request
from shared.errors import VisitorError
from shared.models import twin
from tests import zoo

PROMPT = "Why do dogs bark at the moon?"
STRATEGIES = [
    {},
    {"do_sample": True, "num_return_sequences": 2},
    {"num_beams": 3, "num_return_sequences": 2, "length_penalty": 0.5},
    {"num_beams": 2, "do_sample": True, "no_repeat_ngram_size": 2, "min_new_tokens": 4},
]
"""They leave open what the model's own generation settings may say: penalties, temperature, top_k, top_p."""
NEW = 8


def trace_of(name: str, strategies: list[dict], chat: bool = False, prompt: str = PROMPT) -> dict:
    request = Request.parse(
        prompt=prompt, model=f"zoo/{name}", strategies=strategies, max_new_tokens=NEW, seed=3, chat=chat
    )
    *_, trace = decode(request, zoo.opened(name))
    return json.loads(json.dumps(trace.to_json(), allow_nan=False))


def generated(name: str, ids: list[int], config: dict, new: int = NEW) -> list[list[int]]:
    """What `generate` writes after a prompt, each text up to its end."""
    model, row = zoo.opened(name).model, torch.tensor([ids])
    torch.manual_seed(3)
    output = model.generate(
        row, attention_mask=torch.ones_like(row), max_new_tokens=new, **{"do_sample": False, **config}
    )
    ends = model.generation_config.eos_token_id
    ends = set(ends if isinstance(ends, list) else [ends])
    texts = output[:, len(ids) :].tolist()
    return [
        text[: next((at for at, token in enumerate(text, 1) if token in ends), len(text))] for text in texts
    ]


def written(run: dict) -> list[list[int]]:
    return [sequence["token_ids"] for sequence in run["sequences"]]


def prompt_of(name: str, chat: bool) -> list[int]:
    """The prompt's ids as transformers itself gives them; no EOS behind a text that goes on."""
    tokenizer = zoo.opened(name).tokenizer
    if chat:
        talk = [{"role": "user", "content": PROMPT}]
        return tokenizer.apply_chat_template(talk, add_generation_prompt=True, return_dict=False)
    ids = tokenizer(PROMPT).input_ids
    return ids[:-1] if "adds_eos" in zoo.ANIMALS[name].traits else ids


@pytest.mark.parametrize("name", zoo.names())
def test_plain_text_goes_on_as_generate_writes_it(name):
    check_runs(name, chat=False)


@pytest.mark.parametrize("name", zoo.names("chat"))
def test_answers_are_those_of_generate(name):
    check_runs(name, chat=True)


def check_runs(name: str, chat: bool) -> None:
    trace = trace_of(name, STRATEGIES, chat)
    ids = trace["prompt"]["token_ids"]
    assert ids == prompt_of(name, chat)
    for run, config in zip(trace["runs"], STRATEGIES, strict=True):
        assert written(run) == generated(name, ids, config), run["name"]
        assert all(node["text"] or node["bytes"] for node in run["nodes"][1:]), "every token has a text"


@pytest.mark.parametrize("name", zoo.names("chat", "adds_bos"))
def test_bos_stands_once(name):
    """Where the template writes it, and where the tokenizer does."""
    tokenizer = zoo.opened(name).tokenizer
    bos = tokenizer.bos_token_id
    written_by_template = "template_bos" in zoo.ANIMALS[name].traits
    assert trace_of(name, [{}], chat=True)["prompt"]["token_ids"].count(bos) == int(written_by_template)
    assert trace_of(name, [{}])["prompt"]["token_ids"].count(bos) == 1
    assert trace_of(name, [{}], prompt=tokenizer.bos_token + PROMPT)["prompt"]["token_ids"].count(bos) == 1


@pytest.mark.parametrize("name", zoo.names("own_generation"))
def test_a_models_own_settings_count_where_a_strategy_says_nothing(name):
    """And are those of a greedy run too, of which transformers leaves out the sampling ones."""
    stated = zoo.opened(name).model.generation_config
    greedy, sample = trace_of(name, [{}, {"do_sample": True}])["runs"]
    own = {setting for setting in ("temperature", "top_k", "top_p") if getattr(stated, setting)}
    assert own <= set(sample["processors"]) and own.isdisjoint(greedy["processors"])
    penalty = "repetition_penalty" in zoo.ANIMALS[name].traits
    assert ("repetition_penalty" in greedy["processors"]) == penalty


@pytest.mark.parametrize("name", zoo.names("own_generation"))
def test_the_trace_says_which_settings_count_and_whose_they_are(name):
    """The effective value of every setting, held to what `generate` prepares for itself."""
    stated = zoo.opened(name).model.generation_config
    strategies = [{}, {"do_sample": True, "top_p": 0.5}, {"num_beams": 2}]
    trace = trace_of(name, strategies)
    greedy, sample, beams = (run["settings"] for run in trace["runs"])
    assert sample["top_p"] == {"value": 0.5, "origin": "strategy"}
    for setting in ("temperature", "top_k", "repetition_penalty"):
        own, usual = getattr(stated, setting), {"top_k": 50}.get(setting)
        if own is None and usual is None:
            assert setting not in sample
        else:
            origin = "default" if own is None else "model"
            assert sample[setting] == {"value": usual if own is None else own, "origin": origin}
    assert not {"temperature", "top_k", "top_p"} & set(greedy), "greedy search does not draw"
    assert ("repetition_penalty" in greedy) == (stated.repetition_penalty is not None)
    assert beams["length_penalty"]["value"] == 1.0 and beams["length_penalty"]["origin"] == "default"
    assert trace["generation_config"].get("top_p") == stated.top_p


def test_which_strategy_it_is_does_not_depend_on_the_model():
    """A model whose own settings ask for beams and several texts."""
    loaded = zoo.opened("tools")
    model = twin(loaded.model)
    model.generation_config.num_beams, model.generation_config.num_return_sequences = 3, 2
    request = Request.parse(prompt=PROMPT, strategies=[{}, {"num_beams": 2}], max_new_tokens=NEW)
    *_, trace = decode(request, replace(loaded, model=model))
    *_, plain = decode(request, loaded)
    assert [run.sequences for run in trace.runs] == [run.sequences for run in plain.runs]
    assert trace.runs[0].settings["num_beams"] == {"value": 1, "origin": "strategy"}
    assert "num_beams" not in plain.runs[0].settings


@pytest.mark.parametrize("name", zoo.names())
def test_dola_reads_early_layers_as_the_model_reads_its_last(name):
    """With the soft cap and the scale that its own code puts after the head."""
    model = zoo.opened(name).model
    with torch.inference_mode():
        output = model(torch.tensor([[5, 6, 7]]), output_hidden_states=True)
        read = early_head(model)(output.hidden_states[-1][:, -1])
    assert torch.allclose(read, output.logits[:, -1], atol=1e-4)


def test_costs_are_those_of_each_strategy_alone():
    """Passes and rows do not depend on who runs beside it; seconds are shared out and so add up."""
    strategies = [{}, {"num_beams": 3}, {"do_sample": True, "num_return_sequences": 2}]
    together = trace_of("qwen3", strategies)["runs"]
    alone = [trace_of("qwen3", [one])["runs"][0] for one in strategies]
    for cost in ("forward_passes", "rows"):
        assert [run[cost] for run in together] == [run[cost] for run in alone]
    assert [run["rows"] for run in together] == [1, 3, 2]
    token = together[0]["nodes"][2]["token_id"]
    branch = trace_of("qwen3", [{"prefix": [token, token, token]}])["runs"][0]
    written = len(branch["sequences"][0]["token_ids"])
    assert branch["forward_passes"] == written - 3, "alone it reads its own tokens with the prompt"


@pytest.mark.parametrize("name", zoo.names("padded_vocab"))
def test_ids_past_the_tokenizer_have_a_name(name):
    loaded = zoo.opened(name)
    padding = loaded.model.config.get_text_config().vocab_size - 1
    config = {"sequence_bias": [[[padding], 100.0]]}
    trace = trace_of(name, [config, {**config, "num_beams": 2}])
    assert written(trace["runs"][0]) == generated(name, trace["prompt"]["token_ids"], config)
    assert written(trace["runs"][0]) == [[padding] * NEW]
    chosen = [node for node in trace["runs"][0]["nodes"] if node["token_id"] == padding]
    assert {node["text"] for node in chosen} == {f"⟨{padding}⟩"}
    whole = next_token_distribution(loaded, trace["prompt"]["token_ids"], {}, 1, None)
    assert f"⟨{padding}⟩" in whole["texts"]


@pytest.mark.parametrize("name", zoo.names())
def test_the_strategies_that_left_transformers_run_on_every_model(name):
    """Contrastive search with α = 0 is greedy search; DoLa starts with a token of the last layer's best."""
    own = {"repetition_penalty": 1.0}
    trace = trace_of(name, [own, {"penalty_alpha": 1e-9, "top_k": 4, **own}, {"dola_layers": [0, 1], **own}])
    greedy, contrastive, dola = trace["runs"]
    assert written(contrastive) == written(greedy)
    first = dola["nodes"][0]["id"]
    assert all(node["reason"] for node in dola["nodes"] if node["parent"] == first)
    groups = {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 1.0, "num_return_sequences": 4}
    texts = written(trace_of(name, [groups])["runs"][0])
    assert len({tuple(text) for text in texts}) > 1


@pytest.mark.parametrize("name", zoo.names())
def test_a_branch_goes_on_as_generate_does(name):
    plain = trace_of(name, [{}])
    other = next(
        node for node in plain["runs"][0]["nodes"] if node["parent"] == 0 and node["status"] == "pruned"
    )
    branch = [other["token_id"], plain["prompt"]["token_ids"][-1]]
    trace = trace_of(name, [{"prefix": branch}, {"prefix": branch, "num_beams": 2}])
    for run, config in zip(trace["runs"], [{}, {"num_beams": 2}], strict=True):
        assert [text[:2] for text in written(run)] == [branch]
        expected = generated(name, [*trace["prompt"]["token_ids"], *branch], config, NEW - 2)
        assert [text[2:] for text in written(run)] == expected


@pytest.mark.parametrize("name", zoo.names("sentencepiece"))
def test_the_pieces_of_a_text_are_the_text(name):
    """A SentencePiece tokenizer leaves out the space before the first token it decodes: no token is that."""
    loaded = zoo.opened(name)
    trace = trace_of(name, [{}], prompt="The cat sat on the mat")
    pieces = trace["prompt"]["tokens"]
    specials = set(loaded.tokenizer.all_special_tokens)
    assert "".join(piece for piece in pieces if piece not in specials).strip() == "The cat sat on the mat"


@pytest.mark.parametrize("name", zoo.names("no_template"))
def test_a_chat_without_a_template_is_refused(name):
    with pytest.raises(VisitorError, match=r"has no chat template[.] Switch the chat template off"):
        trace_of(name, [{}], chat=True)


@pytest.mark.parametrize("name", zoo.names("no_default_template"))
def test_templates_for_other_purposes_are_no_chat_template(name):
    with pytest.raises(VisitorError, match=r"none for a question alone[.] Switch"):
        trace_of(name, [{}], chat=True)


@pytest.mark.parametrize("name", zoo.names("short"))
def test_a_short_window_is_said(name):
    with pytest.raises(VisitorError, match=r"more than the .* that zoo/short can read[.] Shorten"):
        trace_of(name, [{}], prompt=PROMPT * 6)


@pytest.mark.parametrize("name", zoo.names("special_past_vocab"))
def test_a_token_without_an_embedding_is_said(name):
    tokenizer = zoo.opened(name).tokenizer
    outside = tokenizer.convert_ids_to_tokens(len(tokenizer) - 1)
    with pytest.raises(VisitorError, match="the model has only"):
        trace_of(name, [{}], prompt=f"Why {outside}?")


def test_too_few_layers_for_dola_are_said():
    with pytest.raises(VisitorError, match="no layers that count as low"):
        trace_of("qwen2", [{"dola_layers": "low"}])


@pytest.mark.parametrize("name", ["qwen2", "gemma2", "mamba"])
def test_a_model_in_bfloat16_decodes_as_on_a_gpu(name):
    """One text alone is that of `generate`; where many are one batch, its products depend on the batch."""
    loaded = zoo.opened(name)
    half = replace(loaded, model=copy.deepcopy(loaded.model).to(torch.bfloat16), dtype="bfloat16")
    asked = {"prompt": PROMPT, "model": loaded.id, "max_new_tokens": NEW, "chat": False}
    *_, trace = decode(Request.parse(strategies=[{}], **asked), half)
    row = torch.tensor([trace.to_json()["prompt"]["token_ids"]])
    text = half.model.generate(row, attention_mask=torch.ones_like(row), max_new_tokens=NEW, do_sample=False)
    (ids,) = written(trace.to_json()["runs"][0])
    assert ids == text[0, row.shape[1] :].tolist()[: len(ids)] and len(ids) >= 1
    *_, trace = decode(Request.parse(strategies=STRATEGIES, **asked), half)
    data = trace.to_json()
    json.dumps(data, allow_nan=False)
    assert data["provenance"]["dtype"] == "bfloat16" and len(data["runs"]) == len(STRATEGIES)
    assert "dtype=torch.bfloat16" in transformers_program(Request.parse(strategies=STRATEGIES, **asked), data)
