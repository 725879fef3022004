// The figures of the merging Space: the recipe's form, a merge with its parents, the merges between models, the family tree.

import { openEditor } from "./editor.js";
import { openExplore } from "./explorefigure.js";
import { openTree } from "./treefigure.js";
import { openMerge } from "./mergefigure.js";

const figures = new WeakMap();

/**
 * Draw a figure, or bring it up to date.
 * @param {HTMLElement} element is filled with the figure
 * @param {Object|null} data of kind "merge", "explore", "tree" or "editor"; `{error: {what, remedy}}`; or null before the first run
 * @param {{emit?: Function, fetch: Function|null, exported?: boolean}} host
 */
export function render(element, data, host) {
  let figure = figures.get(element);
  const kind = data?.kind ?? figure?.kindShown ?? "merge";
  if (!figure || !element.contains(figure.root) || figure.kindShown !== kind) {
    figure = ({ editor: openEditor, explore: openExplore, tree: openTree }[kind] ?? openMerge)();
    figure.kindShown = kind;
    figures.set(element, figure);
    element.replaceChildren(figure.root);
  }
  figure.host = host ?? { fetch: null };
  figure.show(data);
}
