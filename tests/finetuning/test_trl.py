"""What TRL itself makes of rows and of the printed scripts. It is what tests need, and no Space."""

from __future__ import annotations

import copy
import importlib.util
import json
from pathlib import Path

import pytest

from shared import models
from shared.embedded_model import EMBEDDED_MODEL
from shared.errors import VisitorError
from shared.suite import load_app
from tests import zoo
from tests.finetuning.talks import TALKS
from tests.finetuning.training import LABELLED, ROWS

load_app("finetuning")
from finetuning import leave, masks
from finetuning import train as training
from finetuning.engine import mask
from finetuning.request import MaskRequest
from finetuning.templates import PRESETS
from finetuning.tokenizer import opened
from finetuning.train_request import TrainRequest

FOUND = importlib.util.find_spec("trl")
LEAST = 30
"""Published templates that mark answers, of which at least so many must have been compared."""
QUIET = {"use_cpu": True, "bf16": False, "gradient_checkpointing": False, "report_to": "none"}


def _said(*said: tuple[str, str]) -> list[dict]:
    return [{"role": role, "content": text} for role, text in said]


def _call(name: str, **arguments) -> dict:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


TALK = _said(("user", "Why is the sea salty?"), ("assistant", "Rivers carry salt."))
SHARED = [{"from": "user", "value": "a"}, {"from": "assistant", "value": "b"}]
CALLS = [
    TALK[0],
    {"role": "assistant", "content": None, "tool_calls": [_call("add", a=1, b=None)]},
    {"role": "tool", "name": "add", "content": "3"},
    {"role": "assistant", "content": "I look.", "tool_calls": [_call("mul", x=3)]},
]
TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"a": {"minimum": None}}}}]
PRINTS = (
    "{{ tools | tojson if tools }}{% for m in messages %}<|im_start|>{{ m | tojson }}<|im_end|>\n{% endfor %}"
    "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}"
)
CHATML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
PARTS = [{**one, "content": [{"type": "text", "text": one["content"]}]} for one in TALK]
SHAPES = {
    "calls": ({"messages": CALLS}, PRINTS),
    "tools": ({"messages": CALLS, "tools": TOOLS}, PRINTS),
    "tools as JSON": ({"messages": CALLS, "tools": json.dumps(TOOLS)}, PRINTS),
    "words for the template": (
        {"messages": TALK, "chat_template_kwargs": {"enable_thinking": False}},
        PRINTS,
    ),
    "parts": ({"messages": PARTS}, CHATML),
    "from and value": ({"conversations": SHARED}, CHATML),
    "all three": ({"prompt": TALK[:1], "completion": TALK[1:], "messages": TALK[:1]}, CHATML),
    "text beside messages": ({"text": "abc", "messages": TALK}, CHATML),
    "text beside a completion": ({"text": "abc", "prompt": "x", "completion": " y"}, CHATML),
}
STOPS = {
    "prompt beside messages": ({"prompt": "a", "messages": TALK}, "KeyError"),
    "a pair": ({"prompt": TALK[:1], "chosen": TALK[1:], "rejected": TALK[:1]}, "KeyError"),
    "conversations with roles": ({"conversations": TALK}, "KeyError"),
    "conversation": ({"conversation": TALK}, "KeyError"),
    "pictures": ({"messages": TALK, "images": ["x"]}, "ValueError"),
    "from and value in messages": ({"messages": SHARED}, ""),
    "messages as JSON": ({"messages": json.dumps(TALK)}, ""),
}


def theirs(
    tokenizer, template: str, rows: list[dict], **settings
) -> list[tuple[list[int], list[bool]]] | str:
    """Tokens and labels out of TRL's trainer and its collator; the error's class where it raises one."""
    from datasets import Dataset, disable_progress_bars
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import SFTConfig, SFTTrainer

    disable_progress_bars()
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.chat_template = template
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **shape))
    args = SFTConfig("unused", max_length=None, **QUIET, **settings)
    data = Dataset.from_list(copy.deepcopy(rows), on_mixed_types="use_json")
    try:
        trainer = SFTTrainer(model, args, train_dataset=data, processing_class=tokenizer)
    except Exception as error:
        return type(error).__name__
    batches = [trainer.data_collator([row]) for row in trainer.train_dataset]
    return [(one["input_ids"][0].tolist(), (one["labels"][0] != -100).tolist()) for one in batches]


def ours(
    rows: list[dict], trainer: str = "trl", **settings
) -> tuple[dict, list[tuple[list[int], list[bool]]]]:
    data = mask(MaskRequest.parse(rows=json.dumps(rows), trainer=trainer, max_length=0, **settings))
    return data, [(row["ids"], masks.labels_of(row["views"][trainer])) for row in data["rows"]]


def without_first(answers: list[tuple[list[int], list[bool]]]) -> list[tuple[list[int], list[bool]]]:
    return [(ids, [False, *labels[1:]]) for ids, labels in answers]


@pytest.mark.parametrize("title", SHAPES)
def test_rows_of_every_shape_are_read_as_trl_reads_them(embedded, tmp_path, monkeypatch, title):
    monkeypatch.chdir(tmp_path)
    row, template = SHAPES[title]
    found = theirs(opened(EMBEDDED_MODEL, "").tokenizer, template, [row])
    assert not isinstance(found, str)
    assert ours([row], template=template)[1] == without_first(found)


@pytest.mark.parametrize("title", STOPS)
def test_columns_at_which_trl_stops_are_told(embedded, tmp_path, monkeypatch, title):
    monkeypatch.chdir(tmp_path)
    row, error = STOPS[title]
    assert theirs(opened(EMBEDDED_MODEL, "").tokenizer, CHATML, [row]) == (error or [])
    data, _ = ours([row], template=CHATML)
    told = data["findings"][0]
    assert told["code"] == "columns" and error in told["says"] + told["why"]


def test_labels_of_published_templates_are_those_of_trls_trainer(embedded, tmp_path, monkeypatch):
    """Token by token, all that TRL ships: with `assistant_only_loss` what a template marks, else its text."""
    monkeypatch.chdir(tmp_path)
    assert FOUND is not None and FOUND.origin
    tokenizer = opened(EMBEDDED_MODEL, "").tokenizer
    wanted: dict[str, list[tuple[str, list, dict]]] = {"trl": [], "trl_assistant": []}
    for path in sorted((Path(FOUND.origin).parent / "chat_templates").glob("*.jinja")):
        template = path.read_text(encoding="utf-8")
        for name in ("two turns", "spaces", "thoughts"):
            asked = {"rows": json.dumps(TALKS[name]), "template": template, "max_length": 0}
            row = {"messages": TALKS[name], "chat_template_kwargs": {"chat_template": template}}
            try:
                masked = tokenizer.apply_chat_template(
                    TALKS[name], chat_template=template, return_dict=True, return_assistant_tokens_mask=True
                )["assistant_masks"]
            except Exception:  # whatever a template raises
                with pytest.raises(VisitorError, match=r"The (chat )?template refuses"):
                    mask(MaskRequest.parse(**asked))
                continue
            seen = mask(MaskRequest.parse(**asked))["rows"][0]
            trainer = "trl_assistant" if any(masked) else "trl"
            assert bool(seen["views"]["trl_assistant"]["refused"]) is not any(masked), path.name
            wanted[trainer].append((path.name, [seen["ids"], masks.labels_of(seen["views"][trainer])], row))
    for trainer, cases in wanted.items():
        rows = [row for _, _, row in cases]
        marked = PRESETS["chatml-marked"].template
        found = theirs(tokenizer, marked, rows, assistant_only_loss=trainer == "trl_assistant")
        assert not isinstance(found, str), found
        pairs = zip(cases, without_first(found), strict=True)
        assert [name for (name, ours, _), answer in pairs if ours != list(answer)] == []
        assert len({name for name, *_ in cases}) >= LEAST


_TALKS = [[*one["prompt"], *one["chosen"]] for one in ROWS]
_NAMES = {"user": "human", "assistant": "gpt"}
SHARE = [
    {"conversations": [{"from": _NAMES[one["role"]], "value": one["content"]} for one in talk]}
    for talk in _TALKS
]
TEXTS = [
    {
        name: f"Q: {one['prompt'][0]['content']} A: {one[name][0]['content']}"
        for name in ("chosen", "rejected")
    }
    for one in ROWS
]
BESIDE = [
    {"prompt": "x", "score": 1, **{name: [*one["prompt"], *one[name]] for name in ("chosen", "rejected")}}
    for one in ROWS
]
MERGED = [{"prompt": "The sea is ", "chosen": "salty and deep.", "rejected": f"{at}."} for at in range(5)]
SCRIPTS = {
    "sft from and value": ("sft", SHARE, {}),
    "sft packing": ("sft", SHARE, {"packing": True, "batch": 2, "max_length": 80}),
    "sft qlora": ("sft", SHARE, {"qlora": True, "layers": 1}),
    "dpo texts": ("dpo", TEXTS, {}),
    "dpo merged": ("dpo", MERGED, {}),
    "orpo prompt beside": ("orpo", BESIDE, {"beta": 0.5}),
    "kto": ("kto", LABELLED, {"desirable_weight": 2}),
    "sft of a model with dropout": ("sft", MERGED, {}),
}


@pytest.mark.parametrize("title", SCRIPTS)
def test_the_printed_script_of_trl_gives_the_losses_of_the_run(tmp_path, monkeypatch, title):
    monkeypatch.chdir(tmp_path)
    animal = "gpt2" if "dropout" in title else "qwen3"
    monkeypatch.setattr(models, "load", lambda *_, **__: zoo.opened(animal))
    monkeypatch.setattr("finetuning.watch.WINDOWS", 1)
    monkeypatch.setattr("finetuning.watch.ANSWER_TOKENS", 2)
    objective, rows, settings = SCRIPTS[title]
    given = {"steps": 3, "batch": 3, "rank": 2, "layers": 0, "learning_rate": 0.01, "answers": 1, **settings}
    request = TrainRequest.parse(
        objective=objective, rows=json.dumps(rows), model=str(zoo.folder(animal)), **given
    )
    *_, (data, _) = training.train(request, *training.prepared(request))
    seen: dict = {"__name__": "printed"}
    exec(compile(leave.trl(request, data), title, "exec"), seen)
    log = [entry["loss"] for entry in seen["trainer"].state.log_history if "loss" in entry]
    assert log == pytest.approx([step["loss"] for step in data["runs"][0]["steps"]], rel=2e-4, abs=2e-5)
