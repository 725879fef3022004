"""The app's functions without a server: what hostile or broken values give, and what is asked outside the
queue.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from quantization import plan
from shared import experts, models
from shared.errors import VisitorError
from shared.suite import load_app

DEFAULT = {"tensor": "model.layers.0.mlp.down_proj.weight", "method": "rtn", "settings": {"group": 32}}


@pytest.fixture(scope="module")
def app():
    return load_app("quantization")


@pytest.fixture
def loaded(tiny_gguf, monkeypatch):
    """The tiny model as the only one in memory; whoever loads another fails the test."""
    monkeypatch.setattr(models, "in_memory", lambda name: tiny_gguf if name == tiny_gguf.id else None)
    monkeypatch.setattr(models, "load", lambda *_: pytest.fail("a model was loaded"))
    return tiny_gguf


def test_a_handle_asks_of_a_model_in_memory_only(app, loaded):
    found = app.block({**DEFAULT, "model": loaded.id, "row": 1, "block": 1})
    assert found["row"] == 1 and len(found["codes"]) == 32
    assert app.adjust({**DEFAULT, "model": loaded.id})["kld"]["mean"] > 0
    assert (
        "no longer in memory"
        in app.block({**DEFAULT, "model": "someone/else", "row": 0, "block": 0})["error"]["what"]
    )


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"row": float("inf")}, "row is inf"),
        ({"row": None}, "row is None"),
        ({"row": 10**6}, "There is no block"),
        ({"block": -1}, "block is -1"),
        ({"settings": {"bits": 10**400}}, "bits is 1000"),
        ({"settings": "[" * 100_000}, "not a JSON object"),
        ({"method": ["rtn"]}, "not a text"),
    ],
)
def test_a_figure_that_asks_nonsense_reads_what_is_wrong(app, loaded, values, sentence):
    found = app.block({**DEFAULT, "model": loaded.id, "row": 0, "block": 0, **values})
    assert sentence in found["error"]["what"], found


def test_what_nobody_foresaw_is_an_error_too(app, loaded, monkeypatch):
    from quantization import effect

    def broken(*_):
        raise OverflowError

    monkeypatch.setattr(effect, "adjusted", broken)
    assert "OverflowError" in app.adjust({**DEFAULT, "model": loaded.id})["error"]["what"]
    assert "TypeError" in app.adjust(3)["error"]["what"]


def test_a_handle_does_not_wait_for_ever(app, loaded, monkeypatch):
    monkeypatch.setattr(app, "PATIENCE_SECONDS", 0.01)
    with app._turn:
        assert "Others are asking" in app.adjust({**DEFAULT, "model": loaded.id})["error"]["what"]
    assert "kld" in app.adjust({**DEFAULT, "model": loaded.id})


def test_the_plan_loads_no_model(loaded, tmp_path):
    assert plan.parameters_of(loaded.id) == sum(parameter.numel() for parameter in loaded.model.parameters())
    assert (
        plan.parameters_of(models.EMBEDDED_MODEL)
        == plan.parameters_of(experts.NAMES[0])
        == plan.EMBEDDED_PARAMETERS
    )
    asked = replace(plan.Request(), model=str(tmp_path))
    assert plan.parameters_of(asked.model) is None and "once" in plan.plan(asked)


@pytest.mark.parametrize(
    ("format", "sentence"),
    [
        (None, "no format to take home"),
        ("", "no format to take home"),
        ("mix:", "The mix has no size"),
        ("mix", "The mix has no size"),
        ("mix:much", "budget is much"),
        ("script:foo", "no script “foo”"),
        ("gguf:Q9", "gguf has no format"),
    ],
)
def test_what_cannot_be_taken_home_is_said(app, loaded, format, sentence):
    said, _, _, made = list(app.take_page(loaded.id, format, "", ""))[-1]
    assert sentence in said and "failed in a way" not in said and made is None
    if not str(format).startswith("script:"):
        with pytest.raises(VisitorError, match=sentence):
            app.quantize(loaded.id, format)


def test_a_cleared_model_is_the_default_in_a_script(app):
    said, files, _, _ = list(app.take_page(None, "script:gptq", None, ""))[-1]
    assert "It was not run here" in said
    assert models.EMBEDDED_MODEL in Path(files.value[0]["path"]).read_text(encoding="utf-8")


def test_a_run_that_is_stopped_leaves_no_files(app, tiny_gguf, monkeypatch, tmp_path):
    monkeypatch.setattr(models, "load", lambda *_: tiny_gguf)
    monkeypatch.setattr(app.frame, "upload_folder", lambda: tmp_path)
    text = "word and number " * 400
    pages = app.take_page(tiny_gguf.id, "gguf:Q4_0", text, text)
    next(pages)
    monkeypatch.setattr(app, "UPDATE_SECONDS", 0)
    next(pages)
    assert list(tmp_path.iterdir())
    pages.close()
    assert not list(tmp_path.iterdir())


def test_more_to_read_asks_for_more_seconds(app):
    asked = {"formats": ["own:absmax-int8"], "windows": 64, "sensitivity": [], "budget": None}
    short, long = (app.seconds({**asked, "context": context}) for context in (64, 2_048))
    assert 20 + 8 * 2 <= short < long <= 240
