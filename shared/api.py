"""API endpoints: a function that takes a request, offered under its own name with the settings it may be
given.

An endpoint's signature and its documentation, which MCP clients read too, follow from the request's fields.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

import gradio as gr

from shared.request import Request


@dataclass(frozen=True)
class Argument:
    """An argument of an endpoint that is no setting of its request, or one with another default."""

    name: str
    type: Any
    default: Any
    says: str


def endpoint(
    function: Callable[..., Any],
    request: type[Request] | None = None,
    arguments: Sequence[str | Argument] = (),
    parse: Callable[..., Request] | None = None,
    **queue: Any,
) -> None:
    """Offer a function over the API and over MCP, under its own name; to be called inside a page's Blocks.

    Args:
        function: takes the request first, then what else its signature names; its docstring documents that
            and the result. What a generator function yields is streamed. Without `request` it is offered as
            it is.
        request: the class whose settings the endpoint takes.
        arguments: in the order of the API: settings and the function's own arguments by name, or an
            `Argument`.
        parse: makes the request of all arguments that are not the function's own; the class's `parse` by
            default.
        queue: concurrency settings.
    """
    offered = function if request is None else _with_settings(function, request, arguments, parse)
    gr.api(offered, api_name=function.__name__, **queue)


def _with_settings(
    function: Callable[..., Any],
    request: type[Request],
    arguments: Sequence[str | Argument],
    parse: Callable[..., Request] | None,
) -> Callable[..., Any]:
    hints = get_type_hints(function)
    own = dict(list(inspect.signature(function).parameters.items())[1:])  # the first is the request
    summary, documented, result = _sections(inspect.getdoc(function) or "")
    listed = [_argument(one, request, own, hints, documented) for one in arguments]
    names = [one.name for one in listed]

    def answer(*args: Any, **kwargs: Any) -> Any:
        values = {**dict(zip(names, args, strict=False)), **kwargs}
        mine = {name: values.pop(name) for name in own if name in values}
        return function((parse or request.parse)(**values), **mine)

    def answers(*args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from answer(*args, **kwargs)

    # Gradio streams what a generator function yields
    call: Callable[..., Any] = answers if inspect.isgeneratorfunction(function) else answer
    call.__name__, call.__module__ = function.__name__, function.__module__
    call.__doc__ = "\n".join(
        [summary, "\nArgs:", *(f"    {one.name}: {one.says.rstrip('.')}." for one in listed), "", result]
    ).rstrip()
    # the result stays one value: a tuple would become several, and change what callers get
    call.__annotations__ = {**{one.name: one.type for one in listed}, "return": Any}
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                one.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=one.default, annotation=one.type
            )
            for one in listed
        ],
        return_annotation=Any,
    )
    return call


def _argument(
    given: str | Argument,
    request: type[Request],
    own: Mapping[str, inspect.Parameter],
    hints: dict[str, Any],
    documented: dict[str, str],
) -> Argument:
    if isinstance(given, Argument):
        return given
    if given in own:
        return Argument(given, hints[given], own[given].default, documented[given])
    field = request.declared()[given]
    hint, default = get_type_hints(request)[given], field.default
    if get_origin(hint) is tuple:  # JSON has no tuples, and no dataclasses in them
        item: Any = get_args(hint)[0]
        listed: Any = list[dict[str, Any]] if is_dataclass(item) else list[item]
        return Argument(given, listed | None, None, field.metadata["says"])
    if default is MISSING:  # an object
        return Argument(given, hint | None, None, field.metadata["says"])
    if field.metadata["required"]:
        default = inspect.Parameter.empty
    return Argument(given, hint, default, field.metadata["says"])


def _sections(text: str) -> tuple[str, dict[str, str], str]:
    """A docstring's words before "Args:", its arguments by name, and "Returns:" with what follows."""
    summary, _, block = text.partition("\nArgs:\n")
    if not block:
        summary, heading, after = text.partition("\nReturns:\n")
        return summary.rstrip(), {}, heading.lstrip() + after
    block, heading, after = block.partition("\nReturns:\n")
    items = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", block, re.MULTILINE)
    return (
        summary.rstrip(),
        {name: " ".join(words.split()) for name, words in items},
        heading.lstrip() + after,
    )
