"""What a run leaves: its adapter, or the model with the adapter in it, with a card of what was measured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetuning.lora import round_blocks
from finetuning.snapshot import Snapshot
from finetuning.train_programs import NF4, NF4_ARGUMENT
from finetuning.train_programs import named as named_model
from shared import card, experts, hub, models, shelf
from shared.embedded_model import EMBEDDED_MODEL, EMBEDDED_SOURCE
from shared.errors import VisitorError
from shared.files import written_whole
from shared.numbers import counted

if TYPE_CHECKING:
    from shared.models import Loaded

FORMS = {"adapter": "the LoRA adapter", "merged": "the whole model, adapter merged in"}
MAX_MERGED_BYTES = 2_500_000_000
"""Largest merged model."""
DATA_SETTINGS = ("data", "dataset", "config", "split", "limit")
NO_SETTINGS = ("rows", "model", "versus", "behaviours", "answers", *DATA_SETTINGS)
"""Settings that stand elsewhere on a card, or are no settings of the training."""
OF_OBJECTIVES = {
    "packing": ("sft",),
    "beta": ("dpo", "orpo", "kto"),
    "desirable_weight": ("kto",),
    "undesirable_weight": ("kto",),
}
"""Settings of some objectives alone; GRPO has its own request."""


def adapter(folder: Path, snapshot: Snapshot, data: Mapping[str, Any]) -> str:
    """Write an adapter with its card into a folder that does not exist yet; the card.

    Raises:
        VisitorError: the disk is full.
    """
    text = model_card(data, snapshot, "adapter")
    with written_whole(folder, "the adapter") as part:
        part.mkdir(parents=True)
        (part / "adapter_model.safetensors").write_bytes(snapshot.adapter)
        (part / "adapter_config.json").write_text(snapshot.config, encoding="utf-8")
        (part / "README.md").write_text(text, encoding="utf-8")
    return text


def merged(folder: Path, snapshot: Snapshot, data: Mapping[str, Any], loaded: Loaded) -> str:
    """Write the model with an adapter merged into its weights, in float32, with tokenizer and card, into a
    folder that does not exist yet; the card.

    Args:
        folder: the folder.
        snapshot: the adapter.
        data: the figure of its run.
        loaded: the model before training, which stays as it is.

    Raises:
        VisitorError: it is too large, or the disk is full.
    """
    import copy
    import tempfile

    from peft import PeftModel

    size = sum(value.numel() * value.element_size() for value in loaded.model.parameters())
    if size > MAX_MERGED_BYTES:
        raise VisitorError(
            f"The merged model would have {size / 1e9:.1f} GB; the limit is {MAX_MERGED_BYTES / 1e9:g} GB.",
            "Take the adapter, and merge it elsewhere with peft's merge_and_unload.",
        )
    text = model_card(data, snapshot, "merged")
    with (
        models.room_for(size, loaded.id),
        tempfile.TemporaryDirectory() as kept,
        written_whole(folder, "the merged model") as part,
    ):
        (Path(kept) / "adapter_model.safetensors").write_bytes(snapshot.adapter)
        (Path(kept) / "adapter_config.json").write_text(snapshot.config, encoding="utf-8")
        base = copy.deepcopy(loaded.model).cpu()
        if _settings(data, snapshot).get("qlora"):
            round_blocks(base)  # what the adapter was trained on
        whole = PeftModel.from_pretrained(base, kept).merge_and_unload()
        whole.save_pretrained(part)
        loaded.tokenizer.save_pretrained(part)
        (part / "README.md").write_text(text, encoding="utf-8")
    return text


def shelved(folder: Path, snapshot: Snapshot, data: Mapping[str, Any], form: str) -> shelf.Made | None:
    """Put the files of a run on the shelf of whoever trained it."""
    model, objective, source = _made_of(data)
    return shelf.put(
        folder,
        "adapter" if form == "adapter" else "model",
        f"{objective} {model.split('/')[-1]}",
        says=f"trained by {objective} on {source}, {counted(snapshot.step, 'step')}, from",
        parents=[model],
        relation="adapter" if form == "adapter" else "finetune",
        licence=_licence(data["provenance"]),
    )


def words(snapshot: Snapshot, data: Mapping[str, Any]) -> str:
    """How a run's model was made, as a sentence."""
    model, objective, source = _made_of(data)
    steps = counted(snapshot.step, "step")
    return f"Trained from {card.public_name(model)} by {objective}, {steps} on {source}."


def _made_of(data: Mapping[str, Any]) -> tuple[str, str, str]:
    """The model before training, the objective, and where the rows come from."""
    rewarded = data["kind"] == "grpo"
    objective = "GRPO" if rewarded else str(data["request"]["objective"]).upper()
    source = (data["questions"] if rewarded else data["trained"])["source"]
    return str(data["provenance"]["model"]), objective, str(source)


def model_card(data: Mapping[str, Any], snapshot: Snapshot, form: str) -> str:
    """The card: what was trained on what, how, and what was measured before and after, on what is not trained
    on.
    """
    settings, source = _settings(data, snapshot), data["provenance"]
    rewarded = data["kind"] == "grpo"
    objective = "GRPO" if rewarded else str(settings["objective"]).upper()
    expert = source["model"] in experts.NAMES
    base = EMBEDDED_MODEL if expert else card.public_name(source["model"])
    head = card.model_head(
        library="peft" if form == "adapter" else "transformers",
        tags=["lora", objective.lower(), "trl-losses"],
        licences=[_licence(source)],
        base=[base],
        relation="adapter" if form == "adapter" else "finetune",
    )
    versions = ", ".join(f"{name} {number}" for name, number in source["versions"].items())
    trained = data["questions"] if rewarded else data["trained"]
    rows = f"{trained['prompts']} prompts" if rewarded else f"{trained['rows']} rows"
    stated = [
        (name, json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value)
        for name, value in settings.items()
        if name not in NO_SETTINGS
        and (rewarded or settings["objective"] in OF_OBJECTIVES.get(name, (settings["objective"],)))
    ]
    what = "A LoRA adapter for" if form == "adapter" else "The weights, with a LoRA adapter merged in, of"
    origin = f"the expert {card.code(source['model'])} on {card.code(base)}" if expert else card.code(base)
    copied = (
        "Its weights here are a 4-bit copy (Q4_1), opened in float32: on the original ones the adapter was "
        "not measured."
        if source["source"].endswith(EMBEDDED_SOURCE)
        else ""
    )
    nf4 = (
        " The linear layers of its blocks were rounded to NF4 first, as QLoRA does: the adapter belongs to "
        "those weights."
        if settings.get("qlora")
        else ""
    )
    return card.card(
        head,
        f"# {card.escape(card.public_name(source['model']))}: {objective}, {counted(snapshot.step, 'step')}",
        f"{what} {origin} ({card.escape(source['revision'])}), after {counted(snapshot.step, 'step')} "
        f"of {objective} in {source['dtype']} with {versions}. {copied}{nf4}",
        f"## Data\n\n{rows} ({card.escape(trained['source'])}).{_data_words(data)}",
        "## Settings\n\n" + card.table(["setting", "value"], stated),
        "## Measured\n\n" + measures(data, snapshot),
        "## What it is for\n\nIt was trained to be watched: so few rows change a style, teach nothing else, "
        "and may harm what is not measured here. Nothing of it was tested for safety.",
        _use(form, source["model"] if expert else base, qlora=bool(settings.get("qlora"))),
        private=[source["model"]] if shelf.is_made(source["model"]) else (),
        made_from=[source["model"]],
    )


def _settings(data: Mapping[str, Any], snapshot: Snapshot) -> dict[str, Any]:
    """The settings of the snapshot's run."""
    changes = {} if data["kind"] == "grpo" else data["runs"][snapshot.run].get("changes", {})
    return {**data["request"], **changes}


def _licence(source: Mapping[str, Any]) -> str:
    """The licence of the model before training; "" where it is not known."""
    if source["model"] == EMBEDDED_MODEL or source["model"] in experts.NAMES:
        return "apache-2.0"
    try:
        return hub.licence(source["model"])
    except VisitorError:
        return ""


def _data_words(data: Mapping[str, Any]) -> str:
    if data["kind"] == "grpo":
        parts = "; ".join(f"{card.code(one['words'])} × {one['weight']:g}" for one in data["parts"])
        return f" The reward of an answer: {parts}."
    trained = data["trained"]
    kept = "" if trained["separate"] else " What was measured is what was trained on."
    return f" {trained['tokens']:,} tokens are trained on.{kept}"


def measures(data: Mapping[str, Any], snapshot: Snapshot) -> str:
    """What was measured before the first step and after the snapshot's, as a table, with its intervals."""
    marks = data["marks"] if data["kind"] == "grpo" else data["runs"][snapshot.run]["marks"]
    first = marks[0]
    last = next((mark for mark in reversed(marks) if mark["step"] <= snapshot.step), first)
    named = {
        "reward": "reward, held-out prompts",
        "held_out": "loss of held-out answers, nats a token",
        "margin": "margin of held-out pairs, nats",
        "text": "loss of a plain text, nats a token",
        "kl": "KL of that text from the model before training, nats a token",
        "elsewhere": "KL on questions that the rows are not about, nats a token",
        "repeated": "repeated runs of three tokens, share",
    }
    rows = [
        (words, _spread(first[name]), _spread(last[name]))
        for name, words in named.items()
        if first.get(name) and last.get(name)
    ]
    if last is not first and first.get("shares") and last.get("shares"):  # answers of that very step
        for before, after in zip(first["shares"], last["shares"], strict=True):
            rows.append((f"answers that show “{before['name']}”", _share(before), _share(after)))
    note = (
        "Means with 95 % intervals by Student's t over n rows, prompts or windows; no loss, divergence or "
        "share is below 0, and an interval that would reach there is cut at 0. Shares with Wilson's."
    )
    seed = f"Seed {data['request']['seed']}; one run, so that the spread of seeds is not known."
    shown = card.table(["measure", "before", f"step {last['step']}"], rows)
    return f"{shown}\n\n{note} {seed}"


def _spread(value: Mapping[str, Any]) -> str:
    between = "" if value["low"] is None else f"{value['low']:.3g} to {value['high']:.3g}, "
    return f"{value['mean']:.4g} ({between}n = {value['clusters']:,})"


def _share(value: Mapping[str, Any]) -> str:
    return f"{value['count']} of {value['of']} ({100 * value['low']:.0f} to {100 * value['high']:.0f} %)"


def _use(form: str, model: str, *, qlora: bool) -> str:
    if form == "adapter":
        text = (
            "from peft import PeftModel\nfrom transformers import AutoModelForCausalLM\n\n"
            f"{named_model(model)}{NF4 if qlora else ''}"
            f"model = AutoModelForCausalLM.from_pretrained(name{NF4_ARGUMENT if qlora else ''})\n"
            'model = PeftModel.from_pretrained(model, ".")  # this folder\n'
        )
    else:
        text = (
            "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
            'model = AutoModelForCausalLM.from_pretrained(".")  # this folder\n'
            'tokenizer = AutoTokenizer.from_pretrained(".")\n'
        )
    return f"## Use it\n\n{card.fenced(text, 'python')}"


def named(paths: Iterable[Path]) -> Sequence[str]:
    """Files as a page shows them, in order."""
    return [str(path) for path in sorted(paths)]
