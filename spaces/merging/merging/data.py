"""The data of the merging figures: what the engine makes, the API returns, cards read and `js/` draws.

It is long because it is one list: the contract of the whole Space.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from shared.data import Failed, Failure, Mean, Progress, Share

Role = Literal["base", "parent", "child"]
Level = Literal["error", "warning", "note"]
LayerMap = list[list[float | None]]
"""Values by layer and module; None where a layer has no such module or nothing could be compared."""


# A merge with its parents


class Finding(TypedDict):
    """One thing that the check of a recipe has to say."""

    level: Level
    where: str
    """Path in the recipe; empty for the whole."""
    message: str
    fix: str
    """What to do; empty where nothing need be done."""


class Source(TypedDict):
    """A parent as it went into the merge."""

    name: str
    revision: str
    licence: str
    """Empty where none is stated."""


Job = Literal["merge", "mixture", "extract", "sample"]


class Report(TypedDict):
    """A finished merge."""

    kind: Job
    files: dict[str, int]
    """Bytes by name."""
    sha256: dict[str, str]
    """Of each weight file."""
    seed: int
    seconds: float
    peak_memory: int
    """Bytes."""
    recipe: str
    findings: list[Finding]
    versions: dict[str, str]
    models: list[Source]


class Answer(TypedDict):
    """A model's answer."""

    text: str
    ended: bool
    """False where it was cut at the longest length."""


class Contrast(Mean):
    """Of "is likelier": ln p of the wanted answer less that of the other, nats a token of each, with its 95 %
    interval; clusters are prompts.
    """

    low: float | None
    high: float | None


class Flips(TypedDict):
    """The merge against another model on the same prompts, see `shared.paired.Difference`."""

    mean: float
    """Share of prompts on which the merge shows it, less the other's."""
    low: float
    high: float
    gained: int
    lost: int
    of: int
    p: float
    """Of McNemar's exact test, corrected for all behaviours and models."""


class Model(TypedDict):
    """One model, measured."""

    name: str
    """In the recipe, or "child"."""
    role: Role
    revision: str
    shares: dict[str, Share]
    """By behaviour."""
    answers: list[Answer]
    """To the cooking, the other, the own and then the visitor's further prompts."""
    perplexity: float
    sigma: float | None
    """Standard error of the perplexity over the windows of the text; None where there is one window."""
    kl: dict[str, Mean]
    """KL(parent ‖ child), nats per token, by parent; of the child alone."""
    against: NotRequired[dict[str, dict[str, Flips]]]
    """Of the child alone: by another model, by behaviour."""
    contrasts: NotRequired[dict[str, Contrast]]
    """By behaviour of that rule."""
    broken: NotRequired[Share]
    """Answers that say the same again and again."""


class Pair(TypedDict):
    """Two parents' task vectors against each other."""

    first: str
    second: str
    cosine: LayerMap
    conflict: LayerMap
    """Share of the entries that both changed whose signs differ."""


class OuterTensor(TypedDict):
    """A tensor outside of the layers."""

    name: str
    norm: dict[str, float | None]
    """As in the atlas, by parent."""


class Atlas(TypedDict):
    """Task vectors of the parents as maps of layer × module."""

    base: str
    parents: list[str]
    layers: int
    modules: list[str]
    names: list[list[str]]
    """Of the tensors, by layer and module; empty where there is none."""
    norm: dict[str, LayerMap]
    """‖W − W_base‖ / ‖W_base‖ by parent."""
    pairs: list[Pair]
    outside: list[OuterTensor]


class Carriers(TypedDict):
    """How much of a parent's behaviour each band of layers carries by itself."""

    parent: str
    bands: list[tuple[int, int]]
    """First and last layer."""
    base: float
    """Mean log-probability of a token of the parent's answers under the base, nats."""
    whole: float
    """The same under the parent."""
    share: dict[str, list[float]]
    """By part and band: of the way from base to parent, 1 for all of it."""
    tokens: int
    done: bool


class Prompts(TypedDict):
    """What every model answered."""

    cooking: list[str]
    other: list[str]
    own: NotRequired[list[str]]
    """Of a visitor's behaviours, and of other stored sets."""
    asked: list[str]
    """Further ones, without a rule."""


class SampleText(TypedDict):
    """What perplexity and KL are measured on."""

    name: str
    context: int
    """Tokens of a window; its second half is scored."""
    windows: int


class CheckedModel(TypedDict):
    """A model of a recipe."""

    name: str
    revision: str
    parameters: int
    bytes: int
    dtype: str
    licence: str
    here: bool
    """Whether its weights lie on this machine."""


class Cost(TypedDict):
    """What a merge takes; all but the weights and the seconds in bytes."""

    parameters: int
    disk: int
    download: int
    memory: int
    seconds: int
    free: int


class Check(TypedDict):
    """A recipe, checked."""

    ok: bool
    findings: list[Finding]
    tensors: int | None
    layers: int | None
    models: list[CheckedModel]
    cost: Cost | None
    commands: NotRequired[str]
    """A shell program that makes the merge on any machine; empty where the recipe is wrong."""


class Merge(TypedDict):
    """A merge and its comparison with the parents, as far as it has come."""

    kind: Literal["merge"]
    run_id: str
    drawable: Literal[True]
    done: bool
    request: dict[str, Any]
    report: Report
    title: str
    models: list[Model]
    """Parents in the recipe's order, the base first, the child last."""
    skipped: list[str]
    """What could not be measured and why."""
    atlas: Atlas | None
    carriers: list[Carriers]
    prompts: Prompts
    rules: NotRequired[dict[str, str]]
    """By behaviour: when an answer shows it, in words."""
    text: SampleText
    progress: Progress | None
    seconds: NotRequired[float | None]
    device: NotRequired[str]
    check: NotRequired[Check | None]
    example: NotRequired[bool]


class TensorSample(TypedDict):
    """Entries of one tensor's task vectors, the same of every parent."""

    name: str
    shape: list[int]
    entries: int
    sampled: int
    values: dict[str, list[float]]
    """By parent."""


# The merges between models

Goal = Literal["behaviours", "loss"]


class NamedModel(TypedDict):
    """A corner of the plane."""

    name: str
    revision: str


class Blend(TypedDict):
    """A merge between the models, measured."""

    weights: list[float]
    """Of the task vectors of all models but the first."""
    loss: float
    """Nats per token."""
    sigma: float | None
    """Standard error of the loss over the windows of the text; None where there is one window."""
    shares: dict[str, Share]
    """By behaviour; empty where no answers were written."""
    chances: dict[str, float]
    """Mean log-probability of the opening that shows a behaviour, nats; empty where it was not measured."""


class Point(Blend):
    """A point of the grid."""

    recipe: str
    """Of the merge at this point."""


class Candidate(Blend):
    """A merge that the search tried."""

    score: float
    generation: int


class Best(Point):
    """The best merge of a search, on the prompts of the search."""

    score: float


class HeldOut(Blend):
    """The best merge of a search, on prompts that the search did not see."""

    score: float


class Search(TypedDict):
    """A search for weights."""

    goal: Goal
    seed: int
    candidates: list[Candidate]
    means: list[list[float]]
    """The centre of the search, generation by generation."""
    best: Best | None
    held_out: HeldOut | None
    warnings: NotRequired[list[str]]


class ScoredText(TypedDict):
    """The text of the loss."""

    tokens: int
    """That are scored."""
    windows: int


class Between(TypedDict):
    """The merges between two or three models, as far as they are measured."""

    run_id: str
    drawable: Literal[True]
    done: bool
    request: dict[str, Any]
    points: list[Point]
    """Of the grid; empty where weights are searched."""
    search: Search | None
    models: list[NamedModel]
    behaviours: list[str]
    each: int
    """Prompts of a behaviour, at most."""
    rules: NotRequired[dict[str, str]]
    """By behaviour: when an answer shows it, in words."""
    text: ScoredText
    progress: Progress | None
    seconds: NotRequired[float]
    device: NotRequired[str]
    example: NotRequired[bool]


class Explore(Between):
    """The points of a grid."""

    kind: Literal["explore"]


class Evolve(Between):
    """A search for weights."""

    kind: Literal["evolve"]


# A mixture of experts


class GatePair(TypedDict):
    """How alike the gates of two experts are."""

    first: int
    """Place among the experts."""
    second: int
    cosine: list[float]
    """By layer."""


class GateMode(TypedDict):
    """The gates that one mode computes."""

    mode: str
    pairs: list[GatePair]
    condition: list[float | None]
    """Condition number of a layer's gates; None where it is not finite."""
    degenerate: list[int]
    """Layers of which mergekit warns."""


class GateVectors(TypedDict):
    """The gates of a mixture, as mergekit computes them from the prompts."""

    experts: list[str]
    """The routed ones first, then shared ones that have a gate."""
    routed: int
    layers: int
    width: int
    """Numbers in a gate."""
    own: str
    """The recipe's mode."""
    modes: list[GateMode]
    skipped: list[str]
    model: NamedModel
    """The base, which reads the prompts."""


class Gates(TypedDict):
    """A mixture's gates alone."""

    kind: Literal["gates"]
    drawable: Literal[True]
    done: Literal[True]
    run_id: str
    request: dict[str, Any]
    gates: GateVectors


class GatesFailed(TypedDict):
    """Gates that cannot be computed."""

    kind: Literal["gates"]
    drawable: Literal[False]
    error: Failure


class RoutedToken(TypedDict):
    """A token that was routed."""

    text: str
    of: int
    """Place of its text."""


class OwnPrompts(TypedDict):
    """Where the tokens of an expert's own prompts go."""

    expert: int
    tokens: int
    load: list[float]
    """Share of the places in all layers, by expert."""


class RoutedMode(TypedDict):
    """The routing with the gates of one mode."""

    mode: str
    weights: list[list[list[float]]]
    """By token, layer and expert; 0 where the token does not go to the expert."""
    load: list[list[float]]
    """By layer and expert: the share of the tokens' places that it gets."""
    entropy: list[float]
    """By layer: of the router's probabilities of all experts, in nats, the mean over the tokens."""
    own: list[OwnPrompts]
    agreement: float
    """Share of tokens and layers whose first expert is the one of the recipe's mode."""


class Mixture(TypedDict):
    """A mixture of experts: its gates, and where they send the tokens of some texts."""

    kind: Literal["mixture"]
    drawable: Literal[True]
    done: bool
    run_id: str
    request: dict[str, Any]
    title: str
    gates: GateVectors
    per_token: int
    """Experts that a token goes to in each layer."""
    tokens: list[RoutedToken]
    routed: list[RoutedMode]
    report: Report | None
    skipped: list[str]
    progress: Progress | None
    seconds: float | None
    device: NotRequired[str]
    check: NotRequired[Check | None]
    example: NotRequired[bool]


# The family tree

Relation = Literal["finetune", "adapter", "merge", "quantized", "new_version"]
Status = Literal["ok", "here", "gated", "disabled", "private", "missing", "local", "unread"]
Part = Literal["contributor", "base", "adapter", "tokenizer", "parent"]
Span = tuple[float, float]
"""Lowest and highest coefficient of a model's weights in another's: 1 for all of it."""


class Member(TypedDict):
    """A model of the tree."""

    id: str
    sha: str
    """Commit that was read; empty where it is not known, as are all texts below."""
    licence: str
    status: Status
    share: Span | None
    """In the weights of the start; None for no ancestor, and until the tree is complete."""
    reason: str
    """Why the status is not "ok"."""
    author: str
    downloads: int | None
    created: str
    modified: str
    parameters: int | None
    children: dict[str, int]
    """Number by relation, as the Hub counts."""
    more: dict[str, int]
    """Number by relation of those that are not in the tree."""
    depth: int
    """Generations above the start; negative below."""
    method: str
    recipe: str
    """YAML of its merge."""
    notes: list[str]
    members: list[str]
    """Models that it stands for, where some name each other as parents."""
    asks: list[str] | None
    """What its licence asks for; None where its terms are not known."""
    licence_url: str
    x: float
    """Column, 0 for the leftmost ancestors."""
    y: float
    """Row."""


class Evidence(TypedDict):
    """Where a relation was read."""

    source: str
    says: str


class Kinship(TypedDict):
    """A parent's part in a child."""

    source: str
    target: str
    relation: Relation
    role: Part
    weight: float | None
    density: float | None
    layers: list[tuple[int, int]]
    """First layer and the one after the last of each slice; empty for all."""
    part: Span
    """Of the parent's weights in the child's."""
    revision: str
    evidence: list[Evidence]
    pinned: bool
    """Whether the child names the parent's revision."""
    bends: list[tuple[float, float]]
    """Places that the line passes on its way, as x and y of a member."""


Obligation = TypedDict(
    "Obligation", {"asks": str, "from": str, "licence": str, "url": str, "path": list[str]}
)
"""What an ancestor's licence asks of the start, and the way from the start to it."""
UnknownTerms = TypedDict(
    "UnknownTerms", {"from": str, "licence": str, "path": list[str], "unread": NotRequired[str]}
)
"""A model whose terms are not known; `unread` says why its licence could not be read."""


class Conflict(TypedDict):
    """What stands against the start's licence."""

    message: str
    resolve: str


class Licences(TypedDict):
    """What the ancestors' licences ask."""

    own: str
    obligations: list[Obligation]
    """The strictest first."""
    unknown: list[UnknownTerms]
    conflicts: list[Conflict]
    laxer: NotRequired[list[Conflict]]
    """Ancestors that state less than what they were made of asks."""
    note: str


class Requests(TypedDict):
    """Requests to the Hub in the last five minutes."""

    api: int
    file: int


class TestedParent(TypedDict):
    """A declared parent against the weights."""

    name: str
    coefficient: float
    """Least squares of the task vectors."""
    sigma: float
    cosine: float
    verdict: str


class Paternity(TypedDict):
    """A model's declared parents, tested by its weights."""

    of: str
    parents: list[TestedParent]
    explained: float
    """Share of the child's task vector that the fit explains."""
    null: float
    """95 % bound of |cosine| for an unrelated model."""
    entries: int
    verdict: str


class Replay(TypedDict):
    """A replayed merge against the published model."""

    same: bool
    tensors: int
    different: list[str]
    largest: float | None
    """Largest absolute difference; None where a value is not a number, or a shape differs."""
    missing: list[str]
    verdict: str


class Tree(TypedDict):
    """A family tree, as far as it is read."""

    kind: Literal["tree"]
    drawable: Literal[True]
    done: bool
    run_id: str
    request: dict[str, Any]
    start: str
    warnings: list[str]
    cut: int
    """Models beyond the limit."""
    roots: list[str]
    nodes: list[Member]
    edges: list[Kinship]
    licences: Licences
    requests: Requests
    progress: Progress | None
    seconds: NotRequired[float | None]
    tested: NotRequired[Paternity | Replay | Failed]
    example: NotRequired[bool]


# The report on a published merge

Verdict = Literal["good", "mixed", "bad", "open"]
"""Of one part of a report: it holds; it is worth a look; it does not hold; it could not be decided."""
Chapter = Literal["recipe", "replay", "parents", "licences", "shares", "unread"]
TensorState = Literal["same", "rounded", "different", "shape", "missing", "extra", "open"]
"""Of one tensor after the replay: the same bytes; equal values in another dtype; other values; another shape;
lacking in the model; in the model alone; not compared.
"""


class ReportLine(TypedDict):
    """One part of a report in a sentence."""

    chapter: Chapter
    verdict: Verdict
    says: str


class RecipeChoice(TypedDict):
    """One of the recipes that a model publishes."""

    number: int
    """By which it is chosen, from 1."""
    source: str
    method: str
    models: list[str]


class PublishedRecipe(TypedDict):
    """The recipe that a model publishes."""

    text: str
    source: str
    """Where it stands."""
    method: str
    seed: int
    seed_from: Literal["you", "the card", "default"]
    draws: bool
    """Whether the seed matters."""
    number: int
    """Its number among the choices; 0 where it cannot be read."""
    choices: list[RecipeChoice]
    """All that can be read."""


class ReplayedTensor(TypedDict):
    """One tensor that the replay and the model do not both have with the same bytes."""

    name: str
    state: TensorState
    entries: int
    different: int
    """Entries whose values differ."""
    largest: float | None
    """Largest absolute difference; None where a value is not a number, or nothing could be subtracted."""
    given: str
    """Dtype that the recipe gives; empty where it gives none."""
    stored: str
    """Dtype in the model; empty where it has none."""


class ReplayMap(TypedDict):
    """What became of every tensor that the recipe gives."""

    modules: list[str]
    layers: list[list[TensorState | None]]
    """By layer and module; None where a layer has no such module."""
    outside: list[tuple[str, TensorState]]
    """Names and states of the tensors outside of the layers."""


class ReplayedModel(TypedDict):
    """A recipe merged again, against the published weights."""

    how: Literal["all", "sample", "headers", "none"]
    says: str
    tensors: int
    """That the recipe gives."""
    compared: int
    weights: int
    """Entries of all tensors that the recipe gives."""
    compared_weights: int
    counts: dict[str, int]
    """Tensors by state."""
    differing: list[ReplayedTensor]
    """The first of those that are not the same."""
    map: ReplayMap | None
    limits: list[str]
    """What the comparison cannot tell."""


class FittedParent(TypedDict):
    """A parent's coefficient as the recipe states it and as the weights have it."""

    name: str
    declared: float
    found: float
    sigma: float
    agrees: bool


class Root(TypedDict):
    """A model at the beginning of a family, with its part in the reported one."""

    id: str
    share: Span
    licence: str
    status: Status
    reason: str


class UnreadThing(TypedDict):
    """What could not be read, and why."""

    what: str
    reason: str


class Badge(TypedDict):
    """A report in one line, for a model's card."""

    label: str
    message: str
    verdict: Verdict
    svg: str
    markdown: str
    """A line for the card; `{this demo}` in it stands for the demo's address."""


class ModelReport(TypedDict):
    """A report on a merged model."""

    kind: Literal["report"]
    drawable: Literal[True]
    done: bool
    run_id: str
    request: dict[str, Any]
    model: str
    sha: str
    """Commit that was read; empty where there is none."""
    date: str
    """Day of the report, year first."""
    lines: list[ReportLine]
    recipe: PublishedRecipe | None
    findings: list[Finding]
    replay: ReplayedModel | None
    """None until it is over."""
    paternity: Paternity | None
    fitted: list[FittedParent]
    untested: str
    """Why the parents were not tested from the weights; empty where they were."""
    roots: list[Root]
    total: Span | None
    """Sum of the roots' shares; None where no tree could be read."""
    start: str
    licences: Licences
    unread: list[UnreadThing]
    badge: Badge | None
    """None until the report is complete."""
    card: str
    """Section of Markdown for the model's card; `{this demo}` in it stands for the demo's address."""
    versions: dict[str, str]
    progress: Progress | None
    seconds: float | None
    example: NotRequired[bool]


# The recipe's form

Kind = Literal["float", "int", "bool"]
Base = Literal["required", "optional", "forbidden", "ignored"]


class Parameter(TypedDict):
    """A parameter of a merge method."""

    name: str
    kind: Kind
    each: bool
    """Whether every model has its own value; otherwise it is of the whole merge."""
    on_base: bool
    """Whether the base model has a value too."""
    required: bool
    default: Any
    about: str


class Method(TypedDict):
    """A merge method of mergekit."""

    name: str
    title: str
    url: str | None
    base: Base
    least: int
    """Models at least, the base counted."""
    most: int | None
    parameters: list[Parameter]
    random: bool
    """Whether the seed matters."""
    about: str


class Editor(TypedDict):
    """A recipe as a form."""

    kind: Literal["editor"]
    drawable: Literal[True]
    methods: list[Method]
    models: list[str]
    """Names to choose from."""
    recipe: dict[str, Any]
    """As the visitor wrote it: every part may be of another shape than mergekit's."""
    moe: bool


class EditorFailed(TypedDict):
    """A recipe that cannot be read."""

    kind: Literal["editor"]
    drawable: Literal[True]
    methods: list[Method]
    models: list[str]
    error: Failure


# The form of behaviours


class Rule(TypedDict):
    """A rule that can be chosen."""

    kind: str
    value: str
    """What it is given, in words."""


class Behaviour(TypedDict):
    """A behaviour as a request states it."""

    name: str
    prompts: str | list[str]
    """A stored set's name, or prompts."""
    rule: str
    value: NotRequired[str]
    against: NotRequired[str]
    wanted: NotRequired[bool]
    opening: NotRequired[str]


class BehaviourChoices(TypedDict):
    """What behaviours can be made of."""

    kind: Literal["behaviours"]
    drawable: Literal[True]
    rules: list[Rule]
    sets: list[str]
    languages: list[str]
    presets: list[Behaviour]
    most: int


class BehaviourForm(BehaviourChoices):
    """What models are measured by, as rows to fill in."""

    behaviours: list[Behaviour]


class BehaviourFormFailed(BehaviourChoices):
    """A text that states no behaviours."""

    error: Failure


class Waiting(TypedDict):
    """A run before anything of it can be drawn."""

    kind: Literal["merge", "explore", "evolve", "mixture", "report"]
    run_id: str
    drawable: Literal[False]
    done: Literal[False]
    request: dict[str, Any]
    points: NotRequired[list[Point]]
    search: NotRequired[Search | None]
    progress: Progress | None
