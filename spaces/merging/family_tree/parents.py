"""A model's parents from everything that tells of them: recipes, the card, the Hub's own derivation, tags, an
adapter's settings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from family_tree.contributions import Contribution, contributions, hub_name
from family_tree.facts import Facts, is_id, relation_of
from merging import data
from merging import recipe as recipes
from shared.errors import VisitorError

RECIPES = ("mergekit_config.yml", "mergekit_moe_config.yml", "mergekit_config.yaml")
ADAPTER = "adapter_config.json"
CARD = "README.md"
MAX_PARENTS = 200
MAX_BLOCKS = 50
"""Code blocks of a card that are looked at."""

_PARTING = re.compile(r"^---[ \t]*(?:#.*)?$", re.MULTILINE)
_STAGE = re.compile(r"^name[ \t]*:", re.MULTILINE)
_RECIPE = re.compile(r"^\s*-?\s*(merge_method|experts|slices|models|base_model)\s*:", re.MULTILINE)


@dataclass(frozen=True)
class Evidence:
    """Where a parent was read.

    Args:
        source: "recipe", "card recipe", "card", "Hub", "tag" or "adapter".
        says: what stands there, short.
    """

    source: str
    says: str

    def to_json(self) -> data.Evidence:
        """The evidence as the API returns it."""
        return {"source": self.source, "says": self.says}


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
    relation: data.Relation
    role: data.Part = "parent"
    weight: float | None = None
    density: float | None = None
    layers: tuple[tuple[int, int], ...] = ()
    part: tuple[float, float] = (0.0, 1.0)
    revision: str = ""
    evidence: tuple[Evidence, ...] = ()

    def to_json(self, bends: Sequence[tuple[float, float]] = ()) -> data.Kinship:
        """The edge as the API returns it.

        Args:
            bends: places that its line passes.
        """
        return {
            "source": self.source,
            "target": self.target,
            "relation": self.relation,
            "role": self.role,
            "weight": self.weight,
            "density": self.density,
            "layers": list(self.layers),
            "part": (round(self.part[0], 6), round(self.part[1], 6)),
            "revision": self.revision,
            "evidence": [item.to_json() for item in self.evidence],
            "pinned": bool(self.revision),
            "bends": list(bends),
        }


@dataclass(frozen=True)
class Files:
    """The small files of a model that tell of its parents.

    Args:
        texts: by name; of RECIPES, ADAPTER and CARD those that exist.
        unread: why, by the name of each that may exist but could not be read.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Published:
    """A recipe that a model publishes.

    Args:
        text: of it.
        source: the file that holds it.
    """

    text: str
    source: str


@dataclass(frozen=True)
class Parents:
    """A model's parents.

    Args:
        edges: one per parent.
        local: paths of those that are folders on their author's machine, by the ids that they have here.
        recipe: text of its merge recipe, "" where none was found.
        method: of the recipe.
        notes: disagreements and what was left out, in sentences.
    """

    edges: tuple[Edge, ...] = ()
    local: Mapping[str, str] = field(default_factory=dict)
    recipe: str = ""
    method: str = ""
    notes: tuple[str, ...] = ()


@dataclass
class _Claims:
    """What each source says, by parent. The Hub takes a name in any case: the first spelling counts."""

    spelling: dict[str, str] = field(default_factory=dict)
    evidence: dict[str, list[Evidence]] = field(default_factory=dict)
    relation: dict[str, data.Relation] = field(default_factory=dict)
    by_source: dict[str, set[str]] = field(default_factory=dict)

    def add(self, parent: str, source: str, says: str, relation: data.Relation | None = None) -> None:
        parent = self.spelling.setdefault(parent.casefold(), parent)
        evidence = self.evidence.setdefault(parent, [])
        if not any(item.source == source for item in evidence):
            evidence.append(Evidence(source, says[:120]))
        if relation:
            self.relation.setdefault(parent, relation)
        self.by_source.setdefault(source, set()).add(parent)


def parents_of(facts: Facts, files: Files, which: int | None = None) -> Parents:
    """Read a model's parents from its facts and the small files that were fetched; nothing in them is
    trusted.

    Args:
        facts: of the model.
        files: its small files.
        which: of `recipes_of` counts, from 1; None for a file's own, or the one that fits best.
    """
    claims = _Claims()
    notes = [f"{name} could not be read: {reason}." for name, reason in files.unread.items()]
    text, source = _recipe_text(facts, files.texts, notes, which)
    parts: dict[str, Contribution] = {}
    method = ""
    local: dict[str, str] = {}
    if text:
        recipe = recipes.parse(text)
        moe = recipes.is_moe(recipe)
        method = "mixture of experts" if moe else str(recipe.get("merge_method") or "")[:40]
        for name, part in contributions(recipe).items():
            here = hub_name(name) or f"{name} of {facts.id}"
            if here != name:
                local[here] = name
            claims.add(here, source, f"{method}: {part.role}", "merge")
            parts[claims.spelling[here.casefold()]] = part
    _card_claims(facts, claims, notes)
    _hub_claims(facts, claims)
    _adapter_claim(files.texts.get(ADAPTER), claims)
    notes += _disagreements(claims, local)
    if own := claims.spelling.get(facts.id.casefold()):
        notes.append("It names itself as its parent; that was left out.")
        del claims.evidence[own]
    if len(claims.evidence) > MAX_PARENTS:
        notes.append(f"It names {len(claims.evidence)} parents; {MAX_PARENTS} are shown.")
    # one stated parent is the whole model, unless a recipe that could not be read may name more
    whole = len(claims.evidence) == 1 and not files.unread
    edges = [*_edges(facts, claims, parts, whole), *_replacement(facts)]
    return Parents(tuple(edges), local, text, method, tuple(notes))


def _edges(facts: Facts, claims: _Claims, parts: Mapping[str, Contribution], whole: bool) -> Iterator[Edge]:
    """One edge per parent that is claimed; `whole` where the only one is all of the model."""
    stated = relation_of(facts.card.get("base_model_relation"))
    default = stated or _guess(facts, len(claims.evidence))
    for name, evidence in list(claims.evidence.items())[:MAX_PARENTS]:
        relation = stated or claims.relation.get(name, default)
        part = (1.0, 1.0) if whole else (0.0, 1.0)
        edge = Edge(name, facts.id, relation, evidence=tuple(evidence), part=part)
        if name in parts:
            yield replace(edge, **vars(parts[name]))
        elif parts:  # the recipe does not name it: other sources do, and that is a disagreement
            yield replace(edge, part=(0.0, 0.0))
        else:
            yield edge


def _replacement(facts: Facts) -> Iterator[Edge]:
    """The model that replaces this one."""
    newer = facts.card.get("new_version")
    if is_id(newer) and newer != facts.id:
        evidence = (Evidence("card", f"new_version: {newer}"[:120]),)
        yield Edge(facts.id, newer, "new_version", evidence=evidence, part=(0.0, 0.0))


def _recipe_text(
    facts: Facts, texts: Mapping[str, str], notes: list[str], which: int | None
) -> tuple[str, str]:
    """The recipe and where it was found: a file of its own comes before the card. Of several in one text,
    such as those of the merges that went before, the one counts whose models are most nearly those that the
    card, the Hub and the tags name; or the one that the visitor chose.
    """
    every = recipes_of(texts)
    notes += [
        f"{name} is not a recipe that can be read."
        for name in RECIPES
        if texts.get(name) and not any(map(_readable, _parts(texts[name])))
    ]
    if which is not None and 0 < which <= len(every):
        chosen = every[which - 1]
        if len(every) > 1:
            notes.append(f"It publishes {len(every)} recipes; number {which}, which you chose, is used.")
        return chosen.text, "card recipe" if chosen.source == CARD else "recipe"
    first = next((one.source for one in every), "")
    found = [one.text for one in every if one.source == first]
    if not found:
        return "", ""
    stated = _Claims()
    _card_claims(facts, stated, [])
    _hub_claims(facts, stated)
    best = max(found, key=lambda text: _agreement(text, set(stated.spelling)))
    if len(found) > 1:
        where = "Its card" if first == CARD else first
        place = next(number for number, one in enumerate(every, 1) if one.text == best)
        why = "agrees best with the parents it states" if stated.spelling else "stands first"
        notes.append(f"{where} holds {len(found)} recipes; number {place}, which {why}, is used.")
    return best, "card recipe" if first == CARD else "recipe"


def recipes_of(texts: Mapping[str, str]) -> list[Published]:
    """Every recipe that a model publishes and that can be read, each once: of its files, then of its card.

    Args:
        texts: of its small files, by name.
    """
    found = [(part, name) for name in RECIPES for part in _parts(texts.get(name, ""))]
    found += [(part, CARD) for block in card_recipes(texts.get(CARD, "")) for part in _parts(block)]
    once: list[Published] = []
    known: list[dict[str, Any]] = []
    for text, source in found[:MAX_BLOCKS]:
        if _readable(text) and (recipe := recipes.parse(text)) not in known:
            known.append(recipe)
            once.append(Published(text, source))
    return once


def _readable(text: str) -> bool:
    try:
        return bool(contributions(recipes.parse(text)))
    except VisitorError:
        return False


def _parts(text: str) -> list[str]:
    """The recipes of a text that lines of --- part; the stages of mergekit-multi, of which one names another,
    stay together.
    """
    parts = [part for part in _PARTING.split(text) if part.strip()]
    if len(parts) < 2 or len(parts) > MAX_BLOCKS or _STAGE.search(text):
        return [text] if text else []
    return parts


def card_recipes(card: str) -> list[str]:
    """The code blocks of a card that look like a recipe, whatever their fence."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").parse(card)
    blocks = [token.content for token in tokens if token.type in ("fence", "code_block")][:MAX_BLOCKS]
    return [block for block in blocks if _RECIPE.search(block)]


def _agreement(block: str, stated: set[str]) -> float:
    """Share of the models that a recipe or the other sources name which both name, 0 to 1."""
    named = {name.casefold() for name in contributions(recipes.parse(block))}
    return len(named & stated) / max(1, len(named | stated))


def _card_claims(facts: Facts, claims: _Claims, notes: list[str]) -> None:
    named = facts.card.get("base_model")
    for name in named if isinstance(named, list) else [named]:
        if is_id(name):
            claims.add(str(name), "card", f"base_model: {name}")
        elif name is not None:
            notes.append(f"Its card names “{str(name)[:60]}”, which is not a model id.")


def _hub_claims(facts: Facts, claims: _Claims) -> None:
    for relation, name in facts.base_models:
        claims.add(name, "Hub", f"baseModels{f', {relation}' if relation else ''}", relation)
    for tag in facts.tags:
        if tag.startswith("base_model:"):
            word, _, name = tag.removeprefix("base_model:").rpartition(":")
            if is_id(name):
                claims.add(name, "tag", tag, relation_of(word))


def _adapter_claim(text: str | None, claims: _Claims) -> None:
    try:
        settings = json.loads(text) if text else {}
    except ValueError:
        return
    name = settings.get("base_model_name_or_path") if isinstance(settings, dict) else None
    if is_id(name) and "/" in str(name):
        claims.add(str(name), "adapter", f"base_model_name_or_path: {name}", "adapter")


def _guess(facts: Facts, parents: int) -> data.Relation:
    """The relation where no source states one, by the Hub's own rules: adapter files, a merge tag, GGUF; else
    a fine-tune.
    """
    if ADAPTER in facts.files:
        return "adapter"
    if "merge" in facts.tags or "mergekit" in facts.tags or parents > 1:
        return "merge"
    quantized = ("gguf", "gptq", "awq", "exl2", "bitsandbytes")
    return "quantized" if any(tag in quantized for tag in facts.tags) else "finetune"


def _disagreements(claims: _Claims, local: Mapping[str, str]) -> Iterator[str]:
    """Where two sources name different parents, in sentences; no source but a recipe can name a folder."""
    recipe = next((source for source in ("recipe", "card recipe") if source in claims.by_source), None)
    for source, names in claims.by_source.items():
        if not recipe or source in (recipe, "adapter"):
            continue
        missing = sorted(claims.by_source[recipe] - names - set(local))
        extra = sorted(names - claims.by_source[recipe])
        where = {"card": "card", "Hub": "Hub's list", "tag": "tags"}.get(source, source)
        if missing and source == "card":
            yield f"Its recipe uses {_first(missing)}, which its {where} does not name."
        if extra:
            yield f"Its {where} names {_first(extra)}, which its recipe does not use."


def _first(names: Sequence[str]) -> str:
    return f"{', '.join(names[:3])}{' …' if len(names) > 3 else ''}"
