"""The pictures in the Space's card, see `tests.browser.screenshots`."""

from __future__ import annotations

from tests.browser.screenshots import Picture

PICTURES = (Picture("scores", "Scores and differences"),)
