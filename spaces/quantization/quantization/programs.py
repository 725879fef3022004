"""Programs that reproduce what the page shows, with the libraries alone."""

from __future__ import annotations

import inspect

from quantization.request import Request, TakeRequest

_LLAMA_CPP = """\
# llama.cpp's own tools measure the same columns (https://github.com/ggml-org/llama.cpp).
# base.gguf is the model in F32 or BF16 (convert_hf_to_gguf.py), text.txt the text that was measured on.
# Its forward pass quantizes activations too, so that its numbers differ a little from those of the page.
llama-quantize base.gguf quantized.gguf {file_type}
llama-perplexity -m base.gguf -f text.txt -c {context} --chunks {windows} --kl-divergence-base base.kld
llama-perplexity -m quantized.gguf -c {context} --kl-divergence-base base.kld --kl-divergence
"""

_TRANSFORMERS = '''\
"""Perplexity and KL divergence of a quantized model, with transformers alone.

Needs: torch, transformers{extra}.
"""

import math
import pathlib

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer{imports}

MODEL, CONTEXT, WINDOWS = {model!r}, {context}, {windows}
LEAD = {lead}  # what the tokenizer puts before every text: BOS, where it adds one
tokenizer = AutoTokenizer.from_pretrained(MODEL)
base = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
{load}

text = pathlib.Path("text.txt").read_text(encoding="utf-8")
ids = torch.tensor(LEAD + tokenizer(text, add_special_tokens=False).input_ids)
divergences, losses = [], []
with torch.inference_mode():
    for start in range(0, min(len(ids) - CONTEXT + 1, CONTEXT * WINDOWS), CONTEXT):
        window = ids[start : start + CONTEXT].clone()
        window[: len(LEAD)] = torch.tensor(LEAD, dtype=torch.int64)
        scored = slice(CONTEXT // 2, CONTEXT - 1)  # the second half of a window, as llama.cpp scores it
        log_p = base(window[None]).logits[0, scored].double().log_softmax(-1)
        log_q = model(window[None]).logits[0, scored].double().log_softmax(-1)
        divergences.append((log_p.exp() * (log_p - log_q)).sum(-1).mean())
        losses.append(-log_q.gather(1, window[CONTEXT // 2 + 1 :, None]).mean())

kld, loss = torch.stack(divergences), torch.stack(losses)
sigma = f" ± {{kld.std() / math.sqrt(len(kld)):.5f}}" if len(kld) > 1 else ""
print(f"KLD {{kld.mean():.5f}}{{sigma}} nats over {{len(kld)}} windows; perplexity {{loss.mean().exp():.3f}}")
'''

_LOADS = {
    "bitsandbytes": (
        ", bitsandbytes",
        ", BitsAndBytesConfig",
        """\
settings = BitsAndBytesConfig(
    load_in_4bit=True, bnb_4bit_quant_type={kind!r}, bnb_4bit_use_double_quant={double}
)
model = AutoModelForCausalLM.from_pretrained(
    MODEL, quantization_config=settings, dtype=torch.float32, device_map="cpu"
).eval()""",
    ),
    "gguf": (
        ", gguf, accelerate",
        "",
        """\
model = AutoModelForCausalLM.from_pretrained(
    ".", gguf_file="quantized.gguf", dtype=torch.float32
).eval()""",
    ),
}

_FILE = """\
# The file and its model card, made by this page.
from gradio_client import Client

client = Client({address!r})
path, card = client.predict({arguments}, api_name="/quantize")
print(path["path"] if isinstance(path, dict) else path)
"""


def llama_cpp_commands(request: Request) -> str:
    """Commands of llama.cpp that quantize and measure the comparison's first GGUF row."""
    types = [name.partition(":")[2] for name in request.formats if name.startswith("gguf:")]
    return _LLAMA_CPP.format(
        file_type=types[0] if types else "Q4_K_M", context=request.context, windows=request.windows
    )


def transformers_program(request: Request, lead: list[int]) -> str:
    """A program that measures the comparison's first bitsandbytes row, or a GGUF file, as this page does.

    Args:
        request: the comparison.
        lead: tokens that every window begins with.
    """
    specs = [
        name.partition(":")[2]
        for name in request.formats
        if name.startswith("bitsandbytes:") and "int8" not in name
    ]
    spec = specs[0] if specs else ""
    extra, imports, load = _LOADS["bitsandbytes" if spec else "gguf"]
    return _TRANSFORMERS.format(
        model=request.model,
        context=request.context,
        windows=request.windows,
        lead=lead,
        extra=extra,
        imports=imports,
        load=load.format(kind=spec.removesuffix("-double"), double=spec.endswith("-double")),
    )


def file_program(request: TakeRequest, address: str) -> str:
    """A program that fetches the same file from a page.

    Args:
        request: the model and its format.
        address: of the page.
    """
    stated = {name: value for name, value in request.to_json().items() if value}
    arguments = ", ".join(f"{name}={value!r}" for name, value in stated.items())
    return _FILE.format(address=address, arguments=arguments)


def method_source(method: str) -> str:
    """The source of an own method's module: the code that the weight lab runs; of a ggml type, how its bytes
    come about.
    """
    from quantization.methods import METHODS

    if method not in METHODS:
        kind = f"gguf.GGMLQuantizationType.{method}"
        return (
            "# ggml's own C code makes the bytes, and the gguf package reads them back:\n"
            "import gguf\n"
            f"quantized = gguf.quants.quantize(weight, {kind})  # for the types that numpy can\n"
            f"values = gguf.quants.dequantize(quantized, {kind})\n"
        )
    module = inspect.getmodule(METHODS[method].function)
    assert module is not None
    return inspect.getsource(module)
