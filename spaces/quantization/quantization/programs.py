"""Programs that reproduce what the page shows, with the libraries alone."""

from __future__ import annotations

import inspect

from quantization.request import Request

_LLAMA_CPP = """\
# llama.cpp's own tools measure the same columns (https://github.com/ggml-org/llama.cpp).
# base.gguf is the model in F32 or BF16 (convert_hf_to_gguf.py), text.txt the text that was measured on.
# Its forward pass quantizes activations too, so that its numbers differ a little from those of the page.
llama-quantize base.gguf quantized.gguf {file_type}
llama-perplexity -m base.gguf -f text.txt -c {context} --chunks {windows} --kl-divergence-base base.kld
llama-perplexity -m quantized.gguf -c {context} --kl-divergence-base base.kld --kl-divergence
"""

_TRANSFORMERS = '''\
"""Perplexity and KL divergence of a quantized model, with transformers alone (needs: torch, transformers{extra})."""

import math
import pathlib

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer{imports}

MODEL, CONTEXT, WINDOWS = {model!r}, {context}, {windows}
tokenizer = AutoTokenizer.from_pretrained(MODEL)
base = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
{load}

ids = tokenizer(pathlib.Path("text.txt").read_text(encoding="utf-8"), return_tensors="pt").input_ids[0]
divergences, losses = [], []
with torch.inference_mode():
    for start in range(0, min(len(ids) - CONTEXT + 1, CONTEXT * WINDOWS), CONTEXT):
        window = ids[start : start + CONTEXT]
        scored = slice(CONTEXT // 2, CONTEXT - 1)  # the second half of a window, as llama.cpp scores it
        log_p = base(window[None]).logits[0, scored].double().log_softmax(-1)
        log_q = model(window[None]).logits[0, scored].double().log_softmax(-1)
        divergences.append((log_p.exp() * (log_p - log_q)).sum(-1))
        losses.append(-log_q.gather(1, window[CONTEXT // 2 + 1 :, None])[:, 0])

kld, nll = torch.cat(divergences), torch.cat(losses)
print(f"KLD {{kld.mean():.5f}} ± {{kld.std() / math.sqrt(len(kld)):.5f}} nats, n = {{len(kld)}}; PPL {{nll.mean().exp():.3f}}")
'''

_LOADS = {
    "bitsandbytes": (
        ", bitsandbytes",
        ", BitsAndBytesConfig",
        "settings = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type={kind!r}, bnb_4bit_use_double_quant={double})\n"
        "model = AutoModelForCausalLM.from_pretrained(MODEL, quantization_config=settings, dtype=torch.float32).eval()",
    ),
    "gguf": (
        ", gguf, accelerate",
        "",
        'model = AutoModelForCausalLM.from_pretrained(".", gguf_file="quantized.gguf", dtype=torch.float32).eval()',
    ),
}


def llama_cpp_commands(asked: Request) -> str:
    """Commands of llama.cpp that quantize and measure the comparison's first GGUF row."""
    types = [name.partition(":")[2] for name in asked.formats if name.startswith("gguf:")]
    return _LLAMA_CPP.format(
        file_type=types[0] if types else "Q4_K_M", context=asked.context, windows=asked.windows
    )


def transformers_program(asked: Request) -> str:
    """A program that measures the comparison's first bitsandbytes row, or a GGUF file, as this page does."""
    spec = next(
        (
            name.partition(":")[2]
            for name in asked.formats
            if name.startswith("bitsandbytes:") and "int8" not in name
        ),
        None,
    )
    extra, imports, load = _LOADS["bitsandbytes" if spec else "gguf"]
    load = load.format(kind=(spec or "nf4").removesuffix("-double"), double=(spec or "").endswith("-double"))
    return _TRANSFORMERS.format(
        model=asked.model,
        context=asked.context,
        windows=asked.windows,
        extra=extra,
        imports=imports,
        load=load,
    )


def method_source(method: str) -> str:
    """The source of an own method's module: the code that the weight lab runs; for a ggml type, how its bytes
    were made.
    """
    from quantization.methods import METHODS

    if method not in METHODS:
        return (
            "# The bytes are made by ggml's own C code and read back by the gguf package:\n"
            "import gguf\n"
            f"quantized = gguf.quants.quantize(weight, gguf.GGMLQuantizationType.{method})  # for the types that numpy can\n"
            f"values = gguf.quants.dequantize(quantized, gguf.GGMLQuantizationType.{method})\n"
        )
    module = inspect.getmodule(METHODS[method].function)
    assert module is not None
    return inspect.getsource(module)
