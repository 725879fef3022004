"""Chat templates: programs of a model's author, which only a process of its own may run.

Jinja's sandbox keeps a template from files and attributes, not from writing 20 million letters, counting for
an hour or holding all memory. So a template is filled in by `shared/chat_template_worker.py`, in a process
that ends when a text has taken too long, needs too much memory or grows too long.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared import limits
from shared.worker import Worker

_worker = Worker(
    Path(__file__).with_name("chat_template_worker.py"),
    limits.TEMPLATE_SECONDS,
    limits.TEMPLATE_BYTES,
    limits.MAX_TEMPLATE_CHARACTERS,
)


class TooMuch(Exception):
    """A template went past `limits.TEMPLATE_SECONDS`, `TEMPLATE_BYTES` or `MAX_TEMPLATE_CHARACTERS`."""


class Failed(Exception):
    """A template raised an error: its sentence, or jinja's."""


def fill(template: str, variables: dict[str, Any]) -> str:
    """The text that a chat template writes, as transformers' `render_jinja_template` gives it.

    Args:
        template: in jinja2.
        variables: of the template, in the types of JSON.

    Raises:
        Failed: the template is no template, or raised an error.
        TooMuch: it is too long, or went past a limit.
    """
    return fill_marked(template, variables)[0]


def fill_task(template: str, variables: dict[str, Any]) -> str:
    """The text that a template of a task writes for a document, as lm-eval's `apply_template` gives it.
    Arguments and errors as of `fill`.
    """
    return _asked(template, variables, task=True)[0]


def fill_marked(template: str, variables: dict[str, Any]) -> tuple[str, list[tuple[int, int]]]:
    """The text, and what the template marks by `{% generation %}` as said by the model: from one character to
    before another. Arguments and errors as of `fill`.
    """
    return _asked(template, variables)


def fill_each(
    template: str, variables: dict[str, Any], each: Sequence[dict[str, Any]]
) -> list[tuple[str, list[tuple[int, int]]] | Failed | TooMuch]:
    """What `fill_marked` gives or raises for each of several sets of variables, asked together: hundreds of
    short texts take a fifth of the time. They share the time and the memory that one may take: where that is
    too little for all, every one of them is `TooMuch`, and may be less alone.

    Args:
        template: in jinja2.
        variables: that are the same for all.
        each: the others.
    """
    if len(template) > limits.MAX_TEMPLATE_CHARACTERS:
        return [TooMuch() for _ in each]
    answer = _worker.ask({"template": template, "variables": variables, "each": list(each)})
    found: list[tuple[str, list[tuple[int, int]]] | Failed | TooMuch] = []
    for one in answer.get("each") or [{}] * len(each):
        try:
            found.append(_told(one))
        except (Failed, TooMuch) as error:
            found.append(error)
    return found


def _asked(template: str, variables: dict[str, Any], **settings: bool) -> tuple[str, list[tuple[int, int]]]:
    if len(template) > limits.MAX_TEMPLATE_CHARACTERS:
        raise TooMuch
    return _told(_worker.ask({"template": template, "variables": variables, **settings}))


def _told(answer: dict[str, Any]) -> tuple[str, list[tuple[int, int]]]:
    if "text" in answer:
        return str(answer["text"]), [(start, end) for start, end in answer["spans"]]
    if "error" in answer:
        raise Failed(answer["error"])
    raise TooMuch
