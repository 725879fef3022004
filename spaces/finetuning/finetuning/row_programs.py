"""Lines of a program that read rows as a run did, in the forms that people have: pasted, a file, the Hub."""

from __future__ import annotations

from collections.abc import Mapping
from pprint import pformat
from typing import Any

from finetuning import sets
from finetuning.csv_rows import GIVEN, SAID, TEXTS
from finetuning.pairs import stored_source
from finetuning.rows import CSV, JSON, KINDS, READ_AS, SPEAKERS, TALK, Source, kind_of, objects
from finetuning.train_request import TrainRequest
from shared import limits
from shared.errors import VisitorError

MOST_CHARACTERS = 30_000
"""Rows that stand in the program itself."""
TAKEN = ("data", "/data")
"""Where a program finds what is not in it: beside itself, or where a job of the Hub has the same folder."""


def rows_listing(request: TrainRequest, trained: Mapping[str, Any]) -> str:
    """The rows to train on, as the program reads them."""
    split = "held = rows[4::5] or rows[-1:]\nrows = [row for row in rows if row not in held] or rows\n"
    plain = _PAIRED if request.paired else _LABELLED if request.objective == "kto" else _COMPLETED
    if request.objective == "kto":
        split = _SPLIT
    split = f"\n\n{_PLAIN}{plain}\n\nrows = [plain(row) for row in rows]\n{split}"
    left = ""
    if out := list(trained["left_out"]):
        left = f"rows = [row for at, row in enumerate(rows, 1) if at not in {out}]\n"
    if not request.own and trained["source"] == stored_source(request.data):
        stored = sets.stored(request.data)[0][: request.limit]
        return f"rows = {pformat(stored, width=106, sort_dicts=False)}\n{left}"
    if not request.own:
        return rows_of_file(trained["source"], request.limit) + left + split
    if request.dataset:
        return rows_of_dataset(request) + left + split
    try:
        given, _, _ = objects(request)
    except VisitorError:
        given = []
    if given and len(text := pformat(given, width=106, sort_dicts=False)) <= MOST_CHARACTERS:
        return f"rows = {text}\n{left}{split}"
    return rows_of_file("rows.jsonl", request.limit) + left + split


def rows_of_dataset(request: Source) -> str:
    """Lines of a program that read a dataset of the Hub."""
    config = f", {request.config!r}" if request.config else ""
    return (
        "from datasets import load_dataset\n\n"
        f"rows = list(load_dataset({request.dataset!r}{config}, split={request.split!r})"
        f".select(range({request.limit})))\n"
    )


def rows_of_file(source: str, limit: int) -> str:
    """Lines of a program that read a file as the run did, by the name of its source, see `rows.READ_AS`."""
    name, _, said = source.partition(READ_AS)
    ways = said.split(", ") if said else []
    kind = next((way for way in ways if way in KINDS), kind_of(name))
    encoding = next((way.lower() for way in ways if way not in KINDS), "utf-8")
    ends = ', newline=""' if kind == CSV else ""
    places = [name, *(f"{folder}/{name}" for folder in TAKEN)]
    return (
        f"import os\n\nplaces = {places!r}\n"
        "path = next(filter(os.path.exists, places))\n"
        f'text = open(path, encoding={encoding!r}{ends}).read().lstrip("\\ufeff")\n'
        f"{_READ[kind].replace('LIMIT', str(limit))}"
        f"rows = rows[: {limit}]\n"
    )


_JSON = """try:
    rows = json.loads(text)
except ValueError:  # JSON Lines
    rows = [json.loads(line.lstrip("\\ufeff")) for line in text.split("\\n") if line.strip()]
rows = rows if isinstance(rows, list) else [rows]
if rows and all(isinstance(row, dict) and ("role" in row or "from" in row) for row in rows):
    rows = [{"messages": rows}]
"""
_TALK = f"""import re

names = {pformat(SPEAKERS, width=106, sort_dicts=False)}
speaks = rf"^({{'|'.join(names)}})[ \\t]*:[ \\t]*"
said = re.split(speaks, text.strip(), flags=re.I | re.M)[1:]
talk = zip(said[::2], said[1::2])
rows = [{{"messages": [{{"role": names[who.lower()], "content": words.strip()}} for who, words in talk]}}]
"""
_CSV = f"""import csv
import io

text = text.lstrip("\\r\\n")
first = text.partition("\\n")[0].rstrip("\\r")
if first[:-1] == "sep=":
    text, sign = text.partition("\\n")[2], first[-1]
else:
    sign = max(",;\\t", key=first.count)
csv.field_size_limit({limits.MAX_CELL_CHARACTERS})


def are_messages(value):
    return isinstance(value, list) and value and all(
        isinstance(one, dict) and ("role" in one or "from" in one) for one in value
    )


def cell(name, value):
    \"""Messages are JSON, a label is a truth value, and what is empty beside texts is nothing.\"""
    if name == "label":
        return {{"true": True, "1": True, "false": False, "0": False}}.get(value.strip().lower(), value)
    given = name in {GIVEN!r}
    if (given or name in {SAID!r}) and value.lstrip()[:1] in ("[", "{{"):
        try:
            read = json.loads(value)
        except ValueError:
            return value
        return read if given or are_messages(read) else value
    return value if value or name in {TEXTS!r} else None


rows = []
for number, row in enumerate(csv.DictReader(io.StringIO(text, newline=""), delimiter=sign), 1):
    if any(value.strip() for value in row.pop(None, ())):
        raise SystemExit(f"Row {{number}} has more cells than the header.")
    named = {{name.strip(): value for name, value in row.items() if name and value is not None}}
    rows.append({{name: cell(name, value) for name, value in named.items()}})
    if number == LIMIT:
        break
"""
_READ = {CSV: _CSV, JSON: _JSON, TALK: _TALK}
_PLAIN = '''def talk(value, names={}):
    """Messages with role and content."""
    said = json.loads(value) if isinstance(value, str) else value
    said = [{key: item for key, item in one.items() if item is not None} for one in said]
    said = [one if "role" in one else {"role": one["from"], "content": one["value"]} for one in said]
    return [{**one, "role": names.get(one["role"], one["role"])} for one in said]


def told(row, *names):
    """The columns that the run reads, messages in one form."""
    kept = {name: row[name] if isinstance(row[name], str) else talk(row[name]) for name in names}
    if isinstance(row.get("tools"), str):
        row = {**row, "tools": json.loads(row["tools"] or "null")}
    more = {name: row[name] for name in ("tools", "chat_template_kwargs") if row.get(name)}
    return {**kept, **more}


'''
_SPLIT_PAIR = '''def pair(row):
    """Both answers with their prompt, which may stand in both."""
    chosen, rejected = row["chosen"], row["rejected"]
    if "prompt" in row and isinstance(row["prompt"], str) == isinstance(chosen, str):
        return told(row, "prompt", "chosen", "rejected")
    least = min(len(chosen), len(rejected))
    same = next((at for at in range(least) if chosen[at] != rejected[at]), least)
    if same == least or chosen[same - 1] == " ":
        same -= 1
    parted = {"prompt": chosen[:same], "chosen": chosen[same:], "rejected": rejected[same:]}
    return told({**row, **parted}, *parted)


'''
_PAIRED = f"""{_SPLIT_PAIR}def plain(row):
    return pair({{name: item for name, item in row.items() if item is not None}})
"""
_LABELLED = f"""{_SPLIT_PAIR}def plain(row):
    row = {{name: item for name, item in row.items() if item is not None}}
    if "chosen" in row and "rejected" in row:
        return pair(row)
    return {{**told(row, "prompt", "completion"), "label": row["label"]}}
"""
_COMPLETED = f'''{_SPLIT_PAIR}def plain(row):
    """A prompt with the completion that is trained on, or a text."""
    row = {{name: item for name, item in row.items() if item is not None}}
    if "chosen" in row and "rejected" in row:
        row = {{**row, **pair(row)}}
        return told({{**row, "completion": row["chosen"]}}, "prompt", "completion")
    talks = [name for name in ("messages", "conversations", "conversation") if name in row]
    if talks and not ("prompt" in row and "completion" in row):
        said = talk(row[talks[0]], {{"human": "user", "gpt": "assistant"}})
        while said[-1]["role"] != "assistant":
            said = said[:-1]
        return told({{**row, "prompt": said[:-1], "completion": said[-1:]}}, "prompt", "completion")
    if "prompt" in row:
        return told({{"completion": row.get("chosen"), **row}}, "prompt", "completion")
    return {{"text": row["text"]}}
'''
_SPLIT = """if "chosen" in rows[0]:
    held = rows[4::5] or rows[-1:]
    rows = [row for row in rows if row not in held] or rows
else:
    sides = [[row for row in rows if bool(row["label"]) == label] for label in (True, False)]
    held = [row for side in sides for row in side[4::5] or side[-1:]]
    kept = [row for row in rows if row not in held]
    rows = kept if len({bool(row["label"]) for row in kept}) == 2 else rows
"""
