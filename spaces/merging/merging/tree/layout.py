"""Places for the models of a tree: layers from ancestors to descendants, few crossings (Sugiyama's method, by igraph)."""

from __future__ import annotations


def positions(names: list[str], edges: list[tuple[str, str]]) -> dict[str, tuple[float, float]]:
    """A place for each name: x along the generations, parents before children; y within a generation.

    Args:
        names: nodes.
        edges: (parent, child), without cycles but for what `new_version` may close; those are ignored by the layering.
    """
    import igraph

    if not names:
        return {}
    place = {name: index for index, name in enumerate(names)}
    graph = igraph.Graph(n=len(names), edges=[(place[source], place[target]) for source, target in edges], directed=True)
    if not graph.is_dag():
        graph.delete_edges(graph.feedback_arc_set())
    coordinates = graph.layout_sugiyama(maxiter=100).coords
    return {name: (round(float(coordinates[index][1]), 3), round(float(coordinates[index][0]), 3)) for name, index in place.items()}
