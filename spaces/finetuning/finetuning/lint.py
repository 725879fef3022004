"""What is wrong with rows, template and trainer together: each finding with its rows and a fix."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from finetuning import fixes
from finetuning.data import Finding, Fix, Part, Trainer, View
from finetuning.masks import Read, labels_of
from finetuning.request import TRAINERS, MaskRequest
from finetuning.row_forms import Row
from finetuning.structure import Layout
from finetuning.templates import MARKED
from finetuning.tokenizer import Reader, Refused
from finetuning.unsloth import Markers

GRADES = {"error": 0, "warning": 1, "note": 2}
_MARK = re.compile(r"<\|[^|<>\s]{1,40}\|>|<(?:start|end)_of_turn>|\[/?INST\]|</?think>")


@dataclass(frozen=True)
class Seen:
    """A row with all that is known of it.

    Args:
        row: the row.
        error: what the template raised, "" for nothing.
        read: its tokens.
        layout: of a conversation.
        parts: what each token is.
        owners: the place of each token's message.
        views: by trainer.
    """

    row: Row
    error: str = ""
    read: Read | None = None
    layout: Layout | None = None
    parts: tuple[Part, ...] = ()
    owners: tuple[int, ...] = ()
    views: dict[Trainer, View] | None = None

    def view(self, trainer: Trainer) -> View:
        """Of one trainer; only for a row that was read."""
        assert self.views is not None
        return self.views[trainer]


@dataclass(frozen=True)
class Case:
    """All that a finding may look at."""

    request: MaskRequest
    reader: Reader
    markers: Markers | None
    seen: tuple[Seen, ...]
    pad: int | None

    @property
    def trainer(self) -> Trainer:
        """Whose verdict it is."""
        return self.request.trainer  # type: ignore[return-value]

    @property
    def read(self) -> list[Seen]:
        """Rows that have tokens."""
        return [one for one in self.seen if one.read is not None]

    @property
    def taken(self) -> list[Seen]:
        """Rows that the trainer takes."""
        return [one for one in self.read if not one.view(self.trainer)["refused"]]

    def stops(self) -> dict[int, str]:
        """Stop tokens behind answers, by id."""
        return {
            token: str(self.reader.tokenizer.convert_ids_to_tokens(token))
            for one in self.read
            for token, part in zip(one.read.ids, one.parts, strict=True)  # type: ignore[union-attr]
            if part == "stop" and token in self.reader.specials
        }


def numbers(seen: Sequence[Seen]) -> list[int]:
    """The numbers of rows."""
    return [one.row.number for one in seen]


def finding(
    case: Case,
    code: str,
    grade: str,
    says: str,
    why: str,
    rows: Sequence[Seen] = (),
    mends: Sequence[Fix] = (),
) -> Finding:
    return {
        "code": code,
        "grade": grade,  # type: ignore[typeddict-item]
        "says": says,
        "why": why,
        "rows": numbers(rows),
        "of": len(case.seen),
        "fixes": list(mends),
    }


def counted(rows: Sequence[Seen], case: Case) -> str:
    whole = len(case.seen)
    if whole == 1:
        return "the row"
    if len(rows) == whole == 2:
        return "both rows"
    return f"all {whole} rows" if len(rows) == whole else f"{len(rows)} of {whole} rows"


def marked_twin(case: Case) -> str:
    """A template with answer and stop token marked that writes the same texts; "" where none is known."""
    talks = [one for one in case.read if one.row.messages]

    def alike(one: Seen, template: str) -> bool:
        try:
            written = case.reader.write(one.row.messages, one.row.given, template=template)
        except Refused:
            return False
        return one.read is not None and written.text == one.read.text

    for template in MARKED.values() if talks else ():
        if not alike(talks[0], template):
            continue
        case.reader.write_ahead(((one.row.messages, one.row.given, False) for one in talks), template)
        if all(alike(one, template) for one in talks):
            return template
    return ""


def refused_by_template(case: Case) -> Finding | None:
    """The template raised an error."""
    rows = [one for one in case.seen if one.error]
    if not rows:
        return None
    says = rows[0].error.rstrip(".")
    bare = next((at for at, one in enumerate(rows[0].row.messages, 1) if one.get("content") is None), 0)
    lacks = f"Message {bare} of row {rows[0].row.number} has no content, which it writes. " if bare else ""
    system = any(one.row.messages and one.row.messages[0]["role"] == "system" for one in rows)
    return finding(
        case,
        "template_error",
        "error",
        f"The template refuses {counted(rows, case)}: “{says[:120]}”.",
        f"{lacks}Training stops at the first such row. What is shown here is of the other rows.",
        rows,
        fixes.SYSTEM if system and "ystem" in says else [],
    )


def mixed_forms(case: Case) -> Finding | None:
    """Rows of several forms."""
    forms = [one.row.form for one in case.seen]
    rows = [one for one in case.seen if one.row.form != forms[0]]
    if not rows:
        return None
    return finding(
        case,
        "mixed_forms",
        "error",
        f"The rows have several forms: {', '.join(dict.fromkeys(forms))}.",
        "TRL looks at the first row to know what all of them are.",
        rows,
        [],
    )


def foreign_roles(case: Case) -> Finding | None:
    """ShareGPT's roles, which only Axolotl renames."""
    rows = [one for one in case.seen if one.row.foreign]
    if not rows or case.trainer == "axolotl":
        return None
    names = ", ".join(dict.fromkeys(role for one in rows for role in one.row.foreign))
    return finding(
        case,
        "foreign_roles",
        "error",
        f"The roles {names} reach the template as they are in {counted(rows, case)}.",
        "TRL renames “from” and “value” to role and content, but not the roles: the header becomes one that "
        "the model has never seen, and nothing counts as the assistant's. Axolotl calls them user and "
        "assistant, which is what is shown here.",
        rows,
        [fixes.ROLES, fixes.ROLES_UNSLOTH, fixes.ROLES_AXOLOTL],
    )


def not_taken(case: Case) -> Finding | None:
    """The trainer refuses rows."""
    rows = [one for one in case.read if one.view(case.trainer)["refused"] and not one.row.foreign]
    if not rows:
        return None
    why = str(rows[0].view(case.trainer)["refused"])
    mends: list[Fix] = []
    if case.trainer == "trl_assistant" and rows[0].row.messages:
        twin = marked_twin(case)
        mends = [fixes.marked(twin)] if twin else []
        mends += [fixes.COMPLETION, fixes.AXOLOTL_CHAT]
    name = TRAINERS[case.trainer]
    return finding(case, "refused", "error", f"{name} does not take {counted(rows, case)}.", why, rows, mends)


def nothing_trained(case: Case) -> Finding | None:
    """Rows without a single trained token."""
    rows = [
        one
        for one in case.taken
        if not one.view(case.trainer)["trained"] and not one.view(case.trainer)["dropped"]
    ]
    if not rows:
        return None
    why = {
        "axolotl": "No message of a role that is trained changes the text, so all labels are −100.",
        "unsloth": "The response marker is nowhere in the tokens, so all labels are −100.",
        "trl_assistant": "No token stands inside {% generation %}.",
    }.get(case.trainer, "All labels are −100.")
    mends = [fixes.AXOLOTL_CHAT] if case.trainer == "axolotl" else []
    if case.trainer == "unsloth" and case.markers and case.request.response_part:
        mends = [fixes.fix(fixes.UNSLOTH, "trainer = train_on_responses_only(trainer)  # finds the markers")]
    return finding(
        case,
        "nothing_trained",
        "error",
        f"Nothing is trained on in {counted(rows, case)}.",
        why + " Where a whole batch is so, the loss is 0 or NaN.",
        rows,
        mends,
    )


def cut_short(case: Case) -> Finding | None:
    """Answers or stop tokens beyond `max_length`."""
    rows, longest = [], 0
    for one in case.taken:
        size, most = len(one.parts), case.request.max_length
        if most and size > most:
            longest = max(longest, size)
            if any(part in ("answer", "stop", "completion", "text") for part in one.parts[most:]):
                rows.append(one)
    if not rows:
        return None
    dropped = [one for one in rows if one.view(case.trainer)["dropped"]]
    says = f"max_length {case.request.max_length:,} cuts answers in {counted(rows, case)}"
    if dropped:
        whose = "all of them are" if len(dropped) == len(rows) else f"{len(dropped)} of them are"
        says += f", and {whose if len(rows) > 1 else 'it is'} left out without a word"
    why = (
        f"The longest has {longest:,} tokens. An answer that is cut teaches the model to go on without an "
        "end, since its stop token is gone."
    )
    return finding(case, "cut", "error", says + ".", why, rows, fixes.length(_round(longest)))


def _round(tokens: int) -> int:
    """The next multiple of 256."""
    return -(-tokens // 256) * 256


def _last_stop(one: Seen) -> tuple[str, list[int]]:
    """How the last answer of a row ends, and the places of its stop tokens: "stop", "none" where there is no
    stop token, "cut" or "no answer".
    """
    if one.layout is None:
        places = [at for at, part in enumerate(one.parts) if part == "stop"]
        return ("stop", places) if places else ("none", [])
    answers = [place for place, turn in enumerate(one.layout.turns) if turn.role == "assistant"]
    if not answers:
        return "no answer", []
    places = [
        at
        for at, (part, owner) in enumerate(zip(one.parts, one.owners, strict=True))
        if part == "stop" and owner == answers[-1]
    ]
    return ("stop", places) if places else ("none", [])


def stop_untrained(case: Case) -> Finding | None:
    """No stop token behind an answer is trained on."""
    rows: list[Seen] = []
    none = 0
    for one in case.taken:
        view = one.view(case.trainer)
        how, places = _last_stop(one)
        if view["dropped"] or not view["trained"] or how == "no answer" or one.row.bare:
            continue
        if how == "none":
            none += 1
            rows.append(one)
            continue
        labels = labels_of(view)
        if places[-1] < view["kept"] and not all(labels[at] for at in places):
            rows.append(one)
    if not rows:
        return None
    stops = list(case.stops().values())
    stop = stops[0] if stops else ""
    says = f"The stop token {stop} is never trained on in {counted(rows, case)}."
    mends: list[Fix] = []
    if none == len(rows):
        says = f"No stop token stands behind the answers in {counted(rows, case)}."
        why = (
            "What ends an answer belongs to the message that comes next, or to nothing. The model is not "
            "taught to stop, and the loss does not show it."
        )
        mends = [fixes.move_stop(case.reader.tokenizer.eos_token or "<|im_end|>")]
    elif case.trainer == "transformers":
        name = case.reader.tokenizer.convert_ids_to_tokens(case.pad)
        why = f"The pad token is {name} too, and the collator masks every token of that id."
        mends = fixes.pad("<|pad|>")
    elif case.trainer == "axolotl":
        why = (
            f"Axolotl trains on the token that `eot_tokens` names, by default the EOS token "
            f"{case.reader.tokenizer.eos_token}, at most three tokens behind the answer."
        )
        mends = [fixes.eot(stops)] if stops else []
    elif case.trainer == "trl_assistant":
        twin = marked_twin(case)
        why = "The template closes {% generation %} before it."
        mends = [fixes.marked(twin)] if twin else [fixes.move_stop(stop)]
    elif case.trainer == "unsloth":
        why = "It is not the tokenizer's EOS token, so the response ends before it."
        mends = [fixes.eos(stop)] if stop else []
    else:
        why = "It lies outside what is trained on."
        mends = [fixes.COMPLETION]
    why += "" if none == len(rows) else " A model that never learns to stop goes on until its limit."
    return finding(case, "stop_untrained", "error", says, why, rows, mends)


def split_marks(case: Case) -> Finding | None:
    """Marks of the template that are no tokens."""
    broken: dict[str, int] = {}
    rows = []
    known: dict[str, int] = {}
    for one in case.read:
        if one.layout is None:
            continue
        marks = {mark for mark in _MARK.findall(case.reader.template) if mark in one.layout.written.text}
        for mark in marks - set(known):
            known[mark] = len(case.reader.ids(mark))
        own = {mark: known[mark] for mark in marks if known[mark] > 1}
        if own:
            broken.update(own)
            rows.append(one)
    broken = {mark: count for mark, count in broken.items() if "think" not in mark}
    if not broken:
        return None
    mark, count = next(iter(broken.items()))
    return finding(
        case,
        "split_marks",
        "error",
        f"The template's {mark} is no token of this tokenizer: it becomes {count} pieces.",
        "The model has to learn a spelling in the place of a mark, and nothing stops generate() at it.",
        rows,
        fixes.add_tokens(list(broken)[:8]),
    )


Check = Callable[[Case], Finding | None]
