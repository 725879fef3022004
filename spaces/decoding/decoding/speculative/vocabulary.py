"""Whether a draft model speaks the model's language: token ids are all that the two exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import VisitorError

if TYPE_CHECKING:
    from shared.models import Loaded


def check_same(loaded: Loaded, draft: Loaded) -> None:
    """Hold two models to one vocabulary.

    Raises:
        VisitorError: they name a token differently; it says how many, and the first of them.
    """
    own, others = loaded.tokenizer.get_vocab(), draft.tokenizer.get_vocab()
    differing = [token for token in own.keys() | others.keys() if own.get(token) != others.get(token)]
    if not differing:
        return
    first = min(differing, key=lambda token: (own.get(token, 1 << 60), token))
    places = " and ".join(
        f"{where} {known.get(first, 'not there')}"
        for where, known in ((f"in {loaded.id}", own), (f"in {draft.id}", others))
    )
    raise VisitorError(
        f"{draft.id} has another vocabulary than {loaded.id}: {len(differing):,} of "
        f"{len(own.keys() | others.keys()):,} tokens differ, the first is “{first[:30]}”, {places}.",
        "Choose a draft of the same family, or a rounded draft, layers or prompt lookup.",
    )
