"""Places for the models of a tree: layers from ancestors to descendants, few crossings (Sugiyama's method, by
igraph).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import igraph

Place = tuple[float, float]


def positions(
    names: list[str], edges: list[tuple[str, str]]
) -> tuple[dict[str, Place], dict[tuple[str, str], list[Place]]]:
    """A place for each name, and bends for each edge that passes a generation by: x along the generations, y
    within one.

    Every edge that spans several generations gets a place of its own in those between, so that it crosses no
    model.

    Args:
        names: nodes.
        edges: (parent, child), without cycles but for what `new_version` may close; those are ignored by the
            layering.
    """
    import igraph

    if not names:
        return {}, {}
    place = {name: index for index, name in enumerate(names)}
    pairs = [(place[source], place[target]) for source, target in edges]
    graph = igraph.Graph(n=len(names), edges=pairs, directed=True)
    if not graph.is_dag():
        graph.delete_edges(graph.feedback_arc_set())
    layers = _generations(graph)
    full = igraph.Graph(n=len(names), directed=True)
    links: list[tuple[int, int]] = []
    between: dict[tuple[int, int], list[int]] = {}
    for source, target in {edge.tuple for edge in graph.es}:
        stops = list(range(len(layers), len(layers) + layers[target] - layers[source] - 1))
        layers += range(layers[source] + 1, layers[target])
        links += zip([source, *stops], [*stops, target], strict=True)
        if stops:
            between[source, target] = stops
    full.add_vertices(len(layers) - len(names))
    full.add_edges(links)
    places = [
        (round(float(y), 3), round(float(x), 3))
        for x, y in full.layout_sugiyama(layers=layers, maxiter=100).coords[: len(layers)]
    ]
    bends = {
        (names[source], names[target]): [places[stop] for stop in stops]
        for (source, target), stops in between.items()
    }
    return {name: places[index] for name, index in place.items()}, bends


def _generations(graph: igraph.Graph) -> list[int]:
    """Longest way from a root to each node; a root stands right before its first child."""
    order = graph.topological_sorting()
    layers = [0] * graph.vcount()
    for node in order:
        for child in graph.successors(node):
            layers[child] = max(layers[child], layers[node] + 1)
    for node in order:
        if graph.indegree(node) == 0 and graph.outdegree(node):
            layers[node] = min(layers[child] for child in graph.successors(node)) - 1
    return layers
