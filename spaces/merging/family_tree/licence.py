"""What the ancestors' licences ask of a model: obligations, the way each came, and where two cannot both be
met.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from family_tree.terms import (
    AGAINST,
    NO_DERIVATIVES,
    NON_COMMERCIAL,
    SHARE_ALIKE,
    STRICTNESS,
    USE_LIMITS,
    Licence,
    fits_under,
    joint,
    of,
)
from merging import data

BINDING = (NO_DERIVATIVES, NON_COMMERCIAL, SHARE_ALIKE, USE_LIMITS)
"""Obligations that a model takes over from what it was made of, whatever its card says."""
MOST_CONFLICTS = 12


def inherited(
    start: str,
    licences: Mapping[str, str],
    parents: Mapping[str, Sequence[str]],
    unread: Mapping[str, str] | None = None,
) -> data.Licences:
    """The obligations that reach a model, each with the shortest way it came, and what stands against what.

    Args:
        start: the model.
        licences: Hub id of the licence by model; "" where none is stated.
        parents: of each model, those whose weights enter it.
        unread: why, by each model whose licence could not be read.
    """
    unread = unread or {}
    ways: dict[str, list[str]] = {start: [start]}
    queue = [start]
    for model in queue:
        for parent in parents.get(model, []):
            if parent not in ways:
                ways[parent] = [*ways[model], parent]
                queue.append(parent)
    duties: dict[str, data.Obligation] = {}
    unknown: list[data.UnknownTerms] = []
    known = {model: terms for model in queue if (terms := of(licences.get(model, "")))}
    for model in queue:
        terms = known.get(model)
        if terms is None:
            told: data.UnknownTerms = {
                "from": model,
                "licence": licences.get(model, ""),
                "path": ways[model],
            }
            unknown.append({**told, "unread": unread[model]} if model in unread else told)
            continue
        for ask in terms.asks:
            duties.setdefault(
                ask, {"asks": ask, "from": model, "licence": terms.id, "url": terms.url, "path": ways[model]}
            )
    ancestors = {model: terms for model, terms in known.items() if model != start}
    conflicts = [*_against(start, known.get(start), ancestors), *_between(ancestors)]
    return {
        "own": licences.get(start, ""),
        "obligations": [duties[ask] for ask in STRICTNESS if ask in duties],
        "unknown": unknown,
        "conflicts": conflicts[:MOST_CONFLICTS],
        "laxer": list(_laxer(start, known, parents))[:MOST_CONFLICTS],
        "note": "Read from stated licences; this is not legal advice.",
    }


def _against(start: str, own: Licence | None, ancestors: Mapping[str, Licence]) -> Iterator[data.Conflict]:
    """Where the model's own statement does not meet what an ancestor asks, once for each obligation."""
    for model, terms in ancestors.items():
        if NO_DERIVATIVES in terms.asks:
            yield {
                "message": f"{model} ({terms.id}) allows no changed versions to be shared.",
                "resolve": f"Ask its author, or leave {model} out.",
            }
            break
    for ask in (NON_COMMERCIAL, SHARE_ALIKE, USE_LIMITS):
        for model, terms in ancestors.items():
            if not own or ask not in terms.asks:
                continue
            if ask not in own.asks:
                yield {
                    "message": f"{start} states {own.id}; {model} ({terms.id}) asks for: {ask}.",
                    "resolve": f"State {terms.id}'s terms, or leave {model} out.",
                }
                break
            if ask == SHARE_ALIKE and not fits_under(terms, own):
                yield {
                    "message": f"{start} states {own.id}; {model} wants the terms of {terms.id} for all.",
                    "resolve": f"State {terms.id}, or leave {model} out.",
                }
                break


def _between(ancestors: Mapping[str, Licence]) -> Iterator[data.Conflict]:
    """Where what one ancestor asks cannot be met together with what another does, once for each pair of
    licences.
    """
    first: dict[str, tuple[str, Licence]] = {}
    for model, terms in ancestors.items():
        first.setdefault(terms.id, (model, terms))
    for (one, terms), (other, others) in combinations(first.values(), 2):
        if reason := _apart(terms, others):
            yield {
                "message": f"{one} ({terms.id}) and {other} ({others.id}) cannot both be met: {reason}.",
                "resolve": f"Leave {one} or {other} out, or ask one of the authors for other terms.",
            }


def _apart(one: Licence, other: Licence) -> str:
    """Why two licences cannot both be met, "" where they can."""
    pair = frozenset((one.id, other.id))
    if pair in AGAINST:
        return AGAINST[pair]
    if NO_DERIVATIVES in one.asks + other.asks:
        return ""  # that stands alone, see `_against`
    if SHARE_ALIKE in one.asks and SHARE_ALIKE in other.asks:
        return "" if joint(one, other) else "each wants its own terms for the whole"
    for strict, free in ((one, other), (other, one)):
        adds = {NON_COMMERCIAL, USE_LIMITS} & set(free.asks) - set(strict.asks)
        if SHARE_ALIKE in strict.asks and adds:
            return f"{strict.id} wants the same terms for all, {free.id} adds terms of its own"
    return ""


def _laxer(
    start: str, known: Mapping[str, Licence], parents: Mapping[str, Sequence[str]]
) -> Iterator[data.Conflict]:
    """Ancestors that state less than what they were made of asks."""
    for model, terms in known.items():
        for parent in parents.get(model, []) if model != start else ():
            base = known.get(parent)
            missing = [ask for ask in BINDING if base and ask in base.asks and ask not in terms.asks]
            if base and missing:
                yield {
                    "message": f"{model} states {terms.id}, though its parent {parent} ({base.id}) asks for: "
                    f"{', '.join(missing)}.",
                    "resolve": f"Take {model} as if {parent}'s terms held for it, or ask its author.",
                }
