"""What a link shows where it is pasted: title, sentence and picture of the page, or of the room it opens.

Programs that draw such previews read a page's head and run no script. Gradio's head shows Gradio's banner, so
its template is read without those lines, and gets the page's own.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared import owner
from shared.errors import VisitorError

if TYPE_CHECKING:
    from starlette.requests import Request

    from shared.app import App

TEMPLATE = "frontend/index.html"
LONGEST_QUERY = 8_000
"""Characters of a link that its head repeats."""
EXAMPLES = "examples.json"
SIZE = 1200, 630
"""Pixels of every picture."""
_BANNER = re.compile(r'<meta\s+(?:property="og:|name="twitter:)[^>]*?/>\s*')
_FIRST = '<meta charset="utf-8" />'
_MARK = "{{ preview(request, config) }}"


def tags(title: str, sentence: str, address: str, picture: str | None) -> str:
    """The lines of a head, as HTML.

    Args:
        title: what the link opens.
        sentence: what is to be done there.
        address: of the page, with its query.
        picture: its address; None without one.
    """
    values = {"og:type": "website", "og:title": title, "og:description": sentence, "og:url": address}
    if picture:
        values |= {"og:image": picture, "og:image:width": str(SIZE[0]), "og:image:height": str(SIZE[1])}
    named = {
        "description": sentence,
        "twitter:card": "summary_large_image" if picture else "summary",
        "twitter:title": title,
        "twitter:description": sentence,
        **({"twitter:image": picture} if picture else {}),
    }
    lines = [f"<title>{html.escape(title)}</title>"]
    lines += [f'<meta property="{key}" content="{html.escape(value)}">' for key, value in values.items()]
    lines += [f'<meta name="{key}" content="{html.escape(value)}">' for key, value in named.items()]
    return "\n".join(lines)


def query_name(room: str, query: str) -> str:
    """The name of a stored result's picture."""
    return f"{room}-{hashlib.sha256(query.encode()).hexdigest()[:8]}"


@cache
def examples(folder: Path) -> dict[str, dict[str, str]]:
    """What links to a Space's stored results show, by room and query, as `make screenshots` wrote it: title,
    sentence, and the name of the picture.
    """
    path = folder / "preview" / EXAMPLES
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def example_of(demo: App, room: str, query: str) -> dict[str, str] | None:
    """What is known of the stored result that a link shows; None where it shows none."""
    entrance = demo.rooms.get(room)
    if demo.folder is None or entrance is None or entrance.request is None or len(query) > LONGEST_QUERY:
        return None
    try:
        if not entrance.request.is_in(query):
            return None
        asked = entrance.request.from_query(query).to_query()
    except (VisitorError, ValueError):  # the page says what is wrong with it
        return None
    return examples(demo.folder).get(f"{room}?{asked}")


def of_page(demo: App, root: str, room: str, query: str) -> str:
    """The lines of a page's head.

    Args:
        demo: the page.
        root: its address, without a slash at the end.
        room: the run that the link names, "" for none; another than the page's counts as none.
        query: of the link.
    """
    entrance = demo.rooms.get(room) or next(iter(demo.rooms.values()), None)
    title = entrance.title if entrance and room in demo.rooms else str(demo.title)
    sentence, name = demo.sentence, entrance.picture if entrance else ""
    if example := example_of(demo, room, query):
        title, sentence = f"{example['title']} · {title}", example["sentence"] or sentence
        name = example["picture"]
    picture = f"{root}/preview/{name}.png" if picture_of(demo, name) else None
    page = owner.hub_page() or f"{root}/"
    return tags(title, sentence, f"{page}?{query}" if 0 < len(query) <= LONGEST_QUERY else page, picture)


def picture_of(demo: App, room: str) -> Path | None:
    """The file of the picture of a room, or of a stored result, where it has one."""
    if demo.folder is None:
        return None
    if room not in demo.rooms and all(one["picture"] != room for one in examples(demo.folder).values()):
        return None
    path = demo.folder / "preview" / f"{room}.png"
    return path if path.is_file() else None


def serve(server: Any) -> None:
    """Answer with the pictures of a page's rooms, and write its head.

    Args:
        server: Gradio's, of one page.
    """
    from fastapi import HTTPException
    from fastapi.responses import FileResponse

    @server.get("/preview/{name}.png", include_in_schema=False)
    def picture(name: str) -> FileResponse:
        path = picture_of(server.get_blocks(), name)
        if path is None:
            raise HTTPException(404, "There is no such picture.")
        return FileResponse(path)

    _without_banner()


def _without_banner() -> None:
    """Let Gradio read its template without its banner, once a process."""
    from gradio.routes import templates
    from jinja2 import BaseLoader, Environment
    from markupsafe import Markup

    loader = templates.env.loader
    if loader is None or "preview" in templates.env.globals:
        return

    read = loader.get_source

    class WithoutBanner(BaseLoader):
        def get_source(self, environment: Environment, template: str) -> Any:
            source, name, current = read(environment, template)
            if template == TEMPLATE:
                source = _BANNER.sub("", source).replace(_FIRST, f"{_FIRST}\n{_MARK}", 1)
            return source, name, current

    def preview(request: Request, config: dict[str, Any]) -> Markup:
        params = request.query_params
        demo = request.app.get_blocks()
        return Markup(of_page(demo, config["root"], params.get("room", ""), str(params)))  # noqa: S704  escaped

    templates.env.globals["preview"] = preview
    templates.env.loader = WithoutBanner()
