// What charts share: scales, ticks, axes, the width that there is, and the colours of a map.

import { h, s } from "./dom.js";
import { brief } from "./numbers.js";

/** @import {Attributes} from "./dom.js" */

/**
 * Places of values, in pixels.
 * @typedef {((value: number) => number) & {invert: (place: number) => number, ticks: (wanted:
 *   number) => number[]}} Scale
 */

/**
 * A scale from values to places.
 * @param {number} low
 * @param {number} high
 * @param {number} from where `low` stands
 * @param {number} to where `high` stands
 * @param {boolean} [log]
 * @returns {Scale} with its inverse and with about `wanted` round values
 */
export function scaleOf(low, high, from, to, log = false) {
  const turn = log ? Math.log10 : (/** @type {number} */ value) => value;
  const [a, b] = [turn(low), turn(high)];
  const wide = b - a || 1;
  const place = (/** @type {number} */ value) => from + ((turn(value) - a) / wide) * (to - from);
  return Object.assign(place, {
    invert: (/** @type {number} */ at) => {
      const value = a + ((at - from) / (to - from)) * wide;
      return log ? 10 ** value : value;
    },
    ticks: (/** @type {number} */ wanted) =>
      log ? logTicks(low, high, wanted) : evenTicks(low, high, wanted),
  });
}

/**
 * Round values between two ends.
 * @param {number} low
 * @param {number} high
 * @param {number} wanted about how many
 * @param {boolean} [integers] whole numbers only
 */
export function evenTicks(low, high, wanted, integers = false) {
  const rough = (high - low) / Math.max(1, wanted) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const round = [1, 2, 5].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  const step = integers ? Math.max(1, Math.round(round ?? 10 * power)) : (round ?? 10 * power);
  const ticks = [];
  for (let place = Math.ceil(low / step - 1e-9); place * step <= high + step * 1e-6; place += 1)
    ticks.push(Number((place * step).toPrecision(12)));
  return ticks;
}

/**
 * 1, 2, 5 of every power of ten, or the powers alone where there are many.
 * @param {number} low
 * @param {number} high
 * @param {number} wanted
 */
export function logTicks(low, high, wanted) {
  const all = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const factor of [1, 2, 5]) all.push(Number((factor * 10 ** power).toPrecision(3)));
  }
  const within = all.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  return within.length > 1.6 * wanted
    ? within.filter((tick) => Number.isInteger(Math.round(1e9 * Math.log10(tick)) / 1e9))
    : within;
}

/**
 * The layers that get a number on an axis of `count` of them.
 * @param {number} count
 */
export function layerTicks(count) {
  const step = count > 40 ? 10 : count > 12 ? 5 : 1;
  return Array.from({ length: Math.ceil(count / step) }, (_, index) => index * step);
}

/**
 * A text of an axis.
 * @param {number} x
 * @param {number} y
 * @param {"start" | "middle" | "end"} anchor
 * @param {string | number} text
 * @param {Attributes<SVGTextElement>} [extra]
 */
export function axisLabel(x, y, anchor, text, extra = {}) {
  return s("text", { class: "axis", x, y, "text-anchor": anchor, ...extra }, text);
}

/**
 * The axis at the left: a line across the plot at each value, and the value beside it.
 * @param {(value: number) => number} y
 * @param {number[]} ticks
 * @param {[number, number]} span where the plot begins and ends
 * @param {(value: number) => string} [write]
 * @returns {SVGElement[]}
 */
export function valueAxis(y, ticks, [left, right], write = brief) {
  return ticks.flatMap((tick) => [
    gridLine(left, right, y(tick)),
    axisLabel(left - 8, y(tick) + 4, "end", write(tick)),
  ]);
}

/**
 * The axis below: each value under its place.
 * @param {(value: number) => number} x
 * @param {number[]} ticks
 * @param {number} y of the text's baseline
 * @param {(value: number) => string} [write]
 * @returns {SVGElement[]}
 */
export function baseAxis(x, ticks, y, write = brief) {
  return ticks.map((tick) => axisLabel(x(tick), y, "middle", write(tick)));
}

/**
 * A level line of the grid.
 * @param {number} left
 * @param {number} right
 * @param {number} y
 */
export function gridLine(left, right, y) {
  return s("line", { class: "grid-line", x1: left, x2: right, y1: y, y2: y });
}

/**
 * The path through points.
 * @param {readonly (readonly number[])[]} points x and y
 */
export function pathThrough(points) {
  return points
    .map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`)
    .join("");
}

/**
 * A hatching for what is not known, to stand in an SVG's `defs`.
 * @param {string} id unique in the page
 * @param {number} [pitch] pixels
 */
export function hatchPattern(id, pitch = 6) {
  const line = s("line", { class: "hatch", x1: 0.75, y1: 0, x2: 0.75, y2: pitch });
  return s(
    "pattern",
    {
      id,
      width: pitch,
      height: pitch,
      patternUnits: "userSpaceOnUse",
      patternTransform: "rotate(45)",
    },
    line,
  );
}

/**
 * Give a picture its size; it has as many units as pixels.
 * @param {SVGSVGElement} svg
 * @param {number} width
 * @param {number} height
 */
export function setSize(svg, width, height) {
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("width", String(width));
  svg.setAttribute("height", String(height));
}

/**
 * Where in a picture the pointer is, in the picture's units.
 * @param {SVGSVGElement} svg
 * @param {MouseEvent} event
 */
export function pointerIn(svg, event) {
  const box = svg.getBoundingClientRect();
  const { width, height } = svg.viewBox.baseVal;
  return {
    x: ((event.clientX - box.left) / box.width) * width,
    y: ((event.clientY - box.top) / box.height) * height,
  };
}

/**
 * Call `draw` with the width for a chart now that the element has one, and whenever it changes.
 * @param {HTMLElement} element
 * @param {(width: number) => void} draw
 * @param {number} [most]
 * @returns {() => number} the width now
 */
export function watchWidth(element, draw, most = 1090) {
  const now = () => Math.max(300, Math.min(most, Math.floor(element.clientWidth) || 640));
  let last = 0;
  new ResizeObserver(() => {
    if (!element.clientWidth || now() === last) return;
    last = now();
    draw(last);
  }).observe(element);
  return now;
}

/**
 * A colour of one hue.
 * @param {number} share 0 to 1
 */
export function heat(share) {
  return `rgb(var(--heat) / ${(0.06 + 0.86 * Math.max(0, Math.min(1, share))).toFixed(3)})`;
}

/**
 * The legend of a map of one hue.
 * @param {string | number} low
 * @param {string | number} high
 * @param {string} unit
 */
export function heatLegend(low, high, unit) {
  const steps = Array.from({ length: 12 }, (_, index) =>
    h("span", { style: { background: heat(index / 11) } }),
  );
  return h(
    "div",
    { class: "legend" },
    h("span", {}, low),
    h("span", { class: "ramp", "aria-hidden": "true" }, steps),
    h("span", {}, `${high} ${unit}`),
  );
}
