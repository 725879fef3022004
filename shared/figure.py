"""The Figure: JSON in, interactive picture out; one JavaScript renderer for the page and for the one-file
export.

A renderer is a folder of small ES modules, one of which exports `render(element, data, host)`. They are
joined with the modules of `shared/js` into one script: import lines and the word `export` go, so top-level
names must be unique among them. `host` is

- `emit(name, detail)`: an event for Python, heard by `figure.<name>(handler)` as `gr.EventData`; an export
  does nothing with it;
- `fetch(name, arguments)`: asks the page's Python function of that name, `null` in an export;
- `exported`: whether the figure stands alone.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import zlib
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr

from shared.errors import VisitorError
from shared.turns import in_turn

_IMPORT = re.compile(r"^import .*?;\n", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"^[ ]*(?:/\*\*(?:(?!\*/).)*\*/|//[^\n]*)\n", re.MULTILINE | re.DOTALL)
"""Comments on lines of their own: every visit and every export carries the script, and a fifth of it speaks
to readers of the source.
"""

_EXPORT = re.compile(r"^export (?=async function|function|const|class|let)", re.MULTILINE)

PACKED = "zlib:"
"""Marks a value that travels compressed."""

LARGE = 8_000
"""Bytes from which a value is worth it: nothing else compresses a growing figure on its way."""

LATER = '"later"'
"""The value of a figure in a tab that is closed at first: it asks for its own once it is seen."""

UNPACK = """\
async (text) => {
  if (!text?.startsWith("PACKED")) return text;
  const bytes = Uint8Array.from(atob(text.slice("PACKED".length)), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return await new Response(stream).text();
}""".replace("PACKED", PACKED)
"""JavaScript that gives a figure's value as JSON text."""

_PAGE = """\
const host = {
  emit: (name, detail) => trigger(name, detail),
  fetch: async (name, argument) => await server[name](argument),
  exported: false,
};
const events = EVENTS; // Gradio finds a component's events by their names in this text
const unpack = UNPACK;
const known = (globalThis.courseFigures ??= {}); // by their script: figures of a page share it
const script = SCRIPT;
const renderer = () =>
  (known["NAME"] ??= script?.() ?? server.script({}).then((text) => Function(text)()));
const show = (render, text) =>
  render(element.querySelector('.figure-root'), text ? JSON.parse(text) : null, host);
let drawn; // Gradio tells of the first value once more after the first draw
let turn = Promise.resolve(); // no value overtakes another
let waiting = 0;
const draw = () => {
  const value = props.value;
  if (value === drawn) return;
  drawn = value;
  const render = renderer();
  const ready = typeof render === "function" && value !== LATER && !value?.startsWith(PACKED);
  if (ready && !waiting) return show(render, value);
  waiting += 1;
  turn = turn.catch(() => {}).then(async () => {
    try {
      const text = await unpack(value === LATER ? await server.first({}) : value);
      if (value !== LATER || props.value === value) show(await render, text);
    } finally {
      waiting -= 1;
    }
  });
};
draw();
watch('value', draw);
"""

COMMON = Path(__file__).parent / "js"
"""Modules and style sheet that every figure has."""


@cache
def bundle(folder: Path) -> str:
    """Join the common modules and a folder's into one script without imports and exports; `render` is its
    entry.
    """
    sources = []
    for path in [*sorted(COMMON.glob("*.js")), *sorted(folder.glob("*.js"))]:
        sources.append(
            f"// {path.name}\n"
            + _EXPORT.sub("", _IMPORT.sub("", _COMMENT.sub("", path.read_text(encoding="utf-8"))))
        )
    return "\n".join(sources)


@cache
def stylesheet(folder: Path) -> str:
    """The folder's style sheets, `figure.css` first."""
    paths = sorted(folder.glob("*.css"), key=lambda path: (path.name != "figure.css", path.name))
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def _page(folder: Path, events: Sequence[str], *, carried: bool) -> str:
    """What a figure does in its page; `carried`: whether it brings the renderer's script."""
    source = bundle(folder)
    parts = {
        "EVENTS": json.dumps(list(events)),
        "UNPACK": UNPACK,
        "LATER": json.dumps(LATER),
        "PACKED": json.dumps(PACKED),
        "NAME": hashlib.sha256(source.encode()).hexdigest()[:12],
        "SCRIPT": f"() => {{\n{source}\nreturn render;\n}}" if carried else "null",
    }
    return re.sub(r"\b(?:" + "|".join(parts) + r")\b", lambda name: parts[name[0]], _PAGE)


def lighten(demo: gr.Blocks) -> None:
    """Let every script travel once with a page, and what closed tabs show not before it is seen."""
    brought = set()
    for figure in [block for block in demo.blocks.values() if isinstance(block, Figure)]:
        closed = _in_closed_tab(figure)
        if closed or figure.folder in brought:
            figure.leave_script()
        else:
            brought.add(figure.folder)
        if closed:
            figure.leave_value()


def _in_closed_tab(block: gr.blocks.Block) -> bool:
    """Whether a block lies in a tab that is not the first of its row."""
    parent = block.parent
    while parent is not None:
        if isinstance(parent, gr.Tab) and parent.parent and parent.parent.children[0] is not parent:
            return True
        parent = parent.parent
    return False


class Figure(gr.HTML):
    """A picture drawn in the browser from a JSON value.

    Args:
        value: JSON-like dict or None; what `render` gets as `data`.
        folder: the renderer's ES modules and style sheets.
        events: names that `host.emit` may use; each becomes a listener, `figure.<name>(handler)`.
        fetch: Python functions that `host.fetch` may call by name, each with one dict argument, returning
            JSON; a figure is told of an error, and that too many ask, as `{error: {what, remedy}}`. Beside
            them it always has `standalone_file(data)`, the text of `standalone_html`, and what `lighten`
            left out of the page.
        title: title of the one-file export.
        elem_id: id of the component's element.
    """

    def __init__(
        self,
        value: Mapping[str, Any] | None = None,
        *,
        folder: Path,
        events: Sequence[str] = (),
        fetch: Sequence[Callable[..., Any]] = (),
        title: str = "Figure",
        elem_id: str | None = None,
        **arguments: Any,
    ) -> None:
        def standalone_file(data: dict[str, Any]) -> str:
            return standalone_html(data, folder, title=title)

        async def script(_: Any) -> str:
            return f"{bundle(folder)}\nreturn render;"

        async def first(_: Any) -> str | None:
            return self.postprocess(self.data)

        self.data = value
        """The first value, before Gradio makes a text of it."""
        self.folder = folder
        self.document_title = title
        self.page_events = tuple(events)
        super().__init__(
            value=value,
            html_template='<div class="figure-root"></div>',
            css_template="",
            js_on_load=_page(folder, self.page_events, carried=True),
            apply_default_css=False,
            padding=False,
            elem_id=elem_id,
            server_functions=[
                *(in_turn(function, VisitorError.to_json) for function in (standalone_file, *fetch)),
                script,
                first,
            ],
            **arguments,
        )

    def leave_script(self) -> None:
        """Leave the script out of the page: another figure brings it, or it is asked for."""
        self.js_on_load = _page(self.folder, self.page_events, carried=False)

    def leave_value(self) -> None:
        """Leave the first value out of the page: it is asked for when the figure is seen."""
        if self.data is not None:
            self.value = LATER

    # gr.HTML takes text; a figure takes its data
    def postprocess(self, value: Mapping[str, Any] | None) -> str | None:  # type: ignore[override]
        """The value as one JSON text, compressed where it is large: Gradio would wrap every part of an object
        in observers, which costs a fifth of a second.
        """
        if value is None:
            return None
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        data = text.encode("utf-8", "surrogatepass")
        return text if len(data) < LARGE else PACKED + b64encode(zlib.compress(data)).decode()

    def get_config(self) -> dict[str, Any]:  # type: ignore[override]
        """What the page is told. Gradio would tell it of every attribute that is named as an argument is: the
        folder on this server, and for the title an event of that name, with the whole app, copied at every
        visit.
        """
        told = super().get_config()
        return {name: value for name, value in told.items() if name not in ("folder", "events", "title")}

    def get_block_name(self) -> str:
        return "html"

    def api_info(self) -> dict[str, Any]:
        return {"type": "object", "description": "the figure's data"}

    def example_payload(self) -> Any:
        return None

    def example_value(self) -> Any:
        return None


def standalone_html(data: dict[str, Any], folder: Path, *, title: str, link: str | None = None) -> str:
    """One HTML file that draws the figure from disk, offline, and reports its height to a page that frames
    it.

    The file's own content security policy forbids every request. To its parent window it posts
    `{type: "figure-height", height: <CSS pixels>}` whenever the height changes.

    Args:
        data: the figure's value.
        folder: the renderer's modules and style sheets.
        title: the document's title.
        link: URL of the demo that made the figure, shown below it.
    """
    credit = ""
    if link and link.startswith(("https://", "http://")):
        anchor = f'<a href="{html.escape(link, quote=True)}">{html.escape(title)}</a>'
        credit = f'<p class="figure-credit">Made with {anchor}</p>'
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    parts = {
        "<!-- title -->": html.escape(title),
        "/* css */": stylesheet(COMMON) + stylesheet(folder),
        "<!-- credit -->": credit,
        "<!-- data -->": text,
        "/* script */": bundle(folder).replace("</script", "<\\/script"),
    }
    page = (Path(__file__).parent / "standalone.html").read_text(encoding="utf-8")
    # one pass: what is put in may hold another mark
    return re.sub("|".join(map(re.escape, parts)), lambda mark: parts[mark[0]], page)
