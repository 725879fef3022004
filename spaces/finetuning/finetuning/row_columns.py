"""Which columns of a row an objective reads, and what it makes of two answers that hold their prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from finetuning import masks
from finetuning.row_forms import TALKS
from finetuning.train_request import OBJECTIVES, TrainRequest
from shared.errors import VisitorError
from shared.numbers import counted

PAIRS_WANTED = "Give “prompt” with “chosen” and “rejected”, as texts or as lists of messages."


def ignored(items: Sequence[dict[str, Any]], request: TrainRequest) -> tuple[str, ...]:
    """What an objective does not read of rows whose form it takes, in sentences: unwanted answers that SFT
    learns as it learns the others come first.
    """
    name, said, left = OBJECTIVES[request.objective], [], dict[str, None]()
    whole = counted(len(items), "row")
    unwanted = sum(item.get("label") is False for item in items) if request.objective == "sft" else 0
    if unwanted:
        said.append(
            f"SFT ignores “label”: {unwanted:,} of {whole} "
            f"{'is an unwanted answer' if unwanted == 1 else 'are unwanted answers'}, learnt like the rest. "
            "KTO keeps away from them."
        )
    paired = sum(item.get("chosen") is not None and item.get("rejected") is not None for item in items)
    if request.objective == "sft" and paired:
        said.append(
            f"SFT learns “chosen” and ignores “rejected” ({paired:,} of {whole}). "
            "DPO and ORPO learn from both."
        )
    for item in items:
        left |= dict.fromkeys(column for column in _unread(item, request) if item[column] is not None)
    told = {"label": unwanted, "rejected": request.objective == "sft" and paired}
    left = {column: None for column in left if not told.get(column)}
    if left:
        columns = ", ".join(f"“{str(column)[:40]}”" for column in list(left)[:6])
        said.append(
            f"{name} ignores {'the column' if len(left) == 1 else 'the columns'} {columns}"
            f"{' …' if len(left) > 6 else ''}."
        )
    return tuple(said)


def _unread(item: dict[str, Any], request: TrainRequest) -> list[str]:
    """The columns of a row that `pair_of` does not read."""
    both = item.get("chosen") is not None and item.get("rejected") is not None
    talk = next((name for name in TALKS if item.get(name) is not None), None)
    whole = item.get("prompt") is not None and item.get("completion") is not None
    if both:
        read = {"chosen", "rejected"} if request.objective != "sft" else {"chosen"}
        read |= set() if with_prompt(item, 0) else {"prompt"}
    elif request.objective == "kto":
        read = {"prompt", "completion", "label"}
    elif talk and not whole:
        read = {talk}
    elif item.get("prompt") is not None:
        read = {"prompt", "completion" if whole else "chosen"}
    else:
        read = {"text"}
    return [name for name in item if name not in read | {"tools", "chat_template_kwargs"}]


def with_prompt(item: dict[str, Any], number: int) -> dict[str, Any]:
    """A pair with its prompt, which may stand in both answers, as TRL's `maybe_extract_prompt` finds it: also
    beside a prompt that is a text where the answers are conversations.

    Raises:
        VisitorError: the answers do not begin alike.
    """
    chosen, rejected = item["chosen"], item["rejected"]
    talks = isinstance(chosen, list) and isinstance(rejected, list)
    texts = isinstance(chosen, str) and isinstance(rejected, str)
    prompt = item.get("prompt")
    if not (talks or texts) or (prompt is not None and isinstance(prompt, list) is talks):
        return {}
    same = masks.common_prefix(chosen, rejected)
    if same == min(len(chosen), len(rejected)) or (same and chosen[same - 1] == " "):
        same -= 1
    if same <= 0:
        said = "conversations" if talks else "texts"
        begin = "with the same message" if talks else "with the same words"
        raise VisitorError(f"The two {said} of row {number} do not begin {begin}.", PAIRS_WANTED)
    return {"prompt": chosen[:same], "chosen": chosen[same:], "rejected": rejected[same:]}
