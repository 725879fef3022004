"""Labels: those of the trainers' own code, and of brute force."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
import torch

from shared import chat_templates
from shared.embedded_model import EMBEDDED_MODEL
from shared.suite import load_app
from tests import zoo
from tests.finetuning.talks import ROWS, TALKS

load_app("finetuning")
from finetuning import engine, masks, structure, unsloth
from finetuning.engine import mask
from finetuning.request import MaskRequest
from finetuning.row_forms import form
from finetuning.templates import PRESETS
from finetuning.tokenizer import Reader, Refused, opened

ANSWERS = json.loads((Path(__file__).with_name("answers.json")).read_text(encoding="utf-8"))


def bits(view: dict) -> str:
    return "".join(str(int(label)) for label in masks.labels_of(view))


def seen(template: str, row: dict, **settings) -> dict:
    return _seen(template, json.dumps([row]), tuple(settings.items()))


@functools.cache
def _seen(template: str, rows: str, settings: tuple) -> dict:
    return mask(MaskRequest.parse(rows=rows, template=template, **dict(settings)))["rows"][0]


def without_first(answer: str) -> str:
    """A trainer's labels as this page counts them: nothing predicts the first token."""
    return "0" + answer[1:]


def cases(part: str) -> list[tuple[str, str]]:
    return [tuple(key.split("/", 1)) for key in ANSWERS[part]]


@pytest.mark.parametrize(("template", "title"), cases("trl"))
def test_labels_are_those_of_trls_own_trainer(embedded, template, title):
    answers = ANSWERS["trl"][f"{template}/{title}"]
    row = {"messages": TALKS[title]} if title in TALKS else ROWS[title]
    views = seen(template, row)["views"]
    assert bits(views["trl"]) == without_first(answers["trl"])
    if "trl_assistant" in answers:
        view = views["trl_assistant"]
        if answers["trl_assistant"].isalpha():
            assert answers["trl_assistant"] in view["refused"]
        else:
            assert bits(view) == without_first(answers["trl_assistant"])
    if "cut" in answers:
        cut = seen(template, row, max_length=12)["views"]["trl"]
        assert bits(cut)[:12].rstrip("0") == without_first(answers["cut"]).rstrip("0")
    if "packed" in answers:
        packed = seen(template, row, packing=True)["views"]["trl"]
        assert bits(packed) == answers["packed"], "TRL itself takes the first label of a packed document"


@pytest.mark.parametrize(("template", "title"), cases("axolotl"))
def test_labels_are_those_of_axolotls_own_strategy(embedded, template, title):
    view = seen(template, {"messages": TALKS[title]})["views"]["axolotl"]
    assert bits(view) == without_first(ANSWERS["axolotl"][f"{template}/{title}"])


@pytest.mark.parametrize("template", ANSWERS["markers"])
def test_markers_are_those_that_unsloth_finds(embedded, template):
    found = unsloth.found(opened(EMBEDDED_MODEL, template))
    assert found is not None
    assert [found.instruction, found.response] == ANSWERS["markers"][template]


@pytest.mark.parametrize(("template", "title"), cases("unsloth"))
def test_labels_are_those_of_unsloths_own_function(embedded, template, title):
    view = seen(template, {"messages": TALKS[title]})["views"]["unsloth"]
    assert bits(view) == without_first(ANSWERS["unsloth"][f"{template}/{title}"])


def animals() -> list[str]:
    return [name for name in zoo.names() if zoo.opened(name).tokenizer.is_fast]


@pytest.mark.parametrize("name", zoo.names())
def test_assistant_masks_are_transformers_own(name):
    tokenizer = zoo.opened(name).tokenizer
    if not tokenizer.is_fast:
        pytest.skip("no places of tokens")
    own = tokenizer.chat_template
    own = own.get("default") if isinstance(own, dict) else own
    for template in filter(None, (own, PRESETS["chatml-marked"].template, PRESETS["glm"].template)):
        reader = Reader(tokenizer, template, name, "zoo", "")
        for talk in TALKS.values():
            try:
                tokens = masks.read(reader, form({"messages": talk}, 1))
            except Refused:
                continue
            expected = tokenizer.apply_chat_template(
                talk, chat_template=template, return_dict=True, return_assistant_tokens_mask=True
            )
            assert tokens.ids == expected["input_ids"]
            assert masks.assistant_mask(tokens) == [bool(bit) for bit in expected["assistant_masks"]]


@pytest.mark.parametrize("name", ["llama31", "qwen3", "gemma2", "tinyllama"])
def test_the_collators_labels_are_transformers_own(name):
    from transformers import DataCollatorForLanguageModeling

    if name not in zoo.names():
        pytest.skip("no such animal")
    tokenizer = zoo.opened(name).tokenizer
    if tokenizer.pad_token is None:
        pytest.skip("no pad token")
    reader = Reader(tokenizer, PRESETS["chatml"].template, name, "zoo", "")
    for talk in TALKS.values():
        tokens = masks.read(reader, form({"messages": talk}, 1))
        batch = DataCollatorForLanguageModeling(tokenizer, mlm=False)([{"input_ids": tokens.ids}])
        ours = [had for had, _ in masks.transformers(tokens, tokenizer.pad_token_id)]
        assert ours == (batch["labels"][0] != -100).tolist()


@pytest.mark.parametrize("template", PRESETS)
@pytest.mark.parametrize("title", TALKS)
def test_parts_are_where_a_second_render_puts_them(embedded, template, title):
    """Brute force: each message's content is found by writing it in letters that occur nowhere else."""
    talk = TALKS[title]
    reader = opened(EMBEDDED_MODEL, template)
    try:
        row = seen(template, {"messages": talk})
    except Exception:
        pytest.skip("the template refuses it")
    if row["error"]:
        pytest.skip("the template refuses it")
    shape = structure.layout(reader, form({"messages": talk}, 1))
    for place, (message, turn) in enumerate(zip(talk, shape.turns, strict=True)):
        content = message["content"].strip()
        written = shape.written.text[turn.start : turn.end]
        if turn.lost or template in ("thinking",):
            continue
        assert written.strip() == content, place
    answers = [part for part in row["parts"] if part in ("answer", "thinking")]
    spoken = any(message["content"] for message in talk if message["role"] == "assistant")
    assert bool(answers) == spoken


def test_a_row_is_cut_and_dropped_as_each_trainer_does(embedded):
    row = {"messages": TALKS["two turns"]}
    views = seen("chatml-marked", row, max_length=12)["views"]
    assert views["trl"]["kept"] == 12 and views["trl"]["dropped"] is None
    assert "TRL leaves the row out" in views["trl_assistant"]["dropped"]
    assert "excess_length_strategy" in views["axolotl"]["dropped"]


def test_padding_changes_no_label_but_the_collators(embedded):
    row = {"messages": TALKS["two turns"]}
    plain = seen("chatml-marked", row, pad_token="<|endoftext|>")["views"]
    equal = seen("chatml-marked", row, pad_token="<|im_end|>")["views"]
    for name in ("trl", "trl_assistant", "axolotl", "unsloth"):
        assert plain[name] == equal[name]
    assert equal["transformers"]["trained"] == plain["transformers"]["trained"] - 5


def test_totals_count_the_labels(embedded):
    data = mask(MaskRequest.parse(rows=[{"messages": talk} for talk in TALKS.values()]))
    for name, total in data["totals"].items():
        views = [row["views"][name] for row in data["rows"]]
        assert total["trained"] == sum(sum(masks.labels_of(view)) for view in views)
    assert torch.tensor([len(row["ids"]) for row in data["rows"]]).sum() < engine.MAX_TOKENS


def test_a_look_asks_the_templates_process_a_few_times(monkeypatch):
    """Every ask is a way to another process and back: one for each text took most of a look's time."""
    asked = []
    ask = chat_templates._worker.ask
    monkeypatch.setattr(chat_templates._worker, "ask", lambda question: asked.append(1) or ask(question))
    talk = [*TALKS["two turns"], *TALKS["two turns"][-2:]]
    request = MaskRequest.parse(rows=json.dumps([{"messages": talk}] * 40), trainer="trl")
    data = mask(request)
    assert len(data["rows"]) == 40 and len(asked) <= 14


def test_rows_that_a_template_refuses_are_the_same_together_and_alone(monkeypatch):
    system = {"role": "system", "content": "a"}
    rows = [{"messages": TALKS["spaces"]}, {"messages": [system, *TALKS["spaces"]]}]
    request = MaskRequest.parse(rows=json.dumps(rows), template="gemma", trainer="axolotl")
    together = mask(request)
    monkeypatch.setattr(Reader, "write_ahead", lambda *_: None)
    alone = mask(request)
    assert together["rows"] == alone["rows"] and together["findings"] == alone["findings"]
    assert [bool(row["error"]) for row in alone["rows"]] == [False, True]
