"""The page's own functions without a server: links of the stored examples, requests of the API, the kernel's
editor, what an export leaves.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from abliteration.bench_request import BenchRequest
from abliteration.forensics_request import ForensicsRequest
from abliteration.request import Request, with_direction
from abliteration_rooms import (
    bench,
    chat,
    controls,
    features,
    find,
    forensics,
    measure,
    remove,
    take,
    uploads,
)
from shared.errors import VisitorError
from shared.room import control_value
from shared.suite import load_app


@pytest.fixture(scope="module")
def app():
    return load_app("abliteration")


ROOMS = {
    "find": find,
    "ablate": remove,
    "optimise": measure,
    "features": features,
    "certificate": take,
    "chat": chat,
}


@pytest.fixture(scope="module")
def rooms(app):
    """The rooms as the page wires them, by their tabs; built once more, for their parts."""
    import gradio as gr

    with gr.Blocks() as demo:
        boxes = controls.build(Request())
        with gr.Tabs() as tabs:
            made = {}
            for name, module in ROOMS.items():
                with gr.Tab(name):
                    made[name] = module.build(demo, tabs, boxes)
    return made


@pytest.mark.parametrize("name", ROOMS)
def test_the_link_of_a_stored_example_asks_for_it(rooms, name):
    room, stored = rooms[name], controls.example(name)
    query = room.panel.data["query"]
    first, _, rest = query.partition("&")
    assert first == f"room={name}" and name in room.runs
    request = room.request.from_query(rest)
    assert request == room.request.parse(**stored["request"])
    shown = room.form(request)
    assert room.parse({**{box: box.value for box in room.controls.values()}, **shown}) == request


@pytest.mark.parametrize(
    ("name", "asks"), [("forensics", ForensicsRequest), ("bench", BenchRequest)], ids=["forensics", "bench"]
)
def test_a_room_of_its_own_begins_with_its_example_and_its_link(name, asks):
    import gradio as gr

    with gr.Blocks() as demo, gr.Tabs() as tabs, gr.Tab(name):
        room = {"forensics": forensics, "bench": bench}[name].build(demo, tabs)
    first = controls.example(name)
    query = room.panel.data["query"]
    assert query.startswith(f"room={name}&")
    asked = asks.parse(**first["request"])
    assert asks.from_query(query) == asked and set(room.controls) == set(asks.declared())
    assert room.parse({box: box.value for box in room.controls.values()}) == asked


def test_the_card_says_what_the_stored_kernel_costs():
    """In the search's figure as in that of the answers, and in the card."""
    near = controls.example("optimise")["measures"]["truth"]["positive"]["nearness"]
    assert near == controls.example("ablate")["nearness"]
    card = (controls.HERE / "README.md").read_text(encoding="utf-8")
    for who in ("base", "edited"):
        assert f"{near[who]['mean']:.3f} ± {near[who]['sigma']:.3f}".replace("0.", ".") in card
    assert f"on {near['edited']['of']} cooking questions" in card


def test_the_card_says_what_the_stored_bench_found():
    found = controls.example("bench")
    card = (controls.HERE / "README.md").read_text(encoding="utf-8")
    shares = [str(round(100 * plant["parts"][plant["layer"]]["topic"])) for plant in found["plants"]]
    said = f"{', '.join(shares[:-1])} and {shares[-1]} %"
    assert f"of {len(shares)} plants the topic is {said} of the direction" in card
    gaps = [gap for row in found["summary"] for gap in row["against"].values()]
    assert all(gap["low"] <= 0 <= gap["high"] for gap in gaps), "the card says that chance explains them"


def test_the_bench_asks_for_seconds_by_plants_methods_and_trials():
    one, two = (
        BenchRequest.parse(plants=["travel"], trials=12),
        BenchRequest.parse(plants=["travel", "sport"]),
    )
    assert bench.seconds(one) == 20 + 12 + 2 * 12 + 6 and bench.seconds(two) == 2 * bench.seconds(one) - 20
    assert bench.seconds(BenchRequest.parse(plants=["travel"], methods=["means"])) == 20 + 12 + 2


def test_the_controls_under_a_stored_example_ask_for_it(app, rooms):
    """Whoever presses a room's button under its example gets that example again."""
    asked = [controls.example_of(room) for room in rooms.values()]
    shown = rooms["find"].form(app.first)
    assert app.first == controls.example_of(rooms["find"]), "the page begins with Find"
    for room in [*rooms.values(), rooms["find"]]:
        values = {**{box: box.value for box in room.controls.values()}, **shown, room.state: room.state.value}
        shown = {**values, **(controls.form_of_example(room, values, asked) or {})}
        assert room.parse(shown) == controls.example_of(room)


def test_what_a_visitor_has_set_stays_when_a_tab_is_opened(rooms):
    room = rooms["ablate"]
    asked = [controls.example_of(one) for one in rooms.values()]
    for state, request in (
        (room.state.value, Request(seed=5)),
        ({"done": True}, controls.example_of(rooms["find"])),
        (None, controls.example_of(rooms["find"])),
    ):
        values = {**room.form(request), room.state: state}
        assert controls.form_of_example(room, values, asked) is None
    broken = {**room.form(Request()), room.controls["layer"]: "x", room.state: room.state.value}
    assert controls.form_of_example(room, broken, asked) is None


def test_every_setting_has_a_control_that_brings_it_back(rooms):
    room = rooms["features"]
    assert set(room.controls) == set(Request.declared())
    request = Request.parse(
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
        markers=["nope"],
        shows="is likelier",
        value="Yes.\nIndeed.",
        against="No.",
        sae_layer=3,
        features=64,
        k=4,
        steps=10,
    )
    assert room.parse(room.form(request)) == request
    # what the fields of the other rooms cannot show stays at its default
    assert rooms["find"].parse(rooms["find"].form(request)) != request


def test_the_visitors_sets_count_only_where_they_are_chosen(rooms):
    room = rooms["find"]
    values = room.form(Request())
    boxes = room.controls
    sets = {
        boxes["positive"]: "\n".join(f"How do I paint wall {n}?" for n in range(8)),
        boxes["negative"]: "\n".join(f"Where is river {n}?" for n in range(8)),
    }
    own = room.parse({**values, **sets, boxes["contrast"]: "own"})
    assert own.positive[0] == "How do I paint wall 0?" and len(own.negative) == 8
    assert room.parse({**values, **sets, boxes["contrast"]: "cooking"}) == Request()
    with pytest.raises(VisitorError, match="positive set has no prompt"):
        room.parse({**values, boxes["contrast"]: "own"})


def test_a_run_tells_the_kernels_editor_how_many_layers_there_are(rooms):
    room = rooms["find"]
    layers = room.outputs[0]
    steps = [{"done": False}, {"model": {"layers": 12}, "done": True}]
    kept = room.outputs[1]
    known = list(controls.Controls({}, layers, kept).follow(room.figure, iter(steps), {kept: []}))
    assert known == [{room.figure: steps[0]}, {room.figure: steps[1], layers: 12}]


def test_a_direction_brings_its_model():
    assert with_direction().model == "cautious"
    told = {"vector": "made/a"}
    assert with_direction(direction=told).vector == with_direction(vector="made/a").vector == "made/a"
    assert with_direction(direction=told, vector="made/b").vector == "made/b"
    assert with_direction("", {"model": "pirate", "layer": 3}, method="add") == Request.parse(
        model="pirate", layer=3, method="add"
    )
    assert (
        with_direction("pirate", {"layer": 3}).model
        == with_direction("pirate", {"model": "pirate"}).model
        == "pirate"
    )
    for direction, model in (([1], ""), ({"model": "pirate"}, "cautious")):
        with pytest.raises(VisitorError):
            with_direction(model, direction)


def test_the_editor_shows_the_kernel_or_says_why_not():
    curves = remove.editor_value('{"attention": 0.5, "blocks": [0, 1]}', 2)
    assert curves == {
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
        assert set(remove.editor_value(text, 3)["error"]) == {"what", "remedy"}
    json.dumps(curves)


def test_an_upload_becomes_the_text_of_its_field(tmp_path):
    import gradio as gr

    path = tmp_path / "set.json"
    path.write_text('["one\\n two", "three"]', encoding="utf-8")
    assert json.loads(uploads.upload(str(path))) == ["one\n two", "three"]
    for data, sentence in (
        (b"\xff\xfe\x00", "not text"),
        (b"[1]", "list of texts"),
        (b"a" * 1_000_001, "1 MB"),
    ):
        path.write_bytes(data)
        with pytest.raises(gr.Error, match=sentence):
            uploads.upload(str(path))


def test_an_export_leaves_one_archive(tmp_path, monkeypatch):
    def steps(request: Request, folder: Path, form: str):
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"weights")
        yield {"kind": "export", "done": True}

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(take, "export_steps", steps)
    _, file = take.export(Request())
    assert zipfile.ZipFile(file.path).namelist() == ["model.safetensors"]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["edited.zip"] and not list(
        tmp_path.rglob("edited")
    )


def test_a_text_field_shows_a_setting_as_text(rooms):
    text = rooms["find"].controls["kernel"]
    assert control_value(text, None) == "" and control_value(text, 2.5) == "2.5"
