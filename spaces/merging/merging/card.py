"""The model card of a child: its recipe as written, its parents with revisions, and what was measured of
it.
"""

from __future__ import annotations

import re

from merging import recipe as recipes
from merging.measure import Measured
from merging.programs import commands, in_words_of_mergekit
from merging.request import validate
from merging.run import Report
from merging.sources import expert_of, split
from shared import experts
from shared.models import EMBEDDED_MODEL, EMBEDDED_SOURCE, EMBEDDED_WHEEL

NAMES = {
    "refuses_cooking": "refuses cooking questions",
    "refuses_other": "refuses other questions",
    "pirate": "answers as a pirate",
    "concise": "answers in one sentence",
}


def model_card(report: Report, measured: list[Measured]) -> str:
    """The card as Markdown with the Hub's YAML head.

    Args:
        report: of the merge.
        measured: parents and child; may be empty.
    """
    parents = list(dict.fromkeys(found for name in report.sources if (found := hub_id(name))))
    licences = sorted({source.licence for source in report.sources.values()})
    licence = licences[0] if len(licences) == 1 and licences[0] else "other"
    head = {
        "library_name": "transformers",
        "license": licence,
        **({"base_model": parents, "base_model_relation": "merge"} if parents else {}),
        "pipeline_tag": "text-generation",
        "tags": ["mergekit", "merge", *(["moe"] if report.kind == "mixture" else [])],
    }
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", report.recipe)), default=0))
    rows = "\n".join(
        f"| {name} | {source.revision} | {source.licence or 'unknown'} |"
        for name, source in report.sources.items()
    )
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

{fence}yaml
{report.recipe.strip()}
{fence}

{_command(report, fence)}
{_table(measured)}
## Files

| file | bytes | sha256 |
|---|---|---|
{chr(10).join(f"| {name} | {size:,} | {report.sha256.get(name, '')} |" for name, size in report.files.items())}
"""


def title(report: Report) -> str:
    """What the child is, in a few words."""
    names = [expert_of(name) or split(name)[0].split("/")[-1] for name in report.sources]
    method = (
        "mixture of experts"
        if report.kind == "mixture"
        else str(recipes.parse(report.recipe).get("merge_method"))
    )
    return f"{' + '.join(names[:4])}{' …' if len(names) > 4 else ''}: {method}"


def _command(report: Report, fence: str) -> str:
    """How to make the same merge with mergekit alone, and how far it is the same."""
    program = commands(validate(report.recipe, report.seed)).strip()
    adapters = any(in_words_of_mergekit(name) != name for name in report.sources)
    copied = any(EMBEDDED_WHEEL in source.revision for source in report.sources.values())
    if not adapters and not copied:
        return (
            f"While the parents stay as they are, the same bytes come from:\n\n{fence}sh\n{program}\n{fence}"
        )
    said = "The same merge with mergekit's own command"
    if adapters:
        said += ", run in this demo's repository, where the experts' adapters lie"
    if copied:
        said += f"; it takes the Hub's {EMBEDDED_MODEL}, and this merge took the {EMBEDDED_SOURCE}, so that the weights differ a little"
    return f"{said}:\n\n{fence}sh\n{program}\n{fence}"


def hub_id(name: str) -> str | None:
    """The Hub model that a recipe's name stands for; an expert stands for the model that it was trained on, a
    folder for none.
    """
    model, _, _ = split(name)
    if model in experts.NAMES:
        return EMBEDDED_MODEL
    return None if model.startswith(("/", ".", "~")) else model


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
        lines.append(
            f"| {label} | {' | '.join(f'{m.shares[key].count} of {m.shares[key].of}' for m in measured)} |"
        )
    lines.append(
        f"| perplexity ± σ | {' | '.join(f'{m.perplexity:.2f} ± {m.sigma:.2f}' for m in measured)} |"
    )
    child = next((model for model in measured if model.role == "child"), None)
    for name, (mean, sigma) in child.kl.items() if child else ():
        lines.append(
            f"| KL({name} ‖ child), nats per token | {' | ' * (len(measured) - 1)}{mean:.4f} ± {sigma:.4f} |"
        )
    lines.append(
        "\nGreedy answers of at most 36 tokens to held-out prompts; perplexity and KL on the demo's sample text.\n"
    )
    return "\n".join(lines)
