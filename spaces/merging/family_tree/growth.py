"""What is known of a tree while it grows: models, relations, renames; and the same as the figure draws it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from family_tree import hub_reader, licence, terms
from family_tree.facts import Facts
from family_tree.layout import Place, positions
from family_tree.parents import Edge
from family_tree.request import TreeRequest
from family_tree.share import shares
from merging import data
from merging.data import Span


@dataclass(frozen=True)
class Node:
    """A model of the tree.

    Args:
        facts: about it.
        depth: generations above the start (negative: below).
        recipe: text of its merge recipe, "" where none is known.
        method: of the recipe.
        notes: disagreements between sources.
        more: by relation, children that are not in the tree.
        members: models that this node stands for: more than one where they name each other as parents.
    """

    facts: Facts
    depth: int
    recipe: str = ""
    method: str = ""
    notes: tuple[str, ...] = ()
    more: dict[data.Relation, int] = field(default_factory=dict)
    members: tuple[str, ...] = ()

    def to_json(self, share: Span | None, place: Place) -> data.Member:
        """The model as the API returns it.

        Args:
            share: bounds of its weights' coefficient in the start's; None where it has none.
            place: column and row.
        """
        facts, known = self.facts, terms.of(self.facts.licence)
        return {
            "id": facts.id,
            "sha": facts.sha,
            "licence": facts.licence,
            "status": facts.status,
            "share": share,
            "reason": facts.reason,
            "author": facts.author,
            "downloads": facts.downloads,
            "created": facts.created,
            "modified": facts.modified,
            "parameters": facts.parameters,
            "children": {relation: count for relation, count in facts.children.items()},
            "more": {relation: count for relation, count in self.more.items() if count},
            "depth": self.depth,
            "method": self.method,
            "recipe": self.recipe,
            "notes": list(self.notes),
            "members": list(self.members),
            "asks": list(known.asks) if known else None,
            "licence_url": known.url if known else facts.licence_link,
            "x": place[0],
            "y": place[1],
        }


@dataclass
class Growth:
    """A tree as far as it is read."""

    request: TreeRequest
    start: str
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[tuple[str, str, str], Edge] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    """New names by old ones."""
    warnings: list[str] = field(default_factory=list)
    cut: int = 0
    """Models beyond the limit."""

    def put(self, edge: Edge) -> None:
        """Keep one edge per parent, child and kind; the one that tells more stays, with the evidence of
        both.
        """
        edge = replace(
            edge,
            source=self.renamed.get(edge.source, edge.source),
            target=self.renamed.get(edge.target, edge.target),
        )
        if edge.source == edge.target:
            return
        key = edge.source, edge.target, "new_version" if edge.relation == "new_version" else ""
        known = self.edges.get(key)
        if known:
            better = edge.role != "parent" or len(edge.evidence) > len(known.evidence)
            keep, other = (edge, known) if better else (known, edge)
            seen = {item.source for item in keep.evidence}
            more = [item for item in other.evidence if item.source not in seen]
            edge = replace(keep, evidence=(*keep.evidence, *more))
        self.edges[key] = edge

    def rename(self, old: str, new: str) -> None:
        """Follow a model to its new name, and its edges with it."""
        self.renamed[old] = new
        if old.casefold() != new.casefold():
            self.warnings.append(f"{old} is now called {new}.")
        if old == self.start:
            self.start = new
        for key, edge in list(self.edges.items()):
            if old in (edge.source, edge.target):
                del self.edges[key]
                self.put(edge)

    def to_json(self, *, done: bool) -> data.Tree:
        """The tree as the API returns it and the figure draws it; shares once it is complete."""
        nodes, edges, joined = self._condensed()
        start = joined.get(self.start, self.start)
        inside = [edge for edge in edges if edge.source in nodes and edge.target in nodes]
        inside.sort(key=lambda edge: (edge.source, edge.target))
        parents: dict[str, list[str]] = {}
        for edge in edges:
            enters = edge.part != (0.0, 0.0) or edge.role == "adapter"
            if edge.relation != "new_version" and enters and edge.source in nodes:
                parents.setdefault(edge.target, []).append(edge.source)
        part = shares(start, inside) if done else {}
        # answers arrive in any order
        order = sorted(nodes, key=lambda name: (name != start, -nodes[name].depth, name))
        places, bends = positions(order, [(edge.source, edge.target) for edge in inside])
        return {
            "kind": "tree",
            "drawable": True,
            "done": done,
            "run_id": f"tree-{self.request.to_query() or time.time_ns()}",
            "request": self.request.to_json(),
            "start": start,
            "warnings": self.warnings[:20],
            "cut": self.cut,
            "roots": [name for name in order if name in part and not parents.get(name)],
            "nodes": [nodes[name].to_json(part.get(name), places[name]) for name in order],
            "edges": [edge.to_json(bends.get((edge.source, edge.target), [])) for edge in inside],
            "licences": licence.inherited(
                start,
                {name: node.facts.licence for name, node in nodes.items()},
                parents,
                {
                    name: node.facts.reason
                    for name, node in nodes.items()
                    if node.facts.status not in ("ok", "here") and not node.facts.licence
                },
            ),
            "requests": hub_reader.calls_in_window(),
            "progress": None,
        }

    def _condensed(self) -> tuple[dict[str, Node], list[Edge], dict[str, str]]:
        """Nodes and edges with every cycle as one node, and which models those stand for; models that name
        each other as parents cannot be ordered.
        """
        nodes = dict(self.nodes)
        joined: dict[str, str] = {}
        for names in self._cycles():
            first = self.nodes[self.start if self.start in names else names[0]]
            note = f"{', '.join(names)} name each other as parents; they are shown as one."
            for name in names:
                joined[name] = first.facts.id
                del nodes[name]
            nodes[first.facts.id] = replace(first, members=tuple(names), notes=(*first.notes, note))
        edges: dict[tuple[str, str, bool], Edge] = {}
        for edge in self.edges.values():
            source, target = joined.get(edge.source, edge.source), joined.get(edge.target, edge.target)
            if source != target:
                key = source, target, edge.relation == "new_version"
                edges.setdefault(key, replace(edge, source=source, target=target))
        return nodes, list(edges.values()), joined

    def _cycles(self) -> list[Sequence[str]]:
        """Names of the models of each cycle."""
        import igraph

        names = list(self.nodes)
        place = {name: index for index, name in enumerate(names)}
        pairs = [
            (place[edge.source], place[edge.target])
            for edge in self.edges.values()
            if edge.source in place and edge.target in place
        ]
        graph = igraph.Graph(n=len(names), edges=pairs, directed=True)
        groups = graph.connected_components(mode="strong")
        return [sorted(names[index] for index in group) for group in groups if len(group) > 1]
