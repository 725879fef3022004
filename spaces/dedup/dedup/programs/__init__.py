"""A run as programs of its own: what each program of this folder is told, see `export`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import PurePath

from dedup.data import SplitsProvenance
from dedup.examples import DATASETS, PAIRS
from dedup.minhash import MAX_NUM_PERM, Plan, s_curve
from dedup.programs.export import exported
from dedup.read import FORMATS
from dedup.request import Request, SplitsRequest
from dedup.units import unit_name
from shared import limits
from shared.errors import VisitorError

UNVERIFIED_SIMILARITY = 0.5
"""Share of the threshold at which pairs ought not to become duplicates where nothing verifies them."""

UNVERIFIED_CHANCE = 0.05
"""Greatest chance that such a pair does."""

ONE_FILE = (".arrow", ".feather", ".ipc", ".xlsx")
"""Endings of files that datatrove's program does not read."""

EXAMPLE = "The source is an example: it lies in the folder `examples` of this demo's repository."


def rensa_program(
    request: Request,
    plan: Plan,
    columns: Sequence[str],
    source: str | Sequence[str],
    held: Sequence[str] = (),
) -> str:
    """The run as one file that needs datasets, pyarrow, rensa and numpy.

    It makes the page's shingles, verifies every candidate by exact Jaccard and keeps the page's rows, but for
    pairs that the bands miss: the shingles' hashes are others here, so others are missed. The keep policies
    first, last, longest and max:<column> are followed; what is not (components, a goal, pins, the central
    row) a comment in it says.

    Args:
        request: the page's settings.
        plan: its bands.
        columns: the columns that were compared.
        source: the file's name, or a list of several; it is not used where the request names a dataset.
        held: columns beside them that must be equal.

    Raises:
        VisitorError: a file of unknown format.

    Source: MinHash and banding after Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, chapter 3.
    """
    return exported(
        "rensa_alone",
        _left_out(request),
        **_source(request, columns, source),
        THRESHOLD=request.threshold,
        NGRAM=request.ngram,
        UNIT=_unit(request),
        KEEP=request.keep,
        SAME=tuple(held),
        BANDS=plan.num_bands,
        ROWS_PER_BAND=plan.rows_per_band,
        SEED=request.seed,
    )


def datatrove_program(
    request: Request, plan: Plan, columns: Sequence[str], source: str | Sequence[str]
) -> str:
    """The run as a datatrove MinHash pipeline of four stages: signatures, buckets, clusters, filter.

    datatrove removes every candidate unverified, so bands that are soft because the page verifies (few rows
    to a band) would remove most of a dataset: such a plan is replaced by `unverified_bands`, and a comment
    says so. Arguments are those of `rensa_program`.

    Raises:
        VisitorError: characters or turns are compared (datatrove compares words), or a file of unknown
            format.
    """
    if _unit(request) != "word":
        raise VisitorError(
            f"datatrove compares words; this run compares {unit_name(request.unit, 2)}.",
            "Use the other program, or compare words.",
        )
    given = [source] if isinstance(source, str) else source
    names = [request.dataset] if request.dataset else list(given)
    if len(names) > 1 or (not request.dataset and PurePath(names[0]).suffix.lower() in ONE_FILE):
        raise VisitorError(
            "This program reads one file of CSV, JSON, Parquet or text.",
            "Use the other program, or save the rows as one Parquet file.",
        )
    bands = unverified_bands(request, plan)
    return exported(
        "datatrove_pipeline",
        [*_differences(plan, bands, request), *_left_out(request, clusters=True)],
        **_source(request, columns, source),
        SUFFIX=PurePath(names[0]).suffix if not request.dataset else "",
        NGRAM=request.ngram,
        BANDS=bands[0],
        ROWS_PER_BAND=bands[1],
        SEED=request.seed,
    )


def cosine_program(
    request: Request,
    columns: Sequence[str],
    source: str | Sequence[str],
    embedding: str,
    held: Sequence[str] = (),
) -> str:
    """The run under cosine similarity, with model2vec; arguments are those of `rensa_program`.

    Args:
        embedding: the vectors that answered, see `dedup.semantic.load`.

    Raises:
        VisitorError: a file of unknown format.
    """
    from dedup.semantic import EMBEDDED, HUB_DEFAULT

    notes = _left_out(request)
    if request.measure == "meaning":
        notes.append(
            "It finds the candidates. The page left out those that differ in a fact, and a language model "
            "read the rest, which this program does not."
        )
    if embedding == EMBEDDED:
        notes.append(
            "The page compared vectors of its embedded language model; this model gives other cosines."
        )
    return exported(
        "model2vec_cosine",
        notes,
        **_source(request, columns, source),
        THRESHOLD=request.threshold,
        UNIT=_unit(request),
        KEEP=request.keep,
        SAME=tuple(held),
        MODEL=HUB_DEFAULT if embedding == EMBEDDED else embedding,
    )


def splits_program(request: SplitsRequest, provenance: SplitsProvenance) -> str:
    """The comparison of splits as one file that needs datasets and pyarrow.

    Raises:
        VisitorError: a file of unknown format.
    """
    example = request.dataset in PAIRS
    of_hub = bool(request.dataset) and not example
    files = provenance["files"]
    held = map(tuple, provenance.get("held") or [[]] * len(files))
    if not of_hub:
        for file in files:
            _check_file(file)
    return exported(
        "splits_compared",
        [EXAMPLE] if example else [],
        DATASET=request.dataset if of_hub else None,
        CONFIG=request.config or None,
        SPLITS=tuple(zip(files, map(tuple, provenance["columns"]), held, strict=True)),
        PART=request.part,
        LIMIT=request.limit,
        THRESHOLD=request.threshold,
        NGRAM=request.ngram,
        UNIT=_unit(request),
        MEASURE=request.measure,
    )


def unverified_bands(request: Request, plan: Plan) -> tuple[int, int]:
    """Bands and rows per band for a run that does not verify its candidates.

    The plan's own where they are steep enough: a pair of half the threshold's similarity becomes a candidate
    with a chance of at most `UNVERIFIED_CHANCE`. Otherwise the fewest rows per band that are so and reach the
    request's recall; where `MAX_NUM_PERM` permutations do not suffice, the steepest that reach the recall, or
    the plan's own.

    Args:
        request: its threshold and recall count.
        plan: the page's bands.
    """
    low = UNVERIFIED_SIMILARITY * request.threshold
    if s_curve(low, plan.num_bands, plan.rows_per_band) <= UNVERIFIED_CHANCE:
        return plan.num_bands, plan.rows_per_band
    steepest = plan.num_bands, plan.rows_per_band
    for rows_per_band in range(plan.rows_per_band + 1, MAX_NUM_PERM + 1):
        chance = request.threshold**rows_per_band
        bands = 1 if chance >= 1 else math.ceil(math.log1p(-request.recall) / math.log1p(-chance))
        if bands * rows_per_band > MAX_NUM_PERM:
            break
        steepest = bands, rows_per_band
        if s_curve(low, bands, rows_per_band) <= UNVERIFIED_CHANCE:
            break
    return steepest


def _source(request: Request, columns: Sequence[str], source: str | Sequence[str]) -> dict[str, object]:
    """The settings that say what is read: all that a visitor typed, but for names of columns elsewhere."""
    of_hub = bool(request.dataset) and request.dataset not in DATASETS
    files = [request.dataset or source] if isinstance(source, str) or request.dataset else list(source)
    for file in files if not of_hub else ():
        _check_file(str(file))
    return {
        "SOURCE": files[0] if len(files) == 1 else tuple(files),
        "CONFIG": (request.config or None) if of_hub else None,
        "SPLIT": request.split if of_hub else None,
        "COLUMNS": tuple(columns),
        "PART": request.part,
        "LIMIT": None if request.limit >= limits.MAX_DATASET_ROWS else request.limit,
    }


def _unit(request: Request | SplitsRequest) -> str:
    """What shingles are made of; words where the request leaves it open."""
    return "word" if request.unit == "auto" else request.unit


def _check_file(name: str) -> None:
    if PurePath(name).suffix.lower() not in FORMATS:
        raise VisitorError(
            f"“{name[:80]}” is not a file that a program can read.",
            "Use CSV, TSV, JSONL, JSON, Parquet, Arrow, XLSX or plain text.",
        )


def _left_out(request: Request, clusters: bool = False) -> list[str]:
    """What a reader of the program should know of its source, and settings of the page that it does not
    follow, a line each.

    Args:
        clusters: whether the program keeps some row of each connected component.
    """
    lines = [EXAMPLE] if request.dataset in DATASETS else []
    if request.goal is not None:
        lines.append(
            "The page ended with an exact number of rows; this program ends where the threshold does."
        )
    if request.spare:
        lines.append(f"Pairs that differ in {', '.join(request.spare)} were spared on the page, not here.")
    if request.pinned:
        lines.append("Rows were pinned on the page; this program pins none.")
    if clusters:
        return lines
    if request.method == "components":
        lines.append(
            "The page removed whole connected components; here a row goes only if it is itself like a kept "
            "one."
        )
    if request.keep == "central":
        lines.append("The page kept the most central row of a cluster; this program keeps the first.")
    return lines


def _differences(plan: Plan, bands: tuple[int, int], request: Request) -> list[str]:
    """How datatrove's run differs from the page's, a line each."""
    half = UNVERIFIED_SIMILARITY * request.threshold

    def chance(similarity: float, *shape: int) -> str:
        return f"{float(s_curve(similarity, *shape)):.1%}"

    chances = ", ".join(
        f"{similarity:.2f}: {chance(similarity, *bands)}"
        for similarity in (half, (half + request.threshold) / 2, request.threshold)
    )
    lines = [
        "What differs from the page:",
        "- datatrove does not verify candidates: two rows that share a bucket are duplicates, however unlike",
        "  they are. Two rows of these Jaccard similarities share one with these chances:",
        f"  {chances}.",
        "- It joins them to connected components and keeps one row of each, not always the first.",
        "- It splits words its own way (_ and other punctuation separate them), and rows of fewer words than",
        "  NGRAM all stay. Images and tool calls count as the words that name them.",
    ]
    if bands != (plan.num_bands, plan.rows_per_band):
        lost = chance(half, plan.num_bands, plan.rows_per_band)
        lines += [
            f"- The page's {plan.num_bands} bands of {plan.rows_per_band} were meant to be verified; "
            "unverified, they would make duplicates",
            f"  of {lost} of the pairs that are {half:.2f} alike. Here are {bands[0]} bands of {bands[1]}.",
        ]
    return lines
