// How far each adapted layer moved, and what else moved: a plain text, and questions that the rows
// are not about.

import { h, keepFocus } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { scrollTable } from "../../../../shared/js/tables.js";
import { markOf, runOf, stepBar } from "./trainsteps.js";

/**
 * @import {Mark, Run, Spread, Train} from "./data.js"
 * @import {TrainSession} from "./trainsteps.js"
 */

/**
 * @param {HTMLElement} panel
 * @param {TrainSession} session
 * @returns {(data: Train) => void}
 */
export function openMoved(panel, session) {
  const bar = h("div", {});
  const body = h("div", { class: "train-moved" });
  panel.append(bar, body);
  return (data) => {
    const run = runOf(data, session);
    const mark = run && markOf(run, session);
    if (!mark) return;
    keepFocus(bar, () => bar.replaceChildren(stepBar(data, session)));
    body.replaceChildren(...weightsOf(run, mark), ...elsewhereOf(data));
  };
}

/**
 * @param {Run} run
 * @param {Mark} mark
 */
function weightsOf(run, mark) {
  const shares = mark.norms.map(([name, block, moved, size]) => ({
    name,
    block,
    share: size ? moved / size : 0,
  }));
  // one scale for all steps, so that it is seen how they grow
  const all = run.marks.flatMap(({ norms }) =>
    norms.map(([, , moved, size]) => moved / (size || 1)),
  );
  const most = Math.max(1e-12, ...all);
  const names = [...new Set(shares.map(({ name }) => name))];
  const places = [...new Set(shares.map(({ block }) => block))].sort((a, b) => a - b);
  const rows = names.map((name) =>
    h(
      "tr",
      {},
      h("th", { scope: "row", class: "mono" }, name),
      places.map((block) => {
        const one = shares.find((share) => share.name === name && share.block === block);
        if (!one) return h("td", {});
        return h(
          "td",
          {
            class: "train-cell",
            title: `${name}, block ${block}: ‖ΔW‖ is ${brief(100 * one.share)} % of ‖W‖`,
          },
          brief(100 * one.share, 2),
          h("span", {
            class: "train-meter",
            style: { width: `${((100 * one.share) / most).toFixed(1)}%` },
          }),
        );
      }),
    ),
  );
  return [
    h("h2", {}, "How far the weights moved: ‖ΔW‖ in percent of ‖W‖"),
    scrollTable(
      "Weights",
      [
        "layer, by block",
        ...places.map((block) => h("th", { scope: "col", class: "num" }, String(block))),
      ],
      rows,
      "train-map",
    ),
    h("p", { class: "train-note" }, `A full bar is ${brief(100 * most, 2)} %, at every step.`),
  ];
}

/** @param {Train} data */
function elsewhereOf(data) {
  const subject = data.trained.source === "stored set “cautious”" ? "general" : "cooking";
  const rows = data.runs.flatMap((run, place) =>
    run.marks.map((mark) =>
      h(
        "tr",
        {},
        h(
          "th",
          { scope: "row" },
          `step ${mark.step}`,
          data.runs.length > 1
            ? h("span", { class: `said series-${place}` }, ` ${run.name}`)
            : null,
        ),
        [mark.elsewhere, mark.kl, mark.text].map((value) =>
          h("td", { class: "num" }, spreadWords(value)),
        ),
      ),
    ),
  );
  return [
    h("h2", {}, "What else moved"),
    scrollTable(
      "Elsewhere",
      [
        "after",
        h("th", { scope: "col", class: "num" }, `KL on ${subject} questions`),
        h("th", { scope: "col", class: "num" }, "KL on a plain text"),
        h("th", { scope: "col", class: "num" }, "loss of that text"),
      ],
      rows,
    ),
    h(
      "p",
      { class: "train-note" },
      "Nats a token, with 95 % intervals over questions and windows. KL(before ‖ now) of the next ",
      `token, on the embedded model’s answers to ${subject} questions that no stored set trains on, `,
      "and on three windows of a text of this project.",
    ),
  ];
}

/** @param {Spread | null} value */
function spreadWords(value) {
  if (!value) return "–";
  const { mean, low, high } = value;
  if (low === null || high === null) return brief(mean);
  return `${brief(mean)} (${brief(low, 2)} to ${brief(high, 2)})`;
}
