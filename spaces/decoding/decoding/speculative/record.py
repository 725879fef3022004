"""The rounds of a run as JSON."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from decoding import data
from decoding.speculative.rounds import Place, Round
from decoding.speculative.warp import Warp
from shared.tokens import Texts

LISTED = 10
"""Likeliest tokens of each of the two distributions that are listed."""

DIGITS = 6
"""Of a probability, those that count."""


def rounded(value: float) -> float:
    """A number with so many digits as count."""
    return float(f"{value:.{DIGITS}g}")


def author(place: Place, alone: bool) -> data.Author:
    """Who wrote a place's token; `alone`: whether its round proposed nothing."""
    if place.proposed is None:
        return "model" if alone else "bonus"
    return "draft" if place.accepted else "replaced"


def round_json(one: Round, warp: Warp, texts: Texts) -> data.SpeculativeRound:
    """A round, without the distributions."""
    alone = len(one.places) == 1 and one.places[0].proposed is None
    proposed = [place.proposed for place in one.places if place.proposed is not None]
    labels = iter([piece.label for piece in texts.pieces(proposed)])
    places: list[data.SpeculativePlace] = []
    for at, place in enumerate(one.places, one.start):
        token, meeting = place.proposed, place.meeting
        places.append(
            {
                "at": at,
                "proposed": token,
                "text": "" if token is None else next(labels),
                "p": None if token is None else rounded(float(place.p[token])),
                "q": None if token is None or place.q is None else rounded(float(place.q[token])),
                "tested": place.tested,
                "chance": None if place.chance is None else rounded(place.chance),
                "number": None if place.number is None else rounded(place.number),
                "accepted": place.accepted,
                "overlap": rounded(meeting.overlap) if meeting else None,
                "error": meeting.error if meeting else None,
                "written": _written(place, author(place, alone), warp, texts),
            }
        )
    return {"start": one.start, "places": places}


def _written(place: Place, by: data.Author, warp: Warp, texts: Texts) -> data.WrittenToken | None:
    token = place.written
    if token is None:
        return None
    source = place.meeting.residual if place.meeting else warp.used(place.p)
    return {
        "id": token,
        "text": texts.pieces([token])[0].label,
        "by": by,
        "p": rounded(float(place.p[token])),
        "share": None if by == "draft" else rounded(float(source[token])),
    }


def meeting_json(place: Place, texts: Texts) -> data.Meeting:
    """The distributions at a place that the rule was applied to, or where the model wrote by itself."""
    p, q = place.p, place.q
    most = min(LISTED, p.shape[0])
    wanted = p.topk(most).indices.tolist()
    if q is not None:
        likeliest = q.topk(most)
        wanted += likeliest.indices[likeliest.values > 0].tolist()
    wanted += [token for token in (place.proposed, place.written) if token is not None]
    index = torch.tensor(list(dict.fromkeys(wanted)), device=p.device)
    listed_p, listed_q = p[index], q[index] if q is not None else None
    order = sorted(
        (
            at
            for at, token in enumerate(index.tolist())
            if float(listed_p[at]) > 0
            or (listed_q is not None and float(listed_q[at]) > 0)
            or token in (place.proposed, place.written)
        ),
        key=lambda at: -max(float(listed_p[at]), float(listed_q[at]) if listed_q is not None else 0.0),
    )
    index, listed_p = index[order], listed_p[order]
    ids = index.tolist()
    result: data.Meeting = {
        "ids": ids,
        "texts": [piece.label for piece in texts.pieces(ids)],
        "p": [rounded(value) for value in listed_p.tolist()],
        "q": None,
        "others": p.shape[0] - len(ids),
        "others_p": _rest(1, listed_p),
        "others_q": 0.0,
        "others_kept": 0.0,
    }
    if q is not None and listed_q is not None:
        listed_q = listed_q[order]
        result["q"] = [rounded(value) for value in listed_q.tolist()]
        result["others_q"] = _rest(1, listed_q)
        whole = float(torch.minimum(p, q).sum())
        result["others_kept"] = _rest(whole, torch.minimum(listed_p, listed_q))
    return result


def _rest(whole: float, listed: torch.Tensor) -> float:
    rest = whole - float(listed.sum())
    return rounded(rest) if rest > 1e-6 else 0.0  # what is left of less is rounding


def tokens_json(unfinished: bytes, rounds: Sequence[Round], texts: Texts) -> list[data.SpeculativeToken]:
    """The text's tokens, each with the characters that it completes and who wrote it.

    Args:
        unfinished: the beginning of a character that the prompt ends with.
        rounds: of the run.
        texts: of the model's tokens.
    """
    by = [
        author(place, len(one.places) == 1 and one.places[0].proposed is None)
        for one in rounds
        for place in one.places
        if place.written is not None
    ]
    written = [token for one in rounds for token in one.written]
    listed: list[data.SpeculativeToken] = []
    for token, who in zip(written, by, strict=True):
        (piece,) = texts.pieces([token], unfinished)
        unfinished = piece.unfinished
        entry: data.SpeculativeToken = {"id": token, "text": piece.text, "by": who}
        if piece.hex:
            entry["bytes"] = piece.hex
        listed.append(entry)
    return listed
