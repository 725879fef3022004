"""A model's result as the Hub and lm-eval read it: entries of `.eval_results`, the head of a model card,
lm-eval's command.

The Hub's own client writes both forms. Neither has a field for the number of items or an interval: they stand
in `notes`, and among the arguments of the metric.
"""

from __future__ import annotations

import datetime
import json
import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from evaluation.programs import READ_ITEMS, is_commit, kinds_of, task_lines
from evaluation.request import Named, named
from shared import experts, jobs
from shared.card import hub_id, public_name
from shared.embedded_model import EMBEDDED_MODEL, EMBEDDED_SOURCE
from shared.mean import AND

if TYPE_CHECKING:
    from evaluation.data import Compare, Score, ShareTexts, Side

DATASET = "owner/dataset"
"""What stands for the items' dataset: nobody has said whether they are one of the Hub's."""
PLACEHOLDER = f"""\
# Put the items' dataset in the place of {DATASET}. Where they are in none and yours to publish, save Items.
"""
RESULTS_HEAD = f"""\
# A file of the model's repository, such as .eval_results/evaluation.yaml. The Hub shows entries of datasets
# that are registered benchmarks. Values are shares from 0 to 1; some benchmarks count in percent.
{PLACEHOLDER}"""
FOLDER = "lm_eval_items"
FULL = 10_000
"""Items of a full-size run: as many as benchmarks have that models are ranked by (HellaSwag 10,042)."""
BATCH = 8
"""Rows that lm-eval reads at a time."""
PLAIN = re.compile(r"[A-Za-z0-9_][\w.-]{0,99}", re.ASCII)


def shares(data: Compare) -> list[ShareTexts]:
    """Of every model its texts.

    Args:
        data: a complete evaluation.
    """
    return [
        {
            "name": side["name"],
            "results": results(data, place),
            "head": head(data, place),
            "command": command(data, place),
            "job": job(data, place),
        }
        for place, side in enumerate(data["models"])
    ]


def date_of(data: Compare) -> str:
    """The day on which the run began, ISO 8601, UTC."""
    began = datetime.datetime.fromtimestamp(int(data["run_id"]) / 1e9, datetime.UTC)
    return began.strftime("%Y-%m-%d")


def _scores(data: Compare, model: int) -> list[Score]:
    """A model's scores by task, in the tasks' order."""
    known = {one["task"]: one for one in data["scores"] if one["model"] == model}
    return [known[task["name"]] for task in data["tasks"] if task["name"] in known]


def _value(score: Score) -> float:
    return round(score["count"] / score["of"], 6)


def results(data: Compare, model: int) -> str:
    """The entries of `.eval_results/*.yaml` for a model, one for each task.

    Args:
        data: a complete evaluation.
        model: its place.
    """
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    entries = [
        EvalResultEntry(
            dataset_id=DATASET,
            task_id=score["task"],
            value=_value(score),
            date=date_of(data),
            notes=_notes(data, model, score),
        )
        for score in _scores(data, model)
    ]
    written = yaml.safe_dump(
        eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True, width=10_000
    )
    return RESULTS_HEAD + str(written)


def prompts(data: Compare) -> str:
    """What stands before the questions: in the sets nothing; of own items nobody knows."""
    return "prompts as given" if data["request"]["items"].strip() else "0-shot"


def _notes(data: Compare, model: int, score: Score) -> str:
    """How a score was found, and how sure it is."""
    side, said = data["models"][model], data["provenance"]
    groups = f" in {score['groups']} groups" if score["groups"] < score["of"] else ""
    chance = next(task["chance"] for task in data["tasks"] if task["name"] == score["task"])
    return "; ".join(
        [
            f"{said['metric']} as lm-eval defines it, {score['count']} of {score['of']} items{groups}",
            f"95 % interval {score['low']:g} to {score['high']:g}, guessing {chance:.4g}",
            f"{prompts(data)}, chat template {'on' if said['chat'] else 'off'}, seed {said['seed']}",
            f"{side['origin']['source']}, {side['origin']['dtype']}",
            *filter(None, [data["stopped"]]),
        ]
    )


def head(data: Compare, model: int) -> str:
    """The YAML head of a model card with the scores as its `model-index`, for a model.

    Args:
        data: a complete evaluation.
        model: its place.
    """
    from huggingface_hub import EvalResult, ModelCardData

    said = data["provenance"]
    asked = named(data["request"]["models"][model])
    found = [
        EvalResult(
            task_type="text-generation",
            dataset_type=DATASET,
            dataset_name=score["task"],
            dataset_config=score["task"],  # results of one dataset and configuration become one
            dataset_args={"items": score["of"], "seed": said["seed"]},
            metric_type=said["metric"],
            metric_value=_value(score),
            metric_name=f"{said['metric']}, {prompts(data)}",
            metric_args={"low": score["low"], "high": score["high"], "interval": "95 %"},
        )
        for score in _scores(data, model)
    ]
    shown = replace(asked, model=AND.join(public_name(part) for part in asked.parts)).short
    return f"---\n{PLACEHOLDER}{ModelCardData(model_name=shown, eval_results=found).to_yaml()}\n---\n"


def command(data: Compare, model: int) -> str:
    """A shell's lines that give a model's scores with the command of lm-eval 0.4.13, or why none does.

    Args:
        data: a complete evaluation.
        model: its place.
    """
    asked, side = named(data["request"]["models"][model]), data["models"][model]
    if cannot := _cannot(asked):
        return cannot
    kinds = kinds_of(data, data["provenance"]["chat"])
    tasks = [f"items_{number}" for number in range(len(kinds))]
    asks = f"lm_eval run --model hf --model_args {_arguments(asked, side)}"
    chat = " --apply_chat_template" if data["provenance"]["chat"] else ""
    files = f"--include_path {FOLDER} --log_samples --output_path results"
    more = f"{chat} --batch_size {BATCH} --device {side['device']}"
    names = [f"# {task}: {json.dumps(kind)}" for task, (kind, *_) in zip(tasks, kinds, strict=True)]
    own = bool(data["request"]["items"].strip())
    words = "of your own" if own else "no task that comes with lm-eval"
    lines = [
        f"# These items are {words}: lm-eval's command takes them as the tasks that the lines below write.",
        *_cautions(asked, side),
        "# 1. The button Items above the picture saves items.jsonl. Write it as tasks:",
        "python - <<'END'",
        "import json",
        "from pathlib import Path",
        "",
        "import yaml",
        "",
        *READ_ITEMS,
        f'folder = Path("{FOLDER}").resolve()',
        "folder.mkdir(exist_ok=True)",
        *task_lines(data, data["provenance"]["chat"]),
        "for task in tasks:",
        '    (folder / f"{task[\'task\']}.yaml").write_text(yaml.safe_dump(task), "utf-8")',
        "END",
        "# 2. Ask the model:",
        *names,
        f"{asks} --tasks {','.join(tasks)} {files}{more}",
    ]
    if own:
        lines += [
            f"# If {task} is lm-eval's own, unchanged, without examples, with its first {count} documents:\n"
            f"# {asks} --tasks {task} --num_fewshot 0 --limit {count}{more}"
            for task, count in _first_documents(data)
        ]
    return "\n".join(lines) + "\n"


def job(data: Compare, model: int) -> str:
    """A shell's lines that ask a full-size run of the same tasks of the Hub as a job with lm-eval 0.4.13,
    with its hardware, hours and cost, or why there is none.

    Floating-point operations are 2 for every parameter and token read; a model's memory is its weights in the
    run's dtype, and twice the logits of a batch, of which lm-eval takes the logarithm.

    Args:
        data: a complete evaluation.
        model: its place.
    """
    asked, side = named(data["request"]["models"][model]), data["models"][model]
    if cannot := _cannot(asked):
        return cannot
    lengths = _lengths(data, model)
    mean = sum(map(sum, lengths)) / len(lengths)
    longest = max(map(max, lengths))
    size = 4 if side["origin"]["dtype"] == "float32" else 2
    needed = size * side["parameters"] + 2 * 4 * BATCH * longest * side["vocabulary"]
    flavor = jobs.smallest(needed)
    if flavor is None:
        return f"# No hardware of the Hub's jobs that is known here has {needed / 1e9:.0f} GB for it.\n"
    hours = jobs.hours(2 * side["parameters"] * FULL * mean, flavor)
    mounted, place = _mounted(asked)
    kinds = kinds_of(data, data["provenance"]["chat"])
    chat = ["--apply_chat_template"] if data["provenance"]["chat"] else []
    runs = shlex.join(
        ["hf", "jobs", "uv", "run", "--flavor", flavor.name, "--timeout", f"{jobs.limit_minutes(hours)}m",
         "--secrets", "HF_TOKEN", "--with", "lm-eval[hf]==0.4.13", *mounted]
    )  # fmt: skip
    asks = f"lm_eval run --model hf --model_args {_arguments(asked, side, place)}"
    more = shlex.join([*chat, "--batch_size", str(BATCH), "--device", "cuda"])
    tasks = ",".join(f"items_{number}" for number in range(len(kinds)))
    lines = [
        "# A full-size run as a job of the Hub, which costs money. Not run here.",
        f"# For {FULL:,} items: {flavor.name} ({flavor.card} GB), {hours:.2f} hours, "
        f"${hours * flavor.price:.2f} at ${flavor.price:.2f} an hour ({jobs.PRICED}).",
        f"# Hours = {jobs.START_MINUTES} minutes to start + 2 · {side['parameters']:,} parameters · {FULL:,} "
        f"items · {mean:.1f} tokens an item",
        f"# / {100 * jobs.USED:.0f} % of the {flavor.teraflops} teraflops that the card states. "
        "The minutes and the share are assumed, not measured.",
        "# Tokens are this run's, each choice read with its prompt; the time limit is twice the hours.",
        f"# Memory: {needed / 1e9:.1f} GB for weights in {side['origin']['dtype']}, and logits of "
        f"{BATCH} rows.",
        *_cautions(asked, side),
        "# 1. Put all items, one a line as the button Items saves them, into items.jsonl, and run step 1 of",
        f"#    lm-eval's command, which writes the folder {FOLDER}.",
        "# 2. Where that was run; the job's log ends with the scores:",
        f'{runs} --volume "./{FOLDER}:$PWD/{FOLDER}" \\',
        f'  {asks} --tasks {tasks} --include_path "$PWD/{FOLDER}" {more}',
    ]
    if data["request"]["items"].strip():
        lines += [
            f"# If {task} is lm-eval's own, unchanged, without examples, with all its documents:\n"
            f"# {runs} {asks} --tasks {task} --num_fewshot 0 {more}"
            for task, _ in _first_documents(data)
        ]
    return "\n".join(lines) + "\n"


def _lengths(data: Compare, model: int) -> list[list[int]]:
    """Of every item what lm-eval reads for a model: tokens of the prompt with each choice."""
    read = [
        reads[answer["read"]] for reads, answer in zip(data["reads"], data["answers"][model], strict=True)
    ]
    return [[len(one["context"]) + len(choice) for choice in one["choices"]] for one in read]


def _mounted(asked: Named) -> tuple[list[str], str]:
    """Options that give a job the folder of a model that the Hub has not, and where it is there."""
    if asked.model in experts.NAMES:
        return ["--volume", f"./shared/experts/{asked.model}:/adapter"], "/adapter"
    return ([], "") if hub_id(asked.model) else (["--volume", "./FOLDER:/model"], "/model")


def _cannot(asked: Named) -> str:
    """Why lm-eval's command cannot ask a model; "" where it can."""
    if not (asked.rounding or asked.parts[1:]):
        return ""
    what = f"round a model to {asked.rounding}" if asked.rounding else "merge models"
    return (
        f"# lm-eval's command cannot {what}. The program below the figure, under\n"
        "# Code, does that and asks lm-eval.\n"
    )


def _arguments(asked: Named, side: Side, folder: str = "") -> str:
    """What the command says of the model, or of its folder elsewhere."""
    origin = side["origin"]
    if asked.model in experts.NAMES:
        said = {"pretrained": EMBEDDED_MODEL, "peft": folder or f"shared/experts/{asked.model}"}
    else:
        said = {"pretrained": asked.model if hub_id(asked.model) else folder or "FOLDER"}
        if is_commit(origin["revision"]):
            said["revision"] = origin["revision"]
    said["dtype"] = origin["dtype"]
    return shlex.quote(",".join(f"{name}={value}" for name, value in said.items()))


def _cautions(asked: Named, side: Side) -> list[str]:
    lines = []
    if EMBEDDED_SOURCE in side["origin"]["source"]:
        lines.append(
            "# The page's copy was stored as Q4_1; these are the original weights, whose numbers differ."
        )
    if asked.model in experts.NAMES:
        lines.append("# The adapter lies in the demo's repository: run this there.")
    elif not hub_id(asked.model):
        lines.append("# Write the model's folder in the place of FOLDER.")
    return lines


def _first_documents(data: Compare) -> list[tuple[str, int]]:
    """Tasks whose items are numbered as the first documents of a task of lm-eval, and how many they are."""
    ids: dict[str, list[Any]] = {}
    for item in data["items"]:
        ids.setdefault(item["task"], []).append(item["id"])
    return [
        (task, len(some))
        for task, some in ids.items()
        if PLAIN.fullmatch(task) and set(some) == {str(number) for number in range(len(some))}
    ]
