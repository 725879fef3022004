// Held-out answers, token by token: over each stands its loss, which sinks while the model learns.

import { h, keepFocus, visible } from "../../../../shared/js/dom.js";
import { brief, number, percent } from "../../../../shared/js/numbers.js";
import { markOf, runOf, stepBar } from "./trainsteps.js";

/**
 * @import {Mark, Train} from "./data.js"
 * @import {TrainSession} from "./trainsteps.js"
 */

/** A loss that fills the space above a token, in nats; higher ones end there. */
const HOTTEST = 8;

/**
 * @param {HTMLElement} panel
 * @param {TrainSession} session
 * @returns {(data: Train) => void}
 */
export function openCooling(panel, session) {
  const bar = h("div", {});
  const key = h(
    "p",
    { class: "train-note" },
    "Each column is −ln p of the token below it: tall where the model is surprised. ",
    h("span", { class: "said" }, `Full height: ${HOTTEST} nats, p = 0.03 %.`),
  );
  const body = h("div", { class: "train-texts" });
  const said = h("p", { class: "train-note", role: "status" });
  panel.append(bar, key, body, said);
  return (data) => {
    const run = runOf(data, session);
    const mark = run && markOf(run, session);
    if (!mark) return;
    keepFocus(bar, () => bar.replaceChildren(stepBar(data, session)));
    body.replaceChildren(...textsOf(data, mark, run.marks[0]));
    said.textContent = coolest(data, mark, run.marks[0]);
  };
}

/**
 * @param {Train} data
 * @param {Mark} mark
 * @param {Mark} first
 */
function textsOf(data, mark, first) {
  return data.held_out.map(({ question, tokens }, place) => {
    const losses = mark.tokens[place] ?? [];
    const before = first.tokens[place] ?? [];
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / Math.max(1, losses.length);
    return h(
      "div",
      { class: "train-text" },
      h(
        "div",
        { class: "train-question" },
        h("bdi", {}, question || "(no question)"),
        h("span", { class: "said" }, ` ${brief(mean)} nats a token`),
      ),
      h(
        "div",
        { class: "train-answer", dir: "auto" },
        tokens.map((token, at) => hotToken(token, losses[at], before[at])),
      ),
    );
  });
}

/**
 * @param {string} token
 * @param {number | undefined} loss
 * @param {number | undefined} before
 */
function hotToken(token, loss, before) {
  const share = Math.max(0, Math.min(1, (loss ?? 0) / HOTTEST));
  const ghost = Math.max(0, Math.min(1, (before ?? 0) / HOTTEST));
  const words =
    loss === undefined
      ? ""
      : `${number(loss)} nats, p = ${percent(Math.exp(-loss))}; before training ${number(before)}`;
  return h(
    "span",
    { class: "train-token", title: words },
    h(
      "span",
      { class: "train-column", "aria-hidden": "true" },
      h("span", { class: "train-ghost", style: { height: `${(100 * ghost).toFixed(1)}%` } }),
      h("span", {
        class: "train-heat",
        style: {
          height: `${(100 * share).toFixed(1)}%`,
          opacity: (0.25 + 0.75 * share).toFixed(2),
        },
      }),
    ),
    h("bdi", { class: "token" }, visible(token)),
  );
}

/**
 * What changed most, in words.
 * @param {Train} data
 * @param {Mark} mark
 * @param {Mark} first
 */
function coolest(data, mark, first) {
  let best = { drop: 0, token: "", before: 0, after: 0 };
  mark.tokens.forEach((losses, place) =>
    losses.forEach((after, at) => {
      const before = first.tokens[place]?.[at] ?? after;
      if (before - after > best.drop)
        best = {
          drop: before - after,
          token: data.held_out[place]?.tokens[at] ?? "",
          before,
          after,
        };
    }),
  );
  if (best.drop <= 0) return "Nothing has cooled down yet.";
  const [from, to] = [best.before, best.after].map((loss) => percent(Math.exp(-loss)));
  if (from === to) return "No token is likelier than before by as much as can be shown.";
  return `Most learnt: “${visible(best.token)}”, p from ${from} to ${to}.`;
}
