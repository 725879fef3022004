"""A run as programs of its own: one file with rensa for a laptop, one datatrove pipeline for a cluster.

What a visitor typed enters a program through `repr` alone, as a constant at its head; everything below the
head is text of this module. So a name can neither end a string nor start a statement.
"""

from __future__ import annotations

import math
from pathlib import PurePath

from dedup import chat, shingles
from dedup.minhash import MAX_NUM_PERM, Plan, s_curve
from dedup.read import FORMATS
from dedup.request import Request
from dedup.texts import CHAT_COLUMNS
from shared import limits
from shared.errors import VisitorError

DATATROVE = "0.10.1"
RENSA = "0.5.0"
"""Versions that the programs ask for."""

UNVERIFIED_SIMILARITY = 0.5
"""Share of the threshold at which pairs ought not to become duplicates where nothing verifies them."""

UNVERIFIED_CHANCE = 0.05
"""Greatest chance that such a pair does."""

BATCH = 1_000
"""Rows that the rensa program signs at a time."""

_RENSA_NAME = "dedup_rensa.py"
_DATATROVE_NAME = "dedup_datatrove.py"
_DEPENDENCIES = [f"datatrove[io,processing]=={DATATROVE}", "spacy", "datasets"]
"""What a Hugging Face Job installs."""


def rensa_script(
    request: Request, plan: Plan, columns: tuple[str, ...], source: str, *, conversations: bool | None = None
) -> str:
    """The run as one Python file that needs datasets, pyarrow, rensa and numpy.

    It makes the page's shingles, verifies every candidate by exact Jaccard and keeps the page's rows, but for
    pairs that the bands miss: the shingles' hashes are others here, so others are missed. The keep policies
    first, last, longest and max:<column> are followed; what is not (components, a goal, pins, the central
    row) a comment in it says.

    Args:
        request: the page's settings.
        plan: its bands.
        columns: the columns that were compared.
        source: the file's name; it is not used where the request names a dataset of the Hub.
        conversations: whether the columns hold conversations; None to judge by their names and the request's
            part.

    Raises:
        VisitorError: a file of unknown format, or no column.

    Source: MinHash and banding after Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, chapter 3.
    """
    kind = _kind(request, columns, source)
    chats = _chats(request, columns) if conversations is None else conversations
    settings = _constants(
        THRESHOLD=request.threshold,
        NGRAM=request.ngram,
        BANDS=plan.num_bands,
        ROWS_PER_BAND=plan.rows_per_band,
    )
    settings += _constants(SEED=request.seed, BATCH=BATCH)
    standard, others = _IMPORTS[kind]
    arrow = ("import numpy as np", "import pyarrow as pa", "import pyarrow.compute as pc")
    imports = _lines(
        *standard, "import json", "import re", "import sys", "", *arrow, *others, "from rensa import RMinHash"
    )
    notes = _lines(*(f"# {note}" for note in _left_out(request)))
    head = f'''"""Remove near-duplicates: every row that is like a row kept before it goes.

    pip install datasets pyarrow numpy rensa=={RENSA}
    python {_RENSA_NAME} [input] [output.jsonl]
"""

{imports}
{notes}{_source_constants(request, columns, source, "sys.argv[1] if len(sys.argv) > 1 else ")}{settings}{_chat_constants(chats)}
'''
    load = _RENSA_HUB if kind == "hub" else _RENSA_FILE
    order, number = _ORDERS.get(request.keep.partition(":")[0], _ORDERS["first"])
    texts = [_PLAIN, *_spoken(request, chats), _COMPARED[chats], _UNITS[request.unit]]
    return "".join(
        [head, _READ[kind], load, *texts, number, _RENSA_SIGN, _RENSA_MAIN_HEAD, order, _RENSA_MAIN]
    )


def datatrove_script(
    request: Request, plan: Plan, columns: tuple[str, ...], source: str, *, conversations: bool | None = None
) -> str:
    """The run as a datatrove MinHash pipeline of four stages: signatures, buckets, clusters, filter.

    datatrove removes every candidate unverified, so bands that are soft because the page verifies (few rows
    to a band) would remove most of a dataset: such a plan is replaced by `unverified_bands`, and a comment
    says so.

    Args:
        request: the page's settings.
        plan: its bands.
        columns: the columns that were compared.
        source: the file's name; it is not used where the request names a dataset of the Hub.
        conversations: whether the columns hold conversations; None to judge by their names and the request's
            part.

    Raises:
        VisitorError: characters or turns are compared (datatrove compares words), a file of unknown format,
            or no column.

    Source: https://github.com/huggingface/datatrove/blob/v0.10.1/examples/minhash_deduplication.py
    """
    kind = _kind(request, columns, source)
    chats = _chats(request, columns) if conversations is None else conversations
    if request.unit != "word":
        raise VisitorError(
            f"datatrove compares words; this run compares {request.unit}s.",
            "Use the other script, or compare words.",
        )
    bands, rows_per_band = unverified_bands(request, plan)
    settings = _constants(
        NGRAM=request.ngram,
        BANDS=bands,
        ROWS_PER_BAND=rows_per_band,
        SEED=request.seed,
        DEPENDENCIES=_DEPENDENCIES,
    )
    standard, others = _IMPORTS[kind]
    names = ("argparse", *standard, "json", "math", "os", "re", "signal", "sys")
    imports = _lines(
        *(name if name.startswith("import") else f"import {name}" for name in names),
        *_DATATROVE_READING[kind == "hub"],
        *others,
    )
    notes = _lines(
        *(
            f"# {note}"
            for note in [
                *_differences(plan, bands, rows_per_band, request),
                *_left_out(request, clusters=True),
            ]
        )
    )
    suffix = "" if kind == "hub" else _constants(SUFFIX=PurePath(source).suffix)
    head = f'''"""Remove near-duplicates with datatrove: on this machine, on a Ray or Slurm cluster, or as Hugging Face Jobs.

    pip install "datatrove[io,processing,ray]=={DATATROVE}" spacy datasets
    python {_DATATROVE_NAME} --executor local --tasks 4 --workers 4 --input … --output …

The kept rows are in <output>/kept, the removed ones in <output>/removed. Take a new output folder for other settings: a
stage that is complete there is not run again.
"""

{imports}{_DATATROVE_IMPORTS}
{notes}{_source_constants(request, columns, source, "")}{suffix}{settings}{_chat_constants(chats)}
'''
    rows = _DATATROVE_HUB if kind == "hub" else _DATATROVE_FILE
    return "".join(
        [head, _READ[kind], _PLAIN, *_spoken(request, chats), _COMPARED_CELL[chats], rows, _DATATROVE_MAIN]
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


def _kind(request: Request, columns: tuple[str, ...], source: str) -> str:
    """The reader to write into the program."""
    if not columns:
        raise VisitorError("No column was compared.", "Name a column.")
    if request.dataset:
        return "hub"
    kind = FORMATS.get(PurePath(source).suffix.lower())
    if kind is None:
        raise VisitorError(
            f"“{source[:80]}” is no file that a script can read.",
            "Use CSV, TSV, JSONL, JSON, Parquet or plain text.",
        )
    return kind


def _lines(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def _constants(**values: object) -> str:
    """Assignments of literals."""
    return _lines(*(f"{name} = {value!r}" for name, value in values.items()))


def _source_constants(request: Request, columns: tuple[str, ...], source: str, override: str) -> str:
    """What is read: all that a visitor typed.

    Args:
        override: an expression before the source's literal.
    """
    limit = None if request.limit >= limits.MAX_DATASET_ROWS else request.limit
    if request.dataset:
        place = f"SOURCE = {override}{request.dataset!r}\n" + _constants(
            CONFIG=request.config or None, SPLIT=request.split
        )
    else:
        place = f"SOURCE = {override}{source!r}\n"
    keep_column = _constants(KEEP_COLUMN=request.keep[4:]) if request.keep.startswith("max:") else ""
    return f"{place}{_constants(COLUMNS=columns)}{keep_column}LIMIT = {limit!r}  # rows to read at most; None for all\n"


def _chats(request: Request, columns: tuple[str, ...]) -> bool:
    """Whether conversations are to be expected."""
    return request.part != "all" or any(name in CHAT_COLUMNS for name in columns)


def _spoken(request: Request, chats: bool) -> list[str]:
    """What takes the compared part out of a conversation, where there are any."""
    return [_TURNS, _SPOKEN[request.part]] if chats else []


def _chat_constants(chats: bool) -> str:
    """What `dedup.chat` knows of roles and templates."""
    roles = _constants(ANSWERS=sorted(chat._ANSWERS), SYSTEM=sorted(chat._SYSTEM)) if chats else ""
    return (
        f"{roles}# marks of chat templates, and what only a transcript under one holds\n"
        f"TEMPLATE = re.compile({chat._TEMPLATE.pattern!r}, re.MULTILINE)\n"
        f"TRANSCRIPT = re.compile({chat._TRANSCRIPT.pattern!r}, re.MULTILINE | re.DOTALL)\n"
    )


def _left_out(request: Request, clusters: bool = False) -> list[str]:
    """Settings of the page that a program does not follow, a line each.

    Args:
        clusters: whether the program keeps some row of each connected component.
    """
    lines = []
    if request.goal is not None:
        lines.append(
            "The page ended with an exact number of rows; this program ends where the threshold does."
        )
    if request.pinned:
        lines.append("Rows were pinned on the page; this program pins none.")
    if clusters:
        return lines
    if request.method == "components":
        lines.append(
            "The page removed whole connected components; here a row goes only if it is itself like a kept one."
        )
    if request.keep == "central":
        lines.append("The page kept the most central row of a cluster; this program keeps the first.")
    if request.keep == "longest":
        lines.append(
            "Of rows with the same words in the same order the page kept the first; this program keeps the longest."
        )
    return lines


def _differences(plan: Plan, bands: int, rows_per_band: int, request: Request) -> list[str]:
    """How datatrove's run differs from the page's, a line each."""
    half = UNVERIFIED_SIMILARITY * request.threshold

    def chance(similarity: float, *shape: int) -> str:
        return f"{float(s_curve(similarity, *shape)):.1%}"

    shown = ", ".join(
        f"{s:.2f}: {chance(s, bands, rows_per_band)}"
        for s in (half, (half + request.threshold) / 2, request.threshold)
    )
    lines = [
        "What differs from the page:",
        "- datatrove does not verify candidates: two rows that share a bucket are duplicates, however unlike they are.",
        f"  Two rows of these Jaccard similarities share one with these chances: {shown}.",
        "- It joins them to connected components and keeps one row of each, not always the first.",
        "- It splits words its own way (_ and other punctuation part them), and rows of fewer words than NGRAM all stay.",
    ]
    if (bands, rows_per_band) != (plan.num_bands, plan.rows_per_band):
        lost = chance(half, plan.num_bands, plan.rows_per_band)
        lines.append(
            f"- The page's {plan.num_bands} bands of {plan.rows_per_band} were meant to be verified; unverified, they would make duplicates"
        )
        lines.append(
            f"  of {lost} of the pairs that are {half:.2f} alike. Here are {bands} bands of {rows_per_band}."
        )
    return lines


_IMPORTS: dict[str, tuple[list[str], list[str]]] = {
    "hub": ([], []),
    "jsonl": ([], []),
    "json": ([], []),
    "text": ([], []),
    "csv": (["import csv", "import io"], []),
    "parquet": ([], ["import pyarrow.parquet as pq"]),
}
"""Standard and other modules that a reader needs."""

_DATATROVE_READING = {
    False: ["from itertools import islice", "", "import dill", "import fsspec"],
    True: [
        "",
        "import dill",
        "from datasets import load_dataset",
        "from datasets.distributed import split_dataset_by_node",
    ],
}
"""By whether the source is a dataset of the Hub."""

_READ = {
    "hub": "",
    "jsonl": '''
def read(file):
    """The rows of an open file: one JSON object a line."""
    return (json.loads(line) for line in file if line.strip())

''',
    "json": '''
def read(file):
    """The rows of an open file: a JSON list, or one JSON object a line."""
    content = file.read()
    try:
        return json.loads(content)
    except ValueError:
        return (json.loads(line) for line in content.splitlines() if line.strip())

''',
    "text": '''
def read(file):
    """The rows of an open file: its lines."""
    return ({"text": line.decode("utf-8-sig", "replace").rstrip("\\r\\n")} for line in file)

''',
    "csv": '''
def read(file):
    """The rows of an open file: CSV with the separator that its first line holds most of."""
    csv.field_size_limit(2**31 - 1)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    separator = max(",;\\t|", key=text.readline().count)
    text.seek(0)
    rows = csv.DictReader(text, delimiter=separator)
    rows.fieldnames = [join([name]) for name in rows.fieldnames or ()]  # names as the page shows them
    return rows

''',
    "parquet": '''
def read(file):
    """The rows of an open file: Parquet."""
    return (row for batch in pq.ParquetFile(file).iter_batches() for row in batch.to_pylist())

''',
}

_RENSA_FILE = '''
def load():
    """The rows, at most LIMIT."""
    with open(SOURCE, "rb") as file:
        return list(read(file))[:LIMIT]

'''

_RENSA_HUB = '''
def load():
    """The rows of the Hub's dataset, at most LIMIT."""
    from datasets import load_dataset

    rows = load_dataset(SOURCE, CONFIG, split=SPLIT, streaming=True)
    return list(rows if LIMIT is None else rows.take(LIMIT))

'''

_PLAIN = '''
def plain(cell):
    """A text without the marks of a chat template."""
    if not isinstance(cell, str):
        return ""
    return TEMPLATE.sub("\\n", cell).strip() if TRANSCRIPT.search(cell) else cell


def join(parts):
    """The parts as one text that UTF-8 can hold."""
    return "\\n".join(parts).strip("\\n").encode("utf-8", "surrogatepass").decode("utf-8", "replace")

'''

_TURNS = '''
def turns(cell):
    """A conversation (OpenAI's form or ShareGPT's, or its JSON) as pairs of role and text; None for anything else."""
    if isinstance(cell, str):
        if not cell.lstrip().startswith(("[", "{")):
            return None
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return None
    if isinstance(cell, dict):
        cell = cell.get("messages", cell.get("conversations"))
    if not isinstance(cell, (list, tuple)) or not all(isinstance(turn, dict) for turn in cell):
        return None
    pairs = []
    for turn in cell:
        role, content = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
        if role is None and content is None:
            return None
        if isinstance(content, list):  # parts, of which only text counts
            content = "\\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
        role = str(role).lower()
        role = "answer" if role in ANSWERS else "system" if role in SYSTEM else "prompt"
        pairs.append((role, "" if content is None else str(content)))
    return pairs

'''

_COMPARED = {
    False: '''
def compared(rows):
    """The text of each row that is compared: its COLUMNS, joined."""
    return [join(plain(row.get(name)) for name in COLUMNS) for row in rows]

''',
    True: '''
def compared(rows):
    """The text of each row that is compared: its COLUMNS, joined."""
    texts = []
    for name in COLUMNS:
        cells = [row.get(name) for row in rows]
        first = next((cell for cell in cells if cell not in (None, "")), "")
        texts.append([plain(cell) if turns(first) is None else spoken(turns(cell) or []) for cell in cells])
    return [join(parts) for parts in zip(*texts)]

''',
}
"""By whether there are conversations."""

_COMPARED_CELL = {
    False: '''
def compared(row):
    """The text of a row that is compared: its COLUMNS, joined."""
    return join(plain(row.get(name)) for name in COLUMNS)

''',
    True: '''
def compared(row):
    """The text of a row that is compared: its COLUMNS, joined."""
    cells = [row.get(name) for name in COLUMNS]
    return join(plain(cell) if turns(cell) is None else spoken(turns(cell)) for cell in cells)

''',
}
"""By whether there are conversations."""

_SPOKEN = {
    "all": '''
def spoken(turns):
    """What is compared of a conversation: everything but system prompts."""
    return "\\n".join(text for role, text in turns if role != "system")

''',
    "prompt": '''
def spoken(turns):
    """What is compared of a conversation: the prompts."""
    return "\\n".join(text for role, text in turns if role == "prompt")

''',
    "answer": '''
def spoken(turns):
    """What is compared of a conversation: the answers."""
    return "\\n".join(text for role, text in turns if role == "answer")

''',
    "turn": '''
def spoken(turns):
    """What is compared of a conversation: its turns, one a line."""
    return "\\n".join(f"{role}: {' '.join(text.split())}" for role, text in turns if role != "system")

''',
}

_UNITS = {
    "word": f'''
def units(texts):
    """The words of each text: runs of letters, digits and _; in scripts without spaces every character."""
    texts = pc.utf8_lower(pc.utf8_normalize(pa.array(texts, pa.large_string()), form="NFKC"))
    texts = pc.replace_substring_regex(texts, r"[^\\pL\\pN\\pM_]+", " ")
    texts = pc.replace_substring_regex(texts, {f"({shingles._SINGLE})"!r}, r" \\1 ")
    return [text.split() for text in texts.to_pylist()]

''',
    "character": '''
def units(texts):
    """The characters of each text, runs of whitespace made one space."""
    texts = pc.utf8_lower(pc.utf8_normalize(pa.array(texts, pa.large_string()), form="NFKC"))
    texts = pc.utf8_trim(pc.replace_substring_regex(texts, r"\\s+", " "), " ")
    return [list(text) for text in texts.to_pylist()]

''',
    "turn": '''
def units(texts):
    """The lines of each text: the turns of a conversation."""
    texts = pc.utf8_lower(pc.utf8_normalize(pa.array(texts, pa.large_string()), form="NFKC"))
    texts = pc.replace_substring_regex(texts, r"[^\\S\\n]+", " ")
    return [[line for line in text.split("\\n") if line] for text in texts.to_pylist()]

''',
}

_NUMBER = '''
def number(cell):
    """A cell as a number; what is none comes last."""
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError):
        return float("-inf")
    return value if value == value else float("-inf")

'''

_ORDERS = {
    "first": ("    order = list(range(len(rows)))\n", ""),
    "last": ("    order = list(range(len(rows)))[::-1]\n", ""),
    "longest": ("    order = sorted(range(len(rows)), key=lambda row: -len(texts[row]))\n", ""),
    "max": (
        "    order = sorted(range(len(rows)), key=lambda row: -number(rows[row].get(KEEP_COLUMN)))\n",
        _NUMBER,
    ),
}
"""The order in which rows are visited under a keep policy: whoever comes first stays."""

_RENSA_SIGN = '''
def sign(texts):
    """For each text its shingles, as sorted 64-bit hashes, and the keys of its buckets, one a band."""
    windows = [[" ".join(own[start : start + NGRAM]) for start in range(max(1, len(own) - NGRAM + 1))] if own else [] for own in units(texts)]
    hashes = RMinHash.hash_token_sets(windows)
    digests = RMinHash.digest_matrix_from_token_hash_sets(hashes, BANDS * ROWS_PER_BAND, SEED).to_rows()
    bands = np.array(digests, dtype=np.uint32).reshape(len(texts), BANDS, ROWS_PER_BAND)
    return [np.unique(np.array(own, dtype=np.uint64)) for own in hashes], [[band.tobytes() for band in row] for row in bands]


def jaccard(a, b):
    """Shared shingles by all shingles."""
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared)

'''

_RENSA_MAIN_HEAD = """
def main():
    rows = load()
    texts = compared(rows)
"""

_RENSA_MAIN = """    buckets = [{} for _ in range(BANDS)]  # of each band: key -> kept rows
    kept = {}  # row -> its shingles
    for begin in range(0, len(order), BATCH):
        batch = order[begin : begin + BATCH]
        for row, own, keys in zip(batch, *sign([texts[row] for row in batch])):
            near = {other for bucket, key in zip(buckets, keys) for other in bucket.get(key, ())} if len(own) else ()
            if any(jaccard(own, kept[other]) >= THRESHOLD for other in near):
                continue  # a duplicate of a kept row: its similarity is computed, not estimated
            kept[row] = own
            if len(own):
                for bucket, key in zip(buckets, keys):
                    bucket.setdefault(key, []).append(row)
    with open(sys.argv[2] if len(sys.argv) > 2 else "kept.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(rows[row], default=str) + "\\n" for row in sorted(kept))
    print(f"kept {len(kept)} of {len(rows)} rows, removed {len(rows) - len(kept)}")


if __name__ == "__main__":
    main()
"""

_DATATROVE_IMPORTS = """from datatrove.data import Document
from datatrove.executor import JobsPipelineExecutor, LocalPipelineExecutor, RayPipelineExecutor, SlurmPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.writers.jsonl import JsonlWriter
from datatrove.utils.hashing import HashConfig
from datatrove.utils.text import TextNormConfig

dill.settings["recurse"] = True  # Slurm and Jobs send these functions to other machines, with the constants that they use
"""

_DATATROVE_FILE = '''
class Rows(PipelineStep):
    """A task's share of the rows: whole files where there are enough for all tasks, else every n-th row."""

    type, name = "📖 - READER", "rows"

    def __init__(self, source):
        super().__init__()
        self.source = source  # a file or a folder of files, here or on remote storage

    def run(self, data=None, rank=0, world_size=1):
        system, path = fsspec.url_to_fs(self.source)
        paths = sorted(name for name in system.find(path) if name.endswith(SUFFIX)) if system.isdir(path) else [path]
        whole = len(paths) >= world_size
        for path in paths[rank::world_size] if whole else paths:
            with system.open(path, "rb") as file:
                for place, row in enumerate(islice(read(file), LIMIT)):
                    if whole or place % world_size == rank:
                        yield Document(text=compared(row), id=f"{path}/{place}", metadata={"row": row})

'''

_DATATROVE_HUB = '''
class Rows(PipelineStep):
    """A task's share of the Hub's dataset."""

    type, name = "📖 - READER", "rows"

    def __init__(self, source):
        super().__init__()
        self.source = source

    def run(self, data=None, rank=0, world_size=1):
        rows = load_dataset(self.source, CONFIG, split=SPLIT, streaming=True)
        rows = rows if LIMIT is None else rows.take(LIMIT)
        for place, row in enumerate(split_dataset_by_node(rows, rank=rank, world_size=world_size)):
            yield Document(text=compared(row), id=f"{rank}/{place}", metadata={"row": row})

'''

_DATATROVE_MAIN = '''
class RowWriter(JsonlWriter):
    """Writes rows as they were read, one a line."""

    def _default_adapter(self, document):
        return document.metadata["row"]

    def _write(self, document, file_handler, _filename):
        file_handler.write((json.dumps(document, default=str) + "\\n").encode())


def stages(args):
    """The pipeline of each stage and its number of tasks."""
    config = MinhashConfig(
        n_grams=NGRAM,
        num_buckets=BANDS,
        hashes_per_bucket=ROWS_PER_BAND,
        seed=SEED,
        hash_config=HashConfig(precision=64),
        norm_config=TextNormConfig(norm_numbers=False, norm_unicode_diacritics=False),  # numbers and accents count, as on the page
    )
    out = args.output.rstrip("/")
    buffer = -1 if "://" in out else 5  # remote storage: read a file at once, not five signatures a request
    filtered = MinhashDedupFilter(f"{out}/clusters", exclusion_writer=RowWriter(f"{out}/removed", compression=None), lines_to_buffer=buffer)
    return {
        "signatures": ([Rows(args.input), MinhashDedupSignature(f"{out}/signatures", config=config)], args.tasks),
        "buckets": ([MinhashDedupBuckets(f"{out}/signatures", f"{out}/buckets", config=config, lines_to_buffer=buffer)], BANDS),
        "clusters": ([MinhashDedupCluster(f"{out}/buckets", f"{out}/clusters", config=config, lines_to_buffer=buffer)], 1),
        "kept": ([Rows(args.input), filtered, RowWriter(f"{out}/kept", compression=None)], args.tasks),
    }


def executor(name, pipeline, tasks, args, before):
    """A stage on the chosen machines."""
    common = {"pipeline": pipeline, "tasks": tasks, "workers": args.workers, "logging_dir": f"{args.output.rstrip('/')}/logs/{name}"}
    if args.executor == "local":
        return LocalPipelineExecutor(**common)
    if args.executor == "ray":
        together = 16 if name == "buckets" else 1  # processes of one Ray worker: buckets are light, and starting a worker takes long
        return RayPipelineExecutor(**common, mem_per_cpu_gb=1, tasks_per_job=together)
    common["tasks_per_job"] = math.ceil(tasks / args.workers) if args.workers > 0 else 1  # a start takes longer than most tasks
    if args.executor == "slurm":
        return SlurmPipelineExecutor(**common, time=args.time, partition=args.partition, job_name=name, depends=before)
    return JobsPipelineExecutor(**common, dependencies=DEPENDENCIES, job_name=name)


def start_ray(workers):
    """Join the cluster that RAY_ADDRESS names, or start one that listens to this machine alone."""
    own = {}
    if not os.environ.get("RAY_ADDRESS"):
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # makes Ray listen on 127.0.0.1, on any system
        own = {"num_cpus": workers if workers > 0 else None, "include_dashboard": False}
    import ray

    ray.init(runtime_env={"worker_process_setup_hook": end_children}, **own)


def end_children():
    """Let what datatrove forks from a Ray worker die when it is told to: Ray's handler, inherited, can miss the signal."""
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--executor", choices=["local", "ray", "slurm", "jobs"], default="local")
    parser.add_argument("--tasks", type=int, default=1, help="parts that the rows are split into")
    parser.add_argument("--workers", type=int, default=-1, help="tasks at the same time; -1 for all")
    parser.add_argument("--input", default=SOURCE)
    parser.add_argument("--output", default="deduplicated", help="a new folder; with jobs a remote one, such as hf://buckets/…")
    parser.add_argument("--partition", default="normal", help="of Slurm")
    parser.add_argument("--time", default="10:00:00", help="limit of a Slurm job")
    args = parser.parse_args()
    if args.executor == "ray":
        start_ray(args.workers)
    before = None
    for name, (pipeline, tasks) in stages(args).items():
        before = executor(name, pipeline, tasks, args, before)
        if args.executor == "slurm":
            continue  # the last stage submits the others, each to wait for the one before it
        before.run()
        before.logging_dir.fs.invalidate_cache()  # remote tasks have written there
        if failed := before.get_incomplete_ranks(skip_completed=True):
            sys.exit(f"{name}: {len(failed)} of {tasks} tasks failed, see the logs; run again to go on")
    if args.executor == "slurm":
        before.run()


if __name__ == "__main__":
    main()
'''
