// Every measured merge as a row.

import { h } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { scrollTable } from "../../../../shared/js/tables.js";
import { measuresOf } from "./measures.js";
import { shortName } from "./models.js";

/** @import { Between, Blend } from "./data.js" */

/**
 * Open the view.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Between) => void}
 */
export function openPoints(_figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return (data) => {
    const behaviours = measuresOf(data).filter(({ key }) => key !== "loss");
    const rows = [
      ...data.points.map((point) => ({ point, origin: "grid", score: null })),
      ...(data.search?.candidates ?? []).map((point) => ({
        point,
        origin: `generation ${point.generation}`,
        score: point.score,
      })),
    ];
    const head = [
      ...data.models.slice(1).map(({ name }) => `weight of ${shortName(name)}`),
      "loss, nats",
      ...behaviours.map(({ label }) => label),
      "where from",
      ...(data.search ? ["score"] : []),
    ];
    box.replaceChildren(
      scrollTable(
        "Measured merges",
        head,
        rows.map(({ point, origin, score }) =>
          h(
            "tr",
            {},
            point.weights.map((weight) => h("td", {}, brief(weight, 3))),
            h("td", {}, `${point.loss.toFixed(3)} ± ${brief(point.sigma, 2)}`),
            behaviours.map(({ key }) => h("td", {}, behaviourCell(point, key))),
            h("td", {}, origin),
            data.search ? h("td", {}, brief(score)) : null,
          ),
        ),
      ),
    );
  };
}

/**
 * @param {Blend} point
 * @param {string} key
 */
function behaviourCell({ shares, chances }, key) {
  if (key in shares) return `${shares[key].count} of ${shares[key].of}`;
  return key in chances ? `log p ${brief(chances[key])}` : "–";
}
