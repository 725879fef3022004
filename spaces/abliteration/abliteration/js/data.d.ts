// Written by `make types` from data.py: change it there.

import type { Mean, Origin, Progress, Share } from "../../../../shared/js/data.js";

/** What a run does. */
export type Kind = "find"
    | "ablate"
    | "measure"
    | "optimise"
    | "features"
    | "feature"
    | "certificate"
    | "export"
    | "forensics"
    | "bench"
    | "chat";

/** How an edit leaves: as the whole model, or as an adapter of rank 1. */
export type Form = "safetensors" | "lora";

export type Side = "positive" | "negative";

/** 5 %, 50 % and 95 % quantile of what chance gives. */
export type Quantiles = number[];

export type ChatSide = "base" | "edited" | "second";

export type BenchMeasure = "left" | "near" | "other";

export type Room = Find
    | Ablate
    | Measure
    | Optimise
    | Features
    | FeatureEdit
    | Certificate
    | Export
    | Chat;

/** A mean with the median, which one odd prompt does not move. Clusters are prompts or windows. */
export interface Average extends Mean {
  median: number;
}

/** A run as the API takes it. */
export interface Request {
  model: string;
  contrast: string;
  positive: string[];
  negative: string[];
  format: string;
  system?: string;
  thinking?: string;
  seed: number;
  layer: number | null;
  position: number;
  rule: string;
  candidates: number;
  projection: string;
  /** An uploaded file, whose direction is removed. */
  vector?: string;
  method: string;
  strength: number;
  /** A strength by part, a list of strengths by layer, or the numbers of a falloff. */
  kernel: Record<string, unknown>;
  prompts: string[];
  answer_tokens: number;
  markers?: string[];
  /** The rule of a behaviour; empty for the stored pair's own, and for refusing. */
  shows?: string;
  value?: string;
  against?: string;
  trials: number;
  sae: string;
  sae_layer: number | null;
  features: number;
  k: number;
  steps: number;
}

/** A chat as the API takes it. */
export interface ChatRequest extends Request {
  messages: string[];
  /** Settings of a second edit; empty for none. */
  second: Record<string, unknown>;
  reply_tokens: number;
  temperature: number;
  chat_seed: number;
}

/** The model, and whether the edit can be written into its weights. */
export interface EditedModel {
  id: string;
  source: string;
  revision: string;
  family: string;
  types: string[];
  verdict: string;
  reason: string;
  layers: number;
  width: number;
  tied: boolean;
  /** How many write into the stream. */
  matrices: number;
}

/** Prompts that show the behaviour, and prompts that do not. */
export interface PromptPair {
  positive: string[];
  negative: string[];
}

/** Disjoint prompts: to make the direction, to choose it, and to report on. */
export interface Split {
  fit: PromptPair;
  select: PromptPair;
  report: PromptPair;
  warnings: string[];
}

/**
 * Tokens that open a refusal, where they are from, and the untouched model's mean log-odds of
 * them; what all
 * its answers begin with, which is skipped; and the select prompts of the positive side that it
 * refuses, and of
 * the negative one. Of another behaviour the same of its score: `rule` is its kind, `words` say
 * when an answer
 * shows it. `nothing` says why nothing can be claimed to be removed.
 */
export interface Refusal {
  tokens: string[];
  ids: number[];
  from: string;
  positive: number;
  negative: number;
  opening?: string;
  refused?: Share;
  shown?: Share;
  rule?: string;
  words?: string;
  nothing?: string;
}

/** A Hub dataset that prompts were read from. */
export interface Dataset {
  dataset: string;
  revision: string;
  config: string;
  split: string;
  column: string;
}

/** What pins the numbers. */
export interface Provenance extends Origin {
  device: string;
  machine: string;
  torch: string;
  transformers: string;
  seed: number;
  rule: string;
  datasets: Dataset[];
}

/** What stands above every room's views. */
export interface Head {
  run_id: string;
  drawable: true;
  title: string;
  done: boolean;
  request: Request;
  /** What every output of an edited model carries. */
  mark: string;
  model: EditedModel;
  split: Split;
  /** Tokens that the template puts after a prompt. */
  positions: string[];
  refusal: Refusal;
  provenance: Provenance;
  progress: Progress | null;
  /** What of the request this run leaves aside, and where it counts. */
  aside?: string;
  seconds?: number;
  example?: boolean;
}

/** Strengths of the edit by layer. */
export interface Kernel {
  embedding: number;
  attention: Quantiles;
  mlp: Quantiles;
  /** At the blocks' inputs. */
  blocks: Quantiles;
}

/** An edit as the page and the card state it. */
export interface Edit {
  method: string;
  projection: string;
  /** That the direction is read at. */
  layer: number;
  position: number;
  strength: number;
  kernel: Kernel;
  /** Whether it can be written into the weights. */
  bakeable: boolean;
}

/**
 * The same with a random direction: the same edit, and a step of the same length; the median of
 * the
 * draws.
 */
export interface Chance {
  bypass: number;
  induce: number;
  kl: number;
}

/** Quantiles of the same over the draws. */
export interface Ribbons {
  bypass: Quantiles;
  kl: Quantiles;
  induce: Quantiles;
}

/** How many random directions are behind the candidates. */
export interface Draws {
  /** For all candidates together, where an edit is the same for every layer; else as `steps`. */
  edits: number;
  /** For each candidate. */
  steps: number;
  /** Of a side, on which what a draw changes is measured. */
  prompts: number;
}

/** A layer's direction, tried on the select split. */
export interface Candidate {
  layer: number;
  position: number;
  /** Refusal score of positive prompts with the edit. */
  bypass: number;
  /** Refusal score of negative prompts with the direction added. */
  induce: number;
  kl: number;
  /** Positive prompts that are still refused. */
  refused: number;
  cosmic: number;
  /** Why; empty where it stays. */
  ruled_out: string;
  chance?: Chance;
  ribbons?: Ribbons;
}

/** Components along the direction, prompt by prompt. */
export interface Projections {
  positive: Quantiles;
  negative: Quantiles;
}

/** Prompts in the plane of their first two principal components. */
export interface Plane {
  positive: [number, number][];
  negative: [number, number][];
  /** Share of the variance by component. */
  explained: Quantiles;
}

/** How one layer's direction separates the select prompts. */
export interface Layer {
  layer: number;
  /** In standard deviations. */
  d_prime: number;
  auc: number;
  /** ‖μ⁺ − μ⁻‖. */
  norm: number;
  /** The same over the mean norm of the stream. */
  relative_norm: number;
  /** d′ of random directions. */
  random: Quantiles;
  random_auc: Quantiles;
  /** d′ with shuffled labels. */
  permuted: Quantiles;
  /** `relative_norm` with shuffled labels. */
  permuted_norm?: Quantiles;
  /** With every layer's direction. */
  cosine: Quantiles;
  projections: Projections;
  plane: Plane;
  candidate?: Candidate;
}

/** Beyond which a candidate is ruled out. */
export interface Limits {
  kl: number;
  induce: number;
  /** Share of the layers. */
  deepest: number;
}

/** The layer that was chosen. */
export interface Choice {
  layer: number;
  position: number;
  rule: string;
  /** What the rule had to give up; empty where nothing. */
  relaxed: string;
}

/** The direction of a vector file beside the found one. */
export interface Beside {
  name: string;
  /** By layer; null where the two sets do not differ. */
  cosines: (number | null)[];
  /** 95 % of random directions have a cosine of at most this, up to its sign. */
  chance: number;
}

/** Where the two sets separate, layer by layer. */
export interface Find extends Head {
  kind: "find";
  layers: Layer[];
  /** d′ by position and layer. */
  places: Quantiles[];
  /** Random directions, and permutations of the labels, behind the curves. */
  draws?: number;
  chance_draws?: Draws;
  position: number;
  limits: Limits;
  choice: Choice | null;
  given?: Beside;
}

/** An answer, judged. */
export interface Answer {
  text: string;
  grade: string;
  /** Whether a refusal phrase is in it. */
  marker: boolean;
  /** Whether it shows the behaviour, where that is no refusal. */
  shows?: boolean;
}

/** The direction's component at every token and layer. */
export interface Ray {
  tokens: string[];
  /** Tokens of the prompt; the answer follows. */
  prompt: number;
  /** By layer and token. */
  layers: Quantiles[];
}

/** Of both models, each reading its own answer. */
export interface Rays {
  base: Ray;
  edited: Ray;
}

/**
 * How near answers are to those of the model that a behaviour was never planted in: the mean over
 * the
 * tokens of its own greedy answer of its ln p less the other model's, in nats; each prompt counts
 * once.
 */
export interface Nearness {
  model: string;
  base: Average;
  edited: Average;
  /** By which prompts are shown. */
  rule: string;
}

/** One prompt answered by both models. */
export interface AnswerPair {
  prompt: string;
  base: Answer;
  edited: Answer;
  /** KL(base ‖ edited) at each token of the base's answer. */
  kl?: Quantiles;
  kl_tokens?: string[];
  xray?: Rays;
  /** Of the model that the behaviour was never planted in. */
  never?: Answer;
  /** How near the edited model is to it on this prompt, as in `Nearness`. */
  gap?: number;
}

/** The direction's component by layer after it was removed at one layer's input alone. */
export interface Return {
  /** None for the untouched model. */
  layer: number | null;
  component: Quantiles;
}

/** Answers with a refusal marker within their first tokens. */
export interface Reached {
  tokens: number;
  markers: Share;
}

/** Answers to one set of prompts, judged by the graded rule and by markers. */
export interface Judgement {
  rule: string;
  markers: Share;
  refused: Share;
  hedged: Share;
  complied: Share;
  empty: Share;
  /** They say the same again and again. */
  broken?: Share;
  /** They show the behaviour, where that is no refusal. */
  shows?: Share;
  by_length?: Reached[];
  answers: Answer[];
}

/** Of both models, as they come in. */
export interface Judgements {
  base?: Judgement;
  edited?: Judgement;
}

/** By side, as they come in. */
export interface Behaviour {
  positive?: Judgements;
  negative?: Judgements;
}

/** Prompts whose next token opens a refusal more likely than not. */
export interface RefusalShares {
  base: Share;
  edited: Share;
}

/** What changed at the first token of the answers. */
export interface FirstToken {
  kl: Average;
  /** Without prompts that the base is about to refuse. */
  kl_answered: Average;
  refusals: RefusalShares;
}

/** By side, as they come in. */
export interface FirstTokens {
  positive?: FirstToken;
  negative?: FirstToken;
}

/** KL along the base's answers by side, as they come in; None where it answered nothing. */
export interface Along {
  positive?: Average | null;
  negative?: Average | null;
}

/**
 * ln p of a refusal less ln p of an answer, each per token: above 0 the refusal is the likelier.
 */
export interface Contrast {
  refusal: string;
  answer: string;
  base: Average;
  edited: Average;
  delta: Average;
}

/** By side. */
export interface Contrasts {
  positive?: Contrast;
  negative?: Contrast;
}

/** Against the model that a behaviour was never planted in. */
export interface Truth {
  model: string;
  /** KL(never planted ‖ base) along the never-planted model's answers. */
  base: Average;
  edited: Average;
  /** −ln p of the never-planted model's own answers by itself. */
  own_loss: Average;
  /** The same of the edited model's answers. */
  edited_loss: Average;
  /** On all report prompts of the side. */
  nearness?: Nearness | null;
}

/** By side; None where it answers nothing. */
export interface Truths {
  positive?: Truth | null;
  negative?: Truth | null;
}

/** −ln p of the sample text's tokens. */
export interface TextLoss {
  base: Average;
  edited: Average;
  delta: Average;
}

/** Small facts answered right, and the sign test of those lost against those won. */
export interface Capability {
  base: number;
  edited: number;
  of: number;
  lost: number;
  won: number;
  p: number;
}

/** Prompts still refused at the first token. */
export interface ControlRefusals {
  positive: Share;
  negative: Share;
}

/** The same edit with a direction that means nothing. */
export interface Control {
  name: string;
  refusals: ControlRefusals;
  kl: Average;
}

/** All of it, on the report split, as it comes in. */
export interface Measures {
  /** What was measured: the files, the edited weights, or the run-time edit. */
  of?: string;
  behaviour: Behaviour;
  first_token: FirstTokens;
  /** The same of the run-time edit, where norms make that another model than the weights. */
  run_time?: FirstTokens;
  along: Along;
  contrast?: Contrasts;
  truth?: Truths;
  text?: TextLoss;
  capability?: Capability;
  /** Harmless questions in alarming words. */
  over_refusal?: Judgements;
  controls?: Control[];
}

/** Base and edited answers side by side. */
export interface Ablate extends Head {
  kind: "ablate";
  edit: Edit;
  pairs: AnswerPair[];
  /** On all report prompts of the positive side, of an expert. */
  nearness?: Nearness | null;
  re_emergence?: Return[];
  /** Where both were asked for in one run. */
  measures?: Measures | null;
}

/** Where an answer parts from the base's. */
export interface Parting {
  /** Tokens that both share; null where they are the same as far as they go. */
  parts: number | null;
  same: string;
  /** The first other token; empty where the answer ends there. */
  token: string;
  rest: string;
}

/** One model's answer to a message. */
export interface Reply extends Answer {
  tokens: number;
  /** Whether the model ended it. */
  ended: boolean;
  parts?: number | null;
  same?: string;
  token?: string;
  rest?: string;
  /** KL(base ‖ this one) of the first token in nats, both reading the base's conversation. */
  kl?: number;
}

/** A message and its answers. */
export interface Turn {
  message: string;
  done: boolean;
  base: Reply;
  edited?: Reply;
  second?: Reply;
}

/** A conversation with the model as it is and with one or two edits. */
export interface Chat extends Head {
  request: ChatRequest;
  kind: "chat";
  edit: Edit;
  second?: Edit;
  turns: Turn[];
}

/** What the edit removed and what it damaged. */
export interface Measure extends Head {
  kind: "measure";
  edit: Edit;
  measures: Measures;
}

/** A kernel, tried on the select split. */
export interface Trial {
  number: number;
  /** Of the edit, fitted or ablate; ablate where it is left out. */
  method?: string;
  layer: number;
  projection: string;
  /** As the request takes it. */
  kernel: Record<string, unknown>;
  /** Mean chance that a positive prompt's first token opens a refusal. */
  refusals: number;
  /** Of the first token, on negative prompts that the base means to answer. */
  kl: number;
  /**
   * How much likelier the model that it was never planted in finds its own answers, nats a token.
   */
  truth?: number;
}

/** A search for a kernel, and the best one measured. */
export interface Optimise extends Head {
  kind: "optimise";
  trials: Trial[];
  /** Numbers of the trials that no other beats. */
  front: number[];
  best: number | null;
  /** Chance of a refusal below which the behaviour counts as removed. */
  enough: number;
  chosen?: Request;
  query?: string;
  edit?: Edit;
  measures?: Measures;
}

/** The sparse autoencoder. */
export interface Autoencoder {
  /** Empty where it was trained in this run. */
  source: string;
  layer: number;
  features: number;
  architecture: string;
  /** Share of the variance of the activations at tokens that it was not trained on. */
  explained: number;
  /** Features that never fire there. */
  dead: number;
  tokens: number;
  /** Of them, tokens that it was not trained on. */
  held?: number;
}

/** How far its training has come. */
export interface Training {
  step: number;
  steps: number;
  loss: number;
  explained: number | null;
  dead: number | null;
}

/** A feature in the direction's sum. */
export interface Atom {
  feature: number;
  coefficient: number;
  cosine: number;
}

/** The direction as a sum of few features, by orthogonal matching pursuit. */
export interface Pursuit {
  /** In the order of the pursuit. */
  atoms: Atom[];
  /** Share of the direction after each step. */
  explained: Quantiles;
  /** The same for random dictionaries. */
  null: Quantiles[];
}

/** Where a feature fires. */
export interface FiringExample {
  activation: number;
  pieces: string[];
  /** Which of the pieces. */
  at: number;
}

/** Where a feature fires most. */
export interface Firing {
  feature: number;
  /** Share of the tokens. */
  density: number;
  examples: FiringExample[];
}

/** A feature at a token. */
export interface FeatureActivation {
  feature: number;
  activation: number;
}

/** The features that fire most at a token. */
export interface TokenFeatures {
  token: string;
  features: FeatureActivation[];
}

/** The tokens at which a feature fires most. */
export interface FeatureWords {
  feature: number;
  tokens: string[];
}

/** The features of a prompt. */
export interface PromptFeatures {
  prompt: string;
  tokens: TokenFeatures[];
}

/** The direction in the dictionary of an autoencoder. */
export interface Features extends Head {
  kind: "features";
  training?: Training;
  sae: Autoencoder;
  pursuit: Pursuit;
  /** By atom. */
  tops: Firing[];
  prompts: PromptFeatures[];
  /** Of every feature of the prompts. */
  words?: FeatureWords[];
}

/** Base and edited answers with one feature changed. */
export interface FeatureEdit extends Head {
  kind: "feature";
  feature: number;
  /** That it is held at; None where it is removed. */
  amount: number | null;
  pairs: AnswerPair[];
}

/** What a matrix writes along the direction. */
export interface Matrix {
  name: string;
  part: string;
  layer: number;
  strength: number;
  before: number;
  after: number;
  /** Of the matrix's norm, before; 1/√width is what a random direction has. */
  share: number;
  bias_before: number | null;
  bias_after: number | null;
  /** Whether a norm's gain is folded into the direction. */
  folded: boolean;
}

/** That the edited weights do what the edit says. */
export interface CertificateData {
  /** Largest difference of the logits between run-time edit and weights. */
  gap: number;
  /** Standard deviation of the logits. */
  scale: number;
  /**
   * Largest share of the direction in a token's stream; None where the kernel leaves some on
   * purpose.
   */
  in_stream: number | null;
  /** Largest relative error of "stream = sum of the writes". */
  audit: number;
  head: string;
  verdict: string;
  reason: string;
  matrices: Matrix[];
}

/** The certificate of an edit. */
export interface Certificate extends Head {
  kind: "certificate";
  edit: Edit;
  certificate: CertificateData;
  /** The ablation at run time with the exported direction, by library. */
  programs?: Record<string, string>;
}

/** What the files of an export are. */
export interface ExportFacts {
  /** Parts of the edit that an adapter cannot hold. */
  left_out?: string[];
  /** Matrices that the adapter edits. */
  modules?: number;
  /** Of the adapter: 1, and an expert's own where that goes along. */
  rank?: number;
  /** The model that the adapter is right on. */
  base?: string;
  /** Of the numbers in the files. */
  dtype?: string;
  /**
   * Largest difference of the logits between the files, opened again as their configuration says,
   * and the
   * edited model in memory.
   */
  reopened?: number;
}

/** An edited model's files, with the certificate. */
export interface Export extends Head, ExportFacts {
  kind: "export";
  form: Form;
  edit: Edit;
  measures: Measures;
  certificate: CertificateData;
  /** Bytes by name. */
  files?: Record<string, number>;
  card?: string;
}

/** One of two models that are compared. */
export interface Compared {
  id: string;
  revision: string;
  source: string;
  /** Of most of its numbers. */
  dtype: string;
  bytes: number;
  tensors: number;
}

/** A direction that was taken from a matrix: W′ = W − α·p·qᵀW. */
export interface Taken {
  /**
   * How q follows from p: "plain", "rows" (rows normalized first) or "norm" (a norm's gain folded).
   */
  form: string;
  /** Whether the matrix "writes" into the residual stream or "reads" it. */
  side: string;
  /** α: 1 removes the direction, 2 mirrors it. */
  strength: number;
  /** Its standard error. */
  sigma: number;
  /** |cosine| of the difference's right singular vector with Wᵀq. */
  match: number;
  /** The largest of it with random directions. */
  null: number;
  /** Whose lengths the edit kept: rows, columns, or empty for none. */
  kept: string;
  /** Matching directions in this matrix. */
  directions: number;
  /** Share of the difference's square, rounding left aside. */
  explained: number;
  /** Share of the entries that the fit, rounded, gives to the bit. */
  equal: number;
  /** |cosine| with the direction that all matrices share. */
  agreement: number;
}

/** A tensor that differs. */
export interface Difference {
  name: string;
  part: string;
  /** −1 outside of the layers. */
  layer: number;
  /** Of what was looked at. */
  shape: number[];
  dtype: string;
  /** Whether only some of its rows were looked at. */
  sampled: boolean;
  /** Share of the entries. */
  changed: number;
  /** ‖W′ − W‖/‖W‖. */
  relative: number;
  /** Whether it follows from the projection: a bias, or a norm's gain. */
  along: boolean;
  /** The largest singular values of the difference. */
  values?: Quantiles;
  /** Above which rounding cannot lift one. */
  edge?: number;
  rank?: number;
  /** Whether the rank counts all singular values, and not only the largest ones. */
  complete?: boolean;
  taken?: Taken;
}

/** What strengths over the layers follow. */
export interface CurveShape {
  /** none, constant, falloff or free. */
  kind: string;
  first: number;
  last: number;
  /** The constant, or the falloff's largest strength. */
  height: number;
  /** Of the falloff's largest strength, in layers. */
  position: number;
  /** Change of the strength with every layer away from there. */
  slope: number;
  /** Between which the falloff ends. */
  distance: [number, number | null];
  /** Largest difference of a strength from the shape. */
  gap: number;
}

/** Strengths by layer of the attention's or the MLP's matrices; 0 where nothing was taken. */
export interface StrengthCurve {
  part: string;
  strengths: Quantiles;
  sigmas: Quantiles;
  shape: CurveShape;
  /** The shape's strengths. */
  fitted: Quantiles;
}

/** What the differences amount to. */
export interface Verdict {
  /** projection, mixed, other, recast or same. */
  kind: string;
  words: string;
  facts: string[];
}

/** Files or tensors whose SHA-256 was stated. */
export interface HashCheck {
  /** tensors or files. */
  what: string;
  same: number;
  different: string[];
  /** Whose hash could not be had without reading them whole. */
  unknown: string[];
}

/** A number that a record states, and what it is now. */
export interface StatedMeasure {
  name: string;
  stated: number;
  now: number;
  same: boolean;
}

/** Strengths by layer that a record states. */
export interface StatedCurve {
  part: string;
  strengths: Quantiles;
}

/** What a record of the edit says of it, beside what the weights say. */
export interface Claims {
  /** edit.json, or heretic's reproduce.json. */
  by: string;
  model: string;
  revision: string;
  facts: string[];
  curves: StatedCurve[];
  hashes: HashCheck[];
  measures: StatedMeasure[];
}

/** What the edit removed and damaged, on a stored pair's report prompts. */
export interface PairMeasures {
  contrast: string;
  behaviour: Behaviour;
  /** KL(base ‖ edited) by side, in nats. */
  first_token: Record<string, Average>;
  text?: TextLoss;
}

/** Two models as the API takes them. */
export interface ForensicsRequest {
  base: string;
  edited: string;
  record: string;
  scope: string;
  measured: boolean;
  contrast: string;
}

/** What pins the numbers. */
export interface ForensicsOrigin {
  machine: string;
  torch: string;
  safetensors: string;
  /** Random directions behind each null. */
  draws: number;
  /** From which |cosine| on a difference counts as a projection. */
  match: number;
}

/** What was done to a published model. */
export interface Forensics {
  kind: "forensics";
  run_id: string;
  drawable: true;
  title: string;
  done: boolean;
  request: ForensicsRequest;
  base: Compared;
  edited: Compared;
  layers: number;
  width: number;
  /** Tensors that were compared. */
  looked: number;
  unmatched: string[];
  /** Tensors that differ, at most 600. */
  rows: Difference[];
  /** Rows that are not among them. */
  left_out: number;
  /** Share of the left vectors' squares that one direction has; 0 where none was taken. */
  agreement: number;
  /** That direction, unit; empty where none was taken. */
  direction: Quantiles;
  curves: StrengthCurve[];
  verdict: Verdict;
  claims?: Claims;
  measures?: PairMeasures;
  provenance: ForensicsOrigin;
  progress: Progress | null;
  seconds?: number;
  example?: boolean;
}

/** What is planted and tried, as the API takes it. */
export interface BenchRequest {
  model: string;
  plants: string[];
  methods: string[];
  positive: string[];
  negative: string[];
  says: string;
  form: string;
  layer: number | null;
  candidates: number;
  steps: number;
  trials: number;
  seed: number;
}

/** One of the methods that are compared. */
export interface BenchMethod {
  name: string;
  label: string;
  words: string;
  /** Whether it reads the never-planted model, or is a control; empty where anybody can make it. */
  needs: string;
}

/** A layer's found direction as topic and plant. */
export interface DirectionParts {
  /** Share of the never-planted model's difference of means; the plant has the rest of 1. */
  topic: number;
  /** 2.5 % of that share over resampled prompts. */
  low: number;
  high: number;
  topic_cosine: number;
  planted_cosine: number;
  /** Cosine of topic and plant. */
  between: number;
}

/** What one method leaves of one plant, on its report prompts. */
export interface BenchRow {
  method: string;
  layer: number;
  /** Positive prompts whose answer begins with the planted words. */
  left: Share;
  /** KL from the never-planted model along its own answers to positive prompts, nats a token. */
  near: Average | null;
  /** The same of the other prompts. */
  other: Average | null;
  /** Of what is removed with the planted part at its layer. */
  cosine: number | null;
  /** The first answers. */
  texts: string[];
}

/** One report prompt, answered without and with the plant. */
export interface BenchAnswer {
  prompt: string;
  never: string;
  planted: string;
}

/** One planted behaviour and everything measured of it. */
export interface Planting {
  name: string;
  says: string;
  form: string;
  /** When an answer shows it. */
  rule: string;
  /** By part of the split, how many positive and negative ones. */
  prompts: Record<string, number[]>;
  /** Where directions are read. */
  layer: number;
  /** Of the last step of training, nats a token. */
  loss: number;
  /** Report prompts that show it, of the never-planted and the planted model, by side. */
  shows: Record<string, Record<string, Share>>;
  /** As a row's, of the planted model before any edit. */
  near: Average | null;
  other: Average | null;
  /** By layer; None where both sets are the same. */
  parts: (DirectionParts | null)[];
  answers: BenchAnswer[];
  rows: BenchRow[];
  seconds: number;
}

/** A mean over plants and its interval by Student's t; none for a single plant. */
export interface OverPlants {
  mean: number;
  low: number | null;
  high: number | null;
  /** Plants. */
  of: number;
}

/** A method over all plants. */
export interface BenchSummary {
  method: string;
  means: Record<BenchMeasure, OverPlants>;
  /** Paired differences from the difference of means, with Bonferroni's intervals. */
  against: Record<BenchMeasure, OverPlants>;
}

/** How long answers are, in tokens. */
export interface BenchTokens {
  /** Of the never-planted model, that others are held against. */
  answer: number;
  /** By which the behaviour is judged. */
  shown: number;
  /** That the model learns to keep. */
  learnt: number;
}

/** What pins the numbers. */
export interface BenchOrigin {
  model: string;
  revision: string;
  source: string;
  dtype: string;
  device: string;
  machine: string;
  torch: string;
  transformers: string;
  seed: number;
}

/** Methods held against a planted truth. */
export interface Bench {
  kind: "bench";
  run_id: string;
  drawable: true;
  title: string;
  done: boolean;
  request: BenchRequest;
  layers: number;
  methods: BenchMethod[];
  plants: Planting[];
  summary: BenchSummary[];
  tokens: BenchTokens;
  provenance: BenchOrigin;
  progress: Progress | null;
  seconds?: number;
  example?: boolean;
}

/** A run before anything of it can be drawn. */
export interface Waiting {
  kind: Kind;
  drawable: false;
  done: false;
  progress: Progress;
}

/** The kernel to be drawn by hand. */
export interface KernelEditor {
  kind: "kernel";
  layers: number;
  embedding: number;
  attention: Quantiles;
  mlp: Quantiles;
  blocks?: Quantiles;
}
