// Tools above a tree: how many other tokens it shows, and the zoom.

import { h } from "../../../../shared/js/dom.js";
import { choice, toolButton } from "../../../../shared/js/shell.js";

/** @import {Canvas} from "../../../../shared/js/canvas.js" */

/**
 * The choice of how many tokens that were not taken are shown at each step.
 * @param {number} now
 * @param {(count: number) => void} choose
 */
export function chooseOthers(now, choose) {
  /** @type {[string, string][]} */
  const counts = [
    ["0", "none"],
    ["1", "1"],
    ["3", "3"],
    ["99", "all"],
  ];
  return choice("other tokens", counts, String(now), (value) => choose(Number(value)));
}

/** Where the zoom is said. */
export function openZoomLevel() {
  return h("output", { "aria-label": "Zoom" });
}

/**
 * @param {HTMLElement} level
 * @param {Canvas | null | undefined} canvas
 */
export function sayZoom(level, canvas) {
  level.textContent = `${Math.round(100 * (canvas?.zoom ?? 1))}\u202f%`;
}

/**
 * The buttons of a picture's zoom; none where there is no picture.
 * @param {Canvas | null | undefined} canvas
 * @param {HTMLElement} level
 */
export function zoomTools(canvas, level) {
  if (!canvas) return [];
  const zoomBy = (/** @type {number} */ factor) => () => canvas.zoomTo(canvas.zoom * factor);
  sayZoom(level, canvas);
  return [
    h(
      "span",
      { class: "zoom" },
      toolButton("−", "Zoom out", zoomBy(1 / 1.25)),
      level,
      toolButton("+", "Zoom in", zoomBy(1.25)),
      toolButton("fit", "Fit the width", canvas.fit),
    ),
  ];
}
