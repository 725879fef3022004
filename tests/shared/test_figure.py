"""The figure: modules that join into one script, exports that nothing breaks out of."""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode
from pathlib import Path

import gradio as gr
import pytest

from shared import figure, suite
from tests.conftest import ROOT

FOLDERS = [*(ROOT / "spaces" / name / name / "js" for name in suite.names()), ROOT / "shared/panel"]


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_modules_join_into_one_script(folder: Path):
    """Top-level names are unique over the folder, and nothing of the module syntax is left."""
    script = figure.bundle(folder)
    names = re.findall(r"^(?:async )?(?:function|const|let|class) ([A-Za-z_$][\w$]*)", script, re.MULTILINE)
    assert len(names) == len(set(names)), {name for name in names if names.count(name) > 1}
    assert names.count("render") == 1
    assert not re.search(r"^(import|export)\b", script, re.MULTILINE)
    assert "fetch(" not in script.replace("host.fetch(", "")
    for forbidden in ("XMLHttpRequest", "eval(", "innerHTML", "https://cdn"):
        assert forbidden not in script


def test_an_export_cannot_be_broken_out_of():
    data = {"kind": "decoding", "runs": [], "text": "</script><script>alert(1)</script>\u2028<!--"}
    text = figure.standalone_html(data, FOLDERS[0], title="</title><b>", link="javascript:alert(1)")
    assert text.count("</script>") == 2
    assert "<b>" not in text.split("<style>")[0].split("<title>")[1].replace("&lt;b&gt;", "")
    assert "javascript:alert" not in text
    stored = re.search(r'id="figure-data">(.*?)</script>', text, re.DOTALL).group(1)
    assert json.loads(stored) == data


def test_a_large_value_travels_compressed_and_a_small_one_as_it_is():
    made = figure.Figure(folder=FOLDERS[0])
    small, large = {"text": "é"}, {"text": "日本語 \U0001f44d" * 2_000}
    assert json.loads(made.postprocess(small)) == small
    text = made.postprocess(large)
    assert text.startswith(figure.PACKED) and len(text) < 1_000
    assert json.loads(zlib.decompress(b64decode(text.removeprefix(figure.PACKED)))) == large
    assert made.postprocess(None) is None


def test_a_page_learns_of_a_figure_what_draws_it_and_nothing_of_the_server():
    """Gradio sends each argument of a component that is also one of its attributes, and copies all of them
    at every visit; an attribute may be a folder of the server, or an event that holds the whole app.
    """
    with gr.Blocks():
        made = figure.Figure(folder=FOLDERS[0], title="One", events=("branch",), fetch=(lambda _: None,))
    sent = made.get_config()
    assert json.loads(json.dumps(sent)) == sent
    assert str(FOLDERS[0]) not in json.dumps(sent) and sent["js_on_load"] == made.js_on_load
    assert {"value", "js_on_load", "html_template", "elem_id", "props"} <= set(sent)


def test_closed_tabs_cost_nothing_and_a_script_travels_once():
    data = {"kind": "decoding", "text": "x" * 100}
    with gr.Blocks() as demo:
        with gr.Tabs():
            with gr.Tab("one"):
                shown = [figure.Figure(data, folder=FOLDERS[0]) for _ in range(2)]
            with gr.Tab("two"), gr.Accordion("in it"):
                hidden = [figure.Figure(data, folder=FOLDERS[0]), figure.Figure(folder=FOLDERS[1])]
        below = figure.Figure(data, folder=FOLDERS[1])
    figure.lighten(demo)
    carried = [len(one.js_on_load) > 20_000 for one in (*shown, *hidden, below)]
    assert carried == [True, False, False, False, True]
    assert [one.value for one in hidden] == [figure.LATER, None]
    assert all(json.loads(one.value) == data for one in (*shown, below))
    assert hidden[0].data == data, "what the figure shows once it is seen"
