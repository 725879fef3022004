"""Quantization: perplexity and KL divergence of formats on CUDA against the CPU's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared.steps import last
from tests.gpu_check import setting
from tests.gpu_check.checks import Check, relative

SPACE = "quantization"
PLAIN = ("own:absmax-int8", "own:rtn-int4-g64", "own:nf4", "own:hqq-int4-g64", "gguf:Q8_0")
BY_GGML = ("gguf:Q4_0", "gguf:Q4_K_M")
"""Plain formats too, whose blocks only ggml's own code makes: where it is installed."""
CALIBRATED = ("own:gptq-int4-g64", "own:awq-int4-g64")
"""Formats that learn from a text: a rounding there can turn a code, and every later one with it."""
PPL, KLD = {"plain": 1e-4, "calibrated": 0.03}, {"plain": 1e-3, "calibrated": 0.05}
"""Relative differences of perplexity and of KL divergence, by whether a format is calibrated."""


FEW = ("own:rtn-int4-g64", "gguf:Q8_0")
"""Those that a model of full size is checked with: the CPU takes its time."""


def against_cpu(
    name: str, cpu: Any, gpu: Any, context: int, windows: int, few: bool = False
) -> Iterator[Check]:
    """The same formats of the same model on both devices."""
    from quantization import formats, metrics

    base, bases = {}, {}
    for side in (cpu, gpu):
        bases[side.device] = base[side.device], _ = _base(side, context, windows)
    ppl = [
        metrics.statistics(base[side.device].scores, base[side.device].scores)["ppl"] for side in (cpu, gpu)
    ]
    yield Check(SPACE, "base model's perplexity, relative", name, cpu.dtype, relative(*ppl), PPL["plain"])
    plain = (*PLAIN, *(BY_GGML if formats.is_installed("gguf") else ()))
    for kind, names in (("plain", plain), ("calibrated", CALIBRATED)):
        for form in (form for form in names if form in FEW or not few):
            one, other = (_row(side, form, *bases[side.device]) for side in (cpu, gpu))
            where = f"{name}, {form}"
            gap = relative(other["ppl"], one["ppl"])
            yield Check(SPACE, f"{kind} formats: perplexity, relative", where, cpu.dtype, gap, PPL[kind])
            gap = relative(other["kld"]["mean"], one["kld"]["mean"])
            yield Check(SPACE, f"{kind} formats: KL divergence, relative", where, cpu.dtype, gap, KLD[kind])


def _base(loaded: Any, context: int, windows: int) -> Any:
    from quantization import compare, metrics
    from quantization.request import Request

    request = Request.parse(model=loaded.id, formats=["own:nf4"], context=context, windows=windows, prompt="")
    with setting.on(loaded.device):
        material = compare.prepare(request, loaded)
        return last(metrics.base_pass(material.loaded.model, material.windows)), material


def _row(loaded: Any, name: str, base: Any, material: Any) -> Any:
    """A row's numbers; made here, since llama.cpp, which times a row of the page, is not in the check."""
    from quantization import formats, metrics

    engine, _, spec = name.partition(":")
    quantized = formats.quantize(loaded, formats.Format(name, engine, spec), material.calibration)
    return metrics.statistics(last(metrics.score(quantized.model, base)), base.scores)


def job(
    loaded: Any, formats: tuple[str, ...] = ("own:rtn-int4-g64",), context: int = 256
) -> dict[str, float]:
    """The Space's main job: a comparison of formats on four windows, with an answer of 32 tokens each."""
    from quantization import rowcache
    from quantization.compare import compare
    from quantization.request import Request

    rowcache.rows.forget()
    done = last(compare(Request.parse(model=loaded.id, formats=list(formats), context=context), loaded))
    failed = [row.error for row in done.rows if row.status != "done"]
    if failed:
        raise RuntimeError(str(failed[0]))
    return {"quantizing": sum(row.facts["seconds"] for row in done.rows), "formats": len(formats)}
