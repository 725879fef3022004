"""What is shared of a result reads back with the tools that will read it, with the same numbers."""

from __future__ import annotations

import copy
import csv
import io
import itertools
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from markdown_it import MarkdownIt

from evaluation import share, summary, task_file
from shared.items import items_of

SPACE = Path(__file__).parents[2] / "spaces" / "evaluation"
STORED = json.loads((SPACE / "examples" / "experts.json").read_text(encoding="utf-8"))
SHOWN = ("SmolLM2-135M-Instruct", "pirate", "mean of pirate and cautious", "SmolLM2-135M-Instruct in Q2_K")
HOSTILE = "a|b\r\n| c |\u2028`d` *e* <img src=x onerror=alert(1)> &lt; ~~f~~ $g$ [h](i): 'j' \"k\" # l %s"


def named_anew(text: str, item: str = "") -> dict:
    """The stored result with a text behind the name of every task and model, and before every prompt."""
    data = copy.deepcopy(STORED)
    for one in (*data["models"], *data["tasks"]):
        one["name"] += text
    for one in (*data["scores"], *data["differences"]):
        one["task"] += text if one["task"] else ""
    for one in data["items"]:
        one["task"] += text
        one["prompt"] = item + one["prompt"]
    data["models"][0]["origin"]["source"] += text
    data["verdicts"] = [f"{text}{one}{text}" for one in data["verdicts"]]
    data["summary"] = summary.summary(data)
    return data


@pytest.fixture(scope="module", params=["", HOSTILE, "\n- 1\n# x\n---\n"], ids=["plain", "hostile", "lines"])
def data(request):
    return named_anew(request.param, request.param)


def shares_of(data: dict, model: int) -> dict[str, float]:
    """A model's score by task, from the counts."""
    some = [one for one in data["scores"] if one["model"] == model and one["task"]]
    return {one["task"]: one["count"] / one["of"] for one in some}


def test_the_stored_texts_are_those_of_its_numbers():
    assert STORED["summary"] == summary.summary(STORED)


def test_the_hub_reads_the_entries(data):
    for model, one in enumerate(data["summary"]["models"]):
        entries = parse_eval_result_entries(yaml.safe_load(one["results"]))
        scores = shares_of(data, model)
        assert {entry.task_id: entry.value for entry in entries} == pytest.approx(scores, abs=1e-6)
        assert all(entry.dataset_id == share.DATASET and entry.verify_token is None for entry in entries)
        assert isinstance(entries[0].date, str) and entries[0].date == share.date_of(data)
        rooms = next(entry for entry in entries if entry.task_id.startswith("rooms"))
        score = next(one for one in data["scores"] if one["model"] == model and one["task"] == rooms.task_id)
        assert f"{score['count']} of 24 items in 6 groups" in rooms.notes
        assert f"95 % interval {score['low']:g} to {score['high']:g}" in rooms.notes


def test_the_hub_reads_the_card(data):
    for model, one in enumerate(data["summary"]["models"]):
        card = ModelCard(f"{one['head']}\n## Evaluation\n\n{data['summary']['markdown']}")
        found = card.data.eval_results
        assert found and {each.dataset_name: each.metric_value for each in found} == pytest.approx(
            shares_of(data, model), abs=1e-6
        )
        index = yaml.safe_load(one["head"].removeprefix("---\n").removesuffix("---\n"))["model-index"][0]
        written = index["results"]
        assert len(written) == len(STORED["tasks"]), "a result for every task, not all in one"
        assert card.text.lstrip().startswith("## Evaluation\n\n**") and "216 items cannot decide" in card.text
        name = SHOWN[model]
        assert index["name"] == name


def test_markdown_shows_the_names_as_they_are(data):
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(data["summary"]["markdown"])
    kinds = {token.type for token in tokens}
    assert not kinds & {"heading_open", "html_block", "fence", "hr"}
    assert sum(token.type == "bullet_list_open" for token in tokens) == 1
    first = tokens[1].children or []
    assert sum(one.type == "strong_open" for one in first) == 1, "the first sentence is strong"
    assert "".join(one.content for one in first) == " ".join(data["verdicts"][0].split())
    rows: list[list[str]] = []
    for before, token in itertools.pairwise(tokens):
        if before.type == "tr_open":
            rows.append([])
        if before.type in ("th_open", "td_open"):
            parts = token.children or []
            assert {part.type for part in parts} <= {"text", "text_special"}, token.content
            rows[-1].append("".join(part.content for part in parts))
    said = [" ".join(one["name"].split()) for one in (*data["models"], *data["tasks"])]
    assert rows[0] == ["items", "n", "guessing", *said[:4]]
    assert [row[0] for row in rows[1:]] == [*said[4:], "all"]
    for row, task in zip(rows[1:], [*data["tasks"], {"name": ""}], strict=True):
        for model, cell in enumerate(row[3:]):
            score = next(
                one for one in data["scores"] if (one["model"], one["task"]) == (model, task["name"])
            )
            assert row[1] == str(score["of"]) and cell.startswith(f"{score['count'] / score['of']:.0%}"[:-1])


def test_csv_has_the_numbers(data):
    rows = list(csv.DictReader(io.StringIO(data["summary"]["csv"], newline="")))
    assert len(rows) == len(data["scores"])
    names = [side["name"] for side in data["models"]]
    tasks = {"all": "", **{task["name"]: task["name"] for task in data["tasks"]}}
    same = {"n": "of", "groups": "groups", "correct": "count", "low": "low", "high": "high", "brier": "brier"}
    moved = {"difference": "mean", "difference_low": "low", "difference_high": "high"}
    moved |= {name: name for name in ("gained", "lost", "changed", "p")}
    for row in rows:
        key = (names.index(row["model"]), tasks[row["task"]])
        score = next(one for one in data["scores"] if (one["model"], one["task"]) == key)
        assert {name: float(row[name]) for name in same} == {name: score[k] for name, k in same.items()}
        assert float(row["score"]) == pytest.approx(score["count"] / score["of"], abs=1e-6)
        against = [one for one in data["differences"] if (one["model"], one["task"]) == key]
        assert bool(against) == (key[0] > 0) == bool(row["p"])
        for one in against:
            assert {name: float(row[name]) for name in moved} == {name: one[k] for name, k in moved.items()}


def run(script: str, folder: Path, items: list[dict]) -> list[str]:
    """Run a script of the shell with the items beside it; what it gave lm-eval, which is none here."""
    lines = "\n".join(json.dumps(one, ensure_ascii=False) for one in items)
    (folder / "items.jsonl").write_text(f"{lines}\n", encoding="utf-8")
    for name, text in {"lm_eval": 'printf "%s\\n" "$@" > asked', "python": f'{sys.executable} "$@"'}.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    path = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-eu"], input=script, text=True, check=True, cwd=folder, env=path, timeout=60)
    return (folder / "asked").read_text(encoding="utf-8").splitlines()


def test_the_command_asks_lm_eval_the_same_items(tmp_path):
    data = named_anew(HOSTILE, HOSTILE)
    data["items"] = [one for one in data["items"] if one["task"][:4] in ("past", "sums")]
    data["items"][0]["delimiter"] = "\n\u2028"
    asked = run(share.command(data, 0), tmp_path, data["items"])
    assert asked[:5] == ["run", "--model", "hf", "--model_args",
                         "pretrained=HuggingFaceTB/SmolLM2-135M-Instruct,dtype=float32"]  # fmt: skip
    found = []
    for name in asked[asked.index("--tasks") + 1].split(","):
        task = yaml.safe_load((tmp_path / share.FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
        assert task["task"] == name
        rows = Path(task.pop("dataset_kwargs")["data_files"]["test"]).read_text(encoding="utf-8")
        # the templates are filled in as lm-eval does, which the tests of task files hold
        some = task_file.TaskRequest.parse(yaml=yaml.safe_dump(task), rows=json.loads(rows))
        found += items_of(task_file.read(some)["items"])
    key = ("prompt", "choices", "gold", "delimiter")
    told = sorted(tuple(str(getattr(one, name)) for name in key) for one in found)
    assert told == sorted(
        tuple(str(tuple(one[name]) if name == "choices" else one[name]) for name in key)
        for one in data["items"]
    )


def test_in_chat_templates_a_task_has_the_messages_before_its_questions(tmp_path):
    """`check_command` runs such tasks with lm-eval."""
    data = copy.deepcopy(STORED)
    data["provenance"]["chat"] = True
    data["request"]["metric"] = "acc_bytes"
    talk = [["system", "Be {{kind}}."], ["user", "1?"], ["assistant", "one"], ["user", "2?"]]
    data["items"] = [{**data["items"][0], "task": "own", "prompt": "whole", "turns": talk}, data["items"][1]]
    asked = run(share.command(data, 0), tmp_path, data["items"])
    assert "--apply_chat_template" in asked
    tasks = [yaml.safe_load(file.read_text("utf-8")) for file in sorted(tmp_path.glob("*/items_*.yaml"))]
    assert asked[asked.index("--tasks") + 1] == ",".join(task["task"] for task in tasks)
    told = next(task for task in tasks if "description" in task)
    assert told["description"] == "{{system}}" and told["num_fewshot"] == 1
    assert told["fewshot_config"]["samples"] == [{"prompt": "1?", "choices": ["one"], "gold": 0}]
    (row,) = json.loads(Path(told["dataset_kwargs"]["data_files"]["test"]).read_text("utf-8"))
    assert (row["prompt"], row["system"]) == ("2?", "Be {{kind}}.")
    assert [one["metric"] for one in told["metric_list"]] == ["acc", "acc_norm", "acc_bytes"]
    assert not any("num_fewshot" in task or "description" in task for task in tasks if task is not told)


def test_the_command_says_where_it_cannot_give_the_numbers():
    first, expert, merge, coarse = (one["command"] for one in STORED["summary"]["models"])
    assert "no task that comes with lm-eval" in first and "stored as Q4_1" in first
    assert "peft=shared/experts/pirate" in expert and "run this there" in expert
    assert "cannot round a model to Q2_K" in coarse and "cannot merge models" in merge
    assert "lm_eval run" not in coarse + merge


def test_a_job_has_hours_and_cost_by_its_formula(tmp_path):
    data = copy.deepcopy(STORED)
    data["request"] |= {"items": "own", "models": ["owner/na.me", "/srv/$(touch own)", "pirate", "cautious"]}
    data["models"][0] |= {"parameters": 7_000_000_000, "vocabulary": 100}
    data["items"] = [
        {**one, "id": str(place), "task": "arc_easy"} for place, one in enumerate(data["items"][:2])
    ]
    read = {"context": ["a", "b", "c"], "choices": [["d"], ["e", "f"]]}
    longer = {"context": ["a"] * 10, "choices": [["d"], ["e"]]}
    data["reads"] = [[{"context": [], "choices": [["x"] * 99]}, read], [longer]]
    data["answers"] = [[{"read": 1}, {"read": 0}], *[[{"read": 0}, {"read": 0}]] * 3]
    text = share.job(data, 0)
    # 9 and 22 tokens; 2 · 7e9 · 10,000 · 15.5 operations at a fifth of 312 teraflops, after ten minutes
    hours = 1 / 6 + 2.17e15 / 62.4e12 / 3600
    assert f"a100-large (80 GB), {hours:.2f} hours, ${2.5 * hours:.2f} at $2.50 an hour" in text
    assert "15.5 tokens an item" in text and "Memory: 28.0 GB for weights in float32" in text

    def started(script: str) -> list[str]:
        (tmp_path / "hf").write_text('#!/bin/sh\nprintf "%s\\n" "$@" > asked\n', encoding="utf-8")
        (tmp_path / "hf").chmod(0o755)
        path = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        subprocess.run(
            ["bash", "-eu"], input=script, text=True, check=True, cwd=tmp_path, env=path, timeout=60
        )
        return (tmp_path / "asked").read_text(encoding="utf-8").splitlines()

    words = started(text)
    assert words[:6] == ["jobs", "uv", "run", "--flavor", "a100-large", "--timeout"]
    assert words[6] == f"{round(120 * hours)}m" and "lm-eval[hf]==0.4.13" in words
    folder = tmp_path / share.FOLDER
    assert f"./{share.FOLDER}:{folder}" in words and words[words.index("--include_path") + 1] == str(folder)
    assert words[words.index("lm_eval") :][:5] == ["lm_eval", "run", "--model", "hf", "--model_args"]
    assert "pretrained=owner/na.me,dtype=float32" in words and words[-1] == "cuda"
    whole = next(line for line in text.splitlines() if line.startswith("# hf jobs"))
    assert started(whole.removeprefix("# "))[-7:-4] == ["arc_easy", "--num_fewshot", "0"]
    assert "./FOLDER:/model" in (words := started(share.job(data, 1))) and "/srv" not in "".join(words)
    assert "pretrained=/model,dtype=float32" in words and not (tmp_path / "own").exists()
    assert "./shared/experts/pirate:/adapter" in started(share.job(data, 2))
    data["models"][0]["parameters"] = 70_000_000_000
    assert "No hardware" in share.job(data, 0) and "280 GB" in share.job(data, 0)
    assert share.job(STORED, 3).startswith("# lm-eval's command cannot round")


def test_a_task_of_lm_evals_own_has_its_short_command(tmp_path):
    data = copy.deepcopy(STORED)
    commit = "0123456789" * 4
    data["request"] |= {
        "items": "own",
        "models": ["owner/name", "/srv/some, where/model", "pirate", "cautious"],
    }
    data["models"][0]["origin"] |= {"model": "owner/name", "revision": commit, "source": "the Hub"}
    data["items"] = [
        {**one, "id": str(place), "task": "arc_easy"} for place, one in enumerate(data["items"][:5])
    ]
    data["items"].append({**data["items"][0], "task": "$(touch own)\nrm", "id": "0"})
    text = share.command(data, 0)
    short = next(line for line in text.splitlines() if line.endswith("--device cpu") and line[0] == "#")
    words = shlex.split(short.removeprefix("# "))
    assert words[:5] == ["lm_eval", "run", "--model", "hf", "--model_args"]
    assert words[5] == f"pretrained=owner/name,revision={commit},dtype=float32"
    assert "--tasks arc_easy --num_fewshot 0 --limit 5" in short
    run(text, tmp_path, data["items"])
    assert not (tmp_path / "own").exists()
    assert "/srv" not in share.command(data, 1) and "pretrained=FOLDER" in share.command(data, 1)
    data["items"][0]["id"] = "7"
    assert "--limit" not in share.command(data, 0)
