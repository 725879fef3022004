"""The model card of a quantized model that is taken home: what it is and what was measured of it."""

from __future__ import annotations

from quantization.compare import Comparison, Row

LIBRARIES = {
    "gguf": "gguf",
    "bitsandbytes": "transformers",
    "torchao": "transformers",
    "autoround": "transformers",
    "hqq": "hqq",
}


def model_card(run: Comparison, row: Row) -> str:
    """The card of one measured row, as Markdown with the Hub's YAML head."""
    facts, kld, base = row.facts, row.facts["kld"], run.base_facts
    linked = (
        f"base_model: {run.loaded.id}\nbase_model_relation: quantized\n"
        if "/" in run.loaded.id and not run.request.rotated
        else ""
    )
    text = "the visitor's text" if run.request.text else "the demo's sample text"
    tokens = len(row.scores.kld) if row.scores else 0
    notes = "\n".join(f"- {note}" for note in [*facts["notes"], *run.warnings])
    return f"""---
library_name: {LIBRARIES[row.form.engine]}
{linked}pipeline_tag: text-generation
tags:
  - quantized
  - {row.form.engine}
---

# {run.loaded.id.split("/")[-1]}, {row.form.label}

Made from `{run.loaded.id}` ({run.loaded.source}, revision {run.loaded.revision}) with {facts["version"]}.

| measured on {tokens:,} tokens of {text} | base, float32 | {row.form.label} |
|---|---|---|
| bits per weight (whole model) | {base["bits"]:.2f} | {facts["bits"]:.2f} |
| weights as stored, MB (10⁶ bytes) | {base["file_bytes"] / 1e6:,.1f} | {facts["file_bytes"] / 1e6:,.1f} |
| perplexity ± σ | {base["ppl"]:.3f} ± {base["ppl_sigma"]:.3f} | {facts["ppl"]:.3f} ± {facts["ppl_sigma"]:.3f} |
| perplexity ratio (95 % interval) | 1 | {facts["ratio"]:.4f} ({facts["ratio_low"]:.4f} to {facts["ratio_high"]:.4f}) |
| KL divergence, mean ± σ, nats | 0 | {kld["mean"]:.5f} ± {kld["sigma"]:.5f} |
| KL divergence, median, 99th percentile, largest | 0 | {kld["median"]:.5f}, {kld["p99"]:.4f}, {kld["max"]:.4f} |
| same likeliest token | 100 % | {100 * facts["same_top"]:.2f} ± {100 * facts["same_top_sigma"]:.2f} % |
| RMS of Δp of the true token | 0 | {facts["rms_dp"]:.4f} |

Windows of {run.request.context} tokens, the second half of each scored, as llama.cpp's perplexity tool does.

{notes}
"""
