"""The types of the figure's data."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from shared.data import Origin, Progress


class Side(TypedDict):
    """A model."""

    name: str
    rounding: str
    device: str
    packed: bool
    """Whether a prompt and its choices shared a row."""
    origin: Origin


class Task(TypedDict):
    """A set of items."""

    name: str
    says: str
    planned: int
    groups: int
    """Independent groups of the planned items."""
    chance: float
    """The score of guessing."""


class Asked(TypedDict):
    """An item that every model has answered."""

    id: str
    task: str
    cluster: str
    prompt: str
    choices: list[str]
    gold: int
    delimiter: str


class Read(TypedDict):
    """An item as one or more models read it: its tokens as text."""

    context: list[str]
    choices: list[list[str]]


class Answered(TypedDict):
    """What a model makes of an item."""

    logs: list[list[float]]
    """ln p of every token of every choice, nats."""
    answer: int
    """Place of the choice that it gives."""
    read: int
    """Which of the item's readings is its own."""


class Score(TypedDict):
    """A model's share of right answers."""

    model: int
    task: str
    """"" for all items."""
    count: int
    of: int
    low: float
    high: float
    groups: int
    brier: float


class Difference(TypedDict):
    """A model against the first one."""

    model: int
    task: str
    """"" for all items."""
    mean: float
    low: float
    high: float
    gained: int
    lost: int
    of: int
    groups: int
    p: float
    """Of the exact test; for a task corrected for the number of tasks."""
    changed: int
    """Items with another answer, right or wrong."""


class SeenFrom(TypedDict):
    """What so many items will show."""

    discordant: float
    smallest: float | None


class PlannedLook(TypedDict):
    """A look at the running comparison."""

    groups: int
    items: int
    total: int
    boundary: int | None
    spent: float
    stops: bool


class Looked(TypedDict):
    """The planned looks of one model against the first."""

    model: int
    level: float
    looks: list[PlannedLook]


class Bin(TypedDict):
    """Items with similar probabilities of the answer that was given."""

    mean: float
    right: int
    of: int
    low: float
    high: float


class Calibration(TypedDict):
    """How often a model's answers are right, against how probable it finds them."""

    model: int
    bins: list[Bin]
    brier: float
    against: tuple[float, float, float] | None
    """Brier score less the first model's, and its 95 % interval; None for the first."""


class Share(TypedDict):
    """A model's result as the Hub and lm-eval read it."""

    name: str
    results: str
    """Entries for `.eval_results` of its repository, YAML."""
    head: str
    """The same in the head of its card, `model-index`; the summary follows it."""
    command: str
    """What gives the same numbers in a shell with lm-eval."""


class Summary(TypedDict):
    """The result to take away."""

    markdown: str
    csv: str
    models: list[Share]


class Provenance(TypedDict):
    """How the numbers were made."""

    versions: dict[str, str]
    seed: int
    metric: str
    chat: bool


class Compare(TypedDict):
    """An evaluation of one or more models."""

    kind: Literal["compare"]
    drawable: Literal[True]
    done: bool
    run_id: str
    request: dict[str, Any]
    models: list[Side]
    tasks: list[Task]
    planned: int
    planned_groups: int
    items: list[Asked]
    reads: list[list[Read]]
    """Of every item its readings, mostly one."""
    answers: list[list[Answered]]
    """Of every model, of every item so far."""
    scores: list[Score]
    differences: list[Difference]
    looks: list[Looked]
    power: list[SeenFrom]
    calibration: list[Calibration]
    verdicts: list[str]
    """What may be said, the first one first; while a run goes on that it may not."""
    stopped: str
    """Why the run ended before the last item; "" where it did not."""
    notes: list[str]
    summary: Summary | None
    provenance: Provenance
    progress: Progress | None
    seconds: float
    cancelled: NotRequired[bool]
    example: NotRequired[bool]


class Waiting(TypedDict):
    """A run before the first item."""

    kind: Literal["compare"]
    drawable: Literal[False]
    done: Literal[False]
    progress: Progress
