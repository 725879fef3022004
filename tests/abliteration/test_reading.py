"""Sets of prompts from files: rows of data stay rows, with their newlines, and their column is chosen."""

from __future__ import annotations

import csv
import json

import pytest

from abliteration import reading, sets
from abliteration.request import Request
from abliteration_rooms import uploads
from shared.errors import VisitorError

PROMPTS = [
    "Write a poem\nabout snow, in two lines.",
    "Say “hi”; then wait.",
    'A "quoted" word?',
    "[1] is a list",
]


def as_csv(rows: list[dict], delimiter: str = ",") -> str:
    import io

    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


ROWS = [{"id": str(number), "prompt": prompt, "reply": "yes"} for number, prompt in enumerate(PROMPTS)]
CHATS = [
    {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": prompt}]}
    for prompt in PROMPTS
]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", json.dumps(PROMPTS)),
        ("a.json", json.dumps(ROWS)),
        ("a.json", json.dumps({"data": ROWS})),
        ("a.json", json.dumps({key: [row[key] for row in ROWS] for key in ROWS[0]})),
        ("a.json", json.dumps(CHATS)),
        ("a.jsonl", "\n".join(map(json.dumps, PROMPTS)) + "\n\n"),
        ("a.jsonl", "\n".join(map(json.dumps, ROWS))),
        ("A.JSONL", "\r\n".join(map(json.dumps, CHATS))),
        ("a.csv", as_csv(ROWS)),
        ("a.csv", as_csv(ROWS, ";")),
        ("a.tsv", as_csv(ROWS, "\t")),
    ],
)
def test_rows_of_data_stay_rows_with_their_newlines(name, text):
    found = reading.prompts_of(name, text)
    assert found == PROMPTS
    assert list(sets.read(reading.written(found))) == PROMPTS, "the field's text must be read back as it was"


def test_text_has_one_prompt_a_line():
    assert reading.prompts_of("a.txt", "one\n\n two, three \n") == ["one", "two, three"]
    assert reading.written(["one", "two"]) == "one\ntwo"


def test_the_column_is_chosen():
    text = as_csv([{"a": "x y", "b": "z"}, {"a": "u v", "b": "w"}])
    assert reading.prompts_of("a.csv", text, "b") == ["z", "w"]
    for column, said in (("", "2 columns of texts"), ("c", "no column “c”")):
        with pytest.raises(VisitorError) as caught:
            reading.prompts_of("a.csv", text, column)
        assert said in caught.value.what and "a, b" in caught.value.remedy
    assert reading.prompts_of("a.csv", "only\none\ntwo\n") == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", "[1]", "list of texts"),
        ("a.json", "{}", "list of texts"),
        ("a.json", "[" * 100_000, "JSON"),
        ("a.jsonl", '"a"\n{"b": ', "Line 2"),
        ("a.jsonl", '"a"\n{"prompt": "b"}', "list of texts"),
        ("a.csv", 'prompt\n"open', "could not be read"),
        ("a.csv", "id,prompt\n1,a\n2,Hello, world", "row 2 has 3 cells, and the header 2"),
    ],
)
def test_what_is_no_set_is_refused_with_what_to_do(name, text, said):
    with pytest.raises(VisitorError) as caught:
        reading.prompts_of(name, text)
    assert said in caught.value.what and caught.value.remedy


def test_pasted_lines_of_json_are_read_as_data():
    assert list(sets.read("\n".join(map(json.dumps, ROWS)))) == PROMPTS
    assert list(sets.read(ROWS)) == PROMPTS


def test_a_prompt_with_a_newline_stays_one_in_fields_and_links():
    left = [*PROMPTS, "five", "six"]
    request = Request.parse(positive=left, negative=[f"{n}?" for n in range(6)], prompts=PROMPTS[:2])
    form = request.to_form()
    again = Request.parse(
        contrast="own", positive=form["positive"], negative=form["negative"], prompts=form["prompts"]
    )
    assert again == request == Request.from_query(request.to_query() or "")


def test_an_upload_keeps_what_the_file_holds(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(as_csv(ROWS), encoding="utf-8", newline="")
    assert list(sets.read(uploads.upload(str(path)))) == PROMPTS
    assert uploads.upload(str(path), "reply") == "yes\nyes\nyes\nyes"
