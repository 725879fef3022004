// Written by `make types` from data.py: change it there.

import type { Mean, Origin, Progress, Share } from "../../../../shared/js/data.js";

/** What a strategy's settings amount to; llama_cpp stands for llama.cpp's chain. */
export type Kind = "greedy"
    | "sample"
    | "beam"
    | "beam_sample"
    | "group_beam"
    | "contrastive"
    | "dola"
    | "llama_cpp";

/** A candidate's fate: taken; alive in a beam search or at its end; left; removed by a setting. */
export type Status = "chosen" | "kept" | "pruned" | "finished" | "filtered";

/** Who says a setting: the strategy, the model's own generation_config, or the runtime. */
export type SettingOrigin = "strategy" | "model" | "default";

/**
 * Where a token of the prompt comes from: the visitor's prompt or system prompt; a system prompt
 * that the
 * chat template adds by itself; the template's other words; a special token.
 */
export type Part = "prompt" | "system" | "hidden" | "template" | "special";

/**
 * How much two models differ over the tokens at which greedy texts part, see
 * `decoding.pair.finding`.
 */
export type Verdict = "near tie" | "shift" | "change of mind";

/** What proposes tokens, see `decoding.speculative.request.DRAFTS`. */
export type DraftKind = "rounded" | "layers" | "model" | "lookup";

/**
 * Who wrote a token: the draft, which the model agreed with; the model in the place of a refused
 * one; the
 * model behind the last of a draft that was kept whole; the model, where nothing was proposed.
 */
export type Author = "draft" | "replaced" | "bonus" | "model";

/**
 * The fields of a `GenerationConfig` that this demo takes, see `decoding.settings`; where
 * `runtime` says
 * llama.cpp those of llama-server's JSON, see `decoding.llama_cpp.settings`.
 */
export interface Config {
  runtime?: "llama.cpp";
  do_sample?: boolean;
  num_beams?: number;
  num_beam_groups?: number;
  num_return_sequences?: number;
  length_penalty?: number;
  early_stopping?: boolean | "never";
  diversity_penalty?: number;
  penalty_alpha?: number;
  dola_layers?: string | number[];
  temperature?: number;
  top_h?: number;
  top_k?: number;
  top_p?: number;
  min_p?: number;
  typical_p?: number;
  epsilon_cutoff?: number;
  eta_cutoff?: number;
  repetition_penalty?: number;
  no_repeat_ngram_size?: number;
  min_length?: number;
  min_new_tokens?: number;
  bad_words_ids?: number[][];
  sequence_bias?: [number[], number][];
  renormalize_logits?: boolean;
  /** Writes without the request's constraint. */
  unconstrained?: boolean;
  samplers?: string[];
  repeat_last_n?: number;
  repeat_penalty?: number;
  presence_penalty?: number;
  frequency_penalty?: number;
  dry_multiplier?: number;
  dry_base?: number;
  dry_allowed_length?: number;
  dry_penalty_last_n?: number;
  dry_sequence_breakers?: string[];
  top_n_sigma?: number;
  xtc_probability?: number;
  xtc_threshold?: number;
  dynatemp_range?: number;
  dynatemp_exponent?: number;
  mirostat?: number;
  mirostat_tau?: number;
  mirostat_eta?: number;
  adaptive_target?: number;
  adaptive_decay?: number;
  min_keep?: number;
}

/** A setting that counts in a run. */
export interface Effective {
  value: unknown;
  origin: SettingOrigin;
}

/** A strategy as it is asked for. */
export interface Strategy extends Config {
  name: string;
  /** Token ids that a branch begins with. */
  prefix?: number[];
}

/** The settings of a run, see `decoding.request.Request`. */
export interface Request {
  prompt: string;
  model: string;
  strategies: Strategy[];
  max_new_tokens: number;
  seed: number;
  chat: boolean;
  system: string;
  thinking: "" | "on" | "off";
  constraint: "" | "json_schema" | "regex" | "lark";
  constraint_text: string;
}

/** Where the numbers come from. */
export interface Provenance extends Origin {
  device: string;
  seed: number;
  /** Of torch and transformers. */
  versions: Record<string, string>;
}

/** The text that every run continues. */
export interface Prompt {
  text: string;
  /** Through the chat template, where that is asked for. */
  token_ids: number[];
  /** The characters that each completes. */
  tokens: string[];
  /** In hex, the bytes of each that are a part of a character; mostly empty. */
  bytes: string[];
  parts: Part[];
  /**
   * What `add_special_tokens` has to be so that the tokenizer gives these ids; None where it never
   * does.
   */
  special_tokens: boolean | null;
  /** What a visitor may not expect, a sentence each. */
  notes: string[];
}

/** A candidate token after a path of tokens; node 0 is the root, the end of the prompt. */
export interface Node {
  id: number;
  parent: number | null;
  step: number;
  /** None for the root. */
  token_id: number | null;
  /** The characters that it completes. */
  text: string;
  /** In hex, those of its bytes that are a part of a character. */
  bytes?: string;
  /** The model's. */
  logprob_raw: number | null;
  /** What the strategy used: after its processors, for beams not renormalised. */
  logprob_processed: number | null;
  /** Sum of `logprob_processed` along the path. */
  cumulative_logprob: number | null;
  /**
   * Cumulative; for beams the sum after a branch's own tokens, divided by their
   * number^length_penalty.
   */
  score: number | null;
  status: Status;
  /** One sentence. */
  reason: string;
  /** Among a beam search's candidates. */
  rank: number | null;
  /** The value after each of the run's processors. */
  stages: (number | null)[];
}

/** The whole next-token distribution after a node, in four numbers. */
export interface Decision {
  /** Of the model's distribution, in nats. */
  entropy: number | null;
  /** Tokens that the processors left. */
  kept: number;
  /** Their probability under the model. */
  kept_mass: number | null;
  /** The probability under the model of all tokens that have no node below this one. */
  rest_mass: number | null;
  /** Tokens that the constraint leaves, where there is one. */
  allowed?: number;
  /** The log-probability under the model that the next token is one of them. */
  feasible?: number | null;
}

/** Log-probabilities of the tokens that are not listed, as a histogram: a number for each bin. */
export interface Tail {
  /** The largest. */
  start: number;
  count: number[];
  mean: number[];
  variance: number[];
}

/** A token that a penalty or constraint removed. */
export interface RemovedToken {
  id: number;
  text: string;
  raw: number | null;
  /** The setting. */
  by: string | null;
}

/** A next-token distribution, the likeliest tokens first. */
export interface Distribution {
  vocab_size: number;
  ids: number[];
  /** As a list of tokens shows them: ⟨E3 81⟩ for bytes that are a part of a character. */
  texts: string[];
  /** Before any setting. */
  raw: number[];
  /** After penalties and constraints, before temperature and filters; None where equal to `raw`. */
  base: number[] | null;
  /** None where every token that is left is listed. */
  tail: Tail | null;
  /** The likeliest of them. */
  removed: RemovedToken[];
  /** What a logit is above its log-probability, in nats: penalties need the logits themselves. */
  log_sum?: number;
}

/** A text's tokens as the tokenizer alone would have cut it, where the run cut it otherwise. */
export interface Canonical {
  token_ids: number[];
  tokens: string[];
  /** Of these tokens after the prompt under the model, in nats. */
  logprob: number | null;
  /** Of the run's own tokens, the end of the text left out. */
  own: number | null;
}

/** How a text fulfils the constraint. */
export interface Obeyed {
  /**
   * complete: the text fulfils it as it stands; unfinished: max_new_tokens came first; stuck: no
   * token of
   * the vocabulary was left.
   */
  status: "complete" | "unfinished" | "stuck";
  /** None where the tokenizer would give the same tokens, or was not asked. */
  canonical: Canonical | null;
}

/** A text that a strategy returns. */
export interface Sequence {
  /** The new ones, the end of the text included. */
  token_ids: number[];
  text: string;
  score: number | null;
  /** The one that it ends on. */
  node: number;
  /** Where the strategy obeys a constraint, once the run is done. */
  obeyed?: Obeyed;
}

/** A token of the text that a sequence breaker of DRY begins with. */
export interface Breaker {
  token: number;
  /** The tokens that follow in each of its breakers; none where the token holds one. */
  tails: number[][];
}

/** What llama.cpp's samplers had drawn and learnt when they chose after a node. */
export interface Memory {
  /** XTC's draw: it fires up to `xtc_probability`. */
  chance?: number;
  /**
   * Of the token taken: for mirostat the surprise in bits, for adaptive-p the probability it had.
   */
  taken?: number;
}

/** One strategy's part of the trace. */
export interface Run {
  name: string;
  kind: Kind;
  /** As it was asked for. */
  config: Config;
  /**
   * Those that count: of the config, of the model's own generation_config, of transformers'
   * defaults.
   */
  settings: Record<string, Effective>;
  /** Token ids that a branch begins with. */
  prefix: number[];
  /** Its place among the runs when it came. */
  color: number;
  /** The settings that change scores, in their order. */
  processors: string[];
  /** Index in `processors` where the sampling filters start. */
  warpers: number;
  /** Tokens that every sampling filter leaves. */
  min_tokens_to_keep: number;
  sequences: Sequence[];
  nodes: Node[];
  /** By the id of a node on the path to a sequence; empty until the run is done. */
  distributions: Record<string, Distribution>;
  /** By a node's id. */
  decisions: Record<string, Decision>;
  /** By a node's id, where llama.cpp's samplers remember anything. */
  memories?: Record<string, Memory>;
  /** Those of llama.cpp's DRY, for the tokens of the text. */
  breakers?: Breaker[];
  /** That the strategy alone would take. */
  forward_passes: number;
  /** Sequences that it extends at once, at most. */
  rows: number;
  /** The pass over the prompt, of each later one the share of its rows, and its own choices. */
  seconds: number;
  done: boolean;
}

/** Which step of a growing trace this is; it carries only the nodes that are new or changed. */
export interface Growth {
  run_id: string;
  /** 1 for the first, which is whole. */
  version: number;
}

/** What the API returns and the figure draws: every candidate token of every strategy. */
export interface Trace {
  kind: "decoding";
  drawable: true;
  done: boolean;
  error: null;
  cancelled?: boolean;
  growth?: Growth;
  example?: boolean;
  request: Request;
  provenance: Provenance;
  /** What the model's own says of the settings that a strategy may have. */
  generation_config: Record<string, unknown>;
  prompt: Prompt;
  runs: Run[];
}

/** The settings of a comparison, see `decoding.pair.request.PairRequest`. */
export interface PairRequest {
  prompt: string;
  model: string;
  other: string;
  rounding: string;
  strategy: Config;
  max_new_tokens: number;
  seed: number;
  chat: boolean;
  system: string;
  thinking: "" | "on" | "off";
}

/** A mean over the tokens of one text; its clusters are blocks of neighbouring tokens. */
export interface PairMean extends Mean {
  /** Its 95 % interval; None where the text has too few blocks. */
  interval: number[] | null;
}

/**
 * What the model would say if its head came after one of its layers; the first is the embedding.
 */
export interface LensLayer {
  /** Of the token, in nats. */
  logprob: number | null;
  /** Of the token, from 1. */
  rank: number;
  /** The likeliest token there. */
  likeliest: string;
  /** Its log-probability. */
  best: number | null;
}

/** The layers that DoLa contrasts with the last one. */
export interface Contrasted {
  candidates: number[];
  chosen: number;
}

/** Why a token has its odds: by the model's layers, and by the text before it. */
export interface Why {
  token: string;
  /** In nats, before any setting. */
  logprob: number | null;
  /** The embedding, then every layer; none where the model has no norm before its head. */
  layers: LensLayer[];
  /** The last tokens of the text before it, as labels. */
  context: string[];
  /** The token's log-probability after the text without each of them. */
  without: (number | null)[];
  /** Tokens before the token, of which `context` may be the end only. */
  length: number;
  dola: Contrasted | null;
}

/** What two models say at one place of a text: nats, over the whole vocabulary that they share. */
export interface PairStep {
  token_id: number;
  text: string;
  bytes?: string;
  /** KL(first ‖ second); None where it is infinite. */
  forward: number | null;
  /** KL(second ‖ first). */
  backward: number | null;
  /** Total variation, 0 to 1. */
  variation: number;
  /** Of the first and of the second. */
  entropy: number[];
  /** The likeliest token of either. */
  top: number[];
  /** The chance that draws with the same random numbers differ; None where nothing is drawn so. */
  apart: number | null;
  /** The text's own token, and the likeliest of either model. */
  ids: number[];
  texts: string[];
  /** Theirs in the first model, and in the second. */
  logprobs: ((number | null)[])[];
  /** Likewise. */
  ranks: number[][];
}

/**
 * A text that one model wrote and both have read; the first model's is also the second's where
 * there is
 * no other.
 */
export interface PairText {
  of: 0 | 1;
  token_ids: number[];
  text: string;
  steps: PairStep[];
  /** Of the text in the first model and in the second. */
  logprob: (number | null)[];
  forward: PairMean | null;
  backward: PairMean | null;
  variation: PairMean | null;
  /** Places where both find the same token likeliest. */
  same_top: Share | null;
}

/** A token that one of the models took where the texts part, after the strategy's settings. */
export interface PartingToken {
  token_id: number;
  label: string;
  /** In the first model and in the second. */
  logprobs: (number | null)[];
  ranks: number[];
}

/** Where two texts part. */
export interface Parting {
  /** 1 for the first token. */
  step: number;
  /** The first model's token and the second's; None where the text has ended before. */
  ids: (number | null)[];
  /** Both, where both models have them. */
  tokens: PartingToken[];
  draws: boolean;
  /** Whether penalties or filters changed the odds. */
  settings: boolean;
  /** As that of a step. */
  apart: number | null;
  /** None where tokens were drawn. */
  verdict: Verdict | null;
}

/** Two models on one prompt: both texts as one tree, and how far apart the models are on them. */
export interface Pair {
  kind: "pair";
  drawable: true;
  done: boolean;
  error: null;
  cancelled?: boolean;
  example?: boolean;
  request: PairRequest;
  models: Provenance[];
  /** Its two runs are the models. */
  trace: Trace;
  /** Empty until the run is done. */
  texts: PairText[];
  parting: Parting | null;
  finding: string;
  meaning: string[];
  notes: string[];
}

/** A comparison before anything of it can be drawn. */
export interface PairWaiting {
  kind: "pair";
  drawable: false;
  done: false;
  progress: Progress;
}

/** A run before anything of it can be drawn. */
export interface Waiting {
  kind: "decoding";
  drawable: false;
  done: false;
  progress: Progress;
}

/** The settings of a run, see `decoding.speculative.request.Request`. */
export interface SpeculativeRequest {
  prompt: string;
  model: string;
  draft: DraftKind;
  rounding: string;
  layers: number;
  draft_model: string;
  ngram: number;
  draft_tokens: number;
  temperature: number;
  top_k: number;
  top_p: number;
  max_new_tokens: number;
  seed: number;
  chat: boolean;
  system: string;
  thinking: "" | "on" | "off";
}

/**
 * The distributions of model and draft at one place, the likeliest tokens of either; after the
 * settings,
 * for greedy search before the choice.
 */
export interface Meeting {
  ids: number[];
  texts: string[];
  p: number[];
  /** None where the draft was not asked. */
  q: number[] | null;
  /** Tokens that are not listed, and in the next three what they hold together. */
  others: number;
  others_p: number;
  others_q: number;
  /** The sum of the smaller of the two, token by token. */
  others_kept: number;
}

/** A token that a round added to the text. */
export interface WrittenToken {
  id: number;
  /** As a list of tokens shows it. */
  text: string;
  by: Author;
  /** Its probability under the model, after the settings. */
  p: number;
  /** Of the distribution that it was drawn from; None where the draft drew it. */
  share: number | null;
}

/** A place of the text that a round proposed a token for or decided. */
export interface SpeculativePlace {
  /** Tokens of text before it. */
  at: number;
  proposed: number | null;
  /** Of the proposed token, as a list of tokens shows it. */
  text: string;
  /** Of the proposed token, under the model and under the draft. */
  p: number | null;
  q: number | null;
  /** False behind a refused token. */
  tested: boolean;
  /** With which the proposed token is kept. */
  chance: number | null;
  /** The uniform number that decided; None for greedy search. */
  number: number | null;
  accepted: boolean;
  /** 1 − TV(p, q): the chance that the draft's token is kept, whichever it is. */
  overlap: number | null;
  /**
   * Largest difference between p and what the two ways to a token add up to, over the vocabulary.
   */
  error: number | null;
  written: WrittenToken | null;
  /** Comes when the run is done. */
  meeting?: Meeting;
}

/** One pass of the model. */
export interface SpeculativeRound {
  /** Tokens of text before it. */
  start: number;
  places: SpeculativePlace[];
}

/** A token of the text. */
export interface SpeculativeToken {
  id: number;
  /** The characters that it completes. */
  text: string;
  bytes?: string;
  by: Author;
}

/** What forward passes took. */
export interface PassCost {
  passes: number;
  /** Read by all of them, the prompt included. */
  tokens: number;
  seconds: number;
  /**
   * Median seconds of a pass behind the first, which reads the prompt; None where there was no
   * other.
   */
  middle: number | null;
}

/** What this text costs with so many draft tokens a round. */
export interface SpeculativeForecast {
  draft_tokens: number;
  /** Of the model: expected given the text; for greedy search exactly so many. */
  passes: number;
  /** Times as fast as the model alone, of these passes and the seconds measured here. */
  speed: number | null;
  /** Whether `speed` lies within the lengths of passes that were measured. */
  measured: boolean;
}

/** That the draft changed nothing. */
export interface Exactness {
  /** The largest of all places; None for greedy search. */
  error: number | null;
  /** Compared with the model alone so far. */
  tokens: number;
  /** Greedy: whether they are the model's own text; None for a draw. */
  same: boolean | null;
  first_difference: number | null;
  /**
   * Largest difference of a written token's probability, in a pass of many tokens and in a pass of
   * one.
   */
  difference: number | null;
}

/** What the API returns and the figure draws: every round of a speculative run. */
export interface Speculative {
  kind: "speculative";
  drawable: true;
  done: boolean;
  error: null;
  cancelled?: boolean;
  example?: boolean;
  request: SpeculativeRequest;
  provenance: Provenance;
  /** What the draft is. */
  draft_source: string;
  settings: Record<string, Effective>;
  prompt: Prompt;
  /** Of this run, a sentence each. */
  notes: string[];
  progress: Progress;
  rounds: SpeculativeRound[];
  tokens: SpeculativeToken[];
  text: string;
  /** Whether the text has an end of its own. */
  ended: boolean;
  /** Tokens that the model's distributions run over. */
  vocabulary: number;
  /** Proposed tokens that the rule was applied to. */
  tested: number;
  accepted: number;
  /** How many of those would be kept on average: the sum of their overlaps. */
  expected: number;
  /** The standard deviation of that number. */
  sigma: number;
  target: PassCost;
  /** None for a draft that is no model. */
  draft: PassCost | null;
  /** The model without a draft; None before that is measured. */
  alone: PassCost | null;
  /** For 1 draft token and more; empty until the run is done. */
  forecast: SpeculativeForecast[];
  /** Tokens a pass where every draft token is kept equally often: (1 − α^(γ+1))/(1 − α). */
  independent: number | null;
  exactness: Exactness;
}

/** A run before anything of it can be drawn. */
export interface SpeculativeWaiting {
  kind: "speculative";
  drawable: false;
  done: false;
  progress: Progress;
}
