// The arithmetic of a block on a grid, as the methods compute it.

/** @import { Block, Grid } from "./data.js" */

/**
 * Codes and values on a grid: round half to even, then clamp.
 * @param {readonly number[]} weights
 * @param {Grid} grid
 */
export function onGrid(weights, { scale, zero, low, high }) {
  const codes = weights.map((weight) =>
    Math.max(low, Math.min(high, scale ? halfEven(weight / scale) + zero : zero)),
  );
  return { codes, values: codes.map((code) => scale * (code - zero)) };
}

/**
 * A block with its codes, values and levels from another grid.
 * @param {Block} block
 * @param {Grid} grid
 * @returns {Block}
 */
export function regridded(block, grid) {
  const { scale, zero, low, high } = grid;
  const codes = Array.from({ length: high - low + 1 }, (_, index) => low + index);
  const levels = codes.map((code) => scale * (code - zero));
  return { ...block, ...onGrid(block.weights, grid), levels };
}

/**
 * Rounding half to even, as torch does.
 * @param {number} value
 */
export function halfEven(value) {
  const down = Math.floor(value);
  if (value - down !== 0.5) return Math.round(value);
  return down % 2 === 0 ? down : down + 1;
}

/**
 * Mean squared error of a block.
 * @param {readonly number[]} weights
 * @param {readonly number[]} values
 */
export function meanSquare(weights, values) {
  const errors = weights.map((weight, index) => (weight - values[index]) ** 2);
  return errors.reduce((sum, error) => sum + error, 0) / weights.length;
}
