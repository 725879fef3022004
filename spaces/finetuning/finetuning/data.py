"""The types of the figures' data.

It is long because it is one list: the contract of the whole Space.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from shared.data import Mean, Progress, Share

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
    guessed: NotRequired[str]
    """What to say where a file's encoding is guessed at."""
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


class Spread(Mean):
    """A mean with its 95 % interval; None where a single row leaves it unknown."""

    low: float | None
    high: float | None


class Counted(Share):
    """How many answers show a behaviour."""

    name: str
    words: str


class Said(TypedDict):
    """A written answer."""

    prompt: str
    text: str
    ended: bool


class Mark(TypedDict):
    """What was measured after so many steps, on what is not trained on."""

    step: int
    tokens: list[list[float]]
    """−ln p of every token of each held-out answer, nats."""
    held_out: Spread
    """Its mean over tokens; rows are independent."""
    norms: list[tuple[str, int, float, float]]
    """Of every adapted module: its name, its block, ‖ΔW‖ and ‖W‖ (Frobenius)."""
    text: Spread | None
    """Loss of a plain text, nats a token."""
    kl: Spread | None
    """KL of that text's tokens from the model before training, nats."""
    elsewhere: Spread | None
    """KL of answers to questions that the rows are not about, nats a token."""
    chosen: Spread | None
    """DPO: by how much ln p of a held-out chosen answer grew, nats. ORPO: its ln p, nats a token. KTO: as
    DPO, of wanted answers, and rejected of unwanted ones.
    """
    rejected: Spread | None
    margin: Spread | None
    """DPO: by how much more the chosen grew than the rejected. ORPO: the log odds ratio."""
    shares: list[Counted] | None
    """Behaviours in written answers, where some were written."""
    said: list[Said] | None


class StepSeen(TypedDict):
    """One step of the optimizer, measured on its own rows before it."""

    step: int
    loss: float
    spread: float | None
    """Standard error of the loss over the step's rows."""
    rate: float
    norm: float
    """Of all gradients, before clipping to 1."""
    chosen: float | None
    """DPO, KTO: mean over the rows of ln p of the chosen answer minus that before training, nats; ORPO: of
    its ln p, nats a token.
    """
    rejected: float | None
    accuracy: float | None
    """DPO, ORPO: share of rows whose margin, or log odds ratio, is above 0."""
    nll: NotRequired[float | None]
    """ORPO: the part of the loss that learns the chosen texts, nats a token."""
    z0: NotRequired[float | None]
    """KTO: the reference point, nats: by how much answers to other prompts grew in ln p, not below 0."""


class Run(TypedDict):
    """One run of those beside each other."""

    name: str
    changes: dict[str, Any]
    """Settings that differ from the first run's."""
    rank: int
    parameters: int
    first: int
    """The lowest block with an adapter."""
    cached: bool
    """Whether the blocks below it ran once for every row."""
    steps: list[StepSeen]
    marks: list[Mark]
    stopped: str | None
    """Why it ended early, as a sentence."""
    seconds: float | None
    """Of one step, the median."""


class HeldOut(TypedDict):
    """A held-out row."""

    number: int
    question: str
    tokens: list[str]


class Trained(TypedDict):
    """What is trained on."""

    rows: int
    tokens: int
    """That the loss counts, in all rows together."""
    cut: int
    """Rows that max_length cuts."""
    empty: int
    """Rows whose answer is empty."""
    left_out: list[int]
    source: str
    more: bool
    separate: bool
    """Whether the held-out rows are not trained on."""
    form: NotRequired[Literal["talks", "texts", "both"]]
    """Conversations or texts."""
    ignored: NotRequired[list[str]]
    """What the objective does not read of the rows, in sentences; that a file's encoding is guessed."""


class Learner(TypedDict):
    """The model that learns."""

    model: str
    revision: str
    source: str
    dtype: str
    device: str
    blocks: int
    versions: dict[str, str]


class TrainWaiting(TypedDict):
    """A run before anything of it can be drawn."""

    kind: Literal["train"]
    drawable: Literal[False]
    done: Literal[False]
    progress: Progress


class Train(TypedDict):
    """A run, or several beside each other."""

    kind: Literal["train"]
    drawable: Literal[True]
    done: bool
    run_id: str
    request: dict[str, Any]
    objective: Literal["sft", "dpo", "orpo", "kto"]
    beta: float
    runs: list[Run]
    held_out: list[HeldOut]
    trained: Trained
    provenance: Learner
    resumed: int | None
    """The step of an earlier run that this one went on from."""
    progress: Progress | None
    seconds: float
    """Of the whole run."""
    cancelled: NotRequired[bool]
    example: NotRequired[bool]


class Sampled(TypedDict):
    """An answer of a group."""

    tokens: list[str]
    text: str
    ended: bool
    """Whether the model ended it; the token that does is the last one then."""
    logs: list[float]
    """ln p of each token when it was sampled, nats."""
    kl: list[float]
    """Of each token e^(q − p) − (q − p) − 1, p being its ln p and q that before training, nats."""
    moved: list[float] | None
    """By how much ln p of each token changed in the step, nats; None before it."""
    clipped: list[int]
    """Places of tokens that the clip took out of at least one optimizer step."""
    parts: list[float]
    """What each part of the reward pays, without its weight."""
    reward: float | None
    """None while it is being written."""
    advantage: float | None
    repeated: float
    """Share of its runs of three tokens that stood in it before."""


class Group(TypedDict):
    """Answers to one prompt."""

    number: int
    prompt: str
    wanted: str
    """The row's own answer."""
    answers: list[Sampled]
    mean: float | None
    """Of the rewards."""
    deviation: float | None
    """Their standard deviation (n − 1)."""


class Round(TypedDict):
    """A step: answers, and what was learnt from them."""

    step: int
    groups: list[Group]
    reward: Spread | None
    """Mean of all its answers; they are independent."""
    parts: list[float] | None
    """Mean of each part, without its weight."""
    tokens: float | None
    """Mean length of its answers."""
    ended: float | None
    repeated: float | None
    kl: float | None
    """Mean over tokens of the estimated KL divergence from the model before training, nats."""
    entropy: float | None
    """Of the next token, mean over tokens, nats."""
    losses: list[float]
    """Of each optimizer step."""
    norms: list[float]
    rates: list[float]
    clipped: list[float]
    """Share of tokens that the clip took out of each optimizer step."""


class Asked(TypedDict):
    """A held-out prompt, answered greedily."""

    prompt: str
    text: str
    ended: bool
    parts: list[float]
    reward: float
    repeated: float


class GrpoMark(TypedDict):
    """What was measured after so many steps, on what is not trained on."""

    step: int
    asked: list[Asked]
    reward: Spread
    repeated: Spread
    ended: Share
    text: Spread | None
    """Loss of a plain text, nats a token."""
    kl: Spread | None
    """KL of that text's tokens from the model before training, nats."""
    elsewhere: Spread | None
    """KL of answers to questions that the prompts are not about, nats a token."""


class Change(TypedDict):
    """One measure before and after."""

    name: str
    unit: str
    before: float
    after: float
    low: float | None
    """95 % interval of the difference, paired by prompt or text where both are known."""
    high: float | None
    verdict: Literal["better", "worse", "same", "unsure"]
    bound: str
    """From what on it counts as worse, or better."""


class RewardPart(TypedDict):
    """A part of the reward."""

    words: str
    weight: float


class Questioned(TypedDict):
    """What is sampled for."""

    prompts: int
    held_out: int
    source: str
    guessed: NotRequired[str]
    """What to say where a file's encoding is guessed at."""
    more: bool
    separate: bool


class GrpoWaiting(TypedDict):
    """A run before anything of it can be drawn."""

    kind: Literal["grpo"]
    drawable: Literal[False]
    done: Literal[False]
    progress: Progress


class Grpo(TypedDict):
    """Training by rewards."""

    kind: Literal["grpo"]
    drawable: Literal[True]
    done: bool
    run_id: str
    request: dict[str, Any]
    parts: list[RewardPart]
    rounds: list[Round]
    marks: list[GrpoMark]
    changes: list[Change]
    """From the first mark to the last, once there are two."""
    verdict: str
    questions: Questioned
    parameters: int
    targets: list[str]
    """The ends of the adapted layers' names."""
    first: int
    """The lowest block with an adapter."""
    cached: bool
    stopped: str | None
    provenance: Learner
    progress: Progress | None
    seconds: float
    cancelled: NotRequired[bool]
    example: NotRequired[bool]


class Fits(TypedDict):
    """What fits on a card."""

    card: int
    """Its memory, GB of 10⁹ bytes."""
    batch: dict[str, int]
    """The most rows of a step, by their length in tokens; 0 where not even one fits."""


class Method(TypedDict):
    """A way to train, and what memory it takes."""

    method: Literal["full", "lora", "qlora"]
    weights: int
    """Bytes."""
    states: int
    """Of the optimizer, bytes; with LoRA the adapter and its gradients too."""
    gradients: int
    """Bytes, where they stand beside the states."""
    a_token: int
    """Of activations, bytes for each token of a step."""
    trained: int
    """Parameters."""
    fits: list[Fits]


class Shapes(TypedDict):
    """What the formula needs of a model."""

    L: int
    blocks: int
    H: int
    I: int  # noqa: E741
    V: int


class Plan(TypedDict):
    """What memory training takes, and what fits where."""

    kind: Literal["plan"]
    drawable: Literal[True]
    done: bool
    run_id: str
    request: dict[str, Any]
    model: str
    parameters: int
    shape: Shapes
    methods: list[Method]
    formula: str
    assumed: str
    example: NotRequired[bool]
