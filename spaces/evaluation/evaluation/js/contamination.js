// What a corpus holds of the items, and how models answer those and the others.

import { h } from "../../../../shared/js/dom.js";
import { percent, plural } from "../../../../shared/js/numbers.js";
import { headedRow, scrollTable } from "../../../../shared/js/tables.js";
import { asPoints, sample } from "./marks.js";
import { pNumber, sentenceList, shortened } from "./words.js";

/** @import {Compare, Contamination, Overlap} from "./data.js" */

const MOST_HELD = 200;

/**
 * @param {HTMLElement} panel
 * @returns {(data: Compare) => void}
 */
export function openContamination(panel) {
  const body = h("div", { class: "eval-words" });
  panel.append(body);
  return (data) => {
    const told = data.contamination;
    body.replaceChildren(...(told ? contaminationParts(data, told) : []));
  };
}

/**
 * @param {Compare} data
 * @param {Contamination} told
 */
function contaminationParts(data, told) {
  const places = data.items
    .map((_, at) => at)
    .filter((at) => told.overlaps[at].run > 0)
    .sort(
      (one, other) =>
        Number(told.held[other]) - Number(told.held[one]) ||
        told.overlaps[other].run - told.overlaps[one].run,
    );
  const scores = told.scores.map(({ model, held, held_interval, clean, clean_interval, p }) => {
    const against = told.differences.find((one) => one.model === model);
    return headedRow(sample(model, data.models[model].name), [
      heldShare(held, held_interval),
      heldShare(clean, clean_interval),
      p === null ? "–" : pNumber(p),
      against
        ? `${asPoints(against.mean)} (${asPoints(against.low)} to ${asPoints(against.high)})`
        : "–",
    ]);
  });
  const rows = places.slice(0, MOST_HELD).map((at) => {
    const item = data.items[at];
    const one = told.overlaps[at];
    return headedRow(h("bdi", {}, shortened(`${item.task}, ${item.id}`, 40)), [
      told.held[at] ? "held" : "–",
      `${one.run} of ${one.words}`,
      one.answer ? "with the answer" : "without it",
      percent(one.eight),
      percent(one.thirteen),
      String(one.row),
      h("bdi", {}, one.text),
    ]);
  });
  const more = places.length - MOST_HELD;
  return [
    scrollTable(
      "Scores on held and other items",
      [
        "model",
        "items that the corpus holds",
        "other items",
        "p of the two",
        "others: to the first, points (95 %)",
      ],
      scores,
    ),
    sentenceList([
      `${plural(told.rows, "row")} of ${told.corpus}${told.more ? "; there are more" : ""}. An item counts ` +
        `as held from ${told.ngram} words in a row on, a shorter one whole; its text is the prompt ` +
        "with the right choice.",
      "Held items may be easier as well: a difference between the two columns is no proof of learning " +
        "by heart, and a corpus that holds none says nothing of other corpora.",
    ]),
    rows.length
      ? scrollTable(
          "Items in the corpus",
          [
            "item",
            "counts as",
            "longest run, words",
            "the run ends",
            "of 8-grams",
            "of 13-grams",
            "row",
            "the run",
          ],
          rows,
          "eval-held",
        )
      : h("p", { class: "said" }, "No item has 8 words in a row in the corpus."),
    more > 0 ? h("p", { class: "said" }, `and ${plural(more, "item")} more`) : "",
  ];
}

/**
 * @param {readonly [number, number]} share
 * @param {readonly [number, number]} interval
 */
function heldShare([count, of], [low, high]) {
  return of
    ? `${count} of ${of}, ${percent(count / of)} (${percent(low)} to ${percent(high)})`
    : "none";
}

/**
 * A line of an item's detail.
 * @param {Overlap} one
 */
export function heldWords({ run, words, row, answer, text }) {
  if (!run) return `The corpus has no 8 words in a row of it, nor all of it.`;
  const end = answer ? ", the answer with it" : "";
  return `Row ${row} of the corpus has ${run} of its ${words} words in a row${end}: “${text}”`;
}
