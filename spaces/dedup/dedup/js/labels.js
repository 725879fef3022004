// What a visitor's labels of pairs say of a threshold. `labels.py` has the same arithmetic.

/** @import {Drawn} from "./data.js" */

export const WANTED = 0.9; // share of pairs that say the same from which a threshold is proposed

/**
 * Labels as a request has them, `name:same` or `name:different`.
 * @param {string[]} written
 */
export function labelsOf(written) {
  return new Map(
    written.map((label) => {
      const [name, word] = label.split(":");
      return [name, word === "same"];
    }),
  );
}

/**
 * The way back, in the order of the names.
 * @param {Map<string, boolean>} labels
 */
export function writtenLabels(labels) {
  const written = [...labels].map(([name, same]) => `${name}:${same ? "same" : "different"}`);
  return written.sort();
}

/**
 * What the labels say of the pairs from a similarity on.
 * @typedef {Object} LabelPoint
 * @property {number} threshold the lowest similarity of a stratum
 * @property {number} same labelled pairs at or above it that say the same
 * @property {number} n labelled pairs there
 * @property {[number, number]} interval 95 %, of the share of all pairs there that say the same
 */

/**
 * By stratum, the most similar first, down to the first without a label: past it the labels are no
 * even sample.
 * @param {Drawn[]} drawn
 * @param {Map<string, boolean>} labels by the pair's name, whether it says the same
 */
export function labelPoints(drawn, labels) {
  /** @type {LabelPoint[]} */
  const points = [];
  let same = 0;
  for (const { name, end } of drawn) {
    const label = labels.get(name);
    if (label === undefined) break;
    same += Number(label);
    const n = points.length + 1;
    points.push({ threshold: end, same, n, interval: clopperPearson(same, n) });
  }
  return points;
}

/**
 * The lowest threshold from which at least the wanted share of labelled pairs says the same.
 * @param {LabelPoint[]} points
 */
export function proposedPoint(points) {
  return points.findLast(({ same, n }) => same / n >= WANTED) ?? null;
}

/**
 * The exact 95 % interval of a share (Clopper and Pearson 1934), by halving.
 * @param {number} hits
 * @param {number} n
 * @returns {[number, number]}
 */
export function clopperPearson(hits, n) {
  const low = hits === 0 ? 0 : rootOf((p) => 1 - chanceOfAtMost(hits - 1, n, p) - 0.025);
  const high = hits === n ? 1 : rootOf((p) => 0.025 - chanceOfAtMost(hits, n, p));
  return [low, high];
}

/**
 * Where a rising function crosses 0, in 0 to 1.
 * @param {(p: number) => number} rising
 */
function rootOf(rising) {
  let [low, high] = [0, 1];
  for (let round = 0; round < 50; round += 1) {
    const middle = (low + high) / 2;
    if (rising(middle) < 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * The binomial's distribution function.
 * @param {number} most
 * @param {number} n
 * @param {number} p
 */
function chanceOfAtMost(most, n, p) {
  let [sum, ways] = [0, 1];
  for (let hits = 0; hits <= most; hits += 1) {
    sum += ways * p ** hits * (1 - p) ** (n - hits);
    ways = (ways * (n - hits)) / (hits + 1);
  }
  return sum;
}
