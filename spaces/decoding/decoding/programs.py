"""The code that reproduces a figure."""

from __future__ import annotations

from typing import Any

from decoding.request import Request
from decoding.strategy import Strategy
from shared import experts
from shared.models import EMBEDDED_MODEL, EMBEDDED_SOURCE

HUB_STRATEGIES = {
    "contrastive": "transformers-community/contrastive-search",
    "group_beam": "transformers-community/group-beam-search",
    "dola": "transformers-community/dola",
}
"""Strategies that transformers 5 moved out of its core, and the repository that `custom_generate` names for
each.
"""


def transformers_program(request: Request, revision: str = "main", source: str = "") -> str:
    """The Python that reproduces a run with transformers alone; for an expert of this suite, with peft as
    well.

    Args:
        request: the run.
        revision: the model's commit sha.
        source: the copy of the model that answered, as `Loaded.source` names it.
    """
    expert = request.model in experts.NAMES
    pinned = f", revision={revision!r}" if revision not in ("main", "") and " " not in revision else ""
    lines = ["import torch", *(["from peft import PeftModel"] if expert else [])]
    lines += ["from transformers import AutoModelForCausalLM, AutoTokenizer", ""]
    if EMBEDDED_SOURCE in source:
        lines.append(
            "# the page's copy was stored as Q4_1; these are the original weights, whose numbers differ"
        )
    lines += [
        f"model_id = {(EMBEDDED_MODEL if expert else request.model)!r}",
        f"tokenizer = AutoTokenizer.from_pretrained(model_id{pinned})",
        f"model = AutoModelForCausalLM.from_pretrained(model_id{pinned}, dtype=torch.float32)",
    ]
    if expert:
        lines.append("# the expert is an adapter that lies in the demo's repository: run this there")
        lines.append(
            f"model = PeftModel.from_pretrained(model, {f'shared/experts/{request.model}'!r}).merge_and_unload()"
        )
    lines.append(f"prompt = {request.prompt!r}")
    if request.chat:
        lines += [
            'messages = [{"role": "user", "content": prompt}]',
            "prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)",
            'inputs = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)',
        ]
    else:
        lines += ['inputs = tokenizer(prompt, return_tensors="pt")']
    lines += ['length = inputs["input_ids"].shape[1]', ""]
    for strategy in request.strategies:
        lines += [f"# {_comment(strategy.name)}", *_call(request, strategy), ""]
    return "\n".join(lines).rstrip() + "\n"


def _comment(text: str) -> str:
    return " ".join(text.split()) or "strategy"


def _call(request: Request, strategy: Strategy) -> list[str]:
    arguments = [f"{name}={_argument(name, value)}" for name, value in strategy.config.items()]
    inputs, new_tokens = "**inputs", request.max_new_tokens - len(strategy.prefix)
    lines = []
    if strategy.prefix:
        lines.append(
            f'branch = torch.cat([inputs["input_ids"], torch.tensor([{list(strategy.prefix)}])], dim=1)'
        )
        inputs = "branch"
    if "sample" in strategy.kind:
        lines.append(f"torch.manual_seed({request.seed})")
    if strategy.kind in HUB_STRATEGIES:
        lines.append(
            "# transformers 5 moved this strategy to a repository of its own, whose code it must be allowed to run"
        )
        arguments += [f"custom_generate={HUB_STRATEGIES[strategy.kind]!r}", "trust_remote_code=True"]
    arguments = [inputs, f"max_new_tokens={new_tokens}", *arguments]
    lines.append(f"output = model.generate({', '.join(arguments)})")
    lines.append("for sequence in output:")
    lines.append("    print(repr(tokenizer.decode(sequence[length:])))")
    return lines


def _argument(name: str, value: Any) -> str:
    if name == "sequence_bias":
        return "{" + ", ".join(f"{tuple(ids)!r}: {bias!r}" for ids, bias in value) + "}"
    return repr(value)
