// A file as llama.cpp runs it: how far its weights, llama.cpp's arithmetic and a smaller cache move
// predictions.

import { h } from "../../../../shared/js/dom.js";
import { estimateWords } from "../../../../shared/js/estimates.js";
import { plural } from "../../../../shared/js/numbers.js";

/** @import { Runtime, Stage } from "./data.js" */

/** What each step is called. @type {Record<string, string>} */
const STAGE_NAMES = {
  weights: "the file's weights, computed in float32",
  f16: "run in llama.cpp, cache f16",
  q8_0: "the same, cache q8_0",
  q4_0: "the same, cache q4_0",
};

/**
 * A line for each step: how far it is from the base, and what it adds alone.
 * @param {Runtime} runtime
 */
export function runtimeFigure({ windows, stages }) {
  const most = Math.max(1e-12, ...stages.map(({ reached }) => reached?.mean ?? 0));
  return h(
    "div",
    { class: "runtime" },
    h("h2", {}, "As llama.cpp runs it"),
    stages.map((stage) => stageLine(stage, most)),
    h(
      "p",
      { class: "said" },
      `KLD from the base ± σ, nats, over ${plural(windows, "window")}; alone: from the same file `,
      "a step before, of both smaller caches from the run with cache f16. llama.cpp multiplies blocks by ",
      "activations of 8 bits.",
    ),
  );
}

/**
 * @param {Stage} stage
 * @param {number} most nats
 */
function stageLine({ name, reached, added }, most) {
  return h(
    "div",
    { class: "runtime-line", "data-stage": name },
    h("span", {}, STAGE_NAMES[name] ?? name),
    h(
      "span",
      { class: "runtime-bar", "aria-hidden": "true" },
      reached ? h("span", { style: `width:${(100 * reached.mean) / most}%` }) : [],
    ),
    h("span", {}, reached ? estimateWords(reached) : "this model's heads do not fit it"),
    h(
      "span",
      { class: "said" },
      added && name !== "weights" ? `alone ${estimateWords(added)}` : "",
    ),
  );
}
