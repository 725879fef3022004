"""The pictures in the Space's card, see `tests.browser.screenshots`."""

from __future__ import annotations

from tests.browser.screenshots import Picture

PICTURES = (
    Picture("find", "1 Find", element="#find"),
    Picture("search", "3 Measure", element="#measure"),
    Picture("bench", "7 Truth bench", element="#bench"),
)
