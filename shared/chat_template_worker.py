"""The process that fills in chat templates, see `shared.chat_templates`; of this suite it imports the loop.

It reads a line of JSON with `template` and `variables`, and writes one with `text` and `spans`, with `error`,
or with neither where the text is too long or takes too much memory. Where the line has `each`, a list of
further variables, it writes a list of those in `each`. Where a template takes too much of the processor's
time the system ends the process.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

import jinja2
import jinja2.ext
import jinja2.sandbox

from shared.worker_loop import serve

_written: list[str] = []
"""The parts of the text so far."""
_spans: list[tuple[int, int]] = []
"""What stood in `{% generation %}` so far, from one character to before another."""


class _Generation(jinja2.ext.Extension):
    """`{% generation %}`, which marks what a model said; it begins, as for transformers' own, where the text
    that was written before it ends.
    """

    tags = {"generation"}  # noqa: RUF012  as jinja has it

    def parse(self, parser: Any) -> Any:
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_said"), [], [], body).set_lineno(line)

    def _said(self, caller: Any) -> Any:
        said, start = caller(), sum(map(len, _written))
        _spans.append((start, start + len(said)))
        return said


class _Namespace(jinja2.utils.Namespace):
    """As transformers has it: no names that begin with an underscore."""

    def __init__(*args: Any, **kwargs: Any) -> None:  # so that namespace(self=…) works
        own, *others = args
        values = dict(*others, **kwargs)
        for name in values:
            _check_name(name)
        jinja2.utils.Namespace.__init__(own, values)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        super().__setitem__(name, value)


def _check_name(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise jinja2.exceptions.SecurityError(f"A namespace cannot hold {name!r}.")


class _Dict:
    """`dict` without its attributes."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args)


def _raise(message: str) -> None:
    raise jinja2.exceptions.TemplateError(message)


def _json(
    value: Any,
    ensure_ascii: bool = False,
    indent: Any = None,
    separators: Any = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _replaced(string: str, pattern: str, repl: str, count: int = 0) -> str:
    return re.sub(pattern, repl, string, count=count)


@lru_cache(8)
def compiled_task(template: str) -> jinja2.Template:
    """A template of a task in lm-eval's environment (`lm_eval.utils.apply_template`), but in the sandbox."""
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["regex_replace"] = _replaced
    return environment.from_string(template)


@lru_cache(8)
def compiled(template: str) -> jinja2.Template:
    """A template in the environment of transformers' `_cached_compile_jinja_template`, whose import alone
    takes seconds.
    """
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _json
    environment.globals.update(
        raise_exception=_raise,
        strftime_now=lambda form: datetime.now().strftime(form),
        dict=_Dict(),
        namespace=_Namespace,
    )
    return environment.from_string(template)


def answer(template: str, variables: dict[str, Any], most: int, task: bool = False) -> dict[str, Any]:
    """The text with the spans that the template marks, or the error that the template raised; neither where
    it takes more than there may be.

    Args:
        most: characters that the text may have.
        task: whether it is a template of a task, see `compiled_task`.
    """
    _written.clear()
    _spans.clear()
    try:
        length = 0
        for part in (compiled_task if task else compiled)(template).generate(**variables):
            length += len(part)
            if length > most:
                return {}
            _written.append(part)
        return {"text": "".join(_written), "spans": _spans[:most]}
    except (MemoryError, RecursionError):
        return {}
    except Exception as error:  # noqa: BLE001  whatever a stranger's template raises
        return {"error": str(error)[:200]}


def answers(
    template: str, variables: dict[str, Any], most: int, each: Any = None, task: bool = False
) -> dict[str, Any]:
    """As `answer`, or for each of several sets of variables beside those that they share."""
    if each is None:
        return answer(template, variables, most, task)
    return {"each": [answer(template, {**variables, **own}, most, task) for own in each]}


if __name__ == "__main__":
    serve(partial(answers, most=int(sys.argv[3])), float(sys.argv[1]), int(sys.argv[2]))
