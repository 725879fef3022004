// The mix of types that a budget buys: the path from the smallest to the largest, as Python planned it.

/** @import { Budget } from "./data.js" */

/**
 * A mix: its size, the KLD that its parts add up to, and their types.
 * @typedef {{bytes: number, predicted: number, types: string[]}} Mix
 */

/**
 * The mix after a number of steps of the path.
 * @param {Budget} budget
 * @param {number} steps
 * @returns {Mix}
 */
export function mixAfter(budget, steps) {
  const options = [...budget.start];
  for (const [unit, option] of budget.path.slice(0, steps)) options[unit] = option;
  /** @param {number[][]} table by unit and option */
  const sum = (table) => options.reduce((total, option, unit) => total + table[unit][option], 0);
  return {
    bytes: budget.fixed_bytes + sum(budget.bytes),
    predicted: sum(budget.predicted),
    types: options.map((option, unit) => budget.types[unit][option]),
  };
}

/**
 * The last mix on the path that fits.
 * @param {Budget} budget
 * @param {number} bytes
 */
export function mixWithin(budget, bytes) {
  let steps = 0;
  while (steps < budget.path.length && mixAfter(budget, steps + 1).bytes <= bytes) steps += 1;
  return mixAfter(budget, steps);
}
