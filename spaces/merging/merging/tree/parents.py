"""A model's parents from everything that tells of them: recipes, the card, the Hub's own derivation, tags, an
adapter's settings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from merging import recipe as recipes
from merging.tree.coefficients import Parts, parts_of
from merging.tree.hubread import RELATIONS, Facts, is_id
from shared.errors import VisitorError

RECIPES = ("mergekit_config.yml", "mergekit_moe_config.yml", "mergekit_config.yaml")
ADAPTER = "adapter_config.json"
CARD = "README.md"
MAX_PARENTS = 200


@dataclass(frozen=True)
class Evidence:
    """Where a parent was read.

    Args:
        source: "recipe", "card recipe", "card", "Hub", "tag" or "adapter".
        says: what stands there, short.
    """

    source: str
    says: str

    def to_json(self) -> dict[str, str]:
        """The evidence as the API returns it."""
        return dict(self.__dict__)


@dataclass(frozen=True)
class Edge:
    """A parent's part in a child.

    Args:
        source: the parent.
        target: the child.
        relation: "finetune", "adapter", "merge", "quantized", or "new_version" (the target replaces the
            source).
        role: "contributor" (its weights enter), "base" (that task vectors are measured from), "adapter" (that
            a contributor has in the recipe), "tokenizer", or "parent".
        weight: as the recipe has it; the mean where it changes over layers; None where it is not stated.
        density: as weight.
        layers: (first, one after the last) of each slice that is taken; empty for all.
        part: lowest and highest coefficient of the parent's weights in the child's; see `coefficients`.
        revision: that the child names, "" where it names none: then the edge is not pinned.
        evidence: where it was read.
    """

    source: str
    target: str
    relation: str
    role: str = "parent"
    weight: float | None = None
    density: float | None = None
    layers: tuple[tuple[int, int], ...] = ()
    part: tuple[float, float] = (0.0, 1.0)
    revision: str = ""
    evidence: tuple[Evidence, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The edge as the API returns it."""
        return {
            **self.__dict__,
            "layers": [list(span) for span in self.layers],
            "part": [round(value, 6) for value in self.part],
            "pinned": bool(self.revision),
            "evidence": [item.to_json() for item in self.evidence],
        }


@dataclass(frozen=True)
class Parents:
    """A model's parents.

    Args:
        edges: one per parent.
        recipe: text of its merge recipe, "" where none was found.
        method: of the recipe.
        notes: disagreements and what was left out, in sentences.
    """

    edges: tuple[Edge, ...] = ()
    recipe: str = ""
    method: str = ""
    notes: tuple[str, ...] = ()


@dataclass
class _Claims:
    """What each source says, by parent."""

    found: dict[str, list[Evidence]] = field(default_factory=dict)
    relation: dict[str, str] = field(default_factory=dict)
    by_source: dict[str, set[str]] = field(default_factory=dict)

    def add(self, parent: str, source: str, says: str, relation: str | None = None) -> None:
        evidence = self.found.setdefault(parent, [])
        if not any(item.source == source for item in evidence):
            evidence.append(Evidence(source, says[:120]))
        if relation:
            self.relation.setdefault(parent, relation)
        self.by_source.setdefault(source, set()).add(parent)


def parents_of(facts: Facts, files: dict[str, str]) -> Parents:
    """Read a model's parents from its facts and the small files that were fetched; nothing in them is
    trusted.

    Args:
        facts: of the model.
        files: texts by name; of RECIPES, ADAPTER and CARD those that exist.
    """
    claims = _Claims()
    notes: list[str] = []
    text, source = _recipe_text(files, notes)
    parts: dict[str, Parts] = {}
    method = ""
    if text:
        recipe = recipes.parse(text)
        method = (
            "mixture of experts" if recipes.is_moe(recipe) else str(recipe.get("merge_method") or "")[:40]
        )
        parts = parts_of(recipe)
        for name in parts:
            claims.add(name, source, f"{method}: {parts[name].role}", "merge")
    _card_claims(facts, claims, notes)
    for relation, name in facts.base_models:
        claims.add(name, "Hub", f"baseModels{f', {relation}' if relation else ''}", relation)
    for tag in facts.tags:
        if tag.startswith("base_model:"):
            relation, _, name = tag.removeprefix("base_model:").rpartition(":")
            if is_id(name):
                claims.add(name, "tag", tag, relation if relation in RELATIONS else None)
    _adapter_claim(files.get(ADAPTER), claims)
    notes += _disagreements(claims)
    if facts.id in claims.found:
        notes.append("It names itself as its parent; that was left out.")
        del claims.found[facts.id]
    if len(claims.found) > MAX_PARENTS:
        notes.append(f"It names {len(claims.found)} parents; {MAX_PARENTS} are shown.")
    stated = facts.card.get("base_model_relation")
    default = stated if stated in RELATIONS else _guess(facts, len(claims.found))
    edges = []
    alone = len(claims.found) == 1
    for name, evidence in list(claims.found.items())[:MAX_PARENTS]:
        relation = stated if stated in RELATIONS else claims.relation.get(name, default)
        edge = Edge(
            name, facts.id, relation, evidence=tuple(evidence), part=(1.0, 1.0) if alone else (0.0, 1.0)
        )
        if name in parts:
            told = parts[name]
            edge = replace(
                edge,
                role=told.role,
                weight=told.weight,
                density=told.density,
                layers=told.layers,
                part=told.part,
                revision=told.revision,
            )
        elif parts:
            edge = replace(
                edge, part=(0.0, 0.0)
            )  # the recipe does not name it: other sources do, and that is a disagreement
        edges.append(edge)
    newer = facts.card.get("new_version")
    if is_id(newer) and newer != facts.id:
        edges.append(
            Edge(
                facts.id,
                str(newer),
                "new_version",
                evidence=(Evidence("card", f"new_version: {newer}"[:120]),),
                part=(0.0, 0.0),
            )
        )
    return Parents(tuple(edges), text, method, tuple(notes))


def _recipe_text(files: dict[str, str], notes: list[str]) -> tuple[str, str]:
    """The recipe and where it was found: a file of its own comes before the card."""
    for name in RECIPES:
        if files.get(name):
            if _readable(files[name]):
                return files[name], "recipe"
            notes.append(f"{name} is no recipe that can be read.")
    for block in re.findall(r"^```ya?ml\s*\n(.*?)^```", files.get(CARD, ""), re.MULTILINE | re.DOTALL)[:20]:
        if re.search(r"^\s*(merge_method|experts|slices|models):", block, re.MULTILINE) and _readable(block):
            return block, "card recipe"
    return "", ""


def _readable(text: str) -> bool:
    try:
        return bool(parts_of(recipes.parse(text)))
    except VisitorError:
        return False


def _card_claims(facts: Facts, claims: _Claims, notes: list[str]) -> None:
    named = facts.card.get("base_model")
    for name in named if isinstance(named, list) else [named]:
        if is_id(name):
            claims.add(str(name), "card", f"base_model: {name}")
        elif name is not None:
            notes.append(f"Its card names “{str(name)[:60]}”, which is no model id.")


def _adapter_claim(text: str | None, claims: _Claims) -> None:
    try:
        settings = json.loads(text) if text else {}
    except ValueError:
        return
    name = settings.get("base_model_name_or_path") if isinstance(settings, dict) else None
    if is_id(name) and "/" in str(name):
        claims.add(str(name), "adapter", f"base_model_name_or_path: {name}", "adapter")


def _guess(facts: Facts, parents: int) -> str:
    """The relation where no source states one, by the Hub's own rules: adapter files, a merge tag, GGUF; else
    a fine-tune.
    """
    if ADAPTER in facts.files:
        return "adapter"
    if "merge" in facts.tags or "mergekit" in facts.tags or parents > 1:
        return "merge"
    quantized = ("gguf", "gptq", "awq", "exl2", "bitsandbytes")
    return "quantized" if any(tag in quantized for tag in facts.tags) else "finetune"


def _disagreements(claims: _Claims) -> Iterator[str]:
    """Where two sources name different parents, in sentences."""
    recipe = next((source for source in ("recipe", "card recipe") if source in claims.by_source), None)
    for source, names in claims.by_source.items():
        if not recipe or source in (recipe, "adapter"):
            continue
        missing = sorted(claims.by_source[recipe] - names)
        extra = sorted(names - claims.by_source[recipe])
        where = {"card": "card", "Hub": "Hub's list", "tag": "tags"}.get(source, source)
        if missing and source == "card":
            yield f"Its recipe uses {', '.join(missing[:3])}{' …' if len(missing) > 3 else ''}, which its {where} does not name."
        if extra:
            yield f"Its {where} names {', '.join(extra[:3])}{' …' if len(extra) > 3 else ''}, which its recipe does not use."
