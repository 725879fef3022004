"""The code that reproduces a comparison of two models."""

from __future__ import annotations

from decoding import data
from decoding.pair.request import PairRequest
from decoding.programs import argument_text, input_lines
from shared import experts
from shared.embedded_model import EMBEDDED_MODEL, EMBEDDED_SOURCE

ROUND = """\
# {rounding}: scales and small integers for blocks of 32 weights, written and read again by gguf
kind = GGMLQuantizationType.{rounding}
for module in second.modules():
    if module is second.get_output_embeddings() or not isinstance(module, torch.nn.Linear):
        continue
    if module.in_features % 32 == 0:
        values = dequantize(quantize(module.weight.detach().numpy(), kind), kind)
        module.weight = torch.nn.Parameter(torch.from_numpy(values), requires_grad=False)
"""

MEASURE = """\
start = inputs["input_ids"].shape[1]
for text in texts[:1] if texts[0] == texts[1] else texts:
    ids = torch.cat([inputs["input_ids"], torch.tensor([text])], dim=1)
    with torch.no_grad():
        logits = [model(ids).logits[0, start - 1 : -1].double() for model in (first, second)]
    shared = min(values.shape[1] for values in logits)
    p, q = (values[:, :shared].log_softmax(-1) for values in logits)
    forward = (p.exp() * (p - q)).sum(-1)
    backward = (q.exp() * (q - p)).sum(-1)
    variation = (p.exp() - q.exp()).abs().sum(-1) / 2
    own = torch.tensor(text)[:, None]
    print({
        "text": tokenizer.decode(text),
        "log p in either": [values.gather(1, own).sum().item() for values in (p, q)],
        "mean KL(first, second)": forward.mean().item(),
        "mean KL(second, first)": backward.mean().item(),
        "mean total variation": variation.mean().item(),
        "same likeliest token": (p.argmax(-1) == q.argmax(-1)).sum().item(),
    })
    for step, token in enumerate(text):
        ranks = [1 + (values[step] > values[step, token]).sum().item() for values in (p, q)]
        print((step + 1, tokenizer.decode([token]), forward[step].item(), ranks))
"""


def transformers_program(request: PairRequest, pair: data.Pair) -> str:
    """The Python that writes and measures both texts with transformers alone; for a rounded model with gguf,
    for an expert of this suite with peft as well.

    Args:
        request: the comparison's.
        pair: its result, which names the models' revisions and copies, and says how the prompt was read.
    """
    ids = (request.model, request.second)
    lines = ["import torch"]
    if request.rounding:
        lines += ["from gguf import GGMLQuantizationType", "from gguf.quants import dequantize, quantize"]
    if any(model in experts.NAMES for model in ids):
        lines.append("from peft import PeftModel")
    lines += ["from transformers import AutoModelForCausalLM, AutoTokenizer", ""]
    for name, model, origin in zip(("first", "second"), ids, pair["models"], strict=True):
        lines += [*_load(name, model, origin), ""]
    if request.rounding:
        lines.append(ROUND.format(rounding=request.rounding))
    strategy = request.alone(request.model).strategies[0]
    settings = {
        name: one["value"]
        for run in pair["trace"]["runs"]
        for name, one in run["settings"].items()
        if one["origin"] == "strategy"
    }
    config = {**strategy.config, **settings}
    arguments = ", ".join(f"{name}={argument_text(name, value)}" for name, value in config.items())
    lines += input_lines(request.alone(request.model), pair["trace"]["prompt"])
    lines += ["", "texts = []", "for model in (first, second):"]
    if strategy.draws:
        lines.append(f"    torch.manual_seed({request.seed})  # the same random numbers for both")
    lines.append(
        f"    output = model.generate(**inputs, max_new_tokens={request.max_new_tokens}, {arguments})"
    )
    lines.append('    texts.append(output[0, inputs["input_ids"].shape[1] :].tolist())')
    return "\n".join([*lines, "", MEASURE])


def _load(name: str, model: str, origin: data.Provenance) -> list[str]:
    """The lines that load one of the models; the first brings the tokenizer of both."""
    expert = model in experts.NAMES
    revision = origin["revision"]
    pinned = f", revision={revision!r}" if revision not in ("main", "") and " " not in revision else ""
    base = repr(EMBEDDED_MODEL if expert else model)
    lines = []
    if EMBEDDED_SOURCE in origin["source"]:
        lines.append(
            "# the page's copy was stored as Q4_1; these are the original weights, whose numbers differ"
        )
    if name == "first":
        lines.append(f"tokenizer = AutoTokenizer.from_pretrained({base}{pinned})")
    lines.append(f"{name} = AutoModelForCausalLM.from_pretrained({base}{pinned}, dtype=torch.float32)")
    if expert:
        lines += [
            "# the expert is an adapter in the demo's repository: run this there",
            f"{name} = PeftModel.from_pretrained({name}, {f'shared/experts/{model}'!r}).merge_and_unload()",
        ]
    return lines
