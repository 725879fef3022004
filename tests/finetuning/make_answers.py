"""Ask TRL, Axolotl and Unsloth themselves for their labels, and keep the answers in answers.json.

Axolotl and Unsloth cannot be installed beside this suite, and the tests do not need them. To make the file
again: TRL of `tests/requirements.txt`, the wheel of Axolotl 0.19.0 and that of unsloth_zoo 2026.10.9, each
unpacked without its requirements into a folder on PYTHONPATH, with addict and colorama; then
`python -m tests.finetuning.make_answers`.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import importlib.util
import io
import json
import logging
import re
import tempfile
from pathlib import Path
from typing import Any

import torch
from axolotl.prompt_strategies.chat_template import ChatTemplatePrompter, ChatTemplateStrategy
from datasets import Dataset, disable_progress_bars
from transformers import LlamaConfig, LlamaForCausalLM
from trl import SFTConfig, SFTTrainer

from shared.suite import load_app
from tests.finetuning.talks import ROWS, TALKS

ANSWERS = Path(__file__).with_name("answers.json")
UNSLOTH = (
    "_old_longest_common_substring",
    "_longest_common_sublist",
    "_find_common_token_ids",
    "_stable_marker_edges",
    "_MARKER_EDGE_PROBES",
    "get_chat_template_parts",
    "train_on_responses_only",
)


def unsloth() -> dict[str, Any]:
    """Unsloth's functions, out of a package whose import asks for a GPU."""
    spec = importlib.util.find_spec("unsloth_zoo")
    assert spec and spec.submodule_search_locations
    path = Path(next(iter(spec.submodule_search_locations))) / "dataset_utils.py"
    names: dict[str, Any] = {"torch": torch, "re": re}
    wanted = [
        node
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if getattr(node, "name", "") in UNSLOTH
        or (isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in UNSLOTH)
    ]
    exec(compile(ast.Module(wanted, []), str(path), "exec"), names)
    return names


def bits(labels: list[int]) -> str:
    """Labels as 0 and 1."""
    return "".join("0" if label == -100 else "1" for label in labels)


def trl(tokenizer: Any, template: str, rows: list[dict[str, Any]], **settings: Any) -> list[str]:
    """TRL's labels of rows, out of a trainer; the error's class for all where it raises one, and "" for a row
    that it leaves out (of several rows none may be).
    """
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.chat_template = template
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
    )
    args = SFTConfig(
        tempfile.mkdtemp(),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        **settings,
    )
    data = Dataset.from_list(rows)
    try:
        trainer = SFTTrainer(LlamaForCausalLM(config), args, train_dataset=data, processing_class=tokenizer)
    except Exception as error:
        return [type(error).__name__] * len(rows)
    labels = [bits(trainer.data_collator([row])["labels"][0].tolist()) for row in trainer.train_dataset]
    return labels or [""] * len(rows)


def main() -> None:
    """Write the answers."""
    logging.disable(logging.WARNING)
    disable_progress_bars()
    load_app("finetuning")
    from finetuning.templates import PRESETS
    from finetuning.tokenizer import opened
    from shared.embedded_model import EMBEDDED_MODEL

    theirs = unsloth()
    answers: dict[str, Any] = {"trl": {}, "axolotl": {}, "unsloth": {}, "markers": {}}
    for name in ("", *PRESETS):
        reader = opened(EMBEDDED_MODEL, name)
        tokenizer = reader.tokenizer
        tokenizer.chat_template, own = reader.template, tokenizer.chat_template
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                answers["markers"][name] = theirs["get_chat_template_parts"](tokenizer)
                function = theirs["train_on_responses_only"](None, tokenizer=tokenizer, return_function=True)
            except Exception:
                answers["markers"][name] = function = None
        ids = {}
        for title, talk in TALKS.items():
            with contextlib.suppress(Exception):  # the template refuses it
                ids[title] = list(tokenizer.apply_chat_template(talk, return_dict=False))
        rows = [{"messages": TALKS[title]} for title in ids]
        labels = trl(tokenizer, reader.template, rows)
        marked = name in PRESETS and PRESETS[name].marks
        for title, row, whole in zip(ids, rows, labels, strict=True):
            answer = answers["trl"][f"{name}/{title}"] = {"trl": whole}
            if marked or title == "spaces":
                (answer["trl_assistant"],) = trl(tokenizer, reader.template, [row], assistant_only_loss=True)
            if title in ("thoughts", "spaces"):
                (answer["cut"],) = trl(tokenizer, reader.template, [row], max_length=12)
            if title == "spaces":
                (answer["packed"],) = trl(tokenizer, reader.template, [row], packing=True)
        for title, row in ROWS.items():
            if name in ("", "chatml-marked", "gemma"):
                with contextlib.suppress(Exception):
                    (whole,) = trl(tokenizer, reader.template, [row])
                    if not whole.isalpha():
                        answers["trl"][f"{name}/{title}"] = {"trl": whole}
        prompter = ChatTemplatePrompter(tokenizer, chat_template=reader.template)
        strategy = ChatTemplateStrategy(
            prompter,
            tokenizer=tokenizer,
            train_on_inputs=False,
            sequence_len=4096,
            roles_to_train=["assistant"],
            train_on_eos="turn",
        )
        for title, tokens in ids.items():
            result = strategy.tokenize_prompt({"messages": json.loads(json.dumps(TALKS[title]))})
            assert result["input_ids"] == tokens
            answers["axolotl"][f"{name}/{title}"] = bits(result["labels"])
            if function:
                answers["unsloth"][f"{name}/{title}"] = bits(function({"input_ids": [tokens]})["labels"][0])
        tokenizer.chat_template = own
    ANSWERS.write_text(json.dumps(answers, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print({name: len(part) for name, part in answers.items()})


if __name__ == "__main__":
    main()
