"""A page as an app: what comes from outside is taken, or refused in two sentences.

Gradio answers a value that it cannot read with its own words: components as Python prints them, a server's
path, the value in full. So a page is an `App`, whose every error is a VisitorError's two sentences, whether a
function raised it or the value never came that far; `HANDLERS` answers requests that fit no route, and
`lifespan` bounds what Gradio's own server remembers, and answers the calls of MCP clients.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from fastapi.exceptions import RequestValidationError
from gradio.block_function import BlockFunction
from gradio.state_holder import SessionState
from gradio_client.utils import traverse
from starlette.requests import Request
from starlette.responses import JSONResponse

from shared import owner, preview, sessions, shelf, web
from shared.errors import VisitorError, for_visitor
from shared.request import Request as Asked
from shared.tour import Step

if TYPE_CHECKING:
    from gradio.routes import App as Server

log = logging.getLogger(__name__)

DESCRIPTION = "Look at “Use via API” below the page for what it takes."
"""What to do about a value that an endpoint does not take."""


@dataclass(frozen=True)
class Entrance:
    """What a link to a room opens.

    Args:
        title: of the room.
        figure: id of its figure's element.
        picture: name of its picture, that of the room's first run.
        request: what its links ask for.
        stored: links to its stored results, as queries.
        first: which of them the room shows first; "" where it has no link.
    """

    title: str
    figure: str
    picture: str
    request: type[Asked] | None = None
    stored: tuple[str, ...] = ()
    first: str = ""


class App(gr.Blocks):
    """A page whose errors are two sentences, whoever raises them."""

    sentence = ""
    """What a visitor does there."""
    folder: Path | None = None
    """Of the Space."""
    tours: Mapping[str, Sequence[Step]] = {}
    """Steps through its rooms, by the rooms' names."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.rooms: dict[str, Entrance] = {}
        """By the names of runs, the page's first one first."""
        self.tabs: dict[str | int, list[str]] = {}
        """The names of runs by their tab's id, a room's own first."""

    def get_config_file(self) -> Any:
        """What a page is told of itself: that it keeps no connection open while nothing runs.

        A browser has six connections to a server without HTTP/2, and Gradio would hold one for every open
        page, so the seventh stays empty. A run that nobody reads any more is ended where its own stream ends,
        and `sessions.forget` drops what is left of a visitor.
        """
        return {**super().get_config_file(), "connect_heartbeat": False}

    async def preprocess_data(
        self,
        block_fn: BlockFunction,
        inputs: list[Any],
        state: SessionState | None,
        explicit_call: bool = False,
    ) -> list[Any]:
        """The inputs as the function takes them.

        Raises:
            VisitorError: too few or too many, a file that was not uploaded here, or another value that a
                component cannot read.
        """
        inputs = [*inputs, *_later(block_fn, len(inputs))]
        given, taken = len(inputs), len(block_fn.inputs)
        # a page sends what its events need and, to those that cancel others, its session
        if given < taken or (given > taken and block_fn.api_visibility == "public"):
            name = f"“{block_fn.api_name}”" if block_fn.api_visibility == "public" else "This event"
            raise VisitorError(f"{name} takes {taken} values and got {given}.", DESCRIPTION)
        try:
            inputs = traverse(inputs, _address_or_upload, _is_file)
            return list(await super().preprocess_data(block_fn, inputs, state, explicit_call))
        except Exception as error:
            log.info("a value was refused", exc_info=error)
            if _holds_file(inputs):
                raise VisitorError("That file was not uploaded here.", "Upload it again.") from error
            raise VisitorError("A value is not of the kind that is expected there.", DESCRIPTION) from error

    async def process_api(
        self,
        block_fn: Any,
        inputs: list[Any],
        state: Any = None,
        request: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Run an event or an endpoint.

        Raises:
            gr.Error: with the two sentences of what was raised.
        """
        try:
            asking = getattr(request, "request", request)  # Gradio's own wraps Starlette's
            shelf.check_values(inputs, owner.visitor(asking.scope) if asking is not None else None)
            return await super().process_api(block_fn, inputs, state, request, *args, **kwargs)
        except gr.Error:
            raise  # a function's own, in two sentences already
        except Exception as error:
            raise gr.Error(str(for_visitor(error)), print_exception=False) from error


def _later(block_fn: BlockFunction, given: int) -> list[Any]:
    """The defaults of an endpoint's last settings, which a caller by place may not know yet."""
    if block_fn.api_visibility != "public" or block_fn.fn is None:
        return []
    missing = list(inspect.signature(block_fn.fn).parameters.values())[given : len(block_fn.inputs)]
    known = all(one.default is not inspect.Parameter.empty for one in missing)
    return [one.default for one in missing] if known else []


def _is_file(value: Any) -> bool:
    kind = value.get("meta") if isinstance(value, dict) else None
    return isinstance(kind, dict) and kind.get("_type") == "gradio.FileData"


def _holds_file(inputs: list[Any]) -> bool:
    return any(_is_file(one) for value in inputs for one in (value if isinstance(value, list) else [value]))


def _address_or_upload(file: dict[str, Any]) -> Any:
    """A file as its function gets it: one that lies on the web by its address alone.

    Gradio would fetch it at once, whatever its size; functions that take one use `shared.web`.
    """
    path = file.get("path")
    return path if web.is_address(path) else file


def _refused(request: Request, error: Exception) -> JSONResponse:
    del request
    said = VisitorError("The request does not have the form that this address takes.", DESCRIPTION)
    return JSONResponse({"detail": str(said)}, 422)


def _failed(request: Request, error: Exception) -> JSONResponse:
    del request
    return JSONResponse({"detail": str(for_visitor(error))}, 400 if isinstance(error, VisitorError) else 500)


HANDLERS: Mapping[Any, Callable[[Request, Any], JSONResponse]] = {
    RequestValidationError: _refused,  # FastAPI's own answer repeats what was sent
    VisitorError: _failed,
    Exception: _failed,
}
"""Answers to requests by the exception that ended them, for FastAPI."""


@asynccontextmanager
async def lifespan(server: Server) -> AsyncIterator[None]:
    """While a page's server runs, bound what it remembers, and check the calls of MCP clients before Gradio
    does.
    """
    from mcp.types import CallToolRequest

    sessions.bound(server)
    preview.serve(server)
    tools = server.get_blocks().mcp_server_obj
    if tools:
        handlers = tools.mcp_server.request_handlers
        handlers[CallToolRequest] = _checked(tools.mcp_server, handlers[CallToolRequest])
    yield


def _checked(tools: Any, handler: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    """A tool call's handler that gets calls of known tools only, with arguments that fit their schema."""
    from mcp.types import CallToolResult, ServerResult, TextContent

    async def checked(call: Any) -> Any:
        tool = await tools._get_cached_tool_definition(call.params.name)
        if said := _misfit(tool.inputSchema if tool else None, call.params.arguments or {}):
            return ServerResult(
                CallToolResult(content=[TextContent(type="text", text=str(said))], isError=True)
            )
        return await handler(call)

    return checked


def _misfit(schema: Mapping[str, Any] | None, arguments: Mapping[str, Any]) -> VisitorError | None:
    """What is wrong with a tool call, None where nothing is."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    if schema is None:
        return VisitorError("There is no tool of that name.", "Ask the server for the list of its tools.")
    known = schema["properties"]
    for name in arguments:
        if name not in known:
            return VisitorError(f"There is no setting “{name[:40]}”.", f"Known are: {', '.join(known)}.")
    for name in schema.get("required", []):
        if name not in arguments:
            return VisitorError(f"{name} is missing.", "The tool cannot do without it: give it a value.")
    if fault := best_match(Draft202012Validator(schema).iter_errors(arguments)):
        where = fault.absolute_path[0] if fault.absolute_path else "The call"
        return VisitorError(f"{where} is not of the kind that the tool takes.", "Look at the tool's schema.")
    return None
