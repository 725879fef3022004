// The way through a tree that is larger than its frame: the next fork, a small map, and the switch
// that folds what lies between forks.

import { h, s } from "../../../../shared/js/dom.js";
import { number, percent, plural } from "../../../../shared/js/numbers.js";
import { openOverview } from "../../../../shared/js/overview.js";
import { fromLog, seriesOf } from "./paths.js";
import { tokenElement } from "./pill.js";
import { forksOf } from "./treefold.js";
import { itemAt } from "./treelayout.js";

/**
 * @import {Canvas} from "../../../../shared/js/canvas.js"
 * @import {Trace} from "./data.js"
 * @import {Forest, Place} from "./paths.js"
 * @import {Layout} from "./treelayout.js"
 *
 * @typedef {Object} Way
 * @property {HTMLElement} element
 * @property {(trace: Trace, forest: Forest, layout: Layout, folding: boolean) => void} draw
 * @property {(place: Place | null) => void} at says which fork the keyboard is on
 */

/**
 * @param {Canvas} canvas
 * @param {(by: 1 | -1) => void} go moves to the next fork, or to the one before
 * @param {(() => void) | null} fold null where every step has to stay in sight
 * @returns {Way}
 */
export function openWay(canvas, go, fold) {
  const overview = openOverview(canvas);
  const said = h("output", {});
  const step = (/** @type {string} */ label, /** @type {string} */ key, /** @type {1 | -1} */ by) =>
    h(
      "button",
      { type: "button", title: `Key ${key}`, "aria-keyshortcuts": key, onclick: () => go(by) },
      label,
    );
  const before = step("← previous fork", "p", -1);
  const next = step("next fork →", "n", 1);
  const switched = h(
    "button",
    {
      type: "button",
      title: "Fold the steps between forks",
      "aria-pressed": "false",
      hidden: fold === null,
      onclick: () => fold?.(),
    },
    "fold",
  );
  /** @type {Place[]} */
  let forks = [];
  const element = h(
    "div",
    { class: "way", role: "group", "aria-label": "Way through the tree", hidden: true },
    before,
    said,
    next,
    overview.element,
    switched,
  );
  const at = (/** @type {Place | null} */ place) => {
    const index = place ? forks.indexOf(place) : -1;
    const words = forks.length ? plural(forks.length, "fork") : "no fork";
    said.textContent = index < 0 ? words : `fork ${index + 1} of ${forks.length}`;
  };
  return {
    element,
    at,
    draw(trace, forest, layout, folding) {
      forks = forksOf(forest);
      at(null);
      for (const button of [before, next]) button.disabled = forks.length === 0;
      switched.setAttribute("aria-pressed", String(folding));
      overview.draw(marksOf(trace, forest, layout, forks));
    },
  };
}

/**
 * Every lane from where it parts, and the forks.
 * @param {Trace} trace
 * @param {Forest} forest
 * @param {Layout} layout
 * @param {Place[]} forks
 */
function marksOf(trace, forest, layout, forks) {
  const lanes = forest.lanes.flatMap(({ run, path, start }, index) => {
    const leaf = path[path.length - 1];
    if (start >= path.length) return [];
    const from = path[Math.max(0, start - 1)];
    const x = layout.left[from.depth] + (start > 1 ? layout.width[from.depth] : 0);
    const to = layout.left[leaf.depth] + layout.width[leaf.depth];
    const d = `M${x} ${layout.laneY[from.lane ?? 0]}L${x + 24} ${layout.laneY[index]}H${to}`;
    return [s("path", { class: `stroke ${seriesOf(trace.runs[run]).name}`, d })];
  });
  const dots = forks.flatMap((place) => {
    const item = itemAt(layout, place);
    return item
      ? [s("path", { class: "fork", d: `M${item.x + item.width} ${item.y + 13}h0` })]
      : [];
  });
  return [...lanes, ...dots];
}

/**
 * The hint on a stretch: its text, and how likely it was.
 * @param {Place[]} places
 */
export function stretchHint(places) {
  const [first, last] = [places[0], places[places.length - 1]];
  const joint = places.reduce((sum, { logprob }) => sum + (logprob ?? -Infinity), 0);
  const least = places.reduce((one, other) =>
    (other.logprob ?? -Infinity) < (one.logprob ?? -Infinity) ? other : one,
  );
  return [
    h("p", { class: "stretch" }, h("bdi", {}, places.map(({ text }) => text).join(""))),
    h(
      "p",
      {},
      `${plural(places.length, "token")}, steps ${first.depth} to ${last.depth}, `,
      `log p ${number(joint, 2)}; the least likely: `,
      tokenElement(least),
      ` ${percent(fromLog(least.logprob))}`,
    ),
    h("p", { class: "said" }, "Click or press Enter to unfold it, F to fold it again."),
  ];
}
