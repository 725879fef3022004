"""Links whose figures a second visit must give again, see `tests.browser.test_permalinks`."""

from __future__ import annotations

RECIPE = "merge_method: linear\nmodels:\n- model: pirate\n  parameters: {weight: 1}\ndtype: float32\n"

YES = '{"name": "yes", "prompts": ["Is it?"], "rule": "is likelier", "value": "Y", "against": "N"}'
OWN = f'["pirate", {YES}]'

LINKS = {
    "merging": ("#figure", [("recipe", RECIPE), ("seed", 7), ("behaviours", OWN)]),
    "family tree": ("#tree", [("tree", "cautious"), ("limit", 50)]),
}
"""By name: the figure's place on the page, and the query."""
