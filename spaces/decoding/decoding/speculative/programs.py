"""The code that reproduces a speculative run with transformers."""

from __future__ import annotations

from decoding import data
from decoding.programs import input_lines, loading_lines
from decoding.speculative.request import Request
from shared import experts
from shared.embedded_model import EMBEDDED_MODEL


def transformers_program(request: Request, result: data.Speculative) -> str:
    """The Python that runs transformers' assisted generation with the same draft.

    Args:
        request: of the run.
        result: of it, which says how the prompt was read and where the model came from.
    """
    lines = loading_lines(request.model, result["provenance"])
    lines += input_lines(request.as_prompt(), result["prompt"])
    lines += ['start = len(tokenizer.decode(inputs["input_ids"][0]))', ""]
    lines += [*_draft(request, result), ""]
    settings = {name: one["value"] for name, one in result["settings"].items() if one["origin"] != "default"}
    if own := [name for name, one in result["settings"].items() if one["origin"] == "model"]:
        lines.append(f"# {', '.join(own)}: from the model's own generation_config, which counts anyway")
    if not request.greedy:
        lines += [
            "# transformers takes its random numbers in another order: the text differs, its distribution",
            "# does not",
            f"torch.manual_seed({request.seed})",
        ]
    arguments = ["**inputs", _argument(request), f"max_new_tokens={request.max_new_tokens}"]
    arguments += [f"{name}={value!r}" for name, value in settings.items()]
    return "\n".join(
        [
            *lines,
            f"output = model.generate({', '.join(arguments)})",
            "print(repr(tokenizer.decode(output[0])[start:]))",
            "",
        ]
    )


def _argument(request: Request) -> str:
    if request.draft == "lookup":
        return f"prompt_lookup_num_tokens={request.draft_tokens}, max_matching_ngram_size={request.ngram}"
    return "assistant_model=draft"


def _draft(request: Request, result: data.Speculative) -> list[str]:
    if request.draft == "lookup":
        return ["# the draft is the text itself: what followed when its last tokens stood there before"]
    constant = [
        f"draft.generation_config.num_assistant_tokens = {request.draft_tokens}",
        'draft.generation_config.num_assistant_tokens_schedule = "constant"',
        "draft.generation_config.assistant_confidence_threshold = 0  # propose all, however unsure",
    ]
    if request.draft == "model":
        expert = request.draft_model in experts.NAMES
        dtype = f"dtype=torch.{result['provenance']['dtype']}"
        name = EMBEDDED_MODEL if expert else request.draft_model
        lines = [f"draft = AutoModelForCausalLM.from_pretrained({name!r}, {dtype})"]
        if expert:
            adapter = f"shared/experts/{request.draft_model}"
            lines += [
                "from peft import PeftModel",
                f"draft = PeftModel.from_pretrained(draft, {adapter!r}).merge_and_unload()",
            ]
        return [*lines, *constant]
    if request.draft == "layers":
        return [
            "import copy",
            f"draft = copy.deepcopy(model)  # its first {request.layers} layers, then its norm and its head",
            "config = draft.config.get_text_config()",
            "layers = next(",
            "    module",
            "    for module in draft.modules()",
            "    if isinstance(module, torch.nn.ModuleList) and len(module) == config.num_hidden_layers",
            ")",
            f"del layers[{request.layers} :]",
            f"config.num_hidden_layers = {request.layers}",
            'if "layer_types" in vars(config):',
            f"    config.layer_types = config.layer_types[: {request.layers}]",
            *constant,
        ]
    return [
        "import copy",
        "from gguf import GGMLQuantizationType",
        "from gguf.quants import dequantize, quantize",
        f"draft, kind = copy.deepcopy(model), GGMLQuantizationType.{request.rounding}",
        "for module in draft.modules():  # the linear layers, rounded and back; not the head",
        "    if isinstance(module, torch.nn.Linear) and module is not draft.get_output_embeddings():",
        "        if module.in_features % 32 == 0:",
        "            weights = module.weight.detach().float().numpy()",
        "            rounded = torch.from_numpy(dequantize(quantize(weights, kind), kind))",
        "            module.weight = torch.nn.Parameter(rounded.to(module.weight.dtype))",
        *constant,
    ]
