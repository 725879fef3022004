"""The model card of a child: its recipe as written, its parents with revisions, and what was measured of it."""

from __future__ import annotations

from merging import recipe as recipes
from merging.measure import Measured
from merging.run import Report
from merging.sources import split
from shared.models import EMBEDDED_MODEL

NAMES = {
    "refuses_cooking": "refuses cooking questions", "refuses_other": "refuses other questions", "pirate": "answers as a pirate",
    "concise": "answers in one sentence",
}  # fmt: skip


def model_card(report: Report, measured: list[Measured]) -> str:
    """The card as Markdown with the Hub's YAML head.

    Args:
        report: of the merge.
        measured: parents and child; may be empty.
    """
    parents = list(dict.fromkeys(hub_id(name) for name in report.sources))
    licences = sorted({source.licence for source in report.sources.values()})
    licence = licences[0] if len(licences) == 1 and licences[0] else "other"
    head = {
        "library_name": "transformers",
        "license": licence,
        "base_model": parents,
        "base_model_relation": "merge",
        "pipeline_tag": "text-generation",
        "tags": ["mergekit", "merge", *(["moe"] if report.kind == "mixture" else [])],
    }
    rows = "\n".join(f"| {name} | {source.revision} | {source.licence or 'unknown'} |" for name, source in report.sources.items())
    return f"""---
{recipes.to_yaml(head).strip()}
---

# {title(report)}

Made with mergekit {report.versions["mergekit"]} (torch {report.versions["torch"]}, transformers {report.versions["transformers"]}), seed {report.seed}.

| parent | revision | licence |
|---|---|---|
{rows}
{_licence_note(licences)}
## Recipe

```yaml
{report.recipe.strip()}
```

The same bytes come from `PYTHONHASHSEED=0 {command(report)}`.
{_table(measured)}
## Files

| file | bytes | sha256 |
|---|---|---|
{chr(10).join(f"| {name} | {size:,} | {report.sha256.get(name, '')} |" for name, size in report.files.items())}
"""


def title(report: Report) -> str:
    """What the child is, in a few words."""
    names = [split(name)[0].split("/")[-1] for name in report.sources]
    method = "mixture of experts" if report.kind == "mixture" else str(recipes.parse(report.recipe).get("merge_method"))
    return f"{' + '.join(names[:4])}{' …' if len(names) > 4 else ''}: {method}"


def command(report: Report) -> str:
    """The command that merges the same."""
    tool = "mergekit-moe" if report.kind == "mixture" else "mergekit-yaml"
    return f"{tool} recipe.yml child --random-seed {report.seed} --lora-merge-cache adapters --lora-merge-dtype float32"


def hub_id(name: str) -> str:
    """The Hub model that a recipe's name stands for; an expert stands for the model that it was trained on."""
    model, _, _ = split(name)
    return model if "/" in model and not model.startswith(("/", ".", "~")) else EMBEDDED_MODEL


def _licence_note(licences: list[str]) -> str:
    if len(licences) <= 1:
        return ""
    return "\nThe parents have different licences: read all of them before you share this model.\n"


def _table(measured: list[Measured]) -> str:
    if not measured:
        return ""
    head = " | ".join(model.name for model in measured)
    lines = [f"\n## Measured\n\n| | {head} |", f"|---|{'---|' * len(measured)}"]
    for key, label in NAMES.items():
        lines.append(f"| {label} | {' | '.join(f'{m.shares[key].count} of {m.shares[key].of}' for m in measured)} |")
    lines.append(f"| perplexity ± σ | {' | '.join(f'{m.perplexity:.2f} ± {m.sigma:.2f}' for m in measured)} |")
    child = next((model for model in measured if model.role == "child"), None)
    for name, (mean, sigma) in child.kl.items() if child else ():
        lines.append(f"| KL({name} ‖ child), nats per token | {' | ' * (len(measured) - 1)}{mean:.4f} ± {sigma:.4f} |")
    lines.append("\nGreedy answers of at most 36 tokens to held-out prompts; perplexity and KL on the demo's sample text.\n")
    return "\n".join(lines)
