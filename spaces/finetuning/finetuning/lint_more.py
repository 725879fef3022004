"""Findings of the data and of the template, whoever trains; and the order in which findings are told."""

from __future__ import annotations

from finetuning import fixes, lint, lint_columns
from finetuning.data import Finding, Fix
from finetuning.lint import Case, Seen, counted, finding
from finetuning.masks import labels_of
from finetuning.request import TRAINERS


def system_lost(case: Case) -> Finding | None:
    """A system message that is not in the text."""
    column = [one for one in case.seen if one.row.system]
    if column and case.trainer != "axolotl":
        return finding(
            case,
            "system_lost",
            "error",
            f"The column “system” is not read in {counted(column, case)}.",
            "TRL and Unsloth render “messages” alone. Axolotl puts the column before them.",
            column,
            [fixes.SYSTEM_COLUMN],
        )
    rows = [
        one
        for one in case.read
        if one.layout and any(turn.role == "system" and turn.lost for turn in one.layout.turns)
    ]
    if not rows:
        return None
    return finding(
        case,
        "system_lost",
        "error",
        f"The template drops the system message of {counted(rows, case)}.",
        "It is not in the text that the model reads, in training or later.",
        rows,
        fixes.SYSTEM,
    )


def message_lost(case: Case) -> Finding | None:
    """Another message that is not in the text."""
    rows = [
        one
        for one in case.read
        if one.layout and any(turn.role != "system" and turn.lost for turn in one.layout.turns)
    ]
    if not rows:
        return None
    roles = {turn.role for one in rows for turn in one.layout.turns if turn.lost}  # type: ignore[union-attr]
    return finding(
        case,
        "message_lost",
        "error",
        f"The template drops {', '.join(sorted(roles - {'system'}))[:60]} messages in {counted(rows, case)}.",
        "They are not in the text that the model reads.",
        rows,
        [],
    )


def bos_twice(case: Case) -> Finding | None:
    """Two BOS tokens at the beginning."""
    bos = case.reader.tokenizer.bos_token_id
    rows = [one for one in case.read if bos is not None and one.read.ids[:2] == [bos, bos]]  # type: ignore[union-attr]
    if rows:
        name = case.reader.tokenizer.bos_token
        return finding(
            case,
            "bos_twice",
            "error",
            f"{counted(rows, case).capitalize()} begin with {name} twice."
            if len(rows) > 1
            else f"Row {rows[0].row.number} begins with {name} twice.",
            "The text has it, and the tokenizer puts another before it. At inference there will be one.",
            rows,
            fixes.BOS,
        )
    talks = [one for one in case.read if one.layout and one.read.ids[:1] == [bos]]  # type: ignore[union-attr]
    if bos is None or not talks or case.reader.ids("a", special=True)[:1] != [bos]:
        return None
    return finding(
        case,
        "bos_if_rendered",
        "note",
        "Hand over conversations, not their text: the tokenizer would add a second BOS.",
        "The template writes BOS, and the tokenizer adds one to a text. TRL and Axolotl tokenize what the "
        "template wrote without it; a column of rendered text would begin with two.",
        talks,
        fixes.BOS,
    )


def questions_trained(case: Case) -> Finding | None:
    """What the user and the system say is trained on."""
    rows, theirs, whole = [], 0, 0
    for one in case.taken:
        if one.layout is None:
            continue
        labels = labels_of(one.view(case.trainer))
        count = sum(
            label and part in ("user", "system", "hidden", "tool", "header", "end")
            for label, part in zip(labels, one.parts, strict=False)
        )
        if any(
            label and part in ("user", "system", "tool")
            for label, part in zip(labels, one.parts, strict=False)
        ):
            rows.append(one)
            theirs, whole = theirs + count, whole + sum(labels)
    if not rows:
        return None
    mends: list[Fix] = []
    if case.trainer == "trl":
        twin = lint.marked_twin(case)
        mends = [fixes.marked(twin)] if twin else []
        mends += [fixes.COMPLETION] if twin else [fixes.COMPLETION, fixes.ASSISTANT]
    else:
        mends = [fixes.COMPLETION]
    return finding(
        case,
        "questions_trained",
        "warning",
        f"Questions are trained on too: {100 * theirs / max(1, whole):.0f} % of the trained tokens are not "
        "the assistant's.",
        "The model learns to write what users and the system say. Some want that; most take it for a loss on "
        "answers alone.",
        rows,
        [*mends, fixes.AXOLOTL_CHAT],
    )


def prompt_trained(case: Case) -> Finding | None:
    """The generation prompt is trained on where questions are not."""
    rows = []
    for one in case.taken:
        labels = labels_of(one.view(case.trainer))
        have = {part for label, part in zip(labels, one.parts, strict=False) if label}
        if "prompt" in have and not have & {"user", "system"} and one.layout:
            rows.append(one)
    if not rows:
        return None
    return finding(
        case,
        "prompt_trained",
        "warning",
        f"The generation prompt is trained on in {counted(rows, case)}.",
        "It is given at inference: what is learnt there is never asked for, and it lowers the mean loss.",
        rows,
        [fixes.COMPLETION],
    )


def first_lost(case: Case) -> Finding | None:
    """The first token of an answer has no label though others of it have."""
    rows = []
    for one in case.taken:
        view = one.view(case.trainer)
        labels = labels_of(view)
        for place, turn in enumerate(one.layout.turns if one.layout else ()):
            own = [
                at
                for at, part in enumerate(one.parts)
                if one.owners[at] == place and part in ("answer", "thinking") and at < view["kept"]
            ]
            if turn.role == "assistant" and own and not labels[own[0]] and any(labels[at] for at in own):
                rows.append(one)
                break
    if not rows:
        return None
    return finding(
        case,
        "first_lost",
        "error",
        f"The first token of an answer is not trained on in {counted(rows, case)}.",
        "It joins with what stands before it, or the marker reaches into the answer. The model is never told "
        "how an answer begins.",
        rows,
        [fixes.COMPLETION, fixes.AXOLOTL_CHAT],
    )


def changed_later(case: Case) -> Finding | None:
    """Earlier messages change when later ones come."""
    rows = [one for one in case.read if one.layout and not one.layout.kept]
    if not rows:
        return None
    thoughts = any("</think>" in str(message.get("content")) for one in rows for message in one.row.messages)
    return finding(
        case,
        "not_prefix",
        "warning",
        f"Thoughts of earlier answers vanish from the text in {counted(rows, case)}."
        if thoughts
        else f"The template writes messages differently once others follow, in {counted(rows, case)}.",
        (
            "The template drops a thought once the next question follows. So all answers but the last are "
            "trained on without the thought that the model will have before it in a chat. "
            if thoughts
            else "What the model reads at inference is not what it was trained on. "
        )
        + "Only the last answer stands behind the text that it will be asked with.",
        rows,
        [fixes.SPLIT_TURNS],
    )


def unprompted(case: Case) -> Finding | None:
    """The generation prompt is not what stands before answers."""
    rows = [
        one
        for one in case.read
        if one.layout
        and one.layout.kept
        and any(not turn.prompted for place, turn in enumerate(one.layout.turns) if place)
    ]
    if not rows:
        return None
    prompt = rows[0].layout.prompt  # type: ignore[union-attr]
    return finding(
        case,
        "unprompted",
        "warning",
        f"Answers do not begin behind the generation prompt in {counted(rows, case)}.",
        f"At inference the template writes {prompt!r}; in training something else stands there.",
        rows,
        [],
    )


def hidden_system(case: Case) -> Finding | None:
    """The template adds a system message."""
    rows = [one for one in case.read if one.layout and one.layout.hidden]
    if not rows:
        return None
    layout = rows[0].layout
    assert layout is not None and layout.hidden is not None
    text = " ".join(layout.written.text[slice(*layout.hidden)].split())
    return finding(
        case,
        "hidden_system",
        "note",
        f"The template adds a system message by itself in {counted(rows, case)}.",
        f"“{text[:160]}”. Give one of your own, even an empty one, where it should not be there; and keep it "
        "the same at inference.",
        rows,
        [],
    )


def other_eos(case: Case) -> Finding | None:
    """The stop token is not the EOS token."""
    stops, eos = case.stops(), case.reader.tokenizer.eos_token_id
    if not stops or eos in stops:
        return None
    name, own = next(iter(stops.values())), case.reader.tokenizer.eos_token
    return finding(
        case,
        "other_eos",
        "warning",
        f"Answers end with {name}, while the tokenizer's EOS token is {own}.",
        "generate() stops at EOS: after the training answers run on, unless generation_config names "
        f"{name} too. Axolotl trains on {name} only where eot_tokens names it.",
        [one for one in case.read if one.layout],
        [fixes.eos(name), fixes.eot([name]), fixes.special(name)],
    )


def pad_is_stop(case: Case) -> Finding | None:
    """The pad token ends answers."""
    if case.pad is None or (case.pad not in case.stops() and case.pad != case.reader.tokenizer.eos_token_id):
        return None
    name = case.reader.tokenizer.convert_ids_to_tokens(case.pad)
    return finding(
        case,
        "pad_is_stop",
        "note",
        f"The pad token is the stop token {name}.",
        "TRL, Axolotl and Unsloth label before they pad, so it does no harm there. "
        "DataCollatorForLanguageModeling masks by id: with it no answer would have an end.",
        [],
        fixes.pad("<|pad|>"),
    )


def empty_answers(case: Case) -> Finding | None:
    """Answers without a word."""
    rows = [one for one in case.seen if any(_empty(message) for message in one.row.messages)]
    if not rows:
        return None
    return finding(
        case,
        "empty_answer",
        "warning",
        f"An answer is empty in {counted(rows, case)}.",
        "TRL and Unsloth train the model to stop at once; Axolotl trains on nothing there.",
        rows,
        [fixes.DROP_EMPTY],
    )


def _empty(message: dict[str, object]) -> bool:
    content = message.get("content")
    blank = isinstance(content, str) and not content.strip()
    return message["role"] == "assistant" and blank and not message.get("tool_calls")


def no_last_answer(case: Case) -> Finding | None:
    """Conversations that do not end with an answer."""
    rows = [one for one in case.seen if one.row.messages and one.row.messages[-1]["role"] != "assistant"]
    if not rows:
        return None
    return finding(
        case,
        "no_last_answer",
        "warning",
        f"The conversation does not end with an answer in {counted(rows, case)}.",
        "The last question teaches nothing, or the question itself is trained on.",
        rows,
        [fixes.END_WITH_ANSWER],
    )


CHECKS: tuple[lint.Check, ...] = (
    lint.refused_by_template,
    lint.mixed_forms,
    lint_columns.columns_wrong,
    lint_columns.unwanted,
    lint.foreign_roles,
    lint.not_taken,
    lint.nothing_trained,
    lint.split_marks,
    lint_columns.parts_listed,
    lint_columns.nulls,
    system_lost,
    message_lost,
    lint.stop_untrained,
    lint.cut_short,
    bos_twice,
    first_lost,
    changed_later,
    unprompted,
    prompt_trained,
    questions_trained,
    other_eos,
    no_last_answer,
    empty_answers,
    hidden_system,
    pad_is_stop,
    lint_columns.pictures,
)


def findings(case: Case) -> list[Finding]:
    """All findings, the gravest first."""
    found = [one for check in CHECKS if (one := check(case))]
    return sorted(found, key=lambda one: lint.GRADES[one["grade"]])


def verdict(case: Case, found: list[Finding]) -> str:
    """What a visitor should know first, in one sentence."""
    grave = [one for one in found if one["grade"] != "note"]
    if grave:
        return grave[0]["says"]
    rows: list[Seen] = case.taken
    answered = all(one.layout is not None for one in rows)
    what = "Every answer and its stop token is trained on, and nothing else"
    if not answered:
        what = "Every text is trained on, its stop token too"
    if any(one.row.form == "text_completion" for one in rows):
        what = "Every completion and its stop token is trained on, and nothing else"
    after = any(
        label and part == "after"
        for one in rows
        for label, part in zip(labels_of(one.view(case.trainer)), one.parts, strict=False)
    )
    if after and answered:
        what = "Every answer is trained on, with its stop token and what the template writes behind it"
    return f"{what}: {TRAINERS[case.trainer]}, {len(rows)} {'row' if len(rows) == 1 else 'rows'}."
