"""The model card of an edited model: the edit, its parameters, what was measured of it, the base's licence,
and the marks.
"""

from __future__ import annotations

import json
from typing import Any

from shared import experts, hub, models

TAGS = ("abliterated", "directional-ablation", "not-for-all-audiences")


def licence_of(model_id: str) -> str:
    """The base model's licence; "" where it cannot be told."""
    if model_id == models.EMBEDDED_MODEL or model_id in experts.NAMES:
        return "apache-2.0"
    return hub.licence(model_id)


def model_card(data: dict[str, Any]) -> str:
    """The card as Markdown with the Hub's YAML head.

    Args:
        data: the JSON of an export: model, edit, measures, certificate, request, split, provenance.
    """
    model, edit, request = data["model"], data["edit"], data["request"]
    expert = model["id"] in experts.NAMES
    base = models.EMBEDDED_MODEL if expert else model["id"]
    licence = licence_of(model["id"])
    head = ["library_name: peft" if data.get("form") == "lora" else "library_name: transformers"]
    head += [f"license: {licence}"] if licence else []
    if "/" in base and not base.startswith(("/", ".", "~")):
        head += [
            f"base_model: {base}",
            f"base_model_relation: {'adapter' if data.get('form') == 'lora' else 'finetune'}",
        ]
    head += ["pipeline_tag: text-generation", "tags:", *(f"  - {tag}" for tag in TAGS)]
    on = f"the expert {model['id']} on {base}" if expert else base
    rows = "\n".join(_rows(data.get("measures") or {}))
    left = data.get("left_out") or []
    left_note = (
        f"\nThe adapter leaves out: {', '.join(left)}. Its logits differ from the edited model's by that.\n"
        if left
        else ""
    )
    certificate = data.get("certificate") or {}
    sizes = {
        part: [len(data["split"][part][side]) for side in ("positive", "negative")]
        for part in ("fit", "select", "report")
    }
    return f"""---
{chr(10).join(head)}
---

# Edited model: {model["id"].split("/")[-1]} without a direction

**This is an edited model.** A direction of its residual stream was removed from the weights: what parts “{request["contrast"]}” prompts from
others. A model that does not refuse is not a model that is right or safe.

Base: {on}, revision {model["revision"]}, {model["source"]}. Licence of the base: {licence or "see its page"}.

## The edit

| | |
|---|---|
| method | {edit["method"]}, {edit["projection"]} direction |
| direction | difference of means at the input of layer {edit["layer"]}, token {edit["position"]} from the prompt's end |
| prompts | fit {sizes["fit"][0]} + {sizes["fit"][1]}, select {sizes["select"][0]} + {sizes["select"][1]}, report {sizes["report"][0]} + {sizes["report"][1]}, seed {request["seed"]} |
| architecture | {model["family"]}: {model["verdict"]} |
| head | {certificate.get("head", "")} |
| largest logit gap between run-time edit and weights | {certificate.get("gap", "")} |

```json
{json.dumps(edit["kernel"])}
```
{left_note}
## Measured on the report split

| | base | edited |
|---|---|---|
{rows}

Greedy answers of at most {request["answer_tokens"]} tokens; {data["provenance"]["rule"]}; intervals are Wilson's at 95 %, ± is one standard error.
"""


def _rows(measures: dict[str, Any]) -> list[str]:
    found = []
    for side, name in (("positive", "prompts with the behaviour"), ("negative", "other prompts")):
        judged = (measures.get("behaviour") or {}).get(side) or {}
        if {"base", "edited"} <= set(judged):
            for key, label in (("refused", "refused"), ("hedged", "hedged"), ("empty", "empty")):
                found.append(
                    f"| {name}: {label} | {_share(judged['base'][key])} | {_share(judged['edited'][key])} |"
                )
    over = measures.get("over_refusal")
    if over:
        found.append(
            f"| harmless, alarming words: refused | {_share(over['base']['refused'])} | {_share(over['edited']['refused'])} |"
        )
    for side, first in (measures.get("first_token") or {}).items():
        found.append(
            f"| KL(base ‖ edited) at the first token, {side} prompts, nats | 0 | {_mean(first['kl'])} |"
        )
        if side == "negative":
            answered = first["kl_answered"]
            found.append(
                f"| the same on the {answered['of']} that the base means to answer | 0 | {_mean(answered)} |"
            )
    for side, along in (measures.get("along") or {}).items():
        if along:
            found.append(
                f"| KL along the base's answers, {side} prompts, nats a token | 0 | {_mean(along)} |"
            )
    if "text" in measures:
        found.append(
            f"| cross-entropy of a sample text, nats a token | {_mean(measures['text']['base'])} | {_mean(measures['text']['edited'])} |"
        )
        found.append(f"| its paired change | 0 | {_mean(measures['text']['delta'])} |")
    if "capability" in measures:
        counts = measures["capability"]
        found.append(
            f"| simple facts right, of {counts['of']} | {counts['base']} | {counts['edited']} (lost {counts['lost']}, won {counts['won']}) |"
        )
    return found


def _share(value: dict[str, Any]) -> str:
    return f"{value['count']} of {value['of']} ({100 * value['low']:.0f} to {100 * value['high']:.0f} %)"


def _mean(value: dict[str, Any]) -> str:
    return f"{value['mean']:.4f} ± {value['sigma']:.4f}"
