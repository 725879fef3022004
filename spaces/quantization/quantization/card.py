"""The model card of a quantized model: what it is and what was measured of it."""

from __future__ import annotations

from collections.abc import Sequence

from quantization import data
from quantization.comparison import Comparison, Row
from shared import card, hub
from shared.numbers import counted

LIBRARIES = {
    "gguf": "gguf",
    "bitsandbytes": "transformers",
    "torchao": "transformers",
    "autoround": "transformers",
    "gptq": "transformers",
    "awq": "transformers",
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
        _asked(run),
        measured(run.base_facts, row.facts, form.label),
        "\n".join(f"- {card.escape(note)}" for note in notes),
        private=[model.id],
        made_from=[model.id],
    )


def set_card(run: Comparison, needs: Sequence[data.Need], context: int) -> str:
    """The card of a set of files, as Markdown with the Hub's YAML head.

    Args:
        run: whose rows were written and measured, one at least.
        needs: the memory of every measured row.
        context: tokens that those are of.
    """
    assert run.base_facts is not None and run.base is not None
    model, done = run.loaded, [row for row in run.rows if row.facts is not None]
    name, windows = card.public_name(model.id), len(run.base.windows)
    engines = list(dict.fromkeys(row.form.engine for row in done))
    head = card.model_head(
        library="gguf" if "gguf" in engines else "transformers",
        tags=["quantized", *engines],
        licences=[hub.licence(model.id)],
        base=[] if run.request.rotated else [model.id],
        relation="quantized",
    )
    text = "the visitor's text" if run.request.text else "the demo's sample text"
    versions = list(dict.fromkeys(row.facts["version"] for row in done if row.facts))
    failed = [row for row in run.rows if row.error is not None]
    notes = [
        *run.warnings,
        *(f"{row.form.name} is not among the files: {row.error}" for row in failed),
        *(
            f"{row.form.name}: {note}"
            for row in done
            if row.facts
            for note in row.facts["notes"]
            if note.startswith(SAID)
        ),
    ]
    return card.card(
        head,
        f"# {card.escape(name.split('/')[-1])} in {counted(len(done), 'format')}",
        f"Made from {card.code(name)} ({card.escape(model.source)}, revision {card.escape(model.revision)}) "
        f"with {card.escape('; '.join(versions))}.",
        f"Every number is of the file itself, which was written, read back and then measured on {text}: "
        f"{windows} {'window' if windows == 1 else 'windows'} of {run.request.context} tokens, the second "
        "half of each scored, as llama.cpp's perplexity tool does. KL divergence is from the model in "
        "float32, in nats, with its 95 % interval over windows; MB are 10⁶ bytes of weights, GGUF with its "
        f"tokenizer; memory is for a context of {context:,} tokens with keys and values in 16 bits: in "
        "llama.cpp, and where it says ≥ without what the runtime computes in.",
        _asked(run),
        _set_table(run, done, needs, context),
        "llama.cpp, Ollama and LM Studio read the .gguf files, transformers and vLLM the folders."
        if "gguf" in engines and len(engines) > 1
        else "",
        "\n".join(f"- {card.escape(note)}" for note in notes),
        private=[model.id],
        made_from=[model.id],
    )


SAID = ("Flattered", "Learnt from", "A mixture", "Groups of", "AutoRound with")
"""Beginnings of notes that a reader of a whole set needs."""


def _asked(run: Comparison) -> str:
    """What the questions are; "" where none were asked."""
    if run.questions is None:
        return ""
    sets = list(dict.fromkeys(item.task for item in run.questions.items))
    return (
        f"{counted(len(run.questions.items), 'question')} with choices, of the sets "
        f"{', '.join(sorted(sets))} that come with the demo (at most {run.request.questions} of each, seed "
        f"{run.request.seed}): an answer is lost where the base is right and the quantized model "
        "wrong, gained the other way round; the test is exact and two-sided (McNemar's, items of a passage "
        "together)."
    )


def _set_table(run: Comparison, done: Sequence[Row], needs: Sequence[data.Need], context: int) -> str:
    base = run.base_facts
    assert base is not None
    memory = {need["format"]: need for need in needs}
    asked = len(run.questions.items) if run.questions else 0
    rows: list[list[str]] = [
        [
            "base, as published",
            f"{base['file_bytes'] / 1e6:,.1f}",
            f"{base['bits']:.2f}",
            "0",
            "100",
            _with_error(base["ppl"], base["ppl_sigma"], 3),
            "",
            *([f"{sum(one.right() for one in run.questions.base)} right"] if run.questions else []),
        ]
    ]
    for row in done:
        facts = row.facts
        assert facts is not None
        kld, need = facts["kld"], memory[row.form.name]
        ends = "" if kld["low"] is None else f" ({kld['low']:.5f} to {kld['high']:.5f})"
        rows.append(
            [
                row.form.name,
                f"{facts['file_bytes'] / 1e6:,.1f}",
                f"{facts['bits']:.2f}",
                f"{kld['mean']:.5f}{ends}",
                _with_error(100 * facts["same_top"], _hundredfold(facts["same_top_sigma"]), 2),
                _with_error(facts["ppl"], facts["ppl_sigma"], 3),
                "" if need["bytes"] is None else f"{'≥ ' * need['at_least']}{need['bytes'] / 1e6:,.0f}",
                *([f"{facts['flips']['lost']} lost, {facts['flips']['gained']} gained"] if asked else []),
            ]
        )
    return card.table(
        [
            "file",
            "MB",
            "bits per weight",
            "KL divergence (95 %)",
            "same likeliest token, %",
            "perplexity ± σ",
            f"memory at {context:,} tokens, MB",
            *([f"answers of {asked} flipped"] if asked else []),
        ],
        rows,
    )


def _with_error(value: float, sigma: float | None, digits: int) -> str:
    return f"{value:.{digits}f}" + ("" if sigma is None else f" ± {sigma:.{digits}f}")


def measured(base: data.Base, facts: data.Facts, label: str) -> str:
    """The measured table, as Markdown."""
    kld = facts["kld"]

    ratio = f"{facts['ratio']:.4f}"
    if facts["ratio_low"] is not None and facts["ratio_high"] is not None:
        ratio += f" ({facts['ratio_low']:.4f} to {facts['ratio_high']:.4f})"
    share = _with_error(100 * facts["same_top"], _hundredfold(facts["same_top_sigma"]), 2)
    return card.table(
        ["", "base as published, measured in float32", label],
        [
            ["bits per weight (whole model)", f"{base['bits']:.2f}", f"{facts['bits']:.2f}"],
            [
                "weights as stored, MB (10⁶ bytes)",
                *(f"{one['file_bytes'] / 1e6:,.1f}" for one in (base, facts)),
            ],
            ["perplexity ± σ", *(_with_error(one["ppl"], one["ppl_sigma"], 3) for one in (base, facts))],
            ["perplexity ratio (95 % interval)", 1, ratio],
            ["KL divergence, mean ± σ, nats", 0, _with_error(kld["mean"], kld["sigma"], 5)],
            [
                "KL divergence, median, 99th percentile, largest",
                0,
                f"{kld['median']:.5f}, {kld['p99']:.4f}, {kld['max']:.4f}",
            ],
            ["same likeliest token", "100 %", f"{share} %"],
            ["RMS of Δp of the true token", 0, f"{facts['rms_dp']:.4f}"],
            *_flipped(facts),
        ],
    )


def _flipped(facts: data.Facts) -> list[list[str]]:
    """The lines of the answers that flipped, where questions were asked."""
    if "flips" not in facts:
        return []
    found = facts["flips"]
    own, of = found["right"]["count"], found["right"]["of"]
    before = own + found["lost"] - found["gained"]
    moved = (
        f"{100 * found['mean']:+.1f} points (95 %: {100 * found['low']:+.1f} to {100 * found['high']:+.1f})"
    )
    return [
        [f"right answers to {of} questions with choices", str(before), f"{own}: {moved}"],
        ["answers that flipped", "", f"{found['lost']} lost, {found['gained']} gained, p {found['p']:.2g}"],
    ]


def _hundredfold(value: float | None) -> float | None:
    return None if value is None else 100 * value
