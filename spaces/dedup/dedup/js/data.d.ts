// Written by `make types` from data.py: change it there.

import type { Progress } from "../../../../shared/js/data.js";

/** Two nodes, the one to keep first, and their similarity. */
export type Pair = [number, number, number];

/** A threshold, and the kept rows and pairs at or above it. */
export type CurvePoint = [number, number, number];

/**
 * A threshold; the recall of pairs there and both ends of its interval; true pairs of the sample,
 * and those
 * found.
 */
export type RecallPoint = [number, number | null, number, number, number, number];

/** What shingles are made of; a result never says auto. */
export type Unit = "auto" | "word" | "symbol" | "code" | "whitespace" | "character" | "turn";

/** In what two texts differ, see `dedup.kinds.KINDS`. */
export type Kind = "form"
    | "number"
    | "sign"
    | "negation"
    | "emoji"
    | "name"
    | "tool argument"
    | "template"
    | "other";

/** A row, its place on a map, and the beginning of its text. */
export type Spot = [number, number, number, string];

/** What a column names a row by. */
export type Name = string | number | null;

/** What the figure is given, beside a failure. */
export type Figure = Deduplication | Waiting | Contamination | ContaminationWaiting;

/** The settings of a run, see `dedup.request.Request`. */
export interface Request {
  /** A Hub dataset's id or a stored example's file name; empty for a visitor's file. */
  dataset: string;
  config: string;
  split: string;
  columns: string[];
  /** What is compared of a conversation. */
  part: "all" | "prompt" | "answer" | "turn";
  threshold: number;
  /** The lowest similarity whose pairs are stored. */
  floor: number;
  ngram: number;
  unit: Unit;
  /** first, last, longest, central, or max: and a column. */
  keep: string;
  method: "leader" | "components";
  /** Probability with which a pair at the threshold is to be found. */
  recall: number;
  limit: number;
  /** Rows to end with, in place of the threshold. */
  goal: number | null;
  /** Rows that stay whatever they repeat. */
  pinned: number[];
  seed: number;
  measure: "jaccard" | "cosine" | "meaning";
  /** For cosine and meaning: a model2vec model; empty for the default. */
  embedding: string;
  /** Pairs that differ so are no duplicates. */
  spare: Kind[];
  /** Pairs that a visitor has judged: `name:same` or `name:different`. */
  labels?: string[];
}

/** How far a run has come, with its stage and what it has counted. */
export interface RunProgress extends Progress {
  stage: string;
  counts: Record<string, number>;
}

/** A run that has no result yet. */
export interface Waiting {
  kind: "dedup";
  run_id: string;
  drawable: false;
  title: string;
  done: false;
  cancelled?: boolean;
  request: Request;
  progress: RunProgress;
}

/** What brute force on a sample of rows says of the bands. */
export interface RecallSample {
  /** Rows that were compared with all others. */
  rows: number;
  true_pairs: number;
  /** True pairs that the bands found as well. */
  found: number;
  /** Whether the sample is the whole dataset. */
  complete: boolean;
}

/** Bands, and what they are expected to cost. */
export interface Plan {
  num_perm: number;
  num_bands: number;
  rows_per_band: number;
  /** Of a pair whose similarity is the threshold. */
  expected_recall: number;
  /** Pairs expected to be verified. */
  candidates: number | null;
  seconds: number;
  megabytes: number;
  /** Share of the sample's pairs whose similarity reaches the floor. */
  alike: number;
  /** A similarity, and the probability that such a pair becomes a candidate. */
  curve: [number, number][];
}

/** The plan of a run that is over. */
export interface RunPlan extends Plan {
  candidates_found: number;
}

/** One of several files whose rows are one dataset. */
export interface SourceFile {
  name: string;
  rows: number;
}

/** Where the numbers come from. */
export interface Provenance {
  source: string;
  rows: number;
  columns: string[];
  /** Columns beside them that must be equal. */
  held?: string[];
  /** Of several, in the order of their rows. */
  files?: SourceFile[];
  /** What the dataset is called whose columns were chosen; empty where there was no such choice. */
  schema?: string;
  /** Whether the units were chosen by what the rows look like. */
  guessed?: boolean;
  verification: string;
  /**
   * Version, in results of former days: signatures were made by it. The next three for shingles
   * only.
   */
  rensa?: string;
  num_perm?: number;
  num_bands?: number;
  seed?: number;
  /** Version; this and the next for vectors only. */
  model2vec?: string;
  embedding?: string;
  /** The language model that read pairs, and its copy. */
  reader?: string;
}

/** A pair that a visitor has judged. */
export interface Label {
  /** Of its two texts, the same in every file. */
  name: string;
  rows: [number, number];
  similarity: number;
  /** Whether the two say the same. */
  same: boolean;
}

/** What a visitor's labels of the drawn pairs say. */
export interface ByLabels {
  labels: Label[];
  /** Pairs that were drawn to be labelled. */
  drawn: number;
  /** Share of labelled pairs that say the same from which a threshold is proposed. */
  wanted: number;
  /** The lowest with that share; null where there is none. The next four are of it. */
  threshold: number | null;
  /** Labelled pairs at or above it that say the same. */
  same?: number;
  /** Labelled pairs there. */
  of?: number;
  /** 95 % (Clopper and Pearson), of the share of all pairs there that say the same. */
  interval?: [number, number];
  /** Rows that go there. */
  removed?: number;
}

/** A run's numbers. */
export interface Summary {
  /** Of the whole dataset. */
  rows: number;
  kept: number;
  removed: number;
  /** Groups of two rows or more of which one at least is removed. */
  clusters: number;
  /** Verified pairs of different texts at or above the threshold. */
  pairs: number;
  /** Rows whose text is that of an earlier one. */
  exact_copies: number;
  /** Removed rows with the words of the row that stays and other signs, case or spaces. */
  same_words?: number;
  /** Removed rows by what they differ in from the row that stays, copies aside. */
  differences?: Record<string, number>;
  without_text: number;
  /** Of pairs: 1, for each was verified; null where nothing proves them. */
  precision: number | null;
  /** Of pairs at `threshold`, measured on `recall_sample`; null where that has none. */
  recall: number | null;
  /** 95 %. */
  recall_interval: [number, number] | null;
  /**
   * Of the rows that would go if every pair were compared, the share that goes by the bands alone.
   */
  removed_recall?: number | null;
  /** 95 %. */
  removed_recall_interval?: [number, number] | null;
  recall_sample: RecallSample;
  /** That was applied, or at which the wanted number of rows was reached. */
  threshold: number;
  /** By stage, and in `total`. */
  seconds: Record<string, number>;
  warnings: string[];
  provenance: Provenance;
  by_labels?: ByLabels;
}

/** A removed row and the row that stays in its place. */
export interface RemovedRow {
  row: number;
  keeper: number;
  jaccard: number;
  /** Whether the two have the same text. */
  copy: boolean;
  /** Whether they have the same words and differ in signs, case or spaces. */
  same_words: boolean;
  /** In what they differ; None for copies, and where there were too many rows to look at all. */
  kind: Kind | null;
  /** Of several files: the row's own, and its number there. */
  row_in?: [string, number];
  keeper_in?: [string, number];
}

/** The API's answer. */
export interface Report extends Summary {
  removed_rows: RemovedRow[];
  request: Request;
  plan: RunPlan | null;
}

/** A distinct text. */
export interface Node {
  /** With that text, the one to keep first. */
  rows: number[];
  /** Priority to be kept; the lowest first. */
  rank: number;
  /** The same number, the same words. */
  words?: number;
}

/** Distinct texts and their verified pairs, as many whole clusters as a page can hold. */
export interface Graph {
  nodes: Node[];
  edges: Pair[];
  /** Whether every cluster is here. */
  complete: boolean;
  /**
   * Pairs of a cluster's texts that were compared beside the edges, less similar than `threshold`.
   */
  apart?: Pair[];
}

/** In what the texts of each pair differ. */
export interface Kinds {
  names: Kind[];
  /** Place in `names` by edge of the graph; -1 where nobody looked. */
  of_edges: number[];
}

/** A pair that is to be judged by a visitor. */
export interface Drawn {
  /** Of its two texts, the same in every file. */
  name: string;
  /** The one to keep first. */
  rows: [number, number];
  similarity: number;
  /** The lowest similarity of the stratum that it was drawn from. */
  end: number;
  /**
   * What the language model makes of it, nats a token, the more the rather a restatement; null
   * where it was
   * not read.
   */
  nats: number | null;
  /** Long ones are cut. */
  texts: [string, string];
}

/** What became of the candidates that are no pairs. */
export interface Reading {
  /** That differ in a fact, by its kind. */
  vetoed: Record<string, number>;
  /** That the language model read, and that rather do not say the same. */
  denied: number;
  unread: number;
}

/** Of a run by vectors. */
export interface Vectors {
  drawn: Drawn[];
  spots: Spot[];
  /** Share of the vectors' variance that the map shows. */
  spread: number;
  /** Different ones, on the map or not. */
  texts: number;
  reading?: Reading;
}

/** What a visitor had chosen when the figure was exported. */
export interface Choice {
  threshold: number | null;
  pinned: number[];
  labels?: string[];
}

/** A run. */
export interface Deduplication extends Summary {
  kind: "dedup";
  /**
   * The same rows and settings, the same name: what the visitor chose stays while it is the same.
   */
  run_id: string;
  drawable: true;
  title: string;
  done: boolean;
  cancelled?: boolean;
  example?: boolean;
  request: Request;
  progress?: RunProgress;
  /** None where every pair was compared. */
  plan: RunPlan | null;
  /** Without pins, at every hundredth from the floor to 1. */
  curve: CurvePoint[];
  /** At the same thresholds. */
  recall_curve?: RecallPoint[];
  graph: Graph;
  kinds?: Kinds;
  /** By the first row of a node; long ones are cut. */
  texts: Record<string, string>;
  vectors?: Vectors;
  /**
   * By row that was removed because of its prompt: its keeper, and how similar their answers are.
   */
  answers?: Record<string, [number, number]>;
  choice?: Choice;
}

/** What one split holds of another. */
export interface Cell {
  /**
   * Of the first split, that have a match in the second; null where a split was too large to be
   * compared
   * with itself.
   */
  rows: number | null;
  share: number;
}

/**
 * A row of one split and its best match in another split or among the rest of its own; `run`:
 * units of the
 * longest common run, where that is the measure, and their share of the row's.
 */
export interface Leak {
  split: number;
  row: number;
  in: number;
  match: number;
  jaccard: number;
  containment: number;
  run?: number;
  run_share?: number;
}

/** The same in a file, with the splits' names, and what names the two rows where a column does. */
export interface LeakLine {
  split: string;
  row: number;
  in: string;
  match: number;
  jaccard: number;
  containment: number;
  run?: number;
  id?: Name;
  match_id?: Name;
}

/** The split that can be had without the rows that others hold. */
export interface Clean {
  split: number;
  /** That are left of it. */
  rows: number;
}

/** The settings of a comparison of splits, see `dedup.request.SplitsRequest`. */
export interface SplitsRequest {
  /** A Hub dataset's id or a stored example's name; empty for a visitor's files. */
  dataset: string;
  /** Of that dataset. */
  splits: string[];
  columns: string[];
  threshold: number;
  ngram: number;
  measure: "jaccard" | "containment" | "overlap" | "longest";
  limit: number;
  clean?: string;
  config: string;
  unit: Unit;
}

/** Where the numbers come from. */
export interface SplitsProvenance {
  source: string;
  /** Of each split: its file, or its name on the Hub. */
  files: string[];
  /** That were compared of each split. */
  columns: string[][];
  /** Of each split the columns beside them that must be equal. */
  held?: string[][];
  ngram: number;
  unit: Unit;
}

/** A comparison of splits that has no result yet. */
export interface ContaminationWaiting {
  kind: "contamination";
  drawable: false;
  title: string;
  done: false;
  cancelled?: boolean;
  request: SplitsRequest;
  progress: RunProgress;
}

/** What every split shares with every split, and with itself. */
export interface Contamination {
  kind: "contamination";
  run_id: string;
  drawable: true;
  title: string;
  done: true;
  example?: boolean;
  request: SplitsRequest;
  splits: string[];
  /** Of each split. */
  rows: number[];
  measure: "jaccard" | "containment" | "overlap" | "longest";
  threshold: number;
  /** By the split whose rows are looked for, then by the split that they are looked for in. */
  matrix: Cell[][];
  /** The strongest of each pair of splits. */
  leaks: Leak[];
  /** By split and row, `0:17`; long ones are cut. */
  texts: Record<string, string>;
  clean?: Clean;
  warnings: string[];
  provenance: SplitsProvenance;
}
