// For which settings a token stays in. No DOM here.

import { SAMPLER_STAGES, isOff, runChain } from "./chain.js";

/**
 * @import {Distribution} from "./data.js"
 * @import {ChainOptions, Stage, StageName} from "./chain.js"
 *
 * @typedef {"temperature" | "top_k" | "top_p" | "min_p"} RangeName
 *
 * @typedef {{from: number, to: number}} Range
 */

/**
 * Whether a chain keeps one listed token: true, false, or null where that is not known from the
 * tokens at hand.
 * @param {Distribution} distribution
 * @param {Stage[]} stages
 * @param {number} place
 * @param {ChainOptions} options
 */
function keeps(distribution, stages, place, options) {
  const active = stages.filter((stage) => !isOff(stage.name, stage.value));
  const result = runChain(distribution, active, options);
  for (let i = 0; i < result.stages.length; i++) {
    const stage = result.stages[i];
    // A cut past the listed tokens keeps all of them; what later stages make of that is not known.
    const cutsLower = ["top_k", "top_p", "min_p", "epsilon_cutoff"].includes(stage.name);
    if (!stage.exact) return cutsLower && i === active.length - 1 ? true : null;
    if (!(stage.probabilities[place] > 0)) return false;
  }
  return true;
}

/**
 * The chain with one stage set to a value; a stage that is missing comes at transformers' place
 * among the others.
 * @param {Stage[]} stages
 * @param {StageName} name
 * @param {number} value
 */
function withValue(stages, name, value) {
  if (stages.some((stage) => stage.name === name))
    return stages.map((stage) => (stage.name === name ? { name, value } : stage));
  const order = SAMPLER_STAGES.map((stage) => stage.name);
  const at = stages.findIndex((stage) => order.indexOf(stage.name) > order.indexOf(name));
  const grown = stages.slice();
  grown.splice(at < 0 ? grown.length : at, 0, { name, value });
  return grown;
}

/**
 * For a token, the values of temperature, top_k, top_p and min_p that keep it while the other
 * stages stay as they are. Boundaries are found by bisection to 1e-4 between neighbours of a grid.
 * @param {Distribution} distribution
 * @param {Stage[]} stages
 * @param {number} tokenId
 * @param {ChainOptions} [options]
 * @returns {Record<RangeName, Range[] | null>} null where the tokens at hand cannot tell
 */
export function keepingRanges(distribution, stages, tokenId, options = {}) {
  const place = distribution.ids.indexOf(tokenId);
  if (place < 0) return { temperature: null, top_k: null, top_p: null, min_p: null };
  const rangesOf = (/** @type {RangeName} */ name, /** @type {number[]} */ grid) => {
    const test = (/** @type {number} */ value) =>
      keeps(distribution, withValue(stages, name, value), place, options);
    const answers = grid.map(test);
    return answers.includes(null) ? null : stretches(grid, answers, test, name === "top_k");
  };
  const steps = (/** @type {number} */ count, /** @type {(step: number) => number} */ value) =>
    Array.from({ length: count }, (_, step) => value(step));
  return {
    temperature: rangesOf(
      "temperature",
      steps(39, (step) => 0.1 + 0.05 * step),
    ),
    top_k: rangesOf(
      "top_k",
      steps(distribution.ids.length, (step) => step + 1),
    ),
    top_p: rangesOf(
      "top_p",
      steps(50, (step) => 0.02 * (step + 1)),
    ),
    min_p: rangesOf(
      "min_p",
      steps(51, (step) => 0.02 * step),
    ),
  };
}

/**
 * The stretches of a grid on which a test holds, open where they reach the grid's ends.
 * @param {number[]} grid
 * @param {(boolean | null)[]} answers of the test on the grid
 * @param {(value: number) => boolean | null} test
 * @param {boolean} whole whether there is nothing between two neighbours of the grid
 */
function stretches(grid, answers, test, whole) {
  const border = (/** @type {number} */ inside, /** @type {number} */ outside) => {
    if (whole) return inside;
    let [yes, no] = [inside, outside];
    while (Math.abs(yes - no) > 1e-4) {
      const middle = (yes + no) / 2;
      if (test(middle)) yes = middle;
      else no = middle;
    }
    return yes;
  };
  /** @type {Range[]} */
  const list = [];
  for (let start = 0; start < grid.length; start++) {
    if (!answers[start]) continue;
    let end = start;
    while (end + 1 < grid.length && answers[end + 1]) end++;
    list.push({
      from: start > 0 ? border(grid[start], grid[start - 1]) : -Infinity,
      to: end + 1 < grid.length ? border(grid[end], grid[end + 1]) : Infinity,
    });
    start = end;
  }
  return list;
}
