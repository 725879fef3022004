// The two sets at one layer: along its direction, and in the plane of their principal components.

import { baseAxis, scaleOf } from "../../../../shared/js/axes.js";
import { s } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { picture } from "./charts.js";

/** @import { Plane, Projections } from "./data.js" */

/**
 * Both sets' projections as dots on two lines, and their means.
 * @param {Projections} projections
 * @param {number} width
 */
export function projectionChart({ positive, negative }, width) {
  const height = 110;
  const all = [...positive, ...negative];
  const x = scaleOf(Math.min(...all), Math.max(...all), 16, width - 16);
  /**
   * @param {number[]} values
   * @param {number} y
   * @param {string} colour
   */
  const line = (values, y, colour) => {
    const mean = x(meanOf(values));
    return [
      values.map((value) => s("circle", { class: `dot-${colour}`, cx: x(value), cy: y, r: 4.5 })),
      s("line", { class: `mean-${colour}`, x1: mean, x2: mean, y1: y - 16, y2: y + 16 }),
    ];
  };
  const means = [positive, negative].map((values) => brief(meanOf(values)));
  return picture(
    width,
    height,
    { "aria-label": `Projections: positive mean ${means[0]}, negative mean ${means[1]}` },
    line(positive, 26, "b"),
    line(negative, 64, "a"),
    baseAxis(x, x.ticks(5), height - 8, (value) => brief(value, 2)),
  );
}

/** @param {number[]} values */
function meanOf(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * Both sets in the plane.
 * @param {Plane} plane
 * @param {number} width
 */
export function scatterChart({ positive, negative }, width) {
  const height = 200;
  const all = [...positive, ...negative];
  const [across, up] = [all.map(([value]) => value), all.map(([, value]) => value)];
  const x = scaleOf(Math.min(...across), Math.max(...across), 14, width - 14);
  const y = scaleOf(Math.min(...up), Math.max(...up), height - 14, 14);
  return picture(
    width,
    height,
    {
      "aria-label":
        `${positive.length} positive and ${negative.length} negative prompts in the plane of the first ` +
        "two principal components",
    },
    negative.map(([one, other]) =>
      s("circle", { class: "dot-a", cx: x(one), cy: y(other), r: 4.5 }),
    ),
    positive.map(([one, other]) =>
      s("rect", { class: "dot-b", x: x(one) - 4, y: y(other) - 4, width: 8, height: 8 }),
    ),
  );
}
