// Written by `make types` from data.py: change it there.

import type { Failure, Origin, Progress, Share } from "../../../../shared/js/data.js";

/** A token and its probability. */
export type TokenChance = [string, number];

export type AnyRow = Row | OpenRow | FailedRow;

/** The rooms' figures. */
export type Kind = "compare" | "lab" | "take" | "set";

/** The model that is compared, and how much of the text it reads. */
export interface ComparedModel {
  id: string;
  source: string;
  parameters: number;
  /** 0 until the base model has read them. */
  windows: number;
  context: number;
  /** Tokens that every number is a mean over. */
  scored: number;
  /** Tokens that every window begins with: BOS, where the tokenizer adds one. */
  lead: number[];
}

/** The unquantized model's own numbers. */
export interface Base {
  /** Per weight, of its file. */
  bits: number;
  file_bytes: number;
  resident_bytes: number;
  ppl: number;
  ppl_sigma: number | null;
  prefill: number;
  /** None where nothing was answered. */
  decode: number | null;
  runtime: string;
}

/** KL(base ‖ quantized) over the scored tokens: mean ± sigma, quantiles and the largest. */
export interface Divergence {
  mean: number;
  sigma: number | null;
  /** Ends of the mean's 95 % interval, as below. */
  low: number | null;
  high: number | null;
  median: number;
  p90: number;
  p95: number;
  p99: number;
  p999: number;
  max: number;
}

/** What became of one weight of the model. */
export interface Tensor {
  name: string;
  shape: number[];
  /** What was used. */
  type: string;
  /** What the format asks for. */
  asked: string;
  /** Why they differ; empty where they do not. */
  reason: string;
  bits: number;
  distinct_codes: number;
  mse: number;
  /** Decibel; None where nothing is lost. */
  sqnr: number | null;
}

/**
 * A format: `format` is engine:label; of a file that somebody published `engine` is "published",
 * `format`
 * says where it is, and `label` is its short name.
 */
export interface RowName {
  format: string;
  engine: string;
  label: string;
}

/** A format that is still to be measured. */
export interface OpenRow extends RowName {
  status: "waiting" | "running";
}

/** A format that could not be measured. */
export interface FailedRow extends RowName {
  status: "failed";
  error: Failure;
}

/** How close a model is to the base. */
export interface Quality {
  ppl: number;
  ppl_sigma: number | null;
  /** Perplexity over the base's, with its 95 % interval; None where there is one window. */
  ratio: number;
  ratio_low: number | null;
  ratio_high: number | null;
  kld: Divergence;
  /** Share of the tokens whose likeliest prediction is the base's. */
  same_top: number;
  same_top_sigma: number | null;
  same_top_low: number | null;
  same_top_high: number | null;
  /** Root mean square change of the true token's probability. */
  rms_dp: number;
  prefill: number;
}

/** What was measured of a format alone. */
export interface Facts extends Quality {
  version: string;
  /** Per weight, of the whole file. */
  bits: number;
  /** Per weight, of the quantized part. */
  bits_quantized: number;
  file_bytes: number;
  resident_bytes: number;
  /** None where nothing was answered. */
  decode: number | null;
  runtime: string;
  /** To quantize. */
  seconds: number;
  notes: string[];
  tensors: Tensor[];
  /** By kind of text, where that was asked for. */
  kinds?: OfKind[];
  /** Where questions were asked. */
  flips?: Flips;
  /** Where it was asked for. */
  llama_cpp?: Runtime | null;
}

/**
 * A format's mean divergence on one kind of text, with its error over windows and 95 % interval.
 */
export interface OfKind {
  name: string;
  mean: number;
  sigma: number | null;
  low: number | null;
  high: number | null;
}

/** A kind of text, and how well the base model predicts it. */
export interface TextKind {
  name: string;
  label: string;
  windows: number;
  scored: number;
  ppl: number;
}

/** A question with choices. */
export interface Question {
  /** The set that it is of. */
  task: string;
  prompt: string;
  choices: string[];
  /** Place of the right choice. */
  gold: number;
  /** Between the prompt and a choice. */
  delimiter: string;
}

/**
 * What all models are asked, and how the base model answers: lists are by question. Intervals are
 * of
 * 95 %; items that share a passage count as far as they are independent.
 */
export interface Questions {
  items: Question[];
  /** Independent groups of them. */
  groups: number;
  /** Share of right answers that guessing gives. */
  chance: number;
  right: Share;
  /** Places of the likeliest choices. */
  answers: number[];
  /** ln p of the right choice less that of the likeliest other one, nats. */
  margins: number[];
}

/** A format's answers against the base model's. */
export interface Flips {
  right: Share;
  /** Right from the base, wrong from the format. */
  lost: number;
  /** The other way round. */
  gained: number;
  /** Other answers, those among them that are as wrong as before. */
  changed: number;
  /** The format's share of right answers less the base's, with the paired interval. */
  mean: number;
  low: number;
  high: number;
  /**
   * Of the exact two-sided test that neither is better: McNemar's, where every question stands
   * alone.
   */
  p: number;
  /** The same for the number of measured rows (Holm). */
  p_corrected: number;
  answers: number[];
  /** Of the format, as the base's. */
  margins: number[];
}

/** The base model held against itself, changed in a way that is no quantization. */
export interface Noise extends Quality {
  name: string;
  says: string;
}

/** How far the base model is from itself: below it no difference is real. */
export interface Floor {
  windows: number;
  noises: Noise[];
}

/** A mean divergence over windows. */
export interface Stretch {
  mean: number;
  sigma: number | null;
}

/**
 * A step from the base towards what runs, each on top of the one before; the last two both on the
 * second.
 *
 * `name` is "weights", or the format in which llama.cpp holds keys and values, "f16" the usual
 * one.
 */
export interface Stage {
  name: string;
  /** Divergence from the base; None where a model's keys and values cannot be held so. */
  reached: Stretch | null;
  /** Divergence from the step before. */
  added: Stretch | null;
}

/** A file as llama.cpp runs it. */
export interface Runtime {
  windows: number;
  stages: Stage[];
}

/** A measured format. */
export interface Row extends RowName, Facts {
  status: "done";
  /** 1 + the rows that are better beyond doubt; None where too few windows were read. */
  rank: number | null;
  /** Formats that it cannot be told from. */
  tied: string[];
  /** Whether no other row is both smaller and closer to the base. */
  front: boolean;
}

/** The text of the microscope, token by token. */
export interface Tokens {
  pieces: string[];
  window: number[];
  scored: boolean[];
}

/** One format at the scored tokens. */
export interface TokenScores {
  kld: number[];
  /** Of the true token. */
  p: number[];
  top: TokenChance[][];
}

/** Predictions at the scored tokens of the base and of every measured format. */
export interface Microscope {
  base: TokenChance[][];
  base_p: number[];
  rows: Record<string, TokenScores>;
}

/** A format's answer. */
export interface Answer {
  /** "base" for the unquantized model. */
  format: string;
  pieces: string[];
  /** The first token that differs from the base's; None where all are equal. */
  parts_at: number | null;
}

/** The same prompt answered by all. */
export interface Answers {
  prompt: string;
  seed: number;
  sampled: boolean;
  /** The base first. */
  items: Answer[];
}

/** A part of the model that is quantized alone. */
export interface Unit {
  /** None for the embedding and the output. */
  layer: number | null;
  part: string;
}

/** The model's divergence when one part alone is quantized. */
export interface Sensitivity {
  tokens: number;
  units: Unit[];
  formats: string[];
  /** By format and unit. */
  kld: number[][];
  sigma: ((number | null)[])[];
}

/** A part of the model that a mix has a type for. */
export interface BudgetUnit {
  label: string;
}

/** Every mix on the way from the smallest to the largest; all lists are by unit, then by option. */
export interface Budget {
  fixed_bytes: number;
  units: BudgetUnit[];
  /** Option of each unit in the smallest mix. */
  start: number[];
  types: string[][];
  bytes: number[][];
  /** Divergence that the option adds. */
  predicted: number[][];
  /** Unit and its next option, step by step. */
  path: [number, number][];
}

/** What llama.cpp takes for the model beside its weights, as `quantization.memory` says. */
export interface Memory {
  /** Of keys and values, for each token, of layers that attend to all tokens. */
  numbers: number;
  /** Of layers that attend to a sliding window. */
  windowed_numbers: number;
  /** Tokens of that; 0 where there is none. */
  window: number;
  /** For the tokens that are computed at once. */
  compute_bytes: number;
  /** For each token of the context. */
  mask_bytes: number;
  /** Tokens that the model reads at most. */
  longest: number;
  at_once: number;
  /** Bits of a number of keys and values, by the cache's format. */
  cache_bits: Record<string, number>;
}

/** What pins a comparison's numbers. */
export interface Provenance extends Origin {
  /** The dtype of the published weights. */
  stored?: string;
  device: string;
  threads: number;
  machine: string;
  torch: string;
  transformers: string;
  text: string;
  calibration: string;
  seed: number;
  seconds: number;
}

/** A run over several formats, as far as it has come. */
export interface Measurement {
  run_id: string;
  drawable: true;
  title: string;
  done: boolean;
  progress?: Progress;
  warnings: string[];
  request: Record<string, unknown>;
}

/** A comparison, as far as it has come. */
export interface Compare extends Measurement {
  kind: "compare";
  model: ComparedModel;
  /** None until the base model has read the text, as are the next three. */
  base: Base | null;
  rows: AnyRow[];
  tokens: Tokens | null;
  microscope: Microscope | null;
  answers: Answers | null;
  sensitivity: Sensitivity | null;
  budget: Budget | null;
  /** Where it was asked for, as are the kinds of text. */
  floor?: Floor | null;
  kinds?: TextKind[] | null;
  /** Once the base model has answered them. */
  questions?: Questions | null;
  /** None where llama.cpp is not known to run the model. */
  memory?: Memory | null;
  provenance: Provenance;
  example?: boolean;
}

/** A file that was written. */
export interface File {
  name: string;
  bytes: number;
}

/** A model's files with what was measured of them, or a program to run where there is a GPU. */
export interface Take {
  kind: "take";
  run_id: string;
  drawable: true;
  done: true;
  title: string;
  request: Record<string, unknown>;
  files: File[];
  /** None for a program, as are the next two. */
  model: ComparedModel | null;
  base: Base | null;
  row: Row | null;
  /** Markdown; empty for a program. */
  card: string;
  /** The program; empty for a model. */
  script: string;
  warnings: string[];
  provenance: Provenance | null;
  example?: boolean;
}

/** The memory that a format's file needs for a context. */
export interface Need {
  format: string;
  /** None where llama.cpp is not known to run the model. */
  bytes: number | null;
  /** Whether what a runtime computes in is not counted. */
  at_least: boolean;
}

/** A file of a set; its name says the folder that it lies in. */
export interface WrittenFile extends File {
  /** Empty for what is of no format: the card. */
  format: string;
}

/** A model in several formats, each written, read back and measured; as far as it has come. */
export interface WrittenSet extends Measurement {
  kind: "set";
  /**
   * The rows as they were measured on the files, without what is known of single tensors and
   * tokens.
   */
  compared: Compare;
  files: WrittenFile[];
  /** Of every row that is measured. */
  needs: Need[];
  /** Tokens that the needs are of. */
  context: number;
  /** Markdown; empty until the set is complete. */
  card: string;
  example?: boolean;
}

/** One tensor and one method, as the API takes them. */
export interface LabRequest {
  model: string;
  tensor: string;
  method: string;
  settings: Record<string, unknown>;
  rotation: boolean;
  compare: boolean;
}

/** The whole model's divergence when this one weight is quantized. */
export interface Effect {
  mean: number;
  sigma: number | null;
  tokens: number;
}

/** The tensor's numbers. */
export interface Summary {
  elements: number;
  mse: number;
  /** Decibel; None where nothing is lost. */
  sqnr: number | null;
  /** Per weight, scales included. */
  bits: number;
  stored_bytes: number;
  distinct_codes: number;
  max_error: number;
  weight_rms: number;
  /** Weighted by the mean square of the inputs; None where they are not known. */
  weighted_mse: number | null;
  kurtosis: number;
  kld: Effect | null;
}

/** Weights before and after, counted in the same bins. */
export interface Histogram {
  edges: number[];
  before: number[];
  after: number[];
}

/** Root mean squares over cells of neighbouring rows and columns of the weight. */
export interface ErrorMap {
  /** Of the error. */
  values: number[][];
  weights: number[][];
  rows: number;
  columns: number;
  /** Rows of the weight in a cell. */
  row_step: number;
  column_step: number;
}

/** A number that a block stores beside its codes. */
export interface BlockParameter {
  name: string;
  value: number;
  /** As what: "float16". */
  stored: string;
}

/** value = scale · (code − zero), codes from low to high. */
export interface Grid {
  scale: number;
  zero: number;
  low: number;
  high: number;
}

/** Weights of a block that share a scale and a minimum. */
export interface SubBlock {
  /** In the block. */
  start: number;
  length: number;
  scale: number;
  minimum: number;
  levels: number[];
}

/** How a block's codes become values. */
export interface Arithmetic {
  /** Values that the block can hold; empty where they differ by column. */
  levels: number[];
  parameters: BlockParameter[];
  formula: string;
  steps: string[];
  /** The grid, where the block is on one that can be moved by hand. */
  affine: Grid | null;
  note: string;
  sub_blocks?: SubBlock[];
}

/** One block in full arithmetic. */
export interface Block extends Arithmetic {
  label: string;
  row: number;
  block: number;
  /** First column in the row. */
  start: number;
  weights: number[];
  codes: number[];
  /** The weights again from codes and scales. */
  values: number[];
}

/** What turning the input basis changes. */
export interface Rotation {
  kurtosis_before: number;
  kurtosis_after: number;
  /** Decibel; None where nothing is lost. */
  sqnr_before: number | null;
  sqnr_after: number | null;
}

/** A method at its defaults on the tensor. */
export interface MethodResult {
  method: string;
  type: string;
  /** None where the method cannot hold the tensor. */
  bits: number | null;
  /** Decibel; None where nothing is lost, too. */
  sqnr: number | null;
  mse: number | null;
  /** Why it cannot. */
  reason: string;
}

/** What pins the lab's numbers. */
export interface LabProvenance extends Origin {
  torch: string;
  text: string;
}

/** A tensor and what a method makes of it. */
export interface View {
  shape: number[];
  method: string;
  method_title: string;
  sentence: string;
  settings: Record<string, unknown>;
  type: string;
  summary: Summary;
  histogram: Histogram;
  error_map: ErrorMap;
  /** The worst, a typical one, and the one of the largest weight. */
  blocks: Block[];
  blocks_per_row: number;
  rotation: Rotation | null;
}

/** One tensor quantized by one method. */
export interface Lab extends View {
  kind: "lab";
  run_id: string;
  drawable: true;
  /** Whether the other methods, where they are wanted, are there too. */
  done: boolean;
  title: string;
  tensor: string;
  methods: MethodResult[] | null;
  request: LabRequest;
  warnings: string[];
  provenance: LabProvenance;
  /** Names of the model's weights, in the stored example. */
  tensors?: string[];
  example?: boolean;
  progress?: Progress;
}

/** The tensor with other settings. */
export interface Adjustment {
  sqnr: number | null;
  mse: number;
  bits: number;
  kld: Effect;
}

/** A run before anything of it can be drawn. */
export interface Waiting {
  kind: Kind;
  run_id: string;
  drawable: false;
  done: false;
  title: string;
  progress: Progress;
}
