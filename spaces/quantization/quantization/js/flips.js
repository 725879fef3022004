// Answers that flip: what the base model answers rightly and a format wrongly, and the other way round.

import { h, keepFocus, scrollBox } from "../../../../shared/js/dom.js";
import { percentage, shareWords } from "../../../../shared/js/estimates.js";
import { number, plural } from "../../../../shared/js/numbers.js";
import { openFlipChart } from "./flipchart.js";
import { flippedList } from "./fliplist.js";
import { measuredRows, nameOfRow } from "./measures.js";

/** @import { Compare, Flips, Questions, Row } from "./data.js" */

/** @typedef {Row & {flips: Flips}} FlippedRow */

/** Rows whose score differs from the base's this seldom by chance differ. */
const BEYOND_CHANCE = 0.05;

/**
 * Open the view.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Compare) => void}
 */
export function openFlips(_figure, panel) {
  const verdict = h("p", { class: "picture-caption flip-verdict" });
  const box = scrollBox("Answers against the base model's", "wide scroll");
  const words = h("p", { class: "picture-caption said" });
  const list = h("div", { class: "flip-list" });
  panel.append(verdict, box, words);
  const chart = openFlipChart(panel);
  panel.append(list);
  let chosen = "";
  /** @param {Compare} data */
  const draw = (data) => {
    const { questions } = data;
    const rows = flippedRows(data);
    if (!questions) return;
    const row = rows.find(({ format }) => format === chosen) ?? mostFlipped(rows);
    /** @param {string} format */
    const choose = (format) => {
      chosen = format;
      draw(data);
    };
    verdict.textContent = rows.length ? flipVerdict(rows, questions) : "";
    keepFocus(box, () => box.replaceChildren(flipTable(rows, questions, row, choose)));
    words.textContent = flipLegend(questions);
    chart(row ?? null, questions);
    list.replaceChildren(...(row ? flippedList(row, questions) : []));
  };
  return draw;
}

/**
 * The rows that have answered.
 * @param {Compare} data
 */
function flippedRows(data) {
  return measuredRows(data).filter(
    /** @returns {row is FlippedRow} */
    (row) => row.flips !== undefined,
  );
}

/**
 * The row with the most flips, the first of several.
 * @param {FlippedRow[]} rows
 * @returns {FlippedRow | undefined}
 */
function mostFlipped(rows) {
  const flips = (/** @type {FlippedRow} */ { flips: { lost, gained } }) => lost + gained;
  return rows.toSorted((one, other) => flips(other) - flips(one))[0];
}

/**
 * What the answers show, in sentences.
 * @param {FlippedRow[]} rows
 * @param {Questions} questions
 */
function flipVerdict(rows, { items, right, chance }) {
  const told = rows.filter(({ flips }) => flips.p_corrected <= BEYOND_CHANCE);
  const open = rows.filter(({ flips }) => flips.p_corrected > BEYOND_CHANCE);
  const moved = Math.max(0, ...open.map(({ flips }) => flips.lost + flips.gained));
  const said = [];
  for (const [word, some] of /** @type {[string, FlippedRow[]][]} */ ([
    ["Worse", told.filter(({ flips }) => flips.mean < 0)],
    ["Better", told.filter(({ flips }) => flips.mean > 0)],
  ])) {
    const names = some.map((row) => `${nameOfRow(row)} (p ${chanceWords(row.flips.p_corrected)})`);
    if (some.length) said.push(`${word} than the base beyond chance: ${names.join(", ")}.`);
  }
  if (open.length) {
    const which = told.length
      ? `the other ${open.length === 1 ? "row's" : `${open.length} rows'`}`
      : open.length === 1
        ? `${nameOfRow(open[0])}'s`
        : "any row's";
    said.push(
      `${plural(items.length, "question")} cannot tell ${which} score from the base's` +
        (moved ? `, though up to ${plural(moved, "answer")} flipped.` : "."),
    );
  }
  if (right.low <= chance)
    said.push(`The base itself is not beyond guessing, which gives ${percentage(chance)}.`);
  return said.join(" ");
}

/** @param {number} p */
function chanceWords(p) {
  return p < 0.0001 ? "< .0001" : `= ${p.toPrecision(2)}`;
}

/** @param {Questions} questions */
function flipLegend({ items, groups }) {
  const together =
    groups < items.length
      ? ` in ${plural(groups, "group")}, since those of one passage count together`
      : "";
  return (
    `${plural(items.length, "question")}${together}. Lost: right from the base, wrong from the format; ` +
    "gained: the other way round; else: wrong before and after, with another answer. Equal losses and " +
    "gains leave the score as it was. Intervals are paired, of 95 %; p is of the exact test that neither " +
    "is better, corrected for the number of rows. Press a row to see its questions: each has a margin, " +
    "ln p of the right answer less that of the likeliest wrong one, above 0 where the answer is right."
  );
}

/**
 * @param {FlippedRow[]} rows
 * @param {Questions} questions
 * @param {FlippedRow | undefined} open
 * @param {(format: string) => void} choose
 */
function flipTable(rows, { right }, open, choose) {
  const most = Math.max(1, ...rows.flatMap(({ flips }) => [flips.lost, flips.gained]));
  const titles = ["lost · gained", "to the base, points", "p", "right", "else"];
  const base = h(
    "tr",
    { class: "current" },
    h("th", { scope: "row" }, "base"),
    // in sight on a phone, where the column of scores is not
    h("td", { class: "num" }, `${right.count} right`),
    [0, 1].map(() => h("td", {})),
    h("td", { class: "num" }, shareWords(right)),
    h("td", {}),
  );
  return h(
    "table",
    { class: "flip-rows" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "format"),
        titles.map((title) => h("th", { scope: "col", class: "num" }, title)),
      ),
    ),
    h(
      "tbody",
      {},
      base,
      rows.map((row) => flipLine(row, most, row === open, choose)),
    ),
  );
}

/**
 * @param {FlippedRow} row
 * @param {number} most flips of a kind
 * @param {boolean} isOpen
 * @param {(format: string) => void} choose
 */
function flipLine(row, most, isOpen, choose) {
  const { right, lost, gained, changed, mean, low, high, p_corrected: p } = row.flips;
  const width = (/** @type {number} */ count) => `width:${((64 * count) / most).toFixed(1)}px`;
  const differs = p <= BEYOND_CHANCE;
  return h(
    "tr",
    { "data-flips": row.format },
    h(
      "th",
      { scope: "row" },
      h(
        "button",
        {
          type: "button",
          class: "plain",
          "aria-pressed": String(isOpen),
          "data-key": row.format,
          onclick: () => choose(row.format),
        },
        nameOfRow(row),
      ),
    ),
    h(
      "td",
      { class: "num" },
      h(
        "div",
        { class: "flip-bars" },
        h("span", {}, `−${lost}`),
        h(
          "span",
          { class: "flip-side lost", "aria-hidden": "true" },
          h("span", { style: width(lost) }),
        ),
        h(
          "span",
          { class: "flip-side", "aria-hidden": "true" },
          h("span", { style: width(gained) }),
        ),
        h("span", {}, `+${gained}`),
      ),
    ),
    h(
      "td",
      { class: differs ? "num best" : "num" },
      `${asPoint(mean)} (${asPoint(low)} to ${asPoint(high)})`,
    ),
    h("td", { class: differs ? "num best" : "num" }, chanceWords(p).replace("= ", "")),
    h("td", { class: "num" }, shareWords(right)),
    h("td", { class: "num" }, String(changed - lost - gained)),
  );
}

/**
 * A share of the questions as points, with its sign.
 * @param {number} share
 */
function asPoint(share) {
  return `${Math.round(1000 * share) > 0 ? "+" : ""}${number(100 * share, 1)}`;
}
