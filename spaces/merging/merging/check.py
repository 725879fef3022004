"""Check a recipe in seconds, from its text and the safetensors headers alone, by mergekit's own planner."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merging import data, planner, programs, remarks
from merging import recipe as recipes
from merging.costs import Cost, cost_of
from merging.finding import Finding, error
from merging.keys import closest, find_unknown
from merging.methods import catalogue
from merging.model_links import relinked
from merging.planner import Plan
from merging.request import Request
from merging.sources import Source, resolve
from shared.errors import VisitorError
from shared.imports import import_transformers

MAX_MODELS = 16
"""Models in one recipe."""
ONE_OF_THREE = "Give exactly one of the three."
DTYPES = ("float32", "bfloat16", "float16", "float64")
SHORT = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "half": "float16", "fp64": "float64"}
"""Names that other tools have for them."""


@dataclass(frozen=True)
class Check:
    """The result of a check.

    Args:
        findings: errors first.
        sources: the models by name, those that are there.
        plan: what the merge writes, None where it cannot be planned.
        cost: what the merge takes, None where the recipe is wrong.
        commands: a shell program that makes the merge on any machine; "" where the recipe is wrong.
        limits: those of the findings that are this machine's and not the recipe's.
    """

    findings: tuple[Finding, ...]
    sources: dict[str, Source]
    plan: Plan | None
    cost: Cost | None
    commands: str = ""
    limits: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the merge can run."""
        return not any(finding.level == "error" for finding in self.findings)

    def to_json(self) -> data.Check:
        """What the API returns."""
        return {
            "ok": self.ok,
            "findings": [finding.to_json() for finding in self.findings],
            "tensors": self.plan.tensors if self.plan else None,
            "layers": self.plan.layers if self.plan else None,
            "models": [source.to_json() for source in self.sources.values()],
            "cost": self.cost.to_json() if self.cost else None,
            "commands": self.commands,
        }

    def refusal(self) -> VisitorError:
        """The first error, as an exception."""
        first = next(finding for finding in self.findings if finding.level == "error")
        where = f"{first.where}: " if first.where else ""
        return VisitorError(f"{where}{first.message}", first.fix or "Correct the recipe.")


_lock = threading.Lock()


def check(text: str, report: Callable[[str], None] = lambda _: None) -> Check:
    """Check a recipe. Nothing is raised for a bad recipe: what is wrong with it is the result.

    Args:
        text: YAML, of mergekit-yaml or of mergekit-moe.
        report: called with a sentence before a long step.
    """
    import_transformers()
    try:
        recipe = recipes.parse(text)
    except VisitorError as problem:
        return Check((error("", problem.what, problem.remedy),), {}, None, None)
    findings = [*_form(recipe), *find_unknown(recipe)]
    plan = None
    with tempfile.TemporaryDirectory(prefix="check-") as scratch:
        sources, missing = _sources(recipe, report)
        findings += [*missing, *remarks.on_weights(recipe, sources)]
        if not any(finding.level == "error" for finding in findings):
            folder = Path(scratch) / "models"
            with _lock:
                plan, problems = planner.plan(recipe, relinked(recipe, sources, folder, str(folder)), sources)
            findings += problems
        if sources:
            findings += remarks.on_models(recipe, sources)
    bad = any(finding.level == "error" for finding in findings)
    cost = cost_of(recipe, sources, plan) if plan and not bad else None
    limits = tuple(cost.findings()) if cost else ()
    findings += limits
    rank = {"error": 0, "warning": 1, "note": 2}
    findings.sort(key=lambda finding: rank[finding.level])
    commands = programs.commands(Request(text)) if cost else ""
    return Check(tuple(dict.fromkeys(findings)), sources, plan, cost, commands, limits)


def _form(recipe: dict[str, Any]) -> Iterator[Finding]:
    """What can be said of a recipe's form before mergekit reads it, in better words than its own."""
    for holder, key, where in recipes.places(recipe):
        if not isinstance(holder.get(key), str):
            yield error(where, "This entry names no model as text.", f"Write {key}: owner/name.")
    if not recipes.is_moe(recipe):
        yield from _method(recipe)
        parts = [key for key in ("models", "slices", "modules") if recipe.get(key)]
        if not parts:
            yield error("models", "The recipe has neither models nor slices nor modules.", ONE_OF_THREE)
        elif len(parts) > 1:
            yield error(parts[1], f"The recipe has both {parts[0]} and {parts[1]}.", ONE_OF_THREE)
    for key in ("dtype", "out_dtype"):
        if recipe.get(key) is not None and str(recipe[key]).removeprefix("torch.") not in DTYPES:
            likely = (
                SHORT.get(str(recipe[key]).lower())
                or closest(str(recipe[key]), DTYPES)
                or " or ".join(DTYPES)
            )
            yield error(key, f"{key} is “{str(recipe[key])[:40]}”.", f"Write {likely}.")


def _method(recipe: dict[str, Any]) -> Iterator[Finding]:
    method = recipe.get("merge_method")
    choice = f"Choose one of {', '.join(catalogue())}."
    if method is None:
        others = [key for key in recipe if key not in ("models", "slices", "modules")]
        if closest("merge_method", others) is None:  # a misspelt key is a finding of its own
            yield error("merge_method", "The recipe names no merge_method.", choice)
    elif not isinstance(method, str) or method not in catalogue():
        likely = closest(str(method), catalogue())
        fix = f"Write {likely}." if likely else choice
        yield error("merge_method", f"mergekit has no method “{str(method)[:40]}”.", fix)


def _sources(
    recipe: dict[str, Any], report: Callable[[str], None]
) -> tuple[dict[str, Source], list[Finding]]:
    """Every model of a recipe, and what is wrong with those that cannot be had."""
    names = recipes.models_of(recipe)
    if len(names) > MAX_MODELS:
        many = f"The recipe names {len(names)} models."
        return {}, [error("", many, f"Merge at most {MAX_MODELS} at once here.")]
    sources: dict[str, Source] = {}
    missing: list[Finding] = []
    places = {holder[key]: where for holder, key, where in reversed(list(recipes.named(recipe)))}
    for name in names:
        try:
            sources[name] = resolve(name, whole=False, report=report)
        except VisitorError as problem:
            missing.append(error(places[name], problem.what, problem.remedy))
    return sources, missing
