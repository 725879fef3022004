// Every measured merge as a row.

import { h } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { measuresOf } from "./explorefigure.js";
import { shortName } from "./mergefigure.js";

/** Open the view. */
export function openPoints(figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return (data) => {
    const shares = measuresOf(data).filter(({ key }) => key !== "loss");
    const rows = [
      ...data.points.map((point) => ({ ...point, kind: "grid" })),
      ...(data.search?.candidates ?? []).map((point) => ({
        ...point,
        kind: `generation ${point.generation}`,
      })),
    ];
    const head = [
      ...data.models.slice(1).map(({ name }) => `weight of ${shortName(name)}`),
      "loss, nats",
      ...shares.map(({ label }) => label),
      "where from",
      data.search ? "score" : null,
    ].filter(Boolean);
    box.replaceChildren(
      h(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": "Measured merges" },
        h(
          "table",
          { class: "numbers" },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              head.map((text) => h("th", { scope: "col" }, text)),
            ),
          ),
          h(
            "tbody",
            {},
            rows.map((row) =>
              h(
                "tr",
                {},
                row.weights.map((weight) => h("td", {}, brief(weight, 3))),
                h("td", {}, `${row.loss.toFixed(3)} ± ${brief(row.sigma, 2)}`),
                shares.map(({ key }) =>
                  h(
                    "td",
                    {},
                    row.shares[key]
                      ? `${row.shares[key].count} of ${row.shares[key].of}`
                      : row.chances[key] === undefined
                        ? "–"
                        : `log p ${brief(row.chances[key])}`,
                  ),
                ),
                h("td", {}, row.kind),
                data.search ? h("td", {}, row.score === undefined ? "–" : brief(row.score)) : null,
              ),
            ),
          ),
        ),
      ),
    );
  };
}
