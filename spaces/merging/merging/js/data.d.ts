// Written by `make types` from data.py: change it there.

import type { Failed, Failure, Mean, Progress, Share } from "../../../../shared/js/data.js";

export type Role = "base" | "parent" | "child";

export type Level = "error" | "warning" | "note";

/**
 * Values by layer and module; None where a layer has no such module or nothing could be compared.
 */
export type LayerMap = ((number | null)[])[];

export type Job = "merge" | "mixture" | "extract" | "sample";

export type Goal = "behaviours" | "loss";

export type Relation = "finetune" | "adapter" | "merge" | "quantized" | "new_version";

export type Status = "ok"
    | "here"
    | "gated"
    | "disabled"
    | "private"
    | "missing"
    | "local"
    | "unread";

export type Part = "contributor" | "base" | "adapter" | "tokenizer" | "parent";

/** Lowest and highest coefficient of a model's weights in another's: 1 for all of it. */
export type Span = [number, number];

/**
 * Of one part of a report: it holds; it is worth a look; it does not hold; it could not be
 * decided.
 */
export type Verdict = "good" | "mixed" | "bad" | "open";

export type Chapter = "recipe" | "replay" | "parents" | "licences" | "shares" | "unread";

/**
 * Of one tensor after the replay: the same bytes; equal values in another dtype; other values;
 * another shape;
 * lacking in the model; in the model alone; not compared.
 */
export type TensorState = "same" | "rounded" | "different" | "shape" | "missing" | "extra" | "open";

export type Kind = "float" | "int" | "bool";

export type Base = "required" | "optional" | "forbidden" | "ignored";

/** One thing that the check of a recipe has to say. */
export interface Finding {
  level: Level;
  /** Path in the recipe; empty for the whole. */
  where: string;
  message: string;
  /** What to do; empty where nothing need be done. */
  fix: string;
}

/** A parent as it went into the merge. */
export interface Source {
  name: string;
  revision: string;
  /** Empty where none is stated. */
  licence: string;
}

/** A finished merge. */
export interface Report {
  kind: Job;
  /** Bytes by name. */
  files: Record<string, number>;
  /** Of each weight file. */
  sha256: Record<string, string>;
  seed: number;
  seconds: number;
  /** Bytes. */
  peak_memory: number;
  recipe: string;
  findings: Finding[];
  versions: Record<string, string>;
  models: Source[];
}

/** A model's answer. */
export interface Answer {
  text: string;
  /** False where it was cut at the longest length. */
  ended: boolean;
}

/**
 * Of "is likelier": ln p of the wanted answer less that of the other, nats a token of each, with
 * its 95 %
 * interval; clusters are prompts.
 */
export interface Contrast extends Mean {
  low: number | null;
  high: number | null;
}

/** The merge against another model on the same prompts, see `shared.paired.Difference`. */
export interface Flips {
  /** Share of prompts on which the merge shows it, less the other's. */
  mean: number;
  low: number;
  high: number;
  gained: number;
  lost: number;
  of: number;
  /** Of McNemar's exact test, corrected for all behaviours and models. */
  p: number;
}

/** One model, measured. */
export interface Model {
  /** In the recipe, or "child". */
  name: string;
  role: Role;
  revision: string;
  /** By behaviour. */
  shares: Record<string, Share>;
  /** To the cooking, the other, the own and then the visitor's further prompts. */
  answers: Answer[];
  perplexity: number;
  /**
   * Standard error of the perplexity over the windows of the text; None where there is one window.
   */
  sigma: number | null;
  /** KL(parent ‖ child), nats per token, by parent; of the child alone. */
  kl: Record<string, Mean>;
  /** Of the child alone: by another model, by behaviour. */
  against?: Record<string, Record<string, Flips>>;
  /** By behaviour of that rule. */
  contrasts?: Record<string, Contrast>;
  /** Answers that say the same again and again. */
  broken?: Share;
}

/** Two parents' task vectors against each other. */
export interface Pair {
  first: string;
  second: string;
  cosine: LayerMap;
  /** Share of the entries that both changed whose signs differ. */
  conflict: LayerMap;
}

/** A tensor outside of the layers. */
export interface OuterTensor {
  name: string;
  /** As in the atlas, by parent. */
  norm: Record<string, number | null>;
}

/** Task vectors of the parents as maps of layer × module. */
export interface Atlas {
  base: string;
  parents: string[];
  layers: number;
  modules: string[];
  /** Of the tensors, by layer and module; empty where there is none. */
  names: string[][];
  /** ‖W − W_base‖ / ‖W_base‖ by parent. */
  norm: Record<string, LayerMap>;
  pairs: Pair[];
  outside: OuterTensor[];
}

/** How much of a parent's behaviour each band of layers carries by itself. */
export interface Carriers {
  parent: string;
  /** First and last layer. */
  bands: [number, number][];
  /** Mean log-probability of a token of the parent's answers under the base, nats. */
  base: number;
  /** The same under the parent. */
  whole: number;
  /** By part and band: of the way from base to parent, 1 for all of it. */
  share: Record<string, number[]>;
  tokens: number;
  done: boolean;
}

/** What every model answered. */
export interface Prompts {
  cooking: string[];
  other: string[];
  /** Of a visitor's behaviours, and of other stored sets. */
  own?: string[];
  /** Further ones, without a rule. */
  asked: string[];
}

/** What perplexity and KL are measured on. */
export interface SampleText {
  name: string;
  /** Tokens of a window; its second half is scored. */
  context: number;
  windows: number;
}

/** A model of a recipe. */
export interface CheckedModel {
  name: string;
  revision: string;
  parameters: number;
  bytes: number;
  dtype: string;
  licence: string;
  /** Whether its weights lie on this machine. */
  here: boolean;
}

/** What a merge takes; all but the weights and the seconds in bytes. */
export interface Cost {
  parameters: number;
  disk: number;
  download: number;
  memory: number;
  seconds: number;
  free: number;
}

/** A recipe, checked. */
export interface Check {
  ok: boolean;
  findings: Finding[];
  tensors: number | null;
  layers: number | null;
  models: CheckedModel[];
  cost: Cost | null;
  /** A shell program that makes the merge on any machine; empty where the recipe is wrong. */
  commands?: string;
}

/** A merge and its comparison with the parents, as far as it has come. */
export interface Merge {
  kind: "merge";
  run_id: string;
  drawable: true;
  done: boolean;
  request: Record<string, unknown>;
  report: Report;
  title: string;
  /** Parents in the recipe's order, the base first, the child last. */
  models: Model[];
  /** What could not be measured and why. */
  skipped: string[];
  atlas: Atlas | null;
  carriers: Carriers[];
  prompts: Prompts;
  /** By behaviour: when an answer shows it, in words. */
  rules?: Record<string, string>;
  text: SampleText;
  progress: Progress | null;
  seconds?: number | null;
  device?: string;
  check?: Check | null;
  example?: boolean;
}

/** Entries of one tensor's task vectors, the same of every parent. */
export interface TensorSample {
  name: string;
  shape: number[];
  entries: number;
  sampled: number;
  /** By parent. */
  values: Record<string, number[]>;
}

/** A corner of the plane. */
export interface NamedModel {
  name: string;
  revision: string;
}

/** A merge between the models, measured. */
export interface Blend {
  /** Of the task vectors of all models but the first. */
  weights: number[];
  /** Nats per token. */
  loss: number;
  /** Standard error of the loss over the windows of the text; None where there is one window. */
  sigma: number | null;
  /** By behaviour; empty where no answers were written. */
  shares: Record<string, Share>;
  /**
   * Mean log-probability of the opening that shows a behaviour, nats; empty where it was not
   * measured.
   */
  chances: Record<string, number>;
}

/** A point of the grid. */
export interface Point extends Blend {
  /** Of the merge at this point. */
  recipe: string;
}

/** A merge that the search tried. */
export interface Candidate extends Blend {
  score: number;
  generation: number;
}

/** The best merge of a search, on the prompts of the search. */
export interface Best extends Point {
  score: number;
}

/** The best merge of a search, on prompts that the search did not see. */
export interface HeldOut extends Blend {
  score: number;
}

/** A search for weights. */
export interface Search {
  goal: Goal;
  seed: number;
  candidates: Candidate[];
  /** The centre of the search, generation by generation. */
  means: number[][];
  best: Best | null;
  held_out: HeldOut | null;
  warnings?: string[];
}

/** The text of the loss. */
export interface ScoredText {
  /** That are scored. */
  tokens: number;
  windows: number;
}

/** The merges between two or three models, as far as they are measured. */
export interface Between {
  run_id: string;
  drawable: true;
  done: boolean;
  request: Record<string, unknown>;
  /** Of the grid; empty where weights are searched. */
  points: Point[];
  search: Search | null;
  models: NamedModel[];
  behaviours: string[];
  /** Prompts of a behaviour, at most. */
  each: number;
  /** By behaviour: when an answer shows it, in words. */
  rules?: Record<string, string>;
  text: ScoredText;
  progress: Progress | null;
  seconds?: number;
  device?: string;
  example?: boolean;
}

/** The points of a grid. */
export interface Explore extends Between {
  kind: "explore";
}

/** A search for weights. */
export interface Evolve extends Between {
  kind: "evolve";
}

/** How alike the gates of two experts are. */
export interface GatePair {
  /** Place among the experts. */
  first: number;
  second: number;
  /** By layer. */
  cosine: number[];
}

/** The gates that one mode computes. */
export interface GateMode {
  mode: string;
  pairs: GatePair[];
  /** Condition number of a layer's gates; None where it is not finite. */
  condition: (number | null)[];
  /** Layers of which mergekit warns. */
  degenerate: number[];
}

/** The gates of a mixture, as mergekit computes them from the prompts. */
export interface GateVectors {
  /** The routed ones first, then shared ones that have a gate. */
  experts: string[];
  routed: number;
  layers: number;
  /** Numbers in a gate. */
  width: number;
  /** The recipe's mode. */
  own: string;
  modes: GateMode[];
  skipped: string[];
  /** The base, which reads the prompts. */
  model: NamedModel;
}

/** A mixture's gates alone. */
export interface Gates {
  kind: "gates";
  drawable: true;
  done: true;
  run_id: string;
  request: Record<string, unknown>;
  gates: GateVectors;
}

/** Gates that cannot be computed. */
export interface GatesFailed {
  kind: "gates";
  drawable: false;
  error: Failure;
}

/** A token that was routed. */
export interface RoutedToken {
  text: string;
  /** Place of its text. */
  of: number;
}

/** Where the tokens of an expert's own prompts go. */
export interface OwnPrompts {
  expert: number;
  tokens: number;
  /** Share of the places in all layers, by expert. */
  load: number[];
}

/** The routing with the gates of one mode. */
export interface RoutedMode {
  mode: string;
  /** By token, layer and expert; 0 where the token does not go to the expert. */
  weights: number[][][];
  /** By layer and expert: the share of the tokens' places that it gets. */
  load: number[][];
  /** By layer: of the router's probabilities of all experts, in nats, the mean over the tokens. */
  entropy: number[];
  own: OwnPrompts[];
  /** Share of tokens and layers whose first expert is the one of the recipe's mode. */
  agreement: number;
}

/** A mixture of experts: its gates, and where they send the tokens of some texts. */
export interface Mixture {
  kind: "mixture";
  drawable: true;
  done: boolean;
  run_id: string;
  request: Record<string, unknown>;
  title: string;
  gates: GateVectors;
  /** Experts that a token goes to in each layer. */
  per_token: number;
  tokens: RoutedToken[];
  routed: RoutedMode[];
  report: Report | null;
  skipped: string[];
  progress: Progress | null;
  seconds: number | null;
  device?: string;
  check?: Check | null;
  example?: boolean;
}

/** A model of the tree. */
export interface Member {
  id: string;
  /** Commit that was read; empty where it is not known, as are all texts below. */
  sha: string;
  licence: string;
  status: Status;
  /** In the weights of the start; None for no ancestor, and until the tree is complete. */
  share: Span | null;
  /** Why the status is not "ok". */
  reason: string;
  author: string;
  downloads: number | null;
  created: string;
  modified: string;
  parameters: number | null;
  /** Number by relation, as the Hub counts. */
  children: Record<string, number>;
  /** Number by relation of those that are not in the tree. */
  more: Record<string, number>;
  /** Generations above the start; negative below. */
  depth: number;
  method: string;
  /** YAML of its merge. */
  recipe: string;
  notes: string[];
  /** Models that it stands for, where some name each other as parents. */
  members: string[];
  /** What its licence asks for; None where its terms are not known. */
  asks: string[] | null;
  licence_url: string;
  /** Column, 0 for the leftmost ancestors. */
  x: number;
  /** Row. */
  y: number;
}

/** Where a relation was read. */
export interface Evidence {
  source: string;
  says: string;
}

/** A parent's part in a child. */
export interface Kinship {
  source: string;
  target: string;
  relation: Relation;
  role: Part;
  weight: number | null;
  density: number | null;
  /** First layer and the one after the last of each slice; empty for all. */
  layers: [number, number][];
  /** Of the parent's weights in the child's. */
  part: Span;
  revision: string;
  evidence: Evidence[];
  /** Whether the child names the parent's revision. */
  pinned: boolean;
  /** Places that the line passes on its way, as x and y of a member. */
  bends: Span[];
}

/** What an ancestor's licence asks of the start, and the way from the start to it. */
export interface Obligation {
  asks: string;
  from: string;
  licence: string;
  url: string;
  path: string[];
}

/** A model whose terms are not known; `unread` says why its licence could not be read. */
export interface UnknownTerms {
  from: string;
  licence: string;
  path: string[];
  unread?: string;
}

/** What stands against the start's licence. */
export interface Conflict {
  message: string;
  resolve: string;
}

/** What the ancestors' licences ask. */
export interface Licences {
  own: string;
  /** The strictest first. */
  obligations: Obligation[];
  unknown: UnknownTerms[];
  conflicts: Conflict[];
  /** Ancestors that state less than what they were made of asks. */
  laxer?: Conflict[];
  note: string;
}

/** Requests to the Hub in the last five minutes. */
export interface Requests {
  api: number;
  file: number;
}

/** A declared parent against the weights. */
export interface TestedParent {
  name: string;
  /** Least squares of the task vectors. */
  coefficient: number;
  sigma: number;
  cosine: number;
  verdict: string;
}

/** A model's declared parents, tested by its weights. */
export interface Paternity {
  of: string;
  parents: TestedParent[];
  /** Share of the child's task vector that the fit explains. */
  explained: number;
  /** 95 % bound of |cosine| for an unrelated model. */
  null: number;
  entries: number;
  verdict: string;
}

/** A replayed merge against the published model. */
export interface Replay {
  same: boolean;
  tensors: number;
  different: string[];
  /** Largest absolute difference; None where a value is not a number, or a shape differs. */
  largest: number | null;
  missing: string[];
  verdict: string;
}

/** A family tree, as far as it is read. */
export interface Tree {
  kind: "tree";
  drawable: true;
  done: boolean;
  run_id: string;
  request: Record<string, unknown>;
  start: string;
  warnings: string[];
  /** Models beyond the limit. */
  cut: number;
  roots: string[];
  nodes: Member[];
  edges: Kinship[];
  licences: Licences;
  requests: Requests;
  progress: Progress | null;
  seconds?: number | null;
  tested?: Paternity | Replay | Failed;
  example?: boolean;
}

/** One part of a report in a sentence. */
export interface ReportLine {
  chapter: Chapter;
  verdict: Verdict;
  says: string;
}

/** One of the recipes that a model publishes. */
export interface RecipeChoice {
  /** By which it is chosen, from 1. */
  number: number;
  source: string;
  method: string;
  models: string[];
}

/** The recipe that a model publishes. */
export interface PublishedRecipe {
  text: string;
  /** Where it stands. */
  source: string;
  method: string;
  seed: number;
  seed_from: "you" | "the card" | "default";
  /** Whether the seed matters. */
  draws: boolean;
  /** Its number among the choices; 0 where it cannot be read. */
  number: number;
  /** All that can be read. */
  choices: RecipeChoice[];
}

/** One tensor that the replay and the model do not both have with the same bytes. */
export interface ReplayedTensor {
  name: string;
  state: TensorState;
  entries: number;
  /** Entries whose values differ. */
  different: number;
  /**
   * Largest absolute difference; None where a value is not a number, or nothing could be
   * subtracted.
   */
  largest: number | null;
  /** Dtype that the recipe gives; empty where it gives none. */
  given: string;
  /** Dtype in the model; empty where it has none. */
  stored: string;
}

/** What became of every tensor that the recipe gives. */
export interface ReplayMap {
  modules: string[];
  /** By layer and module; None where a layer has no such module. */
  layers: ((TensorState | null)[])[];
  /** Names and states of the tensors outside of the layers. */
  outside: [string, TensorState][];
}

/** A recipe merged again, against the published weights. */
export interface ReplayedModel {
  how: "all" | "sample" | "headers" | "none";
  says: string;
  /** That the recipe gives. */
  tensors: number;
  compared: number;
  /** Entries of all tensors that the recipe gives. */
  weights: number;
  compared_weights: number;
  /** Tensors by state. */
  counts: Record<string, number>;
  /** The first of those that are not the same. */
  differing: ReplayedTensor[];
  map: ReplayMap | null;
  /** What the comparison cannot tell. */
  limits: string[];
}

/** A parent's coefficient as the recipe states it and as the weights have it. */
export interface FittedParent {
  name: string;
  declared: number;
  found: number;
  sigma: number;
  agrees: boolean;
}

/** A model at the beginning of a family, with its part in the reported one. */
export interface Root {
  id: string;
  share: Span;
  licence: string;
  status: Status;
  reason: string;
}

/** What could not be read, and why. */
export interface UnreadThing {
  what: string;
  reason: string;
}

/** A report in one line, for a model's card. */
export interface Badge {
  label: string;
  message: string;
  verdict: Verdict;
  svg: string;
  /** A line for the card; `{this demo}` in it stands for the demo's address. */
  markdown: string;
}

/** A report on a merged model. */
export interface ModelReport {
  kind: "report";
  drawable: true;
  done: boolean;
  run_id: string;
  request: Record<string, unknown>;
  model: string;
  /** Commit that was read; empty where there is none. */
  sha: string;
  /** Day of the report, year first. */
  date: string;
  lines: ReportLine[];
  recipe: PublishedRecipe | null;
  findings: Finding[];
  /** None until it is over. */
  replay: ReplayedModel | null;
  paternity: Paternity | null;
  fitted: FittedParent[];
  /** Why the parents were not tested from the weights; empty where they were. */
  untested: string;
  roots: Root[];
  /** Sum of the roots' shares; None where no tree could be read. */
  total: Span | null;
  start: string;
  licences: Licences;
  unread: UnreadThing[];
  /** None until the report is complete. */
  badge: Badge | null;
  /**
   * Section of Markdown for the model's card; `{this demo}` in it stands for the demo's address.
   */
  card: string;
  versions: Record<string, string>;
  progress: Progress | null;
  seconds: number | null;
  example?: boolean;
}

/** A parameter of a merge method. */
export interface Parameter {
  name: string;
  kind: Kind;
  /** Whether every model has its own value; otherwise it is of the whole merge. */
  each: boolean;
  /** Whether the base model has a value too. */
  on_base: boolean;
  required: boolean;
  default: unknown;
  about: string;
}

/** A merge method of mergekit. */
export interface Method {
  name: string;
  title: string;
  url: string | null;
  base: Base;
  /** Models at least, the base counted. */
  least: number;
  most: number | null;
  parameters: Parameter[];
  /** Whether the seed matters. */
  random: boolean;
  about: string;
}

/** A recipe as a form. */
export interface Editor {
  kind: "editor";
  drawable: true;
  methods: Method[];
  /** Names to choose from. */
  models: string[];
  /** As the visitor wrote it: every part may be of another shape than mergekit's. */
  recipe: Record<string, unknown>;
  moe: boolean;
}

/** A recipe that cannot be read. */
export interface EditorFailed {
  kind: "editor";
  drawable: true;
  methods: Method[];
  models: string[];
  error: Failure;
}

/** A rule that can be chosen. */
export interface Rule {
  kind: string;
  /** What it is given, in words. */
  value: string;
}

/** A behaviour as a request states it. */
export interface Behaviour {
  name: string;
  /** A stored set's name, or prompts. */
  prompts: string | string[];
  rule: string;
  value?: string;
  against?: string;
  wanted?: boolean;
  opening?: string;
}

/** What behaviours can be made of. */
export interface BehaviourChoices {
  kind: "behaviours";
  drawable: true;
  rules: Rule[];
  sets: string[];
  languages: string[];
  presets: Behaviour[];
  most: number;
}

/** What models are measured by, as rows to fill in. */
export interface BehaviourForm extends BehaviourChoices {
  behaviours: Behaviour[];
}

/** A text that states no behaviours. */
export interface BehaviourFormFailed extends BehaviourChoices {
  error: Failure;
}

/** A run before anything of it can be drawn. */
export interface Waiting {
  kind: "merge" | "explore" | "evolve" | "mixture" | "report";
  run_id: string;
  drawable: false;
  done: false;
  request: Record<string, unknown>;
  points?: Point[];
  search?: Search | null;
  progress: Progress | null;
}
