"""Run several strategies on one model in lockstep: one prefill, one batch, one cache.

All strategies continue the same prompt by one token a step, so their rows have equal positions and need no
padding. Each step is one forward pass over the rows of all strategies; the cache's rows are gathered as the
strategies ask.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from decoding import distribution
from decoding.record import FIELDS, WARPERS, Recorder, Stage, score
from decoding.request import Request, Strategy
from decoding.strategies import Decoder, Feed, Outputs, Plan, start
from decoding.trace import Run, Trace
from decoding.trace import Sequence as Text
from shared import limits
from shared.errors import VisitorError
from shared.models import Loaded

_OWN_FIELDS = ("penalty_alpha", "dola_layers", "num_beam_groups", "diversity_penalty")
"""Fields of the strategies that transformers moved out of its core: they are carried out here, not by
`generate`.
"""


@dataclass
class _Lane:
    """A strategy on its way through the lockstep."""

    plan: Plan
    forced: list[int]
    decoder: Decoder | None = None
    feed: Feed | None = None
    first: int = 0  # its first row in the batch
    node: int = 0
    passes: int = 1
    seconds: float = 0.0
    hidden: list[torch.Tensor] = field(default_factory=list)

    @property
    def needs_hidden(self) -> bool:
        return self.plan.strategy.kind in ("contrastive", "dola")


def window(loaded: Loaded) -> int:
    """How many tokens the model can read, the limits of this demo included."""
    most = limits.MAX_PROMPT_TOKENS + limits.MAX_NEW_TOKENS
    return min(most, getattr(loaded.model.config.get_text_config(), "max_position_embeddings", None) or most)


def encode(prompt: str, loaded: Loaded, chat: bool, new_tokens: int) -> list[int]:
    """Token ids of a prompt, through the chat template if `chat`.

    Args:
        prompt: the text.
        loaded: the model.
        chat: whether the text goes into the chat template.
        new_tokens: tokens to add, which need room in the model's window.

    Raises:
        VisitorError: the model has no chat template, the prompt has no tokens or too many.
    """
    tokenizer = loaded.tokenizer
    if chat:
        if not tokenizer.chat_template:
            raise VisitorError(
                f"{loaded.id} has no chat template.",
                "Switch the chat template off, or choose an instruct model.",
            )
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], add_generation_prompt=True, tokenize=False
        )
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    else:
        ids = tokenizer(prompt)["input_ids"]
    if not ids:
        raise VisitorError("The prompt has no token that the model knows.", "Write some words.")
    if len(ids) > limits.MAX_PROMPT_TOKENS:
        raise VisitorError(
            f"The prompt has {len(ids):,} tokens; the limit is {limits.MAX_PROMPT_TOKENS:,}.", "Shorten it."
        )
    if len(ids) + new_tokens > window(loaded):
        raise VisitorError(
            f"{len(ids):,} tokens of prompt and {new_tokens} new ones are more than the {window(loaded):,} that {loaded.id} can read.",
            "Shorten the prompt, or lower max_new_tokens.",
        )
    return [int(token) for token in ids]


def decode(request: Request, loaded: Loaded) -> Iterator[Trace]:
    """Run the request's strategies and yield the growing trace after every step, the complete one last.

    Args:
        request: a validated request.
        loaded: the model that it names.

    Raises:
        VisitorError: the prompt does not fit, a token id is not in the vocabulary, or the model's logits are
            not finite.
    """
    model = loaded.model
    prompt = encode(request.prompt, loaded, request.chat, request.max_new_tokens)
    texts = _texts(loaded)
    lanes = [
        _Lane(_plan(strategy, request, loaded, prompt, texts), list(strategy.prefix))
        for strategy in request.strategies
    ]
    about = _About(request, loaded, prompt, texts)
    hidden = any(lane.needs_hidden for lane in lanes)
    began = time.perf_counter()
    with torch.inference_mode():
        ids = torch.tensor([prompt], device=loaded.device)
        whole = model(ids, use_cache=True, output_hidden_states=hidden, **_last_only(model))
        cache = whole.past_key_values
        outputs = Outputs(whole.logits[:, -1].float(), whole.hidden_states if hidden else None)
        _check_finite(outputs.logits, loaded)
        for lane in lanes:
            _step(lane, outputs, model)
        while True:
            live = [lane for lane in lanes if lane.feed is not None]
            for lane in lanes:
                lane.seconds = (
                    time.perf_counter() - began if lane in live or not lane.seconds else lane.seconds
                )
            yield about.trace(lanes, done=not live)
            if not live:
                return
            feeds = [lane.feed for lane in live if lane.feed is not None]
            rows = torch.cat([feed.rows + lane.first for lane, feed in zip(live, feeds, strict=True)])
            held = whole.logits.shape[0]
            if rows.shape[0] != held or not torch.equal(rows, torch.arange(held, device=rows.device)):
                cache.reorder_cache(rows)
            tokens = torch.cat([feed.tokens for feed in feeds])
            whole = model(tokens[:, None], past_key_values=cache, use_cache=True, output_hidden_states=hidden)
            logits = whole.logits[:, -1].float()
            _check_finite(logits, loaded)
            first = 0
            for lane, feed in zip(live, feeds, strict=True):
                part = slice(first, first + feed.tokens.shape[0])
                lane.first, lane.passes, first = first, lane.passes + 1, part.stop
                states = tuple(state[part] for state in whole.hidden_states) if lane.needs_hidden else None
                _step(lane, Outputs(logits[part], states), model)


def _step(lane: _Lane, outputs: Outputs, model: Any) -> None:
    """Give a lane its outputs: the next forced token of a branch, or its decoder's turn."""
    plan = lane.plan
    try:
        if lane.decoder is not None:
            lane.feed = lane.decoder.send(outputs)
            return
        if lane.needs_hidden and outputs.hidden is not None:
            lane.hidden.append(outputs.hidden[-1])
        if lane.forced:
            token = lane.forced.pop(0)
            lane.node = _record_forced(plan, outputs, lane.node, token)
            plan.results = [(lane.node, plan.recorder.nodes[lane.node].cumulative_logprob)]
            single = torch.tensor([token], device=outputs.logits.device)
            lane.feed = Feed(single, torch.zeros_like(single))
            return
        plan.root = lane.node
        if plan.strategy.kind == "contrastive" and len(lane.hidden) > 1:
            outputs = Outputs(outputs.logits, (torch.cat(lane.hidden, dim=1),))
        lane.decoder = start(plan, outputs, model.get_output_embeddings())
        lane.feed = next(lane.decoder)
    except StopIteration:
        lane.feed = None


def _record_forced(plan: Plan, outputs: Outputs, node: int, token: int) -> int:
    """Record a token that was chosen by hand, with the likeliest others beside it."""
    scored = score(outputs.logits, plan.context[:, :0], (), plain=False)
    recorder = plan.recorder
    names, recorder.names = recorder.names, ()
    made = recorder.candidates([node], scored, [[token]])[0]
    recorder.names = names
    recorder.summarise_now(node, scored.raw[0], scored.raw[0])
    for candidate, identity in made.items():
        if candidate == token:
            recorder.update(identity, "chosen", "Chosen by hand.")
        else:
            recorder.update(identity, "pruned", "Another token was chosen by hand.")
    return made[token]


def _plan(strategy: Strategy, request: Request, loaded: Loaded, prompt: list[int], texts: Any) -> Plan:
    """Have `generate` prepare the strategy's processors and settings, and stop before it decodes."""
    from transformers import GenerationConfig

    _check_tokens(strategy, loaded)
    config = {name: value for name, value in strategy.config.items() if name not in _OWN_FIELDS}
    if strategy.kind == "contrastive":
        config.pop("top_k", None)
    context = torch.tensor([[*prompt, *strategy.prefix]], device=loaded.device)
    new_tokens = request.max_new_tokens - len(strategy.prefix)
    prepared = loaded.model.generate(
        context,
        attention_mask=torch.ones_like(context),
        generation_config=GenerationConfig(**config, max_new_tokens=new_tokens),
        custom_generate=_prepared,
    )
    settings = prepared["settings"]
    stages: list[Stage] = [
        (FIELDS.get(type(processor).__name__, type(processor).__name__), processor)
        for processor in prepared["processors"]
    ]
    names = [name for name, _ in stages]
    plain = strategy.kind in ("beam", "beam_sample", "group_beam")
    exponent = settings.get("length_penalty") if plain else None
    recorder = Recorder(
        ["dola_layers", *names] if strategy.kind == "dola" else names,
        texts,
        1.0 if plain and exponent is None else exponent,
    )
    if strategy.kind == "dola":
        recorder.warpers = 0
        settings["tie_word_embeddings"] = loaded.model.config.get_text_config().tie_word_embeddings
    return Plan(
        strategy,
        tuple(stages),
        settings,
        context,
        new_tokens,
        prepared["eos"],
        prepared["pad"],
        request.seed,
        recorder,
    )


def _prepared(
    model: Any,
    input_ids: torch.Tensor,
    logits_processor: Any,
    stopping_criteria: Any,
    generation_config: Any,
    **_: Any,
) -> Any:
    """A `custom_generate` that returns what `generate` made ready instead of decoding."""
    eos: list[int] = next(
        (
            criteria.eos_token_id.tolist()
            for criteria in stopping_criteria
            if hasattr(criteria, "eos_token_id")
        ),
        [],
    )
    pad = generation_config.pad_token_id
    pad = pad[0] if isinstance(pad, list) else pad
    return {
        "processors": list(logits_processor),
        "settings": generation_config.to_dict(),
        "eos": tuple(eos),
        "pad": int(pad) if pad is not None else (eos[0] if eos else 0),
    }


def _check_tokens(strategy: Strategy, loaded: Loaded) -> None:
    """Refuse token ids that the model does not have."""
    size = loaded.model.config.get_text_config().vocab_size
    lists = [
        list(strategy.prefix),
        *strategy.config.get("bad_words_ids", []),
        *(ids for ids, _ in strategy.config.get("sequence_bias", [])),
    ]
    for ids in lists:
        for token in ids:
            if token >= size:
                raise VisitorError(
                    f"{strategy.name}: token {token} is not in the vocabulary of {size:,}.",
                    "Use ids of this model's tokenizer.",
                )
    layers = strategy.config.get("dola_layers")
    if isinstance(layers, list) and min(layers) >= loaded.model.config.get_text_config().num_hidden_layers:
        raise VisitorError(
            f"{strategy.name}: the model has no layer {min(layers)}.", 'Use smaller numbers, "low" or "high".'
        )


def _check_finite(logits: torch.Tensor, loaded: Loaded) -> None:
    if bool(torch.isnan(logits).any()):
        raise VisitorError(
            f"{loaded.id} gave numbers that are not finite (NaN).",
            "Choose another model; its weights may be damaged.",
        )


def _last_only(model: Any) -> dict[str, int]:
    """Ask for the last position's logits only, where the model knows how."""
    import inspect

    return {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}


def _texts(loaded: Loaded) -> Any:
    """A function from token ids to their texts, special tokens shown."""
    tokenizer = loaded.tokenizer
    known: dict[int, str] = {}

    def texts(ids: Sequence[int]) -> list[str]:
        missing = [token for token in ids if token not in known]
        if missing:
            known.update(
                zip(
                    missing,
                    tokenizer.batch_decode(
                        [[token] for token in missing], clean_up_tokenization_spaces=False
                    ),
                    strict=True,
                )
            )
        return [known[token] for token in ids]

    return texts


@dataclass(frozen=True)
class _About:
    """What every partial trace repeats."""

    request: Request
    loaded: Loaded
    prompt: list[int]
    texts: Any

    def trace(self, lanes: list[_Lane], done: bool) -> Trace:
        import transformers

        loaded = self.loaded
        return Trace(
            request=self.request.to_json(),
            provenance={
                "model": loaded.id,
                "revision": loaded.revision,
                "source": loaded.source,
                "dtype": loaded.dtype,
                "device": loaded.device,
                "seed": self.request.seed,
                "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
            },
            prompt={"text": self.request.prompt, "token_ids": self.prompt, "tokens": self.texts(self.prompt)},
            runs=tuple(self._run(lane, done) for lane in lanes),
            done=done,
        )

    def _run(self, lane: _Lane, done: bool) -> Run:
        plan, recorder = lane.plan, lane.plan.recorder
        sequences = []
        for leaf, value in plan.results:
            ids = recorder.token_ids(leaf)
            sequences.append(
                Text(ids, self.loaded.tokenizer.decode(ids, clean_up_tokenization_spaces=False), value, leaf)
            )
        return Run(
            name=plan.strategy.name,
            kind=plan.strategy.kind,
            config=plan.strategy.config,
            prefix=plan.strategy.prefix,
            processors=recorder.names,
            warpers=recorder.warpers,
            # transformers' rule: the filters of a beam leave one token more than there are ends of text
            min_tokens_to_keep=1 + max(1, len(plan.eos)) if plan.strategy.kind == "beam_sample" else 1,
            sequences=tuple(sequences),
            nodes=tuple(recorder.nodes),
            distributions=dict(recorder.distributions)
            if done
            else {},  # large, and of use only when nothing moves any more
            decisions=dict(recorder.decisions),
            forward_passes=lane.passes,
            seconds=lane.seconds,
            done=lane.feed is None,
        )


def next_token_distribution(
    loaded: Loaded, token_ids: list[int], config: dict[str, Any], prompt_length: int, limit: int | None
) -> dict[str, Any]:
    """The next-token distribution after any text, for the sampler panel.

    Args:
        loaded: the model.
        token_ids: the prompt and the tokens after it.
        config: the strategy's fields; its penalties and constraints are applied, its filters are not.
        prompt_length: how many of the ids are the prompt.
        limit: tokens to list, None for the whole vocabulary.

    Returns:
        See `distribution.summarise`.
    """
    request = Request("-", loaded.id, (), max_new_tokens=limits.MAX_NEW_TOKENS)
    strategy = Strategy("-", config)
    texts = _texts(loaded)
    plan = _plan(strategy, request, loaded, token_ids[:prompt_length], texts)
    stages = [stage for stage in plan.stages if stage[0] not in WARPERS]
    with torch.inference_mode():
        ids = torch.tensor([token_ids], device=loaded.device)
        logits = loaded.model(ids, use_cache=False, **_last_only(loaded.model)).logits[:, -1].float()
        _check_finite(logits, loaded)
        plain = strategy.kind in ("beam", "beam_sample", "group_beam")
        scored = score(logits, ids, stages, plain)
        base = torch.log_softmax(scored.scores, dim=-1)[0] if stages else scored.raw[0]
        by = stages[-1][0] if stages else None
        return distribution.summarise(scored.raw[0], base, texts, limit, by)
