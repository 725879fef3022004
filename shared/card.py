"""Model and dataset cards: a YAML head by huggingface_hub, and Markdown that holds strangers' words as text.

What a card says came from a visitor or the Hub: a licence, a name, a note. The head goes through
huggingface_hub's own YAML writer, cells and names are escaped, and no folder of this machine is named.
"""

from __future__ import annotations

import html
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared import shelf

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,40}")
LOCAL = "a local folder"


class Markdown(str):
    """Text that is Markdown already; every other string is escaped where it enters a card."""

    __slots__ = ()


def hub_id(name: str) -> str | None:
    """A name that is an id of the Hub, `owner/name`; None for a folder, an expert or anything else."""
    if shelf.is_made(name):
        return None
    return name if _HUB_ID.fullmatch(name) and not re.search(r"\.\.|--", name) else None


def public_name(name: str) -> str:
    """A model's or dataset's name as a card may state it: an id of the Hub as it is, of a path its last
    part.
    """
    if hub_id(name):
        return name
    parts = [part for part in re.split(r"[/\\]", name.strip()) if part.strip(". ~")]
    return " ".join(parts[-1].split()) if parts and not re.fullmatch("[A-Za-z]:", parts[-1]) else LOCAL


def model_head(
    *,
    library: str,
    tags: Sequence[str],
    licences: Sequence[str] = (),
    base: Sequence[str] = (),
    relation: str = "",
) -> str:
    """The YAML head of a model card, with the lines that enclose it.

    Args:
        library: that loads the model, such as "transformers", "peft" or "gguf".
        tags: in order, each once.
        licences: of all models that it was made from, "" where one is unknown, see `licence_fields`.
        base: names of those models; what is no id of the Hub is left out, what was made here stands for what
            it was made from.
        relation: "quantized", "merge", "finetune" or "adapter"; left out with the bases where there are none.
    """
    from huggingface_hub import ModelCardData

    known = list(dict.fromkeys(name for one in base for name in shelf.origins(one) if hub_id(name)))
    facts: dict[str, Any] = dict(licence_fields(licences))
    if known:
        facts["base_model"] = known[0] if len(known) == 1 else known
    if known and relation:
        facts["base_model_relation"] = relation
    data = ModelCardData(library_name=library, pipeline_tag="text-generation", tags=list(tags), **facts)
    return f"---\n{data.to_yaml()}\n---\n"


def dataset_head(
    *,
    tags: Sequence[str],
    sources: Sequence[str] = (),
    licences: Sequence[str] = (),
    data_files: str | Sequence[str] = (),
) -> str:
    """The YAML head of a dataset card, with the lines that enclose it.

    Args:
        tags: in order, each once.
        sources: names of the datasets that it was made from; what is no id of the Hub is left out.
        licences: of them, as for `model_head`.
        data_files: where the rows lie in the repository, of the default configuration.
    """
    from huggingface_hub import DatasetCardData

    known = list(dict.fromkeys(name for name in sources if hub_id(name)))
    files = data_files if isinstance(data_files, str) else list(data_files)
    facts: dict[str, Any] = dict(licence_fields(licences))
    if known:
        facts["source_datasets"] = known
    if files:
        facts["configs"] = [{"config_name": "default", "data_files": files}]
    data = DatasetCardData(tags=list(dict.fromkeys(tags)), **facts)
    return f"---\n{data.to_yaml()}\n---\n"


def licence_fields(licences: Sequence[str]) -> dict[str, str]:
    """The head's fields for the licences of everything that a thing was made from.

    One that all share is the thing's own; one that is no identifier of the Hub becomes `other` with its name;
    several become `other`, since which of them holds for the whole nobody here can say; none where one is
    unknown.
    """
    stated = list(dict.fromkeys(" ".join(licence.split()) for licence in licences))
    if not stated or "" in stated:
        return {} if len(stated) < 2 else {"license": "other"}
    if len(stated) > 1:
        return {"license": "other"}
    (licence,) = stated
    if _LICENCE.fullmatch(licence.lower()):
        return {"license": licence.lower()}
    return {"license": "other", "license_name": licence.removeprefix("other: ")[:80]}


@dataclass(frozen=True)
class Step:
    """One step from the sources to the published thing.

    Args:
        what: a sentence.
        library: that did it, with its version; "" where none did.
        settings: that decided the result, by name.
    """

    what: str
    library: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def pipeline(steps: Iterable[Step]) -> Markdown:
    """How a thing was made, as a numbered list: each step with its library and settings."""
    lines = []
    for number, step in enumerate(steps, 1):
        ways: list[str] = [escape(step.library)] if step.library else []
        ways += [f"{escape(name)} {code(str(value))}" for name, value in step.settings.items()]
        lines.append(f"{number}. {escape(step.what)}" + (f" ({', '.join(ways)})" if ways else ""))
    return Markdown("\n".join(lines))


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Markdown:
    """A Markdown table; every cell is escaped, and a row must have a cell for each column.

    Args:
        head: names of the columns; may be empty strings.
        rows: cells, made text by `str`.

    Raises:
        ValueError: a row has more or fewer cells.
    """
    lines = [_row(head), "|" + "---|" * len(head)]
    for row in rows:
        if len(row) != len(head):
            raise ValueError(f"a row of {len(row)} cells in a table of {len(head)} columns")
        lines.append(_row(row))
    return Markdown("\n".join(lines))


def _row(cells: Sequence[Any]) -> str:
    texts = [cell if isinstance(cell, Markdown) else escape(str(cell)) for cell in cells]
    # A pipe ends a cell even inside code; GitHub's tables take the backslash before it away.
    return "| " + " | ".join(_PIPE.sub(r"\|", " ".join(text.split())) for text in texts) + " |"


_PIPE = re.compile(r"(?<!\\)\|")


def escape(text: str) -> Markdown:
    """A stranger's words as Markdown that shows them as they are, in one line."""
    line = html.escape(" ".join(text.split()), quote=False)
    line = re.sub(r"([\\`*\[\]|~$])", r"\\\1", line)
    line = re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", line)
    line = re.sub(r"^([#+-]+)(?=\s|$)", r"\\\1", line)  # what would be a heading or a list
    return Markdown(re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", line))


def code(text: str) -> Markdown:
    """Text as code in a line, whatever backticks it holds."""
    line = " ".join(text.split())
    ticks = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    blank = " " if "`" in line or not line else ""
    return Markdown(f"{ticks}{blank}{line}{blank}{ticks}")


def fenced(text: str, language: str = "") -> Markdown:
    """Text as a block of code, whatever backticks it holds."""
    ticks = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return Markdown(f"{ticks}{language}\n{text.strip()}\n{ticks}")


def lineage(names: Iterable[str]) -> Markdown:
    """How the models that something was made from were made themselves, as far as they are on the shelf."""
    steps = {made.name: made for name in names for made in shelf.history(name)}.values()
    lines = [
        f"- {code(public_name(made.name))}: {escape(made.says)} "
        + ", ".join(str(code(public_name(parent))) for parent in made.parents)
        for made in steps
    ]
    return Markdown("## How it came about\n\n" + "\n".join(lines)) if lines else Markdown("")


def card(head: str, *sections: str, private: Iterable[str] = (), made_from: Iterable[str] = ()) -> str:
    """A whole card: the head, then the sections that are not empty, each apart from the next by a blank line.

    Args:
        head: of `model_head` or `dataset_head`.
        sections: Markdown.
        private: as for `without_paths`.
        made_from: as for `lineage`, which comes last.
    """
    sections = (*sections, lineage(made_from))
    body = "\n\n".join(section.strip() for section in sections if section.strip())
    return f"{head.strip()}\n\n{without_paths(body, private)}\n"


def without_paths(text: str, private: Iterable[str] = ()) -> str:
    """A text that names no folder of this machine.

    Args:
        text: Markdown, or what stands beside a card, such as a recipe.
        private: names that it may quote (a recipe, a note) and that may be paths of this machine; they, and
            every path under the home, working or temporary folder, become their `public_name`.
    """
    for name in sorted({name for name in private if name and not hub_id(name)}, key=len, reverse=True):
        text = text.replace(name, public_name(name))
    for root in {str(Path.home()), str(Path.cwd()), tempfile.gettempdir()}:
        if len(root) > 1:  # a home at the root of a container would be part of every path
            path = rf"(?<!\w){re.escape(root)}(?![\w-])(?:/[^\s`'\"|<>,;)\]]*)?"
            text = re.sub(path, lambda match: public_name(match[0]), text)
    return text
