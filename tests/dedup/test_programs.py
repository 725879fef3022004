"""The exported programs: what a visitor typed cannot become code, and they keep the rows that they should.

The datatrove program runs under the interpreter that DATATROVE_PYTHON names, this one by default; it needs
datatrove[io,processing,ray], spacy and ray.
"""

from __future__ import annotations

import ast
import contextlib
import csv
import functools
import importlib.metadata
import io
import json
import os
import random
import re
import runpy
import signal
import subprocess
import sys
import tempfile
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dedup import chat, contamination, data, programs, semantic
from dedup.engine import Result, deduplicate
from dedup.minhash import MAX_NUM_PERM, Plan, s_curve
from dedup.outcome import outcome
from dedup.programs import datatrove_program, export, rensa_program, unverified_bands
from dedup.read import read_file
from dedup.request import MEASURES, Request, SplitsRequest
from dedup.texts import Compared, compared
from shared.errors import VisitorError
from shared.steps import last
from tests.conftest import ROOT
from tests.dedup.corpus import documents, rows_of
from tests.dedup.test_engine import reference_shingles

PLAN = Plan(128, 16, 8, 0.99, None, 0, 0)
THRESHOLD = 0.7
DATATROVE = "0.10.1"
LIMIT_SECONDS = 150

HOSTILE = [
    "'",
    '"',
    "'''",
    '"""',
    "\\",
    "\\'",
    "x'; import os; os.abort(); '",
    'x"""\nimport os\nos.abort()\n"""',
    "a\nimport os",
    "a\r\nb",
    "# x\nraise",
    "{x}",
    "{{x}}",
    "{request!r}",
    "%s %(x)s",
    "$x ${rank}",
    "\x00",
    "\u2028import os",
    "\ud800",
    "EXTRA_PLACE",
    "ü 日本 🎉",
    "\u202eabc",
    "{0}",
]


def run(texts: list[str], **settings: Any) -> Result:
    """The engine's run on one column of text."""
    table = [{"text": text, "row": row} for row, text in enumerate(texts)]
    *_, result = deduplicate(
        rows_of(table, "docs.jsonl"),
        Request.parse(**{"columns": ["text"], "unit": "word", **settings}),
    )
    assert isinstance(result, Result)
    return result


@functools.cache
def related(count: int) -> tuple[str, ...]:
    """Real documents of which half resemble another one, and some repeat it."""
    texts = list(documents(6_000))
    result = run(texts, threshold=0.5)
    edges = result.edges
    pairs = [rows[:2].tolist() for rows in result.nodes if len(rows) > 1]
    for edge in (-edges.jaccard).argsort(kind="stable").tolist():
        pairs.append([int(result.nodes[edges.first[edge]][0]), int(result.nodes[edges.second[edge]][0])])
    alike = list(dict.fromkeys(row for pair in pairs[: len(pairs) // 2] for row in pair))[: count // 2]
    known = set(alike)
    rows = alike + [row for row in range(len(texts)) if row not in known][: count - len(alike)]
    random.Random(1).shuffle(rows)
    return tuple(texts[row] for row in rows)


def write_rows(path: Path, texts: list[str]) -> Path:
    """The texts as JSON lines with their row numbers."""
    path.write_text(
        "".join(json.dumps({"text": text, "row": row}) + "\n" for row, text in enumerate(texts)),
        encoding="utf-8",
    )
    return path


def read_rows(*paths: Path) -> list[Any]:
    return [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


# what a visitor typed


class Masked(ast.NodeTransformer):
    """Forgets the values of constants."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant(type(node.value).__name__)


def shape(program: str) -> str:
    return ast.dump(Masked().visit(ast.parse(program)))


def comments(program: str) -> list[str]:
    return [
        token.string
        for token in tokenize.generate_tokens(io.StringIO(program).readline)
        if token.type == tokenize.COMMENT
    ]


def constants(program: str) -> dict[str, Any]:
    """The block of settings."""
    block = program.split(export.BEGIN)[1].split(export.END)[0]
    found = {}
    for node in ast.parse(block).body:
        assert isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        found[ast.unparse(target)] = ast.literal_eval(node.value)
    return found


def written(request: Request, columns: tuple[str, ...], source: str) -> list[str]:
    """Every program of a run."""
    listings = [rensa_program(request, PLAN, columns, source)]
    if request.unit in ("auto", "word"):
        listings.append(datatrove_program(request, PLAN, columns, source))
    return [*listings, programs.cosine_program(request, columns, source, request.embedding or "a/b")]


def provenance(*files: str, columns: str = "text") -> data.SplitsProvenance:
    """Where a comparison of these splits comes from."""
    own = [[columns] for _ in files]
    return {"source": "", "files": list(files), "columns": own, "ngram": 3, "unit": "word"}


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_visitor_typed_stays_a_constant(text):
    request = Request(threshold=THRESHOLD, keep="max:score", embedding="e")
    hostile = replace(request, keep="max:" + text, embedding=text)
    hub = replace(request, dataset="someone/something", config="main")
    cases = [
        (written(request, ("text", "b"), "a.csv"), written(hostile, (text, "b" + text), text + ".csv")),
        (
            written(hub, ("text",), ""),
            written(replace(hostile, dataset=text, config=text, split=text), (text,), ""),
        ),
    ]
    splits = SplitsRequest(dataset="someone/something", config="main")
    cases.append(
        (
            [programs.splits_program(splits, provenance("train", "test"))],
            [
                programs.splits_program(
                    replace(splits, dataset=text, config=text), provenance(text, "b" + text, columns=text)
                )
            ],
        )
    )
    for expected, found in cases:
        for plain, program in zip(expected, found, strict=True):
            program.encode("utf-8")
            compile(program, "program", "exec")
            assert shape(program) == shape(plain)
            assert comments(program) == comments(plain)
            settings = constants(program)
            assert text in repr(settings) or repr(text)[1:-1] in repr(settings)
    rensa, datatrove, cosine = cases[0][1]
    for program in (rensa, datatrove, cosine):
        assert constants(program)["SOURCE"] == text + ".csv"
        assert constants(program)["COLUMNS"] == (text, "b" + text)
    assert constants(rensa)["KEEP"] == "max:" + text
    assert constants(cosine)["MODEL"] == text


@pytest.mark.parametrize("source", ["a.jsonl", "a.csv", ""])
def test_programs_are_sound(source, tmp_path):
    """They compile, and ruff finds no unknown name, no import that is not used and none out of order."""
    dataset = "" if source else "someone/something"
    listings = []
    for part, unit, keep in [
        ("all", "symbol", "first"),
        ("all", "code", "first"),
        ("all", "whitespace", "first"),
        ("all", "word", "first"),
        ("prompt", "character", "max:n"),
        ("turn", "turn", "last"),
    ]:
        request = Request.parse(part=part, unit=unit, keep=keep, dataset=dataset)
        listings += written(request, ("text",), source)
    listings.append(
        programs.splits_program(
            SplitsRequest(dataset=dataset), provenance(source or "train", source or "test")
        )
    )
    for place, program in enumerate(listings):
        compile(program, "program", "exec")
        assert "from dedup" not in program and "from shared" not in program, "it stands alone"
        (tmp_path / f"program{place}.py").write_text(program, encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F,E9,I,E30", "--preview"]
    checked = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("name", ["rensa_alone", "model2vec_cosine", "splits_compared", "datatrove_pipeline"])
def test_a_program_takes_its_own_settings_and_no_others(name):
    own = constants((export.FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    assert constants(export.exported(name, [], **own)) == own
    with pytest.raises(ValueError, match="the settings are"):
        export.exported(name, [], **own, EXTRA=1)
    with pytest.raises(ValueError, match="the settings are"):
        export.exported(name, [])


def test_the_page_imports_nothing_that_only_a_program_needs():
    """Programs are read as text; neither they nor datatrove is imported by anything else."""
    folder = ROOT / "spaces/dedup"
    names = {path.stem for path in export.FOLDER.glob("*.py")} - {"__init__", "export"}
    for path in folder.rglob("*.py"):
        if path.stem in names:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
            else:
                continue
            assert not {f"dedup.programs.{name}" for name in names} & set(modules), path
            assert not {"datatrove", "dill", "fsspec"} & {module.split(".")[0] for module in modules}, path


def test_what_cannot_be_written_is_refused():
    for write in (rensa_program, datatrove_program):
        with pytest.raises(VisitorError, match="not a file that a program can read"):
            write(Request(), PLAN, ("text",), "file.exe")
    with pytest.raises(VisitorError, match="compares words"):
        datatrove_program(Request.parse(unit="character"), PLAN, ("text",), "file.csv")


def test_settings_that_a_program_does_not_follow_are_named_in_it():
    program = rensa_program(Request.parse(method="components", goal=7, pinned=[3]), PLAN, ("text",), "a.csv")
    assert [word in program for word in ("components", "exact number", "pinned")] == [True] * 3
    assert "most central" in rensa_program(Request.parse(keep="central"), PLAN, ("text",), "a.csv")
    assert not any(
        word in rensa_program(Request(), PLAN, ("text",), "a.csv")
        for word in ("components", "pinned", "central")
    )


def test_the_versions_are_those_that_are_tested_here():
    text = "".join(path.read_text(encoding="utf-8") for path in export.FOLDER.glob("*.py"))
    pinned = re.findall(r"(rensa|datatrove|model2vec)(?:\[[\w,]+\])?==([\d.]+)", text)
    assert {name for name, _ in pinned} == {"rensa", "datatrove", "model2vec"}
    for name, version in pinned:
        assert importlib.metadata.version(name) == version


# rensa


def run_program(
    program: str, tmp_path: Path, source: Path | None, monkeypatch: pytest.MonkeyPatch
) -> list[Any]:
    """The rows that the program keeps of a source; it runs in this process."""
    path, kept = tmp_path / "program.py", tmp_path / "kept.jsonl"
    path.write_text(program, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", [str(path), *([str(source), str(kept)] if source else [])])
    runpy.run_path(str(path), run_name="__main__")
    return read_rows(kept) if source else []


def test_the_rensa_program_keeps_the_engines_rows(tmp_path):
    """As a visitor runs it: in a folder of its own, without this package, told only its input and output."""
    texts = [*related(1_494), "", "  ", "!!!", "one", "one", "日本語のテキストです"]
    result = run(texts, threshold=THRESHOLD)
    assert result.recall.complete, "the engine compared every pair, so its rows are the exact ones"
    source = write_rows(tmp_path / "docs.jsonl", texts)
    (tmp_path / "program.py").write_text(
        rensa_program(result.request, result.plan, ("text",), "docs.jsonl"), encoding="utf-8"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-P", "program.py", str(source), "kept.jsonl"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    decided = outcome(result)
    assert len([item for item in decided.removed if not item.copy]) > 50
    assert [row["row"] for row in read_rows(tmp_path / "kept.jsonl")] == decided.kept
    assert f"kept {len(decided.kept)} of {len(texts)} rows, removed {len(decided.removed)}" in done.stdout


def test_a_program_runs_as_it_stands(tmp_path):
    """The file of the repository, unfilled: what `make lint` reads is what runs."""
    texts = [*related(60), "one two three", "One, two, three!"]
    source = write_rows(tmp_path / "docs.jsonl", texts)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'spaces/dedup'}"}
    command = [sys.executable, "-m", "dedup.programs.rensa_alone", str(source), "kept.jsonl"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=LIMIT_SECONDS
    )
    assert done.returncode == 0, done.stderr
    kept = [row["row"] for row in read_rows(tmp_path / "kept.jsonl")]
    assert kept == outcome(run(texts, threshold=0.8)).kept


@pytest.mark.parametrize(
    "settings",
    [
        {"unit": "character", "ngram": 5, "threshold": 0.8},
        {"keep": "last", "threshold": 0.6},
        {"keep": "longest", "threshold": 0.7, "unit": "symbol"},
        {"unit": "code", "threshold": 0.7},
        {"unit": "whitespace", "ngram": 2, "threshold": 0.6},
        {"keep": "max:row", "ngram": 1, "threshold": 0.9},
        {"ngram": 5, "threshold": 0.5, "seed": 7},
    ],
)
def test_the_rensa_program_follows_the_settings(settings, tmp_path, monkeypatch, capsys):
    texts = [*related(600), "", "ﬁne ﬁgures", "Fine figures!", "tab\tand\u00a0space\u2028line", "日本語"]
    result = run(texts, **settings)
    source = write_rows(tmp_path / "docs.jsonl", texts)
    program = rensa_program(result.request, result.plan, ("text",), "docs.jsonl")
    assert [row["row"] for row in run_program(program, tmp_path, source, monkeypatch)] == outcome(result).kept


def test_rows_that_the_bands_miss_explain_every_difference(tmp_path, monkeypatch, capsys):
    """With bands that find two pairs of three at the threshold the program keeps more: each such row shares
    no band with any kept row like it.
    """
    texts = list(related(1_500))
    result = run(texts, threshold=THRESHOLD)
    plan = replace(result.plan, num_perm=48, num_bands=8, rows_per_band=6)
    assert 0.5 < s_curve(THRESHOLD, 8, 6) < 0.8
    source = write_rows(tmp_path / "docs.jsonl", texts)
    program = rensa_program(result.request, plan, ("text",), "docs.jsonl")
    kept = {row["row"] for row in run_program(program, tmp_path, source, monkeypatch)}
    ours = set(outcome(result).kept)
    hashes, keys = runpy.run_path(str(tmp_path / "program.py"))["sign"](texts)
    shingles = [reference_shingles(text, 3) for text in texts]
    assert [len(own) for own in hashes] == [len(own) for own in shingles]

    def leaders(row: int, among: set[int]) -> list[int]:
        """Rows before it that stay and are like it."""
        return [
            other
            for other in sorted(among)
            if other < row and shingles[row] and jaccard(shingles[row], shingles[other]) >= THRESHOLD
        ]

    classes: Counter[str] = Counter()
    for row in sorted(kept - ours):
        near = leaders(row, kept)
        assert not any(a == b for other in near for a, b in zip(keys[row], keys[other], strict=True)), (
            f"row {row} shares a band with one like it"
        )
        classes["missed by the bands" if near else "its leader went"] += 1
    for row in sorted(ours - kept):
        near = leaders(row, kept)
        assert near and not set(near) & ours, f"row {row} went without a reason"
        classes["like a row that the bands missed"] += 1
    assert classes["missed by the bands"] > 0
    print(dict(classes))


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".tsv", ".parquet", ".txt"])
def test_every_format_is_read_as_the_page_reads_it(suffix, tmp_path, monkeypatch, capsys):
    texts = [" ".join(text.split()) for text in related(200)] + ['comma, "quote"; and\ttab', "naïve café"]
    rows = [{"text": text, "number": f"{row:03}", "none": "NA"} for row, text in enumerate(texts)]
    path = tmp_path / f"docs{suffix}"
    if suffix == ".jsonl":
        path.write_bytes(b"\xef\xbb\xbf" + "".join(json.dumps(row) + "\r\n" for row in rows).encode())
    elif suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    elif suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif suffix == ".txt":
        path.write_text("\n".join(texts), encoding="utf-8")
        rows = [{"text": text} for text in texts]
    else:
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if suffix == ".tsv" else ";")
            writer.writeheader()
            writer.writerows(rows)
    *_, result = deduplicate(
        read_file(path, path.name, 10_000), Request.parse(columns=["text"], threshold=THRESHOLD)
    )
    program = rensa_program(result.request, result.plan, ("text",), path.name)
    assert run_program(program, tmp_path, path, monkeypatch) == [rows[row] for row in outcome(result).kept]
    limited = rensa_program(Request.parse(columns=["text"], limit=5), result.plan, ("text",), path.name)
    assert len(run_program(limited, tmp_path, path, monkeypatch)) <= 5


def test_names_that_are_not_utf8_are_found(tmp_path, monkeypatch, capsys):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"pr\xe9nom,n\none two three four,1\none two three four,2\nfive six seven eight,3\n")
    data = read_file(path, path.name, 100)
    *_, result = deduplicate(data, Request.parse(columns=[data.columns[0]], threshold=THRESHOLD))
    program = rensa_program(result.request, result.plan, (data.columns[0],), path.name)
    assert [row["n"] for row in run_program(program, tmp_path, path, monkeypatch)] == ["1", "3"]


CONVERSATIONS: list[Any] = [
    [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "what is jaccard"},
        {"role": "assistant", "content": "a share of sets"},
    ],
    [{"from": "human", "value": "what is jaccard"}, {"from": "gpt", "value": "shared by all"}],
    [
        {"role": "user", "content": [{"type": "text", "text": "what is"}, {"text": "jaccard"}, "x"]},
        {"role": "bot", "content": None},
    ],
    {
        "messages": [
            {"role": "user", "content": "something  else\nentirely"},
            {"role": "MODEL", "content": "a share of sets"},
        ]
    },
    json.dumps([{"role": "tool", "content": "42"}, {"role": "user", "content": "what is jaccard"}]),
    "[not json",
    "plain text",
    None,
    [],
    [{"neither": 1}],
    {"messages": "x"},
    7,
    "[1, 2]",
]


@pytest.mark.parametrize("part", chat.PARTS)
def test_conversations_are_taken_apart_as_on_the_page(part, tmp_path):
    texts = [
        "<|im_start|>user\nhello<|im_end|>",
        "Human: hi\nAssistant: ho",
        "plain",
        None,
        "lone \ud800 surrogate",
        "\n\nlines\n",
    ]
    rows = [{"messages": cell, "text": texts[row % len(texts)]} for row, cell in enumerate(CONVERSATIONS)]
    request = Request.parse(part=part, columns=["messages", "text"])
    expected = compared(rows_of(rows, "a.json"), request)
    path = tmp_path / "program.py"
    path.write_text(rensa_program(request, PLAN, expected.columns, "a.json"), encoding="utf-8")
    program = runpy.run_path(str(path))
    assert program["compared"](rows, expected.columns, (), part) == expected.texts


def test_a_run_on_turns(tmp_path, monkeypatch, capsys):
    rows = [
        {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "yes"}]}
        for text in ("a b", "A  b", "c", "a b\nc")
    ]
    path = tmp_path / "chats.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    *_, result = deduplicate(read_file(path, path.name, 100), Request.parse(part="turn", threshold=0.9))
    program = rensa_program(result.request, result.plan, ("messages",), path.name)
    assert run_program(program, tmp_path, path, monkeypatch) == [rows[row] for row in outcome(result).kept]


# model2vec and the comparison of splits


def test_the_cosine_program_keeps_the_engines_rows(tmp_path, monkeypatch, capsys):
    from model2vec import StaticModel
    from tokenizers import Tokenizer, models, pre_tokenizers

    texts = [" ".join(text.split()[:12]) for text in related(300)] + ["", "!!!"]
    words = sorted({word for text in texts for word in text.lower().split()})
    tokenizer = Tokenizer(
        models.WordLevel({word: place for place, word in enumerate(["[UNK]", *words])}, "[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    vectors = np.random.default_rng(0).normal(size=(len(words) + 1, 16)).astype(np.float32)
    model = StaticModel(vectors, tokenizer)
    model.save_pretrained(tmp_path / "static")
    monkeypatch.setattr(semantic, "load", lambda _: model)
    result = run(texts, threshold=0.9, measure="cosine", embedding="static")
    kept = outcome(result).kept
    assert len(kept) < 250
    source = write_rows(tmp_path / "docs.jsonl", texts)
    program = programs.cosine_program(result.request, ("text",), "docs.jsonl", str(tmp_path / "static"))
    assert [row["row"] for row in run_program(program, tmp_path, source, monkeypatch)] == kept


@pytest.mark.parametrize("measure", MEASURES)
def test_the_splits_program_finds_the_engines_leaks(measure, tmp_path, monkeypatch, capsys):
    texts = list(related(400))
    parts = {"a.jsonl": [*texts[:250], "one two", ""], "b.jsonl": [*texts[150:], "one two", "one two three"]}
    splits = []
    for name, part in parts.items():
        write_rows(tmp_path / name, part)
        splits.append(contamination.Split(name, name, Compared(("text",), part)))
    request = SplitsRequest(threshold=0.5, measure=measure)
    result = last(contamination.compare(splits, request))
    assert isinstance(result, contamination.Contamination) and all(result.leaks.values())
    monkeypatch.chdir(tmp_path)
    run_program(programs.splits_program(request, result.to_json()["provenance"]), tmp_path, None, monkeypatch)
    names = list(parts)
    expected = {
        (names[one.split], one.row, names[one.other], one.match): (one.jaccard, one.containment, one.run)
        for leaks in result.leaks.values()
        for one in leaks
    }
    keys, values = ("split", "row", "in", "match"), ("jaccard", "containment", "run")
    assert expected == {
        tuple(leak[key] for key in keys): tuple(leak[key] for key in values)
        for leak in read_rows(tmp_path / "leaks.jsonl")
    }
    assert (
        f"{len(result.leaks[0, 1])} of 252 rows of a.jsonl have a match in b.jsonl" in capsys.readouterr().out
    )


# datatrove


def jaccard(one: set[Any], other: set[Any]) -> float:
    return len(one & other) / len(one | other)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.8, 0.95, 1.0])
def test_bands_that_nothing_verifies_are_steep(threshold):
    request = Request.parse(threshold=threshold)
    soft = replace(PLAN, num_perm=16, num_bands=16, rows_per_band=1)
    bands, rows_per_band = unverified_bands(request, soft)
    assert bands * rows_per_band <= MAX_NUM_PERM
    assert s_curve(threshold, bands, rows_per_band) >= request.recall
    if (
        threshold >= 0.7
    ):  # below, no number of permutations that is allowed separates half the threshold from it
        assert s_curve(threshold / 2, bands, rows_per_band) <= programs.UNVERIFIED_CHANCE
        assert unverified_bands(request, replace(PLAN, num_bands=bands, rows_per_band=rows_per_band)) == (
            bands,
            rows_per_band,
        )
    program = datatrove_program(request, soft, ("text",), "a.csv")
    assert (constants(program)["BANDS"], constants(program)["ROWS_PER_BAND"]) == (bands, rows_per_band)
    assert "16 bands of 1 were meant to be verified" in program
    steep = datatrove_program(request, replace(PLAN, num_bands=2, rows_per_band=20), ("text",), "a.csv")
    assert (constants(steep)["BANDS"], constants(steep)["ROWS_PER_BAND"]) == (2, 20)
    assert "meant to be verified" not in steep


SIGNATURES = """
import hashlib, json, runpy, sys
program = runpy.run_path(sys.argv[1])
_, step = program["stages"](sys.argv[2], sys.argv[3], 1)["signatures"][0]
rows = []
with open(sys.argv[2], "rb") as file:
    for row in program["read"](file, ".jsonl"):
        shingles = step.get_shingles(program["text_of"](row))
        bands = step.get_signature(shingles) if shingles.size else []
        names = [hashlib.blake2b(repr(band).encode()).hexdigest() for band in bands]
        rows.append([sorted({str(item) for item in shingles.ravel()}), names])
json.dump(rows, sys.stdout)
"""
"""Prints each row's shingles as datatrove makes them, and a name of each of its buckets."""

SBATCH = '''
"""A cluster of one machine: runs every task of a submitted script at once, and notes what it was told."""
import json, os, re, subprocess, sys
script = open(sys.argv[-1]).read()
log = os.environ["FAKE_SLURM_LOG"]
number = sum(1 for _ in open(log)) + 1 if os.path.exists(log) else 1
open(log, "a").write(json.dumps([sys.argv[1:-1], script]) + "\\n")
print("Submitted batch job", number)
if "launch_pickled_pipeline" in script:
    first, last = re.search(r"--array=(\\d+)-(\\d+)", script).groups()
    for task in range(int(first), int(last) + 1):
        own = {"SLURM_ARRAY_TASK_ID": str(task), "SLURM_NODELIST": "localhost"}
        own |= {"SLURM_JOB_ID": str(number), "RUN_OFFSET": "0"}
        subprocess.run(["bash", "-c", script], env={**os.environ, **own}, check=True, stdout=sys.stderr)
'''
SRUN = """
import os, sys
start = sys.argv.index("launch_pickled_pipeline")
os.execvp(sys.argv[start], sys.argv[start:])
"""
SCONTROL = """
import sys
print(sys.argv[-1])
"""


def components(bands: list[list[str]]) -> tuple[list[set[int]], list[int]]:
    """For each row those that share a bucket with it, and the first row of its connected component."""
    buckets: dict[tuple[int, str], set[int]] = {}
    for row, keys in enumerate(bands):
        for place in enumerate(keys):
            buckets.setdefault(place, set()).add(row)
    neighbours: list[set[int]] = [set() for _ in bands]
    for members in buckets.values():
        for row in members:
            neighbours[row] |= members - {row}
    first = list(range(len(bands)))
    for row in first:
        waiting = [row] if first[row] == row else []
        while waiting:
            new = {other for other in neighbours[waiting.pop()] if first[other] != row}
            waiting += new
            for other in new:
                first[other] = row
    return neighbours, first


@pytest.fixture(scope="module")
def interpreter() -> str:
    """The Python that has datatrove."""
    python = os.environ.get("DATATROVE_PYTHON", sys.executable)
    code = (  # what is broken in them is seen where the program runs; to import all takes five seconds
        "from importlib import metadata, util; print(all(map(util.find_spec, ('ray', 'spacy', 'datatrove'))) "
        "and metadata.version('datatrove'))"
    )
    found = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=LIMIT_SECONDS)
    assert found.returncode == 0, (
        f"The exported pipeline cannot be tested: {python} lacks datatrove. Install "
        f"'datatrove[io,processing,ray]=={DATATROVE}' and spacy, or name an interpreter that has them in "
        f"DATATROVE_PYTHON.\n{found.stderr[-500:]}"
    )
    assert found.stdout.strip() == DATATROVE
    return python


@pytest.fixture(scope="module")
def trove(interpreter, tmp_path_factory) -> Iterator[SimpleNamespace]:
    """Six hundred documents, the engine's run, the program, and what runs it."""
    folder = tmp_path_factory.mktemp("datatrove")
    texts = [*related(596), "", "  ", "two words", "two words"]
    result = run(texts, threshold=THRESHOLD, recall=0.95)
    assert result.recall.complete
    source = write_rows(folder / "docs.jsonl", texts)
    program = folder / "program.py"
    program.write_text(
        datatrove_program(result.request, result.plan, ("text",), "docs.jsonl"), encoding="utf-8"
    )
    with tempfile.TemporaryDirectory(prefix="t") as short:  # a socket's path has a hundred characters
        environment = {
            **os.environ,
            "RAY_TMPDIR": short,
            "RAY_USAGE_STATS_ENABLED": "0",
            "PATH": f"{Path(interpreter).parent}:{os.environ['PATH']}",
        }
        environment["HOME"] = str(folder)  # Ray leaves a token there
        environment.pop("RAY_ADDRESS", None)

        def start(
            *arguments: str, program: Path = program, source: Path = source, **variables: str
        ) -> subprocess.CompletedProcess[str]:
            command = [interpreter, str(program), "--input", str(source), "--tasks", "2", *arguments]
            with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
                process = subprocess.Popen(
                    command,
                    cwd=folder,
                    env={**environment, **variables},
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                try:
                    process.wait(timeout=LIMIT_SECONDS)
                except subprocess.TimeoutExpired:
                    said.write(f"\nended after {LIMIT_SECONDS} seconds")
                with contextlib.suppress(ProcessLookupError):  # nothing of it is left
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                said.seek(0)
                return subprocess.CompletedProcess(command, process.returncode, said.read())

        yield SimpleNamespace(
            folder=folder,
            texts=texts,
            result=result,
            source=source,
            program=program,
            interpreter=interpreter,
            environment=environment,
            start=start,
        )


def kept_by(trove: SimpleNamespace, executor: str) -> list[int]:
    """The rows in an executor's output; what it removed is the rest."""
    kept = [row["row"] for row in read_rows(*sorted((trove.folder / executor / "kept").glob("*.jsonl")))]
    removed = [
        row["row"] for row in read_rows(*sorted((trove.folder / executor / "removed").glob("*.jsonl")))
    ]
    assert sorted(kept + removed) == list(range(len(trove.texts)))
    return sorted(kept)


@pytest.fixture(scope="module")
def local(trove) -> list[int]:
    done = trove.start("--executor", "local", "--workers", "2", "--output", "local")
    assert done.returncode == 0, done.stdout[-3_000:]
    return kept_by(trove, "local")


def test_every_difference_from_datatrove_is_explained(trove, local):
    texts, request = trove.texts, trove.result.request
    program = trove.program.read_text(encoding="utf-8")
    count, rows_per_band = constants(program)["BANDS"], constants(program)["ROWS_PER_BAND"]
    command = [
        trove.interpreter,
        "-c",
        SIGNATURES,
        str(trove.program),
        str(trove.source),
        str(trove.folder / "signatures"),
    ]
    said = subprocess.run(
        command, env=trove.environment, capture_output=True, text=True, timeout=LIMIT_SECONDS
    )
    assert said.returncode == 0, said.stderr[-3_000:]
    own = [(set(shingles), bands) for shingles, bands in json.loads(said.stdout)]
    ours = [reference_shingles(text, request.ngram) for text in texts]

    assert {len(bands) for _, bands in own} == {0, count}
    neighbours, component = components([bands for _, bands in own])
    assert sorted(component[row] for row in local) == sorted(set(component)), (
        "one row of each connected component stays"
    )

    decided = outcome(trove.result)
    kept, keeper = set(decided.kept), {item.row: item.keeper for item in decided.removed}
    classes: Counter[str] = Counter()
    for row in sorted(kept - set(local)):
        members = {other for other in range(len(texts)) if component[other] == component[row]} - {row}
        like = {other for other in members if ours[other] and jaccard(ours[row], ours[other]) >= THRESHOLD}
        assert not like & kept, "two rows stay on the page that are alike"
        if like:
            classes["it went, another row of the cluster stayed"] += 1
        elif any(jaccard(own[row][0], own[other][0]) >= THRESHOLD for other in neighbours[row]):
            classes["it went, alike in datatrove's words only"] += 1
        else:
            assert neighbours[row]
            assert all(jaccard(own[row][0], own[other][0]) < THRESHOLD for other in neighbours[row])
            classes["it went, an unverified candidate"] += 1
    for row in sorted(set(local) - kept):
        other = keeper[row]
        assert jaccard(ours[row], ours[other]) >= THRESHOLD
        if not own[row][0]:
            assert len(texts[row].split()) < request.ngram or not own[row][1]
            classes["it stayed, fewer words than a shingle"] += 1
        elif component[row] == component[other]:
            assert other not in local
            classes["it stayed, another row of the cluster went"] += 1
        elif jaccard(own[row][0], own[other][0]) < THRESHOLD:
            classes["it stayed, alike in the page's words only"] += 1
        else:
            assert not set(enumerate(own[row][1])) & set(enumerate(own[other][1]))
            classes["it stayed, missed by the bands"] += 1
    print(dict(classes))
    assert classes["it stayed, fewer words than a shingle"] == 1
    assert classes["it went, an unverified candidate"] > 0
    assert classes["it stayed, missed by the bands"] <= 3 + 3 * (
        1 - s_curve(THRESHOLD, count, rows_per_band)
    ) * len(keeper)
    assert 0.5 * len(decided.kept) < len(local), "bands that nothing verifies do not join everything"


def test_ray_keeps_the_same_rows(trove, local):
    done = trove.start("--executor", "ray", "--workers", "2", "--output", "ray")
    assert done.returncode == 0, done.stdout[-3_000:]
    assert kept_by(trove, "ray") == local
    (log,) = Path(trove.environment["RAY_TMPDIR"]).glob("ray/session_2*/logs/raylet.out")
    addresses = set(re.findall(r"\b(\d+\.\d+\.\d+\.\d+):\d+", log.read_text(encoding="utf-8")))
    assert addresses == {"127.0.0.1"}, "Ray listens to this machine alone"


def test_a_folder_is_read_file_by_file(trove, local):
    """Two files and two tasks: a task reads a file each. The bands are the same, so only which row of a
    cluster stays may differ.
    """
    parts = trove.folder / "parts"
    parts.mkdir()
    lines = trove.source.read_bytes().splitlines(keepends=True)
    (parts / "a.jsonl").write_bytes(b"".join(lines[:400]))
    (parts / "b.jsonl").write_bytes(b"".join(lines[400:]))
    (parts / "readme.md").write_text("no rows", encoding="utf-8")
    done = trove.start("--workers", "1", "--output", "folder", source=parts)
    assert done.returncode == 0, done.stdout[-3_000:]
    assert len(kept_by(trove, "folder")) == len(local)


def test_a_dataset_of_the_hub_is_read(trove, tmp_path, monkeypatch, capsys):
    """A folder stands for a dataset of the Hub, which the same function loads."""
    rows = read_rows(trove.source)[:300]
    request, plan = replace(trove.result.request, dataset="someone/something"), trove.result.plan
    (tmp_path / "data").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data" / "train.parquet")
    kept = run_program(rensa_program(request, plan, ("text",), ""), tmp_path, tmp_path / "data", monkeypatch)
    assert [row["row"] for row in kept] == outcome(
        run([row["text"] for row in rows], threshold=THRESHOLD)
    ).kept
    program = tmp_path / "pipeline.py"
    program.write_text(datatrove_program(replace(request, limit=200), plan, ("text",), ""), encoding="utf-8")
    done = trove.start("--workers", "1", "--output", "hub", program=program, source=tmp_path / "data")
    assert done.returncode == 0, done.stdout[-3_000:]
    written = read_rows(
        *(trove.folder / "hub").glob("kept/*.jsonl"), *(trove.folder / "hub").glob("removed/*.jsonl")
    )
    assert sorted(row["row"] for row in written) == list(range(200))
    assert all(row == rows[row["row"]] for row in written)


def test_slurm_is_given_jobs_that_keep_the_same_rows(trove, local):
    """The scripts that it submits, run by a cluster of one machine: each stage is pickled and loaded by
    another process.
    """
    tools = trove.folder / "tools"
    tools.mkdir()
    for name, code in (("sbatch", SBATCH), ("srun", SRUN), ("scontrol", SCONTROL)):
        (tools / name).write_text(f"#!{trove.interpreter}\n{code.lstrip()}", encoding="utf-8")
        (tools / name).chmod(0o755)
    log = trove.folder / "submitted.jsonl"
    variables = {"PATH": f"{tools}:{trove.environment['PATH']}", "FAKE_SLURM_LOG": str(log)}
    done = trove.start(
        "--executor", "slurm", "--workers", "1", "--partition", "tiny", "--output", "slurm", **variables
    )
    assert done.returncode == 0, done.stdout[-3_000:]
    assert kept_by(trove, "slurm") == local
    submitted = [(arguments, text) for arguments, text in read_rows(log) if "launch_pickled_pipeline" in text]
    names = [text.split("--job-name=")[1].split()[0] for _, text in submitted]
    assert names == ["signatures", "buckets", "clusters", "kept"]
    assert all("--partition=tiny" in text for _, text in submitted)
    waits = [
        [argument for argument in arguments if argument.startswith("--dependency=afterok:")]
        for arguments, _ in submitted
    ]
    assert [len(wait) for wait in waits] == [0, 1, 1, 1], "each stage waits for the one before it"


def test_jobs_refuse_a_folder_of_this_machine(trove):
    done = trove.start("--executor", "jobs", "--output", "jobs")
    assert done.returncode != 0
    assert "JobsPipelineExecutor requires a remote logging_dir" in done.stdout
