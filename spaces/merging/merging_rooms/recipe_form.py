"""The recipe as a form and as YAML, which follow each other, and one line with what the check of it says."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from merging import data
from merging import recipe as recipes
from merging.check import check
from merging.methods import catalogue
from merging_rooms.common import RENDERER, TITLE
from shared import models, shelf
from shared.errors import VisitorError
from shared.figure import Figure

MARKS = {"error": "✕", "warning": "!", "note": "i"}


def editor(recipe: str, name: str = "editor") -> Figure:
    """The form, as a figure that sends `recipe` when a visitor changes it.

    Args:
        recipe: that it shows first.
        name: of the form in the page.
    """
    return Figure(
        editor_value(recipe),
        folder=RENDERER,
        events=("recipe",),
        title=f"{TITLE}: recipe",
        elem_id=name,
    )


def editor_value(text: str) -> dict[str, Any]:
    """What the form shows for a recipe, or why it cannot."""
    base: dict[str, Any] = {
        "kind": "editor",
        "drawable": True,
        "methods": [method.to_json() for method in catalogue().values()],
        "models": [*models.CATALOGUE, *(one.name for one in shelf.listed())],
    }
    try:
        recipe = recipes.parse(text)
    except VisitorError as error:
        return {**base, **error.to_json()}
    return {**base, "recipe": recipe, "moe": recipes.is_moe(recipe)}


def from_form(event: gr.EventData) -> str:
    """The recipe that the form now holds, as YAML."""
    return recipes.to_yaml(dict(event.recipe))


MARK_STALE = """(html) => (html ?? "").replace('class="findings"', 'class="findings stale"')"""
"""Dims the findings of an earlier recipe until the check of the changed one answers; nothing moves."""


def check_html(text: str) -> str:
    """What the check says of a recipe, as safe HTML."""
    return findings_html(check(text).to_json())


def findings_html(result: data.Check) -> str:
    """A check's result as safe HTML: one line that opens, and stands open where something is wrong."""
    findings, cost = result["findings"], result["cost"]
    words = (
        "The recipe can run"
        if result["ok"]
        else "The recipe cannot run here"
        if cost
        else "The recipe cannot run"
    )
    if cost:
        download = f", {cost['download'] / 1e6:,.0f} MB to download" if cost["download"] else ""
        words += (
            f": {result['tensors']} tensors in {result['layers']} layers, {cost['parameters'] / 1e6:,.1f} "
            f"million weights, {cost['disk'] / 1e6:,.0f} MB on disk{download}, about "
            f"{cost['memory'] / 1e9:.1f} GB of memory and {cost['seconds']:,} s to merge on two idle CPU "
            "cores, then the time to measure"
        )
    levels = [finding["level"] for finding in findings]
    counts = [
        f"{levels.count(level)} {level}{'s' if levels.count(level) > 1 else ''}"
        for level in MARKS
        if level in levels
    ]
    line = html.escape(" · ".join([words, *counts]))
    if not findings:
        return f'<div class="findings" role="status"><p>{line}</p></div>'
    opened = "" if result["ok"] else " open"
    items = "".join(map(_item, findings))
    commands = "" if result["ok"] else html.escape(result.get("commands", ""))
    elsewhere = f"<pre>{commands}</pre>" if commands else ""
    return (
        f'<div class="findings" role="status"><details{opened}><summary>{line}</summary>'
        f"<ul>{items}</ul>{elsewhere}</details></div>"
    )


def _item(finding: data.Finding) -> str:
    level = finding["level"]
    where = f"<code>{html.escape(finding['where'])}</code> " if finding["where"] else ""
    words = html.escape(f"{finding['message']} {finding['fix']}")
    mark = f'<span aria-hidden="true">{MARKS[level]}</span>'
    return f'<li class="{level}">{mark} <b>{level}</b> {where}{words}</li>'
