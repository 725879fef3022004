"""What a comparison will cost, before it is run."""

from __future__ import annotations

from quantization import formats
from quantization.request import Request
from shared import gpu, hub, limits, models

FLOPS_CPU = 1.2e11
"""Multiply-adds a second of a float32 forward pass on two CPU cores, as measured with the embedded model."""

SECONDS_PER_MILLION = {"own": 0.06, "gguf": 0.05, "bitsandbytes": 0.01, "hqq": 0.05, "torchao": 0.01, "autoround": 0.6}
"""Quantization seconds for a million weights on two CPU cores, as measured with the embedded model; a guide."""

CALIBRATED_FACTOR = 4
"""How much longer a format takes that solves for its codes (GPTQ, AWQ)."""

EMBEDDED_PARAMETERS = 134_515_008


def parameters_of(model_id: str) -> int:
    """A model's parameters: of the embedded one known, of others from the Hub's metadata.

    Raises:
        VisitorError: as `hub.inspect`, or the Hub cannot be reached.
    """
    if model_id == models.EMBEDDED_MODEL:
        return EMBEDDED_PARAMETERS
    if hub.is_local_path(model_id) or not hub.reachable():
        loaded = models.load(model_id)
        return sum(parameter.numel() for parameter in loaded.model.parameters())
    limit = limits.MAX_PARAMETERS_GPU if gpu.has_gpu() else limits.MAX_QUANTIZED_PARAMETERS_CPU
    return hub.inspect(model_id, limit)[1]


def estimate(asked: Request, parameters: int) -> dict[str, float]:
    """Seconds on two CPU cores, bytes of memory (base and one copy in float32) and of disk (the largest file)."""
    tokens = asked.context * asked.windows
    passes = len(asked.formats) + 1 + (1 if asked.budget else 0)
    seconds = passes * 2 * parameters * tokens / (2 * FLOPS_CPU)
    if asked.prompt:
        seconds += passes * asked.answer_tokens * parameters * 6e-10
    for name in asked.formats:
        form = formats.parse(name)
        factor = CALIBRATED_FACTOR if form.engine == "own" and formats.is_calibrated(form) else 1
        seconds += SECONDS_PER_MILLION[form.engine] * parameters / 1e6 * factor
    if asked.sensitivity or asked.budget:
        seconds += 60 * max(1, len(asked.sensitivity)) * parameters * 512 / FLOPS_CPU
    gguf = any(name.startswith("gguf:") for name in asked.formats) or asked.budget
    return {"seconds": seconds, "memory": 8.0 * parameters, "disk": 2.0 * parameters if gguf else 0.0}


def plan(asked: Request) -> str:
    """The plan in one sentence.

    Raises:
        VisitorError: as `parameters_of`.
    """
    parameters = parameters_of(asked.model)
    cost = estimate(asked, parameters)
    where = "" if gpu.has_gpu() else " on two CPU cores"
    return (
        f"Plan: {len(asked.formats)} formats of {parameters / 1e6:,.0f} million weights on up to {asked.windows * asked.context // 2:,} scored tokens · "
        f"about {max(5, round(cost['seconds'], -1)):,.0f} s{where} · {cost['memory'] / 1e9:,.1f} GB of memory (base and one copy in float32) · "
        f"up to {cost['disk'] / 1e6:,.0f} MB of disk"
    )
