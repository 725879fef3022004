"""How much of each ancestor is in a model: the coefficients of its parents multiplied along the tree, with
what is uncertain kept so.
"""

from __future__ import annotations

from collections.abc import Iterable

from family_tree.parents import Edge
from merging.data import Span

SLACK = 1e-6


def shares(start: str, edges: Iterable[Edge]) -> dict[str, Span]:
    """Bounds of the coefficient that each ancestor's weights have in a model's, `start` itself with (1, 1).

    A model is Σ cᵢ parentᵢ with Σ cᵢ = 1, plus what its own training changed, which counts as the parent's: a
    fine-tune of p is p with coefficient 1. The coefficient of an ancestor is the sum over all ways of the
    products of the coefficients on a way. The bounds hold whatever coefficients within those of the edges,
    summing to 1, are the true ones. Coefficients of task arithmetic may be negative or above 1; over all
    roots together the true ones sum to 1.

    Args:
        start: the model.
        edges: of an acyclic tree.
    """
    parents: dict[str, list[Edge]] = {}
    for edge in edges:
        if edge.relation != "new_version":
            parents.setdefault(edge.target, []).append(edge)
    order = _parents_first(start, parents)
    bounds: dict[str, Span] = {}
    for ancestor in order:
        within: dict[str, Span] = {}
        for model in order:
            if model == ancestor:
                within[model] = (1.0, 1.0)
            else:
                terms = [(edge.part, within[edge.source]) for edge in parents.get(model, [])]
                within[model] = _sum(terms) if any(span != (0.0, 0.0) for _, span in terms) else (0.0, 0.0)
        low, high = (round(end, 6) for end in within[start])
        bounds[ancestor] = (low, high) if high - low > SLACK else (low, low)
    return bounds


def _sum(terms: list[tuple[Span, Span]]) -> Span:
    """Bounds of Σ c·s with each c and s within its bounds, and Σ c = 1 where the bounds allow that."""
    products = [[c * s for c in part for s in held] for part, held in terms]
    low, high = sum(map(min, products)), sum(map(max, products))
    least, most = sum(part[0] for part, _ in terms), sum(part[1] for part, _ in terms)
    linear = all(part[0] >= 0 or held[1] - held[0] <= SLACK for part, held in terms)
    if not linear or least > 1 + SLACK or most < 1 - SLACK:
        return low, high
    return max(low, _extreme(terms, 0)), min(high, _extreme(terms, 1))


def _extreme(terms: list[tuple[Span, Span]], end: int) -> float:
    """Smallest (end 0) or largest (end 1) Σ c·s with Σ c = 1: every c at its least, the rest to where it
    costs or brings most.
    """
    rest = 1 - sum(part[0] for part, _ in terms)
    total = sum(part[0] * held[end] for part, held in terms)
    for part, held in sorted(terms, key=lambda term: term[1][end], reverse=end == 1):
        more = min(rest, part[1] - part[0])
        total += more * held[end]
        rest -= more
    return total


def _parents_first(start: str, parents: dict[str, list[Edge]]) -> list[str]:
    """`start` and its ancestors, so that each comes after all its parents."""
    order: list[str] = []
    seen: set[str] = set()
    stack: list[tuple[str, bool]] = [(start, False)]
    while stack:
        model, left = stack.pop()
        if left:
            order.append(model)
        elif model not in seen:
            seen.add(model)
            stack.append((model, True))
            stack += [(edge.source, False) for edge in parents.get(model, []) if edge.source not in seen]
    return order
