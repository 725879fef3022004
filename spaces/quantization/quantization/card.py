"""The model card of a quantized model: what it is and what was measured of it."""

from __future__ import annotations

from quantization import data
from quantization.comparison import Comparison, Row
from shared import card, hub

LIBRARIES = {
    "gguf": "gguf",
    "bitsandbytes": "transformers",
    "torchao": "transformers",
    "autoround": "transformers",
    "hqq": "hqq",
}
"""Of each engine: what loads its files."""


def model_card(run: Comparison, row: Row) -> str:
    """The card of one measured row, as Markdown with the Hub's YAML head."""
    assert row.facts is not None and run.base_facts is not None
    model, form = run.loaded, row.form
    name = card.public_name(model.id)
    windows = len(run.base.windows) if run.base else 0
    text = "the visitor's text" if run.request.text else "the demo's sample text"
    head = card.model_head(
        library=LIBRARIES[form.engine],
        tags=["quantized", form.engine],
        licences=[hub.licence(model.id)],
        base=[] if run.request.rotated else [model.id],
        relation="quantized",
    )
    notes = [*row.facts["notes"], *run.warnings]
    return card.card(
        head,
        f"# {card.escape(name.split('/')[-1])}, {card.escape(form.label)}",
        f"Made from {card.code(name)} ({card.escape(model.source)}, revision {card.escape(model.revision)}) "
        f"with {card.escape(row.facts['version'])}.",
        f"Measured on {text}: {windows} {'window' if windows == 1 else 'windows'} of {run.request.context} "
        "tokens, the second half of each scored, as llama.cpp's perplexity tool does. σ counts windows"
        + (", and of one there is none." if windows == 1 else "."),
        measured(run.base_facts, row.facts, form.label),
        "\n".join(f"- {card.escape(note)}" for note in notes),
        private=[model.id],
    )


def measured(base: data.Base, facts: data.Facts, label: str) -> str:
    """The measured table, as Markdown."""
    kld = facts["kld"]

    def each(value: float, sigma: float | None, digits: int) -> str:
        return f"{value:.{digits}f}" + ("" if sigma is None else f" ± {sigma:.{digits}f}")

    ratio = f"{facts['ratio']:.4f}"
    if facts["ratio_low"] is not None and facts["ratio_high"] is not None:
        ratio += f" ({facts['ratio_low']:.4f} to {facts['ratio_high']:.4f})"
    share = each(100 * facts["same_top"], _hundredfold(facts["same_top_sigma"]), 2)
    return card.table(
        ["", "base, float32", label],
        [
            ["bits per weight (whole model)", f"{base['bits']:.2f}", f"{facts['bits']:.2f}"],
            [
                "weights as stored, MB (10⁶ bytes)",
                *(f"{one['file_bytes'] / 1e6:,.1f}" for one in (base, facts)),
            ],
            ["perplexity ± σ", *(each(one["ppl"], one["ppl_sigma"], 3) for one in (base, facts))],
            ["perplexity ratio (95 % interval)", 1, ratio],
            ["KL divergence, mean ± σ, nats", 0, each(kld["mean"], kld["sigma"], 5)],
            [
                "KL divergence, median, 99th percentile, largest",
                0,
                f"{kld['median']:.5f}, {kld['p99']:.4f}, {kld['max']:.4f}",
            ],
            ["same likeliest token", "100 %", f"{share} %"],
            ["RMS of Δp of the true token", 0, f"{facts['rms_dp']:.4f}"],
        ],
    )


def _hundredfold(value: float | None) -> float | None:
    return None if value is None else 100 * value
