"""Chat templates: programs of a model's author, which only a process of its own may run.

Jinja's sandbox keeps a template from files and attributes, not from writing 20 million letters, counting for
an hour or holding all memory. So a template is filled in by `shared/chat_template_worker.py`, in a process
that ends when a text has taken too long, needs too much memory or grows too long.
"""

from __future__ import annotations

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


def _asked(template: str, variables: dict[str, Any], **settings: bool) -> tuple[str, list[tuple[int, int]]]:
    if len(template) > limits.MAX_TEMPLATE_CHARACTERS:
        raise TooMuch
    answer = _worker.ask({"template": template, "variables": variables, **settings})
    if "text" in answer:
        return str(answer["text"]), [(start, end) for start, end in answer["spans"]]
    if "error" in answer:
        raise Failed(answer["error"])
    raise TooMuch
