// The figures of the quantization Space: the comparison of formats, and the weight lab.

import { openCompare } from "./compare.js";
import { openLab } from "./lab.js";

const figures = new WeakMap();

/**
 * Draw a figure, or bring it up to date: the view and what the visitor chose stay while `data.run_id` is the same.
 * @param {HTMLElement} element is filled with the figure
 * @param {Object|null} data of kind "compare" or "lab"; `{error: {what, remedy}}`; or null before the first run
 * @param {{emit?: Function, fetch: Function|null, exported?: boolean}} host
 */
export function render(element, data, host) {
  let figure = figures.get(element);
  const kind = data?.kind ?? figure?.kindShown ?? "compare";
  if (!figure || !element.contains(figure.root) || figure.kindShown !== kind) {
    figure = kind === "lab" ? openLab() : openCompare();
    figure.kindShown = kind;
    figures.set(element, figure);
    element.replaceChildren(figure.root);
  }
  figure.host = host ?? { fetch: null };
  figure.show(data);
}
