"""The types of the data of all three figures, from which JavaScript's types are written.

It is long because it is one list: the contract of the whole Space.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from shared.data import Origin, Progress, Share


class Side(TypedDict):
    """A model."""

    name: str
    rounding: str
    device: str
    packed: bool
    """Whether a prompt and its choices shared a row."""
    parameters: int
    vocabulary: int
    """Tokens."""
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
    turns: NotRequired[list[list[str]]]
    """The prompt as a conversation, role and text of each message, where it is one."""


class Read(TypedDict):
    """An item as one or more models read it: its tokens as text."""

    context: list[str]
    choices: list[list[str]]


class Answered(TypedDict):
    """What a model makes of an item."""

    logs: list[list[float]]
    """ln p of every token of every choice, nats."""
    alone: NotRequired[list[float]]
    """ln p of every choice without the prompt, nats, where the metric asks for it."""
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


class PairedDifference(TypedDict):
    """Two models on the same items, see `shared.paired.Difference`."""

    mean: float
    low: float
    high: float
    gained: int
    lost: int
    of: int
    """Answers of each."""
    groups: int
    p: float
    """Of the exact test, corrected where it is one of several."""


class Difference(PairedDifference):
    """A model against the first one."""

    model: int
    task: str
    """"" for all items."""
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
    task: str
    """"" for all items; of sets alone once the run is over."""
    bins: list[Bin]
    brier: float
    against: tuple[float, float, float] | None
    """Brier score less the first model's, and its 95 % interval; None for the first."""


class ShareTexts(TypedDict):
    """A model's result as the Hub and lm-eval read it."""

    name: str
    results: str
    """Entries for `.eval_results` of its repository, YAML."""
    head: str
    """The same in the head of its card, `model-index`; the summary follows it."""
    command: str
    """What gives the same numbers in a shell with lm-eval."""
    job: str
    """What asks a full-size run of the same tasks of the Hub, with its hardware, hours and cost."""


class Summary(TypedDict):
    """The result to take away."""

    markdown: str
    csv: str
    models: list[ShareTexts]


class Provenance(TypedDict):
    """How the numbers were made."""

    versions: dict[str, str]
    seed: int
    metric: str
    chat: bool


class Overlap(TypedDict):
    """What a corpus holds of an item: of its prompt with the right choice."""

    words: int
    """Of the item, and signs where they count."""
    run: int
    """Of the longest run that stands in a row of the corpus; 0 for one shorter than 8 and than the item."""
    row: int
    """Of the corpus, from 0; -1 for none."""
    eight: float
    """Share of the item's 8-grams that stand anywhere in the corpus; of a shorter item, all or nothing."""
    thirteen: float
    answer: bool
    """Whether the run goes on to the end of the right choice."""
    text: str
    """The run, shortened."""


class HeldScore(TypedDict):
    """A model's share of right answers to items that the corpus holds, and to the others."""

    model: int
    held: tuple[int, int]
    """Right answers, items."""
    held_interval: tuple[float, float]
    clean: tuple[int, int]
    clean_interval: tuple[float, float]
    p: float | None
    """Fisher's exact test of the two, corrected for the number of models; None where items share passages, or
    one side has none.
    """


class Contamination(TypedDict):
    """The items against a corpus."""

    corpus: str
    rows: int
    more: bool
    """Whether it has more rows than were read."""
    ngram: int
    """Words in a row from which an item counts as held."""
    overlaps: list[Overlap]
    """Of every planned item, in their order."""
    held: list[bool]
    scores: list[HeldScore]
    """Once all items were asked."""
    differences: list[Difference]
    """To the first model on the items that the corpus does not hold; p corrected for the number of models."""


class Evaluation(TypedDict):
    """Models, what may be said of them, and how far the run is."""

    drawable: Literal[True]
    done: bool
    run_id: str
    request: dict[str, Any]
    models: list[Side]
    verdicts: list[str]
    """What may be said, the first one first; while a run goes on that it may not."""
    notes: list[str]
    progress: Progress | None
    seconds: float
    cancelled: NotRequired[bool]
    example: NotRequired[bool]


class Compare(Evaluation):
    """An evaluation of one or more models."""

    kind: Literal["compare"]
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
    contamination: Contamination | None
    stopped: str
    """Why the run ended before the last item; "" where it did not."""
    summary: Summary | None
    provenance: Provenance


class Made(TypedDict):
    """How the numbers were made; the rest stands in the request."""

    versions: dict[str, str]
    seed: int


class AskedAs(TypedDict):
    """An item in a form."""

    prompt: str
    choices: list[str]
    gold: int
    delimiter: str


class FormSaid(TypedDict):
    """A form that every model has answered, but those that cannot read it."""

    name: str
    kind: str
    says: str
    asked: list[AskedAs]
    """Of every item."""
    sent: list[str]
    """Of every item what the first model that reads the form was sent; empty where that is the prompt."""


class FormScore(TypedDict):
    """A model's share of right answers in a form."""

    model: int
    form: int
    count: int
    of: int
    low: float
    high: float
    groups: int


class FormDifference(PairedDifference):
    """A model against the first one in a form; p is corrected for the number of models, of a single form
    for all forms, too.
    """

    model: int
    form: int
    """-1 for all forms that both read, together."""


class Spread(TypedDict):
    """How far a model's score moves from form to form."""

    model: int
    lowest: int
    """The form of the smallest score."""
    highest: int
    wide: float
    """Largest score less smallest."""
    p: float | None
    """Of the test that the form has no part in it, for as many models; None before the end."""


class Fragile(Evaluation):
    """Models on the same items in several forms."""

    kind: Literal["fragile"]
    planned: list[str]
    """Names of all forms."""
    groups: int
    """Independent groups of items."""
    chance: float
    """The score of guessing."""
    items: list[Asked]
    forms: list[FormSaid]
    """Those so far; the first is the one whose difference is claimed."""
    answers: list[list[list[int] | None]]
    """Of every model, form and item the place of its answer among the item's own choices; None where the
    model cannot read the form.
    """
    scores: list[FormScore]
    differences: list[FormDifference]
    spreads: list[Spread]
    stopped: str
    provenance: Made


class Said(TypedDict):
    """A model's answer."""

    text: str
    tokens: int
    ended: bool
    """Whether the model ended it itself."""
    knows: bool | None
    """Whether it contains what is expected; None where nothing is."""


class Prompt(TypedDict):
    """What every model answered."""

    prompt: str
    expected: list[str]
    answers: list[Said]


class Verdict(TypedDict):
    """What the judge makes of a pair."""

    shown: float
    """ln P(A) − ln P(B), nats, with the left answer as A."""
    turned: float
    """The same with the right answer as A."""
    winner: int
    """The model that it prefers in both orders; -1 for none."""


class Pair(TypedDict):
    """Two answers to a prompt, without names."""

    prompt: int
    left: int
    """The model whose answer stands on the left."""
    right: int
    same: bool
    """Whether the answers are the same text: a tie that nobody is asked about."""
    judge: Verdict | None
    known: int | None
    """The model that alone has what is expected, -1 for both or none; None where nothing is."""


class Rank(TypedDict):
    """A model by its pairs."""

    model: int
    wins: float
    """A tie is half of one."""
    of: int
    low: float
    high: float
    strength: float | None
    """Log odds of winning against the first model, nats; None where no pairs lead to it."""
    sigma: float | None


class Agreed(TypedDict):
    """How far two judges agree."""

    same: int
    of: int
    kappa: float | None
    low: float
    high: float


class Arena(Evaluation):
    """Models whose answers are held against each other in pairs."""

    kind: Literal["judge"]
    judge: str
    """Its name; "" for none."""
    prompts: list[Prompt]
    """Those that every model has answered."""
    pairs: list[Pair]
    ranks: list[Rank]
    """By the judge's verdicts."""
    flips: Share | None
    """Pairs on which its verdict changes with the order."""
    first: Share | None
    """Readings in which it prefers the answer that stands first."""
    known: list[Share]
    """Of every model its answers that contain what is expected."""
    agreed: Agreed | None
    """The judge and what is expected."""
    provenance: Made
    votes: NotRequired[dict[str, str]]
    """A visitor's, by the pair's place, in a file that was exported: left, right, tie or bad."""


class FollowTask(TypedDict):
    """Instructions of one group."""

    name: str
    planned: int
    """Prompts that have some."""


class Checked(TypedDict):
    """A model's answer, checked."""

    text: str
    tokens: int
    ended: bool
    """Whether the model ended it itself."""
    strict: list[bool]
    """Of every instruction, whether the answer as it is does it."""
    loose: list[bool]
    """Likewise, without its first or last line or asterisks where that helps."""


class FollowPrompt(TypedDict):
    """A prompt that every model has answered."""

    prompt: str
    instructions: list[str]
    groups: list[str]
    """Of every instruction."""
    answers: list[Checked]


class FollowScore(TypedDict):
    """A model's share of prompts whose instructions it follows."""

    model: int
    task: str
    """"" for all instructions of a prompt, else those of a group."""
    count: int
    of: int
    low: float
    high: float
    other: int
    """Prompts by the other reading."""


class FollowMade(TypedDict):
    """How the numbers were made."""

    versions: dict[str, str]
    reading: str
    """Strict or loose."""
    tokens: int
    """Of the longest answer."""


class Follow(Evaluation):
    """Models that were given instructions which a program checks."""

    kind: Literal["follow"]
    tasks: list[FollowTask]
    planned: int
    prompts: list[FollowPrompt]
    scores: list[FollowScore]
    differences: list[Difference]
    power: list[SeenFrom]
    stopped: str
    provenance: FollowMade


class TaskMeasure(TypedDict):
    """A metric of what a filter takes of the answers."""

    name: str
    """lm-eval's name of the metric."""
    filter: str
    """lm-eval's name of the filter; "" where there is none."""
    says: str
    higher: bool
    """Whether more is better."""
    share: bool
    """Whether a document is right or wrong, and the metric their share."""


class TaskAnswer(TypedDict):
    """What a model makes of a document."""

    text: NotRequired[str]
    """What it wrote."""
    tokens: NotRequired[int]
    ended: NotRequired[str]
    """Where the answer ends: "stop" at a text of the task, "end" where the model ended it, "length"."""
    taken: NotRequired[list[str]]
    """What each filter takes of it."""
    log: NotRequired[float]
    """ln p of the target, or of the whole text, nats."""
    scored: NotRequired[int]
    """Tokens of the target."""
    choice: NotRequired[int]
    """The likeliest choice."""
    logs: NotRequired[list[float]]
    """ln p of every choice, nats."""
    right: list[bool | None]
    """By each measure that is a share; None for the others."""


class TaskDocument(TypedDict):
    """A document that every model has answered."""

    id: str
    prompt: str
    targets: list[str]
    choices: NotRequired[list[str]]
    answers: list[TaskAnswer]


class MeasureScore(TypedDict):
    """A metric of a model."""

    model: int
    measure: int
    value: float
    low: float | None
    """Of its 95 % interval; None where a single document leaves it unknown."""
    high: float | None
    count: int | None
    """Right answers, where it is a share."""
    of: int


class MeasureDifference(TypedDict):
    """A metric of a model less the first one's."""

    model: int
    measure: int
    value: float
    low: float | None
    high: float | None
    gained: int | None
    lost: int | None
    of: int
    changed: int
    """Documents with another answer; with another likelihood where likelihoods are read."""
    p: float
    """Of the paired test, corrected where it is one of several."""


class TaskMade(TypedDict):
    """How the numbers were made."""

    versions: dict[str, str]
    kind: str
    """lm-eval's output type."""
    until: list[str]
    tokens: int
    """Of the longest answer; 0 where nothing is written."""
    chat: bool


class WholeTaskRun(Evaluation):
    """Models on a task of lm-eval with all its metrics."""

    kind: Literal["task"]
    task: str
    """Its name."""
    planned: int
    measures: list[TaskMeasure]
    """The first one is what the verdict is about."""
    documents: list[TaskDocument]
    scores: list[MeasureScore]
    differences: list[MeasureDifference]
    power: list[SeenFrom]
    """Of the first measure, where it is a share."""
    stopped: str
    provenance: TaskMade


class Waiting(TypedDict):
    """A run before the first item."""

    kind: Literal["compare", "fragile", "follow", "judge", "task"]
    drawable: Literal[False]
    done: Literal[False]
    progress: Progress
