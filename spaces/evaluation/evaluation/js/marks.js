// The models' marks: a shape, a dash and a colour each, so that no colour stands alone.

import { h, s } from "../../../../shared/js/dom.js";

/**
 * A model's mark around a place.
 * @param {number} model
 * @param {number} x
 * @param {number} y
 * @param {number} [size] half its width
 * @returns {SVGElement}
 */
export function mark(model, x, y, size = 4.5) {
  const kind = `eval-mark series-${model}`;
  if (model === 0) return s("circle", { class: kind, cx: x, cy: y, r: size });
  const points =
    model === 1
      ? [-1, -1, 1, -1, 1, 1, -1, 1]
      : model === 2
        ? [0, -1.25, 1.2, 1, -1.2, 1]
        : [0, -1.35, 1.35, 0, 0, 1.35, -1.35, 0];
  const size_ = model === 1 ? 0.88 * size : size;
  const path = points.map((value, at) => (at % 2 ? y : x) + value * size_);
  return s("polygon", { class: kind, points: path.map((value) => value.toFixed(1)).join(" ") });
}

/**
 * A model's mark with its name.
 * @param {number} model
 * @param {string} name
 */
export function sample(model, name) {
  return h(
    "span",
    { class: "run-label" },
    s("svg", { width: 13, height: 13, "aria-hidden": "true" }, mark(model, 6.5, 6.5)),
    h("bdi", {}, name),
  );
}

/**
 * An interval with the value in it.
 * @param {number} model
 * @param {{low: number, high: number, at: number, y: number}} places in pixels
 * @param {string} words
 * @returns {SVGElement}
 */
export function whisker(model, { low, high, at, y }, words) {
  return s(
    "g",
    { class: `series-${model}` },
    s("title", {}, words),
    s("line", { class: `eval-whisker eval-dash-${model}`, x1: low, x2: high, y1: y, y2: y }),
    ...[low, high].map((x) =>
      s("line", { class: "eval-whisker", x1: x, x2: x, y1: y - 3, y2: y + 3 }),
    ),
    mark(model, at, y),
  );
}

/**
 * A share of the items as points.
 * @param {number} share
 */
export function asPoints(share) {
  const value = Math.round(1000 * share) / 10;
  return `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value)}`;
}
