"""The tree, growing as metadata arrives: ancestors and descendants of one model, breadth first, bounded,
whatever answers or not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from typing import Any

from family_tree import hub_reader
from family_tree.facts import RELATIONS, Facts
from family_tree.growth import Growth, Node
from family_tree.hub_reader import Exhausted, Unread
from family_tree.local_models import read_folder
from family_tree.own_models import SECTION, VISITOR, known_here
from family_tree.parents import ADAPTER, CARD, RECIPES, Edge, Evidence, Files, Parents, parents_of
from family_tree.request import MERGED_HERE, TreeRequest
from merging import data, presets
from merging.names import is_folder
from shared.errors import VisitorError
from shared.steps import UPDATE_SECONDS

WORKERS = 16
PAGE = 12
"""Children of one relation that are shown before "more"."""


@dataclass(frozen=True)
class _Model:
    """A question on its way: what a model is."""

    name: str
    depth: int
    revision: str = ""


@dataclass(frozen=True)
class _Children:
    """A question on its way: which children of one relation a model has."""

    parent: str
    relation: data.Relation
    depth: int


def grow(request: TreeRequest) -> Iterator[data.Tree]:
    """Read a tree; yields it as it grows, the complete one last, with `done`.

    Args:
        request: the model and how far to go.

    Raises:
        VisitorError: the name is a dataset's.
    """
    began, shown = time.monotonic(), 0.0
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="tree")
    reading = _Reading(Growth(request, request.model), pool)
    growth, pending = reading.growth, reading.pending
    try:
        reading.begin()
        while pending:
            done, _ = wait(pending, timeout=UPDATE_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                if future in pending:
                    reading.take(future)
            if growth.nodes and time.monotonic() - shown >= UPDATE_SECONDS and pending:
                known, coming = len(growth.nodes), len(pending)
                label = f"{known} models read, {coming} on their way"
                tree = growth.to_json(done=False)
                tree["progress"] = {"label": label, "value": known, "max": known + coming}
                yield tree
                shown = time.monotonic()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    tree = growth.to_json(done=True)
    tree["seconds"] = round(time.monotonic() - began, 2)
    yield tree


@dataclass
class _Reading:
    """A growing tree, and the questions that are on their way."""

    growth: Growth
    pool: ThreadPoolExecutor
    pending: dict[Future[Any], _Model | _Children] = field(default_factory=dict)

    def begin(self) -> None:
        """Ask for the start; a merge made here is known already."""
        request = self.growth.request
        if request.model != MERGED_HERE:
            self.ask(_Model(request.model, 0))
            return
        recipe = request.recipe or presets.PRESETS[presets.IN_FULL]
        author = VISITOR if request.recipe else SECTION
        facts = Facts(MERGED_HERE, "here", "Made in this demo; not on the Hub.", author=author)
        self.add(facts, Files({RECIPES[0]: recipe}), 0)

    def ask(self, model: _Model) -> None:
        """Ask for a model unless it is there, on its way, or beyond the limit."""
        growth = self.growth
        model = replace(model, name=growth.renamed.get(model.name, model.name))
        if model.name in growth.nodes:
            self.bring_nearer(model)
            return
        waiting = {question.name: future for future, question in self._models()}
        if model.name in waiting:
            future = waiting[model.name]
            question = self.pending[future]
            self.pending[future] = replace(question, depth=min(model.depth, question.depth))
        elif len(growth.nodes) + len(waiting) >= growth.request.limit:
            growth.cut += 1
        else:
            chosen = model.depth == 0 and growth.request.which is not None
            self.pending[self.submit(_read, model.name, model.revision, chosen)] = model

    def submit(self, read: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Let the pool read, for whoever asked for the tree."""
        return self.pool.submit(copy_context().run, read, *arguments)

    def _models(self) -> list[tuple[Future[Any], _Model]]:
        return [(future, one) for future, one in self.pending.items() if isinstance(one, _Model)]

    def bring_nearer(self, model: _Model) -> None:
        """A model met again on a shorter way: answers come in any order, and what is shown must not depend
        on it.
        """
        node = self.growth.nodes[model.name]
        if not 0 < model.depth < node.depth:
            return
        self.growth.nodes[model.name] = replace(node, depth=model.depth)
        if model.depth < self.growth.request.ancestors:
            for edge in list(self.growth.edges.values()):
                if edge.target == model.name and edge.relation != "new_version":
                    self.ask(_Model(edge.source, model.depth + 1, edge.revision))

    def take(self, future: Future[Any]) -> None:
        """Put an answer into the tree."""
        question = self.pending.pop(future)
        try:
            answer = future.result()
        except Exhausted as error:
            self.stop(question, error)
            return
        except ValueError as error:
            assert isinstance(question, _Children)
            self.growth.warnings.append(
                f"The {question.relation} children of {question.parent} could not be read ({error})."
            )
            return
        if isinstance(question, _Children):
            self.add_children(question, answer)
        else:
            self.add_model(question, *answer)

    def add_model(self, question: _Model, facts: Facts, files: Files) -> None:
        """Put a model that was asked for into the tree."""
        name = question.name
        first = question.depth == 0 and name == self.growth.start
        if facts.status == "missing" and first and hub_reader.is_dataset(name):
            raise VisitorError(f"{name} is a dataset.", "Name a model as owner/name.")
        if facts.id != name:
            self.growth.rename(name, facts.id)
        self.add(facts, files, question.depth)

    def add(self, facts: Facts, files: Files, depth: int) -> None:
        """Put a model into the tree, and ask for its parents and children as far as was wanted."""
        growth, request = self.growth, self.growth.request
        if facts.id in growth.nodes:
            return
        try:
            parents = parents_of(facts, files, request.which if depth == 0 else None)
        # one card of a shape that nobody foresaw must not end the tree
        except Exception as error:  # noqa: BLE001
            note = f"What it says of its parents could not be read ({type(error).__name__})."
            parents = Parents(notes=(note,))
        growth.nodes[facts.id] = Node(
            facts, depth, parents.recipe, parents.method, parents.notes, dict(facts.children)
        )
        wanted = 0 <= depth < request.ancestors or f"parents:{facts.id}" in request.expand
        for edge in parents.edges:
            growth.put(edge)
            if not wanted or edge.relation == "new_version":
                continue
            if path := parents.local.get(edge.source):
                reason = f"{facts.id} names it by a path, {path}: a folder on its author's machine."
                growth.nodes[edge.source] = Node(Facts(edge.source, "local", reason), max(0, depth) + 1)
            else:
                self.ask(_Model(edge.source, max(0, depth) + 1, edge.revision))
        for relation in RELATIONS:
            pages = request.expand.count(f"{relation}:{facts.id}") + (-request.descendants < depth <= 0)
            if pages and facts.children.get(relation):
                future = self.submit(hub_reader.read_children, facts.id, relation, PAGE * pages)
                self.pending[future] = _Children(facts.id, relation, min(0, depth) - 1)

    def add_children(self, question: _Children, children: list[Facts]) -> None:
        """Put children into the tree as far as the limit allows."""
        growth, parent, relation = self.growth, question.parent, question.relation
        node = growth.nodes[parent]
        added = 0
        for facts in children:
            if facts.id == parent:
                continue
            if facts.id not in growth.nodes and len(growth.nodes) >= growth.request.limit:
                growth.cut += 1
                continue
            added += 1
            evidence = (Evidence("Hub", f"listed among the {relation} children"),)
            part = (0.0, 1.0) if relation == "merge" else (1.0, 1.0)
            growth.put(Edge(parent, facts.id, relation, evidence=evidence, part=part))
            self.add(facts, Files(), question.depth)
        left = max(0, node.more.get(relation, 0) - added)
        growth.nodes[parent] = replace(node, more={**node.more, relation: left})

    def stop(self, question: _Model | _Children, error: Exhausted) -> None:
        """Say that the Hub wants no more requests; models that were on their way become ghosts."""
        minutes = max(1, round(error.seconds / 60))
        self.growth.warnings.append(
            f"The Hub's limit for visitors is reached; the rest of the tree can be read in {minutes} min."
        )
        for one in (question, *self.pending.values()):
            if isinstance(one, _Model) and one.name not in self.growth.nodes:
                facts = Facts(one.name, "unread", "The Hub's limit was reached before it was read.")
                self.growth.nodes[one.name] = Node(facts, one.depth)
        for future in self.pending:
            future.cancel()
        self.pending.clear()


def _read(name: str, revision: str, chosen: bool) -> tuple[Facts, Files]:
    """A model's facts, and the small files that tell of its parents; the card, too, where one of its recipes
    was chosen.
    """
    if is_folder(name):
        return read_folder(name)
    own = known_here(name)
    if own is not None:
        return own, Files()
    facts = hub_reader.read_model(name, revision or None)
    return facts, _files(facts, chosen)


def _files(facts: Facts, chosen: bool) -> Files:
    if facts.status != "ok":
        return Files()
    wanted = [file for file in (*RECIPES, ADAPTER) if file in facts.files]
    merged = bool({"merge", "mergekit", "moe"} & set(facts.tags))
    own = any(file in facts.files for file in RECIPES)
    if CARD in facts.files and (chosen or (merged and not own)):
        wanted.append(CARD)
    texts: dict[str, str] = {}
    unread: dict[str, str] = {}
    for file in wanted:
        try:
            texts[file] = hub_reader.read_file(facts.id, facts.sha, file) or ""
        except Unread as error:
            unread[file] = str(error)
    return Files({file: text for file, text in texts.items() if text}, unread)
