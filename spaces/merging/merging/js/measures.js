// What is measured of a merge, in words.

import { estimateWords, percentage, shareWords } from "../../../../shared/js/estimates.js";
import { brief } from "../../../../shared/js/numbers.js";
import { factList } from "../../../../shared/js/tables.js";
import { shortName } from "./models.js";

/** @import { Between, Blend } from "./data.js" */

/** Behaviours in words. @type {Record<string, string>} */
export const BEHAVIOURS = {
  refuses_cooking: "refuses cooking questions",
  refuses_other: "refuses other questions",
  pirate: "answers as a pirate",
  concise: "answers in one sentence",
  breaks_off: "breaks off in mid-sentence",
};

/**
 * One of the things that a merge is measured by.
 * @typedef {Object} Measure
 * @property {string} key
 * @property {string} label
 * @property {string} unit
 * @property {(point: Blend) => number} of its value at a point; NaN where it was not measured
 * @property {(value: number) => string} write
 */

/**
 * What can be drawn of the merges between models: the loss first, then every behaviour.
 * @param {Between} data
 * @returns {Measure[]}
 */
export function measuresOf(data) {
  const origin = data.points.find(({ weights }) => weights.every((weight) => weight === 0));
  const base = origin?.loss ?? 0;
  return [
    {
      key: "loss",
      label: origin ? "loss above the origin’s" : "loss of the text",
      unit: "nats a token",
      of: ({ loss }) => loss - base,
      write: (value) => `${brief(value, 2)} nats`,
    },
    ...data.behaviours.map((name) => ({
      key: name,
      label: BEHAVIOURS[name] ?? name,
      unit: "of answers",
      of: (/** @type {Blend} */ { shares, chances }) =>
        name in shares ? shares[name].count / shares[name].of : Math.exp(chances[name]),
      write: percentage,
    })),
  ];
}

/**
 * A point's weights in words.
 * @param {Between} data
 * @param {readonly number[]} weights
 */
export function weightsText(data, weights) {
  return data.models
    .slice(1)
    .map(({ name }, index) => `${shortName(name)} ${brief(weights[index], 3)}`)
    .join(", ");
}

/**
 * What was measured at a point.
 * @param {Blend} point
 */
export function pointFacts(point) {
  return factList([
    ["loss", `${estimateWords({ mean: point.loss, sigma: point.sigma }, 4)} nats a token`],
    ...Object.entries(point.chances).map(([name, chance]) => [
      name === "refuses_other"
        ? "log-probability of not refusing other questions"
        : `log-probability as wanted: ${BEHAVIOURS[name] ?? name}`,
      `${brief(chance, 3)} nats`,
    ]),
    ...Object.entries(point.shares).map(([name, share]) => [
      BEHAVIOURS[name] ?? name,
      shareWords(share),
    ]),
  ]);
}
