// The picture: one small plane (or line) for each measure, all with the same chosen point, and what is known
// of that point.

import { watchWidth } from "../../../../shared/js/axes.js";
import { h } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { isWithin } from "../../../../shared/js/seen.js";
import { factList } from "../../../../shared/js/tables.js";
import { between, gridOf } from "./grid.js";
import { measuresOf, pointFacts, weightsText } from "./measures.js";
import { lineMap, planeMap } from "./planemaps.js";

/** @import { Figure } from "../../../../shared/js/tabbed.js" */
/** @import { Between, Blend } from "./data.js" */

const MAP_WIDTH = 420; // pixels at most
const MAP_GAP = 14;

/**
 * Open the view.
 * @param {Figure<Between>} figure
 * @param {HTMLElement} panel
 * @returns {(data: Between) => void}
 */
export function openPlane(figure, panel) {
  /** @type {Between | null} */
  let data = null;
  /** @type {number[]} */
  let chosen = [];
  const maps = h("div", { class: "maps" });
  const readout = h("div", { class: "padded readout", "aria-live": "polite" });
  panel.append(maps, readout);
  /** @param {number[]} weights */
  const choose = (weights) => {
    chosen = weights;
    draw();
  };
  figure.hold(
    "point",
    () => (data && String(chosen) !== String(openedAt(data)) ? chosen : undefined),
    (value) => {
      const fits = Array.isArray(value) && value.length === chosen.length;
      if (!fits || !value.every((weight) => isWithin(weight, -10, 10))) return false;
      choose(value);
      return true;
    },
  );
  const draw = () => {
    if (!data) return;
    const explore = data;
    const measures = measuresOf(explore);
    const width = widthNow();
    const columns = Math.max(1, Math.min(measures.length, Math.floor(width / 250)));
    const each = Math.floor((width - MAP_GAP * (columns - 1)) / columns);
    const drawMap = explore.models.length === 2 ? lineMap : planeMap;
    const focus = /** @type {HTMLElement | null | undefined} */ (
      document.activeElement?.closest(".map")
    )?.dataset.key;
    maps.style.setProperty("grid-template-columns", `repeat(${columns}, minmax(0, 1fr))`);
    maps.replaceChildren(
      ...measures.map((measure) =>
        drawMap(explore, measure, chosen, choose, Math.min(each, MAP_WIDTH)),
      ),
    );
    /** @type {SVGElement | null} */ (maps.querySelector(`.map[data-key="${focus}"] svg`))?.focus();
    readout.replaceChildren(...readoutParts(figure, explore, chosen));
  };
  const widthNow = watchWidth(maps, draw);
  return (next) => {
    const same = data && JSON.stringify(data.request) === JSON.stringify(next.request);
    // A search measures no grid: the one that was measured before stays below it.
    if (same && data && next.search && !next.points.length) next.points = data.points;
    if (!same || next.search?.best) chosen = openedAt(next);
    data = next;
    draw();
  };
}

/**
 * The point that is chosen at first: the search's best, or a measured one.
 * @param {Between} data
 */
function openedAt(data) {
  return data.search?.best?.weights ?? startOf(data);
}

/**
 * The measured point that shows all behaviours best for its loss, as a place to begin.
 * @param {Between} data
 */
function startOf({ points, models }) {
  /** @param {Blend} point */
  const worth = ({ shares, loss }) => {
    const rates = Object.entries(shares)
      .filter(([name]) => name !== "refuses_other")
      .map(([, { count, of }]) => count / of);
    const product = rates.reduce((sofar, rate) => sofar * rate, 1);
    return product ** (1 / Math.max(1, rates.length)) - loss;
  };
  return (
    points.toSorted((one, other) => worth(other) - worth(one)).at(0)?.weights ??
    models.slice(1).map(() => 0.5)
  );
}

/**
 * What is known of the chosen point, and the way to merge it.
 * @param {Figure<Between>} figure
 * @param {Between} data
 * @param {number[]} chosen
 */
function readoutParts({ host }, data, chosen) {
  const { models, points, search } = data;
  const [origin, ...others] = models.map(({ name }) => name);
  const exact = [...(search?.candidates ?? []), ...points].find(({ weights }) =>
    weights.every((weight, index) => Math.abs(weight - chosen[index]) < 1e-9),
  );
  /** @type {HTMLElement[]} */
  const parts = [h("h2", {}, `The chosen merge: ${weightsText(data, chosen)}`)];
  if (exact) parts.push(pointFacts(exact));
  else if (others.length === 2) parts.push(estimates(data, chosen));
  else parts.push(h("p", { class: "said" }, "Between measured points."));
  if (search?.best && search.held_out)
    parts.push(
      h(
        "p",
        {},
        h("b", {}, "The search's best: "),
        `${weightsText(data, search.best.weights)}, score ${brief(search.best.score)} on the fit prompts `,
        `and ${brief(search.held_out.score)} on the held-out ones.`,
      ),
      h("p", { class: "said" }, "Measured on held-out prompts:"),
      pointFacts(search.held_out),
    );
  if (!host.exported)
    parts.push(
      h(
        "button",
        {
          type: "button",
          class: "merge-point",
          onclick: () => host.emit("chosen", { origin, others, weights: chosen }),
        },
        "Put this merge into the recipe",
      ),
    );
  parts.push(
    h(
      "p",
      { class: "said" },
      others.length === 2
        ? "Dots and crosses are measured merges; the colour between dots is interpolated. The dashed line " +
            "joins the two fine-tunes: below it the three models' weights are a mixture, above it the task " +
            "vectors add up to more than one."
        : "Dots are measured; a weight of 0 is the first model, 1 the second. Ribbons are 95 % intervals.",
    ),
  );
  return parts;
}

/**
 * What a point between measured ones is likely to show.
 * @param {Between} data
 * @param {number[]} weights
 */
function estimates(data, [u, v]) {
  return factList(
    measuresOf(data).flatMap((measure) => {
      const grid = gridOf(data, measure);
      if (!grid || u > 1 || v > 1) return [];
      const value = measure.write(between(grid, u, v));
      return [[measure.label, `about ${value}, between measured points`]];
    }),
  );
}
