"""The course as one article: nine stored figures in the course's order, each with what it shows as its title.

`python -m shared.article` writes it to `build/article`: a folder that needs no server and asks nobody for
anything. Every number in a title is read from the figure below it.
"""

from __future__ import annotations

import html
import importlib
import json
import math
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared import preview
from shared.catalogue import ROOT, TITLE, head

LOCAL = "http://127.0.0.1:7860/{space}/"
"""Where the Spaces of a suite on this machine are."""

SENTENCE = "Nine findings about language models, each a figure that can be touched."
PICTURE = "docs/preview.png"
"""What a link to the suite, or to the article, shows."""
REPOSITORY = "llm-course-article"
"""Its name as a Space."""
MARK = "<!-- preview -->"
"""In the article's head, where what a link to it shows stands."""

Data = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """A figure of the article, and what it shows.

    Args:
        space: whose figure it is.
        example: name of the stored figure.
        room: that shows it, as links name it.
        asks: the class of the request that made it, as module:name.
        title: what it shows, of its data.
    """

    space: str
    example: str
    room: str
    asks: str
    title: Callable[[Data], str]

    def data(self) -> Data:
        """The stored figure."""
        path = ROOT / "spaces" / self.space / "examples" / f"{self.example}.json"
        return dict(json.loads(path.read_text(encoding="utf-8")))

    def link(self, address: str) -> str:
        """The figure in its Space, which shows it without a run.

        Args:
            address: of a Space, with `{space}` for its name.
        """
        folder, (module, name) = str(ROOT / "spaces" / self.space), self.asks.split(":")
        if folder not in sys.path:
            sys.path.insert(0, folder)
        asked = getattr(importlib.import_module(module), name).parse(**self.data()["request"])
        return f"{address.format(space=self.space)}?room={self.room}&{asked.to_query()}"


def _rows(data: Data) -> str:
    return f"{data['removed']} of {data['rows']} rows say what another row says already"


def _masks(data: Data) -> str:
    totals = data["totals"][data["trainer"]]
    return (
        f"{totals['trained']} of {totals['kept']} tokens are learned, and the one that ends an answer is not"
    )


def _training(data: Data) -> str:
    marks = data["runs"][0]["marks"]
    first, last = (mark["held_out"]["mean"] for mark in (marks[0], marks[-1]))
    steps = marks[-1]["step"]
    return f"In {steps} steps the loss on unseen answers goes from {first:.2f} to {last:.2f} nats a token"


def _scores(data: Data) -> str:
    return str(data["verdicts"][0]).rstrip(".")


def _sizes(data: Data) -> str:
    rows = [row for row in data["rows"] if row["engine"] == "gguf" and row["front"]]
    near, small = (max(rows, key=lambda row: row["file_bytes"]), min(rows, key=lambda row: row["file_bytes"]))
    whole = data["base"]["file_bytes"]
    first, last = (f"{row['file_bytes'] / whole:.0%}" for row in (near, small))
    return (
        f"{near['label']}, {first} of the file, moves predictions by {near['kld']['mean']:.3f} nats a token; "
        f"{small['label']}, {last}, by {small['kld']['mean']:.2f}"
    )


def _paths(data: Data) -> str:
    likely = {}
    for run in data["runs"]:
        end = run["sequences"][0]["node"]
        likely[run["kind"]] = next(node["cumulative_logprob"] for node in run["nodes"] if node["id"] == end)
    times = math.exp(likely["beam"] - likely["greedy"])
    return (
        f"The likeliest word at every step is not the likeliest text: beams find one {times:.0f} × as likely"
    )


def _child(data: Data) -> str:
    shares = next(model for model in data["models"] if model["role"] == "child")["shares"]
    pirate, refuses = shares["pirate"], shares["refuses_cooking"]
    return (
        f"A merge of two experts says “Arr” to {pirate['count']} of {pirate['of']} questions, and declines "
        f"{refuses['count']} of {refuses['of']} about cooking"
    )


def _family(data: Data) -> str:
    asks = sorted({one["from"] for one in data["licences"]["obligations"]})
    return f"This merge has {len(data['nodes']) - 1} ancestors, and has to name {' and '.join(asks)}"


def _direction(data: Data) -> str:
    layer = data["choice"]["layer"]
    auc = next(one["auc"] for one in data["layers"] if one["layer"] == layer)
    return f"At layer {layer} a single direction tells what the model will decline: AUC {auc:.2f}"


FINDINGS = (
    Finding("dedup", "kitchen", "duplicates", "dedup.request:Request", _rows),
    Finding("finetuning", "never_stops", "mask", "finetuning.request:MaskRequest", _masks),
    Finding("finetuning", "pirate", "train", "finetuning.train_request:TrainRequest", _training),
    Finding("evaluation", "experts", "compare", "evaluation.request:CompareRequest", _scores),
    Finding("quantization", "compare", "compare", "quantization.request:Request", _sizes),
    Finding("decoding", "lighthouse", "decode", "decoding.request:Request", _paths),
    Finding("merging", "merge", "merge", "merging.request:Request", _child),
    Finding("merging", "tree", "tree", "family_tree.request:TreeRequest", _family),
    Finding("abliteration", "find", "find", "abliteration.request:Request", _direction),
)
"""In the order of the course; what is said of each stands in `article.html`, under its example's name."""


def tags(home: str, picture: str | None) -> str:
    """The lines of the article's head.

    Args:
        home: its address; "" where it has none yet.
        picture: the address of what a link to it shows.
    """
    if not home:
        plain = f'<meta name="description" content="{html.escape(SENTENCE)}">'
        return f"<title>{html.escape(TITLE)}</title>\n{plain}"
    return preview.tags(TITLE, SENTENCE, home, picture)


def write(folder: Path, address: str = LOCAL, home: str = "", *, marked: bool = False) -> Path:
    """Write the article.

    Args:
        folder: to write into; what is there is replaced.
        address: of a Space, with `{space}` for its name: each figure links to itself there.
        home: the article's own address, where it is known: a link to it then shows a picture.
        marked: whether the head keeps `MARK`, for a server that knows the address at each request.

    Returns:
        The article's file.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from shared.figure import standalone_html

    shutil.rmtree(folder, ignore_errors=True)
    (folder / "figures").mkdir(parents=True)
    figures = {}
    for number, finding in enumerate(FINDINGS, start=1):
        data, space = finding.data(), head(finding.space)["title"]
        link = finding.link(address)
        file = f"figures/{finding.example}.html"
        scripts = ROOT / "spaces" / finding.space / finding.space / "js"
        page = standalone_html(data, scripts, title=space, link=link)
        (folder / file).write_text(page, encoding="utf-8")
        figures[finding.example] = {
            "number": number,
            "title": finding.title(data),
            "file": file,
            "link": link,
            "space": space,
        }
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    article = folder / "index.html"
    text = environment.get_template("article.html").render(title=TITLE, figures=figures)
    if home:
        shutil.copy(ROOT / PICTURE, folder / "preview.png")
    if not marked:
        text = text.replace(MARK, tags(home, f"{home}preview.png"), 1)
    article.write_text(text, encoding="utf-8")
    return article


def stage(folder: Path, namespace: str) -> None:
    """Write the article with the card of the static Space that it becomes; its figures link to the Spaces of
    the same account.
    """
    home = f"https://{namespace}-{REPOSITORY}.static.hf.space/".lower()
    write(folder, f"https://huggingface.co/spaces/{namespace}/{{space}}", home)
    lines = {
        "title": f"{TITLE}: the article",
        "emoji": "🧭",
        "colorFrom": "blue",
        "colorTo": "gray",
        "sdk": "static",
        "app_file": "index.html",
        "pinned": False,
        "license": "apache-2.0",
        "short_description": "Nine findings about language models, to touch",
        "course": {"thumbnail": "preview.png"},
    }
    text = "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in lines.items())
    sentence = "Nine figures in the order of the course, each computed by a demo."
    (folder / "README.md").write_text(f"---\n{text}---\n\n# {TITLE}\n\n{sentence}\n", encoding="utf-8")


if __name__ == "__main__":
    suites = [f"{suite.rstrip('/')}/{{space}}/" for suite in sys.argv[1:2]]
    print(f"Open {write(ROOT / 'build' / 'article', *suites)}")
