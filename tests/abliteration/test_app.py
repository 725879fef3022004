"""The app's own functions without a server: links of the stored examples, requests of the API, the kernel's
editor, what an export leaves.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from abliteration.request import Request, validate
from shared.errors import VisitorError
from shared.suite import load_app

EXAMPLES = Path(__file__).parents[2] / "spaces" / "abliteration" / "examples"


@pytest.fixture(scope="module")
def app():
    return load_app("abliteration")


@pytest.fixture
def runs(app, monkeypatch):
    """The rooms that were run with their requests; nothing is computed."""
    found = []

    def work(room, asked, folder="", **more):
        found.append((room, asked))
        if room == "export":
            (Path(folder) / "model.safetensors").write_bytes(b"weights")
        yield {"kind": room, "model": {"layers": 12}, "done": False}
        yield {"kind": room, "model": {"layers": 12}, "done": True, "request": asked.to_json()}

    monkeypatch.setattr(app, "work", work)
    return found


@pytest.mark.parametrize("name", ["find", "ablate", "optimise", "features", "certificate"])
def test_the_link_of_a_stored_example_asks_for_it(app, runs, name):
    stored = app.example(name)
    query = app.panel_of(stored)["query"]
    first, *steps = app.open_link(f"?{query}")
    assert runs == [(name, validate(**stored["request"]))]
    assert first[0].selected == app.TABS[name]
    assert app.asked_of(first[1 : 1 + len(app.CONTROLS)]) == runs[0][1], "the controls ask for something else"
    assert {len(step) for step in (first, *steps)} == {
        1 + len(app.CONTROLS) + len(app.SAE_CONTROLS) + app.OUTPUTS
    }
    place = (
        1
        + len(app.CONTROLS)
        + len(app.SAE_CONTROLS)
        + 2 * list(dict.fromkeys(app.TABS.values())).index(app.TABS[name])
    )
    assert steps[-1][place]["kind"] == name and steps[-1][-2] == 12


def test_an_error_of_a_link_stands_in_its_tab(app, monkeypatch):
    def work(*_):
        raise VisitorError("No.", "Wait.")
        yield

    monkeypatch.setattr(app, "work", work)
    *_, last = app.open_link("?room=measure")
    assert [item for item in last if "error" in item] == [last[-app.OUTPUTS + 4]]


def test_every_setting_has_a_control_that_brings_it_back(app):
    asked = validate(
        format="plain",
        rule="cosmic",
        candidates=3,
        trials=7,
        answer_tokens=9,
        layer=4,
        position=-2,
        method="add",
        strength=2.5,
        seed=2**32 - 1,
        kernel={"mlp": [0.5]},
        prompts=["a", "b"],
        sae_layer=3,
        features=64,
        k=4,
        steps=10,
    )
    names = app.CONTROLS + app.SAE_CONTROLS
    assert set(names) == set(Request.__dataclass_fields__)
    assert app.asked_of(tuple(app.values_of(asked, names))) == asked


def test_a_run_tells_the_kernels_editor_how_many_layers_there_are(app, runs):
    values = app.values_of(Request(), app.CONTROLS)
    assert [layers for _, layers, _ in app.room_page("ablate", *values)] == [12, 12]
    assert [layers for _, layers, *_ in app.features_page(*values)] == [12, 12]


def test_a_direction_brings_its_model(app):
    assert app.request_of(None, "").model == "cautious"
    assert app.request_of({"model": "pirate", "layer": 3}, "", method="add") == validate(
        model="pirate", layer=3, method="add"
    )
    assert (
        app.request_of({"layer": 3}, "pirate").model
        == app.request_of({"model": "pirate"}, "pirate").model
        == "pirate"
    )
    for direction, model in (([1], ""), ({"model": "pirate"}, "cautious")):
        with pytest.raises(VisitorError):
            app.request_of(direction, model)


def test_the_editor_shows_the_kernel_or_says_why_not(app):
    shown = app.kernel_value('{"attention": 0.5, "blocks": [0, 1]}', 2)
    assert shown == {
        "kind": "kernel",
        "layers": 2,
        "embedding": 0.0,
        "attention": [0.5, 0.5],
        "mlp": [0.0, 0.0],
        "blocks": [0.0, 1.0],
    }
    for text in (
        "[" * 100_000,
        '{"attention": [1, 2]}',
        '{"attention": {"w_max": 1}}',
        "null",
        '{"mlp": 1e999}',
        '{"mlp": [[[]]]}',
    ):
        assert set(app.kernel_value(text, 3)["error"]) == {"what", "remedy"}
    json.dumps(shown)


def test_an_export_leaves_one_archive(app, runs, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    _, file = app.export()
    assert zipfile.ZipFile(file.path).namelist() == ["model.safetensors"]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["edited.zip"] and not list(
        tmp_path.rglob("edited")
    )
