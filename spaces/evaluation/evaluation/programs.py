"""The code that gives the numbers of a figure again: lm-eval's own, and the test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from evaluation.request import CompareRequest
from shared import experts
from shared.embedded_model import EMBEDDED_MODEL, EMBEDDED_SOURCE

MOST_CHARACTERS = 60_000
"""Items that stand in the program itself."""

READ_ITEMS = (
    'with open("items.jsonl", encoding="utf-8") as lines:',
    "    items = [json.loads(line) for line in lines]",
)
"""Not by `splitlines`, which parts a line at other characters too."""

ROUND = """\
def rounded(model, type):
    \"\"\"The linear layers of the blocks written in a GGUF type and read again.\"\"\"
    kind = GGMLQuantizationType[type]
    for module in model.modules():
        if module is model.get_output_embeddings() or not isinstance(module, torch.nn.Linear):
            continue
        if module.in_features % 32 == 0:
            values = dequantize(quantize(module.weight.detach().numpy(), kind), kind)
            module.weight = torch.nn.Parameter(torch.from_numpy(values), requires_grad=False)
    return model
"""

RUN = """\
right, scores = {}, {}
for name, (model, tokenizer) in models.items():
    lm = HFLM(pretrained=model.eval(), tokenizer=tokenizer, batch_size=8, device="cpu")
    found = lm_eval.simple_evaluate(
        lm, tasks=tasks, task_manager=TaskManager(include_defaults=False), log_samples=True, CHAT
    )
    right[name] = [sample["METRIC"] == 1 for task in found["samples"].values() for sample in task]
    print(name, sum(right[name]), "of", len(right[name]))

first, *others = right
for other in others:
    gained = sum(b and not a for a, b in zip(right[first], right[other]))
    lost = sum(a and not b for a, b in zip(right[first], right[other]))
    p = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    print(other, "against", first, {"gained": gained, "lost": lost, "McNemar p": p})
"""


def listings(request: CompareRequest, data: Mapping[str, Any]) -> dict[str, str]:
    """The programs below a figure, by what each is."""
    return {"The same numbers with lm-eval": with_lm_eval(request, data)}


def with_lm_eval(request: CompareRequest, data: Mapping[str, Any]) -> str:
    """A Python program: the items as tasks of lm-eval 0.4.13, every model, McNemar's exact test."""
    sides = request.sides
    lines = [
        "import json",
        "import tempfile",
        "from pathlib import Path",
        "",
        "import lm_eval",
        "import torch",
    ]
    if any(side.rounding for side in sides):
        lines += ["from gguf import GGMLQuantizationType", "from gguf.quants import dequantize, quantize"]
    lines += ["from lm_eval.models.huggingface import HFLM", "from lm_eval.tasks import TaskManager"]
    if any(side.model in experts.NAMES for side in sides):
        lines.append("from peft import PeftModel")
    lines += ["from scipy.stats import binomtest"]
    lines += ["from transformers import AutoModelForCausalLM, AutoTokenizer", "", "", *_load()]
    if any(side.rounding for side in sides):
        lines += ["", ROUND]
    lines += ["", *_items(data), "", "folder = Path(tempfile.mkdtemp())", *task_lines(data), ""]
    if any(EMBEDDED_SOURCE in side["origin"]["source"] for side in data["models"]):
        lines.append(
            "# the page's copy was stored as Q4_1; these are the original weights, whose numbers differ"
        )
    lines.append("models = {")
    for side, shown in zip(sides, data["models"], strict=True):
        expert = f", expert={side.model!r}" if side.model in experts.NAMES else ""
        base = EMBEDDED_MODEL if expert else side.model
        revision = shown["origin"]["revision"]
        pinned = f", revision={revision!r}" if is_commit(revision) else ""
        made = f"load({base!r}{pinned}{expert}{f', type={side.rounding!r}' if side.rounding else ''})"
        lines.append(f"    {shown['name']!r}: {made},")
    chat = "apply_chat_template=True" if request.chat else "apply_chat_template=False"
    run = RUN.replace("CHAT", chat).replace("METRIC", request.metric)
    if not any(side.rounding for side in sides):
        lines = [line for line in lines if "rounded(" not in line or line.startswith("def")]
    return "\n".join([*lines, "}", "", run])


def is_commit(revision: str) -> bool:
    """Whether a revision is a commit of the Hub, and no name of a copy."""
    return len(revision) == 40 and all(letter in "0123456789abcdef" for letter in revision)


def _load() -> list[str]:
    return [
        'def load(name, revision="main", expert="", type=""):',
        '    """A model in float32 with its tokenizer."""',
        "    tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)",
        "    model = AutoModelForCausalLM.from_pretrained(name, revision=revision, dtype=torch.float32)",
        "    if expert:  # an adapter in the demo's repository: run this there",
        '        model = PeftModel.from_pretrained(model, f"shared/experts/{expert}").merge_and_unload()',
        "    return (rounded(model, type) if type else model), tokenizer",
        "",
    ]


def _items(data: Mapping[str, Any]) -> list[str]:
    """The items as the program has them, in the order of the run."""
    lines = [json.dumps(one, ensure_ascii=False) for one in data["items"]]
    if sum(map(len, lines)) > MOST_CHARACTERS:
        return [
            "# items.jsonl: the button Items above the picture saves it",
            *READ_ITEMS,
        ]
    return ["items = [", *(f"    {one!r}," for one in data["items"]), "]"]


def task_lines(data: Mapping[str, Any]) -> list[str]:
    """Lines that write `items` into `folder`, an absolute path, and make `tasks` of lm-eval of them: one for
    each task and delimiter, in their order.
    """
    delimiters = {item["delimiter"] for item in data["items"]}
    note = [] if len(delimiters) == 1 else ["# delimiters differ between items: a task for each"]
    return [
        "tasks = []",
        *note,
        'for number, key in enumerate(sorted({(item["task"], item["delimiter"]) for item in items})):',
        '    some = [item for item in items if (item["task"], item["delimiter"]) == key]',
        '    (folder / f"{number}.json").write_text(json.dumps(some), "utf-8")',
        "    tasks.append({",
        '        "task": f"items_{number}", "dataset_path": "json", "test_split": "test",',
        '        "dataset_kwargs": {"data_files": {"test": str(folder / f"{number}.json")}},',
        '        "output_type": "multiple_choice", "target_delimiter": key[1],',
        '        "doc_to_text": "{{prompt}}", "doc_to_choice": "{{choices}}", "doc_to_target": "{{gold}}",',
        '        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],',
        "    })",
    ]
