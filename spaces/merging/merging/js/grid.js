// The regular grid of measured points, and the values between them.

/** @import { Between } from "./data.js" */
/** @import { Measure } from "./measures.js" */

/**
 * Values at the points of a grid: steps from a corner to the next, and values by "u,v".
 * @typedef {{steps: number, values: Map<string, number>}} ValueGrid
 */

/**
 * The finest grid that is measured completely.
 * @param {Between} data
 * @param {Measure} measure
 * @returns {ValueGrid | null}
 */
export function gridOf({ models, points }, measure) {
  const values = new Map(points.map((point) => [point.weights.join(","), measure.of(point)]));
  for (const steps of [16, 8, 4, 2, 1]) {
    const row = Array.from({ length: steps + 1 }, (_, index) => index / steps);
    const names =
      models.length === 2 ? row.map(String) : row.flatMap((u) => row.map((v) => `${u},${v}`));
    if (names.every((name) => values.has(name))) return { steps, values };
  }
  return null;
}

/**
 * The value between measured points of a plane, by bilinear interpolation.
 * @param {ValueGrid} grid
 * @param {number} u 0 to 1
 * @param {number} v 0 to 1
 */
export function between({ steps, values }, u, v) {
  /** @param {number} weight */
  const cell = (weight) => Math.min(steps - 1, Math.floor(weight * steps));
  const [i, j] = [cell(u), cell(v)];
  const [a, b] = [u * steps - i, v * steps - j];
  /**
   * @param {number} x
   * @param {number} y
   */
  const value = (x, y) => values.get(`${x / steps},${y / steps}`) ?? NaN;
  return (
    (1 - a) * (1 - b) * value(i, j) +
    a * (1 - b) * value(i + 1, j) +
    (1 - a) * b * value(i, j + 1) +
    a * b * value(i + 1, j + 1)
  );
}
