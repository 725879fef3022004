"""The data of the quantization figures: what the engine makes, the API returns, cards read and `js/` draws.

Sigmas are standard errors, which count windows of the text, and intervals Student's; both are None where
there is one window. Divergences and losses are in nats per token, sizes in bytes, speeds in tokens a second.
It is long because it is one list: the contract of the whole Space.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from shared.data import Failure, Origin, Progress, Share

# The comparison of formats

TokenChance = tuple[str, float]
"""A token and its probability."""


class ComparedModel(TypedDict):
    """The model that is compared, and how much of the text it reads."""

    id: str
    source: str
    parameters: int
    windows: int
    """0 until the base model has read them."""
    context: int
    scored: int
    """Tokens that every number is a mean over."""
    lead: list[int]
    """Tokens that every window begins with: BOS, where the tokenizer adds one."""


class Base(TypedDict):
    """The unquantized model's own numbers."""

    bits: float
    """Per weight, of its file."""
    file_bytes: int
    resident_bytes: int
    ppl: float
    ppl_sigma: float | None
    prefill: float
    decode: float | None
    """None where nothing was answered."""
    runtime: str


class Divergence(TypedDict):
    """KL(base ‖ quantized) over the scored tokens: mean ± sigma, quantiles and the largest."""

    mean: float
    sigma: float | None
    low: float | None
    """Ends of the mean's 95 % interval, as below."""
    high: float | None
    median: float
    p90: float
    p95: float
    p99: float
    p999: float
    max: float


class Tensor(TypedDict):
    """What became of one weight of the model."""

    name: str
    shape: list[int]
    type: str
    """What was used."""
    asked: str
    """What the format asks for."""
    reason: str
    """Why they differ; empty where they do not."""
    bits: float
    distinct_codes: int
    mse: float
    sqnr: float | None
    """Decibel; None where nothing is lost."""


class RowName(TypedDict):
    """A format: `format` is engine:label; of a file that somebody published `engine` is "published", `format`
    says where it is, and `label` is its short name.
    """

    format: str
    engine: str
    label: str


class OpenRow(RowName):
    """A format that is still to be measured."""

    status: Literal["waiting", "running"]


class FailedRow(RowName):
    """A format that could not be measured."""

    status: Literal["failed"]
    error: Failure


class Quality(TypedDict):
    """How close a model is to the base."""

    ppl: float
    ppl_sigma: float | None
    ratio: float
    """Perplexity over the base's, with its 95 % interval; None where there is one window."""
    ratio_low: float | None
    ratio_high: float | None
    kld: Divergence
    same_top: float
    """Share of the tokens whose likeliest prediction is the base's."""
    same_top_sigma: float | None
    same_top_low: float | None
    same_top_high: float | None
    rms_dp: float
    """Root mean square change of the true token's probability."""
    prefill: float


class Facts(Quality):
    """What was measured of a format alone."""

    version: str
    bits: float
    """Per weight, of the whole file."""
    bits_quantized: float
    """Per weight, of the quantized part."""
    file_bytes: int
    resident_bytes: int
    decode: float | None
    """None where nothing was answered."""
    runtime: str
    seconds: float
    """To quantize."""
    notes: list[str]
    tensors: list[Tensor]
    kinds: NotRequired[list[OfKind]]
    """By kind of text, where that was asked for."""
    flips: NotRequired[Flips]
    """Where questions were asked."""
    llama_cpp: NotRequired[Runtime | None]
    """Where it was asked for."""


class OfKind(TypedDict):
    """A format's mean divergence on one kind of text, with its error over windows and 95 % interval."""

    name: str
    mean: float
    sigma: float | None
    low: float | None
    high: float | None


class TextKind(TypedDict):
    """A kind of text, and how well the base model predicts it."""

    name: str
    label: str
    windows: int
    scored: int
    ppl: float


class Question(TypedDict):
    """A question with choices."""

    task: str
    """The set that it is of."""
    prompt: str
    choices: list[str]
    gold: int
    """Place of the right choice."""
    delimiter: str
    """Between the prompt and a choice."""


class Questions(TypedDict):
    """What all models are asked, and how the base model answers: lists are by question. Intervals are of
    95 %; items that share a passage count as far as they are independent.
    """

    items: list[Question]
    groups: int
    """Independent groups of them."""
    chance: float
    """Share of right answers that guessing gives."""
    right: Share
    answers: list[int]
    """Places of the likeliest choices."""
    margins: list[float]
    """ln p of the right choice less that of the likeliest other one, nats."""


class Flips(TypedDict):
    """A format's answers against the base model's."""

    right: Share
    lost: int
    """Right from the base, wrong from the format."""
    gained: int
    """The other way round."""
    changed: int
    """Other answers, those among them that are as wrong as before."""
    mean: float
    """The format's share of right answers less the base's, with the paired interval."""
    low: float
    high: float
    p: float
    """Of the exact two-sided test that neither is better: McNemar's, where every question stands alone."""
    p_corrected: float
    """The same for the number of measured rows (Holm)."""
    answers: list[int]
    margins: list[float]
    """Of the format, as the base's."""


class Noise(Quality):
    """The base model held against itself, changed in a way that is no quantization."""

    name: str
    says: str


class Floor(TypedDict):
    """How far the base model is from itself: below it no difference is real."""

    windows: int
    noises: list[Noise]


class Stretch(TypedDict):
    """A mean divergence over windows."""

    mean: float
    sigma: float | None


class Stage(TypedDict):
    """A step from the base towards what runs, each on top of the one before; the last two both on the second.

    `name` is "weights", or the format in which llama.cpp holds keys and values, "f16" the usual one.
    """

    name: str
    reached: Stretch | None
    """Divergence from the base; None where a model's keys and values cannot be held so."""
    added: Stretch | None
    """Divergence from the step before."""


class Runtime(TypedDict):
    """A file as llama.cpp runs it."""

    windows: int
    stages: list[Stage]


class Row(RowName, Facts):
    """A measured format."""

    status: Literal["done"]
    rank: int | None
    """1 + the rows that are better beyond doubt; None where too few windows were read."""
    tied: list[str]
    """Formats that it cannot be told from."""
    front: bool
    """Whether no other row is both smaller and closer to the base."""


AnyRow = Row | OpenRow | FailedRow


class Tokens(TypedDict):
    """The text of the microscope, token by token."""

    pieces: list[str]
    window: list[int]
    scored: list[bool]


class TokenScores(TypedDict):
    """One format at the scored tokens."""

    kld: list[float]
    p: list[float]
    """Of the true token."""
    top: list[list[TokenChance]]


class Microscope(TypedDict):
    """Predictions at the scored tokens of the base and of every measured format."""

    base: list[list[TokenChance]]
    base_p: list[float]
    rows: dict[str, TokenScores]


class Answer(TypedDict):
    """A format's answer."""

    format: str
    """"base" for the unquantized model."""
    pieces: list[str]
    parts_at: int | None
    """The first token that differs from the base's; None where all are equal."""


class Answers(TypedDict):
    """The same prompt answered by all."""

    prompt: str
    seed: int
    sampled: bool
    items: list[Answer]
    """The base first."""


class Unit(TypedDict):
    """A part of the model that is quantized alone."""

    layer: int | None
    """None for the embedding and the output."""
    part: str


class Sensitivity(TypedDict):
    """The model's divergence when one part alone is quantized."""

    tokens: int
    units: list[Unit]
    formats: list[str]
    kld: list[list[float]]
    """By format and unit."""
    sigma: list[list[float | None]]


class BudgetUnit(TypedDict):
    """A part of the model that a mix has a type for."""

    label: str


class Budget(TypedDict):
    """Every mix on the way from the smallest to the largest; all lists are by unit, then by option."""

    fixed_bytes: int
    units: list[BudgetUnit]
    start: list[int]
    """Option of each unit in the smallest mix."""
    types: list[list[str]]
    bytes: list[list[int]]
    predicted: list[list[float]]
    """Divergence that the option adds."""
    path: list[tuple[int, int]]
    """Unit and its next option, step by step."""


class Memory(TypedDict):
    """What llama.cpp takes for the model beside its weights, as `quantization.memory` says."""

    numbers: int
    """Of keys and values, for each token, of layers that attend to all tokens."""
    windowed_numbers: int
    """Of layers that attend to a sliding window."""
    window: int
    """Tokens of that; 0 where there is none."""
    compute_bytes: int
    """For the tokens that are computed at once."""
    mask_bytes: int
    """For each token of the context."""
    longest: int
    """Tokens that the model reads at most."""
    at_once: int
    cache_bits: dict[str, float]
    """Bits of a number of keys and values, by the cache's format."""


class Provenance(Origin):
    """What pins a comparison's numbers."""

    stored: NotRequired[str]
    """The dtype of the published weights."""
    device: str
    threads: int
    machine: str
    torch: str
    transformers: str
    text: str
    calibration: str
    seed: int
    seconds: float


class Measurement(TypedDict):
    """A run over several formats, as far as it has come."""

    run_id: str
    drawable: Literal[True]
    title: str
    done: bool
    progress: NotRequired[Progress]
    warnings: list[str]
    request: dict[str, Any]


class Compare(Measurement):
    """A comparison, as far as it has come."""

    kind: Literal["compare"]
    model: ComparedModel
    base: Base | None
    """None until the base model has read the text, as are the next three."""
    rows: list[AnyRow]
    tokens: Tokens | None
    microscope: Microscope | None
    answers: Answers | None
    sensitivity: Sensitivity | None
    budget: Budget | None
    floor: NotRequired[Floor | None]
    """Where it was asked for, as are the kinds of text."""
    kinds: NotRequired[list[TextKind] | None]
    questions: NotRequired[Questions | None]
    """Once the base model has answered them."""
    memory: NotRequired[Memory | None]
    """None where llama.cpp is not known to run the model."""
    provenance: Provenance
    example: NotRequired[bool]


# A model to take home


class File(TypedDict):
    """A file that was written."""

    name: str
    bytes: int


class Take(TypedDict):
    """A model's files with what was measured of them, or a program to run where there is a GPU."""

    kind: Literal["take"]
    run_id: str
    drawable: Literal[True]
    done: Literal[True]
    title: str
    request: dict[str, Any]
    files: list[File]
    model: ComparedModel | None
    """None for a program, as are the next two."""
    base: Base | None
    row: Row | None
    card: str
    """Markdown; empty for a program."""
    script: str
    """The program; empty for a model."""
    warnings: list[str]
    provenance: Provenance | None
    example: NotRequired[bool]


# Several files of one model


class Need(TypedDict):
    """The memory that a format's file needs for a context."""

    format: str
    bytes: int | None
    """None where llama.cpp is not known to run the model."""
    at_least: bool
    """Whether what a runtime computes in is not counted."""


class WrittenFile(File):
    """A file of a set; its name says the folder that it lies in."""

    format: str
    """Empty for what is of no format: the card."""


class WrittenSet(Measurement):
    """A model in several formats, each written, read back and measured; as far as it has come."""

    kind: Literal["set"]
    compared: Compare
    """The rows as they were measured on the files, without what is known of single tensors and tokens."""
    files: list[WrittenFile]
    needs: list[Need]
    """Of every row that is measured."""
    context: int
    """Tokens that the needs are of."""
    card: str
    """Markdown; empty until the set is complete."""
    example: NotRequired[bool]


# The weight lab


class LabRequest(TypedDict):
    """One tensor and one method, as the API takes them."""

    model: str
    tensor: str
    method: str
    settings: dict[str, Any]
    rotation: bool
    compare: bool


class Effect(TypedDict):
    """The whole model's divergence when this one weight is quantized."""

    mean: float
    sigma: float | None
    tokens: int


class Summary(TypedDict):
    """The tensor's numbers."""

    elements: int
    mse: float
    sqnr: float | None
    """Decibel; None where nothing is lost."""
    bits: float
    """Per weight, scales included."""
    stored_bytes: int
    distinct_codes: int
    max_error: float
    weight_rms: float
    weighted_mse: float | None
    """Weighted by the mean square of the inputs; None where they are not known."""
    kurtosis: float
    kld: Effect | None


class Histogram(TypedDict):
    """Weights before and after, counted in the same bins."""

    edges: list[float]
    before: list[int]
    after: list[int]


class ErrorMap(TypedDict):
    """Root mean squares over cells of neighbouring rows and columns of the weight."""

    values: list[list[float]]
    """Of the error."""
    weights: list[list[float]]
    rows: int
    columns: int
    row_step: int
    """Rows of the weight in a cell."""
    column_step: int


class BlockParameter(TypedDict):
    """A number that a block stores beside its codes."""

    name: str
    value: float
    stored: str
    """As what: "float16"."""


class Grid(TypedDict):
    """value = scale · (code − zero), codes from low to high."""

    scale: float
    zero: float
    low: int
    high: int


class SubBlock(TypedDict):
    """Weights of a block that share a scale and a minimum."""

    start: int
    """In the block."""
    length: int
    scale: float
    minimum: float
    levels: list[float]


class Arithmetic(TypedDict):
    """How a block's codes become values."""

    levels: list[float]
    """Values that the block can hold; empty where they differ by column."""
    parameters: list[BlockParameter]
    formula: str
    steps: list[str]
    affine: Grid | None
    """The grid, where the block is on one that can be moved by hand."""
    note: str
    sub_blocks: NotRequired[list[SubBlock]]


class Block(Arithmetic):
    """One block in full arithmetic."""

    label: str
    row: int
    block: int
    start: int
    """First column in the row."""
    weights: list[float]
    codes: list[int]
    values: list[float]
    """The weights again from codes and scales."""


class Rotation(TypedDict):
    """What turning the input basis changes."""

    kurtosis_before: float
    kurtosis_after: float
    sqnr_before: float | None
    """Decibel; None where nothing is lost."""
    sqnr_after: float | None


class MethodResult(TypedDict):
    """A method at its defaults on the tensor."""

    method: str
    type: str
    bits: float | None
    """None where the method cannot hold the tensor."""
    sqnr: float | None
    """Decibel; None where nothing is lost, too."""
    mse: float | None
    reason: str
    """Why it cannot."""


class LabProvenance(Origin):
    """What pins the lab's numbers."""

    torch: str
    text: str


class View(TypedDict):
    """A tensor and what a method makes of it."""

    shape: list[int]
    method: str
    method_title: str
    sentence: str
    settings: dict[str, Any]
    type: str
    summary: Summary
    histogram: Histogram
    error_map: ErrorMap
    blocks: list[Block]
    """The worst, a typical one, and the one of the largest weight."""
    blocks_per_row: int
    rotation: Rotation | None


class Lab(View):
    """One tensor quantized by one method."""

    kind: Literal["lab"]
    run_id: str
    drawable: Literal[True]
    done: bool
    """Whether the other methods, where they are wanted, are there too."""
    title: str
    tensor: str
    methods: list[MethodResult] | None
    request: LabRequest
    warnings: list[str]
    provenance: LabProvenance
    tensors: NotRequired[list[str]]
    """Names of the model's weights, in the stored example."""
    example: NotRequired[bool]
    progress: NotRequired[Progress]


class Adjustment(TypedDict):
    """The tensor with other settings."""

    sqnr: float | None
    mse: float
    bits: float
    kld: Effect


Kind = Literal["compare", "lab", "take", "set"]
"""The rooms' figures."""


class Waiting(TypedDict):
    """A run before anything of it can be drawn."""

    kind: Kind
    run_id: str
    drawable: Literal[False]
    done: Literal[False]
    title: str
    progress: Progress
