// The sampler chain: transformers' warpers in any order, on one next-token distribution. No DOM
// here.
//
// Where a filter would cut through the tail the result says `exact: false`, and the caller must
// bring the whole vocabulary and run the same function again.

import { begin, countKept, normalise, ready } from "./chainstate.js";
import { FILTERS } from "./filters.js";

/**
 * @import {Distribution} from "./data.js"
 * @import {FilterName} from "./filters.js"
 *
 * @typedef {"temperature" | FilterName} StageName
 *
 * @typedef {{name: StageName, value: number}} Stage
 *
 * @typedef {{minTokensToKeep?: number}} ChainOptions
 *
 * @typedef {Object} Odds after a stage
 * @property {Float64Array} probabilities of the listed tokens
 * @property {number} kept tokens, over the whole vocabulary
 * @property {number} tailMass
 *
 * @typedef {Object} StageEffect
 * @property {string} name
 * @property {number} value
 * @property {boolean} off
 * @property {number} keptMass share of the stage's input that it kept
 * @property {boolean} exact
 * @property {string} text
 *
 * @typedef {Odds & StageEffect} StageOdds
 *
 * @typedef {Object} ChainOdds
 * @property {StageOdds[]} stages
 * @property {Odds} first before any stage
 * @property {Odds} last
 * @property {boolean} exact
 */

/**
 * The stages that `generate` applies when sampling, in its order, and what each one's slider spans.
 * @type {{name: StageName, low: number, high: number, step: number, integer: boolean}[]}
 */
export const SAMPLER_STAGES = [
  { name: "temperature", low: 0.1, high: 2, step: 0.01, integer: false },
  { name: "top_h", low: 0.01, high: 1, step: 0.01, integer: false },
  { name: "top_k", low: 1, high: 200, step: 1, integer: true },
  { name: "top_p", low: 0.01, high: 1, step: 0.01, integer: false },
  { name: "min_p", low: 0, high: 0.5, step: 0.005, integer: false },
  { name: "typical_p", low: 0.01, high: 1, step: 0.01, integer: false },
  { name: "epsilon_cutoff", low: 0, high: 0.05, step: 0.0005, integer: false },
  { name: "eta_cutoff", low: 0, high: 0.05, step: 0.0005, integer: false },
];

/**
 * Whether a stage with this value changes nothing, as transformers' `_get_logits_processor`
 * decides.
 * @param {StageName} name
 * @param {number | null | undefined} value
 */
export function isOff(name, value) {
  if (value === null || value === undefined || Number.isNaN(value)) return true;
  if (name === "temperature") return value === 1;
  if (name === "top_p" || name === "typical_p") return value >= 1;
  if (name === "epsilon_cutoff" || name === "eta_cutoff") return value <= 0 || value >= 1;
  return name === "top_k" || name === "min_p" ? value === 0 : false;
}

/** @type {StageName[]} what has no value 0 */
const POSITIVE = ["top_h", "top_p", "typical_p"];

/**
 * Why a stage cannot have a value, in words; "" where it can. The server refuses the same.
 * @param {StageName} name
 * @param {number} value
 */
export function refusal(name, value) {
  if (name === "top_k")
    return Number.isInteger(value) && value >= 0 && value <= 1e6
      ? ""
      : "top_k must be a whole number from 0 to 1,000,000";
  const [low, high] = name === "temperature" ? [0.01, 100] : [0, 1];
  if (POSITIVE.includes(name))
    return value > 0 && value <= high ? "" : `${name} must be above 0 and up to 1`;
  return value >= low && value <= high ? "" : `${name} must be from ${low} to ${high}`;
}

/**
 * Run a chain.
 * @param {Distribution} distribution
 * @param {Stage[]} stages in the order to apply; stages that are off are skipped
 * @param {ChainOptions} [options]
 * @returns {ChainOdds}
 */
export function runChain(distribution, stages, options = {}) {
  const least = options.minTokensToKeep ?? 1;
  const state = begin(distribution);
  let normal = normalise(state);
  const first = {
    probabilities: normal.probabilities,
    tailMass: normal.tailMass,
    kept: countKept(state),
  };
  /** @type {StageOdds[]} */
  const results = [];
  let exact = true;
  for (const { name, value } of stages) {
    const off = isOff(name, value);
    const before = normal;
    let outcome = { exact: true, text: "off" };
    if (!off && name === "temperature") {
      for (let i = 0; i < state.weights.length; i++) state.weights[i] /= value;
      state.heat *= value;
      outcome.text = value < 1 ? "sharpens" : "flattens";
    } else if (!off && name !== "temperature") outcome = FILTERS[name](state, normal, value, least);
    exact = exact && outcome.exact;
    if (!off) normal = normalise(state);
    let keptMass = 0;
    for (let i = 0; i < state.weights.length; i++)
      if (state.weights[i] > -Infinity) keptMass += before.probabilities[i];
    if (state.tail) keptMass += before.tailMass;
    results.push({
      name,
      value,
      off,
      probabilities: normal.probabilities,
      kept: countKept(state),
      keptMass,
      tailMass: normal.tailMass,
      exact,
      text: outcome.text,
    });
    if (!exact) break;
  }
  return { stages: results, first, last: results.at(-1) ?? first, exact };
}

/**
 * The same distribution with fewer tokens listed and the others in a histogram, for work that runs
 * the chain many times.
 * @param {Distribution} distribution one that lists the whole vocabulary
 * @param {number} limit tokens to list
 * @returns {Distribution}
 */
export function condense(distribution, limit) {
  const { base } = ready(distribution);
  if (distribution.tail || base.length <= limit) return distribution;
  const count = [];
  const mean = [];
  const variance = [];
  for (let from = limit, width = 0.05; from < base.length; width *= 1.3) {
    let to = from;
    while (to < base.length && (base[to] > base[from] - width || count.length >= 24)) to++;
    let sum = 0;
    for (let i = from; i < to; i++) sum += base[i];
    const middle = sum / (to - from);
    let squares = 0;
    for (let i = from; i < to; i++) squares += (base[i] - middle) ** 2;
    count.push(to - from);
    mean.push(middle);
    variance.push(squares / (to - from));
    from = to;
  }
  return {
    ...distribution,
    ids: distribution.ids.slice(0, limit),
    texts: distribution.texts.slice(0, limit),
    raw: distribution.raw.slice(0, limit),
    base: distribution.base ? distribution.base.slice(0, limit) : null,
    tail: { start: base[limit], count, mean, variance },
  };
}
