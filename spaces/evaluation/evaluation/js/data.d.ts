// Written by `make types` from data.py: change it there.

import type { Origin, Progress } from "../../../../shared/js/data.js";

/** A model. */
export interface Side {
  name: string;
  rounding: string;
  device: string;
  /** Whether a prompt and its choices shared a row. */
  packed: boolean;
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

/** A model against the first one. */
export interface Difference {
  model: number;
  /** "" for all items. */
  task: string;
  mean: number;
  low: number;
  high: number;
  gained: number;
  lost: number;
  of: number;
  groups: number;
  /** Of the exact test; for a task corrected for the number of tasks. */
  p: number;
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
  bins: Bin[];
  brier: number;
  /** Brier score less the first model's, and its 95 % interval; None for the first. */
  against: [number, number, number] | null;
}

/** A model's result as the Hub and lm-eval read it. */
export interface Share {
  name: string;
  /** Entries for `.eval_results` of its repository, YAML. */
  results: string;
  /** The same in the head of its card, `model-index`; the summary follows it. */
  head: string;
  /** What gives the same numbers in a shell with lm-eval. */
  command: string;
}

/** The result to take away. */
export interface Summary {
  markdown: string;
  csv: string;
  models: Share[];
}

/** How the numbers were made. */
export interface Provenance {
  versions: Record<string, string>;
  seed: number;
  metric: string;
  chat: boolean;
}

/** An evaluation of one or more models. */
export interface Compare {
  kind: "compare";
  drawable: true;
  done: boolean;
  run_id: string;
  request: Record<string, unknown>;
  models: Side[];
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
  /** What may be said, the first one first; while a run goes on that it may not. */
  verdicts: string[];
  /** Why the run ended before the last item; "" where it did not. */
  stopped: string;
  notes: string[];
  summary: Summary | null;
  provenance: Provenance;
  progress: Progress | null;
  seconds: number;
  cancelled?: boolean;
  example?: boolean;
}

/** A run before the first item. */
export interface Waiting {
  kind: "compare";
  drawable: false;
  done: false;
  progress: Progress;
}
