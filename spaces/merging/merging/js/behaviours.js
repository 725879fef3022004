// Behaviours of parents and child as shares with their intervals, and the table of all numbers.

import { axisLabel, scaleOf, watchWidth } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { colourOf, modelLegend, shortName } from "./mergefigure.js";

const BEHAVIOURS = [
  ["refuses_cooking", "refuses cooking questions"],
  ["refuses_other", "refuses other questions"],
  ["pirate", "answers as a pirate"],
  ["concise", "answers in one sentence"],
];

/** Open the view. */
export function openBehaviours(figure, panel) {
  let data = null;
  const legend = h("div", { class: "padded-row" });
  const svg = s("svg", { class: "behaviours", role: "img" });
  const chart = h("div", { class: "chart" }, svg);
  const table = h("div", { class: "padded" });
  panel.append(legend, chart, table);
  const draw = () => {
    const { models } = data;
    const width = widthNow();
    const narrow = width < 520;
    const left = narrow ? 10 : 190;
    const line = 17;
    const head = narrow ? 20 : 8;
    const rowHigh = head + Math.max(1, models.length) * line + 10;
    const place = scaleOf(0, 1, left, width - 30);
    const high = BEHAVIOURS.length * rowHigh + 30;
    const parts = [];
    for (const tick of [0, 0.25, 0.5, 0.75, 1]) {
      parts.push(
        s("line", { class: "grid", x1: place(tick), x2: place(tick), y1: 4, y2: high - 26 }),
        axisLabel(place(tick), high - 10, "middle", `${100 * tick} %`),
      );
    }
    BEHAVIOURS.forEach(([key, label], row) => {
      const top = row * rowHigh + 4;
      parts.push(
        axisLabel(
          narrow ? left : left - 14,
          narrow ? top + 12 : top + rowHigh / 2,
          narrow ? "start" : "end",
          label,
        ),
      );
      models.forEach((model, index) => {
        const { count, of, low, high: upper } = model.shares[key];
        const y = top + head + (index + 0.6) * line;
        const colour = colourOf(models, model.name);
        parts.push(
          s(
            "g",
            { class: `share share-${colour}` },
            s(
              "title",
              {},
              `${model.name}: ${label} in ${count} of ${of}, 95 % interval ${Math.round(100 * low)} to ${Math.round(100 * upper)} %`,
            ),
            s("line", { class: "whisker", x1: place(low), x2: place(upper), y1: y, y2: y }),
            model.role === "child"
              ? s("rect", {
                  class: "dot",
                  x: place(count / of) - 5,
                  y: y - 5,
                  width: 10,
                  height: 10,
                })
              : s("circle", { class: "dot", cx: place(count / of), cy: y, r: 5 }),
          ),
        );
      });
    });
    svg.setAttribute("viewBox", `0 0 ${width} ${high}`);
    svg.setAttribute("width", width);
    svg.setAttribute("height", high);
    svg.setAttribute(
      "aria-label",
      models
        .map(
          (model) =>
            `${model.name}: ${BEHAVIOURS.map(([key, label]) => `${label} ${model.shares[key].count} of ${model.shares[key].of}`).join(", ")}`,
        )
        .join(". "),
    );
    svg.replaceChildren(...parts);
  };
  const numbers = () => {
    const { models, prompts } = data;
    const child = models.find(({ role }) => role === "child");
    const row = (label, cell) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, label),
        models.map((model) => h("td", {}, cell(model))),
      );
    table.replaceChildren(
      h(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": "Numbers" },
        h(
          "table",
          { class: "numbers" },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              h("td", {}),
              models.map((model) => h("th", { scope: "col" }, h("bdi", {}, shortName(model.name)))),
            ),
          ),
          h(
            "tbody",
            {},
            BEHAVIOURS.map(([key, label]) =>
              row(label, ({ shares }) => `${shares[key].count} of ${shares[key].of}`),
            ),
            row(
              "perplexity ± σ",
              ({ perplexity, sigma }) => `${brief(perplexity)} ± ${brief(sigma, 2)}`,
            ),
            child
              ? row("KL(model ‖ merge), nats per token", ({ name }) =>
                  child.kl[name]
                    ? `${brief(child.kl[name].mean)} ± ${brief(child.kl[name].sigma, 2)}`
                    : "–",
                )
              : null,
          ),
        ),
      ),
      h(
        "p",
        { class: "said" },
        `Greedy answers to ${prompts.cooking.length} cooking and ${prompts.other.length} other questions that no expert was trained on; whiskers are 95 % Wilson intervals. Perplexity and KL on the sample text, ${data.text.windows} windows of ${data.text.context} tokens, the second half of each scored.`,
      ),
    );
  };
  const widthNow = watchWidth(chart, () => data && draw());
  return (next) => {
    data = next;
    legend.replaceChildren(modelLegend(data.models));
    draw();
    numbers();
  };
}
