"""The types of the decoding Space's data: what its figure draws, and what its API returns.

Log-probabilities are in nats, rounded to five decimals; None stands for what is not finite.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from shared.data import Origin, Progress

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


class Sequence(TypedDict):
    """A text that a strategy returns."""

    token_ids: list[int]
    """The new ones, the end of the text included."""
    text: str
    score: float | None
    node: int
    """The one that it ends on."""


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


class Waiting(TypedDict):
    """A run before anything of it can be drawn."""

    kind: Literal["decoding"]
    drawable: Literal[False]
    done: Literal[False]
    progress: Progress
