"""The pictures in the Space's card, see `tests.browser.screenshots`."""

from __future__ import annotations

from tests.browser.screenshots import Picture

PICTURES = (
    Picture("tree", "Tree"),
    Picture("area", "Probability area"),
    Picture("beams", "Beams", scheme="dark"),
    Picture("pair", "Two models", "#pair-figure"),
    Picture("speculative", "Speculative", "#speculative-figure"),
)
