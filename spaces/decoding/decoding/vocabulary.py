"""Whether two models speak of the same tokens: only then are their odds comparable, or can one draft for the
other.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from shared import experts, hub, models
from shared.embedded_model import EMBEDDED_MODEL
from shared.errors import VisitorError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from shared.models import Loaded

REMEDY = "Name models of one tokenizer: a base with its fine-tune, merge, edit or quantized version."


def check(
    first: PreTrainedTokenizerBase, second: PreTrainedTokenizerBase, names: tuple[str, str]
) -> list[str]:
    """What a visitor should know of two vocabularies that can be compared, a sentence each.

    Every id that both have must be the same token in both. Tokens that were added to the vocabulary may have
    other names: a fine-tune often names a reserved one anew.

    Raises:
        VisitorError: they cannot be compared.
    """
    one, two = ({place: token for token, place in each.get_vocab().items()} for each in (first, second))
    shared = one.keys() & two.keys()
    added = {*first.added_tokens_decoder, *second.added_tokens_decoder}
    other = sorted(place for place in shared if one[place] != two[place])
    ordinary = [place for place in other if place not in added]
    if ordinary or not shared:
        place = ordinary[0] if ordinary else 0
        shown = [each.decode([place]) for each in (first, second)]
        if shown[0] == shown[1]:
            shown = [one.get(place, ""), two.get(place, "")]
        raise VisitorError(
            f"{names[0]} and {names[1]} have different vocabularies: {len(ordinary):,} of {len(shared):,} "
            f"ids name other tokens, the first of them {place}, “{shown[0][:20]}” and “{shown[1][:20]}”.",
            REMEDY,
        )
    notes = []
    if other:
        renamed = f"“{one[other[0]]}” and “{two[other[0]]}”"
        many = "One added token has" if len(other) == 1 else f"{len(other):,} added tokens have"
        notes.append(f"{many} another name in each model, such as {renamed}; {names[0]}'s are shown.")
    for name, more in ((names[0], one.keys() - two.keys()), (names[1], two.keys() - one.keys())):
        if more:
            count = "one token" if len(more) == 1 else f"{len(more):,} tokens"
            notes.append(f"Only the tokenizer of {name} names {count}, from id {min(more):,} on.")
    return notes


def check_before_download(
    first: Loaded, model_id: str, names: tuple[str, str], *, exact: bool = False
) -> None:
    """Refuse a model of another vocabulary by its small files, where its weights are not on this machine.

    Args:
        first: a model in memory.
        model_id: of the other.
        names: of both, for the sentence.
        exact: as for `models.load`.

    Raises:
        VisitorError: as `check`; unknown, gated, too large, or the Hub did not answer.
    """
    from transformers import AutoTokenizer

    ours = model_id == EMBEDDED_MODEL or model_id in experts.NAMES
    if ours or hub.is_local_path(model_id) or models.in_memory(model_id, exact=exact):
        return
    hub.check_id(model_id)
    if not hub.reachable() or hub.has_snapshot(model_id):
        return
    revision, _, _ = hub.inspect(model_id, models.largest_model(exact=exact))
    with tempfile.TemporaryDirectory() as folder:
        hub.small_files(model_id, revision, Path(folder))
        try:
            second = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        except Exception:  # noqa: BLE001  `models.load` says what is wrong with it
            return
        check(first.tokenizer, second, names)
