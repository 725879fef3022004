"""The types of the dedup Space's data: what its figures draw, and what its API returns.

It is long because it is one list: the contract of the whole Space.
"""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from shared.data import Progress

Pair = tuple[int, int, float]
"""Two nodes, the one to keep first, and their similarity."""

CurvePoint = tuple[float, int, int]
"""A threshold, and the kept rows and pairs at or above it."""


RecallPoint = tuple[float, float | None, float, float, int, int]
"""A threshold; the recall of pairs there and both ends of its interval; true pairs of the sample, and those
found.
"""

Unit = Literal["auto", "word", "symbol", "code", "whitespace", "character", "turn"]
"""What shingles are made of; a result never says auto."""


Kind = Literal["form", "number", "sign", "negation", "emoji", "name", "tool argument", "template", "other"]
"""In what two texts differ, see `dedup.kinds.KINDS`."""


class Request(TypedDict):
    """The settings of a run, see `dedup.request.Request`."""

    dataset: str
    """A Hub dataset's id or a stored example's file name; empty for a visitor's file."""
    config: str
    split: str
    columns: list[str]
    part: Literal["all", "prompt", "answer", "turn"]
    """What is compared of a conversation."""
    threshold: float
    floor: float
    """The lowest similarity whose pairs are stored."""
    ngram: int
    unit: Unit
    keep: str
    """first, last, longest, central, or max: and a column."""
    method: Literal["leader", "components"]
    recall: float
    """Probability with which a pair at the threshold is to be found."""
    limit: int
    goal: int | None
    """Rows to end with, in place of the threshold."""
    pinned: list[int]
    """Rows that stay whatever they repeat."""
    seed: int
    measure: Literal["jaccard", "cosine", "meaning"]
    embedding: str
    """For cosine and meaning: a model2vec model; empty for the default."""
    spare: list[Kind]
    """Pairs that differ so are no duplicates."""
    labels: NotRequired[list[str]]
    """Pairs that a visitor has judged: `name:same` or `name:different`."""


class RunProgress(Progress):
    """How far a run has come, with its stage and what it has counted."""

    stage: str
    counts: dict[str, int]


class Waiting(TypedDict):
    """A run that has no result yet."""

    kind: Literal["dedup"]
    run_id: str
    drawable: Literal[False]
    title: str
    done: Literal[False]
    cancelled: NotRequired[bool]
    request: Request
    progress: RunProgress


class RecallSample(TypedDict):
    """What brute force on a sample of rows says of the bands."""

    rows: int
    """Rows that were compared with all others."""
    true_pairs: int
    found: int
    """True pairs that the bands found as well."""
    complete: bool
    """Whether the sample is the whole dataset."""


class Plan(TypedDict):
    """Bands, and what they are expected to cost."""

    num_perm: int
    num_bands: int
    rows_per_band: int
    expected_recall: float
    """Of a pair whose similarity is the threshold."""
    candidates: int | None
    """Pairs expected to be verified."""
    seconds: float
    megabytes: float
    alike: float
    """Share of the sample's pairs whose similarity reaches the floor."""
    curve: list[tuple[float, float]]
    """A similarity, and the probability that such a pair becomes a candidate."""


class RunPlan(Plan):
    """The plan of a run that is over."""

    candidates_found: int


class SourceFile(TypedDict):
    """One of several files whose rows are one dataset."""

    name: str
    rows: int


class Provenance(TypedDict):
    """Where the numbers come from."""

    source: str
    rows: int
    columns: list[str]
    held: NotRequired[list[str]]
    """Columns beside them that must be equal."""
    files: NotRequired[list[SourceFile]]
    """Of several, in the order of their rows."""
    schema: NotRequired[str]
    """What the dataset is called whose columns were chosen; empty where there was no such choice."""
    guessed: NotRequired[bool]
    """Whether the units were chosen by what the rows look like."""
    verification: str
    rensa: NotRequired[str]
    """Version, in results of former days: signatures were made by it. The next three for shingles only."""
    num_perm: NotRequired[int]
    num_bands: NotRequired[int]
    seed: NotRequired[int]
    model2vec: NotRequired[str]
    """Version; this and the next for vectors only."""
    embedding: NotRequired[str]
    reader: NotRequired[str]
    """The language model that read pairs, and its copy."""


class Label(TypedDict):
    """A pair that a visitor has judged."""

    name: str
    """Of its two texts, the same in every file."""
    rows: tuple[int, int]
    similarity: float
    same: bool
    """Whether the two say the same."""


class ByLabels(TypedDict):
    """What a visitor's labels of the drawn pairs say."""

    labels: list[Label]
    drawn: int
    """Pairs that were drawn to be labelled."""
    wanted: float
    """Share of labelled pairs that say the same from which a threshold is proposed."""
    threshold: float | None
    """The lowest with that share; null where there is none. The next four are of it."""
    same: NotRequired[int]
    """Labelled pairs at or above it that say the same."""
    of: NotRequired[int]
    """Labelled pairs there."""
    interval: NotRequired[tuple[float, float]]
    """95 % (Clopper and Pearson), of the share of all pairs there that say the same."""
    removed: NotRequired[int]
    """Rows that go there."""


class Summary(TypedDict):
    """A run's numbers."""

    rows: int
    """Of the whole dataset."""
    kept: int
    removed: int
    clusters: int
    """Groups of two rows or more of which one at least is removed."""
    pairs: int
    """Verified pairs of different texts at or above the threshold."""
    exact_copies: int
    """Rows whose text is that of an earlier one."""
    same_words: NotRequired[int]
    """Removed rows with the words of the row that stays and other signs, case or spaces."""
    differences: NotRequired[dict[str, int]]
    """Removed rows by what they differ in from the row that stays, copies aside."""
    without_text: int
    precision: float | None
    """Of pairs: 1, for each was verified; null where nothing proves them."""
    recall: float | None
    """Of pairs at `threshold`, measured on `recall_sample`; null where that has none."""
    recall_interval: tuple[float, float] | None
    """95 %."""
    removed_recall: NotRequired[float | None]
    """Of the rows that would go if every pair were compared, the share that goes by the bands alone."""
    removed_recall_interval: NotRequired[tuple[float, float] | None]
    """95 %."""
    recall_sample: RecallSample
    threshold: float
    """That was applied, or at which the wanted number of rows was reached."""
    seconds: dict[str, float]
    """By stage, and in `total`."""
    warnings: list[str]
    provenance: Provenance
    by_labels: NotRequired[ByLabels]


class RemovedRow(TypedDict):
    """A removed row and the row that stays in its place."""

    row: int
    keeper: int
    jaccard: float
    copy: bool
    """Whether the two have the same text."""
    same_words: bool
    """Whether they have the same words and differ in signs, case or spaces."""
    kind: Kind | None
    """In what they differ; None for copies, and where there were too many rows to look at all."""
    row_in: NotRequired[tuple[str, int]]
    """Of several files: the row's own, and its number there."""
    keeper_in: NotRequired[tuple[str, int]]


class Report(Summary):
    """The API's answer."""

    removed_rows: list[RemovedRow]
    request: Request
    plan: RunPlan | None


class Node(TypedDict):
    """A distinct text."""

    rows: list[int]
    """With that text, the one to keep first."""
    rank: int
    """Priority to be kept; the lowest first."""
    words: NotRequired[int]
    """The same number, the same words."""


class Graph(TypedDict):
    """Distinct texts and their verified pairs, as many whole clusters as a page can hold."""

    nodes: list[Node]
    edges: list[Pair]
    complete: bool
    """Whether every cluster is here."""
    apart: NotRequired[list[Pair]]
    """Pairs of a cluster's texts that were compared beside the edges, less similar than `threshold`."""


class Kinds(TypedDict):
    """In what the texts of each pair differ."""

    names: list[Kind]
    of_edges: list[int]
    """Place in `names` by edge of the graph; -1 where nobody looked."""


class Drawn(TypedDict):
    """A pair that is to be judged by a visitor."""

    name: str
    """Of its two texts, the same in every file."""
    rows: tuple[int, int]
    """The one to keep first."""
    similarity: float
    end: float
    """The lowest similarity of the stratum that it was drawn from."""
    nats: float | None
    """What the language model makes of it, nats a token, the more the rather a restatement; null where it was
    not read.
    """
    texts: tuple[str, str]
    """Long ones are cut."""


Spot = tuple[int, float, float, str]
"""A row, its place on a map, and the beginning of its text."""


class Reading(TypedDict):
    """What became of the candidates that are no pairs."""

    vetoed: dict[str, int]
    """That differ in a fact, by its kind."""
    denied: int
    """That the language model read, and that rather do not say the same."""
    unread: int


class Vectors(TypedDict):
    """Of a run by vectors."""

    drawn: list[Drawn]
    spots: list[Spot]
    spread: float
    """Share of the vectors' variance that the map shows."""
    texts: int
    """Different ones, on the map or not."""
    reading: NotRequired[Reading]


class Choice(TypedDict):
    """What a visitor had chosen when the figure was exported."""

    threshold: float | None
    pinned: list[int]
    labels: NotRequired[list[str]]


class Deduplication(Summary):
    """A run."""

    kind: Literal["dedup"]
    run_id: str
    """The same rows and settings, the same name: what the visitor chose stays while it is the same."""
    drawable: Literal[True]
    title: str
    done: bool
    cancelled: NotRequired[bool]
    example: NotRequired[bool]
    request: Request
    progress: NotRequired[RunProgress]
    plan: RunPlan | None
    """None where every pair was compared."""
    curve: list[CurvePoint]
    """Without pins, at every hundredth from the floor to 1."""
    recall_curve: NotRequired[list[RecallPoint]]
    """At the same thresholds."""
    graph: Graph
    kinds: NotRequired[Kinds]
    texts: dict[str, str]
    """By the first row of a node; long ones are cut."""
    vectors: NotRequired[Vectors]
    answers: NotRequired[dict[str, tuple[int, float]]]
    """By row that was removed because of its prompt: its keeper, and how similar their answers are."""
    choice: NotRequired[Choice]


class Cell(TypedDict):
    """What one split holds of another."""

    rows: int | None
    """Of the first split, that have a match in the second; null where a split was too large to be compared
    with itself.
    """
    share: float


Leak = TypedDict(
    "Leak",
    {
        "split": int,
        "row": int,
        "in": int,
        "match": int,
        "jaccard": float,
        "containment": float,
        "run": NotRequired[int],
        "run_share": NotRequired[float],
    },
)
"""A row of one split and its best match in another split or among the rest of its own; `run`: units of the
longest common run, where that is the measure, and their share of the row's.
"""


Name = str | int | float | None
"""What a column names a row by."""


LeakLine = TypedDict(
    "LeakLine",
    {
        "split": str,
        "row": int,
        "in": str,
        "match": int,
        "jaccard": float,
        "containment": float,
        "run": NotRequired[int],
        "id": NotRequired[Name],
        "match_id": NotRequired[Name],
    },
)
"""The same in a file, with the splits' names, and what names the two rows where a column does."""


class Clean(TypedDict):
    """The split that can be had without the rows that others hold."""

    split: int
    rows: int
    """That are left of it."""


class SplitsRequest(TypedDict):
    """The settings of a comparison of splits, see `dedup.request.SplitsRequest`."""

    dataset: str
    """A Hub dataset's id or a stored example's name; empty for a visitor's files."""
    splits: list[str]
    """Of that dataset."""
    columns: list[str]
    threshold: float
    ngram: int
    measure: Literal["jaccard", "containment", "overlap", "longest"]
    limit: int
    clean: NotRequired[str]
    config: str
    unit: Unit


class SplitsProvenance(TypedDict):
    """Where the numbers come from."""

    source: str
    files: list[str]
    """Of each split: its file, or its name on the Hub."""
    columns: list[list[str]]
    """That were compared of each split."""
    held: NotRequired[list[list[str]]]
    """Of each split the columns beside them that must be equal."""
    ngram: int
    unit: Unit


class ContaminationWaiting(TypedDict):
    """A comparison of splits that has no result yet."""

    kind: Literal["contamination"]
    drawable: Literal[False]
    title: str
    done: Literal[False]
    cancelled: NotRequired[bool]
    request: SplitsRequest
    progress: RunProgress


class Contamination(TypedDict):
    """What every split shares with every split, and with itself."""

    kind: Literal["contamination"]
    run_id: str
    drawable: Literal[True]
    title: str
    done: Literal[True]
    example: NotRequired[bool]
    request: SplitsRequest
    splits: list[str]
    rows: list[int]
    """Of each split."""
    measure: Literal["jaccard", "containment", "overlap", "longest"]
    threshold: float
    matrix: list[list[Cell]]
    """By the split whose rows are looked for, then by the split that they are looked for in."""
    leaks: list[Leak]
    """The strongest of each pair of splits."""
    texts: dict[str, str]
    """By split and row, `0:17`; long ones are cut."""
    clean: NotRequired[Clean]
    warnings: list[str]
    provenance: SplitsProvenance


Figure = Deduplication | Waiting | Contamination | ContaminationWaiting
"""What the figure is given, beside a failure."""
