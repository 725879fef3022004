// Written by `make types` from data.py: change it there.

/** The names of a page's runs by their tab's label, a room's own first. */
export type Rooms = Record<string, string[]>;

/** Why there is no result, in words for the visitor. */
export interface Failure {
  /** One sentence of what happened. */
  what: string;
  /** One sentence of what to do. */
  remedy: string;
}

/** What stands where a figure would. */
export interface Failed {
  error: Failure;
}

/** A count out of so many, with the 95 % Wilson interval of its share. */
export interface Share {
  count: number;
  of: number;
  low: number;
  high: number;
}

/** A mean and how sure it is. */
export interface Mean {
  mean: number;
  /** Its standard error; None where a single cluster leaves it unknown. */
  sigma: number | null;
  /** Values. */
  of: number;
  /** Independent groups of values, which the standard error counts. */
  clusters: number;
}

/** The model that numbers are of. */
export interface Origin {
  model: string;
  revision: string;
  source: string;
  dtype: string;
}

/** How far a run has come. */
export interface Progress {
  label: string;
  value: number;
  max: number;
}

/** A program that reproduces a figure. */
export interface Code {
  label: string;
  /** `{this demo}` stands for the page's address. */
  text: string;
}

/** What the panel below a figure shows. */
export interface Panel {
  title: string;
  code: Code[];
  /** The permalink's query; empty where the run has a file of the visitor's own. */
  query: string;
  /** Whether the page's address follows the query. */
  live: boolean;
  /**
   * What to say of the figure above while the room's fields hold another request, of the page's
   * link.
   */
  filled?: string;
  /** Names of the visitor's shelf in the link or the code. */
  made: string[];
  /** The Hub's page of this Space, where links go; null elsewhere. */
  hub: string | null;
  /** Gradio's version. */
  gradio: string;
  /** The request of the figure, as its data has it. */
  asked: Record<string, unknown> | null;
  /** The query of the page's address, where it asked for this figure. */
  opened?: string;
}

/** One step through a room. */
export interface TourStep {
  says: string;
  view: string;
  seen: Record<string, unknown>;
  /** The request of the step's figure. */
  asked: Record<string, unknown>;
}

/** The steps through a room. */
export interface Tour {
  room: string;
  steps: TourStep[];
}

/** A word of the field. */
export interface Term {
  words: string[];
  says: string;
}

/** What a page explains where it stands, and the rooms that it has. */
export interface Glossary {
  terms: Term[];
  rooms: Rooms;
  /** All that a link may name as its room, those of pages without tabs too. */
  runs: string[];
}
