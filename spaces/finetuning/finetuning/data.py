"""The types of the figures' data."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from shared.data import Progress

Part = Literal[
    "bos",
    "hidden",
    "system",
    "user",
    "tool",
    "header",
    "end",
    "prompt",
    "inserted",
    "thinking",
    "answer",
    "stop",
    "after",
    "template",
    "text",
    "completion",
]
"""What a token is: BOS; a system message that the template adds by itself; the messages; the header and the
end of others' messages; what begins an answer, what the template puts before it, its thoughts, itself, its
stop token, what follows that; anything else of the template; a text and its completion.
"""

Rule = Literal[
    "everything",
    "marked",
    "unmarked",
    "completion",
    "prompt",
    "span",
    "eot",
    "outside",
    "response",
    "instruction",
    "pad",
    "first",
    "packed",
    "cut",
    "dropped",
]
"""Why a trainer gives a token its label or none; in words in `Mask.rules`."""

Trainer = Literal["trl", "trl_assistant", "axolotl", "unsloth", "transformers"]


class Stretch(TypedDict):
    """Tokens of one label, up to before the token `to`."""

    to: int
    trained: bool
    rule: Rule


class View(TypedDict):
    """A row as one trainer sees it."""

    refused: str | None
    """Why it does not take the row, as a sentence."""
    dropped: str | None
    """Why the row is left out, as a sentence."""
    stretches: list[Stretch]
    trained: int
    """Tokens that the loss counts."""
    kept: int
    """Tokens that are read."""


class MaskRow(TypedDict):
    """One row: its tokens, and their labels by trainer."""

    number: int
    form: str
    tokens: list[str]
    ids: list[int]
    parts: list[Part]
    messages: list[int]
    """The place of each token's message; -1 for none."""
    roles: list[str]
    views: dict[Trainer, View]
    error: str | None
    """Why the template writes nothing for it."""


class Fix(TypedDict):
    """What mends a finding."""

    label: str
    text: str


class Finding(TypedDict):
    """Something that a visitor should know of their rows."""

    code: str
    grade: Literal["error", "warning", "note"]
    says: str
    why: str
    rows: list[int]
    """The numbers of the rows that it is true of; none where it is of the template."""
    of: int
    fixes: list[Fix]


class Totals(TypedDict):
    """All rows as one trainer sees them."""

    trained: int
    kept: int
    refused: int
    dropped: int


class Provenance(TypedDict):
    """Where the tokens come from."""

    model: str
    revision: str
    template: str
    rows: str
    more: bool
    """Whether there are rows that were not read."""
    added: list[str]
    eos: str | None
    pad: str | None
    bos: str | None
    markers: list[str] | None
    """Unsloth's instruction_part and response_part."""
    versions: dict[str, str]


class Waiting(TypedDict):
    """A look before anything of it can be drawn."""

    kind: Literal["mask"]
    drawable: Literal[False]
    done: Literal[False]
    progress: Progress


class Mask(TypedDict):
    """What is trained on."""

    kind: Literal["mask"]
    drawable: Literal[True]
    done: bool
    run_id: str
    request: dict[str, Any]
    verdict: str
    trainer: Trainer
    trainers: dict[Trainer, str]
    rules: dict[Rule, str]
    part_words: dict[Part, str]
    findings: list[Finding]
    totals: dict[Trainer, Totals]
    rows: list[MaskRow]
    provenance: Provenance
    progress: NotRequired[Progress | None]
    example: NotRequired[bool]
