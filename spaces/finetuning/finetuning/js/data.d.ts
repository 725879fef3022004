// Written by `make types` from data.py: change it there.

import type { Progress } from "../../../../shared/js/data.js";

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
