"""Files in and out: nothing lost, every column intact, and a clear sentence for what cannot be read."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dedup import parquet, read
from dedup.chat import part_of, strip_template, turns
from dedup.engine import Result, deduplicate
from dedup.outcome import outcome
from dedup.read import Dataset, read_file, write
from dedup.report import report, to_json
from dedup.request import Request, SplitsRequest
from dedup.texts import compared, likely_column
from shared import limits
from shared.errors import VisitorError


def stored(folder: Path, name: str, content: bytes) -> Dataset:
    """The dataset that a file with this content is."""
    path = folder / name
    path.write_bytes(content)
    return read_file(path, name, 1_000_000)


def run(data: Dataset, **settings) -> tuple[Result, list[int]]:
    """The run and its kept rows; kept and removed are all rows, always."""
    *_, result = deduplicate(data, Request.parse(**settings))
    assert isinstance(result, Result)
    decided = outcome(result)
    assert sorted([*decided.kept, *(item.row for item in decided.removed)]) == list(range(data.rows))
    json.dumps(to_json(result, decided), ensure_ascii=False, allow_nan=False).encode()
    return result, decided.kept


def test_csv_keeps_every_cell(tmp_path):
    lines = [
        "id,text,note",
        '007,"a, b\r\nc",=1+2',
        '7,same words here,"<script>alert(1)</script>"',
        "8,Same words here!,é",
    ]
    content = "".join(f"{line}\r\n" for line in lines).encode()
    data = stored(tmp_path, "rows.csv", content)
    assert data.columns == ("id", "text", "note") and data.rows == 3
    _, kept = run(data, columns=["text"], ngram=1)
    assert kept == [0, 1]
    write(data, kept, tmp_path / "out.csv")
    out = (tmp_path / "out.csv").read_bytes()
    rows = list(csv.reader(io.StringIO(out.decode(), newline="")))
    assert rows == [
        ["id", "text", "note"],
        ["007", "a, b\r\nc", "=1+2"],
        ["7", "same words here", "<script>alert(1)</script>"],
    ]
    assert b"\r\n" in out


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_delimiters(tmp_path, delimiter):
    data = stored(
        tmp_path,
        "rows.csv",
        delimiter.join(["a", "b"]).encode() + b"\n" + delimiter.join(["1", "x y"]).encode() + b"\n",
    )
    assert data.columns == ("a", "b") and data.column("b") == ["x y"]
    write(data, [0], tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "rows.csv").read_bytes()


def test_bytes_that_are_not_utf8_survive(tmp_path):
    content = b"text,n\ncaf\xe9 au lait,1\nna\xefve caf\xe9,2\n\x00nul inside,3\n"
    data = stored(tmp_path, "rows.csv", content)
    run(data, columns=["text"])
    write(data, [0, 1, 2], tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == content
    lines = b"one two three\n\xff\xfe broken\nlast"
    text = stored(tmp_path, "rows.txt", lines)
    assert text.rows == 3
    run(text)
    write(text, [0, 1, 2], tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_bytes() == lines + b"\n"


def test_names_that_are_not_utf8_can_be_shown_and_are_written_back(tmp_path):
    content = b"num\xe9ro,pr\xe9nom\n1,one two three\n2,one two three\n3,four five six\n"
    data = stored(tmp_path, "rows.csv", content)
    assert data.columns == ("num\ufffd\ufffd\ufffdro", "pr\ufffd\ufffd\ufffdnom")
    assert likely_column(data) == data.columns[1]
    result, kept = run(data, keep=f"max:{data.columns[0]}")
    assert kept == [1, 2]
    json.dumps(report(result, outcome(result)), ensure_ascii=False).encode()
    write(data, [0, 1, 2], tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == content
    data = stored(tmp_path, "rows.csv", b"a\xe9,a\xe8\nx,y\n")
    assert data.columns == ("a\ufffd\ufffd\ufffd", "a\ufffd\ufffd\ufffd (2)"), "they look the same"
    for name, text in (
        ("rows.jsonl", b'{"\\ud800 k": "a b c"}\n{"\\ud800 k": "a b c"}\n'),
        ("rows.json", b'[{"\\ud800 k": "a b c"}]'),
    ):
        data = stored(tmp_path, name, text)
        assert compared(data, Request.parse(columns=list(data.columns))).texts[0] == "a b c"
        run(data)
        write(data, [0], tmp_path / "out")
        assert b"\\ud800 k" in (tmp_path / "out").read_bytes()


def test_jsonl_lines_leave_as_they_came(tmp_path):
    lines = [
        b'{"text": "a b c d",   "n": 1.50}',
        b'{"text":"a b c d","n":2}',
        b'{"text": "\\ud800 lone", "x": null}',
        b'{"n": 4}',
    ]
    data = stored(tmp_path, "rows.jsonl", b"\n\n".join(lines) + b"\n")
    result, kept = run(data, columns=["text"])
    assert kept == [0, 2, 3] and result.without_text == 1
    write(data, kept, tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == b"".join(lines[row] + b"\n" for row in kept)


def test_json_objects_leave_as_they_came(tmp_path):
    """Letters as they were written, and every digit of a number."""
    objects = [
        '{"text": "Привет, мир и дом", "n": 1.10, "big": 123456789012345678901234567890, "f": 1e22}',
        '{\n  "text": "\\u041f\\u0440\\u0438 a b",\n  "n": 2.0\n}',
        '{"text": "今天天气很好", "n": 3}',
    ]
    data = stored(tmp_path, "rows.json", ("[" + ",".join(objects) + "]").encode())
    assert run(data)[1] == [0, 1, 2]
    write(data, [0, 2], tmp_path / "kept.json")
    assert (tmp_path / "kept.json").read_text(encoding="utf-8") == f"[\n{objects[0]},\n{objects[2]}\n]"
    write(data, [1], tmp_path / "kept.json")
    assert objects[1] in (tmp_path / "kept.json").read_text(encoding="utf-8")
    write(data, [], tmp_path / "kept.json")
    assert json.loads((tmp_path / "kept.json").read_text()) == []


def test_parquet_keeps_its_schema(tmp_path):
    schema = pa.schema(
        [("text", pa.string()), ("when", pa.timestamp("us")), ("tags", pa.list_(pa.string()))],
        metadata={b"k": b"v"},
    )
    table = pa.table(
        {"text": ["x y z", "x y z", None], "when": [1, 2, 3], "tags": [["a"], [], None]}, schema=schema
    )
    path = tmp_path / "rows.parquet"
    pq.write_table(table, path)
    data = read_file(path, "rows.parquet", 10)
    _, kept = run(data, columns=["text"])
    write(data, kept, tmp_path / "out.parquet")
    out = pq.read_table(tmp_path / "out.parquet")
    assert out.schema.equals(pq.read_table(path).schema, check_metadata=True)
    assert out.to_pylist() == [table.to_pylist()[row] for row in kept] and kept == [0, 2]


@pytest.mark.parametrize("keep", [[], [1], [0, 1, 3, 4], [0, 2, 4]])
def test_rows_of_view_types_are_written(tmp_path, keep):
    """Newer writers store texts as string_view, which pyarrow cannot take rows of."""
    table = pa.table({"text": pa.array(["a b c", "d", None, "é", "x"], pa.string_view()), "n": range(5)})
    pq.write_table(table, tmp_path / "rows.parquet")
    write(read_file(tmp_path / "rows.parquet", "rows.parquet", 10), keep, tmp_path / "out.parquet")
    out = pq.read_table(tmp_path / "out.parquet")
    assert out.to_pylist() == [table.to_pylist()[row] for row in keep]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", b"text\n", "no rows"),
        ("a.exe", b"x", "not a file that this page reads"),
        ("a.csv", b'text\nx\n"open\ny\n', "A quote that opens in line 3 is never closed"),
        ("a.jsonl", b"{}\n[\n[\n[\n{}\n", "Line 2 is not JSON"),
        ("a.csv", b"a,b\nx,y\n1,2,3\n1,2,3\n", "Line 3 has 3 cells"),
        ("a.jsonl", b'{"text": "x"}\n{"text": \n', "Line 2 is not JSON"),
        ("a.jsonl", b'{"text": "x"}\n\n[1]\n', "Line 3 is not a JSON object"),
        ("a.json", b"{}", "not a JSON list"),
        ("a.json", b"nope", "not a JSON list"),
        ("a.json", b"", "empty"),
        ("a.json", b" ", "not a JSON list of objects: nothing stands at its start"),
        ("a.json", b"[", "nothing stands at its start"),
        ("a.json", b"[]", "no rows"),
        ("a.json", b"[1]", "“1” stands at its start"),
        ("a.json", b'[{"a": 1}, 2]', "“2” stands after object 1"),
        ("a.json", b'[{"a": 1} {"a": 2}]', "“{” stands after object 1"),
        ("a.json", b'[{"a": 1},]', "“]” stands after object 1"),
        ("a.json", b'[{"a": 1}', "nothing stands after object 1"),
        ("a.json", b'[{"a": 1}, {"a": ]', "Object 2 is not JSON"),
        ("a.json", b'[{"a": 1}] []', "goes on after its list"),
        ("a.json", b'[{"a": "\xff"}]', "not JSON"),
        ("a.parquet", b"PAR1nope", "not Parquet"),
        ("a.jsonl", b"[" * 100_000, "Line 1 is not JSON"),
        ("a.json", b"[" * 100_000, "not a JSON list"),
        ("a.json", b'[{"a":' + b"[" * 100_000, "Object 1 is not JSON"),
        ("a.txt", "odd".encode("utf-16") + b"x", "begins as UTF-16"),
        ("a.csv", "odd".encode("utf-16") + b"x", "begins as UTF-16"),
    ],
)
def test_what_cannot_be_read_gets_a_sentence(tmp_path, name, content, words):
    with pytest.raises(VisitorError, match=words):
        stored(tmp_path, name, content)


def repeating(path: Path, rows: int = 1_000, **settings) -> Path:
    """A file of kilobytes whose rows hold 100 kB each."""
    pq.write_table(pa.table({"text": ["x" * 100_000] * rows, "n": range(rows)}), path, **settings)
    assert path.stat().st_size < 100_000
    return path


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"data_page_version": "2.0", "compression": "zstd"},
        {"use_dictionary": ["n"], "column_encoding": {"text": "DELTA_BYTE_ARRAY"}},
    ],
)
def test_the_limit_of_bytes_is_one_of_memory(tmp_path, monkeypatch, settings):
    monkeypatch.setattr(limits, "MAX_FILE_BYTES", 10_000_000)
    path = repeating(tmp_path / "rows.parquet", **settings)
    metadata = pq.ParquetFile(path).metadata
    assert parquet.batch_rows(path, metadata, 10_000_000) * 100_000 <= 10_000_000, "no batch is larger"
    with pytest.raises(
        VisitorError,
        match=r"The first \d+ rows of the file hold more than 10 MB, the limit .* Lower the limit",
    ):
        read_file(path, path.name, 1_000)
    data = read_file(path, path.name, 50)
    assert (data.rows, data.cut) == (50, 950)


def test_a_dictionary_counts_as_the_rows_it_stands_for(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_FILE_BYTES", 10_000_000)
    table = pa.table({"text": pa.array(["x" * 100_000] * 1_000).dictionary_encode()})
    pq.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(VisitorError, match="hold more than 10 MB"):
        read_file(tmp_path / "rows.parquet", "rows.parquet", 1_000)


def test_columns_are_judged_without_reading_everything_for_each(tmp_path, monkeypatch):
    """One key of its own a line: as many columns as rows."""
    lines = b"".join(b'{"k%d": "some words here"}\n' % row for row in range(900))
    data = stored(tmp_path, "rows.jsonl", lines)
    parsed = []
    decode = read._object
    monkeypatch.setattr(read, "_object", lambda text: parsed.append(text) or decode(text))
    assert likely_column(data) == "k0"
    assert len(parsed) == 200
    compared(data, Request.parse(columns=[f"k{column}" for column in range(50)]))
    assert len(parsed) == 200 + 200 + 900


def test_a_cell_may_look_like_json_without_end(tmp_path):
    data = stored(
        tmp_path,
        "rows.jsonl",
        b"".join(json.dumps({"text": "[" * 100_000 + end}).encode() + b"\n" for end in ("", " word")),
    )
    assert turns("[" * 100_000) is None
    assert run(data)[1] == [0, 1]


def test_rows_past_the_limit_are_told(tmp_path):
    path = tmp_path / "rows.txt"
    path.write_bytes(b"\n".join(b"row number %d here" % number for number in range(50)))
    data = read_file(path, "rows.txt", 20)
    assert (data.rows, data.cut) == (20, None)
    *_, result = deduplicate(replace(data, cut=30), Request.parse())
    assert any(
        "30 rows past the limit" in warning for warning in to_json(result, outcome(result))["warnings"]
    )
    *_, result = deduplicate(replace(data, cut=None), Request.parse(limit=20))
    assert (
        "Rows past the limit of 20 were not read; they are not in the kept file."
        in to_json(result, outcome(result))["warnings"]
    )


def test_odd_rows_lose_nothing(tmp_path):
    rows = [
        "",
        "",
        " ",
        "!!!",
        "x",
        "one",
        "a" * 1_000_000,
        "word " * 200_000,
        "\u0000",
        "\ud800",
        "<img src=x onerror=alert(1)>",
        "مرحبا " * 5,
    ]
    data = stored(tmp_path, "rows.json", json.dumps([{"text": row} for row in rows]).encode())
    run(data, threshold=0.5)
    run(data, threshold=0.5, unit="character")
    _, kept = run(stored(tmp_path, "same.txt", b"the same line\n" * 10_000))
    assert kept == [0]
    _, kept = run(stored(tmp_path, "one.txt", b"only"))
    assert kept == [0]
    _, kept = run(stored(tmp_path, "empty.txt", b"\n\n\n"))
    assert kept == [0, 1, 2]


def test_columns(tmp_path):
    data = stored(
        tmp_path, "rows.json", json.dumps([{"n": 1, "title": "t", "body": "a long body of text"}]).encode()
    )
    assert likely_column(data) == "body"
    with pytest.raises(VisitorError, match="no column “nope”"):
        compared(data, Request.parse(columns=["nope"]))
    with pytest.raises(VisitorError, match="holds no text"):
        compared(data, Request.parse(columns=["n"]))
    with pytest.raises(VisitorError, match="no conversations"):
        compared(data, Request.parse(part="prompt"))
    assert compared(data, Request.parse(columns=["title", "body"])).texts == ["t\n\x1e\na long body of text"]
    with pytest.raises(VisitorError, match="No column holds text"):
        likely_column(stored(tmp_path, "n.json", b'[{"n": 1}]'))


CHAT = [
    [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "What is rain made of?"},
        {"role": "assistant", "content": "Of water."},
    ],
    [
        {"role": "user", "content": "what is rain made of"},
        {"role": "assistant", "content": "Clouds, mostly, I would think."},
    ],
    [{"from": "human", "value": "Name a tall tree."}, {"from": "gpt", "value": "Of water."}],
]


def test_conversations(tmp_path):
    data = stored(
        tmp_path, "chat.jsonl", b"".join(json.dumps({"messages": chat}).encode() + b"\n" for chat in CHAT)
    )
    assert likely_column(data) == "messages"
    result, kept = run(data, part="prompt", ngram=2)
    assert kept == [0, 2]
    answers = to_json(result, outcome(result))["answers"]
    assert answers == {"1": (0, 0.0)}, "the same question with another answer is listed apart"
    assert run(data, part="answer", ngram=2)[1] == [0, 1]
    assert run(data, part="all", ngram=2)[1] == [0, 1, 2]
    assert part_of(turns(CHAT[2]) or [], "turn") == "prompt: Name a tall tree.\nanswer: Of water."
    result, _ = run(data, part="turn", threshold=0.3)
    assert result.request.unit == "turn" and result.request.ngram == 1
    as_text = stored(
        tmp_path,
        "chat.csv",
        b"messages\n"
        + b"".join(b'"' + json.dumps(chat).replace('"', '""').encode() + b'"\n' for chat in CHAT),
    )
    assert run(as_text, part="prompt", ngram=2)[1] == [0, 2]


@pytest.mark.parametrize(
    "text",
    [
        "<|im_start|>user\nWhy is the sky blue?<|im_end|>\n<|im_start|>assistant\nScattering.<|im_end|>",
        "<s>[INST] Why is the sky blue? [/INST] Scattering.</s>",
        "### Instruction:\nWhy is the sky blue?\n### Response:\nScattering.",
        "<start_of_turn>user\nWhy is the sky blue?<end_of_turn>\n"
        "<start_of_turn>model\nScattering.<end_of_turn>",
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nWhy is the sky blue?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nScattering.<|eot_id|>",
        "Human: Why is the sky blue?\nAssistant: Scattering.",
    ],
)
def test_chat_templates_are_taken_off(text):
    assert strip_template(text).split() == ["Why", "is", "the", "sky", "blue?", "Scattering."]


def test_other_text_keeps_its_marks():
    for text in ("if a < b: print([INT])", "Pairs: `A </s> B`", "User: nobody", "see <|x|> here"):
        assert strip_template(text) == text


def test_requests_and_links():
    request = Request.parse(
        dataset="a/b",
        columns=["text", "x y"],
        threshold="0.75",
        goal="10",
        pinned=["3", 1],
        keep="max:likes",
        limit=500,
    )
    assert Request.from_query(f"?{request.to_query()}") == request
    assert Request().to_query() is None, "no link carries a visitor's file"
    assert Request.parse(**request.to_json()) == request
    assert Request.parse(columns=["a", "b", "a"]).columns == ("a", "b")
    assert Request.parse(dataset=" a/b\n") == Request(dataset="a/b"), "pasted as typed"


def test_requests_for_splits():
    request = SplitsRequest.parse(dataset="a/b", splits=["train", "test"], measure="jaccard", threshold="0.7")
    assert SplitsRequest.from_query(f"?room=contamination&{request.to_query()}") == request
    assert SplitsRequest.parse(**request.to_json()) == request
    for text in ("train, test", "train\ntest\n", " train,test ,"):
        assert replace(request, splits=SplitsRequest.parse(splits=text).splits) == request
    assert request.to_form()["splits"] == "train, test"
    assert SplitsRequest(dataset="", splits=("a", "b")).to_query() is None
    for values in ({"splits": 3.5}, {"splits": [3]}, {"measure": "cosine"}, {"splits": list("abcdefg")}):
        with pytest.raises(VisitorError):
            SplitsRequest.parse(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"threshold": "high"},
        {"threshold": float("nan")},
        {"threshold": 0},
        {"threshold": 1.01},
        {"threshold": True},
        {"ngram": 0},
        {"ngram": 2.5},
        {"recall": 1.0},
        {"limit": -1},
        {"limit": 10**9},
        {"keep": "any"},
        {"unit": "token"},
        {"method": "magic"},
        {"part": "half"},
        {"columns": [3]},
        {"columns": 3.5},
        {"columns": {"a": 1}},
        {"columns": [str(n) for n in range(65)]},
        {"columns": ["\ud800"]},
        {"config": "\ud800"},
        {"pinned": ["x"]},
        {"pinned": 3.5},
        {"threshold": 10**400},
        {"nonsense": 1},
        {"seed": -1},
        {"goal": 0},
    ],
)
def test_wrong_values_get_a_sentence(values):
    with pytest.raises(VisitorError) as caught:
        Request.parse(**values)
    assert caught.value.what.endswith(".") and caught.value.remedy.endswith(".")


def test_rows_of_the_shelf_are_read_as_their_file_says(monkeypatch, tmp_path):
    """The name on the shelf has no ending that tells the format."""
    from dedup_rooms import source

    path = tmp_path / "kept.jsonl"
    path.write_text('{"text": "one"}\n{"text": "two"}\n', encoding="utf-8")
    monkeypatch.setattr(source.shelf, "rows_of", lambda name: path)
    name = f"made/deduplicated-{'a' * 16}"
    found = source.open_rows(Request(dataset=name))
    assert (found.name, found.format, found.rows) == (name, "jsonl", 2)
