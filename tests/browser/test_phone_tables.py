"""On a phone a table shows numbers, not names alone with the numbers past the edge."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.browser.harness import exported

EXAMPLES = {
    f"{path.parents[1].name} {path.stem}": path
    for path in sorted((Path(__file__).parents[2] / "spaces").glob("*/examples/*.json"))
}
HIDDEN = """() => [...document.querySelectorAll(".scroll table tbody tr:first-child")]
  .filter(row => row.checkVisibility())
  .map(row => [...row.cells].filter(cell => /\\d/.test(cell.textContent) && cell.matches("td")))
  .filter(cells => cells.length)
  .filter(cells => !cells.some(cell => cell.getBoundingClientRect().right <= innerWidth))
  .map(cells => cells[0].closest("[aria-label]").getAttribute("aria-label"))"""


@pytest.mark.parametrize("path", EXAMPLES.values(), ids=EXAMPLES)
def test_the_first_number_of_a_row_is_in_sight(browser, tmp_path, path) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    folder = path.parents[1] / path.parents[1].name / "js"
    if not isinstance(data, dict) or not data.get("drawable"):
        pytest.skip("no figure")
    with exported(browser, tmp_path / "figure.html", data, folder, width=360) as page:
        for tab in page.get_by_role("tab").all():
            if tab.is_visible():
                tab.click()
                assert page.evaluate(HIDDEN) == [], tab.inner_text()
