// llama.cpp's samplers in any order, on one next-token distribution. No DOM here.
//
// They do what `decoding.llama_cpp.chain` does. A distribution lists its likeliest tokens, and the
// rest of the vocabulary is a histogram; where a sampler would cut through that the result says
// `exact: false`, and the caller must bring the whole vocabulary and run the same function again.

import { ready } from "./chainstate.js";
import { LLAMA_SAMPLERS, left, llamaOdds, rankAgain } from "./llamasamplers.js";

/**
 * @import {Distribution} from "./data.js"
 * @import {ChainOdds, Odds, StageOdds} from "./chain.js"
 * @import {Arrays} from "./chainstate.js"
 * @import {Breakers} from "./dry.js"
 *
 * @typedef {"penalties" | "dry" | "top_n_sigma" | "top_k" | "typ_p" | "top_p" | "min_p" | "xtc" |
 *   "temperature" | "adaptive_p" | "mirostat"} LlamaStage
 *
 * @typedef {typeof LLAMA_DEFAULTS} LlamaNumbers
 *
 * @typedef {LlamaNumbers & {samplers: LlamaStage[]}} LlamaSettings
 *
 * @typedef {Object} LlamaMemory what the samplers remember of the text so far
 * @property {number[]} tokens
 * @property {Breakers} breakers
 * @property {number} chance XTC's draw
 * @property {number[]} taken for mirostat the surprises in bits, for adaptive-p the probabilities,
 *   of the tokens chosen so far
 *
 * @typedef {Object} LlamaState between two samplers
 * @property {Arrays} arrays
 * @property {number} logSum what a logit is above its log-probability
 * @property {Float64Array} weights logits of the listed tokens: −∞ once removed
 * @property {Uint32Array} order the places of those that are left, from the largest logit down
 * @property {boolean} tail whether the histogram is still in
 * @property {number} heat that was applied to the histogram
 * @property {number} size length of llama.cpp's own list, in which masked tokens still stand
 * @property {number} vocabulary
 * @property {Map<number, number>} placeOf by token id
 *
 * @typedef {{exact: boolean, text: string}} LlamaEffect
 *
 * @typedef {(state: LlamaState, settings: LlamaSettings, memory: LlamaMemory) => LlamaEffect}
 *   LlamaSampler
 */

/** @type {LlamaStage[]} */
export const LLAMA_ORDER = [
  "penalties",
  "dry",
  "top_n_sigma",
  "top_k",
  "typ_p",
  "top_p",
  "min_p",
  "xtc",
  "temperature",
];

export const LLAMA_DEFAULTS = {
  temperature: 0.8,
  dynatemp_range: 0,
  dynatemp_exponent: 1,
  top_k: 40,
  top_p: 0.95,
  min_p: 0.05,
  typical_p: 1,
  top_n_sigma: -1,
  xtc_probability: 0,
  xtc_threshold: 0.1,
  repeat_last_n: 64,
  repeat_penalty: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
  dry_multiplier: 0,
  dry_base: 1.75,
  dry_allowed_length: 2,
  dry_penalty_last_n: 64,
  mirostat: 0,
  mirostat_tau: 5,
  mirostat_eta: 0.1,
  adaptive_target: -1,
  adaptive_decay: 0.9,
  min_keep: 0,
};

/**
 * Whether a sampler can change anything.
 * @param {LlamaStage} name
 * @param {LlamaSettings} of
 */
export function isLlamaOn(name, of) {
  const lowers = of.repeat_penalty !== 1 || of.presence_penalty !== 0 || of.frequency_penalty !== 0;
  return {
    penalties: of.repeat_last_n > 0 && lowers,
    dry: of.dry_multiplier !== 0 && of.dry_base >= 1 && of.dry_penalty_last_n > 0,
    top_n_sigma: of.top_n_sigma > 0,
    top_k: of.top_k > 0,
    typ_p: of.typical_p < 1,
    top_p: of.top_p < 1,
    min_p: of.min_p > 0,
    xtc: of.xtc_probability > 0 && of.xtc_threshold <= 0.5,
    temperature: of.temperature !== 1 || (of.dynatemp_range > 0 && !of.mirostat),
    adaptive_p: of.adaptive_target >= 0,
    mirostat: of.mirostat > 0,
  }[name];
}

/**
 * The samplers that are on, in the order in which they work: mirostat leaves the temperature beside
 * it, and adaptive-p comes last wherever it is named.
 * @param {LlamaSettings} of
 * @returns {LlamaStage[]}
 */
export function llamaStages(of) {
  /** @type {LlamaStage[]} */
  const named = of.mirostat
    ? ["temperature", "mirostat"]
    : [
        ...of.samplers.filter((name) => name !== "adaptive_p"),
        ...of.samplers.filter((name) => name === "adaptive_p"),
      ];
  return named.filter((name) => isLlamaOn(name, of));
}

/** @type {WeakMap<Distribution, Map<number, number>>} */
const knownPlaces = new WeakMap();

/** @param {Distribution} distribution */
function placesOf(distribution) {
  let places = knownPlaces.get(distribution);
  if (!places) {
    places = new Map(distribution.ids.map((id, place) => [id, place]));
    knownPlaces.set(distribution, places);
  }
  return places;
}

/**
 * Run llama.cpp's chain.
 * @param {Distribution} distribution of the model, no setting applied
 * @param {LlamaSettings} settings
 * @param {LlamaMemory} memory
 * @returns {ChainOdds}
 */
export function runLlamaChain(distribution, settings, memory) {
  const arrays = ready(distribution);
  const logSum = distribution.log_sum ?? 0;
  /** @type {LlamaState} */
  const state = {
    arrays,
    logSum,
    weights: arrays.base.map((value) => value + logSum),
    order: Uint32Array.from(arrays.base.keys()),
    tail: arrays.count.length > 0,
    heat: 1,
    size: distribution.vocab_size,
    vocabulary: distribution.vocab_size,
    placeOf: placesOf(distribution),
  };
  if (state.tail) rankAgain(state); // tokens that are listed for their names stand at the end
  let odds = llamaOdds(state);
  const first = { probabilities: odds.probabilities, tailMass: odds.tailMass, kept: left(state) };
  /** @type {StageOdds[]} */
  const stages = [];
  let exact = true;
  for (const name of llamaStages(settings)) {
    const before = odds;
    const outcome = LLAMA_SAMPLERS[name](state, settings, memory);
    exact = outcome.exact;
    odds = llamaOdds(state);
    let keptMass = state.tail ? before.tailMass : 0;
    for (const place of state.order) keptMass += before.probabilities[place];
    stages.push({
      name,
      value: NaN,
      off: false,
      probabilities: odds.probabilities,
      tailMass: odds.tailMass,
      kept: left(state),
      keptMass,
      exact,
      text: outcome.text,
    });
    if (!exact) break;
  }
  return { stages, first, last: stages.at(-1) ?? first, exact };
}
