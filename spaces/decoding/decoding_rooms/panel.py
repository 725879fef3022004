"""What the panel asks of the page: the odds of the next token after any prefix, and why a token has them."""

from __future__ import annotations

from typing import Any

from decoding.data import Distribution, Why
from decoding.request import Request
from shared import models
from shared.checks import whole
from shared.embedded_model import EMBEDDED_MODEL
from shared.errors import VisitorError
from shared.models import Loaded


def distribution(argument: dict[str, Any]) -> Distribution:
    """The next-token distribution after any prefix, computed on the CPU of the server.

    Args:
        argument: `model`, `token_ids` (prompt and continuation), `prompt_length`, `config` (GenerationConfig
            fields), `limit` (tokens to list, null for the whole vocabulary) and, where there is one,
            `constraint` and `constraint_text`.
    """
    from decoding.engine import next_token_distribution

    request, loaded, ids = _place(argument)
    prompt_length = whole(1, len(ids))("prompt_length", argument["prompt_length"])
    size = loaded.model.config.get_text_config().vocab_size
    limit = argument.get("limit")
    limit = None if limit is None else whole(1, size)("limit", limit)
    constraint = (request.constraint, request.constraint_text)
    return next_token_distribution(
        loaded, ids, request.strategies[0].config, prompt_length, limit, constraint
    )


def why(argument: dict[str, Any]) -> Why:
    """Why a token has its odds, computed on the CPU of the server.

    Args:
        argument: as `distribution`'s, and `token`, the id of the token after `token_ids`.
    """
    from decoding.why import why

    request, loaded, ids = _place(argument)
    size = loaded.model.config.get_text_config().vocab_size
    token = whole(0, size - 1)("A token", argument["token"])
    return why(loaded, ids, token, request.strategies[0].config.get("dola_layers"))


def _place(argument: dict[str, Any]) -> tuple[Request, Loaded, list[int]]:
    """The request, its model and the tokens so far.

    Raises:
        VisitorError: the model is not in memory, or the tokens are none of its.
    """
    from decoding.prompt import window

    request = Request.parse(
        prompt="-",
        model=argument["model"],
        strategies=[argument["config"]],
        constraint=argument.get("constraint"),
        constraint_text=argument.get("constraint_text"),
    )
    loaded = models.in_memory(request.model)
    if loaded is None and request.model == EMBEDDED_MODEL:  # the stored examples are its own
        loaded = models.load(request.model)
    if loaded is None:
        raise VisitorError(f"{request.model} is not in memory any more.", "Decode again.")
    if not 1 <= len(argument["token_ids"]) <= window(loaded):
        raise VisitorError("That place in the text cannot be computed.", "Decode again.")
    size = loaded.model.config.get_text_config().vocab_size
    return request, loaded, [whole(0, size - 1)("A token", token) for token in argument["token_ids"]]
