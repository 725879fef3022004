"""Each known mistake is found, told with its rows, and gone once its fix is applied."""

from __future__ import annotations

import json

import pytest
import yaml

from shared.embedded_model import EMBEDDED_MODEL
from shared.errors import VisitorError
from shared.suite import load_app
from tests.finetuning.talks import TALKS

load_app("finetuning")
from finetuning import programs
from finetuning.engine import mask
from finetuning.examples import EXAMPLES, GARDEN
from finetuning.request import TRAINERS, MaskRequest
from finetuning.templates import PRESETS

ROW = {"messages": TALKS["two turns"]}


def look(rows=GARDEN, **settings) -> dict:
    return mask(MaskRequest.parse(rows=rows, **settings))


def codes(data: dict) -> list[str]:
    return [finding["code"] for finding in data["findings"]]


def text_of(data: dict) -> str:
    return "".join(fix["text"] for finding in data["findings"] for fix in finding["fixes"])


def test_a_stop_token_outside_the_marks_is_found_and_mended(embedded):
    data = look(template="chatml-stop-outside", trainer="trl_assistant")
    assert data["verdict"] == "The stop token <|im_end|> is never trained on in all 3 rows."
    assert data["findings"][0]["rows"] == [1, 2, 3]
    fixed = next(fix for fix in data["findings"][0]["fixes"] if "chat_template" in fix["text"])
    names = {"tokenizer": type("T", (), {})(), "SFTConfig": lambda **_: None}
    exec(fixed["text"], names)
    again = look(template=names["tokenizer"].chat_template, trainer="trl_assistant")
    assert "stop_untrained" not in codes(again) and again["verdict"].startswith("Every answer")


def test_the_defaults_train_on_questions(embedded):
    data = look(trainer="trl")
    assert codes(data)[0] == "questions_trained"
    talk = TALKS["two turns"]
    mended = look([{"prompt": talk[:-1], "completion": talk[-1:]}], trainer="trl")
    assert "questions_trained" not in codes(mended)


def test_a_pad_token_that_is_the_stop_token_kills_it_in_the_plain_collator(embedded):
    data = look(trainer="transformers")
    assert "stop_untrained" in codes(data) and "pad token is <|im_end|>" in data["findings"][0]["why"]
    assert "stop_untrained" not in codes(look(trainer="transformers", pad_token="<|endoftext|>"))
    assert "stop_untrained" not in codes(look(trainer="trl")), "TRL labels before it pads"
    assert "pad_is_stop" in codes(look(trainer="trl"))


def test_axolotl_must_be_told_of_another_stop_token(embedded):
    rows = json.dumps([{"messages": TALKS["spaces"]}])
    data = look(rows, template="gemma", trainer="axolotl")
    assert data["verdict"] == "The stop token <end_of_turn> is never trained on in the row."
    told = yaml.safe_load(data["findings"][0]["fixes"][0]["text"])
    names = ",".join(told["eot_tokens"])
    assert "stop_untrained" not in codes(look(rows, template="gemma", trainer="axolotl", eot_tokens=names))


def test_a_template_without_marks_is_refused_by_assistant_only_loss(embedded):
    data = look(trainer="trl_assistant")
    assert codes(data)[0] == "refused" and "ValueError" in data["findings"][0]["why"]
    assert "{% generation %}" in text_of(data), "a template that writes the same text is offered"


def test_the_model_of_glm_has_no_stop_token_of_its_own(embedded):
    data = look(template="glm", trainer="trl_assistant")
    assert data["verdict"].startswith("No stop token stands behind the answers")


def test_a_lost_system_message_is_found(embedded):
    assert "system_lost" in codes(look([ROW], template="mistral"))
    column = {"system": "Be brief.", "messages": TALKS["spaces"]}
    assert "system_lost" in codes(look([column])) and "system_lost" not in codes(
        look([column], trainer="axolotl")
    )


def test_a_template_that_refuses_is_quoted(embedded):
    data = look([ROW, {"messages": TALKS["spaces"]}], template="gemma")
    assert data["findings"][0]["code"] == "template_error" and data["findings"][0]["rows"] == [1]
    assert "System role not supported" in data["verdict"]
    with pytest.raises(VisitorError, match="System role not supported"):
        look([ROW], template="gemma")


def test_thoughts_that_vanish_are_found(embedded):
    data = look([{"messages": TALKS["thoughts"]}], template="thinking", trainer="unsloth")
    assert "not_prefix" in codes(data)
    assert "not_prefix" not in codes(look([{"messages": TALKS["thoughts"]}], template="chatml"))


def test_an_answer_that_is_cut_is_found(embedded):
    size = len(look([ROW], template="chatml-marked")["rows"][0]["ids"])
    data = look([ROW], template="chatml-marked", trainer="trl_assistant", max_length=size - 3)
    assert "cut" in codes(data)
    assert "cut" not in codes(look([ROW], template="chatml-marked", trainer="trl_assistant", max_length=size))
    dropped = look([ROW], template="chatml-marked", trainer="trl_assistant", max_length=8)
    assert "left out without a word" in dropped["verdict"]


def test_bos_twice_is_found(embedded):
    from finetuning import lint, lint_more
    from finetuning.tokenizer import Reader, opened
    from tests import zoo

    tokenizer = next(
        zoo.opened(name).tokenizer
        for name in zoo.names("adds_bos")
        if zoo.opened(name).tokenizer.is_fast and zoo.opened(name).tokenizer.bos_token
    )
    from finetuning import engine
    from finetuning.row_forms import form

    reader = Reader(tokenizer, PRESETS["llama3"].template, "zoo", "", "")
    request = MaskRequest()
    twice = engine._seen(request, reader, form({"text": f"{tokenizer.bos_token}a"}, 1), None, None)
    once = engine._seen(request, reader, form({"text": "a"}, 1), None, None)
    talk = engine._seen(request, reader, form({"messages": TALKS["spaces"]}, 1), None, None)

    def told(one) -> str | None:
        found = lint_more.bos_twice(lint.Case(request, reader, None, (one,), None))
        return found and found["code"]

    assert (told(twice), told(once), told(talk)) == ("bos_twice", None, "bos_if_rendered")
    assert opened(EMBEDDED_MODEL, "chatml")


def test_marks_that_are_no_tokens_are_found(embedded):
    template = PRESETS["llama3"].template
    assert "split_marks" in codes(look([ROW], template=template))
    assert "split_marks" not in codes(look([ROW], template="llama3")), "the preset adds them"


def test_sharegpts_roles_are_told(embedded):
    talk = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]
    data = look([{"conversations": talk}])
    assert data["findings"][0]["code"] == "foreign_roles"
    assert "foreign_roles" not in codes(look([{"conversations": talk}], trainer="axolotl"))


def test_a_wrong_marker_trains_on_nothing(embedded):
    data = look([ROW], trainer="unsloth", instruction_part="### Human:", response_part="### Assistant:")
    assert "nothing_trained" in codes(data)


def test_small_things_are_told(embedded):
    assert "empty_answer" in codes(look([{"messages": TALKS["empty answer"]}]))
    assert "no_last_answer" in codes(look([{"messages": TALKS["no last answer"]}]))
    assert "hidden_system" in codes(look([{"messages": TALKS["spaces"]}]))
    assert "mixed_forms" in codes(look([ROW, {"text": "a"}]))
    assert "other_eos" in codes(look([{"messages": TALKS["spaces"]}], template="gemma"))


def test_what_is_right_is_called_right(embedded):
    data = look(template="chatml-marked", trainer="trl_assistant")
    assert data["verdict"].startswith("Every answer and its stop token is trained on, and nothing else")
    assert not [one for one in data["findings"] if one["grade"] != "note"]


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("template", ["", *PRESETS])
def test_every_pair_has_a_verdict_and_code_that_reads(embedded, template, trainer):
    import ast

    rows = [{"messages": TALKS[title]} for title in ("thoughts", "empty answer", "no last answer")]
    data = look(rows, template=template, trainer=trainer)
    assert data["verdict"].endswith(".")
    assert json.dumps(data, allow_nan=False)
    for finding in data["findings"]:
        assert finding["says"].endswith(".") and finding["why"].endswith((".", "there will be one."))
        for fix in finding["fixes"]:
            if fix["label"] == "Axolotl":
                yaml.safe_load(fix["text"])
            elif "{% generation %}{{" not in fix["text"]:
                ast.parse(fix["text"])
    request = MaskRequest.parse(**data["request"])
    for label, text in programs.listings(request, data["provenance"]).items():
        yaml.safe_load(text) if "Axolotl" in label else ast.parse(text)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_stored_example_is_what_its_request_gives(embedded, name):
    from finetuning.examples import FOLDER

    stored = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    again = mask(MaskRequest.parse(**stored["request"]))
    same = {key for key in stored if key not in ("run_id", "provenance")}
    assert {key: stored[key] for key in same} == {key: again[key] for key in same}


def _call(name: str, **arguments) -> dict:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


CALLS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content or '' }}"
    "{% for c in m.tool_calls or [] %}<|im_start|>{{ c.function | tojson }}<|im_start|>{% endfor %}"
    "<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def test_calls_of_tools_are_answers_and_nulls_in_them_are_told(embedded):
    ask = {"role": "user", "content": "1 + 1?"}
    rows = [
        {
            "messages": [
                ask,
                {"role": "assistant", "content": None, "tool_calls": [_call("add", a=1, b=None)]},
            ]
        },
        {"messages": [ask, {"role": "assistant", "content": "I count.", "tool_calls": [_call("add", a=1)]}]},
        {"messages": [ask, {"role": "assistant", "content": "2", "reasoning_content": "easy"}]},
    ]
    data = look(rows, template=CALLS, trainer="axolotl")
    assert "message_lost" not in codes(data)
    (null,) = (one for one in data["findings"] if one["code"] == "nulls")
    assert null["rows"] == [1] and "remove_none_values" in null["fixes"][0]["text"]
    for row, words in zip(data["rows"], ('"name": "add"', 'I count.<|im_start|>{"name"', "2"), strict=True):
        said = {part: "" for part in row["parts"]}
        for token, part in zip(row["tokens"], row["parts"], strict=True):
            said[part] += token
        assert words in said["answer"] and said["stop"] == "<|im_end|>"
    assert said["thinking"] == "<think>easy</think>"
    lost = look(rows, template="chatml", trainer="axolotl")
    assert next(one for one in lost["findings"] if one["code"] == "message_lost")["rows"] == [1, 2]


def test_parts_are_read_where_the_template_reads_them_and_told_where_it_prints_them(embedded):
    parts = [{"type": "image"}, {"type": "text", "text": "What is it?"}]
    talk = [
        {"role": "user", "content": parts},
        {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]},
    ]
    printed = look([{"messages": talk}], template="chatml")
    assert printed["verdict"] == "The template prints content parts as a Python list in the row."
    assert "message_lost" not in codes(printed) and "joined" in text_of(printed)
    reads = PRESETS["chatml"].template.replace(
        "{{ message.content }}",
        "{% for p in message.content %}{{ p.text if p.type == 'text' else '<image>' }}{% endfor %}",
    )
    read = look([{"messages": talk}], template=reads)
    assert not {"message_lost", "parts_listed"} & set(codes(read))
    assert next(one for one in read["findings"] if one["code"] == "pictures")["says"].startswith(
        "What is no text (image)"
    )
    row = read["rows"][0]
    assert "".join(t for t, p in zip(row["tokens"], row["parts"], strict=True) if p == "answer") == "A cat."


def test_rows_with_and_without_words_for_the_template_stop_trl(embedded):
    talk = TALKS["spaces"]
    rows = [{"messages": talk, "chat_template_kwargs": {"a": 1}}, {"messages": talk}]
    assert "TypeError" in look(rows)["verdict"]
    assert "columns" not in codes(look(rows[:1])) and "columns" not in codes(look(rows, trainer="axolotl"))
    with pytest.raises(VisitorError, match="Row 1 has “messages” in “chat_template_kwargs”"):
        look([{"messages": talk, "chat_template_kwargs": {"messages": []}}])
