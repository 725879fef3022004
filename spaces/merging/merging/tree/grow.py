"""The tree, growing as metadata arrives: ancestors and descendants of one model, breadth first, bounded,
whatever answers or not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any

from merging.tree import hubread, licence
from merging.tree.hubread import RELATIONS, Exhausted, Facts
from merging.tree.layout import positions
from merging.tree.parents import ADAPTER, CARD, RECIPES, Edge, Evidence, Parents, parents_of
from merging.tree.request import TreeRequest
from merging.tree.share import shares
from shared import experts, hub, models
from shared.errors import VisitorError

WORKERS = 16
PAGE = 12
"""Children of one relation that are shown before "more"."""
UPDATE_SECONDS = 0.3
PRETRAINED = "HuggingFaceTB/SmolLM2-135M"
"""What the embedded model was tuned from, as its own card says."""
SECTIONS = "This suite"


@dataclass(frozen=True)
class Node:
    """A model of the tree.

    Args:
        facts: what is known of it.
        depth: generations above the model that was asked for (negative: below).
        recipe: text of its merge recipe, "" where none is known.
        method: of the recipe.
        notes: disagreements between sources.
        more: by relation, children that are not shown.
        members: models that this node stands for: more than one where they name each other as parents.
    """

    facts: Facts
    depth: int
    recipe: str = ""
    method: str = ""
    notes: tuple[str, ...] = ()
    more: dict[str, int] = field(default_factory=dict)
    members: tuple[str, ...] = ()


@dataclass
class _Growth:
    """What is known so far."""

    asked: TreeRequest
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[tuple[str, str, str], Edge] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    cut: int = 0
    start: str = ""


def grow(asked: TreeRequest) -> Iterator[dict[str, Any]]:
    """Read a tree; yields its growing JSON, the complete one last, with `done`.

    Args:
        asked: the model and how far to go.

    Raises:
        VisitorError: the name is a dataset's.
    """
    growth = _Growth(asked)
    began = time.monotonic()
    shown = 0.0
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="tree")
    try:
        growth.start = asked.model
        pending: dict[Future[Any], tuple[str, ...]] = {}
        _begin(growth, pool, pending)
        while pending:
            done, _ = wait(pending, timeout=UPDATE_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                key = pending.pop(future)
                try:
                    answer = future.result()
                except Exhausted as error:
                    _stop(growth, [key, *pending.values()], error)
                    for other in pending:
                        other.cancel()
                    pending.clear()
                    break
                except ValueError as error:
                    growth.warnings.append(f"The {key[1]} children of {key[2]} could not be read ({error}).")
                    continue
                _take_in(growth, key, answer, pool, pending)
            if growth.nodes and time.monotonic() - shown >= UPDATE_SECONDS and pending:
                label = f"{len(growth.nodes)} models read, {len(pending)} on their way"
                progress = {
                    "label": label,
                    "value": len(growth.nodes),
                    "max": len(growth.nodes) + len(pending),
                }
                yield to_json(growth, False) | {"progress": progress}
                shown = time.monotonic()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    yield to_json(growth, True) | {"progress": None, "seconds": round(time.monotonic() - began, 2)}


def _begin(growth: _Growth, pool: ThreadPoolExecutor, pending: dict[Future[Any], tuple[str, ...]]) -> None:
    if growth.asked.recipe:
        facts = Facts(
            growth.asked.model, "here", "Made in this demo; not on the Hub.", card={}, author=SECTIONS
        )
        known = facts, {RECIPES[0]: growth.asked.recipe}
        _take_in(growth, ("model", growth.asked.model, "0", ""), known, pool, pending)
    else:
        _ask(growth, growth.asked.model, 0, "", pool, pending)


def _ask(
    growth: _Growth,
    name: str,
    depth: int,
    revision: str,
    pool: ThreadPoolExecutor,
    pending: dict[Future[Any], tuple[str, ...]],
) -> None:
    """Ask for a model unless it is there, on its way, or beyond the limit."""
    name = growth.renamed.get(name, name)
    if name in growth.nodes:
        _bring_nearer(growth, name, depth, pool, pending)
        return
    for future, key in pending.items():
        if key[:2] == ("model", name):
            pending[future] = ("model", name, str(min(depth, int(key[2]))), key[3])
            return
    if len(growth.nodes) + sum(key[0] == "model" for key in pending.values()) >= growth.asked.limit:
        growth.cut += 1
        return
    pending[pool.submit(_read, name, revision)] = ("model", name, str(depth), revision)


def _bring_nearer(
    growth: _Growth,
    name: str,
    depth: int,
    pool: ThreadPoolExecutor,
    pending: dict[Future[Any], tuple[str, ...]],
) -> None:
    """A model met again on a shorter way: answers come in any order, and what is shown must not depend on
    it.
    """
    if not 0 < depth < growth.nodes[name].depth:
        return
    growth.nodes[name] = replace(growth.nodes[name], depth=depth)
    if depth < growth.asked.ancestors:
        for edge in [
            edge for edge in growth.edges.values() if edge.target == name and edge.relation != "new_version"
        ]:
            _ask(growth, edge.source, depth + 1, edge.revision, pool, pending)


def _read(name: str, revision: str) -> tuple[Facts, dict[str, str]]:
    """A model's facts, and the small files that tell of its parents."""
    own = known_here(name)
    if own is not None:
        return own
    facts = hubread.read_model(name, revision or None)
    return facts, _files(facts)


def _files(facts: Facts) -> dict[str, str]:
    if facts.status != "ok":
        return {}
    wanted = [file for file in (*RECIPES, ADAPTER) if file in facts.files]
    if (
        not any(file in facts.files for file in RECIPES)
        and CARD in facts.files
        and {"merge", "mergekit", "moe"} & set(facts.tags)
    ):
        wanted.append(CARD)
    texts = {file: hubread.read_file(facts.id, facts.sha, file) for file in wanted}
    return {file: text for file, text in texts.items() if text}


def known_here(name: str) -> tuple[Facts, dict[str, str]] | None:
    """What this suite knows of its own models without a Hub: the experts, and the embedded model where the
    Hub is away.
    """
    if name in experts.NAMES:
        said = "An expert of this suite: a LoRA adapter in its repository."
        card = {"base_model": models.EMBEDDED_MODEL, "base_model_relation": "adapter"}
        return Facts(
            name, "here", said, "", card, author=SECTIONS, licence="apache-2.0", parameters=134_515_008
        ), {}
    if name == models.EMBEDDED_MODEL and not hub.reachable():
        card = {"base_model": PRETRAINED, "base_model_relation": "finetune"}
        said = "The embedded copy; the Hub was not asked."
        return Facts(
            name,
            "here",
            said,
            "",
            card,
            author=name.split("/")[0],
            licence="apache-2.0",
            parameters=134_515_008,
        ), {}
    if not hub.reachable():
        return Facts(name, "unread", "The Hub cannot be reached from here.", author=name.split("/")[0]), {}
    return None


def _take_in(
    growth: _Growth,
    key: tuple[str, ...],
    answer: Any,
    pool: ThreadPoolExecutor,
    pending: dict[Future[Any], tuple[str, ...]],
) -> None:
    if key[0] == "children":
        _take_children(growth, key[1], key[2], answer, int(key[3]), pool, pending)
        return
    facts, files = answer
    name, depth = key[1], int(key[2])
    if facts.status == "missing" and depth == 0 and name == growth.start and hubread.is_dataset(name):
        raise VisitorError(f"{name} is a dataset.", "Name a model as owner/name.")
    if facts.id != name:
        growth.renamed[name] = facts.id
        growth.warnings.append(f"{name} is now called {facts.id}.")
        if name == growth.start:
            growth.start = facts.id
        for place, edge in list(growth.edges.items()):
            if name in (edge.source, edge.target):
                del growth.edges[place]
                _put_edge(
                    growth,
                    replace(
                        edge,
                        source=growth.renamed.get(edge.source, edge.source),
                        target=growth.renamed.get(edge.target, edge.target),
                    ),
                )
    _add(growth, facts, files, depth, pool, pending)


def _add(
    growth: _Growth,
    facts: Facts,
    files: dict[str, str],
    depth: int,
    pool: ThreadPoolExecutor,
    pending: dict[Future[Any], tuple[str, ...]],
) -> None:
    """Put a model into the tree, and ask for its parents and children as far as was wanted."""
    if facts.id in growth.nodes:
        return
    try:
        found = parents_of(facts, files)
    except Exception as error:  # noqa: BLE001  one card of a shape that nobody foresaw must not end the tree
        found = Parents(notes=(f"What it says of its parents could not be read ({type(error).__name__}).",))
    growth.nodes[facts.id] = Node(facts, depth, found.recipe, found.method, found.notes, dict(facts.children))
    for edge in found.edges:
        source = growth.renamed.get(edge.source, edge.source)
        _put_edge(growth, replace(edge, source=source, target=growth.renamed.get(edge.target, edge.target)))
        if edge.relation != "new_version" and (
            0 <= depth < growth.asked.ancestors or f"parents:{facts.id}" in growth.asked.expand
        ):
            _ask(growth, edge.source, max(0, depth) + 1, edge.revision, pool, pending)
    for relation in RELATIONS:
        pages = growth.asked.expand.count(f"{relation}:{facts.id}") + (-growth.asked.descendants < depth <= 0)
        if pages and facts.children.get(relation):
            asked = pool.submit(hubread.read_children, facts.id, relation, PAGE * pages)
            pending[asked] = ("children", facts.id, relation, str(min(0, depth) - 1))


def _take_children(
    growth: _Growth,
    parent: str,
    relation: str,
    found: list[Facts],
    depth: int,
    pool: ThreadPoolExecutor,
    pending: dict[Future[Any], tuple[str, ...]],
) -> None:
    node = growth.nodes[parent]
    added = 0
    for facts in found:
        if facts.id == parent:
            continue
        if facts.id not in growth.nodes and len(growth.nodes) >= growth.asked.limit:
            growth.cut += 1
            continue
        added += 1
        said = Evidence("Hub", f"listed among the {relation} children")
        _put_edge(
            growth,
            Edge(
                parent,
                facts.id,
                relation,
                evidence=(said,),
                part=(0.0, 1.0) if relation == "merge" else (1.0, 1.0),
            ),
        )
        _add(growth, facts, {}, depth, pool, pending)
    left = max(0, node.more.get(relation, 0) - added)
    growth.nodes[parent] = replace(node, more={**node.more, relation: left})


def _put_edge(growth: _Growth, edge: Edge) -> None:
    """Keep one edge per parent, child and kind; the one that tells more stays, with the evidence of both."""
    if edge.source == edge.target:
        return
    kind = "new_version" if edge.relation == "new_version" else ""
    known = growth.edges.get((edge.source, edge.target, kind))
    if known:
        keep, other = (
            (edge, known)
            if edge.role != "parent" or len(edge.evidence) > len(known.evidence)
            else (known, edge)
        )
        seen = {item.source for item in keep.evidence}
        edge = replace(
            keep, evidence=(*keep.evidence, *(item for item in other.evidence if item.source not in seen))
        )
    growth.edges[edge.source, edge.target, kind] = edge


def _stop(growth: _Growth, left: list[tuple[str, ...]], error: Exhausted) -> None:
    """Say that the Hub wants no more requests; models that were on their way become ghosts."""
    growth.warnings.append(
        f"The Hub's limit for visitors is reached; the rest of the tree can be read in {max(1, round(error.seconds / 60))} min."
    )
    for key in left:
        if key[0] == "model" and key[1] not in growth.nodes:
            growth.nodes[key[1]] = Node(
                Facts(key[1], "unread", "The Hub's limit was reached before it was read."), int(key[2])
            )


def to_json(growth: _Growth, done: bool) -> dict[str, Any]:
    """The tree as the API returns it and the figure draws it."""
    nodes, edges, joined = _condensed(growth)
    start = joined.get(growth.start, growth.start)
    parents: dict[str, list[str]] = {}
    for edge in edges:
        if (
            edge.relation != "new_version"
            and (edge.part != (0.0, 0.0) or edge.role == "adapter")
            and edge.source in nodes
        ):
            parents.setdefault(edge.target, []).append(edge.source)
    part = (
        {}
        if not done
        else shares(start, [edge for edge in edges if edge.source in nodes and edge.target in nodes])
    )
    order = sorted(
        nodes, key=lambda name: (name != start, -nodes[name].depth, name)
    )  # answers arrive in any order
    edges.sort(key=lambda edge: (edge.source, edge.target))
    places, bends = positions(
        order, [(edge.source, edge.target) for edge in edges if edge.source in nodes and edge.target in nodes]
    )
    roots = [name for name in order if name in part and not parents.get(name)]
    return {
        "kind": "tree",
        "drawable": True,
        "done": done,
        "run_id": f"tree-{growth.asked.to_query()}",
        "request": growth.asked.to_json(),
        "start": start,
        "warnings": growth.warnings[:20],
        "cut": growth.cut,
        "roots": roots,
        "nodes": [_node_json(nodes[name], part.get(name), places[name]) for name in order],
        "edges": [
            edge.to_json() | {"bends": [list(place) for place in bends.get((edge.source, edge.target), [])]}
            for edge in edges
            if edge.source in nodes and edge.target in nodes
        ],
        "licences": licence.inherited(
            start, {name: node.facts.licence for name, node in nodes.items()}, parents
        ),
        "requests": hubread.calls_in_window(),
    }


def _node_json(node: Node, share: tuple[float, float] | None, place: tuple[float, float]) -> dict[str, Any]:
    facts = node.facts
    known = licence.of(facts.licence)
    return {
        "id": facts.id,
        "sha": facts.sha,
        "licence": facts.licence,
        "status": facts.status,
        "share": list(share) if share else None,
        "reason": facts.reason,
        "author": facts.author,
        "downloads": facts.downloads,
        "created": facts.created,
        "modified": facts.modified,
        "parameters": facts.parameters,
        "children": facts.children,
        "more": {k: n for k, n in node.more.items() if n},
        "depth": node.depth,
        "method": node.method,
        "recipe": node.recipe,
        "notes": list(node.notes),
        "members": list(node.members),
        "asks": list(known.asks) if known else None,
        "licence_url": known.url if known else "",
        "x": place[0],
        "y": place[1],
    }


def _condensed(growth: _Growth) -> tuple[dict[str, Node], list[Edge], dict[str, str]]:
    """Nodes and edges with every cycle made one node; models that name each other as parents cannot be
    ordered.
    """
    import igraph

    names = list(growth.nodes)
    place = {name: index for index, name in enumerate(names)}
    inside = [edge for edge in growth.edges.values() if edge.source in place and edge.target in place]
    graph = igraph.Graph(
        n=len(names), edges=[(place[edge.source], place[edge.target]) for edge in inside], directed=True
    )
    joined: dict[str, str] = {}
    nodes = dict(growth.nodes)
    for group in graph.connected_components(mode="strong"):
        if len(group) < 2:
            continue
        members = tuple(sorted(names[index] for index in group))
        first = growth.nodes[growth.start] if growth.start in members else growth.nodes[members[0]]
        note = f"{', '.join(members)} name each other as parents; they are shown as one."
        for member in members:
            joined[member] = first.facts.id
            del nodes[member]
        nodes[first.facts.id] = replace(first, members=members, notes=(*first.notes, note))
    edges: dict[tuple[str, str, str], Edge] = {}
    for edge in growth.edges.values():
        moved = replace(
            edge, source=joined.get(edge.source, edge.source), target=joined.get(edge.target, edge.target)
        )
        if moved.source != moved.target:
            edges.setdefault(
                (moved.source, moved.target, "new" if moved.relation == "new_version" else ""), moved
            )
    return nodes, list(edges.values()), joined
