"""What is trained on: rows, read by a tokenizer and its template, as five trainers label them."""

from __future__ import annotations

import importlib.metadata
import time
from dataclasses import replace
from typing import Any

from finetuning import data, masks, unsloth
from finetuning.data import Mask, Part, Trainer, View
from finetuning.lint import Case, Seen
from finetuning.lint_more import findings, verdict
from finetuning.request import TRAINERS, MaskRequest
from finetuning.row_forms import Row, refusal
from finetuning.rows import guessed, read
from finetuning.structure import layout, parts_of, renders
from finetuning.tokenizer import Reader, Refused, opened
from shared.errors import VisitorError

TOGETHER = 16
"""Rows of which all texts are written together."""

MAX_TOKENS = 40_000
"""Tokens of all rows together: a figure holds each with its labels."""

PART_WORDS: dict[Part, str] = {
    "bos": "beginning of the text",
    "hidden": "system message of the template's own",
    "system": "system message",
    "user": "question",
    "tool": "answer of a tool",
    "header": "header of a message",
    "end": "end of a message",
    "prompt": "generation prompt",
    "inserted": "put before the answer by the template",
    "thinking": "thought",
    "answer": "answer",
    "stop": "stop token",
    "after": "behind the stop token",
    "template": "template",
    "text": "text",
    "completion": "completion",
}


def mask(request: MaskRequest, upload: Any = None, token: str | None = None) -> Mask:
    """Which tokens of which rows are trained on, and why.

    Args:
        request: what is asked for.
        upload: a file with the rows, in the place of the request's own.
        token: for datasets of the Hub.

    Raises:
        VisitorError: as `rows.read` and `tokenizer.opened`; or no row can be read.
    """
    rows, source, more = read(request, upload, token)
    reader = opened(request.model, request.template)
    pad = _pad(request, reader)
    conversations = any(row.messages for row in rows)
    markers = _markers(request, reader) if conversations and reader.template else None
    seen: list[Seen] = []
    tokens = 0
    for at, row in enumerate(rows):
        if reader.template and at % TOGETHER == 0:
            some = (_shown(request, one) for one in rows[at : at + TOGETHER] if one.messages)
            reader.write_ahead(ask for one in some for ask in renders(one))
        one = _seen(request, reader, row, markers, pad)
        tokens += len(one.parts)
        if tokens > MAX_TOKENS:
            if not seen:
                raise VisitorError(
                    f"The first row has {tokens:,} tokens; the limit here is {MAX_TOKENS:,}.",
                    "Give shorter rows.",
                )
            more = True
            break
        seen.append(one)
    case = Case(request, reader, markers, tuple(seen), pad)
    if not case.read:
        raise refusal(seen[0].row, seen[0].error)
    found = findings(case)
    answer: Mask = {
        "kind": "mask",
        "drawable": True,
        "done": True,
        "run_id": str(time.time_ns()),
        "request": request.to_json(),
        "verdict": verdict(case, found),
        "trainer": case.trainer,
        "trainers": dict(TRAINERS),
        "rules": masks.RULES,
        "part_words": PART_WORDS,
        "findings": found,
        "totals": {name: _totals(case, name) for name in TRAINERS},
        "rows": [_row(one, reader) for one in seen],
        "provenance": {
            "model": reader.model,
            "revision": reader.revision,
            "template": reader.named,
            "rows": source,
            "more": more,
            "added": list(reader.added),
            "eos": reader.tokenizer.eos_token,
            "pad": None if pad is None else str(reader.tokenizer.convert_ids_to_tokens(pad)),
            "bos": reader.tokenizer.bos_token,
            "markers": [markers.instruction, markers.response] if markers else None,
            "versions": {name: importlib.metadata.version(name) for name in ("transformers", "tokenizers")},
        },
    }
    if said := guessed(source):
        answer["provenance"]["guessed"] = said
    return answer


def _pad(request: MaskRequest, reader: Reader) -> int | None:
    """The pad token as TRL chooses it: the one that is named, the tokenizer's, EOS."""
    tokenizer = reader.tokenizer
    name = request.pad_token or tokenizer.pad_token or tokenizer.eos_token
    if request.pad_token and request.pad_token not in tokenizer.get_vocab():
        raise VisitorError(
            f"The pad token “{request.pad_token[:40]}” is not in the vocabulary.",
            "Name a token of it, or leave the field empty.",
        )
    return None if name is None else int(tokenizer.convert_tokens_to_ids(name))


def _markers(request: MaskRequest, reader: Reader) -> unsloth.Markers | None:
    if request.instruction_part:
        return unsloth.given(reader, request.instruction_part, request.response_part)
    return unsloth.found(reader)


def _seen(
    request: MaskRequest, reader: Reader, row: Row, markers: unsloth.Markers | None, pad: int | None
) -> Seen:
    """A row with its tokens, its layout and its views."""
    row = _shown(request, row)
    try:
        tokens = masks.read(reader, row)
        shape = layout(reader, row) if row.messages else None
    except Refused as error:
        return Seen(row, str(error) or "it raised an error")
    if shape is not None:
        parts, owners = parts_of(shape, tokens.offsets, tokens.ids, reader)
    else:
        parts, owners = _text_parts(tokens, reader), [-1] * len(tokens.ids)
    views = {name: _view(name, request, reader, tokens, markers, pad) for name in TRAINERS}
    return Seen(row, "", tokens, shape, tuple(parts), tuple(owners), views)


def _shown(request: MaskRequest, row: Row) -> Row:
    """A row as the trainer of the verdict gives it to the template: Axolotl reads a column “system”."""
    if request.trainer == "axolotl" and row.system and row.messages and row.messages[0]["role"] != "system":
        return replace(row, messages=({"role": "system", "content": row.system}, *row.messages))
    return row


def _text_parts(tokens: masks.Read, reader: Reader) -> list[Part]:
    parts: list[Part] = ["text"] * len(tokens.ids)
    if tokens.row.form == "text_completion":
        size = len(tokens.ids) - tokens.prompt
        parts[tokens.prompt :] = ["completion"] * size
    if tokens.ids and tokens.ids[0] == reader.tokenizer.bos_token_id:
        parts[0] = "bos"
    if len(tokens.ids) > 1 and tokens.ids[-1] == reader.tokenizer.eos_token_id:
        parts[-1] = "stop"
    return parts


def _view(
    name: Trainer,
    request: MaskRequest,
    reader: Reader,
    tokens: masks.Read,
    markers: unsloth.Markers | None,
    pad: int | None,
) -> View:
    if why := _refusal(name, reader, tokens, markers):
        return masks.refused(why)
    if name == "trl":
        labels = masks.trl(tokens)
    elif name == "trl_assistant":
        labels = masks.trl_assistant(tokens)
    elif name == "axolotl":
        names = tuple(part.strip() for part in request.eot_tokens.split(",") if part.strip())
        try:
            labels = masks.axolotl(tokens, reader, names)
        except Refused as error:
            return masks.refused(f"The template does not take its placeholder: {str(error)[:120]}.")
    elif name == "unsloth":
        assert markers is not None
        labels = masks.unsloth(tokens, reader, markers)
    else:
        labels = masks.transformers(tokens, pad)
    return masks.view(labels, name, request.max_length, packed=request.packing)


def _refusal(
    name: Trainer, reader: Reader, tokens: masks.Read, markers: unsloth.Markers | None
) -> str | None:
    """Why a trainer does not take a row; None where it does."""
    row = tokens.row
    if row.foreign and name != "axolotl":
        roles = " and ".join(row.foreign)
        return f"It would give the template the roles {roles} as they are: rename them first."
    if name == "trl_assistant":
        if not row.messages:
            return "SFTTrainer raises ValueError: assistant_only_loss needs conversations."
        if not masks.has_marks(reader.template):
            return (
                "The template has no {% generation %} marks. SFTTrainer raises ValueError, unless it is one "
                "of the published templates, letter for letter, for which TRL has its own."
            )
        if not any(masks.assistant_mask(tokens)):
            return "No token stands inside {% generation %}: SFTTrainer raises RuntimeError at such a row."
    if name == "axolotl":
        if row.form != "messages":
            return f"Its dataset type chat_template does not take such rows. {masks.NO_TALK}"
        if row.system and row.messages[0]["role"] != "system":
            return "It puts the column “system” before the messages; what is shown has them without it."
    elif row.system and row.messages and row.messages[0].get("content") == row.system:
        return "It does not read the column “system”; what is shown has it, as Axolotl puts it there."
    if name == "unsloth":
        if not row.messages:
            return f"It looks for markers of a template. {masks.NO_TALK}"
        if markers is None:
            return "No two markers were found in the template: name instruction_part and response_part."
    return None


def _totals(case: Case, name: Trainer) -> data.Totals:
    views = [one.view(name) for one in case.read]
    return {
        "trained": sum(view["trained"] for view in views),
        "kept": sum(view["kept"] for view in views),
        "refused": sum(view["refused"] is not None for view in views),
        "dropped": sum(view["dropped"] is not None for view in views),
    }


def _row(one: Seen, reader: Reader) -> data.MaskRow:
    tokens = one.read
    if tokens is None or one.views is None:
        blank = masks.refused("The template refuses the row.")
        return {
            "number": one.row.number,
            "form": one.row.form,
            "tokens": [],
            "ids": [],
            "parts": [],
            "messages": [],
            "roles": [],
            "views": {name: blank for name in TRAINERS},
            "error": one.error[:200],
        }
    return {
        "number": one.row.number,
        "form": one.row.form,
        "tokens": _texts(tokens, reader),
        "ids": tokens.ids,
        "parts": list(one.parts),
        "messages": list(one.owners),
        "roles": [str(message["role"])[:40] for message in one.row.messages],
        "views": one.views,
        "error": None,
    }


def _texts(tokens: masks.Read, reader: Reader) -> list[str]:
    """The letters that each token stands for; ⟨…⟩ for the further bytes of one that has several tokens."""
    texts: list[str] = []
    before = (-1, -1)
    for token, place in zip(tokens.ids, tokens.offsets, strict=True):
        if place[1] <= place[0]:
            texts.append(str(reader.tokenizer.convert_ids_to_tokens(token)))
        elif place == before:
            texts.append("⟨…⟩")
        else:
            texts.append(tokens.text[place[0] : place[1]])
        before = place
    return texts
