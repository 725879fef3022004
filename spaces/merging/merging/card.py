"""The model card of a child: its recipe as written, its parents with revisions, and what was measured of
it; and that of an extracted adapter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version

from merging import data
from merging import recipe as recipes
from merging.comparison import ANSWER_TOKENS
from merging.names import expert_of, for_mergekit, hub_model, is_folder, split
from merging.programs import commands
from merging.report import Report
from merging.request import Request
from merging.sources import Source
from shared import card, shelf
from shared.embedded_model import EMBEDDED_MODEL, EMBEDDED_SOURCE, EMBEDDED_WHEEL

NAMES = {
    "refuses_cooking": "refuses cooking questions",
    "refuses_other": "refuses other questions",
    "pirate": "answers as a pirate",
    "concise": "answers in one sentence",
    "breaks_off": "breaks off in mid-sentence",
}


def model_card(report: Report, figure: data.Merge | None = None) -> str:
    """The card as Markdown with the Hub's YAML head.

    Args:
        report: of the merge.
        figure: its comparison with the parents, where there is one.
    """
    head = card.model_head(
        library="transformers",
        tags=["mergekit", "merge", *(["moe"] if report.kind == "mixture" else [])],
        licences=[source.licence for source in report.sources.values()],
        base=[
            hub_model(name) or name for source in report.sources for name in shelf.origins(split(source)[0])
        ],
        relation="merge",
    )
    versions = report.versions
    tools = f"torch {versions['torch']}, transformers {versions['transformers']}"
    licences = {source.licence for source in report.sources.values()}
    parents = card.table(
        ["parent", "revision", "licence"],
        [(name, source.revision, source.licence or "unknown") for name, source in report.sources.items()],
    )
    files = card.table(
        ["file", "bytes", "sha256"],
        [(name, f"{size:,}", report.sha256.get(name, "")) for name, size in report.files.items()],
    )
    return card.card(
        head,
        f"# {card.escape(title(report))}",
        f"Made with mergekit {versions['mergekit']} ({tools}), seed {report.seed}.",
        parents,
        "The parents have different licences: read all of them before you share this model."
        if len(licences) > 1
        else "",
        "## Recipe",
        card.fenced(report.recipe, "yaml"),
        _command(report),
        *(_measurements(figure) if figure and figure["models"] else ()),
        "## Files",
        files,
        private=folders(report.sources),
        made_from=[part for name in report.sources for part in split(name)[::2] if part],
    )


def folders(names: Mapping[str, Source]) -> Iterator[str]:
    """The folders of this machine that names of models consist of."""
    for name in names:
        model, _, lora = split(name)
        yield from (part for part in (model, lora) if part and is_folder(part))


def title(report: Report) -> str:
    """What the child is, in a few words."""
    names = [expert_of(name) or card.public_name(split(name)[0]).split("/")[-1] for name in report.sources]
    recipe = recipes.parse(report.recipe)
    method = "mixture of experts" if report.kind == "mixture" else str(recipe.get("merge_method"))
    return f"{' + '.join(names[:4])}{' …' if len(names) > 4 else ''}: {method}"


def _command(report: Report) -> str:
    """How to make the same merge with mergekit alone, and how far it is the same."""
    program = card.fenced(commands(Request(report.recipe, report.seed)), "sh")
    adapters = any(for_mergekit(name) != name for name in report.sources)
    copied = any(EMBEDDED_WHEEL in source.revision for source in report.sources.values())
    if not adapters and not copied:
        return f"While the parents stay as they are, the same weights, byte for byte, come from:\n\n{program}"
    sentence = "The same merge with mergekit's own command"
    if adapters:
        sentence += ", run in this demo's repository, where the experts' adapters lie"
    if copied:
        sentence += (
            f"; it takes the Hub's {EMBEDDED_MODEL}, and this merge took the {EMBEDDED_SOURCE}, so the "
            "weights differ a little"
        )
    return f"{sentence}:\n\n{program}"


def _measurements(figure: data.Merge) -> tuple[str, str, str]:
    """Shares, perplexity and divergence of parents and child, one column each."""
    models, text = figure["models"], figure["text"]
    rows: list[list[str]] = []
    for key in models[0]["shares"]:
        shares = [model["shares"][key] for model in models]
        label = NAMES.get(key) or f"{key} ({figure.get('rules', {}).get(key, '')})"
        rows.append([label, *(f"{share['count']} of {share['of']}" for share in shares)])
    for key in models[0].get("contrasts", {}):
        values = [
            _with_sigma(odds["mean"], odds["sigma"], 3) for odds in (m["contrasts"][key] for m in models)
        ]
        rows.append([f"{key}: ln p of one less that of the other, nats a token", *values])
    values = [_with_sigma(model["perplexity"], model["sigma"], 2) for model in models]
    rows.append(["perplexity ± σ", *values])
    divergences = models[-1]["kl"] if models[-1]["role"] == "child" else {}
    for name, kl in divergences.items():
        blank = [""] * (len(models) - 1)
        rows.append([f"KL({name} ‖ child), nats per token", *blank, _with_sigma(kl["mean"], kl["sigma"], 4)])
    return (
        "## Measurements",
        card.table(["", *(model["name"] for model in models)], rows),
        f"Greedy answers of at most {figure['request'].get('answer_tokens', ANSWER_TOKENS)} tokens. "
        f"Perplexity and KL are of the demo's sample text in {text['windows']} windows of {text['context']} "
        "tokens; σ is the standard error over these windows.",
    )


def _with_sigma(value: float, sigma: float | None, digits: int) -> str:
    return f"{value:.{digits}f}" + ("" if sigma is None else f" ± {sigma:.{digits}f}")


def adapter_card(model: str, sources: Mapping[str, Source], base: str, rank: int) -> str:
    """The card of an adapter that was extracted from two models.

    Args:
        model: the fine-tune, as a recipe names it.
        sources: it and the base, by name.
        base: what it was tuned from.
        rank: of each matrix, at most.
    """
    parent = hub_model(base)
    head = card.model_head(
        library="peft",
        tags=["mergekit", "peft"],
        licences=[source.licence for source in sources.values()],
        base=[parent] if parent else [],
        relation="adapter",
    )
    command = (
        f"mergekit-extract-lora --model {for_mergekit(model)} --base-model {for_mergekit(base)} "
        f"--max-rank {rank}"
    )
    names = [card.public_name(split(name)[0]) for name in (model, base)]
    return card.card(
        head,
        f"# {card.escape(f'LoRA adapter: {names[0]} from {names[1]}')}",
        f"The difference of the two models' weights, cut to rank {rank} at most per matrix by singular value "
        f"decomposition, with mergekit {version('mergekit')}:",
        card.fenced(command, "sh"),
        private=folders(sources),
    )
