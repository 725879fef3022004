"""Show me: every room has three steps, and what they say is true of what they show."""

from __future__ import annotations

import importlib
import re

import pytest

from shared import page, suite

SPACES = [
    name for name in suite.names() if (suite.ROOT / "spaces" / name / f"{name}_rooms" / "tours.py").is_file()
]
"""A new Space may come without."""


def tours(space):
    suite.load_app(space)
    return importlib.import_module(f"{space}_rooms.tours").TOURS


@pytest.mark.parametrize("space", SPACES)
def test_every_room_has_three_steps(space):
    demo = suite.load_app(space).demo
    assert set(tours(space)) == {entrance.picture for entrance in demo.rooms.values()}
    scripts = "\n".join(
        path.read_text(encoding="utf-8") for path in (suite.ROOT / "spaces" / space).glob("*/js/*.js")
    )
    for room, steps in tours(space).items():
        assert len(steps) == 3, room
        for step in steps:
            data = page.stored(suite.ROOT / "spaces" / space / "examples", step.example)
            asked = demo.rooms[room].request
            again = asked.parse(**data["request"]).to_json()
            assert {name: again[name] for name in data["request"]} == data["request"], step.example
            said = step.sentence(data)
            assert 30 < len(said) < 300 and said.endswith("."), said
            assert not step.view or re.search(rf'(name: |\[)"{step.view}"', scripts), step.view
            if isinstance(step.says, str):
                assert not re.search(r"\d", re.sub(r"0\.9", "", said)), f"made of its data: {said}"
