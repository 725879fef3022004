"""The result to take away: Markdown, CSV, and what `share` writes for every model."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from evaluation import share
from evaluation.finding import chance_of, percent, points
from evaluation.request import named
from shared.card import escape, public_name, table
from shared.mean import AND

if TYPE_CHECKING:
    from evaluation.data import Compare, Difference, Score, Summary


def summary(data: Compare) -> Summary:
    """The texts of a complete evaluation."""
    return {"markdown": _markdown(data), "csv": _csv(data), "models": share.shares(data)}


def _score(data: Compare, model: int, task: str) -> Score:
    return next(one for one in data["scores"] if one["model"] == model and one["task"] == task)


def _difference(data: Compare, model: int, task: str) -> Difference | None:
    some = (one for one in data["differences"] if one["model"] == model and one["task"] == task)
    return next(some, None)


def _tasks(data: Compare) -> list[str]:
    asked = {item["task"] for item in data["items"]}
    return [*(task["name"] for task in data["tasks"] if task["name"] in asked), ""]


def _markdown(data: Compare) -> str:
    names = [side["name"] for side in data["models"]]
    chances = {task["name"]: task["chance"] for task in data["tasks"]} | {"": chance_of(data)}
    rows = []
    for task in _tasks(data):
        cells = []
        for model in range(len(names)):
            one = _score(data, model, task)
            cell = f"{percent(one['count'] / one['of'])} ({percent(one['low'])} to {percent(one['high'])})"
            if against := _difference(data, model, task):
                cell += f", {points(against['mean'])}: {against['gained']} gained, {against['lost']} lost"
            cells.append(cell)
        rows.append([task or "all", _score(data, 0, task)["of"], percent(chances[task]), *cells])
    listed = [*data["verdicts"][1:], *filter(None, [data["stopped"]]), *data["notes"]]
    for side, asked in zip(data["models"], data["request"]["models"], strict=True):
        origin = side["origin"]
        whole = AND.join(public_name(part) for part in named(asked).parts)
        listed.append(
            f"{side['name']}: {whole}, {origin['source']} ({origin['revision']}), {origin['dtype']}"
        )
    said = data["provenance"]
    listed += [
        f"{said['metric']} as lm-eval defines it, {share.prompts(data)}, chat template "
        f"{'on' if said['chat'] else 'off'}, seed {said['seed']}. In brackets 95 % intervals (Wilson; of "
        "passages where items share one); differences to the first model by an exact paired test.",
        f"Run on {share.date_of(data)[:10]} with "
        + ", ".join(f"{name} {version}" for name, version in said["versions"].items())
        + ".",
    ]
    return "\n".join(
        [
            f"**{escape(data['verdicts'][0])}**",
            "",
            table(["items", "n", "guessing", *names], rows),
            "",
            *(f"- {escape(one)}" for one in listed),
            "",
        ]
    )


def _csv(data: Compare) -> str:
    columns = ("model", "task", "n", "groups", "correct", "score", "low", "high", "brier", "guessing")
    more = ("difference", "difference_low", "difference_high", "gained", "lost", "changed", "p")
    chances = {task["name"]: task["chance"] for task in data["tasks"]} | {"": chance_of(data)}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*columns, *more])
    for model, side in enumerate(data["models"]):
        for task in _tasks(data):
            one = _score(data, model, task)
            row: list[object] = [
                _cell(side["name"]),
                _cell(task) or "all",
                one["of"],
                one["groups"],
                one["count"],
            ]
            row += [
                round(one["count"] / one["of"], 6),
                one["low"],
                one["high"],
                one["brier"],
                round(chances[task], 6),
            ]
            if against := _difference(data, model, task):
                row += [against[key] for key in ("mean", "low", "high", "gained", "lost", "changed", "p")]
            else:
                row += [""] * len(more)
            writer.writerow(row)
    return out.getvalue()


def _cell(text: str) -> str:
    """A text that no table program takes for a formula."""
    return f"'{text}" if text.startswith(tuple("=+-@\t\r")) else text
