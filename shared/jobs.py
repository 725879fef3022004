"""Hardware of the Hub's jobs, its prices, and how long a run takes on it: hours are assumed, not measured."""

from __future__ import annotations

from dataclasses import dataclass

USED = 0.2
"""Share of a card's stated teraflops that a small batch gets. Assumed, not measured."""
START_MINUTES = 10
"""Until a job has its packages and weights. Assumed, not measured."""
FREE = 0.92
"""Share of a card that is counted on; the rest is CUDA's own and gaps between what is allocated. Assumed, not
measured.
"""
PRICED = "November 2026"
"""As of when the prices are stated: with each card's memory they are in the Hub's own table, the file
docs/hub/jobs-pricing.md of the repository huggingface/hub-docs at commit 0b8c07f.
"""


@dataclass(frozen=True)
class Flavor:
    """One kind of hardware.

    Args:
        name: of the Hub.
        card: GPU memory, GB of 10⁹ bytes.
        teraflops: in half precision, as the card's maker states.
        price: dollars an hour, billed by the minute (huggingface.co/docs/hub/jobs-pricing).
    """

    name: str
    card: int
    teraflops: int
    price: float


FLAVORS = (
    Flavor("t4-small", 16, 65, 0.40),
    Flavor("l4x1", 24, 121, 0.80),
    Flavor("a10g-small", 24, 125, 1.00),
    Flavor("a100-large", 80, 312, 2.50),
)
"""From small to large."""


def smallest(needed: float) -> Flavor | None:
    """The smallest hardware with room for so many bytes in the free part of its card; None for none."""
    return next((one for one in FLAVORS if needed <= FREE * one.card * 1e9), None)


def hours(operations: float, flavor: Flavor) -> float:
    """START_MINUTES, and floating-point operations over `USED` of what the card states."""
    return START_MINUTES / 60 + operations / (USED * flavor.teraflops * 1e12) / 3600


def limit_minutes(estimated: float) -> int:
    """The time limit to ask for, of estimated hours: twice as long."""
    return max(1, round(2 * 60 * estimated))
