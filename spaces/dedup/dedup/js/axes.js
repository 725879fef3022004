// What the charts share: round ticks, paths, and the width that a chart has.

import { s } from "../../../../shared/js/dom.js";

/**
 * Round values between two ends.
 * @param {number} low
 * @param {number} high
 * @param {number} wanted about how many
 * @param {boolean} [whole] whole numbers only
 * @returns {number[]}
 */
export function roundTicks(low, high, wanted, whole = false) {
  const rough = (high - low) / Math.max(1, wanted) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  if (whole) step = Math.max(1, Math.round(step));
  const ticks = [];
  for (let place = Math.ceil(low / step - 1e-9); place * step <= high + step * 1e-6; place += 1)
    ticks.push(Number((place * step).toPrecision(12)));
  return ticks;
}

/** The path through points. */
export function pathThrough(points) {
  return points
    .map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`)
    .join("");
}

/** A label of an axis. */
export function axisText(x, y, anchor, text) {
  return s("text", { class: "axis", x, y, "text-anchor": anchor }, text);
}

/** A hatching for what is not known, to stand in an SVG's `defs`. */
export function hatchPattern(id) {
  const line = s("line", { class: "hatch", x1: 0.75, y1: 0, x2: 0.75, y2: 6 });
  return s(
    "pattern",
    { id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    line,
  );
}

/**
 * Call `draw` with the width for a chart now and whenever the element's width changes.
 * @param {HTMLElement} element
 * @param {(width: number) => void} draw
 * @param {number} [most]
 * @returns {() => number} the width now
 */
export function followWidth(element, draw, most = 1090) {
  const widthNow = () => Math.max(300, Math.min(most, Math.floor(element.clientWidth) || 640));
  let last = 0;
  new ResizeObserver(() => {
    if (!element.clientWidth || widthNow() === last) return;
    last = widthNow();
    draw(last);
  }).observe(element);
  return widthNow;
}

/** A whole number with its thousands parted. */
export function whole(value) {
  return value === null || value === undefined ? "–" : value.toLocaleString("en-GB");
}

/** "1 row", "2 rows". */
export function plural(count, one, many = `${one}s`) {
  return `${whole(count)} ${count === 1 ? one : many}`;
}
