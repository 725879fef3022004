"""What a visitor asks for: rows, the tokenizer and template that read them, and whose rules mask them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Self

from finetuning.data import Trainer
from finetuning.templates import PRESETS
from shared import checks, limits, request
from shared.checks import flag, one_of, whole
from shared.embedded_model import EMBEDDED_MODEL
from shared.errors import VisitorError
from shared.request import setting

TRAINERS: dict[Trainer, str] = {
    "trl": "TRL, as it is",
    "trl_assistant": "TRL, assistant_only_loss",
    "axolotl": "Axolotl, chat_template",
    "unsloth": "Unsloth, responses only",
    "transformers": "Trainer, LM collator",
}
"""Whose rules make the labels, by what they are called here."""

MAX_ROWS = 200
"""Rows that one look reads."""

MAX_TEXT = 400_000
"""Longest text of pasted rows, in characters."""


def row_text(name: str, value: Any) -> str:
    """Pasted rows, which the API may send as a list of objects."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        raise VisitorError("The rows are no JSON.", "Give a list of objects.") from None
    if len(text) > MAX_TEXT:
        raise VisitorError(
            f"The rows have {len(text):,} characters; the limit is {MAX_TEXT:,}.",
            "Paste fewer, or give them as a file: its first rows are read.",
        )
    return text


def short(most: int) -> Any:
    def check(name: str, value: Any) -> str:
        text = checks.text(name, value)
        if len(text) > most:
            raise VisitorError(f"{name} has {len(text):,} characters; the limit is {most:,}.", "Shorten it.")
        return text

    return check


def name_text(name: str, value: Any) -> str:
    return short(300)(name, value).strip()


def _template(name: str, value: Any) -> str:
    text = short(limits.MAX_TEMPLATE_CHARACTERS)(name, value)
    if text.strip() and text not in PRESETS and "{" not in text:
        raise VisitorError(
            f"There is no template “{text.strip()[:40]}”.",
            f"Write jinja, or choose one of {', '.join(PRESETS)}.",
        )
    return text if text.strip() else ""


FOLDED = "Clear one of them; on the page the dataset is under Advanced."
"""What to do where rows are given twice."""


@dataclass(frozen=True)
class MaskRequest(request.Request):
    """Everything that determines which tokens of which rows are trained on."""

    rows: str = setting("", row_text, "rows as a JSON list, JSON Lines, or one conversation")
    dataset: str = setting("", name_text, "a dataset of the Hub, in the place of rows")
    config: str = setting("", name_text, "the dataset's config")
    split: str = setting("train", name_text, "the dataset's split")
    model: str = setting(EMBEDDED_MODEL, name_text, "the model whose tokenizer and template read the rows")
    template: str = setting(
        "", _template, f"another chat template: jinja, or one of {', '.join(PRESETS)}; else the model's own"
    )
    trainer: str = setting("trl", one_of(*TRAINERS), f"whose rules the verdict is of: {', '.join(TRAINERS)}")
    max_length: int = setting(1024, whole(0, 1_000_000), "tokens of a row that are kept; 0 for all")
    packing: bool = setting(False, flag, "whether TRL packs several rows into one (bfd)")
    eot_tokens: str = setting(
        "", name_text, "Axolotl's eot_tokens, with commas between; the EOS token by default"
    )
    instruction_part: str = setting(
        "", short(300), "Unsloth's instruction_part; found in the template by default", blank=True
    )
    response_part: str = setting(
        "", short(300), "Unsloth's response_part; found in the template by default", blank=True
    )
    pad_token: str = setting("", name_text, "the pad token; the tokenizer's own by default")
    limit: int = setting(50, whole(1, MAX_ROWS), "rows to read at most")

    def consistent(self) -> Self:
        if self.rows.strip() and self.dataset:
            raise VisitorError("Both rows and a dataset are given.", FOLDED)
        if bool(self.instruction_part) != bool(self.response_part):
            raise VisitorError(
                "Only one of Unsloth's two markers is given.", "Give both, or neither to have them found."
            )
        return self
