"""What counts as a row's text: signs, tool calls and images, the columns of known schemas, borders."""

from __future__ import annotations

import json
import runpy
import sys
from typing import Any

import pytest

from dedup.outcome import outcome
from dedup.programs import rensa_program
from dedup.report import report, to_json
from dedup.texts import likely_columns
from tests.dedup.test_read import run, stored

PROMPT = "What is the weather now, please? I would like to know it before I leave the house."


def call(city: str, **more: Any) -> list[dict[str, Any]]:
    """A question, and a tool call in its place of an answer."""
    arguments = json.dumps({"city": city}, **more)
    return [
        {"role": "user", "content": PROMPT},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": city, "function": {"name": "get", "arguments": arguments}}],
        },
    ]


def seen(*parts: Any, answer: str = "A cat.") -> list[dict[str, Any]]:
    """A question about something beside its words."""
    return [
        {"role": "user", "content": [*parts, {"type": "text", "text": PROMPT}]},
        {"role": "assistant", "content": [{"type": "text", "text": answer}]},
    ]


def image(name: str) -> dict[str, str]:
    return {"type": "image", "image": name}


def shared_gpt(sign: str) -> list[dict[str, str]]:
    return [{"from": "human", "value": f"{sign}\n{PROMPT}"}, {"from": "gpt", "value": "A cat."}]


HOLDING: dict[str, tuple[list[dict[str, Any]], list[int]]] = {
    "tool calls": (
        [{"messages": call(city)} for city in ("Paris", "Paris", "Rome", "Oslo")]
        + [{"messages": call("Paris", indent=4)}],
        [0, 2, 3],
    ),
    "tool calls written in the answer": (
        [
            {
                "messages": [
                    *seen(),
                    {"role": "assistant", "content": f'<tool_call>{{"name": "{name}"}}</tool_call>'},
                ]
            }
            for name in ("on", "off", "on")
        ],
        [0, 1],
    ),
    "function calls of ShareGPT": (
        [
            {"conversations": [{"from": "human", "value": PROMPT}, {"from": "function_call", "value": value}]}
            for value in ('{"name": "on"}', '{"name": "off"}', '{"name":  "on"}')
        ],
        [0, 1],
    ),
    "tool results": (
        [
            {"messages": [{"role": "user", "content": PROMPT}, {"role": "tool", "content": result}]}
            for result in ("nine degrees and rain all day long " * 3, "no such city is known here " * 4) * 2
        ],
        [0, 1],
    ),
    "images": (
        [{"messages": seen(image(name))} for name in ("1.png", "2.png", "1.png", "3.png")],
        [0, 1, 3],
    ),
    "images by address": (
        [{"messages": seen({"type": "image_url", "image_url": {"url": name}})} for name in ("a", "b", "a")],
        [0, 1],
    ),
    "parts of unknown kind": (
        [{"messages": seen({"type": "molecule", "smiles": name})} for name in ("CCO", "CCN", "CCO")],
        [0, 1],
    ),
    "images in a column": (
        [{"messages": seen({"type": "image"}), "images": [name]} for name in ("1.png", "2.png", "1.png")],
        [0, 1],
    ),
    "images in a column, named in the text": (
        [{"conversations": shared_gpt("<image>"), "image": name} for name in ("1.png", "2.png", "1.png")],
        [0, 1],
    ),
    "images that lie elsewhere": ([{"messages": seen({"type": "image"})} for _ in range(3)], [0, 1, 2]),
    "tools": (
        [{"messages": seen(), "tools": [{"name": name}]} for name in ("get", "set", "get")],
        [0, 1],
    ),
    "turns of Gemini": (
        [
            {"contents": [{"role": "user", "parts": [{"text": PROMPT}, {"inline_data": {"data": name}}]}]}
            for name in ("AA", "AB", "AA")
        ],
        [0, 1],
    ),
    "turns whose words have a name of their own": (
        [
            {"messages": [{"role": "user", "content": PROMPT}, {"role": "assistant", "reply": reply}]}
            for reply in ("yes", "no", "yes")
        ],
        [0, 1],
    ),
    "turns with a text": (
        [{"messages": [{"role": "user", "text": text}]} for text in (PROMPT, "Quite another one.", PROMPT)],
        [0, 1],
    ),
    "spans, which are no turns": (
        [{"text": PROMPT, "spans": [{"text": "now", "label": label}]} for label in ("time", "place", "time")],
        [0],
    ),
    "conversations among other cells": (
        [{"messages": seen()}, {"messages": None}, {"messages": "plain words"}, {"messages": ["a", "b"]}] * 2,
        [0, 1, 2, 3, 5],
    ),
}


@pytest.mark.parametrize("name", HOLDING)
@pytest.mark.parametrize("threshold", [0.3, 0.7])
def test_what_a_row_holds_beside_words_is_compared(tmp_path, monkeypatch, name, threshold):
    rows, expected = HOLDING[name]
    if name == "tool results" and threshold < 0.5:
        return  # they are text, of which the rest is the same
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    result, kept = run(stored(tmp_path, "rows.jsonl", content), threshold=threshold)
    assert kept == expected
    data = to_json(result, outcome(result))
    unseen = [line for line in data["warnings"] if "cannot be compared" in line]
    assert bool(unseen) == (name == "images that lie elsewhere")
    assert "\x1d" not in json.dumps(list(data["texts"].values()))
    program, target = tmp_path / "program.py", tmp_path / "kept.jsonl"
    held = data["provenance"]["held"]
    listing = rensa_program(result.request, result.plan, result.compared.columns, "rows.jsonl", held)
    program.write_text(listing, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", [str(program), str(tmp_path / "rows.jsonl"), str(target)])
    runpy.run_path(str(program), run_name="__main__")
    assert target.read_text().splitlines() == [json.dumps(rows[row]) for row in kept]


KNOWN: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "Alpaca": (
        {"output": "c", "instruction": "a", "input": ""},
        ("instruction", "input", "output"),
        "Alpaca",
    ),
    "Dolly": (
        {"instruction": "a", "context": "b", "response": "c", "category": "d" * 99},
        ("context", "instruction", "response"),
        "instruction and response",
    ),
    "ShareGPT": ({"id": "1" * 99, "conversations": []}, ("conversations",), "conversations"),
    "messages": ({"prompt": "x" * 99, "messages": []}, ("messages",), "messages"),
    "pairs": (
        {"prompt": "a", "chosen": "b", "rejected": "c", "messages": []},
        ("prompt", "chosen", "rejected"),
        "preference pairs",
    ),
    "questions": (
        {"Question": "a", "Answer": 5, "url": "u" * 99},
        ("Question", "Answer"),
        "question and answer",
    ),
    "queries": ({"query": "a", "response": "b"}, ("query", "response"), "query and response"),
    "text": ({"text": "a", "input": "b" * 99}, ("text",), ""),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_schemas_choose_all_their_columns(tmp_path, name):
    row, columns, schema = KNOWN[name]
    data = stored(tmp_path, "rows.json", json.dumps([row, row]).encode())
    choice = likely_columns(data)
    assert (choice.columns, choice.schema) == (columns, schema)
    if name in ("ShareGPT", "messages"):
        return
    result, _ = run(data)
    assert report(result, outcome(result))["provenance"]["schema"] == schema


def test_columns_keep_their_borders(tmp_path):
    """What ends one column and what begins the next are no text that runs on."""
    rows = [{"a": "one two\nthree", "b": "four five six"}, {"a": "one two", "b": "three\nfour five six"}]
    rows += [{"a": "👍", "b": "🎉"}, {"a": "👍", "b": "👎"}, {"a": "", "b": " "}, {"a": "", "b": ""}]
    data = stored(tmp_path, "rows.json", json.dumps(rows).encode())
    result, kept = run(data, columns=["a", "b"], threshold=0.9)
    assert kept == [0, 1, 2, 3, 4, 5] and result.without_text == 2
