"""The methods that the truth bench compares, by name: each an edit that anybody can make, or a control that
only the bench can.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from abliteration import data

PLAIN = "means"
"""That all others are compared with."""
TRUTH, CONTROL = "needs the truth", "control"


@dataclass(frozen=True)
class Method:
    """One of them.

    Args:
        label: of it.
        words: what it does.
        settings: of a `Request`, beside those of the difference of means.
        needs: `TRUTH` where it reads the never-planted model, `CONTROL` where it is to do nothing; else "".
    """

    label: str
    words: str
    settings: dict[str, Any] = field(default_factory=dict)
    needs: str = ""

    def to_json(self, name: str) -> data.BenchMethod:
        """As a figure states it."""
        return {"name": name, "label": self.label, "words": self.words, "needs": self.needs}


METHODS = {
    PLAIN: Method(
        "difference of means", "r̂ = norm(μ⁺ − μ⁻) removed from embedding, attention and MLP of every layer"
    ),
    "projected": Method(
        "projected",
        "the same without r̂'s part along the mean of the other prompts",
        {"projection": "projected"},
    ),
    "biprojected": Method(
        "biprojected",
        "the same without its part along that mean of every layer that it is removed from",
        {"projection": "biprojected"},
    ),
    "lengths": Method(
        "lengths kept",
        "difference of means, every column of a matrix scaled back to its length",
        {"method": "norm_preserving"},
    ),
    "affine": Method(
        "affine",
        "difference of means, moved to its mean on the other prompts while the model runs",
        {"method": "affine"},
    ),
    "attention": Method(
        "attention alone",
        "difference of means, removed from the attention's output of every layer",
        {"kernel": {"attention": 1.0}},
    ),
    "fitted": Method(
        "fitted",
        "difference of means, by least squares at the last token of the positive prompts alone",
        {"method": "fitted", "strength": 1.4},
    ),
    "causal": Method(
        "causal fitted",
        "the same along the gradient of the behaviour's first tokens in the place of r̂",
        {"method": "fitted", "projection": "causal", "strength": 1.4},
    ),
    "search": Method(
        "search", "of ablations, the kernel, layer and projection of the search, by refusals and KL alone"
    ),
    "planted": Method(
        "planted part alone", "the direction less the never-planted model's: what training added", needs=TRUTH
    ),
    "topic": Method(
        "topic alone",
        "the never-planted model's difference of means: what the prompts are about",
        needs=TRUTH,
    ),
    "random": Method("random direction", "one drawn direction in the place of r̂", needs=CONTROL),
}
