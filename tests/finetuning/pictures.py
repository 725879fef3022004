"""The pictures in the Space's card, see `tests.browser.screenshots`."""

from __future__ import annotations

from tests.browser.screenshots import Picture

PICTURES = (
    Picture("tokens", "Tokens"),
    Picture("trainers", "Five trainers", scheme="dark"),
)
