// The questions whose answers flipped, one by one.

import { h, scrollBox } from "../../../../shared/js/dom.js";
import { number } from "../../../../shared/js/numbers.js";
import { nameOfRow } from "./measures.js";

/** @import { Question, Questions } from "./data.js" */
/** @import { FlippedRow } from "./flips.js" */

/**
 * A row's flips: those first that the base was surest of.
 * @param {FlippedRow} row
 * @param {Questions} questions
 */
export function flippedList(row, { items, answers, margins }) {
  const { flips } = row;
  const flipped = items
    .map((item, at) => ({
      item,
      before: answers[at],
      after: flips.answers[at],
      base: margins[at],
      own: flips.margins[at],
    }))
    .filter(({ item, before, after }) => (before === item.gold) !== (after === item.gold))
    .toSorted((one, other) => Math.abs(other.base) - Math.abs(one.base));
  if (!flipped.length)
    return [h("p", { class: "picture-caption" }, `${nameOfRow(row)} flips no answer.`)];
  return [
    scrollBox(
      `Answers that ${nameOfRow(row)} flips`,
      "wide scroll",
      h(
        "table",
        { class: "flip-questions" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["flip", "margin, nats", "question", "base", nameOfRow(row)].map((title) =>
              h("th", { scope: "col" }, title),
            ),
          ),
        ),
        h("tbody", {}, flipped.map(flippedLine)),
      ),
    ),
  ];
}

/**
 * @param {{item: Question, before: number, after: number, base: number, own: number}} flip
 */
function flippedLine({ item, before, after, base, own }) {
  const choice = (/** @type {number} */ at) =>
    h("td", {}, `${at === item.gold ? "✓" : "✗"} `, h("bdi", {}, item.choices[at]));
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, before === item.gold ? "▼ lost" : "▲ gained"),
    h("td", { class: "num" }, `${number(base)} → ${number(own)}`),
    h("td", { class: "flip-prompt" }, `${item.task}: `, h("bdi", {}, item.prompt)),
    choice(before),
    choice(after),
  );
}
