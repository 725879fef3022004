"""The pictures in the Space's card, see `tests.browser.screenshots`."""

from __future__ import annotations

from tests.browser.screenshots import Picture

PICTURES = (
    Picture("behaviours", "Before and after"),
    Picture("layers", "Which layers carry it"),
    Picture("plane", "Between models", element="#between"),
    Picture("mixture", "Mixture of experts", element="#mixture"),
    Picture("tree", "Family tree", element="#tree", scheme="dark"),
)
