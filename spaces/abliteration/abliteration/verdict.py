"""What the differences between two models amount to, in words."""

from __future__ import annotations

from abliteration import data
from abliteration.difference import MATCH, SIMULATED
from abliteration.forensics import LOW_RANK, ONE, WRITES, Findings

SMALL = 16
"""Rows or columns from which on a matrix' rank tells a low one from a full one."""


def verdict(found: Findings) -> data.Verdict:
    """What was found, in one sentence and a few facts."""
    kind = found.kind
    if kind == "same":
        return {"kind": kind, "words": "The two models have the same weights.", "facts": _facts(found)}
    if kind == "recast":
        words = "The two models have the same weights, stored in another dtype."
        return {"kind": kind, "words": words, "facts": _facts(found)}
    if kind == "other":
        facts = [*_facts(found), _alarms(found)]
        return {"kind": kind, "words": f"This is no abliteration: {_what(found)}.", "facts": facts}
    taken = [row for row in found.projected if row.part in WRITES]
    many = max(row.taken.directions for row in taken if row.taken)
    what = "One direction" if found.one >= ONE and many == 1 else "A direction of its own"
    if many > 1:
        what = f"{many} directions"
    where = "each of" if found.one < ONE and many == 1 else ""
    matrices = "1 matrix" if len(taken) == 1 else f"{where} {len(taken)} matrices".strip()
    words = f"{what} was taken from {matrices} that write into the residual stream"
    if many > 1:
        words = words.replace("was taken", "were taken")
    rest = ", and nothing else differs." if kind == "projection" else f"; beside that, {_what(found)}."
    return {"kind": kind, "words": words + rest, "facts": _facts(found)}


def _alarms(found: Findings) -> str:
    """How sure it is that no projection was called one, or passed over."""
    nearest = max((row.nearest for row in found.others), default=0.0)
    return (
        f"The nearest matrix matches a projection to {nearest:.2f}, where {MATCH:g} is asked for. Of "
        f"{SIMULATED} simulated differences that are none, none was called one: fewer than "
        f"{3 / SIMULATED:.1%} at 95 %."
    )


def _what(found: Findings) -> str:
    """What the differences are that no projection explains."""
    matrices = [row for row in found.others if row.found]
    vectors = len(found.others) - len(matrices)
    if not matrices:
        return "only norms and biases differ" if vectors == 1 else f"{vectors} norms and biases differ"
    # the rank of a router of three rows says nothing
    telling = [row for row in matrices if min(row.piece.shape) >= SMALL] or matrices
    ranks = [row.rank for row in telling]
    low, high = min(ranks), max(ranks)
    sides = min(min(row.piece.shape) for row in telling)
    bounded = high <= min(LOW_RANK, sides // 2) and all(
        row.found.complete or row.rank < len(row.found.values) for row in telling if row.found
    )
    count = f"{len(matrices)} matrices differ" if len(matrices) > 1 else "1 matrix differs"
    if bounded and high:
        ranked = f"rank {high}" if low == high else f"ranks {low} to {high}"
        return f"{count} by updates of {ranked}, as a LoRA's are"
    if not high:
        return f"{count} by no more than rounding could"
    return f"{count} by updates of full rank, as after a fine-tune, a merge or a quantization"


def _facts(found: Findings) -> list[str]:
    """What a reader wants to know next, a sentence each."""
    facts = [f"{len(found.rows):,} of {found.looked:,} tensors differ."]
    taken = [row.taken for row in found.projected if row.taken]
    if taken:
        kept = {one.kept for one in taken}
        forms = {one.form for one in taken}
        facts.append(
            {
                frozenset({""}): "Neither rows nor columns kept their lengths.",
                frozenset({"columns"}): "Every column kept its length (norm-preserving).",
                frozenset({"rows"}): "Every row kept its length (norm-preserving).",
            }.get(frozenset(kept), "Some matrices kept the lengths of their rows or columns, others did not.")
        )
        if forms == {"rows"}:
            facts.append("The rows were normalized before the projection, as heretic does.")
            if {row.rank for row in found.projected} == {3}:
                facts.append("Each difference has rank 3: so heretic brings the rows to their old lengths.")
        elif "norm" in forms:
            facts.append("The gain of the norm behind the matrix is folded into the direction.")
        strengths = [one.strength for one in taken]
        low, high = min(strengths), max(strengths)
        sigma = max(one.sigma for one in taken)
        if high - low <= max(0.002, 4 * sigma):
            share = sum(strengths) / len(strengths)
            full = "the direction is gone" if abs(share - 1) < 0.002 else f"{1 - share:.1%} of it is left"
            facts.append(f"Strength {share:.4g} everywhere: {full}.")
        else:
            facts.append(f"Strengths from {low:.3g} to {high:.3g}; 1 removes all of the direction.")
        least = min(one.explained for one in taken)
        much = "all" if least > 0.99995 else f"at least {least:.2%}"
        facts.append(f"The projections explain {much} of what differs there, rounding left aside.")
    if found.recast:
        facts.append(f"{found.recast:,} tensors are the same numbers in another dtype.")
    if found.pair.unmatched:
        facts.append(
            f"{len(found.pair.unmatched):,} tensors are in one of the two only, "
            f"{found.pair.unmatched[0][:80]} first."
        )
    return facts
