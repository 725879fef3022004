// The numbers behind the picture, as a table.

import { h } from "../../../../shared/js/dom.js";
import { percent } from "../../../../shared/js/numbers.js";
import { headedRow, scrollTable } from "../../../../shared/js/tables.js";
import { asPoints, sample } from "./marks.js";
import { pNumber } from "./words.js";

/** @import {Compare} from "./data.js" */

/**
 * @param {HTMLElement} panel
 * @returns {(data: Compare) => void}
 */
export function openNumbers(panel) {
  const body = h("div", { class: "eval-words" });
  panel.append(body);
  return (data) => body.replaceChildren(numbersTable(data));
}

/** @param {Compare} data */
function numbersTable(data) {
  const rows = data.scores.map(({ model, task, count, of, low, high, groups, brier }) => {
    const against = data.differences.find((one) => one.model === model && one.task === task);
    return headedRow(sample(model, data.models[model].name), [
      h("bdi", {}, task || "all items"),
      `${count} of ${of}${groups < of ? `, ${groups} groups` : ""}`,
      `${percent(count / of)} (${percent(low)} to ${percent(high)})`,
      against
        ? `${asPoints(against.mean)} (${asPoints(against.low)} to ${asPoints(against.high)})`
        : "–",
      against ? `+${against.gained} −${against.lost}` : "–",
      against ? String(against.changed) : "–",
      against ? pNumber(against.p) : "–",
      brier.toFixed(3),
    ]);
  });
  const head = ["model", "items", "right", "score (95 %)", "to the first, points (95 %)"];
  return scrollTable(
    "Scores and differences",
    [...head, "gained, lost", "other answers", "p", "Brier"],
    rows,
  );
}
