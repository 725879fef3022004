"""The code that reproduces a figure."""

from __future__ import annotations

import json
from typing import Any

from decoding import data
from decoding.prompt import SWITCH
from decoding.request import Request
from decoding.strategy import Strategy
from decoding.structured import programs as structured
from shared import experts
from shared.embedded_model import EMBEDDED_MODEL, EMBEDDED_SOURCE

HUB_STRATEGIES = {
    "contrastive": "transformers-community/contrastive-search",
    "group_beam": "transformers-community/group-beam-search",
    "dola": "transformers-community/dola",
}
"""Strategies that transformers 5 moved out of its core, and the repository that `custom_generate` names for
each.
"""


def transformers_program(request: Request, trace: data.Trace) -> str:
    """The Python that reproduces a run with transformers alone; for an expert of this suite, with peft as
    well, and for a constraint with llguidance.

    Args:
        request: the run's.
        trace: its result, which names the model's revision and copy, and says how the prompt was read.
    """
    lines = [*opening(request, trace), 'start = len(tokenizer.decode(inputs["input_ids"][0]))', ""]
    if any(request.obeys(strategy) for strategy in request.strategies):
        lines = [*structured.import_lines(), *lines, *structured.constraint_lines(request)]
    for strategy, run in zip(request.strategies, trace["runs"], strict=True):
        lines += [f"# {comment(strategy.name)}", *_call(request, strategy, run), ""]
    return "\n".join(lines).rstrip() + "\n"


def opening(request: Request, trace: data.Trace) -> list[str]:
    """The lines that load a run's model and make `inputs` of its prompt."""
    return [*loading_lines(request.model, trace["provenance"]), *input_lines(request, trace["prompt"])]


def loading_lines(model: str, provenance: data.Provenance) -> list[str]:
    """The lines that load a run's model and its tokenizer."""
    expert = model in experts.NAMES
    revision, source, dtype = provenance["revision"], provenance["source"], provenance["dtype"]
    pinned = f", revision={revision!r}" if revision not in ("main", "") and " " not in revision else ""
    lines = ["import torch", *(["from peft import PeftModel"] if expert else [])]
    lines += ["from transformers import AutoModelForCausalLM, AutoTokenizer", ""]
    if EMBEDDED_SOURCE in source:
        lines.append(
            "# the page's copy was stored as Q4_1; these are the original weights, whose numbers differ"
        )
    lines += [
        f"model_id = {(EMBEDDED_MODEL if expert else model)!r}",
        f"tokenizer = AutoTokenizer.from_pretrained(model_id{pinned})",
        f"model = AutoModelForCausalLM.from_pretrained(model_id{pinned}, dtype=torch.{dtype})",
    ]
    if expert:
        adapter = f"shared/experts/{model}"
        lines.append("# the expert is an adapter in the demo's repository: run this there")
        lines.append(f"model = PeftModel.from_pretrained(model, {adapter!r}).merge_and_unload()")
    return lines


def input_lines(request: Request, prompt: data.Prompt) -> list[str]:
    """The lines that give the model the very tokens that the run gave it."""
    lines = [f"prompt = {request.prompt!r}"]
    if request.chat:
        talk = [{"role": "system", "content": request.system}] if request.system else []
        said = "".join(f"{json.dumps(one, ensure_ascii=False)}, " for one in talk)
        switch = f", {SWITCH}={request.thinking == 'on'}" if request.thinking else ""
        lines += [
            f'messages = [{said}{{"role": "user", "content": prompt}}]',
            "prompt = tokenizer.apply_chat_template(",
            f"    messages, add_generation_prompt=True, tokenize=False{switch}",
            ")",
        ]
    if prompt["special_tokens"] is None:
        return [
            *lines,
            "# the tokenizer puts special tokens where a text that goes on has none",
            f"ids = torch.tensor([{prompt['token_ids']}])",
            'inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}',
        ]
    bare = "" if prompt["special_tokens"] else ", add_special_tokens=False"
    return [*lines, f'inputs = tokenizer(prompt, return_tensors="pt"{bare})']


def comment(text: str) -> str:
    """A name on one line."""
    return " ".join(text.split()) or "strategy"


def _call(request: Request, strategy: Strategy, run: data.Run) -> list[str]:
    if strategy.kind == "llama_cpp":
        return ["# llama.cpp's chain, which generate() does not have: see the other listings"]
    stated = {name: one["value"] for name, one in run["settings"].items() if one["origin"] != "default"}
    arguments = [
        f"{name}={argument_text(name, value)}"
        for name, value in {**strategy.config, **stated}.items()
        if name != "unconstrained"
    ]
    if request.obeys(strategy):
        arguments.append(structured.ARGUMENT)
    inputs, new_tokens = "**inputs", request.max_new_tokens - len(strategy.prefix)
    lines = []
    if own := [name for name, one in run["settings"].items() if one["origin"] == "model"]:
        lines.append(f"# {', '.join(own)}: from the model's own generation_config, which counts anyway")
    if strategy.prefix:
        lines.append(f"branch = torch.tensor([{list(strategy.prefix)}])")
        lines.append('branch = torch.cat([inputs["input_ids"], branch], dim=1)')
        inputs = "branch, attention_mask=torch.ones_like(branch)"
    if strategy.draws:
        lines.append(f"torch.manual_seed({request.seed})")
    if strategy.kind in HUB_STRATEGIES:
        lines.append("# transformers 5 moved this strategy to a repository, whose code has to be trusted")
        arguments += [f"custom_generate={HUB_STRATEGIES[strategy.kind]!r}", "trust_remote_code=True"]
    arguments = [inputs, f"max_new_tokens={new_tokens}", *arguments]
    lines.append(f"output = model.generate({', '.join(arguments)})")
    lines.append("for sequence in output:")
    lines.append("    print(repr(tokenizer.decode(sequence)[start:]))")
    return lines


def argument_text(name: str, value: Any) -> str:
    """A setting as an argument of `generate`."""
    if name == "sequence_bias":
        return "{" + ", ".join(f"{tuple(ids)!r}: {bias!r}" for ids, bias in value) + "}"
    return repr(value)
