// What the log-likelihoods of choices give: sums, probabilities, and what metrics compare.

/** @import {Answered, Asked} from "./data.js" */

/** @param {Answered} answered */
export function sums({ logs }) {
  return logs.map((choice) => choice.reduce((total, value) => total + value, 0));
}

/** @param {readonly number[]} values */
export function softmax(values) {
  const top = Math.max(...values);
  const weights = values.map((value) => Math.exp(value - top));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/**
 * Log-likelihood of every choice by its characters, as acc_norm counts them.
 * @param {Answered} answered
 * @param {Asked} item
 */
export function byCharacter(answered, { choices }) {
  // as Python counts them
  return sums(answered).map((value, place) => value / [...choices[place]].length);
}

/**
 * What else choices may be compared by: a column's head, and every choice's value.
 * @type {Record<string, [string, (answered: Answered, item: Asked) => number[]]>}
 */
export const MORE_METRICS = {
  acc_bytes: [
    "by byte",
    (answered, { choices }) =>
      sums(answered).map((value, at) => value / new TextEncoder().encode(choices[at]).length),
  ],
  acc_mutual_info: [
    "less alone",
    (answered) => sums(answered).map((value, at) => value - (answered.alone ?? [])[at]),
  ],
};
