// What the model says: behaviours counted in its answers, and the answers themselves, before and
// after.

import { h } from "../../../../shared/js/dom.js";
import { shareWords } from "../../../../shared/js/estimates.js";
import { scrollTable } from "../../../../shared/js/tables.js";

/**
 * @import {Counted, Mark, Run, Train} from "./data.js"
 */

/**
 * @param {HTMLElement} panel
 * @returns {(data: Train) => void}
 */
export function openSaid(panel) {
  const body = h("div", { class: "train-said" });
  panel.append(body);
  return (data) => body.replaceChildren(...saidOf(data));
}

/** @param {Run} run */
function spoken(run) {
  return run.marks.filter((/** @type {Mark} */ mark) => mark.said);
}

/** @param {Train} data */
function saidOf(data) {
  const some = data.runs.flatMap((run, place) =>
    spoken(run).map((mark) => ({ mark, place, name: run.name })),
  );
  if (!some.length) return [h("p", { class: "message" }, "No question has been answered yet.")];
  // before the first step runs of one model say the same
  const first = JSON.stringify(some[0].mark.said);
  const columns = some.filter(
    ({ mark, place }) => !(place && mark.step === 0 && JSON.stringify(mark.said) === first),
  );
  const heads = columns.map(({ mark, name, place }) =>
    h(
      "th",
      { scope: "col" },
      mark.step === 0 ? "before" : `step ${mark.step}`,
      data.runs.length > 1 && (mark.step || place)
        ? h("span", { class: `said series-${place}` }, ` ${name}`)
        : null,
    ),
  );
  const shares = columns[0].mark.shares ?? [];
  const rows = shares.map((share, at) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, share.name, h("span", { class: "said" }, ` ${share.words}`)),
      columns.map(({ mark, place }) => {
        const one = mark.shares?.[at];
        return h("td", {}, one ? shareBar(one, place) : "–");
      }),
    ),
  );
  const answers = (columns[0].mark.said ?? []).map(({ prompt }, at) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("bdi", {}, prompt)),
      columns.map(({ mark }) => {
        const said = mark.said?.[at];
        return h(
          "td",
          { class: "train-quote" },
          h("bdi", {}, said?.text || "(nothing)"),
          said && !said.ended ? h("span", { class: "said" }, " …") : null,
        );
      }),
    ),
  );
  return [
    rows.length
      ? scrollTable("Behaviours", ["behaviour", ...heads], rows, "train-table")
      : h("span", {}),
    scrollTable(
      "Answers",
      [
        data.trained.separate ? "question, not trained on" : "question",
        ...heads.map((head) => head.cloneNode(true)),
      ],
      answers,
      "train-table",
    ),
    h(
      "p",
      { class: "train-note" },
      "Greedy answers of at most 36 tokens; … where the model did not end by itself. ",
      "Bars: 95 % intervals of the share (Wilson).",
    ),
  ];
}

/**
 * A share as a bar with its interval.
 * @param {Counted} share
 * @param {number} place
 */
function shareBar(share, place) {
  const at = (/** @type {number} */ value) => `${(100 * value).toFixed(1)}%`;
  return h(
    "span",
    { class: `train-share series-${place}`, title: shareWords(share) },
    h("span", { class: "train-count" }, `${share.count}/${share.of}`),
    h(
      "span",
      { class: "train-track", "aria-hidden": "true" },
      h("span", { class: "train-fill", style: { width: at(share.count / Math.max(1, share.of)) } }),
      h("span", {
        class: "train-whisker",
        style: { left: at(share.low), width: at(share.high - share.low) },
      }),
    ),
  );
}
