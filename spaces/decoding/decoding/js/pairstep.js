// Below the picture of two models: one step, and their odds there side by side.

import { h } from "../../../../shared/js/dom.js";
import { number, percent, whole } from "../../../../shared/js/numbers.js";
import { tableHead } from "../../../../shared/js/tables.js";
import { runLabel } from "./lines.js";
import { natsWords } from "./pairstrip.js";
import { fromLog } from "./paths.js";
import { tailOf, tokenElement, tokenLabel } from "./pill.js";

/**
 * @import {PairStep} from "./data.js"
 * @import {PairSession} from "./pairfigure.js"
 */

/**
 * The card of the selected step; null where none is.
 * @param {PairSession} session
 */
export function drawStepCard(session) {
  const { pair, trace, at, names } = session;
  if (!at || !pair.texts[at.text]?.steps[at.step]) return null;
  const text = pair.texts[at.text];
  const step = text.steps[at.step];
  const before =
    (pair.request.chat ? "" : trace.prompt.text) +
    text.steps
      .slice(0, at.step)
      .map((one) => one.text)
      .join("");
  const shared = at.text === 0 && at.step < (pair.parting?.step ?? Infinity);
  const whose = shared ? "" : ` of the text of ${names[text.of]}`;
  const parts = pair.parting?.step === at.step + 1;
  const rows = trace.runs.map((run, side) => {
    const top = step.ids.indexOf(step.top[side]);
    const other = step.ids.indexOf(step.top[1 - side]);
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, runLabel(run)),
      h("td", { class: "num" }, percent(fromLog(step.logprobs[side][0]))),
      h("td", { class: "num" }, whole(step.ranks[side][0])),
      h(
        "td",
        {},
        tokenElement({ text: step.texts[top] }),
        ` ${percent(fromLog(step.logprobs[side][top]))}`,
      ),
      h("td", { class: "num" }, whole(step.ranks[side][other])),
      h("td", { class: "num" }, number(step.entropy[side], 2)),
    );
  });
  const columns = [
    "",
    h("th", { scope: "col", class: "num" }, "odds of ", tokenElement({ text: step.texts[0] })),
    "its rank",
    "likeliest token",
    "rank of the other’s likeliest",
    "entropy, nats",
  ];
  return h(
    "section",
    { class: "pair-card pair-step", "aria-label": "Selected step" },
    h(
      "h2",
      {},
      `Token ${at.step + 1}${whose}: `,
      tokenElement({ text: step.texts[0] }),
      parts ? ", where they part" : "",
    ),
    h(
      "p",
      { class: "context" },
      "after ",
      before ? h("bdi", {}, `“${tailOf(before, 70)}”`) : "the prompt",
    ),
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "Both models at this step" },
      h("table", {}, tableHead(columns, [2, 4, 5]), h("tbody", {}, rows)),
    ),
    h(
      "p",
      { class: "said" },
      `KL(first‖second) is ${natsWords(step.forward)} nats, ` +
        `KL(second‖first) ${natsWords(step.backward)}; total variation ` +
        `${percent(step.variation)}: that share of the probability lies on other tokens.`,
      step.apart === null
        ? ""
        : " Draws with the same random numbers, settings applied, differ here in " +
            `${percent(step.apart)} of all cases.`,
    ),
    drawOdds(session, step),
  );
}

/**
 * The likeliest tokens of either model, with their odds in both as two lengths.
 * @param {PairSession} session
 * @param {PairStep} step
 */
function drawOdds({ names }, step) {
  const sides = [0, 1];
  const order = step.ids
    .map((_, index) => index)
    .sort((one, other) => likeliest(step, other) - likeliest(step, one));
  const most = Math.max(...order.map((index) => likeliest(step, index)), 1e-12);
  const bar = (/** @type {number} */ side, /** @type {number} */ index) => {
    const share = fromLog(step.logprobs[side][index]);
    return h(
      "span",
      { class: `length series-${side}` },
      h("i", { style: { width: `${(100 * share) / most}%` } }),
      h("span", { class: "unseen" }, `${names[side]}: `),
      h("span", { class: "num" }, `${percent(share)}, rank ${whole(step.ranks[side][index])}`),
    );
  };
  return h(
    "ul",
    { class: "pair-odds", "aria-label": "Likeliest tokens of either model" },
    order.map((index) =>
      h(
        "li",
        { class: index === 0 ? "own" : null },
        h("bdi", { class: "token" }, tokenLabel({ text: step.texts[index] })),
        h(
          "span",
          { class: "lengths" },
          sides.map((side) => bar(side, index)),
        ),
      ),
    ),
  );
}

/**
 * A listed token's larger probability.
 * @param {PairStep} step
 * @param {number} index
 */
function likeliest({ logprobs }, index) {
  return Math.max(...logprobs.map((side) => fromLog(side[index])));
}
