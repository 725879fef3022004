"""What a visitor asks of a published model: what was it made from, and what to measure of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from abliteration import record, sets
from shared import request
from shared.checks import flag, one_of, text
from shared.errors import VisitorError
from shared.request import setting

EXAMPLE = "example"
"""Names the stored edit, examples/edit.json, which is made again."""
SCOPES = {
    "all": "all tensors",
    "writes": "the matrices that write into the residual stream alone, a third of a model",
}


def _name(name: str, value: Any) -> str:
    if not isinstance(value, str) or "\0" in value or not 0 < len(value.strip()) <= 200:
        raise VisitorError(
            f"No {name} model is named." if not value else f"{name} is {str(value)[:40]}.",
            "Write a model id of the Hub as owner/name, or an expert such as cautious.",
        )
    return value.strip()


def _record(name: str, value: Any) -> str:
    written = text(name, value)
    if len(written) > record.MOST_CHARACTERS:
        raise VisitorError("The record is longer than 20 MB.", "Give the file as it was exported.")
    return written.strip()


@dataclass(frozen=True)
class ForensicsRequest(request.Request):
    """Two models, or a base and the record of an edit."""

    base: str = setting("cautious", _name, "the model as it was: a Hub id, or an expert such as cautious")
    edited: str = setting(
        EXAMPLE,
        _name,
        f"the model that was made from it, or a LoRA adapter; {EXAMPLE} for the stored edit of cautious",
    )
    record: str = setting(
        "",
        _record,
        "an edit.json, which is made again in the place of edited, or heretic's reproduce.json, whose kernel "
        "is compared",
    )
    scope: str = setting("all", one_of(*SCOPES), "; ".join(map(": ".join, SCOPES.items())))
    measured: bool = setting(
        False, flag, "whether both models also answer the stored prompts; they must fit into memory"
    )
    contrast: str = setting(
        "cooking", one_of(*sets.STORED), f"the prompts for that, one of {', '.join(sets.STORED)}"
    )

    def consistent(self) -> ForensicsRequest:
        """The two models are two."""
        if self.base == self.edited:
            raise VisitorError(
                "Base and edited model are the same.", "Name the model that the edited one was made from."
            )
        return self
