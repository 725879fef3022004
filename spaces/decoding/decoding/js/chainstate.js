// A next-token distribution on its way through a chain. No DOM here.
//
// A distribution lists its likeliest tokens; the rest of the vocabulary, the tail, is a histogram
// of log-probabilities (count, mean and variance of each bin). Sums over the tail follow from a
// bin's moments.

/** @import {Distribution} from "./data.js" */

/**
 * @typedef {Object} Arrays a distribution as typed arrays
 * @property {Float64Array} base log-probabilities of the listed tokens
 * @property {Float64Array} count of the tail's bins
 * @property {Float64Array} mean
 * @property {Float64Array} variance
 * @property {number} start the tail's largest log-probability
 *
 * @typedef {Object} State between two stages
 * @property {Arrays} arrays
 * @property {Float64Array} weights log-weights of the listed tokens: −∞ once removed, in falling
 *   order of the others
 * @property {boolean} tail whether it is still in
 * @property {number} heat the temperature that was applied to the tail
 *
 * @typedef {Object} Normal a state, normalised
 * @property {Float64Array} probabilities of the listed tokens
 * @property {number} tailMass
 * @property {number} logSum
 */

/** @type {WeakMap<Distribution, Arrays>} */
const readyDistributions = new WeakMap();

/**
 * Typed arrays of a distribution, made once.
 * @param {Distribution} distribution
 */
export function ready(distribution) {
  let arrays = readyDistributions.get(distribution);
  if (!arrays) {
    const { tail } = distribution;
    arrays = {
      base: Float64Array.from(distribution.base ?? distribution.raw),
      count: tail ? Float64Array.from(tail.count) : new Float64Array(0),
      mean: tail ? Float64Array.from(tail.mean) : new Float64Array(0),
      variance: tail ? Float64Array.from(tail.variance) : new Float64Array(0),
      start: tail ? tail.start : -Infinity,
    };
    readyDistributions.set(distribution, arrays);
  }
  return arrays;
}

/**
 * The state before the first stage.
 * @param {Distribution} distribution
 * @returns {State}
 */
export function begin(distribution) {
  const arrays = ready(distribution);
  return { arrays, weights: arrays.base.slice(), tail: arrays.count.length > 0, heat: 1 };
}

/**
 * Normalise: log Σ, the listed tokens' probabilities and the tail's mass.
 * @param {State} state
 * @returns {Normal}
 */
export function normalise(state) {
  const { weights, arrays, heat } = state;
  let top = -Infinity;
  for (let i = 0; i < weights.length; i++) if (weights[i] > top) top = weights[i];
  let sum = 0;
  const probabilities = new Float64Array(weights.length);
  for (let i = 0; i < weights.length; i++) sum += probabilities[i] = Math.exp(weights[i] - top);
  let rest = 0;
  if (state.tail) {
    for (let i = 0; i < arrays.count.length; i++) {
      rest +=
        arrays.count[i] *
        Math.exp(arrays.mean[i] / heat + arrays.variance[i] / (2 * heat * heat) - top);
    }
  }
  const total = sum + rest;
  for (let i = 0; i < probabilities.length; i++) probabilities[i] /= total;
  return { probabilities, tailMass: rest / total, logSum: top + Math.log(total) };
}

/**
 * Entropy in nats of a normalised state.
 * @param {State} state
 * @param {Normal} normal
 */
export function entropyOf(state, normal) {
  const { weights, arrays, heat } = state;
  let entropy = 0;
  for (let i = 0; i < weights.length; i++) {
    if (normal.probabilities[i] > 0)
      entropy -= normal.probabilities[i] * (weights[i] - normal.logSum);
  }
  if (state.tail) {
    for (let i = 0; i < arrays.count.length; i++) {
      const spread = arrays.variance[i] / (heat * heat);
      const mass = arrays.count[i] * Math.exp(arrays.mean[i] / heat + spread / 2 - normal.logSum);
      // E[p·log p] of a bin, to second order
      entropy -= mass * (arrays.mean[i] / heat + spread - normal.logSum);
    }
  }
  return entropy;
}

/**
 * How many tokens of the vocabulary are still in.
 * @param {State} state
 */
export function countKept(state) {
  let kept = 0;
  for (let i = 0; i < state.weights.length; i++) if (state.weights[i] > -Infinity) kept++;
  if (state.tail) for (const count of state.arrays.count) kept += count;
  return kept;
}

/**
 * The likeliest a token of the tail can be.
 * @param {State} state
 * @param {Normal} normal
 */
export function tailCeiling(state, normal) {
  return Math.exp(state.arrays.start / state.heat - normal.logSum);
}

/**
 * Remove listed tokens for which `keep` is false, but never the `least` likeliest ones that are
 * still in.
 * @param {State} state
 * @param {number} least
 * @param {(place: number) => boolean} keep
 */
export function sieve(state, least, keep) {
  let place = 0;
  for (let i = 0; i < state.weights.length; i++) {
    if (state.weights[i] === -Infinity) continue;
    if (place++ >= least && !keep(i)) state.weights[i] = -Infinity;
  }
}
