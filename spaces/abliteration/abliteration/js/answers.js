// The same prompts to the base and to the edited model, side by side, with the divergence at every token of the base's answer.

import { heat, heatLegend } from "../../../../shared/js/axes.js";
import { h } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";

/** Open the view. */
export function openAnswerPairs(figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return (data) => {
    const most = Math.max(0.5, ...data.pairs.flatMap(({ kl }) => kl ?? []));
    box.replaceChildren(
      ...data.pairs.map((pair) =>
        h(
          "section",
          { class: "pair" },
          h("h2", {}, h("bdi", {}, pair.prompt)),
          h(
            "div",
            { class: "two" },
            answerBox(
              "base",
              "the model as it is",
              pair.base,
              pair.kl?.length
                ? klTokens(pair, most)
                : h("p", {}, h("bdi", {}, pair.base.text || "…")),
            ),
            answerBox(
              "edited",
              data.mark,
              pair.edited,
              h("p", {}, h("bdi", {}, pair.edited.text || "…")),
            ),
          ),
        ),
      ),
      data.pairs.some(({ kl }) => kl?.length)
        ? heatLegend(
            "0",
            brief(2 * most, 2),
            "nats: KL(base ‖ edited) at each token of the base's answer",
          )
        : "",
    );
  };
}

function answerBox(kind, name, { grade }, content) {
  return h(
    "article",
    { class: `answer answer-${kind}` },
    h("p", { class: "answer-head" }, h("b", {}, name), " ", h("span", { class: "tag" }, grade)),
    content,
  );
}

function klTokens({ kl, kl_tokens: tokens }, most) {
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
