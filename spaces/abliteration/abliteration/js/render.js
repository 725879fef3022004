// The figures of the abliteration Space: one for every room, and the kernel's editor.

import { openRoom } from "./rooms.js";
import { openKernel } from "./kernel.js";

const figures = new WeakMap();

/**
 * Draw a figure, or bring it up to date.
 * @param {HTMLElement} element is filled with the figure
 * @param {Object|null} data of kind "find", "ablate", "measure", "optimise", "features", "feature", "certificate", "export" or "kernel";
 *   `{error: {what, remedy}}`; or null before the first run
 * @param {{emit?: Function, fetch: Function|null, exported?: boolean}} host
 */
export function render(element, data, host) {
  let figure = figures.get(element);
  const kind = data?.kind ?? figure?.kindShown ?? "find";
  if (!figure || !element.contains(figure.root) || figure.kindShown !== kind) {
    figure = kind === "kernel" ? openKernel() : openRoom(kind);
    figure.kindShown = kind;
    figures.set(element, figure);
    element.replaceChildren(figure.root);
  }
  figure.host = host ?? { fetch: null };
  figure.show(data);
}
