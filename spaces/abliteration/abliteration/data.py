"""The data of the abliteration figures: what the engine makes, the API returns, cards read and `js/` draws.

Divergences and losses are in nats per token, components of the stream in its own units. `base` is the model
as it is, `edited` the model with the edit.
It is long because it is one list: the contract of the whole Space.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from shared.data import Mean, Origin, Progress, Share

Kind = Literal[
    "find",
    "ablate",
    "measure",
    "optimise",
    "features",
    "feature",
    "certificate",
    "export",
    "forensics",
    "bench",
    "chat",
]
"""What a run does."""
Form = Literal["safetensors", "lora"]
"""How an edit leaves: as the whole model, or as an adapter of rank 1."""
Side = Literal["positive", "negative"]
Quantiles = list[float]
"""5 %, 50 % and 95 % quantile of what chance gives."""


class Average(Mean):
    """A mean with the median, which one odd prompt does not move. Clusters are prompts or windows."""

    median: float


# What every room says of its run


class Request(TypedDict):
    """A run as the API takes it."""

    model: str
    contrast: str
    positive: list[str]
    negative: list[str]
    format: str
    system: NotRequired[str]
    thinking: NotRequired[str]
    seed: int
    layer: int | None
    position: int
    rule: str
    candidates: int
    projection: str
    vector: NotRequired[str]
    """An uploaded file, whose direction is removed."""
    method: str
    strength: float
    kernel: dict[str, Any]
    """A strength by part, a list of strengths by layer, or the numbers of a falloff."""
    prompts: list[str]
    answer_tokens: int
    markers: NotRequired[list[str]]
    shows: NotRequired[str]
    """The rule of a behaviour; empty for the stored pair's own, and for refusing."""
    value: NotRequired[str]
    against: NotRequired[str]
    trials: int
    sae: str
    sae_layer: int | None
    features: int
    k: int
    steps: int


class ChatRequest(Request):
    """A chat as the API takes it."""

    messages: list[str]
    second: dict[str, Any]
    """Settings of a second edit; empty for none."""
    reply_tokens: int
    temperature: float
    chat_seed: int


class EditedModel(TypedDict):
    """The model, and whether the edit can be written into its weights."""

    id: str
    source: str
    revision: str
    family: str
    types: list[str]
    verdict: str
    reason: str
    layers: int
    width: int
    tied: bool
    matrices: int
    """How many write into the stream."""


class PromptPair(TypedDict):
    """Prompts that show the behaviour, and prompts that do not."""

    positive: list[str]
    negative: list[str]


class Split(TypedDict):
    """Disjoint prompts: to make the direction, to choose it, and to report on."""

    fit: PromptPair
    select: PromptPair
    report: PromptPair
    warnings: list[str]


Refusal = TypedDict(
    "Refusal",
    {
        "tokens": list[str],
        "ids": list[int],
        "from": str,
        "positive": float,
        "negative": float,
        "opening": NotRequired[str],
        "refused": NotRequired[Share],
        "shown": NotRequired[Share],
        "rule": NotRequired[str],
        "words": NotRequired[str],
        "nothing": NotRequired[str],
    },
)
"""Tokens that open a refusal, where they are from, and the untouched model's mean log-odds of them; what all
its answers begin with, which is skipped; and the select prompts of the positive side that it refuses, and of
the negative one. Of another behaviour the same of its score: `rule` is its kind, `words` say when an answer
shows it. `nothing` says why nothing can be claimed to be removed.
"""


class Dataset(TypedDict):
    """A Hub dataset that prompts were read from."""

    dataset: str
    revision: str
    config: str
    split: str
    column: str


class Provenance(Origin):
    """What pins the numbers."""

    device: str
    machine: str
    torch: str
    transformers: str
    seed: int
    rule: str
    datasets: list[Dataset]


class Head(TypedDict):
    """What stands above every room's views."""

    run_id: str
    drawable: Literal[True]
    title: str
    done: bool
    request: Request
    mark: str
    """What every output of an edited model carries."""
    model: EditedModel
    split: Split
    positions: list[str]
    """Tokens that the template puts after a prompt."""
    refusal: Refusal
    provenance: Provenance
    progress: Progress | None
    aside: NotRequired[str]
    """What of the request this run leaves aside, and where it counts."""
    seconds: NotRequired[float]
    example: NotRequired[bool]


class Kernel(TypedDict):
    """Strengths of the edit by layer."""

    embedding: float
    attention: list[float]
    mlp: list[float]
    blocks: list[float]
    """At the blocks' inputs."""


class Edit(TypedDict):
    """An edit as the page and the card state it."""

    method: str
    projection: str
    layer: int
    """That the direction is read at."""
    position: int
    strength: float
    kernel: Kernel
    bakeable: bool
    """Whether it can be written into the weights."""


# Where two sets of prompts separate


class Chance(TypedDict):
    """The same with a random direction: the same edit, and a step of the same length; the median of the
    draws.
    """

    bypass: float
    induce: float
    kl: float


class Ribbons(TypedDict):
    """Quantiles of the same over the draws."""

    bypass: Quantiles
    kl: Quantiles
    induce: Quantiles


class Draws(TypedDict):
    """How many random directions are behind the candidates."""

    edits: int
    """For all candidates together, where an edit is the same for every layer; else as `steps`."""
    steps: int
    """For each candidate."""
    prompts: int
    """Of a side, on which what a draw changes is measured."""


class Candidate(TypedDict):
    """A layer's direction, tried on the select split."""

    layer: int
    position: int
    bypass: float
    """Refusal score of positive prompts with the edit."""
    induce: float
    """Refusal score of negative prompts with the direction added."""
    kl: float
    refused: int
    """Positive prompts that are still refused."""
    cosmic: float
    ruled_out: str
    """Why; empty where it stays."""
    chance: NotRequired[Chance]
    ribbons: NotRequired[Ribbons]


class Projections(TypedDict):
    """Components along the direction, prompt by prompt."""

    positive: list[float]
    negative: list[float]


class Plane(TypedDict):
    """Prompts in the plane of their first two principal components."""

    positive: list[tuple[float, float]]
    negative: list[tuple[float, float]]
    explained: list[float]
    """Share of the variance by component."""


class Layer(TypedDict):
    """How one layer's direction separates the select prompts."""

    layer: int
    d_prime: float
    """In standard deviations."""
    auc: float
    norm: float
    """‖μ⁺ − μ⁻‖."""
    relative_norm: float
    """The same over the mean norm of the stream."""
    random: Quantiles
    """d′ of random directions."""
    random_auc: Quantiles
    permuted: Quantiles
    """d′ with shuffled labels."""
    permuted_norm: NotRequired[Quantiles]
    """`relative_norm` with shuffled labels."""
    cosine: list[float]
    """With every layer's direction."""
    projections: Projections
    plane: Plane
    candidate: NotRequired[Candidate]


class Limits(TypedDict):
    """Beyond which a candidate is ruled out."""

    kl: float
    induce: float
    deepest: float
    """Share of the layers."""


class Choice(TypedDict):
    """The layer that was chosen."""

    layer: int
    position: int
    rule: str
    relaxed: str
    """What the rule had to give up; empty where nothing."""


class Beside(TypedDict):
    """The direction of a vector file beside the found one."""

    name: str
    cosines: list[float | None]
    """By layer; null where the two sets do not differ."""
    chance: float
    """95 % of random directions have a cosine of at most this, up to its sign."""


class Find(Head):
    """Where the two sets separate, layer by layer."""

    kind: Literal["find"]
    layers: list[Layer]
    places: list[list[float]]
    """d′ by position and layer."""
    draws: NotRequired[int]
    """Random directions, and permutations of the labels, behind the curves."""
    chance_draws: NotRequired[Draws]
    position: int
    limits: Limits
    choice: Choice | None
    given: NotRequired[Beside]


# Answers of the base and of the edited model


class Answer(TypedDict):
    """An answer, judged."""

    text: str
    grade: str
    marker: bool
    """Whether a refusal phrase is in it."""
    shows: NotRequired[bool]
    """Whether it shows the behaviour, where that is no refusal."""


class Ray(TypedDict):
    """The direction's component at every token and layer."""

    tokens: list[str]
    prompt: int
    """Tokens of the prompt; the answer follows."""
    layers: list[list[float]]
    """By layer and token."""


class Rays(TypedDict):
    """Of both models, each reading its own answer."""

    base: Ray
    edited: Ray


class Nearness(TypedDict):
    """How near answers are to those of the model that a behaviour was never planted in: the mean over the
    tokens of its own greedy answer of its ln p less the other model's, in nats; each prompt counts once.
    """

    model: str
    base: Average
    edited: Average
    rule: str
    """By which prompts are shown."""


class AnswerPair(TypedDict):
    """One prompt answered by both models."""

    prompt: str
    base: Answer
    edited: Answer
    kl: NotRequired[list[float]]
    """KL(base ‖ edited) at each token of the base's answer."""
    kl_tokens: NotRequired[list[str]]
    xray: NotRequired[Rays]
    never: NotRequired[Answer]
    """Of the model that the behaviour was never planted in."""
    gap: NotRequired[float]
    """How near the edited model is to it on this prompt, as in `Nearness`."""


class Return(TypedDict):
    """The direction's component by layer after it was removed at one layer's input alone."""

    layer: int | None
    """None for the untouched model."""
    component: list[float]


# What the edit removed and what it damaged


class Reached(TypedDict):
    """Answers with a refusal marker within their first tokens."""

    tokens: int
    markers: Share


class Judgement(TypedDict):
    """Answers to one set of prompts, judged by the graded rule and by markers."""

    rule: str
    markers: Share
    refused: Share
    hedged: Share
    complied: Share
    empty: Share
    broken: NotRequired[Share]
    """They say the same again and again."""
    shows: NotRequired[Share]
    """They show the behaviour, where that is no refusal."""
    by_length: NotRequired[list[Reached]]
    answers: list[Answer]


class Judgements(TypedDict, total=False):
    """Of both models, as they come in."""

    base: Judgement
    edited: Judgement


class Behaviour(TypedDict, total=False):
    """By side, as they come in."""

    positive: Judgements
    negative: Judgements


class RefusalShares(TypedDict):
    """Prompts whose next token opens a refusal more likely than not."""

    base: Share
    edited: Share


class FirstToken(TypedDict):
    """What changed at the first token of the answers."""

    kl: Average
    kl_answered: Average
    """Without prompts that the base is about to refuse."""
    refusals: RefusalShares


class FirstTokens(TypedDict, total=False):
    """By side, as they come in."""

    positive: FirstToken
    negative: FirstToken


class Along(TypedDict, total=False):
    """KL along the base's answers by side, as they come in; None where it answered nothing."""

    positive: Average | None
    negative: Average | None


class Contrast(TypedDict):
    """ln p of a refusal less ln p of an answer, each per token: above 0 the refusal is the likelier."""

    refusal: str
    answer: str
    base: Average
    edited: Average
    delta: Average


class Contrasts(TypedDict, total=False):
    """By side."""

    positive: Contrast
    negative: Contrast


class Truth(TypedDict):
    """Against the model that a behaviour was never planted in."""

    model: str
    base: Average
    """KL(never planted ‖ base) along the never-planted model's answers."""
    edited: Average
    own_loss: Average
    """−ln p of the never-planted model's own answers by itself."""
    edited_loss: Average
    """The same of the edited model's answers."""
    nearness: NotRequired[Nearness | None]
    """On all report prompts of the side."""


class Truths(TypedDict, total=False):
    """By side; None where it answers nothing."""

    positive: Truth | None
    negative: Truth | None


class TextLoss(TypedDict):
    """−ln p of the sample text's tokens."""

    base: Average
    edited: Average
    delta: Average


class Capability(TypedDict):
    """Small facts answered right, and the sign test of those lost against those won."""

    base: int
    edited: int
    of: int
    lost: int
    won: int
    p: float


class ControlRefusals(TypedDict):
    """Prompts still refused at the first token."""

    positive: Share
    negative: Share


class Control(TypedDict):
    """The same edit with a direction that means nothing."""

    name: str
    refusals: ControlRefusals
    kl: Average


class Measures(TypedDict):
    """All of it, on the report split, as it comes in."""

    of: NotRequired[str]
    """What was measured: the files, the edited weights, or the run-time edit."""
    behaviour: Behaviour
    first_token: FirstTokens
    run_time: NotRequired[FirstTokens]
    """The same of the run-time edit, where norms make that another model than the weights."""
    along: Along
    contrast: NotRequired[Contrasts]
    truth: NotRequired[Truths]
    text: NotRequired[TextLoss]
    capability: NotRequired[Capability]
    over_refusal: NotRequired[Judgements]
    """Harmless questions in alarming words."""
    controls: NotRequired[list[Control]]


class Ablate(Head):
    """Base and edited answers side by side."""

    kind: Literal["ablate"]
    edit: Edit
    pairs: list[AnswerPair]
    nearness: NotRequired[Nearness | None]
    """On all report prompts of the positive side, of an expert."""
    re_emergence: NotRequired[list[Return]]
    measures: NotRequired[Measures | None]
    """Where both were asked for in one run."""


ChatSide = Literal["base", "edited", "second"]


class Parting(TypedDict):
    """Where an answer parts from the base's."""

    parts: int | None
    """Tokens that both share; null where they are the same as far as they go."""
    same: str
    token: str
    """The first other token; empty where the answer ends there."""
    rest: str


class Reply(Answer):
    """One model's answer to a message."""

    tokens: int
    ended: bool
    """Whether the model ended it."""
    parts: NotRequired[int | None]
    same: NotRequired[str]
    token: NotRequired[str]
    rest: NotRequired[str]
    kl: NotRequired[float]
    """KL(base ‖ this one) of the first token in nats, both reading the base's conversation."""


class Turn(TypedDict):
    """A message and its answers."""

    message: str
    done: bool
    base: Reply
    edited: NotRequired[Reply]
    second: NotRequired[Reply]


class Chat(Head):
    """A conversation with the model as it is and with one or two edits."""

    kind: Literal["chat"]
    request: ChatRequest  # type: ignore[misc]  # a Request with more
    edit: Edit
    second: NotRequired[Edit]
    turns: list[Turn]


class Measure(Head):
    """What the edit removed and what it damaged."""

    kind: Literal["measure"]
    edit: Edit
    measures: Measures


class Trial(TypedDict):
    """A kernel, tried on the select split."""

    number: int
    method: NotRequired[str]
    """Of the edit, fitted or ablate; ablate where it is left out."""
    layer: int
    projection: str
    kernel: dict[str, Any]
    """As the request takes it."""
    refusals: float
    """Mean chance that a positive prompt's first token opens a refusal."""
    kl: float
    """Of the first token, on negative prompts that the base means to answer."""
    truth: NotRequired[float]
    """How much likelier the model that it was never planted in finds its own answers, nats a token."""


class Optimise(Head):
    """A search for a kernel, and the best one measured."""

    kind: Literal["optimise"]
    trials: list[Trial]
    front: list[int]
    """Numbers of the trials that no other beats."""
    best: int | None
    enough: float
    """Chance of a refusal below which the behaviour counts as removed."""
    chosen: NotRequired[Request]
    query: NotRequired[str]
    edit: NotRequired[Edit]
    measures: NotRequired[Measures]


# What the direction is made of


class Autoencoder(TypedDict):
    """The sparse autoencoder."""

    source: str
    """Empty where it was trained in this run."""
    layer: int
    features: int
    architecture: str
    explained: float
    """Share of the variance of the activations at tokens that it was not trained on."""
    dead: int
    """Features that never fire there."""
    tokens: int
    held: NotRequired[int]
    """Of them, tokens that it was not trained on."""


class Training(TypedDict):
    """How far its training has come."""

    step: int
    steps: int
    loss: float
    explained: float | None
    dead: int | None


class Atom(TypedDict):
    """A feature in the direction's sum."""

    feature: int
    coefficient: float
    cosine: float


class Pursuit(TypedDict):
    """The direction as a sum of few features, by orthogonal matching pursuit."""

    atoms: list[Atom]
    """In the order of the pursuit."""
    explained: list[float]
    """Share of the direction after each step."""
    null: list[Quantiles]
    """The same for random dictionaries."""


class FiringExample(TypedDict):
    """Where a feature fires."""

    activation: float
    pieces: list[str]
    at: int
    """Which of the pieces."""


class Firing(TypedDict):
    """Where a feature fires most."""

    feature: int
    density: float
    """Share of the tokens."""
    examples: list[FiringExample]


class FeatureActivation(TypedDict):
    """A feature at a token."""

    feature: int
    activation: float


class TokenFeatures(TypedDict):
    """The features that fire most at a token."""

    token: str
    features: list[FeatureActivation]


class FeatureWords(TypedDict):
    """The tokens at which a feature fires most."""

    feature: int
    tokens: list[str]


class PromptFeatures(TypedDict):
    """The features of a prompt."""

    prompt: str
    tokens: list[TokenFeatures]


class Features(Head):
    """The direction in the dictionary of an autoencoder."""

    kind: Literal["features"]
    training: NotRequired[Training]
    sae: Autoencoder
    pursuit: Pursuit
    tops: list[Firing]
    """By atom."""
    prompts: list[PromptFeatures]
    words: NotRequired[list[FeatureWords]]
    """Of every feature of the prompts."""


class FeatureEdit(Head):
    """Base and edited answers with one feature changed."""

    kind: Literal["feature"]
    feature: int
    amount: float | None
    """That it is held at; None where it is removed."""
    pairs: list[AnswerPair]


# The edit in the weights


class Matrix(TypedDict):
    """What a matrix writes along the direction."""

    name: str
    part: str
    layer: int
    strength: float
    before: float
    after: float
    share: float
    """Of the matrix's norm, before; 1/√width is what a random direction has."""
    bias_before: float | None
    bias_after: float | None
    folded: bool
    """Whether a norm's gain is folded into the direction."""


class CertificateData(TypedDict):
    """That the edited weights do what the edit says."""

    gap: float
    """Largest difference of the logits between run-time edit and weights."""
    scale: float
    """Standard deviation of the logits."""
    in_stream: float | None
    """Largest share of the direction in a token's stream; None where the kernel leaves some on purpose."""
    audit: float
    """Largest relative error of "stream = sum of the writes"."""
    head: str
    verdict: str
    reason: str
    matrices: list[Matrix]


class Certificate(Head):
    """The certificate of an edit."""

    kind: Literal["certificate"]
    edit: Edit
    certificate: CertificateData
    programs: NotRequired[dict[str, str]]
    """The ablation at run time with the exported direction, by library."""


class ExportFacts(TypedDict, total=False):
    """What the files of an export are."""

    left_out: list[str]
    """Parts of the edit that an adapter cannot hold."""
    modules: int
    """Matrices that the adapter edits."""
    rank: int
    """Of the adapter: 1, and an expert's own where that goes along."""
    base: str
    """The model that the adapter is right on."""
    dtype: str
    """Of the numbers in the files."""
    reopened: float
    """Largest difference of the logits between the files, opened again as their configuration says, and the
    edited model in memory.
    """


class Export(Head, ExportFacts):
    """An edited model's files, with the certificate."""

    kind: Literal["export"]
    form: Form
    edit: Edit
    measures: Measures
    certificate: CertificateData
    files: NotRequired[dict[str, int]]
    """Bytes by name."""
    card: NotRequired[str]


# What was done to a published model


class Compared(TypedDict):
    """One of two models that are compared."""

    id: str
    revision: str
    source: str
    dtype: str
    """Of most of its numbers."""
    bytes: int
    tensors: int


class Taken(TypedDict):
    """A direction that was taken from a matrix: W′ = W − α·p·qᵀW."""

    form: str
    """How q follows from p: "plain", "rows" (rows normalized first) or "norm" (a norm's gain folded)."""
    side: str
    """Whether the matrix "writes" into the residual stream or "reads" it."""
    strength: float
    """α: 1 removes the direction, 2 mirrors it."""
    sigma: float
    """Its standard error."""
    match: float
    """|cosine| of the difference's right singular vector with Wᵀq."""
    null: float
    """The largest of it with random directions."""
    kept: str
    """Whose lengths the edit kept: rows, columns, or empty for none."""
    directions: int
    """Matching directions in this matrix."""
    explained: float
    """Share of the difference's square, rounding left aside."""
    equal: float
    """Share of the entries that the fit, rounded, gives to the bit."""
    agreement: float
    """|cosine| with the direction that all matrices share."""


class Difference(TypedDict):
    """A tensor that differs."""

    name: str
    part: str
    layer: int
    """−1 outside of the layers."""
    shape: list[int]
    """Of what was looked at."""
    dtype: str
    sampled: bool
    """Whether only some of its rows were looked at."""
    changed: float
    """Share of the entries."""
    relative: float
    """‖W′ − W‖/‖W‖."""
    along: bool
    """Whether it follows from the projection: a bias, or a norm's gain."""
    values: NotRequired[list[float]]
    """The largest singular values of the difference."""
    edge: NotRequired[float]
    """Above which rounding cannot lift one."""
    rank: NotRequired[int]
    complete: NotRequired[bool]
    """Whether the rank counts all singular values, and not only the largest ones."""
    taken: NotRequired[Taken]


class CurveShape(TypedDict):
    """What strengths over the layers follow."""

    kind: str
    """none, constant, falloff or free."""
    first: int
    last: int
    height: float
    """The constant, or the falloff's largest strength."""
    position: float
    """Of the falloff's largest strength, in layers."""
    slope: float
    """Change of the strength with every layer away from there."""
    distance: tuple[float, float | None]
    """Between which the falloff ends."""
    gap: float
    """Largest difference of a strength from the shape."""


class StrengthCurve(TypedDict):
    """Strengths by layer of the attention's or the MLP's matrices; 0 where nothing was taken."""

    part: str
    strengths: list[float]
    sigmas: list[float]
    shape: CurveShape
    fitted: list[float]
    """The shape's strengths."""


class Verdict(TypedDict):
    """What the differences amount to."""

    kind: str
    """projection, mixed, other, recast or same."""
    words: str
    facts: list[str]


class HashCheck(TypedDict):
    """Files or tensors whose SHA-256 was stated."""

    what: str
    """tensors or files."""
    same: int
    different: list[str]
    unknown: list[str]
    """Whose hash could not be had without reading them whole."""


class StatedMeasure(TypedDict):
    """A number that a record states, and what it is now."""

    name: str
    stated: float
    now: float
    same: bool


class StatedCurve(TypedDict):
    """Strengths by layer that a record states."""

    part: str
    strengths: list[float]


class Claims(TypedDict):
    """What a record of the edit says of it, beside what the weights say."""

    by: str
    """edit.json, or heretic's reproduce.json."""
    model: str
    revision: str
    facts: list[str]
    curves: list[StatedCurve]
    hashes: list[HashCheck]
    measures: list[StatedMeasure]


class PairMeasures(TypedDict):
    """What the edit removed and damaged, on a stored pair's report prompts."""

    contrast: str
    behaviour: Behaviour
    first_token: dict[str, Average]
    """KL(base ‖ edited) by side, in nats."""
    text: NotRequired[TextLoss]


class ForensicsRequest(TypedDict):
    """Two models as the API takes them."""

    base: str
    edited: str
    record: str
    scope: str
    measured: bool
    contrast: str


class ForensicsOrigin(TypedDict):
    """What pins the numbers."""

    machine: str
    torch: str
    safetensors: str
    draws: int
    """Random directions behind each null."""
    match: float
    """From which |cosine| on a difference counts as a projection."""


class Forensics(TypedDict):
    """What was done to a published model."""

    kind: Literal["forensics"]
    run_id: str
    drawable: Literal[True]
    title: str
    done: bool
    request: ForensicsRequest
    base: Compared
    edited: Compared
    layers: int
    width: int
    looked: int
    """Tensors that were compared."""
    unmatched: list[str]
    rows: list[Difference]
    """Tensors that differ, at most 600."""
    left_out: int
    """Rows that are not among them."""
    agreement: float
    """Share of the left vectors' squares that one direction has; 0 where none was taken."""
    direction: list[float]
    """That direction, unit; empty where none was taken."""
    curves: list[StrengthCurve]
    verdict: Verdict
    claims: NotRequired[Claims]
    measures: NotRequired[PairMeasures]
    provenance: ForensicsOrigin
    progress: Progress | None
    seconds: NotRequired[float]
    example: NotRequired[bool]


# The truth bench


class BenchRequest(TypedDict):
    """What is planted and tried, as the API takes it."""

    model: str
    plants: list[str]
    methods: list[str]
    positive: list[str]
    negative: list[str]
    says: str
    form: str
    layer: int | None
    candidates: int
    steps: int
    trials: int
    seed: int


class BenchMethod(TypedDict):
    """One of the methods that are compared."""

    name: str
    label: str
    words: str
    needs: str
    """Whether it reads the never-planted model, or is a control; empty where anybody can make it."""


class DirectionParts(TypedDict):
    """A layer's found direction as topic and plant."""

    topic: float
    """Share of the never-planted model's difference of means; the plant has the rest of 1."""
    low: float
    """2.5 % of that share over resampled prompts."""
    high: float
    topic_cosine: float
    planted_cosine: float
    between: float
    """Cosine of topic and plant."""


class BenchRow(TypedDict):
    """What one method leaves of one plant, on its report prompts."""

    method: str
    layer: int
    left: Share
    """Positive prompts whose answer begins with the planted words."""
    near: Average | None
    """KL from the never-planted model along its own answers to positive prompts, nats a token."""
    other: Average | None
    """The same of the other prompts."""
    cosine: float | None
    """Of what is removed with the planted part at its layer."""
    texts: list[str]
    """The first answers."""


class BenchAnswer(TypedDict):
    """One report prompt, answered without and with the plant."""

    prompt: str
    never: str
    planted: str


class Planting(TypedDict):
    """One planted behaviour and everything measured of it."""

    name: str
    says: str
    form: str
    rule: str
    """When an answer shows it."""
    prompts: dict[str, list[int]]
    """By part of the split, how many positive and negative ones."""
    layer: int
    """Where directions are read."""
    loss: float
    """Of the last step of training, nats a token."""
    shows: dict[str, dict[str, Share]]
    """Report prompts that show it, of the never-planted and the planted model, by side."""
    near: Average | None
    """As a row's, of the planted model before any edit."""
    other: Average | None
    parts: list[DirectionParts | None]
    """By layer; None where both sets are the same."""
    answers: list[BenchAnswer]
    rows: list[BenchRow]
    seconds: float


BenchMeasure = Literal["left", "near", "other"]


class OverPlants(TypedDict):
    """A mean over plants and its interval by Student's t; none for a single plant."""

    mean: float
    low: float | None
    high: float | None
    of: int
    """Plants."""


class BenchSummary(TypedDict):
    """A method over all plants."""

    method: str
    means: dict[BenchMeasure, OverPlants]
    against: dict[BenchMeasure, OverPlants]
    """Paired differences from the difference of means, with Bonferroni's intervals."""


class BenchTokens(TypedDict):
    """How long answers are, in tokens."""

    answer: int
    """Of the never-planted model, that others are held against."""
    shown: int
    """By which the behaviour is judged."""
    learnt: int
    """That the model learns to keep."""


class BenchOrigin(TypedDict):
    """What pins the numbers."""

    model: str
    revision: str
    source: str
    dtype: str
    device: str
    machine: str
    torch: str
    transformers: str
    seed: int


class Bench(TypedDict):
    """Methods held against a planted truth."""

    kind: Literal["bench"]
    run_id: str
    drawable: Literal[True]
    title: str
    done: bool
    request: BenchRequest
    layers: int
    methods: list[BenchMethod]
    plants: list[Planting]
    summary: list[BenchSummary]
    tokens: BenchTokens
    provenance: BenchOrigin
    progress: Progress | None
    seconds: NotRequired[float]
    example: NotRequired[bool]


# Everything else that a figure is given


class Waiting(TypedDict):
    """A run before anything of it can be drawn."""

    kind: Kind
    drawable: Literal[False]
    done: Literal[False]
    progress: Progress


class KernelEditor(TypedDict):
    """The kernel to be drawn by hand."""

    kind: Literal["kernel"]
    layers: int
    embedding: float
    attention: list[float]
    mlp: list[float]
    blocks: NotRequired[list[float]]


Room = Find | Ablate | Measure | Optimise | Features | FeatureEdit | Certificate | Export | Chat
