"""Traces that are long on purpose, for tests of what stays readable."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

TRACE = json.loads((Path(__file__).parent / "data" / "decoding_trace.json").read_text(encoding="utf-8"))

KINDS = [("greedy", {}), ("beam 5", {"num_beams": 5}), ("nucleus", {"do_sample": True}), ("fourth", {})]


def candidate(number: int, parent: int | None, step: int, token: int | None, share: float) -> dict[str, Any]:
    """A node of a trace; tokens from 1,000 on were not taken."""
    value = math.log(share)
    return {
        "id": number,
        "parent": parent,
        "step": step,
        "token_id": token,
        "text": "" if token is None else f" t{token}",
        "logprob_raw": value,
        "logprob_processed": value,
        "cumulative_logprob": value * step,
        "score": value * step,
        "status": "pruned" if token is not None and token >= 1_000 else "chosen",
        "reason": "It is so.",
        "rank": None,
        "stages": [],
    }


def long_trace(*texts: list[list[int]], share: float = 0.6) -> dict[str, Any]:
    """A complete trace of runs over the texts that each returns, as token ids; every token taken has the same
    share, and two others beside it.
    """
    trace = copy.deepcopy(TRACE)
    trace["runs"], trace["request"]["strategies"] = [], []
    for color, sequences in enumerate(texts):
        name, config = KINDS[color]
        nodes = [candidate(0, None, 0, None, 1.0)]
        known: dict[tuple[int, ...], int] = {(): 0}
        returned = []
        for ids in sequences:
            for step in range(1, len(ids) + 1):
                path, parent = tuple(ids[:step]), known[tuple(ids[: step - 1])]
                if path in known:
                    continue
                known[path] = len(nodes)
                nodes.append(candidate(len(nodes), parent, step, ids[step - 1], share))
                for other in (1_000 + step, 2_000 + step):
                    if not any(n["parent"] == parent and n["token_id"] == other for n in nodes[-9:]):
                        nodes.append(candidate(len(nodes), parent, step, other, (1 - share) / 4))
            returned.append({"token_ids": ids, "text": "", "score": None, "node": known[tuple(ids)]})
        run = copy.deepcopy(TRACE["runs"][0])
        run |= {"name": name, "color": color, "kind": "sample" if "do_sample" in config else "greedy"}
        run |= {"config": config, "sequences": returned, "nodes": nodes, "decisions": {}, "distributions": {}}
        trace["runs"].append(run)
        trace["request"]["strategies"].append({"name": name, **config})
    trace["request"]["max_new_tokens"] = max(len(ids) for sequences in texts for ids in sequences)
    return trace


def parting(length: int, *forks: int) -> list[list[int]]:
    """Texts that part from the first: text n after the n-th of the steps `forks`."""
    first = list(range(1, length + 1))
    return [
        first,
        *(first[:step] + [100 * (n + 1) + i for i in range(length - step)] for n, step in enumerate(forks)),
    ]
