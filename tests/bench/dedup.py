"""The dedup Space: the whole pipeline against datasketch and semhash, shingling, memory, growth."""

from __future__ import annotations

import json
import math
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

from tests.bench.common import Row, ratio
from tests.conftest import ROOT
from tests.dedup.corpus import documents

THRESHOLD, NGRAM, NUM_PERM = 0.8, 3, 128
COUNT, BLOCKS = 20_000, 3


@cache
def corpus() -> list[str]:
    """20,000 documents of about 90 words; every fifth is an earlier one with a few words changed."""
    chance = random.Random(5)
    blocks = documents(COUNT * BLOCKS)
    texts = [" ".join(blocks[start : start + BLOCKS]) for start in range(0, len(blocks), BLOCKS)]
    for row in range(4, COUNT, 5):
        words = texts[chance.randrange(row)].split()
        for _ in range(chance.randrange(1, 6)):
            words[chance.randrange(len(words))] = f"word{chance.randrange(1000)}"
        texts[row] = " ".join(words)
    return texts


def ours(texts: list[str]) -> list[int]:
    """Kept rows of the whole pipeline, recall measurement and all."""
    from dedup.engine import Result, deduplicate
    from dedup.outcome import outcome
    from dedup.read import Dataset
    from dedup.request import Request

    lines = [text.encode() for text in texts]
    data = Dataset("bench.txt", "text", len(lines), ("text",), lines)
    *_, result = deduplicate(data, Request.parse(threshold=THRESHOLD, ngram=NGRAM, unit="word"))
    assert isinstance(result, Result)
    return outcome(result).kept


BEFORE = "463defd"
"""The last commit whose engine was numpy and scipy alone."""

EARLIER = """
import json, sys, time
sys.path[:0] = {paths!r}
from dedup.engine import deduplicate
from dedup.outcome import outcome
from dedup.read import Dataset
from dedup.request import Request

lines = [text.encode() for text in json.loads(sys.stdin.readline())]
for _ in sys.stdin:
    data = Dataset("bench.txt", "text", len(lines), ("text",), lines)
    began = time.process_time()
    *_, result = deduplicate(data, Request.parse(threshold={threshold}, ngram={ngram}, unit="word"))
    print(json.dumps([outcome(result).kept, time.process_time() - began]), flush=True)
"""


@contextmanager
def earlier(texts: list[str]) -> Iterator[Callable[[], tuple[list[int], float]]]:
    """The same job by the engine of `BEFORE`, taken from the repository's history, in a process of its own:
    the kept rows and its CPU seconds.
    """
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "archive", BEFORE, "spaces/dedup", "shared"], capture_output=True, check=True, cwd=ROOT
        ).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        paths = [folder, f"{folder}/spaces/dedup"]
        script = EARLIER.format(paths=paths, threshold=THRESHOLD, ngram=NGRAM)
        process = subprocess.Popen(
            [sys.executable, "-c", script], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(texts) + "\n")

        def run() -> tuple[list[int], float]:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            kept, seconds = json.loads(process.stdout.readline())
            return kept, seconds

        try:
            yield run
        finally:
            process.stdin.close()
            process.wait()


def python_shingles(text: str) -> set[str]:
    """What a script in plain Python does."""
    words = re.findall(r"\w+", text.lower())
    return {" ".join(words[start : start + NGRAM]) for start in range(max(1, len(words) - NGRAM + 1))}


def with_datasketch(texts: list[str]) -> list[int]:
    """The same job with datasketch's fastest path: bulk signatures, LSH weighted for recall, verified
    pairs.
    """
    from datasketch import MinHash, MinHashLSH

    sets = [python_shingles(text) for text in texts]
    index = MinHashLSH(threshold=THRESHOLD, num_perm=NUM_PERM, weights=(0.01, 0.99))
    kept: list[int] = []
    for row, signature in enumerate(
        MinHash.bulk([[item.encode() for item in own] for own in sets], num_perm=NUM_PERM)
    ):
        if any(
            len(sets[row] & sets[other]) / len(sets[row] | sets[other]) >= THRESHOLD
            for other in index.query(signature)
        ):
            continue
        index.insert(row, signature)
        kept.append(row)
    return kept


def with_semhash(texts: list[str]) -> Any:
    """semhash on static vectors of random numbers: its speed does not depend on what the vectors mean."""
    import numpy as np
    from model2vec import StaticModel
    from semhash import SemHash
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = sorted({word for text in texts for word in text.split()})[:29_000]
    vocabulary = {word: number for number, word in enumerate(["[UNK]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    vectors = np.random.default_rng(0).normal(size=(len(vocabulary), 256)).astype(np.float32)
    model = StaticModel(vectors, tokenizer)

    def run() -> object:
        return SemHash.from_records(texts, model=model).self_deduplicate(threshold=0.9)

    return run


def datasketch_rows() -> list[Row]:
    """The whole pipeline beside datasketch's."""
    texts = corpus()
    same = len(ours(texts)), len(with_datasketch(texts))
    value, detail = ratio(lambda: with_datasketch(texts), lambda: ours(texts), runs=3)
    spent = [(cpu_seconds(lambda: with_datasketch(texts)), cpu_seconds(lambda: ours(texts))) for _ in "abc"]
    middle = [statistics.median(side) for side in zip(*spent, strict=True)]
    work = statistics.median(theirs / own for theirs, own in spent)
    kept = f"{same[0]:,} and {same[1]:,} of {COUNT:,} rows kept"
    name = "datasketch ÷ whole pipeline, 20,000 documents"
    facts = f"{middle[0]:.2f} s and {middle[1]:.2f} s, n = 3; {kept}"
    return [
        Row(name, value, "≥ 10", value >= 10, detail=f"{detail}; {kept}"),
        Row(f"{name}, CPU seconds", work, "≥ 10", work >= 10, detail=facts),
    ]


def cpu_seconds(function: Callable[[], object]) -> float:
    """Of one call, on all threads; other work on the machine makes a run longer, and not these."""
    began = time.process_time()
    function()
    return time.process_time() - began


def earlier_rows() -> list[Row]:
    """The same beside the engine of former days: by the clock, and by what the processor did."""
    texts = corpus()
    with earlier(texts) as before:
        equal = len(set(before()[0]) ^ set(ours(texts)))
        value, detail = ratio(before, lambda: ours(texts), runs=5)
        spent = [(before()[1], cpu_seconds(lambda: ours(texts))) for _ in range(5)]
    same = f"; {equal} of {COUNT:,} rows decided otherwise"
    ratios = [theirs / own for theirs, own in spent]
    work = statistics.median(ratios)
    name = f"engine of {BEFORE} (numpy) ÷ whole pipeline, text to kept rows"
    middle = [statistics.median(side) for side in zip(*spent, strict=True)]
    facts = f"{min(ratios):.2f} to {max(ratios):.2f}, n = 5; {middle[0]:.2f} s and {middle[1]:.2f} s{same}"
    close = equal <= COUNT // 1_000
    return [
        Row(name, value, "≥ 5", value >= 5 and close, detail=detail + same),
        Row(f"{name}, CPU seconds", work, "≥ 5", work >= 5 and close, detail=facts),
    ]


def semhash_rows() -> list[Row]:
    """The same beside semhash."""
    texts = corpus()
    value, detail = ratio(with_semhash(texts), lambda: ours(texts), runs=3)
    return [Row("semhash ÷ whole pipeline", value, "≥ 15", value >= 15, detail=detail)]


def signature_rows() -> list[Row]:
    """Shingles and signatures alone."""
    from rensa import RMinHash

    from dedup.minhash import Plan, band_keys
    from dedup.shingles import shingle, to_arrow

    texts = corpus()

    def python_signatures() -> object:
        return RMinHash.digests_from_token_sets([list(python_shingles(text)) for text in texts], NUM_PERM, 42)

    def sign(begin: int) -> object:
        part = shingle(to_arrow(texts[begin : begin + 1_000]), NGRAM, "word")
        return band_keys(part, Plan(NUM_PERM, NUM_PERM // 4, 4, 1.0, None, 0.0, 0.0), 42)

    def our_signatures() -> object:  # on all cores, as the engine does
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(sign, range(0, len(texts), 1_000)))

    value, detail = ratio(python_signatures, our_signatures, runs=3)
    return [
        Row("Python shingles and rensa ÷ text to signatures", value, "≥ 2.5", value >= 2.5, detail=detail)
    ]


SCALE = """
import ctypes, gc, json, os, sys, threading, time
sys.path[:0] = {paths!r}
import numpy as np
from dedup.engine import deduplicate
from dedup.outcome import outcome
from dedup.read import Dataset
from dedup.request import Request

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def rows(count):
    rng = np.random.default_rng(0)
    lengths = rng.integers(8, 17, count)
    words = np.minimum(rng.zipf(1.3, lengths.sum()), 50_000)
    texts, start = [], 0
    for row, length in enumerate(lengths.tolist()):
        own = [f"w{{word}}" for word in words[start : start + length].tolist()]
        if row % 10 == 9:
            own = texts[-int(rng.integers(1, min(row, 1000)))].split()[:-1] + own[:1]
        texts.append(" ".join(own))
        start += length
    return texts

count = {count}
texts = rows(count)
data = Dataset("x.txt", "text", count, ("text",), tuple(text.encode() for text in texts))
list(deduplicate(Dataset("x.txt", "text", 2000, ("text",), data.lines[:2000]), Request.parse()))
del texts
gc.collect()
ctypes.CDLL(None).malloc_trim(0)
before = peak = resident()
running = True

def watch():
    global peak
    while running:
        peak = max(peak, resident())
        time.sleep(0.01)

watcher = threading.Thread(target=watch)
watcher.start()
began = time.perf_counter()
*_, result = deduplicate(data, Request.parse())
decided = outcome(result)
seconds = time.perf_counter() - began
running = False
watcher.join()
found = {{"seconds": seconds, "bytes": (peak - before) / count, "kept": len(decided.kept), "peak": peak}}
print(json.dumps(found))
"""


def measured(count: int) -> dict[str, float]:
    """Seconds and bytes a row of one run, in a process of its own."""
    script = SCALE.format(paths=[str(ROOT), str(ROOT / "spaces/dedup")], count=count)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return json.loads(done.stdout.splitlines()[-1])


def scale_rows() -> list[Row]:
    """Growth from 10⁴ to 10⁶ short rows, and memory beside the text."""
    small = statistics.median(measured(10_000)["seconds"] for _ in range(3))
    began = time.perf_counter()
    large = measured(1_000_000)
    whole = time.perf_counter() - began
    exponent = math.log(large["seconds"] / small) / math.log(100)
    per_row = large["bytes"] / 1000
    times = f"10⁴ rows {small:.2f} s, 10⁶ rows {large['seconds']:.1f} s ({whole:.0f} s with making them)"
    detail = f"{times}, {large['kept']:,} kept"
    return [
        Row(
            "growth of time from 10⁴ to 10⁶ rows, n^",
            exponent,
            "≤ 1.05",
            exponent <= 1.05,
            unit="",
            detail=detail,
        ),
        Row(
            "memory beside the text, 10⁶ short rows",
            per_row,
            "≤ 0.4 kB a row",
            per_row <= 0.4,
            " kB",
            f"peak {large['peak'] / 1e9:.1f} GB in all",
        ),
    ]


SPLITS = """
import json, sys, tempfile, time
sys.path[:0] = {paths!r}
from pathlib import Path
import numpy as np
from dedup.contamination import Contamination, Split, compare
from dedup.read import read_file
from dedup.request import SplitsRequest
from dedup.texts import compared

rng = np.random.default_rng(0)
folder = Path(tempfile.mkdtemp())

def write(name, count):
    lengths = rng.integers(8, 17, count)
    words = iter(np.minimum(rng.zipf(1.3, lengths.sum()), 50_000).tolist())
    path = folder / name
    with path.open("w") as file:
        for length in lengths.tolist():
            text = " ".join(f"w{{next(words)}}" for _ in range(length))
            file.write(json.dumps({{"text": text}}) + "\\n")
    return path

request = SplitsRequest.parse(ngram=8, measure="overlap", unit="word")

def run(train, test):
    began = time.perf_counter()
    splits = []
    for path in (train, test):
        data = read_file(path, path.name, 1_000_000)
        splits.append(Split(path.name, path.name, compared(data, request), 0, data))
    read = time.perf_counter()
    *_, result = compare(splits, request)
    assert isinstance(result, Contamination)
    return read - began, time.perf_counter() - read, len(result.leaks[0, 1])

run(write("small.jsonl", 2_000), write("smaller.jsonl", 100))
print(json.dumps(run(write("train.jsonl", 1_000_000), write("test.jsonl", 10_000))))
"""


def split_rows() -> list[Row]:
    """A million rows of train against ten thousand of test, beside reading both."""
    script = SPLITS.format(paths=[str(ROOT), str(ROOT / "spaces/dedup")])
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    read, compared, found = json.loads(done.stdout.splitlines()[-1])
    return [
        Row(
            "10⁶ rows of train against 10⁴ of test ÷ reading them",
            compared / read,
            "≤ 2",
            compared <= 2 * read,
            detail=f"{read:.1f} s to read, {compared:.1f} s to compare, 8 words in common; {found:,} rows",
        )
    ]


PARTS = {
    "datasketch": datasketch_rows,
    "earlier": earlier_rows,
    "semhash": semhash_rows,
    "signatures": signature_rows,
    "scale": scale_rows,
    "splits": split_rows,
}
"""By name; DEDUP_BENCH names those to measure, with commas between, where not all are wanted."""


def rows() -> Iterator[Row]:
    """All figures of the Space, as they are measured."""
    for name in os.environ.get("DEDUP_BENCH", ",".join(PARTS)).split(","):
        yield from PARTS[name]()
