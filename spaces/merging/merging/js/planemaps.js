// One measure over the plane through three models or the line through two: the map, its marks and its keys.

import {
  axisLabel,
  heatLegend,
  pointerIn,
  scaleOf,
  valueAxis,
} from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { percentage } from "../../../../shared/js/estimates.js";
import { brief } from "../../../../shared/js/numbers.js";
import { between, gridOf } from "./grid.js";
import { weightsText } from "./measures.js";
import { shortName } from "./models.js";

/** @import { Child } from "../../../../shared/js/dom.js" */
/** @import { Between, Blend } from "./data.js" */
/** @import { Measure } from "./measures.js" */

/**
 * Draws a measure's map.
 * @callback DrawMap
 * @param {Between} data
 * @param {Measure} measure
 * @param {number[]} chosen weights of the chosen point
 * @param {(weights: number[]) => void} choose
 * @param {number} width
 * @returns {HTMLElement}
 */

const FINE = 24; // coloured cells from a corner to the next
const SNAP = 0.05; // weights that keys and clicks reach
const PLANE_LEFT = 34;
const PLANE_TOP = 24;
const PLANE_SLANT = 0.866; // height of a triangle of equal sides
const LINE_LEFT = 44;
const LINE_HEIGHT = 220;

/** The plane, as a lozenge. @type {DrawMap} */
export function planeMap(data, measure, chosen, choose, width) {
  const side = (width - 84) / 1.5;
  const high = side * PLANE_SLANT + PLANE_TOP + 34;
  /**
   * @param {number} u
   * @param {number} v
   * @returns {[number, number]}
   */
  const place = (u, v) => [
    PLANE_LEFT + (u + v / 2) * side,
    PLANE_TOP + (1 - v) * PLANE_SLANT * side,
  ];
  /** @param {readonly number[][]} corners */
  const outline = (corners) =>
    corners
      .map(([u, v]) =>
        place(u, v)
          .map((at) => at.toFixed(1))
          .join(","),
      )
      .join(" ");
  const [low, most] = rangeOf(measure, data.points);
  /** @param {number} value */
  const colour = (value) => solidHeat((value - low) / (most - low || 1));
  const grid = gridOf(data, measure);
  const patches = Array.from({ length: grid ? FINE * FINE : 0 }, (_, index) => {
    const [u, v, step] = [Math.floor(index / FINE) / FINE, (index % FINE) / FINE, 1 / FINE];
    const fill = colour(grid ? between(grid, u + step / 2, v + step / 2) : NaN);
    const points = outline([
      [u, v],
      [u + step, v],
      [u + step, v + step],
      [u, v + step],
    ]);
    return s("polygon", { class: "patch", points, style: { fill, stroke: fill } });
  });
  const square = outline([
    [0, 0],
    [1, 0],
    [1, 1],
    [0, 1],
  ]);
  const [[x1, y1], [x2, y2]] = [place(1, 0), place(0, 1)];
  const dots = data.points.map((point) => {
    const [cx, cy] = place(point.weights[0], point.weights[1]);
    const fill = colour(measure.of(point));
    return s("circle", { class: "measured", cx, cy, r: 3.2, style: { fill } });
  });
  const [origin, one, other] = namesOf(data);
  /**
   * @param {[number, number]} corner
   * @param {number} dx
   * @param {number} dy
   * @param {"start" | "end"} anchor
   * @param {string} text
   */
  const label = ([u, v], dx, dy, anchor, text) => {
    const [x, y] = place(u, v);
    return axisLabel(x + dx, y + dy, anchor, text);
  };
  return mapBox(data, measure, chosen, choose, [width, high], [low, most], {
    parts: [
      patches,
      s("polygon", { class: "outline", points: square }),
      s("line", { class: "outline dashed", x1, y1, x2, y2 }),
      dots,
      searchMarks(data, place),
      label([0, 0], -30, 20, "start", origin),
      label([1, 0], 8, 4, "start", one),
      label([0, 1], 12, -9, "end", other),
      label([1, 1], 6, -9, "end", "both in full"),
      chosenMark(place(chosen[0], chosen[1])),
    ],
    weightsAt: ({ x, y }) => {
      const v = 1 - (y - PLANE_TOP) / (PLANE_SLANT * side);
      return [(x - PLANE_LEFT) / side - v / 2, v];
    },
  });
}

/** The line, as a curve. @type {DrawMap} */
export function lineMap(data, measure, chosen, choose, width) {
  const candidates = (data.search?.candidates ?? []).filter((point) =>
    Number.isFinite(measure.of(point)),
  );
  const points = data.points.toSorted((one, other) => one.weights[0] - other.weights[0]);
  const [low, most] = rangeOf(measure, [...points, ...candidates]);
  const x = scaleOf(0, 1, LINE_LEFT, width - 16);
  const y = scaleOf(low, most, LINE_HEIGHT - 36, 14);
  /** @param {Blend} point */
  const place = (point) => ({ cx: x(point.weights[0]), cy: y(measure.of(point)) });
  /** @param {"low" | "high"} end */
  const edge = (end) =>
    points.map(({ weights, shares }) => `${x(weights[0])},${y(shares[measure.key][end])}`);
  const [origin, other] = namesOf(data);
  return mapBox(data, measure, chosen, choose, [width, LINE_HEIGHT], [low, most], {
    parts: [
      valueAxis(y, y.ticks(4), [LINE_LEFT, width - 16], writerOf(measure)),
      measure.key !== "loss" && points.length > 1
        ? s("polygon", {
            class: "ribbon",
            points: [...edge("high"), ...edge("low").toReversed()].join(" "),
          })
        : null,
      s("polyline", {
        class: "line series-a",
        points: points.map((point) => `${place(point).cx},${place(point).cy}`).join(" "),
      }),
      points.map((point) => s("circle", { class: "measured on-line", ...place(point), r: 3.5 })),
      candidates.map((point) => s("circle", { class: "candidate", ...place(point), r: 4 })),
      axisLabel(LINE_LEFT, LINE_HEIGHT - 14, "start", origin),
      axisLabel(width - 16, LINE_HEIGHT - 14, "end", other),
      s("line", {
        class: "chosen",
        x1: x(chosen[0]),
        x2: x(chosen[0]),
        y1: 8,
        y2: LINE_HEIGHT - 32,
      }),
    ],
    weightsAt: (at) => [x.invert(at.x)],
  });
}

/**
 * Lowest and highest value of a map's colours or axis.
 * @param {Measure} measure
 * @param {Blend[]} points
 */
function rangeOf(measure, points) {
  if (measure.key !== "loss") return [0, 1];
  const values = points.map(measure.of);
  return [Math.min(0, ...values), Math.max(0.01, ...values)];
}

/** @param {Measure} measure */
function writerOf({ key }) {
  return key === "loss" ? (/** @type {number} */ value) => brief(value, 2) : percentage;
}

/** @param {Between} data */
function namesOf({ models }) {
  return models.map(({ name }) => shortName(name).slice(0, 22));
}

/**
 * As `heat`, but nothing shines through: neighbouring patches may overlap.
 * @param {number} share
 */
function solidHeat(share) {
  const part = (6 + 86 * Math.max(0, Math.min(1, share))).toFixed(1);
  return `color-mix(in srgb, rgb(var(--heat)) ${part}%, var(--paper))`;
}

/** @param {[number, number]} place */
function chosenMark([x, y]) {
  return s(
    "g",
    { class: "chosen" },
    s("circle", { cx: x, cy: y, r: 7 }),
    s("line", { x1: x - 11, x2: x + 11, y1: y, y2: y }),
    s("line", { x1: x, x2: x, y1: y - 11, y2: y + 11 }),
  );
}

/**
 * Candidates of the search, paler the earlier, and the way of its mean.
 * @param {Between} data
 * @param {(u: number, v: number) => [number, number]} place
 */
function searchMarks({ search }, place) {
  if (!search) return [];
  const last = Math.max(1, ...search.candidates.map(({ generation }) => generation));
  return [
    ...search.candidates.map(({ weights: [u, v], generation }) => {
      const [cx, cy] = place(u, v);
      const opacity = String(0.3 + (0.7 * generation) / last);
      return s("circle", { class: "candidate", cx, cy, r: 4, style: { opacity } });
    }),
    s("polyline", {
      class: "way",
      points: search.means.map(([u, v]) => place(u, v).join(",")).join(" "),
    }),
  ];
}

/** Steps of u and v by key. @type {Record<string, [number, number]>} */
const PLANE_STEPS = {
  ArrowRight: [SNAP, 0],
  ArrowLeft: [-SNAP, 0],
  ArrowUp: [0, SNAP],
  ArrowDown: [0, -SNAP],
};

/**
 * A map in its box: a click or an arrow key chooses a point.
 * @param {Between} data
 * @param {Measure} measure
 * @param {number[]} chosen
 * @param {(weights: number[]) => void} choose
 * @param {[number, number]} size
 * @param {number[]} range lowest and highest value
 * @param {{parts: Child[], weightsAt: (place: {x: number, y: number}) => number[]}} map
 */
function mapBox(data, measure, chosen, choose, [width, high], [low, most], { parts, weightsAt }) {
  /** @param {number} weight */
  const snap = (weight) =>
    Number((Math.round(Math.max(0, Math.min(1, weight)) / SNAP) * SNAP).toFixed(2));
  const svg = s(
    "svg",
    {
      width,
      height: high,
      viewBox: `0 0 ${width} ${high}`,
      tabindex: 0,
      role: "application",
      "aria-label": `${measure.label}: arrow keys move the chosen merge, now ${weightsText(data, chosen)}`,
      onclick: (event) => {
        const weights = weightsAt(pointerIn(svg, event));
        if (weights.every((weight) => weight > -0.08 && weight < 1.08)) choose(weights.map(snap));
      },
      onkeydown: (event) => {
        const step = PLANE_STEPS[event.key];
        if (!step) return;
        event.preventDefault();
        choose(
          chosen.length === 1
            ? [snap(chosen[0] + step[0] + step[1])]
            : chosen.map((weight, index) => snap(weight + step[index])),
        );
      },
    },
    parts,
  );
  const write = writerOf(measure);
  return h(
    "div",
    { class: "map", "data-key": measure.key },
    h("h2", {}, measure.label),
    svg,
    chosen.length > 1 ? heatLegend(write(low), write(most), measure.unit) : null,
  );
}
