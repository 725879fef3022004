// What charts share: scales, ticks, axes, the width that there is, and the colours of a map.

import { h, s } from "./dom.js";

/**
 * A scale from values to places.
 * @param {number} low
 * @param {number} high
 * @param {number} from
 * @param {number} to
 * @param {boolean} [log]
 */
export function scaleOf(low, high, from, to, log = false) {
  const turn = log ? Math.log10 : (value) => value;
  const [a, b] = [turn(low), turn(high)];
  const wide = b - a || 1;
  const place = (value) => from + ((turn(value) - a) / wide) * (to - from);
  place.invert = (at) => {
    const value = a + ((at - from) / (to - from)) * wide;
    return log ? 10 ** value : value;
  };
  place.ticks = (wanted) => (log ? logTicks(low, high, wanted) : evenTicks(low, high, wanted));
  return place;
}

/** Round values between two ends. */
export function evenTicks(low, high, wanted) {
  const rough = (high - low) / Math.max(1, wanted) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  const ticks = [];
  for (let place = Math.ceil(low / step - 1e-9); place * step <= high + step * 1e-6; place += 1)
    ticks.push(Number((place * step).toPrecision(12)));
  return ticks;
}

/** 1, 2, 5 of every power of ten, or the powers alone where there are many. */
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

/** A text of an axis. */
export function axisLabel(x, y, anchor, text, extra = {}) {
  return s("text", { class: "axis", x, y, "text-anchor": anchor, ...extra }, text);
}

/** Call `draw(width)` now that the element has a width, and whenever it changes. */
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

/** A colour of one hue for a share from 0 to 1. */
export function heat(share) {
  return `rgb(var(--heat) / ${(0.06 + 0.86 * Math.max(0, Math.min(1, share))).toFixed(3)})`;
}

/** The legend of a map of one hue. */
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
