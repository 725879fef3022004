"""Rows as people give them, and what is refused by its place."""

from __future__ import annotations

import csv
import io
import json

import pytest

from shared import files, limits
from shared.encodings import encoding_of_all
from shared.errors import VisitorError
from shared.suite import load_app
from tests.finetuning.talks import TALKS

load_app("finetuning")
from finetuning import pairs, row_programs
from finetuning.engine import mask
from finetuning.request import MaskRequest
from finetuning.row_forms import form
from finetuning.rows import guessed, objects, read
from finetuning.tokenizer import opened
from finetuning.train_request import TrainRequest

TALK = TALKS["spaces"]


def rows_of(text, **settings):
    return read(MaskRequest.parse(rows=text, **settings))[0]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(TALK),
        json.dumps({"messages": TALK}),
        json.dumps([{"messages": TALK}]),
        json.dumps({"messages": TALK}) + "\n\n",
        json.dumps({"messages": json.dumps(TALK)}),
        json.dumps({"conversations": TALK}),
        [{"messages": TALK}],
    ],
)
def test_a_conversation_is_read_in_every_form(text):
    (row,) = rows_of(text)
    assert row.form == "messages" and [dict(one) for one in row.messages] == TALK


def test_json_lines_keep_their_numbers():
    lines = "\n".join(json.dumps({"messages": TALK}) for _ in range(5))
    assert [row.number for row in rows_of(lines)] == [1, 2, 3, 4, 5]
    rows, source, more = read(MaskRequest.parse(rows=lines, limit=2))
    assert (len(rows), source, more) == (2, "pasted rows", True)
    talk = [{"role": "user", "content": "one\u2028paragraph\u0085here"}, *TALK[1:]]
    lines = "\r\n".join(json.dumps({"messages": talk}, ensure_ascii=False) for _ in range(2))
    assert [dict(row.messages[0]) for row in rows_of(lines)] == [talk[0]] * 2


def test_sharegpt_is_read_and_its_roles_are_remembered():
    talk = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
    row = form({"conversations": talk}, 1)
    assert [one["role"] for one in row.messages] == ["user", "assistant"]
    assert row.foreign == ("human", "gpt")


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (3, "Row 1 is 3, no object"),
        ({}, "no form that is known"),
        ({"question": "a", "answer": "b"}, "question, answer"),
        ({"messages": []}, "no list of messages, or an empty one"),
        ({"messages": "x"}, "no JSON"),
        ({"messages": [{"role": "user"}]}, "message 1 without content"),
        ({"messages": [{"content": "a"}]}, "message 1 without role"),
        ({"messages": ["a"]}, "message 1 without role and content"),
        ({"messages": [{"role": 3, "content": "a"}]}, "whose role is no text"),
        ({"messages": [{"role": "user", "content": {"a": 1}}]}, "whose content is no text"),
        ({"messages": TALK * 101}, "the limit is 200"),
        ({"prompt": "a", "completion": TALK}, "different kinds"),
        ({"messages": TALK, "tools": "{"}, "no JSON"),
    ],
)
def test_a_row_that_is_wrong_is_named(item, says):
    with pytest.raises(VisitorError, match=says) as raised:
        form(item, 1)
    assert raised.value.what.startswith("Row 1") and "messages" in raised.value.remedy


@pytest.mark.parametrize("text", ["", "  ", "[]", "\n\n"])
def test_no_rows_are_told(text):
    with pytest.raises(VisitorError, match="There are no rows"):
        rows_of(text)


def test_a_line_that_is_no_json_is_named():
    with pytest.raises(VisitorError, match="Line 2 is not JSON"):
        rows_of('{"text": "a"}\n{"text": ')


@pytest.mark.parametrize("text", ["[" * 50_000, '{"a":' * 5_000 + "1" + "}" * 5_000])
def test_what_is_nested_too_deep_is_refused(text):
    with pytest.raises(VisitorError):
        rows_of(text)


def test_too_many_letters_are_refused_before_they_are_read():
    with pytest.raises(VisitorError, match="the limit is 400,000"):
        MaskRequest.parse(rows="a" * 400_001)


@pytest.mark.parametrize("file", [3, {"path": 3}, {"other": "x"}, {"path": "\x00"}, "/etc/hostname"])
def test_what_is_no_upload_gets_a_sentence(file):
    with pytest.raises(VisitorError, match="not uploaded here"):
        read(MaskRequest(), file)


def test_a_file_that_is_cut_says_that_there_is_more(tmp_path, monkeypatch):
    """Rows that fill what is read of a file before the limit of rows is reached."""
    monkeypatch.setattr(files, "upload_folder", lambda: tmp_path)
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps({"text": "a" * 150_000}) for _ in range(4)), encoding="utf-8")
    rows, _, more = read(MaskRequest(limit=200), {"path": str(path)})
    assert len(rows) == 2 and more


def test_an_upload_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "upload_folder", lambda: tmp_path)
    path = tmp_path / "rows.jsonl"
    path.write_text("\ufeff" + "\n".join(json.dumps({"messages": TALK}) for _ in range(9_000)))
    rows, source, more = read(MaskRequest(limit=3), str(path))
    assert (len(rows), source, more) == (3, "rows.jsonl", True)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(VisitorError, match="not UTF-8"):
        read(MaskRequest(), str(path))


def test_two_sources_are_refused(tmp_path):
    with pytest.raises(VisitorError, match="Both rows") as raised:
        MaskRequest.parse(rows="[]x", dataset="a/b")
    assert raised.value.remedy == "Clear one of them; on the page the dataset is under Advanced."


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'a' * 20000000 }}",
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{% generation %}{% endgeneration %}{{ 'x' * 9 }}{% endfor %}",
    ],
)
def test_a_template_that_takes_too_much_is_refused(embedded, template):
    with pytest.raises(VisitorError, match="more than"):
        mask(MaskRequest.parse(rows=[{"messages": TALK}], template=template))


@pytest.mark.parametrize(
    "template", ["{{ 1 / 0 }}", "{% if %}", "{{ raise_exception('No.') }}", "{{ ''.__class__.__mro__ }}"]
)
def test_a_template_that_fails_is_quoted(embedded, template):
    with pytest.raises(VisitorError, match="The chat template refuses row 1: “"):
        mask(MaskRequest.parse(rows=[{"messages": TALK}], template=template))


@pytest.mark.parametrize(
    "template",
    [
        "constant {{ '' }}",
        "{{ messages | length }}",
        "{{ messages[-1].content[::-1] }}",
        "{{ messages | tojson }}",
        "{% generation %}{% endgeneration %}x",
    ],
)
def test_a_template_of_any_shape_gives_a_figure(embedded, template):
    data = mask(MaskRequest.parse(rows=[{"messages": TALKS["two turns"]}], template=template))
    row = data["rows"][0]
    assert len(row["parts"]) == len(row["tokens"]) == len(row["ids"]) == len(row["messages"])
    assert len(template) < limits.MAX_TEMPLATE_CHARACTERS


@pytest.mark.parametrize(
    "content", [None, "", [{"type": "text", "text": "a"}], "\u202e\x00🙂", "<|im_end|>" * 9]
)
def test_a_message_of_any_content_gives_a_figure(embedded, content):
    talk = [{"role": "user", "content": content}, {"role": "assistant", "content": content}]
    data = mask(MaskRequest.parse(rows=[{"messages": talk}], template="chatml"))
    assert json.dumps(data, allow_nan=False)


def test_calls_of_tools_are_answers(embedded):
    call = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
    talk = [
        {"role": "user", "content": "1+1"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "2"},
        {"role": "assistant", "content": "Two."},
    ]
    template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
        "{% if m.tool_calls %}{{ m.tool_calls | tojson }}{% endif %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    data = mask(MaskRequest.parse(rows=[{"messages": talk}], template=template))
    row = data["rows"][0]
    text = "".join(token for token, part in zip(row["tokens"], row["parts"], strict=True) if part == "answer")
    assert '"name": "add"' in text and "Two." in text
    assert [row["messages"][at] for at, part in enumerate(row["parts"]) if part == "stop"] == [1, 3]


def test_rows_that_take_too_long_together_are_refused(embedded, monkeypatch):
    from finetuning import tokenizer

    monkeypatch.setattr(tokenizer, "LOOK_SECONDS", 0.0)
    with pytest.raises(VisitorError, match="for these rows"):
        mask(MaskRequest.parse(rows=[{"messages": TALK}]))


@pytest.mark.parametrize(
    ("row", "remedy"),
    [
        ({"instruction": "Add.", "input": "1, 2", "output": "3"}, "Join instruction and input into “prompt”"),
        (
            {"instruction": "Wave.", "input": "", "output": "o/"},
            "Rename instruction to “prompt” and rename output",
        ),
        (
            {"question": "1 + 1?", "answer": "2"},
            "Rename question to “prompt” and rename answer to “completion”",
        ),
        ({"prompt": "Hi", "response": "Hello"}, "Rename response to “completion”"),
    ],
)
def test_columns_that_datasets_are_known_by_are_told_how_to_rename(row, remedy):
    with pytest.raises(VisitorError, match="Row 3 has no form that trainers read") as caught:
        form(row, 3)
    assert remedy in caught.value.remedy


def test_a_conversation_pasted_as_text_is_read_by_its_speakers():
    (row,) = rows_of("User: When do I plant\ntulips?\n\nASSISTANT : In October: deep.\nYou: And AI: why?")
    assert [(one["role"], one["content"]) for one in row.messages] == [
        ("user", "When do I plant\ntulips?"),
        ("assistant", "In October: deep."),
        ("user", "And AI: why?"),
    ]
    with pytest.raises(VisitorError, match="Line 1 is not JSON"):
        rows_of("He said: User: hello")


def test_a_pair_of_conversations_is_told_where_it_belongs():
    pair = {name: TALKS["spaces"] for name in ("chosen", "rejected")}
    with pytest.raises(VisitorError, match=r"pair of conversations .* Rename chosen to “messages”"):
        mask(MaskRequest.parse(rows=json.dumps([pair])))


def test_half_a_character_is_named_and_not_tokenized():
    with pytest.raises(VisitorError, match=r"Row 2 holds half a character, \\udfff"):
        mask(MaskRequest.parse(rows='{"text": "a"}\n{"text": "b\\udfff"}'))


@pytest.mark.parametrize("encoding", ["cp1251", "utf-16", "utf-16-le"])
def test_a_file_in_another_encoding_is_read_and_the_page_says_so(tmp_path, monkeypatch, encoding):
    monkeypatch.setattr(files, "upload_folder", lambda: tmp_path)
    said = [
        {"role": "user", "content": "Почему море солёное?"},
        {"role": "assistant", "content": "Реки несут соль."},
    ]
    path = tmp_path / "rows.jsonl"
    lines = "\n".join(json.dumps({"messages": said}, ensure_ascii=False) for _ in range(4))
    path.write_bytes(lines.encode(encoding))
    rows, source, _ = read(MaskRequest(), str(path))
    assert [dict(one) for one in rows[3].messages] == said
    assert source == f"rows.jsonl, read as {encoding.upper()}"
    seen: dict = {"json": json}
    monkeypatch.chdir(tmp_path)
    exec(row_programs.rows_of_file(source, 9), seen)
    assert seen["rows"][3]["messages"] == said


def test_geminis_form_is_told_how_to_write_it():
    row = {
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [{"text": "Hello"}]},
        ]
    }
    with pytest.raises(VisitorError, match="Row 1 is in Gemini's form") as caught:
        form(row, 1)
    assert "the role model as assistant" in caught.value.remedy


def uploaded(tmp_path, monkeypatch, name, data):
    """The rows of a file, and what the printed program makes of it."""
    monkeypatch.setattr(files, "upload_folder", lambda: tmp_path)
    (tmp_path / name).write_bytes(data)
    found, source, _ = objects(MaskRequest(), str(tmp_path / name))
    seen: dict = {"json": json}
    monkeypatch.chdir(tmp_path)
    exec(row_programs.rows_of_file(source, 9), seen)
    assert seen["rows"] == found
    return found, source


def test_a_mark_of_order_before_pasted_rows_is_dropped():
    line = json.dumps({"text": "a"})
    assert [row.text for row in rows_of(f"\ufeff{line}\n\ufeff{line}")] == ["a", "a"]
    assert rows_of("\ufeffUser: a\nAssistant: b")[0].form == "messages"


def test_a_short_file_of_western_letters_is_read_and_named(tmp_path, monkeypatch):
    rows = [{"text": "Wie spät ist es?"}, {"text": "Fünf."}]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    found, source = uploaded(tmp_path, monkeypatch, "rows.jsonl", lines.encode("latin-1"))
    assert (found, source) == (rows, "rows.jsonl, read as CP1252")
    polish = json.dumps({"text": "Zażółć gęślą"}, ensure_ascii=False)
    found, source = uploaded(tmp_path, monkeypatch, "rows.jsonl", polish.encode("cp1250"))
    assert (found[0]["text"], source) == ("Zażółć gęślą", "rows.jsonl, read as CP1250")
    found, source = uploaded(tmp_path, monkeypatch, "rows.jsonl", '{"text": "Привет"}'.encode("cp1251"))
    assert (found[0]["text"], source) == ("Привет", "rows.jsonl, read as CP1251")
    assert (
        guessed(source) == "The file is not UTF-8. It is read as CP1251, which is guessed: check its accents."
    )
    assert not guessed("rows.txt, read as CSV, UTF-16") and not guessed("rows.jsonl")


SHORT = {
    "cp1250": ("ščuka", "kůň", "čas", "őszi", "Zażółć"),
    "cp1251": ("Да", "небо", "Почему море?", "Вода мокрая"),
    "cp1252": ("Fünf Äpfel", "très bien", "mañana", "garçon, où êtes", "“Größe” – it’s"),
    "cp1253": ("γεια,ναι", "ναι", "καλημέρα κόσμε"),
    "cp1254": ("şimdi", "Türkçe öğren"),
    "cp1255": ("שלום", "שלום עולם"),
    "cp1257": ("šeši", "tänan, sõber"),
    "mac_roman": ("Zürich", "été très"),
    "cp850": ("Zürich", "spät"),
    "koi8_r": ("Привет", "Вода мокрая"),
    "shift_jis": ("カタカナ",),
    "gb18030": ("你好",),
}
READABLE = {
    *("ščuka", "Zażółć", "Почему море?", "Вода мокрая", "Fünf Äpfel", "garçon, où êtes", "“Größe” – it’s"),
    *("γεια,ναι", "καλημέρα κόσμε", "Türkçe öğren", "שלום עולם", "tänan, sõber", "été très"),
}


def test_a_short_file_is_read_rightly_or_not_at_all(tmp_path):
    """Where pages tie it is refused; no text is read as another one."""
    path, found = tmp_path / "rows.jsonl", set()
    for page, texts in SHORT.items():
        for text in texts:
            path.write_bytes(data := f'{{"text": "{text}"}}'.encode(page))
            encoding = encoding_of_all(path)
            if encoding != "utf-8":
                assert data.decode(encoding) == data.decode(page), (page, text, encoding)
                found.add(text)
    assert found >= READABLE and not found & {"Да", "šeši", "Zürich", "şimdi", "très bien"}


@pytest.mark.parametrize(
    "data",
    ['{"text": "カタカナ"}'.encode("shift_jis"), '{"text": "spät '.encode() + b'\xff\xfe"}'],
    ids=["katakana", "damaged"],
)
def test_what_is_like_no_encoding_is_refused(tmp_path, monkeypatch, data):
    """Neither guessed at, nor read where it is UTF-8 that is damaged."""
    with pytest.raises(VisitorError, match="not UTF-8"):
        uploaded(tmp_path, monkeypatch, "rows.jsonl", data)


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_a_table_is_read_as_rows(tmp_path, monkeypatch, sign):
    table = io.StringIO(newline="")
    talk = json.dumps(TALK)
    names = ["prompt", "completion", "label", "tools"]
    csv.writer(table, delimiter=sign).writerows(
        [
            names,
            ['a, "b"; c', "d\n\te", "True", ""],
            ["f", "", "0", talk],
        ]
    )
    wanted = [
        {"prompt": 'a, "b"; c', "completion": "d\n\te", "label": True, "tools": None},
        {"prompt": "f", "completion": "", "label": False, "tools": TALK},
    ]
    pasted, _, _ = objects(MaskRequest.parse(rows=f"\ufeff{table.getvalue()}"))
    assert pasted == wanted
    for head in ("", f"sep={sign}\r\n"):
        data = f"{head}{table.getvalue()}".encode("utf-8-sig")
        found, _ = uploaded(tmp_path, monkeypatch, "rows.csv", data)
        assert found == wanted
    assert rows_of(f"messages{sign}id\n" + '"' + talk.replace('"', '""') + f'"{sign}1')[0].form == "messages"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n3,4", "This is CSV, and its columns .“a”, “b”. are of no row"),
        ('prompt,completion\n"a,b', "This is CSV, and it cannot be read"),
        ("instruction,output\na,b", "Row 1 has no form that trainers read"),
        ("Hello, you\nand others", "Line 1 is not JSON"),
        ("prompt,completion\na,b\nhi,Hello, world", "This is CSV, and row 2 has 3 cells, and the header 2"),
        ("text\nHello, world", "row 1 has 2 cells, and the header 1"),
    ],
)
def test_a_table_that_is_none_of_rows_is_called_one(text, says):
    with pytest.raises(VisitorError, match=says):
        rows_of(text)


def test_a_text_that_is_json_stays_a_text():
    table = 'prompt,completion\nName?,"{""name"": ""Bob""}"\n[1],"[{""a"": 1}]"\n'
    found, _, _ = objects(MaskRequest.parse(rows=table))
    assert [(row["prompt"], row["completion"]) for row in found] == [
        ("Name?", '{"name": "Bob"}'),
        ("[1]", '[{"a": 1}]'),
    ]


@pytest.mark.parametrize("end", ['"a\nb\n', '"a\nb",c\nd,"e"'])
def test_a_large_table_is_cut_behind_a_whole_row(tmp_path, monkeypatch, end):
    whole = 'prompt,completion\nq,"x\ny"\n'
    monkeypatch.setattr("finetuning.rows.MAX_TEXT", len(whole + end) - 1)
    monkeypatch.setattr(files, "upload_folder", lambda: tmp_path)
    (tmp_path / "rows.csv").write_text(f"{whole}{end}\nf,g\n")
    found, _, more = objects(MaskRequest(), str(tmp_path / "rows.csv"))
    assert found[0] == {"prompt": "q", "completion": "x\ny"} and more
    assert found[1:] in ([], [{"prompt": "a\nb", "completion": "c"}])


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("rows.txt", 'prompt,completion,label\n{},"[b",1,\n', ", read as CSV"),
        ("rows.jsonl", "\n\ntext\nHello\n", ", read as CSV"),
        ("rows.csv", '{"text": "a"}\n\ufeff{"text": "b"}\n', ", read as JSON"),
        ("rows.json", '\ufeff\ufeff[{"from": "human", "value": "a"}]', ""),
        ("rows.txt", "User: a\nb\nAssistant : c: d", ", read as a conversation"),
    ],
)
def test_the_program_reads_a_file_as_the_page_does(tmp_path, monkeypatch, name, text, said):
    """By what is in it, and not by its name."""
    _, source = uploaded(tmp_path, monkeypatch, name, text.encode())
    assert source == name + said


def test_the_program_refuses_what_the_page_refuses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("prompt,completion\na,b\nhi,Hello, world\n")
    with pytest.raises(SystemExit, match="Row 2"):
        exec(row_programs.rows_of_file("rows.csv", 9), {"json": json})


def test_a_message_without_content_is_named_where_the_template_wants_it():
    call = {"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}
    talk = [TALK[0], {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "content": "3"}, TALK[1]]
    rows = json.dumps([{"messages": TALK}, {"messages": talk}])
    wanted = r"row 2: message 2 \(assistant\) has tool_calls and no content.*TRL stops there too"
    template = "{% for m in messages %}{{ m.role + m.content }}{% endfor %}"
    with pytest.raises(VisitorError, match=wanted.replace("row 2", "row 1")):
        mask(MaskRequest.parse(rows=json.dumps([{"messages": talk}]), template=template))
    request = TrainRequest.parse(rows=rows)
    with pytest.raises(VisitorError, match=wanted) as raised:
        pairs.read(request, opened(request.model, template))
    assert len(str(raised.value)) < 300
    found = mask(MaskRequest.parse(rows=rows, template=template))["findings"]
    (said,) = [one for one in found if one["code"] == "template_error"]
    assert said["why"].startswith("Message 2 of row 2 has no content") and said["rows"] == [2]
