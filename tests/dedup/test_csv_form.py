"""CSV as people have it: what a spreadsheet opens is opened, and no line is lost without a word."""

from __future__ import annotations

import pytest

from dedup.outcome import outcome
from dedup.read import write, write_apart
from dedup.report import to_json
from tests.dedup.test_read import run, stored

FOX = "The quick fox jumps over the lazy dog near the river bank today"
BREAD = "Another sentence tells of baking bread in a wood fired oven"

FILES: dict[str, tuple[str, tuple[str, ...], list[str], list[int]]] = {
    # its text, its columns, the first cells of its rows' text, lines that are kept apart
    "ragged": (
        f"text,label\n{FOX},1\n{FOX}\n{BREAD},3,extra\n{BREAD},2\n",
        ("text", "label"),
        [FOX, FOX, BREAD],
        [4],
    ),
    "a comma at the end of each line": (
        f"text,label\n{FOX},1,\n{BREAD},2,\n",
        ("text", "label"),
        [FOX, BREAD],
        [],
    ),
    "escaped quotes": (
        'text,label\n"he said \\"hi\\" to me, and left",1\n"he said \\"no\\" to me, and left",2\n',
        ("text", "label"),
        ['he said "hi" to me, and left', 'he said "no" to me, and left'],
        [],
    ),
    "one name twice": (f"text,text,n\n{FOX},x,y\n", ("text", "text (2)", "n"), [FOX], []),
    "a column without a name": (
        f",text\na,{FOX}\nb,{BREAD}\n",
        ("column 1", "text"),
        [FOX, BREAD],
        [],
    ),
    "one column whose text has commas": (
        "text\nHello, world, this is a row\nHello, you\nAnother one\n",
        ("text",),
        ["Hello, world, this is a row", "Hello, you", "Another one"],
        [],
    ),
    "commas in the header alone": (
        f'"text, the body, long";label\n{FOX};2\n{BREAD};3\n',
        ("text, the body, long", "label"),
        [FOX, BREAD],
        [],
    ),
    "a line for spreadsheets": (
        f"sep=;\r\ntext;label\r\n{FOX};2\r\n{BREAD};3\r\n",
        ("text", "label"),
        [FOX, BREAD],
        [],
    ),
    "every cell in quotes": (
        f'"text","n"\n"{FOX}","1"\n"{BREAD}","2"\n',
        ("text", "n"),
        [FOX, BREAD],
        [],
    ),
    "no header": (f"{FOX},1\n{BREAD},2\n", ("column 1", "column 2"), [FOX, BREAD], []),
}


@pytest.mark.parametrize("name", FILES)
def test_every_form_is_read_and_written_back(tmp_path, name):
    content, columns, texts, apart = FILES[name]
    data = stored(tmp_path, "rows.csv", content.encode())
    assert data.columns == columns
    column = next(one for one in columns if one.startswith("text") or name == "no header")
    assert data.column(column) == texts
    assert [line for line, _ in data.apart] == apart
    result, _ = run(data, columns=[column])
    warnings = to_json(result, outcome(result))["warnings"]
    assert sum("kept apart" in line for line in warnings) == bool(apart)
    assert sum("no header" in line for line in warnings) == (name == "no header")
    write(data, list(range(data.rows)), tmp_path / "kept.csv")
    again = stored(tmp_path, "kept.csv", (tmp_path / "kept.csv").read_bytes())
    assert (again.columns, again.column(column)) == (columns, texts)
    lines = content.splitlines(keepends=True)
    written = "".join(line for number, line in enumerate(lines, start=1) if number not in apart)
    assert (tmp_path / "kept.csv").read_bytes() == written.encode(), "quotes and escapes as they came"
    if apart:
        write_apart(data, tmp_path / "apart.csv")
        assert (tmp_path / "apart.csv").read_text() == lines[apart[0] - 1]


def test_a_line_that_may_hold_others_is_kept_apart(tmp_path):
    """A quote that is never closed where it should be swallows lines."""
    content = 'text,n\na b c,1\nd e f,2\n"g h i,3\nj k l,4"\nm n o,5\n'
    data = stored(tmp_path, "rows.csv", content.encode())
    assert data.column("text") == ["a b c", "d e f", "m n o"]
    assert [row for _, row in data.apart] == [b'"g h i,3\nj k l,4"']
