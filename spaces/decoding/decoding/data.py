"""The types of the decoding Space's data: what its figure draws, and what its API returns.

Log-probabilities are in nats, rounded to five decimals; None stands for what is not finite.
It is long because it is one list: the contract of the whole Space.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from shared.data import Mean, Origin, Progress, Share

Kind = Literal["greedy", "sample", "beam", "beam_sample", "group_beam", "contrastive", "dola", "llama_cpp"]
"""What a strategy's settings amount to; llama_cpp stands for llama.cpp's chain."""

Status = Literal["chosen", "kept", "pruned", "finished", "filtered"]
"""A candidate's fate: taken; alive in a beam search or at its end; left; removed by a setting."""

SettingOrigin = Literal["strategy", "model", "default"]
"""Who says a setting: the strategy, the model's own generation_config, or the runtime."""

Part = Literal["prompt", "system", "hidden", "template", "special"]
"""Where a token of the prompt comes from: the visitor's prompt or system prompt; a system prompt that the
chat template adds by itself; the template's other words; a special token.
"""


class Config(TypedDict, total=False):
    """The fields of a `GenerationConfig` that this demo takes, see `decoding.settings`; where `runtime` says
    llama.cpp those of llama-server's JSON, see `decoding.llama_cpp.settings`.
    """

    runtime: Literal["llama.cpp"]

    do_sample: bool
    num_beams: int
    num_beam_groups: int
    num_return_sequences: int
    length_penalty: float
    early_stopping: bool | Literal["never"]
    diversity_penalty: float
    penalty_alpha: float
    dola_layers: str | list[int]
    temperature: float
    top_h: float
    top_k: int
    top_p: float
    min_p: float
    typical_p: float
    epsilon_cutoff: float
    eta_cutoff: float
    repetition_penalty: float
    no_repeat_ngram_size: int
    min_length: int
    min_new_tokens: int
    bad_words_ids: list[list[int]]
    sequence_bias: list[tuple[list[int], float]]
    renormalize_logits: bool
    unconstrained: bool
    """Writes without the request's constraint."""
    samplers: list[str]
    repeat_last_n: int
    repeat_penalty: float
    presence_penalty: float
    frequency_penalty: float
    dry_multiplier: float
    dry_base: float
    dry_allowed_length: int
    dry_penalty_last_n: int
    dry_sequence_breakers: list[str]
    top_n_sigma: float
    xtc_probability: float
    xtc_threshold: float
    dynatemp_range: float
    dynatemp_exponent: float
    mirostat: int
    mirostat_tau: float
    mirostat_eta: float
    adaptive_target: float
    adaptive_decay: float
    min_keep: int


class Effective(TypedDict):
    """A setting that counts in a run."""

    value: Any
    origin: SettingOrigin


class Strategy(Config):
    """A strategy as it is asked for."""

    name: str
    prefix: NotRequired[list[int]]
    """Token ids that a branch begins with."""


class Request(TypedDict):
    """The settings of a run, see `decoding.request.Request`."""

    prompt: str
    model: str
    strategies: list[Strategy]
    max_new_tokens: int
    seed: int
    chat: bool
    system: str
    thinking: Literal["", "on", "off"]
    constraint: Literal["", "json_schema", "regex", "lark"]
    constraint_text: str


class Provenance(Origin):
    """Where the numbers come from."""

    device: str
    seed: int
    versions: dict[str, str]
    """Of torch and transformers."""


class Prompt(TypedDict):
    """The text that every run continues."""

    text: str
    token_ids: list[int]
    """Through the chat template, where that is asked for."""
    tokens: list[str]
    """The characters that each completes."""
    bytes: list[str]
    """In hex, the bytes of each that are a part of a character; mostly empty."""
    parts: list[Part]
    special_tokens: bool | None
    """What `add_special_tokens` has to be so that the tokenizer gives these ids; None where it never does."""
    notes: list[str]
    """What a visitor may not expect, a sentence each."""


class Node(TypedDict):
    """A candidate token after a path of tokens; node 0 is the root, the end of the prompt."""

    id: int
    parent: int | None
    step: int
    token_id: int | None
    """None for the root."""
    text: str
    """The characters that it completes."""
    bytes: NotRequired[str]
    """In hex, those of its bytes that are a part of a character."""
    logprob_raw: float | None
    """The model's."""
    logprob_processed: float | None
    """What the strategy used: after its processors, for beams not renormalised."""
    cumulative_logprob: float | None
    """Sum of `logprob_processed` along the path."""
    score: float | None
    """Cumulative; for beams the sum after a branch's own tokens, divided by their number^length_penalty."""
    status: Status
    reason: str
    """One sentence."""
    rank: int | None
    """Among a beam search's candidates."""
    stages: list[float | None]
    """The value after each of the run's processors."""


class Decision(TypedDict):
    """The whole next-token distribution after a node, in four numbers."""

    entropy: float | None
    """Of the model's distribution, in nats."""
    kept: int
    """Tokens that the processors left."""
    kept_mass: float | None
    """Their probability under the model."""
    rest_mass: float | None
    """The probability under the model of all tokens that have no node below this one."""
    allowed: NotRequired[int]
    """Tokens that the constraint leaves, where there is one."""
    feasible: NotRequired[float | None]
    """The log-probability under the model that the next token is one of them."""


class Tail(TypedDict):
    """Log-probabilities of the tokens that are not listed, as a histogram: a number for each bin."""

    start: float
    """The largest."""
    count: list[int]
    mean: list[float]
    variance: list[float]


class RemovedToken(TypedDict):
    """A token that a penalty or constraint removed."""

    id: int
    text: str
    raw: float | None
    by: str | None
    """The setting."""


class Distribution(TypedDict):
    """A next-token distribution, the likeliest tokens first."""

    vocab_size: int
    ids: list[int]
    texts: list[str]
    """As a list of tokens shows them: ⟨E3 81⟩ for bytes that are a part of a character."""
    raw: list[float]
    """Before any setting."""
    base: list[float] | None
    """After penalties and constraints, before temperature and filters; None where equal to `raw`."""
    tail: Tail | None
    """None where every token that is left is listed."""
    removed: list[RemovedToken]
    """The likeliest of them."""
    log_sum: NotRequired[float]
    """What a logit is above its log-probability, in nats: penalties need the logits themselves."""


class Canonical(TypedDict):
    """A text's tokens as the tokenizer alone would have cut it, where the run cut it otherwise."""

    token_ids: list[int]
    tokens: list[str]
    logprob: float | None
    """Of these tokens after the prompt under the model, in nats."""
    own: float | None
    """Of the run's own tokens, the end of the text left out."""


class Obeyed(TypedDict):
    """How a text fulfils the constraint."""

    status: Literal["complete", "unfinished", "stuck"]
    """complete: the text fulfils it as it stands; unfinished: max_new_tokens came first; stuck: no token of
    the vocabulary was left.
    """
    canonical: Canonical | None
    """None where the tokenizer would give the same tokens, or was not asked."""


class Sequence(TypedDict):
    """A text that a strategy returns."""

    token_ids: list[int]
    """The new ones, the end of the text included."""
    text: str
    score: float | None
    node: int
    """The one that it ends on."""
    obeyed: NotRequired[Obeyed]
    """Where the strategy obeys a constraint, once the run is done."""


class Breaker(TypedDict):
    """A token of the text that a sequence breaker of DRY begins with."""

    token: int
    tails: list[list[int]]
    """The tokens that follow in each of its breakers; none where the token holds one."""


class Memory(TypedDict):
    """What llama.cpp's samplers had drawn and learnt when they chose after a node."""

    chance: NotRequired[float]
    """XTC's draw: it fires up to `xtc_probability`."""
    taken: NotRequired[float]
    """Of the token taken: for mirostat the surprise in bits, for adaptive-p the probability it had."""


class Run(TypedDict):
    """One strategy's part of the trace."""

    name: str
    kind: Kind
    config: Config
    """As it was asked for."""
    settings: dict[str, Effective]
    """Those that count: of the config, of the model's own generation_config, of transformers' defaults."""
    prefix: list[int]
    """Token ids that a branch begins with."""
    color: int
    """Its place among the runs when it came."""
    processors: list[str]
    """The settings that change scores, in their order."""
    warpers: int
    """Index in `processors` where the sampling filters start."""
    min_tokens_to_keep: int
    """Tokens that every sampling filter leaves."""
    sequences: list[Sequence]
    nodes: list[Node]
    distributions: dict[str, Distribution]
    """By the id of a node on the path to a sequence; empty until the run is done."""
    decisions: dict[str, Decision]
    """By a node's id."""
    memories: NotRequired[dict[str, Memory]]
    """By a node's id, where llama.cpp's samplers remember anything."""
    breakers: NotRequired[list[Breaker]]
    """Those of llama.cpp's DRY, for the tokens of the text."""
    forward_passes: int
    """That the strategy alone would take."""
    rows: int
    """Sequences that it extends at once, at most."""
    seconds: float
    """The pass over the prompt, of each later one the share of its rows, and its own choices."""
    done: bool


class Growth(TypedDict):
    """Which step of a growing trace this is; it carries only the nodes that are new or changed."""

    run_id: str
    version: int
    """1 for the first, which is whole."""


class Trace(TypedDict):
    """What the API returns and the figure draws: every candidate token of every strategy."""

    kind: Literal["decoding"]
    drawable: Literal[True]
    done: bool
    error: None
    cancelled: NotRequired[bool]
    growth: NotRequired[Growth]
    example: NotRequired[bool]
    request: Request
    provenance: Provenance
    generation_config: dict[str, Any]
    """What the model's own says of the settings that a strategy may have."""
    prompt: Prompt
    runs: list[Run]


Verdict = Literal["near tie", "shift", "change of mind"]
"""How much two models differ over the tokens at which greedy texts part, see `decoding.pair.finding`."""


class PairRequest(TypedDict):
    """The settings of a comparison, see `decoding.pair.request.PairRequest`."""

    prompt: str
    model: str
    other: str
    rounding: str
    strategy: Config
    max_new_tokens: int
    seed: int
    chat: bool
    system: str
    thinking: Literal["", "on", "off"]


class PairMean(Mean):
    """A mean over the tokens of one text; its clusters are blocks of neighbouring tokens."""

    interval: list[float] | None
    """Its 95 % interval; None where the text has too few blocks."""


class LensLayer(TypedDict):
    """What the model would say if its head came after one of its layers; the first is the embedding."""

    logprob: float | None
    """Of the token, in nats."""
    rank: int
    """Of the token, from 1."""
    likeliest: str
    """The likeliest token there."""
    best: float | None
    """Its log-probability."""


class Contrasted(TypedDict):
    """The layers that DoLa contrasts with the last one."""

    candidates: list[int]
    chosen: int


class Why(TypedDict):
    """Why a token has its odds: by the model's layers, and by the text before it."""

    token: str
    logprob: float | None
    """In nats, before any setting."""
    layers: list[LensLayer]
    """The embedding, then every layer; none where the model has no norm before its head."""
    context: list[str]
    """The last tokens of the text before it, as labels."""
    without: list[float | None]
    """The token's log-probability after the text without each of them."""
    length: int
    """Tokens before the token, of which `context` may be the end only."""
    dola: Contrasted | None


class PairStep(TypedDict):
    """What two models say at one place of a text: nats, over the whole vocabulary that they share."""

    token_id: int
    text: str
    bytes: NotRequired[str]
    forward: float | None
    """KL(first ‖ second); None where it is infinite."""
    backward: float | None
    """KL(second ‖ first)."""
    variation: float
    """Total variation, 0 to 1."""
    entropy: list[float]
    """Of the first and of the second."""
    top: list[int]
    """The likeliest token of either."""
    apart: float | None
    """The chance that draws with the same random numbers differ; None where nothing is drawn so."""
    ids: list[int]
    """The text's own token, and the likeliest of either model."""
    texts: list[str]
    logprobs: list[list[float | None]]
    """Theirs in the first model, and in the second."""
    ranks: list[list[int]]
    """Likewise."""


class PairText(TypedDict):
    """A text that one model wrote and both have read; the first model's is also the second's where there is
    no other.
    """

    of: Literal[0, 1]
    token_ids: list[int]
    text: str
    steps: list[PairStep]
    logprob: list[float | None]
    """Of the text in the first model and in the second."""
    forward: PairMean | None
    backward: PairMean | None
    variation: PairMean | None
    same_top: Share | None
    """Places where both find the same token likeliest."""


class PartingToken(TypedDict):
    """A token that one of the models took where the texts part, after the strategy's settings."""

    token_id: int
    label: str
    logprobs: list[float | None]
    """In the first model and in the second."""
    ranks: list[int]


class Parting(TypedDict):
    """Where two texts part."""

    step: int
    """1 for the first token."""
    ids: list[int | None]
    """The first model's token and the second's; None where the text has ended before."""
    tokens: list[PartingToken]
    """Both, where both models have them."""
    draws: bool
    settings: bool
    """Whether penalties or filters changed the odds."""
    apart: float | None
    """As that of a step."""
    verdict: Verdict | None
    """None where tokens were drawn."""


class Pair(TypedDict):
    """Two models on one prompt: both texts as one tree, and how far apart the models are on them."""

    kind: Literal["pair"]
    drawable: Literal[True]
    done: bool
    error: None
    cancelled: NotRequired[bool]
    example: NotRequired[bool]
    request: PairRequest
    models: list[Provenance]
    trace: Trace
    """Its two runs are the models."""
    texts: list[PairText]
    """Empty until the run is done."""
    parting: Parting | None
    finding: str
    meaning: list[str]
    notes: list[str]


class PairWaiting(TypedDict):
    """A comparison before anything of it can be drawn."""

    kind: Literal["pair"]
    drawable: Literal[False]
    done: Literal[False]
    progress: Progress


class Waiting(TypedDict):
    """A run before anything of it can be drawn."""

    kind: Literal["decoding"]
    drawable: Literal[False]
    done: Literal[False]
    progress: Progress


# Speculative decoding

DraftKind = Literal["rounded", "layers", "model", "lookup"]
"""What proposes tokens, see `decoding.speculative.request.DRAFTS`."""

Author = Literal["draft", "replaced", "bonus", "model"]
"""Who wrote a token: the draft, which the model agreed with; the model in the place of a refused one; the
model behind the last of a draft that was kept whole; the model, where nothing was proposed.
"""


class SpeculativeRequest(TypedDict):
    """The settings of a run, see `decoding.speculative.request.Request`."""

    prompt: str
    model: str
    draft: DraftKind
    rounding: str
    layers: int
    draft_model: str
    ngram: int
    draft_tokens: int
    temperature: float
    top_k: int
    top_p: float
    max_new_tokens: int
    seed: int
    chat: bool
    system: str
    thinking: Literal["", "on", "off"]


class Meeting(TypedDict):
    """The distributions of model and draft at one place, the likeliest tokens of either; after the settings,
    for greedy search before the choice.
    """

    ids: list[int]
    texts: list[str]
    p: list[float]
    q: list[float] | None
    """None where the draft was not asked."""
    others: int
    """Tokens that are not listed, and in the next three what they hold together."""
    others_p: float
    others_q: float
    others_kept: float
    """The sum of the smaller of the two, token by token."""


class WrittenToken(TypedDict):
    """A token that a round added to the text."""

    id: int
    text: str
    """As a list of tokens shows it."""
    by: Author
    p: float
    """Its probability under the model, after the settings."""
    share: float | None
    """Of the distribution that it was drawn from; None where the draft drew it."""


class SpeculativePlace(TypedDict):
    """A place of the text that a round proposed a token for or decided."""

    at: int
    """Tokens of text before it."""
    proposed: int | None
    text: str
    """Of the proposed token, as a list of tokens shows it."""
    p: float | None
    """Of the proposed token, under the model and under the draft."""
    q: float | None
    tested: bool
    """False behind a refused token."""
    chance: float | None
    """With which the proposed token is kept."""
    number: float | None
    """The uniform number that decided; None for greedy search."""
    accepted: bool
    overlap: float | None
    """1 − TV(p, q): the chance that the draft's token is kept, whichever it is."""
    error: float | None
    """Largest difference between p and what the two ways to a token add up to, over the vocabulary."""
    written: WrittenToken | None
    meeting: NotRequired[Meeting]
    """Comes when the run is done."""


class SpeculativeRound(TypedDict):
    """One pass of the model."""

    start: int
    """Tokens of text before it."""
    places: list[SpeculativePlace]


class SpeculativeToken(TypedDict):
    """A token of the text."""

    id: int
    text: str
    """The characters that it completes."""
    bytes: NotRequired[str]
    by: Author


class PassCost(TypedDict):
    """What forward passes took."""

    passes: int
    tokens: int
    """Read by all of them, the prompt included."""
    seconds: float
    middle: float | None
    """Median seconds of a pass behind the first, which reads the prompt; None where there was no other."""


class SpeculativeForecast(TypedDict):
    """What this text costs with so many draft tokens a round."""

    draft_tokens: int
    passes: float
    """Of the model: expected given the text; for greedy search exactly so many."""
    speed: float | None
    """Times as fast as the model alone, of these passes and the seconds measured here."""
    measured: bool
    """Whether `speed` lies within the lengths of passes that were measured."""


class Exactness(TypedDict):
    """That the draft changed nothing."""

    error: float | None
    """The largest of all places; None for greedy search."""
    tokens: int
    """Compared with the model alone so far."""
    same: bool | None
    """Greedy: whether they are the model's own text; None for a draw."""
    first_difference: int | None
    difference: float | None
    """Largest difference of a written token's probability, in a pass of many tokens and in a pass of one."""


class Speculative(TypedDict):
    """What the API returns and the figure draws: every round of a speculative run."""

    kind: Literal["speculative"]
    drawable: Literal[True]
    done: bool
    error: None
    cancelled: NotRequired[bool]
    example: NotRequired[bool]
    request: SpeculativeRequest
    provenance: Provenance
    draft_source: str
    """What the draft is."""
    settings: dict[str, Effective]
    prompt: Prompt
    notes: list[str]
    """Of this run, a sentence each."""
    progress: Progress
    rounds: list[SpeculativeRound]
    tokens: list[SpeculativeToken]
    text: str
    ended: bool
    """Whether the text has an end of its own."""
    vocabulary: int
    """Tokens that the model's distributions run over."""
    tested: int
    """Proposed tokens that the rule was applied to."""
    accepted: int
    expected: float
    """How many of those would be kept on average: the sum of their overlaps."""
    sigma: float
    """The standard deviation of that number."""
    target: PassCost
    draft: PassCost | None
    """None for a draft that is no model."""
    alone: PassCost | None
    """The model without a draft; None before that is measured."""
    forecast: list[SpeculativeForecast]
    """For 1 draft token and more; empty until the run is done."""
    independent: float | None
    """Tokens a pass where every draft token is kept equally often: (1 − α^(γ+1))/(1 − α)."""
    exactness: Exactness


class SpeculativeWaiting(TypedDict):
    """A run before anything of it can be drawn."""

    kind: Literal["speculative"]
    drawable: Literal[False]
    done: Literal[False]
    progress: Progress
