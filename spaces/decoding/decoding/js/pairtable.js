// Two models in tables: what their texts amount to, and every step of both.

import { h } from "../../../../shared/js/dom.js";
import { brief, number, percent, whole } from "../../../../shared/js/numbers.js";
import { tableHead } from "../../../../shared/js/tables.js";
import { runLabel } from "./lines.js";
import { natsWords } from "./pairstrip.js";
import { fromLog } from "./paths.js";
import { tokenElement } from "./pill.js";

/**
 * @import {PairMean, PairText} from "./data.js"
 * @import {PairSession} from "./pairfigure.js"
 */

/**
 * The card with the texts' numbers and what they mean; null while there are none.
 * @param {PairSession} session
 */
export function drawSummary(session) {
  const { pair, trace } = session;
  if (!pair.texts.length) return null;
  const one = pair.texts.length === 1;
  const rows = pair.texts.map((text) =>
    h(
      "tr",
      {},
      h(
        "th",
        { scope: "row" },
        one ? trace.runs.map((run) => runLabel(run)) : runLabel(trace.runs[text.of]),
      ),
      h("td", { class: "num" }, whole(text.token_ids.length)),
      text.logprob.map((value) => h("td", { class: "num" }, number(value, 2))),
      [text.forward, text.backward, text.variation].map((mean) =>
        h("td", { class: "num" }, meanWords(mean)),
      ),
      h("td", { class: "num" }, agreement(text)),
    ),
  );
  const columns = [
    "text of",
    "tokens",
    "log p in first",
    "log p in second",
    "KL(first‖second)",
    "KL(second‖first)",
    "total variation",
    "same likeliest token",
  ];
  return h(
    "section",
    { class: "pair-card pair-summary", "aria-label": "What it means" },
    h(
      "p",
      { class: "said" },
      "Both models read each text. Means over its tokens, in nats, with a 95 % interval where it " +
        "has four blocks of 16 tokens.",
    ),
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "The texts in numbers" },
      h("table", {}, tableHead(columns, [1, 2, 3, 4, 5, 6, 7]), h("tbody", {}, rows)),
    ),
    pair.meaning.map((words) => h("p", { class: "said" }, words)),
  );
}

/** @param {PairMean | null} mean */
function meanWords(mean) {
  if (!mean) return "–";
  const [low, high] = mean.interval ?? [];
  return `${brief(mean.mean)}${mean.interval ? ` (${brief(low, 2)} to ${brief(high, 2)})` : ""}`;
}

/** @param {PairText} text */
function agreement({ same_top: share }) {
  return share ? `${whole(share.count)} of ${whole(share.of)}` : "–";
}

/**
 * Every step of both texts.
 * @param {HTMLElement} panel
 * @param {PairSession} session
 */
export function openPairSteps(panel, session) {
  const body = h("tbody", {});
  const columns = [
    "text of",
    "step",
    "token",
    "KL(first‖second)",
    "KL(second‖first)",
    "total variation",
    "probability in first",
    "in second",
    "rank in first",
    "in second",
    "likeliest of first",
    "of second",
  ];
  panel.append(
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "Every step" },
      h(
        "table",
        {},
        h(
          "caption",
          {},
          "Nats, over the whole vocabulary. Odds are the models’ own, before any setting.",
        ),
        tableHead(columns, [1, 3, 4, 5, 6, 7, 8, 9]),
        body,
      ),
    ),
  );
  return () => {
    const { pair, trace } = session;
    body.replaceChildren(
      ...pair.texts.flatMap((text, index) =>
        text.steps.map((step, at) =>
          h(
            "tr",
            { class: session.at?.text === index && session.at.step === at ? "current" : null },
            h("td", {}, runLabel(trace.runs[text.of])),
            h("td", { class: "num" }, String(at + 1)),
            h(
              "th",
              { scope: "row" },
              h(
                "button",
                {
                  type: "button",
                  class: "plain",
                  "data-key": `step-${index}-${at}`,
                  onclick: () => session.choose({ text: index, step: at }),
                },
                tokenElement({ text: step.texts[0] }),
              ),
            ),
            [natsWords(step.forward), natsWords(step.backward), percent(step.variation)].map(
              (words) => h("td", { class: "num" }, words),
            ),
            [0, 1].map((side) =>
              h("td", { class: "num" }, percent(fromLog(step.logprobs[side][0]))),
            ),
            [0, 1].map((side) => h("td", { class: "num" }, whole(step.ranks[side][0]))),
            step.top.map((token) =>
              h("td", {}, tokenElement({ text: step.texts[step.ids.indexOf(token)] })),
            ),
          ),
        ),
      ),
    );
  };
}
