// Written by `make types` from data.py: change it there.

import type { Origin, Progress, Share } from "../../../../shared/js/data.js";

/** A model. */
export interface Side {
  name: string;
  rounding: string;
  device: string;
  /** Whether a prompt and its choices shared a row. */
  packed: boolean;
  parameters: number;
  /** Tokens. */
  vocabulary: number;
  origin: Origin;
}

/** A set of items. */
export interface Task {
  name: string;
  says: string;
  planned: number;
  /** Independent groups of the planned items. */
  groups: number;
  /** The score of guessing. */
  chance: number;
}

/** An item that every model has answered. */
export interface Asked {
  id: string;
  task: string;
  cluster: string;
  prompt: string;
  choices: string[];
  gold: number;
  delimiter: string;
  /** The prompt as a conversation, role and text of each message, where it is one. */
  turns?: string[][];
}

/** An item as one or more models read it: its tokens as text. */
export interface Read {
  context: string[];
  choices: string[][];
}

/** What a model makes of an item. */
export interface Answered {
  /** ln p of every token of every choice, nats. */
  logs: number[][];
  /** ln p of every choice without the prompt, nats, where the metric asks for it. */
  alone?: number[];
  /** Place of the choice that it gives. */
  answer: number;
  /** Which of the item's readings is its own. */
  read: number;
}

/** A model's share of right answers. */
export interface Score {
  model: number;
  /** "" for all items. */
  task: string;
  count: number;
  of: number;
  low: number;
  high: number;
  groups: number;
  brier: number;
}

/** Two models on the same items, see `shared.paired.Difference`. */
export interface PairedDifference {
  mean: number;
  low: number;
  high: number;
  gained: number;
  lost: number;
  /** Answers of each. */
  of: number;
  groups: number;
  /** Of the exact test, corrected where it is one of several. */
  p: number;
}

/** A model against the first one. */
export interface Difference extends PairedDifference {
  model: number;
  /** "" for all items. */
  task: string;
  /** Items with another answer, right or wrong. */
  changed: number;
}

/** What so many items will show. */
export interface SeenFrom {
  discordant: number;
  smallest: number | null;
}

/** A look at the running comparison. */
export interface PlannedLook {
  groups: number;
  items: number;
  total: number;
  boundary: number | null;
  spent: number;
  stops: boolean;
}

/** The planned looks of one model against the first. */
export interface Looked {
  model: number;
  level: number;
  looks: PlannedLook[];
}

/** Items with similar probabilities of the answer that was given. */
export interface Bin {
  mean: number;
  right: number;
  of: number;
  low: number;
  high: number;
}

/** How often a model's answers are right, against how probable it finds them. */
export interface Calibration {
  model: number;
  /** "" for all items; of sets alone once the run is over. */
  task: string;
  bins: Bin[];
  brier: number;
  /** Brier score less the first model's, and its 95 % interval; None for the first. */
  against: [number, number, number] | null;
}

/** A model's result as the Hub and lm-eval read it. */
export interface ShareTexts {
  name: string;
  /** Entries for `.eval_results` of its repository, YAML. */
  results: string;
  /** The same in the head of its card, `model-index`; the summary follows it. */
  head: string;
  /** What gives the same numbers in a shell with lm-eval. */
  command: string;
  /** What asks a full-size run of the same tasks of the Hub, with its hardware, hours and cost. */
  job: string;
}

/** The result to take away. */
export interface Summary {
  markdown: string;
  csv: string;
  models: ShareTexts[];
}

/** How the numbers were made. */
export interface Provenance {
  versions: Record<string, string>;
  seed: number;
  metric: string;
  chat: boolean;
}

/** What a corpus holds of an item: of its prompt with the right choice. */
export interface Overlap {
  /** Of the item, and signs where they count. */
  words: number;
  /**
   * Of the longest run that stands in a row of the corpus; 0 for one shorter than 8 and than the
   * item.
   */
  run: number;
  /** Of the corpus, from 0; -1 for none. */
  row: number;
  /**
   * Share of the item's 8-grams that stand anywhere in the corpus; of a shorter item, all or
   * nothing.
   */
  eight: number;
  thirteen: number;
  /** Whether the run goes on to the end of the right choice. */
  answer: boolean;
  /** The run, shortened. */
  text: string;
}

/** A model's share of right answers to items that the corpus holds, and to the others. */
export interface HeldScore {
  model: number;
  /** Right answers, items. */
  held: [number, number];
  held_interval: [number, number];
  clean: [number, number];
  clean_interval: [number, number];
  /**
   * Fisher's exact test of the two, corrected for the number of models; None where items share
   * passages, or
   * one side has none.
   */
  p: number | null;
}

/** The items against a corpus. */
export interface Contamination {
  corpus: string;
  rows: number;
  /** Whether it has more rows than were read. */
  more: boolean;
  /** Words in a row from which an item counts as held. */
  ngram: number;
  /** Of every planned item, in their order. */
  overlaps: Overlap[];
  held: boolean[];
  /** Once all items were asked. */
  scores: HeldScore[];
  /**
   * To the first model on the items that the corpus does not hold; p corrected for the number of
   * models.
   */
  differences: Difference[];
}

/** Models, what may be said of them, and how far the run is. */
export interface Evaluation {
  drawable: true;
  done: boolean;
  run_id: string;
  request: Record<string, unknown>;
  models: Side[];
  /** What may be said, the first one first; while a run goes on that it may not. */
  verdicts: string[];
  notes: string[];
  progress: Progress | null;
  seconds: number;
  cancelled?: boolean;
  example?: boolean;
}

/** An evaluation of one or more models. */
export interface Compare extends Evaluation {
  kind: "compare";
  tasks: Task[];
  planned: number;
  planned_groups: number;
  items: Asked[];
  /** Of every item its readings, mostly one. */
  reads: Read[][];
  /** Of every model, of every item so far. */
  answers: Answered[][];
  scores: Score[];
  differences: Difference[];
  looks: Looked[];
  power: SeenFrom[];
  calibration: Calibration[];
  contamination: Contamination | null;
  /** Why the run ended before the last item; "" where it did not. */
  stopped: string;
  summary: Summary | null;
  provenance: Provenance;
}

/** How the numbers were made; the rest stands in the request. */
export interface Made {
  versions: Record<string, string>;
  seed: number;
}

/** An item in a form. */
export interface AskedAs {
  prompt: string;
  choices: string[];
  gold: number;
  delimiter: string;
}

/** A form that every model has answered, but those that cannot read it. */
export interface FormSaid {
  name: string;
  kind: string;
  says: string;
  /** Of every item. */
  asked: AskedAs[];
  /**
   * Of every item what the first model that reads the form was sent; empty where that is the
   * prompt.
   */
  sent: string[];
}

/** A model's share of right answers in a form. */
export interface FormScore {
  model: number;
  form: number;
  count: number;
  of: number;
  low: number;
  high: number;
  groups: number;
}

/**
 * A model against the first one in a form; p is corrected for the number of models, of a single
 * form
 * for all forms, too.
 */
export interface FormDifference extends PairedDifference {
  model: number;
  /** -1 for all forms that both read, together. */
  form: number;
}

/** How far a model's score moves from form to form. */
export interface Spread {
  model: number;
  /** The form of the smallest score. */
  lowest: number;
  highest: number;
  /** Largest score less smallest. */
  wide: number;
  /** Of the test that the form has no part in it, for as many models; None before the end. */
  p: number | null;
}

/** Models on the same items in several forms. */
export interface Fragile extends Evaluation {
  kind: "fragile";
  /** Names of all forms. */
  planned: string[];
  /** Independent groups of items. */
  groups: number;
  /** The score of guessing. */
  chance: number;
  items: Asked[];
  /** Those so far; the first is the one whose difference is claimed. */
  forms: FormSaid[];
  /**
   * Of every model, form and item the place of its answer among the item's own choices; None where
   * the
   * model cannot read the form.
   */
  answers: ((number[] | null)[])[];
  scores: FormScore[];
  differences: FormDifference[];
  spreads: Spread[];
  stopped: string;
  provenance: Made;
}

/** A model's answer. */
export interface Said {
  text: string;
  tokens: number;
  /** Whether the model ended it itself. */
  ended: boolean;
  /** Whether it contains what is expected; None where nothing is. */
  knows: boolean | null;
}

/** What every model answered. */
export interface Prompt {
  prompt: string;
  expected: string[];
  answers: Said[];
}

/** What the judge makes of a pair. */
export interface Verdict {
  /** ln P(A) − ln P(B), nats, with the left answer as A. */
  shown: number;
  /** The same with the right answer as A. */
  turned: number;
  /** The model that it prefers in both orders; -1 for none. */
  winner: number;
}

/** Two answers to a prompt, without names. */
export interface Pair {
  prompt: number;
  /** The model whose answer stands on the left. */
  left: number;
  right: number;
  /** Whether the answers are the same text: a tie that nobody is asked about. */
  same: boolean;
  judge: Verdict | null;
  /** The model that alone has what is expected, -1 for both or none; None where nothing is. */
  known: number | null;
}

/** A model by its pairs. */
export interface Rank {
  model: number;
  /** A tie is half of one. */
  wins: number;
  of: number;
  low: number;
  high: number;
  /** Log odds of winning against the first model, nats; None where no pairs lead to it. */
  strength: number | null;
  sigma: number | null;
}

/** How far two judges agree. */
export interface Agreed {
  same: number;
  of: number;
  kappa: number | null;
  low: number;
  high: number;
}

/** Models whose answers are held against each other in pairs. */
export interface Arena extends Evaluation {
  kind: "judge";
  /** Its name; "" for none. */
  judge: string;
  /** Those that every model has answered. */
  prompts: Prompt[];
  pairs: Pair[];
  /** By the judge's verdicts. */
  ranks: Rank[];
  /** Pairs on which its verdict changes with the order. */
  flips: Share | null;
  /** Readings in which it prefers the answer that stands first. */
  first: Share | null;
  /** Of every model its answers that contain what is expected. */
  known: Share[];
  /** The judge and what is expected. */
  agreed: Agreed | null;
  provenance: Made;
  /** A visitor's, by the pair's place, in a file that was exported: left, right, tie or bad. */
  votes?: Record<string, string>;
}

/** Instructions of one group. */
export interface FollowTask {
  name: string;
  /** Prompts that have some. */
  planned: number;
}

/** A model's answer, checked. */
export interface Checked {
  text: string;
  tokens: number;
  /** Whether the model ended it itself. */
  ended: boolean;
  /** Of every instruction, whether the answer as it is does it. */
  strict: boolean[];
  /** Likewise, without its first or last line or asterisks where that helps. */
  loose: boolean[];
}

/** A prompt that every model has answered. */
export interface FollowPrompt {
  prompt: string;
  instructions: string[];
  /** Of every instruction. */
  groups: string[];
  answers: Checked[];
}

/** A model's share of prompts whose instructions it follows. */
export interface FollowScore {
  model: number;
  /** "" for all instructions of a prompt, else those of a group. */
  task: string;
  count: number;
  of: number;
  low: number;
  high: number;
  /** Prompts by the other reading. */
  other: number;
}

/** How the numbers were made. */
export interface FollowMade {
  versions: Record<string, string>;
  /** Strict or loose. */
  reading: string;
  /** Of the longest answer. */
  tokens: number;
}

/** Models that were given instructions which a program checks. */
export interface Follow extends Evaluation {
  kind: "follow";
  tasks: FollowTask[];
  planned: number;
  prompts: FollowPrompt[];
  scores: FollowScore[];
  differences: Difference[];
  power: SeenFrom[];
  stopped: string;
  provenance: FollowMade;
}

/** A metric of what a filter takes of the answers. */
export interface TaskMeasure {
  /** lm-eval's name of the metric. */
  name: string;
  /** lm-eval's name of the filter; "" where there is none. */
  filter: string;
  says: string;
  /** Whether more is better. */
  higher: boolean;
  /** Whether a document is right or wrong, and the metric their share. */
  share: boolean;
}

/** What a model makes of a document. */
export interface TaskAnswer {
  /** What it wrote. */
  text?: string;
  tokens?: number;
  /**
   * Where the answer ends: "stop" at a text of the task, "end" where the model ended it, "length".
   */
  ended?: string;
  /** What each filter takes of it. */
  taken?: string[];
  /** ln p of the target, or of the whole text, nats. */
  log?: number;
  /** Tokens of the target. */
  scored?: number;
  /** The likeliest choice. */
  choice?: number;
  /** ln p of every choice, nats. */
  logs?: number[];
  /** By each measure that is a share; None for the others. */
  right: (boolean | null)[];
}

/** A document that every model has answered. */
export interface TaskDocument {
  id: string;
  prompt: string;
  targets: string[];
  choices?: string[];
  answers: TaskAnswer[];
}

/** A metric of a model. */
export interface MeasureScore {
  model: number;
  measure: number;
  value: number;
  /** Of its 95 % interval; None where a single document leaves it unknown. */
  low: number | null;
  high: number | null;
  /** Right answers, where it is a share. */
  count: number | null;
  of: number;
}

/** A metric of a model less the first one's. */
export interface MeasureDifference {
  model: number;
  measure: number;
  value: number;
  low: number | null;
  high: number | null;
  gained: number | null;
  lost: number | null;
  of: number;
  /** Documents with another answer; with another likelihood where likelihoods are read. */
  changed: number;
  /** Of the paired test, corrected where it is one of several. */
  p: number;
}

/** How the numbers were made. */
export interface TaskMade {
  versions: Record<string, string>;
  /** lm-eval's output type. */
  kind: string;
  until: string[];
  /** Of the longest answer; 0 where nothing is written. */
  tokens: number;
  chat: boolean;
}

/** Models on a task of lm-eval with all its metrics. */
export interface WholeTaskRun extends Evaluation {
  kind: "task";
  /** Its name. */
  task: string;
  planned: number;
  /** The first one is what the verdict is about. */
  measures: TaskMeasure[];
  documents: TaskDocument[];
  scores: MeasureScore[];
  differences: MeasureDifference[];
  /** Of the first measure, where it is a share. */
  power: SeenFrom[];
  stopped: string;
  provenance: TaskMade;
}

/** A run before the first item. */
export interface Waiting {
  kind: "compare" | "fragile" | "follow" | "judge" | "task";
  drawable: false;
  done: false;
  progress: Progress;
}
