"""Show me in every room: each step's stored figure opens its view with what is seen there, and reports
nothing; that the page shows a step at all is `test_tour`'s.
"""

from __future__ import annotations

import importlib

import pytest

from shared import page as pages
from tests.browser.harness import figures
from tests.browser.test_seen import SPACES
from tests.shared.test_tour import SPACES as TOURED

OPEN = """([data, view, seen]) => {
  draw(data);
  const figure = document.querySelector(".course-figure:not([hidden])");
  if (view) figure.querySelector(`[role=tab][data-view="${view}"]`).click();
  figure.dispatchEvent(new CustomEvent("figure-seen", { detail: seen }));
  const text = (at) => [...figure.querySelectorAll(at)].map((one) => one.textContent).join(" ");
  const open = figure.querySelector("[role=tab][aria-selected=true]");
  const panel = figure.querySelector(".panel:not([hidden])");
  return {
    view: open?.dataset.view ?? "",
    warnings: text(".warnings"),
    alerts: text("[role=alert]"),
    height: panel?.getBoundingClientRect().height ?? 0,
  };
}"""


@pytest.mark.parametrize("space", TOURED)
def test_every_step_opens_its_view(browser, space):
    tours = importlib.import_module(f"{space}_rooms.tours").TOURS
    with figures(browser, SPACES / space / space / "js") as make:
        bare = make()
        for room, steps in tours.items():
            for step in steps:
                data = pages.stored(SPACES / space / "examples", step.example)
                said = bare.evaluate(OPEN, [data, step.view, dict(step.seen)])
                where = f"{room}: {step.example} {step.view}"
                assert said["view"] == step.view or not step.view, where
                assert "does not fit" not in said["warnings"] and said["alerts"] == "", (where, said)
                assert said["height"] > 60, where
