// A run's line, in its colour and pattern.

import { h, s } from "../../../../shared/js/dom.js";
import { seriesOf } from "./paths.js";

/** @import {Run} from "./data.js" */

/**
 * The line of a run; a double line is a thick one with the ground showing in its middle.
 * @param {Run} run
 * @param {number} index
 * @param {string} path
 * @param {boolean} [minor] a thin one
 */
export function strokesOf(run, index, path, minor = false) {
  const { name, thin, double } = seriesOf(run);
  const weight = thin || minor ? " thin" : "";
  const strokes = [s("path", { class: `stroke ${name}${weight}`, d: path, "data-run": index })];
  if (double) strokes.push(s("path", { class: `stroke gap${weight}`, d: path, "data-run": index }));
  return strokes;
}

/**
 * A short sample of a run's line.
 * @param {Run} run
 */
export function lineSample(run) {
  const { name, thin, double } = seriesOf(run);
  const weight = thin ? " thin" : "";
  return s(
    "svg",
    { class: "sample", viewBox: "0 0 26 8", "aria-hidden": "true" },
    s("path", { class: `stroke ${name}${weight}`, d: "M2 4H24" }),
    double ? s("path", { class: `stroke gap${weight}`, d: "M2 4H24" }) : null,
  );
}

/**
 * A run's line sample and name.
 * @param {Run} run
 */
export function runLabel(run) {
  return h("span", { class: "run-label" }, lineSample(run), h("bdi", {}, run.name));
}
