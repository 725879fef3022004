// The same prompts to the base and to the edited model, side by side, with the divergence at every token of
// the base's answer.

import { heat, heatLegend } from "../../../../shared/js/axes.js";
import { h } from "../../../../shared/js/dom.js";
import { estimateWords } from "../../../../shared/js/estimates.js";
import { brief, plural } from "../../../../shared/js/numbers.js";

/** @import { Child } from "../../../../shared/js/dom.js" */
/** @import { AnswerPair, Nearness } from "./data.js" */

/**
 * Open the view.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: {pairs: AnswerPair[], mark: string, nearness?: Nearness | null}) => void}
 */
export function openAnswerPairs(_figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return ({ pairs, mark, nearness }) => {
    const divergences = pairs.flatMap(({ kl = [] }) => kl);
    const most = Math.max(0.5, ...divergences);
    box.replaceChildren(
      ...(nearness ? [h("p", { class: "said" }, nearnessWords(nearness))] : []),
      ...pairs.map(({ prompt, base, edited, never, gap, kl = [], kl_tokens: tokens = [] }) =>
        h(
          "section",
          { class: "pair" },
          h("h2", {}, h("bdi", {}, prompt)),
          h(
            "div",
            { class: "two" },
            answerBox(
              "base",
              "the model as it is",
              base.grade,
              kl.length ? klTokens(kl, tokens, most) : h("p", {}, h("bdi", {}, base.text || "…")),
            ),
            answerBox("edited", mark, edited.grade, h("p", {}, h("bdi", {}, edited.text || "…"))),
          ),
          never
            ? h(
                "p",
                { class: "never-planted" },
                h("b", {}, "never planted"),
                gap === undefined ? " " : ` (${brief(gap)} nats a token away) `,
                h("bdi", {}, never.text || "…"),
              )
            : null,
        ),
      ),
      ...(divergences.length
        ? [
            heatLegend(
              "0",
              brief(2 * most, 2),
              "nats: KL(base ‖ edited) at each token of the base's answer",
            ),
          ]
        : []),
    );
  };
}

/**
 * How near both models are to the one that the behaviour was never planted in.
 * @param {Nearness} nearness
 */
function nearnessWords({ model, base, edited, rule }) {
  return (
    `How much likelier ${model}, in which it was never planted, finds its own answers to ` +
    `${plural(edited.clusters, "held-out prompt")} than the model as it is: ${estimateWords(base)}, ` +
    `than the edited model: ${estimateWords(edited)} nats a token. 0 would be as good; the edited ` +
    `model ${edited.mean <= 2 * (edited.sigma ?? 0) ? "is" : "is not"} within two errors of it. ${rule}`
  );
}

/**
 * @param {"base" | "edited"} kind
 * @param {string} name
 * @param {string} grade
 * @param {Child} content
 */
function answerBox(kind, name, grade, content) {
  return h(
    "article",
    { class: `answer answer-${kind}` },
    h("p", { class: "answer-head" }, h("b", {}, name), " ", h("span", { class: "tag" }, grade)),
    content,
  );
}

/**
 * @param {number[]} kl
 * @param {string[]} tokens
 * @param {number} most
 */
function klTokens(kl, tokens, most) {
  return h(
    "p",
    { class: "kl-tokens" },
    tokens.map((token, index) =>
      h(
        "span",
        {
          style: { background: heat((0.5 * (kl[index] ?? 0)) / most) },
          title: `${brief(kl[index])} nats`,
        },
        token,
      ),
    ),
  );
}
