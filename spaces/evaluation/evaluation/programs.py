"""The code that gives the numbers of a figure again: lm-eval's own, and the test."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.request import CompareRequest, FragileRequest, ItemsRequest, Named
from shared import experts
from shared.embedded_model import EMBEDDED_MODEL, EMBEDDED_SOURCE
from shared.mean import AND
from shared.rounding import K_TYPES

MOST_CHARACTERS = 60_000
"""Items that stand in the program itself."""

READ_ITEMS = (
    'with open("items.jsonl", encoding="utf-8") as lines:',
    "    items = [json.loads(line) for line in lines]",
)
"""Not by `splitlines`, which parts a line at other characters too."""

ROUND = """\
def rounded(loaded, type):
    \"\"\"The linear layers of a model's blocks written in a GGUF type and read again.\"\"\"
    model, tokenizer = loaded
    for module in model.modules():
        if module is model.get_output_embeddings() or not isinstance(module, torch.nn.Linear):
            continue
        if module.in_features % 32 == 0:
            weight = module.weight.detach().numpy()
            KIND
            values = dequantize(quantize(weight, kind), kind)
            module.weight = torch.nn.Parameter(torch.from_numpy(values), requires_grad=False)
    return model, tokenizer
"""
OWN_KIND = "kind = GGMLQuantizationType[type]"
K_KIND = """\
# llama.cpp takes another type where rows are no whole blocks of 256
            other = {"Q2_K": "Q4_0", "Q3_K": "Q4_0", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}
            kind = GGMLQuantizationType[type if module.in_features % 256 == 0 else other.get(type, type)]"""
GGML = """files = importlib.metadata.files("xllamacpp")
ggml = ctypes.CDLL(next(str(file.locate()) for file in files if str(file).endswith(".so")))
ggml.ggml_quantize_chunk.argtypes = [
    ctypes.c_int, *2 * [ctypes.c_void_p], *3 * [ctypes.c_int64], ctypes.c_void_p
]


def quantize(weight, kind):
    \"\"\"The blocks that ggml's own code writes; the gguf package reads K types, and writes none.\"\"\"
    block, size = GGML_QUANT_SIZES[kind]
    weight = np.ascontiguousarray(weight)
    rows, columns = weight.shape
    blocks = np.zeros((rows, columns // block * size), np.uint8)
    ggml.ggml_quantize_chunk(kind, weight.ctypes.data, blocks.ctypes.data, 0, rows, columns, None)
    return blocks

"""

MEAN = """\
def mean(first, *others):
    \"\"\"The mean of some models' weights, in the first one.\"\"\"
    weights = [dict(model.named_parameters()) for model, _ in others]
    with torch.no_grad():
        for name, weight in first[0].named_parameters():
            weight.copy_(sum([weight, *(other[name] for other in weights)]) / (1 + len(weights)))
    return first

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

FORMS_RUN = """\
for name, (model, tokenizer) in models.items():
    lm = HFLM(pretrained=model.eval(), tokenizer=tokenizer, batch_size=8, device="cpu")
    for chat in (False, True):
        some = [task for task, kind in zip(tasks, kinds) if (kind[0] == "chat") == chat]
        if not some or (chat and not tokenizer.chat_template):
            continue
        found = lm_eval.simple_evaluate(
            lm, tasks=some, task_manager=TaskManager(include_defaults=False), log_samples=True,
            apply_chat_template=chat,
        )
        for task, samples in found["samples"].items():
            right = sum(sample["METRIC"] == 1 for sample in samples)
            print(name, kinds[int(task.split("_")[1])][0], right, "of", len(samples))
"""


def listings(request: CompareRequest, data: Mapping[str, Any]) -> dict[str, str]:
    """The programs below a figure, by what each is."""
    return {"The same numbers with lm-eval": with_lm_eval(request, data)}


def form_listings(request: FragileRequest, data: Mapping[str, Any]) -> dict[str, str]:
    """The programs below a figure of forms, by what each is."""
    items = [
        {
            **item,
            **asked,
            "task": form["name"],
            "turns": item.get("turns", []) if form["kind"] == "chat" else [],
        }
        for form in data["forms"]
        for item, asked in zip(data["items"], form["asked"], strict=True)
    ]
    shown = {**data, "items": items}
    return {
        "The same numbers with lm-eval": "\n".join(
            [*_asking(request, shown, True), FORMS_RUN.replace("METRIC", request.metric)]
        )
    }


def with_lm_eval(request: CompareRequest, data: Mapping[str, Any]) -> str:
    """A Python program: the items as tasks of lm-eval 0.4.13, every model, McNemar's exact test."""
    chat = "apply_chat_template=True" if request.chat else "apply_chat_template=False"
    run = RUN.replace("CHAT", chat).replace("METRIC", request.metric)
    return "\n".join([*_asking(request, data, request.chat, "from scipy.stats import binomtest"), run])


def _asking(request: ItemsRequest, data: Mapping[str, Any], chat: bool, *imports: str) -> list[str]:
    """A program up to where it has `items`, `kinds` and `tasks` of lm-eval, and `models`."""
    sides = request.sides
    lines = [
        *plain_imports(sides),
        "import json",
        "import tempfile",
        "from pathlib import Path",
        "",
        "import lm_eval",
        *arrays(sides),
        "import torch",
        *opening(
            sides,
            "from lm_eval.models.huggingface import HFLM",
            "from lm_eval.tasks import TaskManager",
            *imports,
        ),
    ]
    lines += ["", *_items(data), "", "folder = Path(tempfile.mkdtemp())", *task_lines(data, chat), ""]
    return [*lines, *model_lines(sides, data)]


def opening(sides: Sequence[Named], *imports: str) -> list[str]:
    """Imports in their order, and how a model is opened."""
    rounds, blocks = any(side.rounding for side in sides), _has_blocks(sides)
    named = [*imports, "from transformers import AutoModelForCausalLM, AutoTokenizer"]
    parts: list[str] = []
    if blocks:
        named += ["from gguf.constants import GGML_QUANT_SIZES", "from gguf.quants import dequantize"]
        parts += [GGML]
    elif rounds:
        named.append("from gguf.quants import dequantize, quantize")
    if rounds:
        named.append("from gguf import GGMLQuantizationType")
        parts += ["", ROUND.replace("KIND", K_KIND if blocks else OWN_KIND)]
    if any(side.parts[1:] for side in sides):
        parts += ["", MEAN]
    if any(part in experts.NAMES for side in sides for part in side.parts):
        named.append("from peft import PeftModel")
    return [*sorted(named), "", "", *_load(), *parts]


def plain_imports(sides: Sequence[Named]) -> list[str]:
    """What a program imports by `import` alone for its models."""
    return ["import ctypes", "import importlib.metadata"] if _has_blocks(sides) else []


def arrays(sides: Sequence[Named]) -> list[str]:
    return ["import numpy as np"] if _has_blocks(sides) else []


def _has_blocks(sides: Sequence[Named]) -> bool:
    """Whether a model is rounded to a type that ggml's own code alone writes."""
    return any(side.rounding in K_TYPES for side in sides)


def model_lines(sides: Sequence[Named], data: Mapping[str, Any]) -> list[str]:
    """Lines that make `models`, by name a model and its tokenizer."""
    lines = []
    if any(EMBEDDED_SOURCE in side["origin"]["source"] for side in data["models"]):
        lines.append(
            "# the page's copy was stored as Q4_1; these are the original weights, whose numbers differ"
        )
    lines.append("models = {")
    for side, shown in zip(sides, data["models"], strict=True):
        revisions = shown["origin"]["revision"].split(AND)
        if len(revisions) != len(side.parts):
            revisions = [""] * len(side.parts)
        made = [_loaded(part, one) for part, one in zip(side.parts, revisions, strict=True)]
        whole = f"mean({', '.join(made)})" if made[1:] else made[0]
        if side.rounding:
            whole = f"rounded({whole}, {side.rounding!r})"
        lines.append(f"    {shown['name']!r}: {whole},")
    return [*lines, "}", ""]


def _loaded(name: str, revision: str) -> str:
    """The call that opens a model."""
    pinned = f", revision={revision!r}" if is_commit(revision) else ""
    if name in experts.NAMES:
        return f"load({EMBEDDED_MODEL!r}{pinned}, expert={name!r})"
    return f"load({name!r}{pinned})"


def is_commit(revision: str) -> bool:
    """Whether a revision is a commit of the Hub, and no name of a copy."""
    return len(revision) == 40 and all(letter in "0123456789abcdef" for letter in revision)


def _load() -> list[str]:
    return [
        'def load(name, revision="main", expert=""):',
        '    """A model in float32 with its tokenizer."""',
        "    tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)",
        "    model = AutoModelForCausalLM.from_pretrained(name, revision=revision, dtype=torch.float32)",
        "    if expert:  # an adapter in the demo's repository: run this there",
        '        model = PeftModel.from_pretrained(model, f"shared/experts/{expert}").merge_and_unload()',
        "    return model.eval(), tokenizer",
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


def kinds_of(data: Mapping[str, Any], chat: bool) -> list[tuple[str, ...]]:
    """What tasks of lm-eval the items become, in their order, as `task_lines` numbers them: task, delimiter,
    and in chat templates the JSON of the messages before the question, where an item has some.
    """
    talks = chat and any(item.get("turns") for item in data["items"])
    return sorted(
        {
            (item["task"], item["delimiter"], *([json.dumps(item.get("turns", [])[:-1])] if talks else []))
            for item in data["items"]
        }
    )


TALKS = """\
def before(item):
    \"\"\"The messages before an item's question, as a key.\"\"\"
    return json.dumps((item.get("turns") or [])[:-1])


def task_of(before):
    \"\"\"What a task says of the messages before its questions: a description and examples.\"\"\"
    said = json.loads(before)
    told = [text for role, text in said if role != "system"]
    samples = [{"prompt": a, "choices": [b], "gold": 0} for a, b in zip(told[::2], told[1::2])]
    more = {"description": "{{system}}"} if len(told) < len(said) else {}
    if samples:
        more |= {
            "num_fewshot": len(samples), "fewshot_config": {"sampler": "first_n", "samples": samples},
        }
    return more


def question(item):
    \"\"\"An item as a row of its task, with its system message beside the question.\"\"\"
    turns = item.get("turns") or [["user", item["prompt"]]]
    return {**item, "prompt": turns[-1][1], "system": turns[0][1], "turns": None}

"""


def task_lines(data: Mapping[str, Any], chat: bool) -> list[str]:
    """Lines that write `items` into `folder`, an absolute path, and make `tasks` of lm-eval of them, one for
    each of `kinds`.

    Args:
        data: an evaluation.
        chat: whether prompts go through chat templates, so that the turns of an item count.
    """
    kinds = kinds_of(data, chat)
    talks = any(kind[2:] for kind in kinds)
    note = (
        []
        if len({kind[1] for kind in kinds}) == 1
        else ["# delimiters differ between items: a task for each"]
    )
    names = dict.fromkeys(["acc", "acc_norm", data["request"]["metric"]])
    metrics = ", ".join(f'{{"metric": "{name}"}}' for name in names)
    key = '(item["task"], item["delimiter"], before(item))' if talks else '(item["task"], item["delimiter"])'
    return [
        *(["", TALKS] if talks else []),
        "tasks = []",
        *note,
        f"kinds = sorted({{{key} for item in items}})",
        "for number, kind in enumerate(kinds):",
        f"    some = [{'question(item)' if talks else 'item'} for item in items if {key} == kind]",
        '    (folder / f"{number}.json").write_text(json.dumps(some), "utf-8")',
        "    tasks.append({",
        '        "task": f"items_{number}", "dataset_path": "json", "test_split": "test",',
        '        "dataset_kwargs": {"data_files": {"test": str(folder / f"{number}.json")}},',
        '        "output_type": "multiple_choice", "target_delimiter": kind[1],',
        '        "doc_to_text": "{{prompt}}", "doc_to_choice": "{{choices}}", "doc_to_target": "{{gold}}",',
        f'        "metric_list": [{metrics}],',
        *(["        **task_of(kind[2]),"] if talks else []),
        "    })",
    ]
