"""The model card of an edited model: the edit, its parameters, what was measured of it, the base's licence,
and the marks.
"""

from __future__ import annotations

import json
from typing import Any

from abliteration import answers, data
from abliteration.given import FROM_FILE
from shared import card, experts, hub, models
from shared.card import Markdown, code, escape

TAGS = ("abliterated", "directional-ablation", "not-for-all-audiences")


MARK = (
    "This is an edited model: a direction of its residual stream was removed from the weights. A model that "
    "does not refuse is not a model that is right or safe."
)
"""What whoever uses an edited model must know."""


def licence_of(model_id: str) -> str:
    """The base model's licence; "" where it cannot be told."""
    if model_id == models.EMBEDDED_MODEL or model_id in experts.NAMES:
        return "apache-2.0"
    return hub.licence(model_id)


def model_card(export: data.Export) -> str:
    """The card as Markdown with the Hub's YAML head.

    Args:
        export: of the edited model, before its files and card are stated in it.
    """
    model, request = export["model"], export["request"]
    expert = model["id"] in experts.NAMES
    base = models.EMBEDDED_MODEL if expert else model["id"]
    lora = export["form"] == "lora"
    licence = licence_of(model["id"])
    head = card.model_head(
        library="peft" if lora else "transformers",
        tags=TAGS,
        licences=[licence],
        base=[base],
        relation="adapter" if lora else "finetune",
    )
    name = card.public_name(model["id"])
    origin = f"the expert {name} on {base}" if expert else card.public_name(base)
    left_out = export.get("left_out", [])
    return card.card(
        head,
        f"# Edited model: {escape(name.split('/')[-1])} without a direction",
        "**This is an edited model.** A direction of its residual stream was removed from the weights: "
        f"{_which(export)}. A model that does not refuse is not a model that is right or safe.",
        escape(_nothing(export)),
        f"Base: {escape(origin)}, revision {escape(model['revision'])}, {escape(model['source'])}. Licence "
        f"of the base: {escape(licence or 'see its page')}.",
        "## The edit",
        card.table(("", ""), _edit(export)),
        card.fenced(json.dumps(export["edit"]["kernel"]), "json"),
        _base_words(export),
        f"The adapter leaves out: {escape(', '.join(left_out))}. Its logits differ from the edited model's "
        "by that."
        if left_out
        else "",
        "## Measured on the report split",
        card.table(("", "base", "edited"), _rows(export["measures"])),
        f"Measured of {export['measures'].get('of', 'the edited weights')}. "
        f"Greedy answers of at most {request['answer_tokens']} tokens; {export['provenance']['rule']}. "
        "Intervals are Wilson's at 95 %; ± is one standard error, which counts prompts, or windows of the "
        "text.",
        private=[model["id"], base],
        made_from=[model["id"]],
    )


def _which(export: data.Export) -> str:
    """Which direction was removed, in words."""
    if export["edit"]["projection"] == FROM_FILE:
        return "one that came in a vector file, and was not found here"
    return f"the one that separates “{export['request']['contrast']}” prompts from others"


def _read_at(export: data.Export) -> str:
    """Where a direction is from."""
    edit, request = export["edit"], export["request"]
    if edit["projection"] == FROM_FILE:
        if request["layer"] is None:
            return "of a vector file: every layer its own, or that of the nearest layer in it"
        return f"of a vector file, that of layer {edit['layer']} at all layers"
    if edit["projection"] == "causal":
        return "mean gradient of the behaviour's score at the prompt's last token, one direction a layer"
    layer, token = edit["layer"], edit["position"]
    return f"difference of means at the input of layer {layer}, token {token} from the prompt's end"


def _nothing(export: data.Export) -> str:
    """Why nothing can be claimed to be removed; "" where something can."""
    refusal = export["refusal"]
    if "nothing" in refusal:
        said = refusal["nothing"]
    else:
        said = "" if refusal["from"] == answers.OWN else "The base refused none of the select prompts."
    return f"{said} Nothing here says that the edit removes the behaviour." if said else ""


def _base_words(export: data.Export) -> str:
    """On which base an adapter is right; "" for a whole model."""
    if "base" not in export:
        return ""
    model, rank = export["model"], export.get("rank", 1)
    words = f"The adapter is right on {escape(card.public_name(export['base']))}, {escape(model['revision'])}"
    if rank > 1:
        words += f": it holds the expert's own adapter (rank {rank - 1}) and the edit (rank 1)"
    return f"{words}. Another copy of that base gives other numbers."


def _edit(export: data.Export) -> list[tuple[str, Any]]:
    """The edit as rows of a table."""
    edit, model, proof, split = export["edit"], export["model"], export["certificate"], export["split"]
    fit, select, report = (
        f"{len(part['positive'])} + {len(part['negative'])}"
        for part in (split["fit"], split["select"], split["report"])
    )
    return [
        ("method", f"{edit['method']}, {edit['projection']} direction"),
        ("direction", _read_at(export)),
        (
            "prompts",
            f"fit {fit}, select {select}, report {report}, seed {export['request']['seed']}",
        ),
        ("architecture", f"{model['family']}: {model['verdict']}"),
        ("head", proof["head"]),
        ("largest logit gap between run-time edit and weights", code(f"{proof['gap']:.3g}")),
        *(
            [("largest logit gap between the files, opened again, and the edited model", code(str(gap)))]
            if (gap := export.get("reopened")) is not None
            else []
        ),
        *([("dtype of the files", export["dtype"])] if "dtype" in export else []),
    ]


def _rows(measures: data.Measures) -> list[tuple[str, str | Markdown, str | Markdown]]:
    """What was measured, as rows of a table."""
    rows: list[tuple[str, str | Markdown, str | Markdown]] = []
    behaviour, first, along = measures["behaviour"], measures["first_token"], measures["along"]
    for judged, name in (
        (behaviour["positive"], "prompts with the behaviour"),
        (behaviour["negative"], "other prompts"),
    ):
        for one, other, grade in (
            (judged["base"].get("shows"), judged["edited"].get("shows"), "the behaviour shows"),
            (judged["base"]["refused"], judged["edited"]["refused"], "refused"),
            (judged["base"]["hedged"], judged["edited"]["hedged"], "hedged"),
            (judged["base"]["empty"], judged["edited"]["empty"], "empty"),
            (judged["base"].get("broken"), judged["edited"].get("broken"), "broken"),
        ):
            if one and other:
                rows.append((f"{name}: {grade}", _share(one), _share(other)))
    if over := measures.get("over_refusal"):
        both = _share(over["base"]["refused"]), _share(over["edited"]["refused"])
        rows.append(("harmless, alarming words: refused", *both))
    for side, token in (("positive", first["positive"]), ("negative", first["negative"])):
        title = f"KL(base ‖ edited) at the first token, {side} prompts, nats"
        rows.append((title, "0", _mean(token["kl"])))
    answered = first["negative"]["kl_answered"]
    title = f"the same on the {answered['of']} negative prompts that the base means to answer"
    rows.append((title, "0", _mean(answered)))
    if running := measures.get("run_time"):
        for side, token in (("positive", running["positive"]), ("negative", running["negative"])):
            title = f"the same of the run-time edit, which is another model here, {side} prompts"
            rows.append((title, "0", _mean(token["kl"])))
    for side, mean in (("positive", along["positive"]), ("negative", along["negative"])):
        if mean:
            title = f"KL along the base's answers, {side} prompts, nats a token"
            rows.append((title, "0", _mean(mean)))
    rows += _truths(measures)
    if text := measures.get("text"):
        title = "cross-entropy of a sample text, nats a token"
        rows.append((title, _mean(text["base"]), _mean(text["edited"])))
        rows.append(("its paired change", "0", _mean(text["delta"])))
    if facts := measures.get("capability"):
        lost = f"{facts['edited']} (lost {facts['lost']}, won {facts['won']})"
        rows.append((f"simple facts right, of {facts['of']}", str(facts["base"]), lost))
    return rows


def _truths(measures: data.Measures) -> list[tuple[str, str | Markdown, str | Markdown]]:
    """How likely a refusal is, and how far an expert is from the model without its behaviour, as rows."""
    rows: list[tuple[str, str | Markdown, str | Markdown]] = []
    odds, far = measures.get("contrast", {}), measures.get("truth", {})
    for side, one in (("positive", odds.get("positive")), ("negative", odds.get("negative"))):
        if one:
            title = f"ln p of a refusal less that of an answer, nats a token, {side} prompts"
            rows.append((title, _mean(one["base"]), _mean(one["edited"])))
    for side, true in (("positive", far.get("positive")), ("negative", far.get("negative"))):
        if true:
            title = f"KL from {true['model']}, in which it was never planted, {side} prompts"
            rows.append((title, _mean(true["base"]), _mean(true["edited"])))
        if true and (near := true.get("nearness")):
            title = f"how much likelier that model finds its own answers, nats a token, {side} prompts"
            rows.append((title, _mean(near["base"]), _mean(near["edited"])))
    return rows


def _share(value: data.Share) -> str:
    return f"{value['count']} of {value['of']} ({100 * value['low']:.0f} to {100 * value['high']:.0f} %)"


def _mean(value: data.Average) -> str:
    sigma = "" if value["sigma"] is None else f" ± {value['sigma']:.4f}"
    return f"{value['mean']:.4f}{sigma}"
