// The labels of a row.

/** @import {MaskRow, Trainer} from "./data.js" */

/**
 * A row's label at each token, and why.
 * @param {MaskRow} row
 * @param {Trainer} trainer
 */
export function labelsOf(row, trainer) {
  const labels = [];
  for (const { to, trained, rule } of row.views[trainer].stretches)
    while (labels.length < to) labels.push({ trained, rule });
  return labels;
}
