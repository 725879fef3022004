"""The types of the decoding Space's data: what its figure draws, and what its API returns.

Log-probabilities are in nats, rounded to five decimals; None stands for what is not finite.
"""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from shared.data import Origin

Kind = Literal["greedy", "sample", "beam", "beam_sample", "group_beam", "contrastive", "dola"]
"""What a strategy's settings amount to."""

Status = Literal["chosen", "kept", "pruned", "finished", "filtered"]
"""A candidate's fate: taken; alive in a beam search or at its end; left; removed by a setting."""


class Config(TypedDict, total=False):
    """The fields of a `GenerationConfig` that this demo takes, see `decoding.settings`."""

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
    special_tokens: bool | None
    """What `add_special_tokens` has to be so that the tokenizer gives these ids; None where it never does."""


class Node(TypedDict):
    """A candidate token after a path of tokens; node 0 is the root, the end of the prompt."""

    id: int
    parent: int | None
    step: int
    token_id: int | None
    """None for the root."""
    text: str
    logprob_raw: float | None
    """The model's."""
    logprob_processed: float | None
    """What the strategy used: after its processors, for beams not renormalised."""
    cumulative_logprob: float | None
    """Sum of `logprob_processed` along the path."""
    score: float | None
    """Cumulative; for beams divided by length^length_penalty."""
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
    raw: list[float]
    """Before any setting."""
    base: list[float] | None
    """After penalties and constraints, before temperature and filters; None where equal to `raw`."""
    tail: Tail | None
    """None where every token that is left is listed."""
    removed: list[RemovedToken]
    """The likeliest of them."""


class Sequence(TypedDict):
    """A text that a strategy returns."""

    token_ids: list[int]
    """The new ones, the end of the text included."""
    text: str
    score: float | None
    node: int
    """The one that it ends on."""


class Run(TypedDict):
    """One strategy's part of the trace."""

    name: str
    kind: Kind
    config: Config
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
    forward_passes: int
    seconds: float
    done: bool


class Trace(TypedDict):
    """What the API returns and the figure draws: every candidate token of every strategy."""

    kind: Literal["decoding"]
    drawable: Literal[True]
    done: bool
    error: None
    cancelled: NotRequired[bool]
    example: NotRequired[bool]
    request: Request
    provenance: Provenance
    prompt: Prompt
    runs: list[Run]
