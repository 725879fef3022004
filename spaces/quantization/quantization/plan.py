"""What a comparison will cost, before it is run."""

from __future__ import annotations

from dataclasses import replace

from quantization import flips, floor, formats, gguf_types, kinds, published, published_rows
from quantization.calibration import MOST_TOKENS
from quantization.gguf_types import FILE_TYPES
from quantization.request import Request, TakeRequest
from quantization.runtime import MOST_WINDOWS
from quantization.sensitivity import WINDOWS
from shared import experts, ggml, gpu, hub, limits, models
from shared.errors import VisitorError
from shared.measure import scored_positions
from shared.models import Loaded

RATE = {"cpu": 8e10, "cuda": 5e12}
"""Weights times tokens that a forward pass in float32 and the comparison of its distributions do in a second:
on two CPU cores, as measured with the embedded model; on a GPU a careful guess.
"""

ANSWER = {"cpu": 4e-10, "cuda": 2e-11}
"""Seconds for each weight and token of an answer, of the same two."""

SECONDS_PER_MILLION = {
    "own": 0.03,
    "gguf": 0.03,
    "bitsandbytes": 0.016,
    "hqq": 0.045,
    "torchao": 0.01,
    "autoround": 0.6,
    published.ENGINE: 0.05,
}
"""Quantization seconds for a million weights, on two CPU cores as measured with the embedded model; a
guide.
"""

SLOW = 0.17
"""The same of what takes longer: formats that solve for their codes (GPTQ, AWQ), GGUF's IQ types, and a mix,
which has some of them.
"""

LLAMA_CPP = 0.015
"""Seconds for a million weights to write a GGUF file and to time it in llama.cpp."""

BFLOAT16 = 8
"""Times that a processor without instructions for bfloat16 takes longer than in float32."""

QUESTION_TOKENS = 28
"""Tokens of a running text that take as long as a question with its choices."""

UNITS, OPTIONS = 61, 0.48
"""Parts of a model that are measured alone (the embedding, and two of each of 30 layers), and seconds for a
million weights to quantize them to all types of a mix.
"""

EMBEDDED_PARAMETERS = 134_515_008


def parameters_of(model_id: str) -> int | None:
    """A model's parameters, without loading it: known, or from the Hub's metadata; None where only its files
    can tell.

    Raises:
        VisitorError: as `hub.inspect`.
    """
    if model_id == models.EMBEDDED_MODEL or model_id in experts.NAMES:
        return EMBEDDED_PARAMETERS
    if loaded := models.in_memory(model_id, exact=True):
        return sum(parameter.numel() for parameter in loaded.model.parameters())
    if hub.is_local_path(model_id) or not hub.reachable():
        return None
    limit = models.largest_model(exact=True) if gpu.has_gpu() else limits.MAX_QUANTIZED_PARAMETERS_CPU
    return hub.inspect(model_id, limit)[1]


TOKENS_A_SECOND = 20_000
"""Tokens that one format reads on ZeroGPU in a second, a careful guess."""


QUESTIONS_A_SECOND = 100
"""Questions that one format answers on ZeroGPU in a second, likewise."""


def gpu_seconds(request: Request) -> int:
    """GPU seconds to ask for: start-up and weights, then every format and what it reads; not measured on
    ZeroGPU yet, so generous.
    """
    passes = published_rows.counted(request.formats) + 1
    layers = (30 if request.sensitivity or request.budget else 0) + 5 * request.floor
    layers += request.kinds * passes + flips.count(request.questions) * passes // QUESTIONS_A_SECOND
    reading = request.windows * request.context * passes // TOKENS_A_SECOND
    return min(240, 20 + 8 * passes + layers + reading)


def estimate(request: Request, parameters: int, device: str = "cpu") -> dict[str, float]:
    """What a comparison takes.

    Returns:
        seconds: on two CPU cores, or on a GPU.
        memory: bytes: base and one copy in float32, and the products that GPTQ and AWQ learn from.
        disk: bytes of the largest file, and of its blocks while it is measured.
    """
    chosen = [formats.parse(name) for name in request.formats]
    millions, mixed = parameters / 1e6, request.budget is not None
    reading = request.context * request.windows * parameters / RATE[device]
    passes = 1 + len(chosen) + mixed
    seconds: float = passes * reading + sum(_quantizing(form) for form in chosen) * millions
    if request.prompt:
        seconds += passes * request.answer_tokens * parameters * ANSWER[device]
    if any(formats.is_calibrated(form) for form in chosen):
        seconds += 2 * max(reading, MOST_TOKENS * parameters / RATE[device])
    if request.kinds:
        tokens = len(kinds.KINDS) * kinds.WINDOWS * kinds.CONTEXT
        seconds += passes * tokens * parameters / RATE[device]
    if request.questions:
        tokens = flips.count(request.questions) * QUESTION_TOKENS
        seconds += passes * tokens * parameters / RATE[device]
    if request.floor:
        slow = 2.0 + (BFLOAT16 if device == "cpu" else 1)
        seconds += slow * reading * min(1, floor.MOST_WINDOWS / request.windows)
    files = sum(form.engine in ("gguf", published.ENGINE) for form in chosen) + mixed
    if device == "cpu":
        seconds += files * LLAMA_CPP * millions
        if request.llama_cpp:
            seconds += 4 * files * (reading * min(1, MOST_WINDOWS / request.windows) + LLAMA_CPP * millions)
    if request.sensitivity or mixed:
        read = reading * min(1, WINDOWS / request.windows)
        seconds += UNITS * max(1, len(request.sensitivity)) * read + (OPTIONS + SLOW * mixed) * millions
    products = any(formats.needs_products(form) for form in chosen)
    return {
        "seconds": seconds,
        "memory": (16.0 if products else 8.0) * parameters,
        "disk": 4.0 * parameters if files else 0.0,
    }


def _quantizing(form: formats.Format) -> float:
    """Seconds for a million weights."""
    if formats.needs_products(form) or (form.engine == "gguf" and form.spec.startswith("IQ")):
        return SLOW
    return SECONDS_PER_MILLION[form.engine]


def check_time(request: Request, loaded: Loaded) -> None:
    """Raise a VisitorError for a comparison that would take too long; others wait for it.

    Args:
        request: with the windows that its text really has.
        loaded: the model.
    """
    parameters = sum(parameter.numel() for parameter in loaded.model.parameters())
    seconds = estimate(request, parameters, loaded.device)["seconds"]
    if seconds > limits.MAX_COMPARE_SECONDS:
        raise VisitorError(
            f"This comparison would take about {seconds / 60:,.0f} minutes; the limit is "
            f"{limits.MAX_COMPARE_SECONDS // 60}.",
            "Lower windows or context, or compare fewer formats.",
        )


READERS = {
    "gguf": "llama.cpp, Ollama and LM Studio read it",
    "bitsandbytes": "transformers reads it, on a GPU too",
    "autoround": "transformers and vLLM read it, on a GPU too",
    "gptq": "transformers and vLLM read it, on a GPU",
    "awq": "transformers and vLLM read it, on a GPU",
}
"""What opens the files of an engine."""


def take_plan(request: TakeRequest) -> str:
    """What a file to take home will cost and be, in one sentence, and what speaks for another.

    Raises:
        VisitorError: as `TakeRequest.comparison`, `formats.parse` and `parameters_of`.
    """
    from quantization import written

    if request.script:
        return "Plan: a program to run where there is a GPU; nothing is computed here."
    wanted = request.comparison()
    parameters = parameters_of(request.model)
    if parameters is None:
        return f"Plan: what it costs is known once {request.model} is loaded."
    if request.matrix:
        seconds = MOST_TOKENS * parameters / RATE["cuda" if gpu.has_gpu() else "cpu"]
        return (
            f"Plan: up to {max(5, round(seconds, -1)):,.0f} s for at most {MOST_TOKENS:,} tokens of the "
            "calibration text · an importance matrix that llama-quantize takes; nothing is measured."
        )
    seconds = estimate(wanted, parameters, "cuda" if gpu.has_gpu() else "cpu")["seconds"]
    seconds = max(5.0, float(f"{seconds:.1g}" if seconds < 100 else f"{seconds:.2g}"))
    if wanted.budget is not None:
        size, engine = f"at most {wanted.budget:g} MB", "gguf"
    else:
        form = formats.parse(wanted.formats[0])
        engine = form.engine
        if engine == published.ENGINE:
            written.check(form)
        if engine not in READERS:
            raise VisitorError(f"Nothing opens a file of {form.name}.", "Choose a format of the list.")
        size = _size(form, request.model, parameters)
    where = "" if gpu.has_gpu() else " on two CPU cores"
    return (
        f"Plan: about {seconds:,.0f} s{where}, measuring included · a file of {size} · {READERS[engine]}. "
        + _advice(wanted)
    )


def _size(form: formats.Format, model: str, parameters: int) -> str:
    """A file's size: of a GGUF to the byte where the model is in memory, otherwise what it is not below."""
    loaded = models.in_memory(model, exact=True)
    if form.engine == "gguf" and loaded is not None:
        from quantization.gguf_file import planned_bytes

        return f"{planned_bytes(loaded, form.spec, form.learns) / 1e6:,.1f} MB"
    least = _least_bits(form)
    words = "most weights take" if least == bits(form) else "no matrix takes fewer than"
    return f"at least {parameters * least / 8e6:,.0f} MB, since {words} {least:.4g} bits"


def bits(form: formats.Format) -> float:
    """Bits of most weights that are quantized, by the format's name."""
    if form.engine == "gguf":
        return ggml.bits(FILE_TYPES[form.spec])
    if form.engine == "bitsandbytes":
        return {"nf4-double": 4.127, "int8": 8.0}.get(form.spec, 4.5)
    digit = next((int(letter) for letter in form.spec if letter.isdigit()), 8)
    group = int(form.spec.rpartition("-g")[2]) if "-g" in form.spec else 128
    return digit + (16 + digit) / group


def _least_bits(form: formats.Format) -> float:
    """Bits that no matrix goes below: llama.cpp's rules give some matrices of a mix a smaller type."""
    if form.engine != "gguf":
        return bits(form)
    # rows that every block fits: where one does not, a larger type takes its place
    parts = ("self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "mlp.gate", "mlp.up", "mlp.down")
    names = [f"model.layers.{layer}.{part}_proj.weight" for layer in range(_LAYERS) for part in parts]
    shapes = [
        gguf_types.Shape(_LAYERS, sharing, tied=True, importance=learnt)
        for sharing in (1, 8)
        for learnt in (False, True)
    ]
    return min(
        ggml.bits(choice.used)
        for shape in shapes
        for choice in gguf_types.plan(form.spec, [(name, (1, _COLUMNS)) for name in names], shape)
    )


_LAYERS, _COLUMNS = 32, 4_096
"""A model that the rules are asked about."""


def _advice(wanted: Request) -> str:
    """What speaks for another size."""
    if wanted.budget is not None:
        return "Its types are chosen where they cost least; Compare formats shows what other sizes cost."
    width = bits(formats.parse(wanted.formats[0]))
    if width >= 8:
        return "Close to the original; 4 to 5 bits halve it again and are what most people take."
    if width >= 4:
        return "What most people take; Q6_K and Q8_0 are closer to the original where there is room."
    return (
        "Below 4 bits models become noticeably wrong: measure it first, and prefer a smaller model in 4 bits."
    )


def plan(request: Request) -> str:
    """The plan in one sentence.

    Raises:
        VisitorError: as `parameters_of` and `published_rows.names`.
    """
    parameters = parameters_of(request.model)
    request = replace(request, formats=published_rows.names(request.formats))
    coming = published_rows.to_download(request.formats)
    apart = [name for name in request.formats if published_rows.is_published(name)] if request.rotated else []
    count = f"{len(request.formats)} format{'' if len(request.formats) == 1 else 's'}"
    count += " and a mix" if request.budget is not None else ""
    if parameters is None:
        return f"Plan: {count}; what they cost is known once {request.model} is loaded."
    cost = estimate(request, parameters, "cuda" if gpu.has_gpu() else "cpu")
    where = "" if gpu.has_gpu() else " on two CPU cores"
    scored = request.windows * len(scored_positions(request.context))
    asked = f" and {flips.count(request.questions)} questions" if request.questions else ""
    return (
        f"Plan: {count} of {parameters / 1e6:,.0f} million weights on up to {scored:,} scored tokens"
        f"{asked} · about "
        f"{max(5, round(cost['seconds'], -1)):,.0f} s{where} · {cost['memory'] / 1e9:,.1f} GB of memory · up "
        f"to {cost['disk'] / 1e6:,.0f} MB of disk"
        + (f" · {coming / 1e6:,.0f} MB to download" if coming and not apart else "")
        + (f". {_REFUSED[len(apart) > 1]} Untick the rotation to measure them." if apart else "")
    )


_REFUSED = (
    "A published file holds the model as it is and will be refused.",
    "Published files hold the model as it is and will be refused.",
)
