"""The result to take away, as Markdown and CSV."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from evaluation.finding import chance_of, percent, points

if TYPE_CHECKING:
    from evaluation.data import Compare, Difference, Score, Summary


def summary(data: Compare) -> Summary:
    """Both texts of a complete evaluation."""
    return {"markdown": _markdown(data), "csv": _csv(data)}


def _score(data: Compare, model: int, task: str) -> Score:
    return next(one for one in data["scores"] if one["model"] == model and one["task"] == task)


def _difference(data: Compare, model: int, task: str) -> Difference | None:
    some = (one for one in data["differences"] if one["model"] == model and one["task"] == task)
    return next(some, None)


def _tasks(data: Compare) -> list[str]:
    asked = {item["task"] for item in data["items"]}
    return [*(task["name"] for task in data["tasks"] if task["name"] in asked), ""]


def _escaped(text: str) -> str:
    """A text in a cell of a Markdown table."""
    return "".join(f"\\{letter}" if letter in "\\|*_`<>[]" else letter for letter in text).replace("\n", " ")


def _markdown(data: Compare) -> str:
    names = [_escaped(side["name"]) for side in data["models"]]
    lines = [f"**{_escaped(data['verdicts'][0])}**", ""]
    lines += [f"| items | n | guessing | {' | '.join(names)} |", f"|---|---|---|{'---|' * len(names)}"]
    chances = {task["name"]: task["chance"] for task in data["tasks"]} | {"": chance_of(data)}
    for task in _tasks(data):
        cells = []
        for model in range(len(names)):
            one = _score(data, model, task)
            share = percent(one["count"] / one["of"])
            cell = f"{share} ({percent(one['low'])} to {percent(one['high'])})"
            if against := _difference(data, model, task):
                cell += f", {points(against['mean'])}: {against['gained']} gained, {against['lost']} lost"
            cells.append(cell)
        n = _score(data, 0, task)["of"]
        lines.append(f"| {_escaped(task) or 'all'} | {n} | {percent(chances[task])} | {' | '.join(cells)} |")
    lines += ["", *(f"- {_escaped(sentence)}" for sentence in data["verdicts"][1:])]
    if data["stopped"]:
        lines.append(f"- {_escaped(data['stopped'])}")
    lines += [f"- {_escaped(note)}" for note in data["notes"]]
    said = data["provenance"]
    for side in data["models"]:
        origin = side["origin"]
        lines.append(
            f"- {_escaped(side['name'])}: {_escaped(origin['model'])}, {_escaped(origin['source'])} "
            f"({_escaped(origin['revision'])}), {origin['dtype']}"
        )
    lines.append(
        f"- {said['metric']} as lm-eval defines it, chat template {'on' if said['chat'] else 'off'}, seed "
        f"{said['seed']}. In brackets 95 % intervals (Wilson; of passages where items share one); "
        "differences to the first model by an exact paired test."
    )
    return "\n".join(lines) + "\n"


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
