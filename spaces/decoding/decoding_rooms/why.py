"""The endpoint that says why a token has its odds, as the panel asks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from decoding.data import Why
from decoding.settings import SETTINGS
from shared import limits, models, request
from shared.checks import text, whole
from shared.embedded_model import EMBEDDED_MODEL
from shared.errors import VisitorError
from shared.request import setting

_ID = whole(0, 10_000_000)


def _ids(name: str, value: Any) -> tuple[int, ...]:
    most = limits.MAX_PROMPT_TOKENS + limits.MAX_NEW_TOKENS
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= most:
        raise VisitorError(
            f"{name} is not a list of 1 to {most:,} token ids.",
            "Use those of a trace: the prompt's token_ids, and what a run wrote after them.",
        )
    return tuple(_ID(name, one) for one in value)


def _layers(name: str, value: Any) -> str | list[int]:
    return "" if value == "" else SETTINGS["dola_layers"].check(name, value)


@dataclass(frozen=True)
class WhyRequest(request.Request):
    """A token and the text before it."""

    token: int = setting(0, _ID, "id of the token", required=True)
    token_ids: tuple[int, ...] = setting((), _ids, "all tokens before the token", required=True)
    model: str = setting(EMBEDDED_MODEL, text, "Hub id of a causal language model, or an expert's name")
    dola_layers: str = setting(
        "", _layers, "low, high or a list of layers: of a strategy that contrasts them; empty for none"
    )


def why(request: WhyRequest) -> Why:
    """Say why a model gives a token its odds: by its layers (the logit lens), and by each token before it.

    Returns:
        The token's logprob (nats); layers[] with its logprob and rank after the embedding and every layer;
        context[], the last tokens before it, and without[], its log-probability without each; dola, the
        layers that DoLa would contrast.
    """
    from decoding.prompt import window
    from decoding.why import why

    loaded = models.load(request.model)
    size = loaded.model.config.get_text_config().vocab_size
    most = window(loaded)
    if len(request.token_ids) > most:
        raise VisitorError(
            f"There are {len(request.token_ids):,} token ids; the model reads {most:,}.", "Shorten them."
        )
    for one in (*request.token_ids, request.token):
        if one >= size:
            raise VisitorError(
                f"Token {one} is not in the vocabulary of {size:,}.", "Use ids of this model's tokenizer."
            )
    return why(loaded, list(request.token_ids), request.token, request.dola_layers or None)
