"""Run several strategies on one model in lockstep: one prefill, one batch, one cache.

All strategies continue the same prompt by one token a step, so their rows have equal positions and need no
padding. Each step is one forward pass over the rows of all strategies; the cache's rows are gathered as the
strategies ask.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import torch

from decoding import data, distribution
from decoding.decoders import start
from decoding.decoders.dola import Head, early_head
from decoding.decoders.plan import Decoder, Feed, Outputs, Plan
from decoding.prepare import own_settings, prepare
from decoding.prompt import Prompt, encode
from decoding.record import WARPERS, score
from decoding.request import Request
from decoding.strategy import Strategy
from decoding.structured.constraint import warnings_of
from decoding.structured.outcome import MAX_TEXTS, outcome
from decoding.trace import Continuation, Run, Trace
from shared import limits
from shared.errors import VisitorError
from shared.tokens import Texts

if TYPE_CHECKING:
    from shared.models import Loaded


class _Batch:
    """The rows of all strategies on the model.

    A model whose memory cannot be gathered row by row (Mamba's state) reads every text anew at each step.
    """

    def __init__(self, loaded: Loaded, prompt: Sequence[int], hidden: bool) -> None:
        self.loaded, self.hidden = loaded, hidden
        self.ids = torch.tensor([prompt], device=loaded.device)  # [n, L]
        self.cache: Any = None

    def read(self) -> Outputs:
        """What the model says at the end of the prompt."""
        output = self._forward(self.ids)
        self.cache = getattr(output, "past_key_values", None)
        return self._outputs(output, self.ids.shape[1])

    def feed(self, rows: torch.Tensor, tokens: torch.Tensor) -> Outputs:
        """What the model says after tokens [n], each continuing one of the rows so far, [n]."""
        same = torch.equal(rows, torch.arange(len(self.ids), device=rows.device))
        self.ids = torch.cat([self.ids[rows], tokens[:, None]], dim=1)
        if self.cache is None:
            return self._outputs(self._forward(self.ids), 1)
        if not same:
            self.cache.reorder_cache(rows)
        return self._outputs(self._forward(tokens[:, None], past_key_values=self.cache), 1)

    def _forward(self, ids: torch.Tensor, **settings: Any) -> Any:
        model = self.loaded.model
        return model(ids, use_cache=True, output_hidden_states=self.hidden, **_last_only(model), **settings)

    def _outputs(self, output: Any, length: int) -> Outputs:
        logits = output.logits[:, -1].float()
        _check_finite(logits, self.loaded)
        states = tuple(state[:, -length:] for state in output.hidden_states) if self.hidden else None
        return Outputs(logits, states)


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
    rows: int = 1
    seconds: float = 0.0
    hidden: list[torch.Tensor] = field(default_factory=list)
    obeyed: list[data.Obeyed] = field(default_factory=list)
    """Of each returned text, where there is a constraint and the run is done."""

    @property
    def needs_hidden(self) -> bool:
        return self.plan.strategy.kind in ("contrastive", "dola")


def decode(request: Request, loaded: Loaded) -> Iterator[Trace]:
    """Run the request's strategies and yield the growing trace after every step, the complete one last.

    Args:
        request: of the run.
        loaded: the model that it names.

    Raises:
        VisitorError: the prompt does not fit, a token id is not in the vocabulary, or the model's logits are
            not finite.
    """
    prompt, texts = encode(request, loaded), Texts(loaded.tokenizer)
    lanes = [
        _Lane(prepare(strategy, request, loaded, prompt.ids, texts), list(strategy.prefix))
        for strategy in request.strategies
    ]
    about = _About(request, loaded, prompt, texts)
    batch = _Batch(loaded, prompt.ids, any(lane.needs_hidden for lane in lanes))
    head = early_head(loaded.model)
    # the mode is the thread's: whoever gets the thread between two steps must not find it
    with torch.inference_mode():
        began = time.perf_counter()
        outputs = batch.read()
        read = time.perf_counter() - began
        for lane in lanes:
            lane.seconds = read + _step(lane, outputs, head)
    while live := [(lane, lane.feed) for lane in lanes if lane.feed is not None]:
        yield about.trace(lanes, done=False)
        with torch.inference_mode():
            _advance(live, batch, head)
    for lane in lanes:
        lane.obeyed = about.outcomes(lane)
    yield about.trace(lanes, done=True)


def _advance(live: list[tuple[_Lane, Feed]], batch: _Batch, head: Head) -> None:
    """One pass of the model over what the lanes feed, and each lane's turn with what it gives."""
    began = time.perf_counter()
    outputs = batch.feed(
        torch.cat([feed.rows + lane.first for lane, feed in live]),
        torch.cat([feed.tokens for _, feed in live]),
    )
    a_row = (time.perf_counter() - began) / len(outputs.logits)
    first = 0
    for lane, feed in live:
        part = slice(first, first + len(feed.tokens))
        lane.first, first = first, part.stop
        if lane.decoder is not None:  # a branch alone would read its own tokens with the prompt
            lane.passes += 1
        lane.rows = max(lane.rows, len(feed.tokens))
        states = outputs.hidden if lane.needs_hidden else None
        own = tuple(state[part] for state in states) if states else None
        lane.seconds += a_row * len(feed.tokens) + _step(lane, Outputs(outputs.logits[part], own), head)


def _step(lane: _Lane, outputs: Outputs, head: Head) -> float:
    """Give a lane its outputs; returns the seconds that its choice took."""
    began = time.perf_counter()
    _choose(lane, outputs, head)
    return time.perf_counter() - began


def _choose(lane: _Lane, outputs: Outputs, head: Head) -> None:
    """The next forced token of a branch, or its decoder's turn."""
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
        plan.recorder.root = lane.node
        if plan.strategy.kind == "contrastive" and len(lane.hidden) > 1:
            outputs = Outputs(outputs.logits, (torch.cat(lane.hidden, dim=1),))
        lane.decoder = start(plan, outputs, head)
        lane.feed = next(lane.decoder)
    except StopIteration:
        lane.feed = None


def _record_forced(plan: Plan, outputs: Outputs, node: int, token: int) -> int:
    """Record a token that was chosen by hand, with the likeliest others beside it; returns its node."""
    scored = score(outputs.logits, plan.context[:, :0], (), plain=False)
    if plan.constraint is not None:
        allowed = plan.constraint.allowed_after(plan.recorder.token_ids(node))
        scored = replace(scored, allowed=allowed[None].to(scored.raw.device))
    candidates = plan.recorder.candidates([node], scored, [[token]])[0]
    plan.recorder.summarise_now(node, scored.raw[0], scored.raw[0])
    for candidate, identity in candidates.items():
        if candidate == token:
            plan.recorder.update(identity, "chosen", "Chosen by hand.")
        else:
            plan.recorder.update(identity, "pruned", "Another token was chosen by hand.")
    return candidates[token]


def _check_finite(logits: torch.Tensor, loaded: Loaded) -> None:
    if bool(torch.isnan(logits).any()):
        raise VisitorError(
            f"{loaded.id} gave numbers that are not finite (NaN).",
            "Choose another model; its weights may be damaged.",
        )


def _last_only(model: Any) -> dict[str, int]:
    """Ask for the last position's logits only, where the model knows how."""
    return {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}


@dataclass(frozen=True)
class _About:
    """What every partial trace repeats."""

    request: Request
    loaded: Loaded
    prompt: Prompt
    texts: Texts

    def trace(self, lanes: list[_Lane], done: bool) -> Trace:
        import transformers

        loaded = self.loaded
        return Trace(
            request=cast("data.Request", self.request.to_json()),
            provenance={
                **loaded.origin,
                "device": loaded.device,
                "seed": self.request.seed,
                "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
            },
            generation_config=own_settings(loaded),
            prompt=self._prompt(),
            runs=tuple(self._run(lane, done) for lane in lanes),
            done=done,
        )

    def _prompt(self) -> data.Prompt:
        prompt, asked = self.prompt.to_json(self.texts), self.request
        if asked.constraint:
            prompt["notes"] += warnings_of(asked.constraint, asked.constraint_text)
        return prompt

    def _run(self, lane: _Lane, done: bool) -> Run:
        plan, recorder = lane.plan, lane.plan.recorder
        return Run(
            name=plan.strategy.name,
            kind=plan.strategy.kind,
            config=cast("data.Config", plan.strategy.config),
            settings=plan.effective,
            prefix=plan.strategy.prefix,
            processors=recorder.names,
            warpers=recorder.warpers,
            # transformers' rule: the filters of a beam leave one token more than there are ends of text
            min_tokens_to_keep=1 + max(1, len(plan.eos)) if plan.strategy.kind == "beam_sample" else 1,
            sequences=self._continuations(lane),
            nodes=tuple(recorder.nodes),
            # large, and of use only when nothing moves any more
            distributions=dict(recorder.distributions) if done else {},
            decisions=dict(recorder.decisions),
            forward_passes=lane.passes,
            rows=lane.rows,
            seconds=lane.seconds,
            done=lane.feed is None,
            memories=dict(plan.dialect.memories) if plan.dialect else None,
            breakers=plan.dialect.to_json() if plan.dialect else None,
        )

    def _continuations(self, lane: _Lane) -> tuple[Continuation, ...]:
        texts = []
        for place, (leaf, value) in enumerate(lane.plan.results):
            ids = lane.plan.recorder.token_ids(leaf)
            obeyed = lane.obeyed[place] if lane.obeyed else None
            texts.append(Continuation(ids, self.texts.joined(ids), value, leaf, obeyed))
        return tuple(texts)

    def outcomes(self, lane: _Lane) -> list[data.Obeyed]:
        """How each text of a lane fulfils its constraint; empty where there is none."""
        plan, constraint = lane.plan, lane.plan.constraint
        if constraint is None:
            return []
        room = len(plan.strategy.prefix) + plan.new_tokens
        found = []
        for place, (leaf, _) in enumerate(plan.results):
            nodes = [plan.recorder.nodes[one] for one in plan.recorder.path(leaf)[1:]]
            written = [(node.token_id or 0, node.logprob_raw) for node in nodes]
            read = place < MAX_TEXTS
            prompt = self.prompt.ids
            found.append(outcome(self.loaded, self.texts, constraint, prompt, written, room, read=read))
        return found


def next_token_distribution(
    loaded: Loaded,
    token_ids: list[int],
    config: dict[str, Any],
    prompt_length: int,
    limit: int | None,
    constraint: tuple[str, str] = ("", ""),
) -> data.Distribution:
    """The next-token distribution after any text, for the sampler panel.

    Args:
        loaded: the model.
        token_ids: the prompt and the tokens after it.
        config: the strategy's fields; its penalties and constraints are applied, its filters are not.
        prompt_length: how many of the ids are the prompt.
        limit: tokens to list, None for the whole vocabulary.
        constraint: its kind and text, as a request's.
    """
    kind, rule = constraint
    request = Request("-", loaded.id, (), limits.MAX_NEW_TOKENS, constraint=kind, constraint_text=rule)
    strategy, texts = Strategy("-", config), Texts(loaded.tokenizer)
    unfinished = texts.in_turn(token_ids)[-1].unfinished

    def labels(ids: Sequence[int]) -> list[str]:
        return [piece.label for piece in texts.pieces(ids, unfinished)]

    plan = prepare(strategy, request, loaded, token_ids[:prompt_length], texts)
    stages = [stage for stage in plan.stages if stage[0] not in WARPERS]
    with torch.inference_mode():
        batch = _Batch(loaded, token_ids, hidden=False)
        scored = score(batch.read().logits, batch.ids, stages, strategy.has_beams)
        base = torch.log_softmax(scored.scores, dim=-1)[0] if stages else scored.raw[0]
        by = stages[-1][0] if stages else None
        log_sum = float((scored.scores - scored.raw)[0].max()) if strategy.kind == "llama_cpp" else None
        return distribution.summarise(scored.raw[0], base, labels, limit, by, log_sum=log_sum)
