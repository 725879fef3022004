"""What is said to a model and what it answers: prompts as token ids, the tokens that end a text, greedy
answers. It is long because where a prompt ends and an answer begins has to be seen in one place.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from shared import chat_templates, limits, patterns
from shared.errors import VisitorError
from shared.starts import Memory, begun, beside, without_loss

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from shared.models import Loaded

FORMS = ("auto", "chat", "plain")
"""How a prompt is given to a model: through the chat template where there is one, through it in any case, or
as text to continue.
"""
CONTINUE = "Choose an instruct model, or let this one continue the prompt as plain text."
ROWS = 48
"""Prompts that are answered in one batch."""


def leading_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """What a tokenizer puts before every text: BOS with most that put anything (GLM: two tokens), `()` with
    the others.

    A tokenizer is asked, not its settings: it may have a BOS and not add it (SmolLM2, Qwen, GPT-2).
    """
    text = "a"
    bare, full = (tokenizer(text, add_special_tokens=special)["input_ids"] for special in (False, True))
    for start in range(len(full) - len(bare) + 1 if bare else 0):
        if full[start : start + len(bare)] == bare:
            return tuple(full[:start])
    return tuple(full[:1]) if full[:1] == [tokenizer.bos_token_id] else ()


def token_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of a text alone, with no special tokens around it.

    The pattern by which a tokenizer splits a text is its author's, too. Its library gives up a place in the
    text after 10⁷ steps, a third of a second, by an exception that passes every `except Exception`; how long
    all places take is tried elsewhere first, see `shared.patterns`.

    Raises:
        VisitorError: it gave up.
    """
    patterns.check(tokenizer, text)
    try:
        ids = tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise patterns.GAVE_UP from error
    return list(ids)


def plain_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of a text that goes on: BOS first where the tokenizer adds one, once, and no EOS behind it
    even where the tokenizer adds that.
    """
    lead = list(leading_tokens(tokenizer))
    ids = token_ids(tokenizer, text)
    return ids if ids[: len(lead)] == lead else lead + ids


def render(loaded: Loaded, prompt: str, system: str = "", remedy: str = CONTINUE, **settings: Any) -> str:
    """A question as the chat template writes it, up to where the answer begins.

    Args:
        loaded: the model.
        prompt: the question.
        system: a system prompt; "" for what the template does without one, which may be a prompt of its own.
        remedy: the second sentence of an error of the template as such.
        settings: further variables of the template, such as `enable_thinking`.

    Raises:
        VisitorError: there is no chat template, it does not take a question alone, it refuses or drops the
            system prompt, or it goes past the limits of `shared.chat_templates`.
    """
    template = loaded.tokenizer.chat_template
    if not template:
        raise VisitorError(f"{loaded.id} has no chat template.", remedy)
    if isinstance(template, dict) and "default" not in template:
        named = ", ".join(sorted(template))
        raise VisitorError(
            f"{loaded.id} has chat templates for {named[:80]}, and none for a question alone.", remedy
        )
    try:
        text = _filled(loaded, _talk(prompt), settings)
    except (chat_templates.Failed, ValueError) as error:
        raise VisitorError(
            f"The chat template of {loaded.id} does not take a question alone.", remedy
        ) from error
    if not system:
        return text
    without = "Leave the system prompt empty, or write it into the prompt."
    try:
        text = _filled(loaded, _talk(prompt, system), settings)
    except (chat_templates.Failed, ValueError) as error:
        raise VisitorError(f"The chat template of {loaded.id} takes no system prompt.", without) from error
    if system.strip() not in text:
        raise VisitorError(f"The chat template of {loaded.id} drops the system prompt.", without)
    return text


def render_turns(
    loaded: Loaded, turns: Sequence[tuple[str, str]], remedy: str = CONTINUE, **settings: Any
) -> str:
    """A conversation as the chat template writes it, up to where the next answer begins. As lm-eval does, a
    system message that the template refuses is left out.

    Args:
        loaded: the model.
        turns: role and text of every message; the last one is a user's.
        remedy: as for `render`.
        settings: as for `render`.

    Raises:
        VisitorError: as `render`, or the template takes no conversation.
    """
    if len(turns) == 1:
        return render(loaded, turns[0][1], remedy=remedy, **settings)
    render(loaded, turns[-1][1], remedy=remedy, **settings)  # says what is wrong with the template as such
    messages = [{"role": role, "content": text} for role, text in turns]
    for some in (messages, [one for one in messages if one["role"] != "system"]):
        try:
            return _filled(loaded, some, settings)
        except (chat_templates.Failed, ValueError) as error:
            failed = error
    raise VisitorError(
        f"The chat template of {loaded.id} takes no conversation of several messages.", remedy
    ) from failed


def _talk(prompt: str, system: str = "") -> list[dict[str, str]]:
    talk = [{"role": "system", "content": system}] if system else []
    return [*talk, {"role": "user", "content": prompt}]


def _filled(loaded: Loaded, talk: list[dict[str, str]], settings: dict[str, Any]) -> str:
    tokenizer, prompt = loaded.tokenizer, talk[-1]["content"]
    variables = {
        "messages": talk,
        "tools": None,
        "documents": None,
        "add_generation_prompt": True,
        **tokenizer.special_tokens_map,
        **settings,
    }
    try:
        text = chat_templates.fill(tokenizer.get_chat_template(), variables)
    except chat_templates.TooMuch as error:
        raise VisitorError(
            f"The chat template of {loaded.id} takes more than {limits.TEMPLATE_SECONDS:g} seconds or writes "
            f"more than {limits.MAX_TEMPLATE_CHARACTERS:,} characters.",
            "Choose another model, or let this one continue the prompt as plain text.",
        ) from error
    if prompt.strip() not in text:
        raise ValueError("the template loses the question")
    return text


def prompt_ids(
    loaded: Loaded, prompt: str, form: str = "auto", system: str = "", remedy: str = CONTINUE, **settings: Any
) -> list[int]:
    """Token ids of a prompt, as transformers' `apply_chat_template` or the tokenizer itself gives them.

    A template writes BOS itself where the model wants it, so the tokenizer adds none to it; to plain text it
    does, see `plain_ids`.

    Args:
        loaded: the model.
        prompt: the question, or the text to continue.
        form: one of `FORMS`. A system prompt is only possible in a chat template.
        system: as for `render`.
        remedy: as for `render`.
        settings: as for `render`.

    Raises:
        VisitorError: as `render`; or the prompt has no token, or one that the model does not have.
    """
    if form == "chat" or system or (form == "auto" and loaded.tokenizer.chat_template):
        text = render(loaded, prompt, system, remedy, **settings)
        ids = token_ids(loaded.tokenizer, text)
    else:
        ids = plain_ids(loaded.tokenizer, prompt)
    if not ids:
        raise VisitorError("The prompt has no token that the model knows.", "Write some words.")
    check_vocabulary(loaded.model, ids)
    return [int(token) for token in ids]


def turns_ids(loaded: Loaded, turns: Sequence[tuple[str, str]], **settings: Any) -> list[int]:
    """Token ids of a conversation, as `render_turns` writes it.

    Raises:
        VisitorError: as `render_turns`; or a token is none that the model has.
    """
    ids = token_ids(loaded.tokenizer, render_turns(loaded, turns, **settings))
    check_vocabulary(loaded.model, ids)
    return ids


def longest_prompt(loaded: Loaded, new_tokens: int = limits.MAX_NEW_TOKENS) -> int:
    """How many tokens a prompt may have, so that it and an answer fit into what the model can read."""
    context = context_limit(loaded)
    most = limits.MAX_PROMPT_TOKENS
    return most if context is None else max(1, min(most, context - new_tokens))


def context_limit(loaded: Loaded) -> int | None:
    """How many tokens the model was built to read at once; None where its config states none."""
    stated = getattr(loaded.model.config.get_text_config(), "max_position_embeddings", None)
    return int(stated) if stated else None


def check_length(prompt: str, ids: Sequence[int], most: int) -> None:
    """Raise a VisitorError where a prompt has more than `most` tokens."""
    if len(ids) > most:
        start = f"The prompt “{prompt[:40]}{'…' if len(prompt) > 40 else ''}” has {len(ids):,} tokens."
        raise VisitorError(start, f"Use prompts of 1 to {most:,} tokens.")


def check_vocabulary(model: PreTrainedModel, ids: Sequence[int] | Tensor) -> None:
    """Raise a VisitorError where the model has no embedding for a token: some vocabularies are shorter than
    their tokenizer's, and a GPU would not survive it.
    """
    rows = model.get_input_embeddings().weight.shape[0]
    largest = int(max(ids)) if isinstance(ids, Sequence) else int(ids.max())
    if largest >= rows:
        raise VisitorError(
            f"The tokenizer writes token {largest:,}, and the model has only {rows:,} tokens.",
            "Leave out the special tokens in the text, or choose a model whose tokenizer fits it.",
        )


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Token ids that end a text, one or many: those of the model's generation_config, as `generate` takes
    them; where it states none the tokenizer's, else those of the model's config.
    """
    for stated in (
        model.generation_config.eos_token_id if model.generation_config else None,
        tokenizer.eos_token_id,
        getattr(model.config.get_text_config(), "eos_token_id", None),
    ):
        ids = stated if isinstance(stated, (list, tuple)) else [stated]
        known = frozenset(int(token) for token in ids if token is not None)
        if known:
            return known
    return frozenset()


def pad_token(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """A token to fill shorter rows of a batch with: the tokenizer's where the model has it, else one that
    ends a text, else 0. It is masked, so that no number depends on it.
    """
    rows = model.get_input_embeddings().weight.shape[0]
    known = [tokenizer.pad_token_id, *sorted(end_tokens(model, tokenizer))]
    return next((int(token) for token in known if token is not None and 0 <= token < rows), 0)


@dataclass(frozen=True)
class Answer:
    """A greedy answer.

    Args:
        ids: its tokens, without the one that ends it.
        ended: whether the model wrote a token that ends it.
        end: that token, where it did.
    """

    ids: tuple[int, ...]
    ended: bool
    end: int | None = field(default=None, compare=False)

    def text(self, tokenizer: PreTrainedTokenizerBase) -> str:
        """The answer as text, without special tokens and blanks around it."""
        return str(tokenizer.decode(list(self.ids), skip_special_tokens=True)).strip()


def greedy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    tokens: int,
    choose: Callable[[Tensor], Tensor] | None = None,
    enough: Callable[[Sequence[int]], bool] | None = None,
    memories: Sequence[Memory] = (),
) -> Iterator[list[Answer]]:
    """Greedy answers to prompts in one batch; yields all of them after every step, as far as they are.

    The tokens of transformers' `generate(do_sample=False)` on each prompt alone. Of the model's own
    generation settings only the tokens that end a text count: a penalty would hide the likeliest token.

    Args:
        model: a model or an edited twin.
        tokenizer: of the model.
        prompts: token ids without padding; padded on the left here, masked, with the positions shifted.
        tokens: longest answer.
        choose: from the logits of the next token of each row that goes on, (rows, vocabulary), to those
            tokens, (rows,); the likeliest by default.
        enough: whether an answer of these tokens is not gone on with although the model has not ended it.
        memories: what the model keeps of each prompt, where it has just read them.
    """
    import torch

    if len(prompts) > 1 and _feels_padding(model) and len(set(map(len, prompts))) > 1:
        alone = (greedy(model, tokenizer, [row], tokens, choose, enough) for row in prompts)
        known = [Answer((), False)] * len(prompts)
        for steps in zip_longest(*alone):
            known = [step[0] if step else last for step, last in zip(steps, known, strict=True)]
            yield known
        return
    stops, pad = end_tokens(model, tokenizer), pad_token(model, tokenizer)
    device = model.get_input_embeddings().weight.device
    takes = inspect.signature(model.forward).parameters

    def read(ids: Tensor, mask: Tensor, positions: Tensor, cache: Any = None) -> tuple[Any, Tensor]:
        inputs = {"position_ids": positions, "logits_to_keep": 1, "past_key_values": cache}
        inputs = {name: value for name, value in inputs.items() if name in takes and value is not None}
        inputs |= without_loss(model)
        with torch.inference_mode():
            output = model(ids, attention_mask=mask, use_cache=True, **inputs)
        return getattr(output, "past_key_values", None), output.logits[:, -1]

    rows = [tuple(row) for row in prompts]
    once = rows if memories else list(dict.fromkeys(rows))
    start = (
        memories[0].start if memories else begun(model, once)
    )  # of a chat template's words one copy is read
    ids, mask, positions = _padded(once, pad, device, start.tokens)
    cache = beside(memories) if memories else start.memory(len(once))
    if memories:  # which hold all but each prompt's last token
        ids, positions = ids[:, -1:], positions[:, -1:]
    cache, scores = read(ids, mask, positions, cache)
    if len(once) < len(rows):  # equal prompts are read once where their memory can be given to each
        if _separable(cache):
            same = torch.tensor([once.index(row) for row in rows], device=device)
            ids, mask, positions, scores = ids[same], mask[same], positions[same], scores[same]
            cache.batch_select_indices(same)
        else:
            ids, mask, positions = _padded(rows, pad, device)
            cache, scores = read(ids, mask, positions)
    written: list[list[int]] = [[] for _ in rows]
    ends: list[int | None] = [None] * len(rows)
    over = [False] * len(rows)
    going = list(range(len(rows)))
    for count in range(1, tokens + 1):
        chosen = choose(scores) if choose else scores.argmax(-1)
        for row, token in zip(going, chosen.tolist(), strict=True):
            if not over[row] and token in stops:
                ends[row], over[row] = token, True
            if not over[row]:
                written[row].append(token)
                over[row] = enough is not None and enough(written[row])
        yield [Answer(tuple(row), end is not None, end) for row, end in zip(written, ends, strict=True)]
        if all(over) or count == tokens:
            return
        following = positions[:, -1:] + 1
        mask = torch.cat((mask, torch.ones_like(following)), 1)
        if cache is None:  # a model with another kind of memory (Mamba) reads everything anew
            ids, positions = torch.cat((ids, chosen[:, None]), 1), torch.cat((positions, following), 1)
        else:
            ids, positions = chosen[:, None], following
            places = [at for at, row in enumerate(going) if not over[row]]
            if len(places) < len(going) and _separable(cache):  # what has ended is not gone on with
                some = torch.tensor(places, device=device)
                ids, mask, positions = ids[some], mask[some], positions[some]
                cache.batch_select_indices(some)
                going = [going[at] for at in places]
        cache, scores = read(ids, mask, positions, cache)


def _padded(
    rows: Sequence[Sequence[int]], pad: int, device: Any, start: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """What stands behind the first `start` tokens of each row, which are the same in all, with padding on the
    left; the mask of whole rows, and the positions of the tokens behind.
    """
    import torch

    longest = max(map(len, rows))
    blank = [longest - len(row) for row in rows]
    ids = torch.tensor([[pad] * n + list(row[start:]) for n, row in zip(blank, rows, strict=True)])
    mask = torch.tensor([[1] * start + [0] * n + [1] * (longest - start - n) for n in blank])
    positions = (mask.cumsum(1) - 1).clamp(min=0)[:, start:]
    return ids.to(device), mask.to(device), positions.to(device)


def _separable(cache: Any) -> bool:
    """Whether rows can be taken out of a model's memory: keys and values of each token, and nothing else."""
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    layers = getattr(cache, "layers", None) or [None]
    return all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers)


def _feels_padding(model: PreTrainedModel) -> bool:
    """Whether the padding before a prompt may change its answer although it is masked: a recurrent state
    (RWKV) reads it, and so does a short convolution with biases (LFM2).
    """
    layers = getattr(model.config.get_text_config(), "layer_types", None) or ()
    return "conv" in layers or bool(getattr(model, "_is_stateful", False))


def answer_all(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    tokens: int,
    memories: Sequence[Memory] = (),
) -> Iterator[int | list[Answer]]:
    """Greedy answers to any number of prompts, in batches of similar length; yields how many are done, at the
    end all answers in the order of the prompts.

    Args:
        model: a model or an edited twin.
        tokenizer: of the model.
        prompts: token ids without padding.
        tokens: longest answer.
        memories: as for `greedy`.
    """
    answers = [Answer((), False)] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    for start in range(0, len(order), ROWS):
        batch = order[start : start + ROWS]
        some = [prompts[place] for place in batch]
        kept = [memories[place] for place in batch] if memories else ()
        for step in greedy(model, tokenizer, some, tokens, memories=kept):
            last = step
        for place, answer in zip(batch, last, strict=True):
            answers[place] = answer
        yield min(start + ROWS, len(order))
    yield answers
