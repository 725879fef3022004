// Every candidate direction tried: what is left without it, what adding it induces, and what it costs.

import { watchWidth } from "../../../../shared/js/axes.js";
import { h } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { block, layerChart } from "./charts.js";

/** Open the view. */
export function openCandidates(figure, panel) {
  let data = null;
  const box = h("div", { class: "padded" });
  panel.append(box);
  const draw = () => {
    const tried = data.layers
      .filter(({ candidate }) => candidate)
      .map(({ candidate }) => candidate);
    const width = Math.max(280, widthNow() - 28);
    const part = width > 940 ? Math.floor((width - 20) / 2) : width;
    const values = (key) => data.layers.map(({ candidate }) => (candidate ? candidate[key] : NaN));
    const flat = (level) => data.layers.map(() => [level, level, level]);
    const common = { width: part, count: data.layers.length, chosen: data.choice?.layer ?? null };
    box.replaceChildren(
      h(
        "p",
        { class: "said" },
        `Refusal score: log-odds that the next token is ${data.refusal.tokens.map((token) => `“${token}”`).join(" or ")} (${data.refusal.from}). The untouched model: ${brief(data.refusal.positive)} on positive prompts, ${brief(data.refusal.negative)} on negative ones.`,
      ),
      h(
        "div",
        { class: "two" },
        block(
          "Direction removed: score of positive prompts",
          "Low is good: the behaviour is gone.",
          layerChart({
            ...common,
            lines: [{ values: values("bypass"), colour: "b", label: "bypass" }],
            ribbon: flat(data.refusal.positive),
            label: "bypass",
          }),
        ),
        block(
          "Direction added: score of negative prompts",
          "High is good: the direction causes the behaviour.",
          layerChart({
            ...common,
            lines: [{ values: values("induce"), colour: "c", label: "induce" }],
            ribbon: flat(data.refusal.negative),
            label: "induce",
          }),
        ),
        block(
          "Direction removed: KL on negative prompts",
          "Low is good: little else moved. Nats at the first token.",
          layerChart({
            ...common,
            lines: [{ values: values("kl"), colour: "a", label: "KL" }],
            label: "KL",
          }),
        ),
        block(
          "COSMIC: cosine with where the stream should be",
          "High is good, and no refusal word is needed.",
          layerChart({
            ...common,
            range: [0, 2],
            lines: [{ values: values("cosmic"), colour: "d", label: "COSMIC" }],
            label: "COSMIC",
          }),
        ),
      ),
      h(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": "Candidates" },
        h(
          "table",
          { class: "numbers" },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              [
                "layer",
                "bypass",
                "still refused",
                "induce",
                "KL, nats",
                "COSMIC",
                "ruled out because",
              ].map((text, column) =>
                h("th", { scope: "col", class: column === 6 ? "words" : null }, text),
              ),
            ),
          ),
          h(
            "tbody",
            {},
            tried.map((one) =>
              h(
                "tr",
                { class: one.layer === data.choice?.layer ? "picked" : "" },
                h(
                  "th",
                  { scope: "row" },
                  `${one.layer}${one.layer === data.choice?.layer ? " ← chosen" : ""}`,
                ),
                h("td", {}, brief(one.bypass)),
                h("td", {}, `${one.refused} of ${data.split.select.positive.length}`),
                h("td", {}, brief(one.induce)),
                h("td", {}, brief(one.kl)),
                h("td", {}, brief(one.cosmic)),
                h("td", { class: "words" }, one.ruled_out || "–"),
              ),
            ),
          ),
        ),
      ),
    );
  };
  const widthNow = watchWidth(box, () => data && draw());
  return (next) => {
    data = next;
    draw();
  };
}
