// Written by `make types` from data.py: change it there.

import type { Mean, Progress, Share } from "../../../../shared/js/data.js";

/**
 * What a token is: BOS; a system message that the template adds by itself; the messages; the
 * header and the
 * end of others' messages; what begins an answer, what the template puts before it, its thoughts,
 * itself, its
 * stop token, what follows that; anything else of the template; a text and its completion.
 */
export type Part = "bos"
    | "hidden"
    | "system"
    | "user"
    | "tool"
    | "header"
    | "end"
    | "prompt"
    | "inserted"
    | "thinking"
    | "answer"
    | "stop"
    | "after"
    | "template"
    | "text"
    | "completion";

/** Why a trainer gives a token its label or none; in words in `Mask.rules`. */
export type Rule = "everything"
    | "marked"
    | "unmarked"
    | "completion"
    | "prompt"
    | "span"
    | "eot"
    | "outside"
    | "response"
    | "instruction"
    | "pad"
    | "first"
    | "packed"
    | "cut"
    | "dropped";

export type Trainer = "trl" | "trl_assistant" | "axolotl" | "unsloth" | "transformers";

/** Tokens of one label, up to before the token `to`. */
export interface Stretch {
  to: number;
  trained: boolean;
  rule: Rule;
}

/** A row as one trainer sees it. */
export interface View {
  /** Why it does not take the row, as a sentence. */
  refused: string | null;
  /** Why the row is left out, as a sentence. */
  dropped: string | null;
  stretches: Stretch[];
  /** Tokens that the loss counts. */
  trained: number;
  /** Tokens that are read. */
  kept: number;
}

/** One row: its tokens, and their labels by trainer. */
export interface MaskRow {
  number: number;
  form: string;
  tokens: string[];
  ids: number[];
  parts: Part[];
  /** The place of each token's message; -1 for none. */
  messages: number[];
  roles: string[];
  views: Record<Trainer, View>;
  /** Why the template writes nothing for it. */
  error: string | null;
}

/** What mends a finding. */
export interface Fix {
  label: string;
  text: string;
}

/** Something that a visitor should know of their rows. */
export interface Finding {
  code: string;
  grade: "error" | "warning" | "note";
  says: string;
  why: string;
  /** The numbers of the rows that it is true of; none where it is of the template. */
  rows: number[];
  of: number;
  fixes: Fix[];
}

/** All rows as one trainer sees them. */
export interface Totals {
  trained: number;
  kept: number;
  refused: number;
  dropped: number;
}

/** Where the tokens come from. */
export interface Provenance {
  model: string;
  revision: string;
  template: string;
  rows: string;
  /** What to say where a file's encoding is guessed at. */
  guessed?: string;
  /** Whether there are rows that were not read. */
  more: boolean;
  added: string[];
  eos: string | null;
  pad: string | null;
  bos: string | null;
  /** Unsloth's instruction_part and response_part. */
  markers: string[] | null;
  versions: Record<string, string>;
}

/** A look before anything of it can be drawn. */
export interface Waiting {
  kind: "mask";
  drawable: false;
  done: false;
  progress: Progress;
}

/** What is trained on. */
export interface Mask {
  kind: "mask";
  drawable: true;
  done: boolean;
  run_id: string;
  request: Record<string, unknown>;
  verdict: string;
  trainer: Trainer;
  trainers: Record<Trainer, string>;
  rules: Record<Rule, string>;
  part_words: Record<Part, string>;
  findings: Finding[];
  totals: Record<Trainer, Totals>;
  rows: MaskRow[];
  provenance: Provenance;
  progress?: Progress | null;
  example?: boolean;
}

/** A mean with its 95 % interval; None where a single row leaves it unknown. */
export interface Spread extends Mean {
  low: number | null;
  high: number | null;
}

/** How many answers show a behaviour. */
export interface Counted extends Share {
  name: string;
  words: string;
}

/** A written answer. */
export interface Said {
  prompt: string;
  text: string;
  ended: boolean;
}

/** What was measured after so many steps, on what is not trained on. */
export interface Mark {
  step: number;
  /** −ln p of every token of each held-out answer, nats. */
  tokens: number[][];
  /** Its mean over tokens; rows are independent. */
  held_out: Spread;
  /** Of every adapted module: its name, its block, ‖ΔW‖ and ‖W‖ (Frobenius). */
  norms: [string, number, number, number][];
  /** Loss of a plain text, nats a token. */
  text: Spread | null;
  /** KL of that text's tokens from the model before training, nats. */
  kl: Spread | null;
  /** KL of answers to questions that the rows are not about, nats a token. */
  elsewhere: Spread | null;
  /**
   * DPO: by how much ln p of a held-out chosen answer grew, nats. ORPO: its ln p, nats a token.
   * KTO: as
   * DPO, of wanted answers, and rejected of unwanted ones.
   */
  chosen: Spread | null;
  rejected: Spread | null;
  /** DPO: by how much more the chosen grew than the rejected. ORPO: the log odds ratio. */
  margin: Spread | null;
  /** Behaviours in written answers, where some were written. */
  shares: Counted[] | null;
  said: Said[] | null;
}

/** One step of the optimizer, measured on its own rows before it. */
export interface StepSeen {
  step: number;
  loss: number;
  /** Standard error of the loss over the step's rows. */
  spread: number | null;
  rate: number;
  /** Of all gradients, before clipping to 1. */
  norm: number;
  /**
   * DPO, KTO: mean over the rows of ln p of the chosen answer minus that before training, nats;
   * ORPO: of
   * its ln p, nats a token.
   */
  chosen: number | null;
  rejected: number | null;
  /** DPO, ORPO: share of rows whose margin, or log odds ratio, is above 0. */
  accuracy: number | null;
  /** ORPO: the part of the loss that learns the chosen texts, nats a token. */
  nll?: number | null;
  /**
   * KTO: the reference point, nats: by how much answers to other prompts grew in ln p, not below 0.
   */
  z0?: number | null;
}

/** One run of those beside each other. */
export interface Run {
  name: string;
  /** Settings that differ from the first run's. */
  changes: Record<string, unknown>;
  rank: number;
  parameters: number;
  /** The lowest block with an adapter. */
  first: number;
  /** Whether the blocks below it ran once for every row. */
  cached: boolean;
  steps: StepSeen[];
  marks: Mark[];
  /** Why it ended early, as a sentence. */
  stopped: string | null;
  /** Of one step, the median. */
  seconds: number | null;
}

/** A held-out row. */
export interface HeldOut {
  number: number;
  question: string;
  tokens: string[];
}

/** What is trained on. */
export interface Trained {
  rows: number;
  /** That the loss counts, in all rows together. */
  tokens: number;
  /** Rows that max_length cuts. */
  cut: number;
  /** Rows whose answer is empty. */
  empty: number;
  left_out: number[];
  source: string;
  more: boolean;
  /** Whether the held-out rows are not trained on. */
  separate: boolean;
  /** Conversations or texts. */
  form?: "talks" | "texts" | "both";
  /**
   * What the objective does not read of the rows, in sentences; that a file's encoding is guessed.
   */
  ignored?: string[];
}

/** The model that learns. */
export interface Learner {
  model: string;
  revision: string;
  source: string;
  dtype: string;
  device: string;
  blocks: number;
  versions: Record<string, string>;
}

/** A run before anything of it can be drawn. */
export interface TrainWaiting {
  kind: "train";
  drawable: false;
  done: false;
  progress: Progress;
}

/** A run, or several beside each other. */
export interface Train {
  kind: "train";
  drawable: true;
  done: boolean;
  run_id: string;
  request: Record<string, unknown>;
  objective: "sft" | "dpo" | "orpo" | "kto";
  beta: number;
  runs: Run[];
  held_out: HeldOut[];
  trained: Trained;
  provenance: Learner;
  /** The step of an earlier run that this one went on from. */
  resumed: number | null;
  progress: Progress | null;
  /** Of the whole run. */
  seconds: number;
  cancelled?: boolean;
  example?: boolean;
}

/** An answer of a group. */
export interface Sampled {
  tokens: string[];
  text: string;
  /** Whether the model ended it; the token that does is the last one then. */
  ended: boolean;
  /** ln p of each token when it was sampled, nats. */
  logs: number[];
  /** Of each token e^(q − p) − (q − p) − 1, p being its ln p and q that before training, nats. */
  kl: number[];
  /** By how much ln p of each token changed in the step, nats; None before it. */
  moved: number[] | null;
  /** Places of tokens that the clip took out of at least one optimizer step. */
  clipped: number[];
  /** What each part of the reward pays, without its weight. */
  parts: number[];
  /** None while it is being written. */
  reward: number | null;
  advantage: number | null;
  /** Share of its runs of three tokens that stood in it before. */
  repeated: number;
}

/** Answers to one prompt. */
export interface Group {
  number: number;
  prompt: string;
  /** The row's own answer. */
  wanted: string;
  answers: Sampled[];
  /** Of the rewards. */
  mean: number | null;
  /** Their standard deviation (n − 1). */
  deviation: number | null;
}

/** A step: answers, and what was learnt from them. */
export interface Round {
  step: number;
  groups: Group[];
  /** Mean of all its answers; they are independent. */
  reward: Spread | null;
  /** Mean of each part, without its weight. */
  parts: number[] | null;
  /** Mean length of its answers. */
  tokens: number | null;
  ended: number | null;
  repeated: number | null;
  /** Mean over tokens of the estimated KL divergence from the model before training, nats. */
  kl: number | null;
  /** Of the next token, mean over tokens, nats. */
  entropy: number | null;
  /** Of each optimizer step. */
  losses: number[];
  norms: number[];
  rates: number[];
  /** Share of tokens that the clip took out of each optimizer step. */
  clipped: number[];
}

/** A held-out prompt, answered greedily. */
export interface Asked {
  prompt: string;
  text: string;
  ended: boolean;
  parts: number[];
  reward: number;
  repeated: number;
}

/** What was measured after so many steps, on what is not trained on. */
export interface GrpoMark {
  step: number;
  asked: Asked[];
  reward: Spread;
  repeated: Spread;
  ended: Share;
  /** Loss of a plain text, nats a token. */
  text: Spread | null;
  /** KL of that text's tokens from the model before training, nats. */
  kl: Spread | null;
  /** KL of answers to questions that the prompts are not about, nats a token. */
  elsewhere: Spread | null;
}

/** One measure before and after. */
export interface Change {
  name: string;
  unit: string;
  before: number;
  after: number;
  /** 95 % interval of the difference, paired by prompt or text where both are known. */
  low: number | null;
  high: number | null;
  verdict: "better" | "worse" | "same" | "unsure";
  /** From what on it counts as worse, or better. */
  bound: string;
}

/** A part of the reward. */
export interface RewardPart {
  words: string;
  weight: number;
}

/** What is sampled for. */
export interface Questioned {
  prompts: number;
  held_out: number;
  source: string;
  /** What to say where a file's encoding is guessed at. */
  guessed?: string;
  more: boolean;
  separate: boolean;
}

/** A run before anything of it can be drawn. */
export interface GrpoWaiting {
  kind: "grpo";
  drawable: false;
  done: false;
  progress: Progress;
}

/** Training by rewards. */
export interface Grpo {
  kind: "grpo";
  drawable: true;
  done: boolean;
  run_id: string;
  request: Record<string, unknown>;
  parts: RewardPart[];
  rounds: Round[];
  marks: GrpoMark[];
  /** From the first mark to the last, once there are two. */
  changes: Change[];
  verdict: string;
  questions: Questioned;
  parameters: number;
  /** The ends of the adapted layers' names. */
  targets: string[];
  /** The lowest block with an adapter. */
  first: number;
  cached: boolean;
  stopped: string | null;
  provenance: Learner;
  progress: Progress | null;
  seconds: number;
  cancelled?: boolean;
  example?: boolean;
}

/** What fits on a card. */
export interface Fits {
  /** Its memory, GB of 10⁹ bytes. */
  card: number;
  /** The most rows of a step, by their length in tokens; 0 where not even one fits. */
  batch: Record<string, number>;
}

/** A way to train, and what memory it takes. */
export interface Method {
  method: "full" | "lora" | "qlora";
  /** Bytes. */
  weights: number;
  /** Of the optimizer, bytes; with LoRA the adapter and its gradients too. */
  states: number;
  /** Bytes, where they stand beside the states. */
  gradients: number;
  /** Of activations, bytes for each token of a step. */
  a_token: number;
  /** Parameters. */
  trained: number;
  fits: Fits[];
}

/** What the formula needs of a model. */
export interface Shapes {
  L: number;
  blocks: number;
  H: number;
  I: number;
  V: number;
}

/** What memory training takes, and what fits where. */
export interface Plan {
  kind: "plan";
  drawable: true;
  done: boolean;
  run_id: string;
  request: Record<string, unknown>;
  model: string;
  parameters: number;
  shape: Shapes;
  methods: Method[];
  formula: string;
  assumed: string;
  example?: boolean;
}
