// A parameter as curves over the layers, for attention and MLP apart: drag the points, or move them with
// arrow keys.

import { axisLabel, gridLine, pointerIn } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";

/**
 * A parameter over the layers: points of attention and MLP, and the value of all other tensors.
 * @typedef {{self_attn: number[], mlp: number[], rest: number | number[]}} Curve
 */

/** @typedef {"self_attn" | "mlp"} CurvePart */
/** @typedef {{filter?: string | null, value: number | number[]}} FilteredValue mergekit's own form */

const CURVE_WIDTH = 300;
const CURVE_HEIGHT = 110;
const CURVE_SIDE = 16;
/** @type {[CurvePart, string][]} */
const CURVE_PARTS = [
  ["self_attn", "attention"],
  ["mlp", "MLP"],
];

/**
 * Whether a setting is one that the curves can show: numbers, for all tensors or for attention and MLP.
 * @param {unknown} setting
 * @returns {setting is number[] | FilteredValue[]}
 */
export function isCurve(setting) {
  if (!Array.isArray(setting) || setting.length === 0) return false;
  if (setting.every((item) => typeof item === "number")) return true;
  return setting.every(
    (item) =>
      item &&
      typeof item === "object" &&
      ["self_attn", "mlp", undefined, null].includes(item.filter) &&
      (typeof item.value === "number" ||
        (Array.isArray(item.value) &&
          item.value.length > 0 &&
          item.value.every((/** @type {unknown} */ value) => typeof value === "number"))),
  );
}

/**
 * A setting as curves.
 * @param {number[] | FilteredValue[]} setting
 * @returns {Curve}
 */
export function curveOf(setting) {
  const numbers = setting.filter((item) => typeof item === "number");
  if (numbers.length) return { self_attn: [...numbers], mlp: [...numbers], rest: numbers[0] };
  const values = new Map(
    setting
      .filter((item) => typeof item !== "number")
      .toReversed() // the first of a kind counts
      .map(({ filter, value }) => [filter ?? null, value]),
  );
  const rest = values.get(null) ?? 1;
  /** @param {CurvePart} part */
  const points = (part) => {
    const value = values.get(part) ?? rest;
    return Array.isArray(value) ? [...value] : [value, value];
  };
  return { self_attn: points("self_attn"), mlp: points("mlp"), rest };
}

/**
 * Curves as a setting of the recipe.
 * @param {Curve} curve
 * @returns {FilteredValue[]}
 */
function settingOf(curve) {
  return [
    { filter: "self_attn", value: curve.self_attn },
    { filter: "mlp", value: curve.mlp },
    { value: curve.rest },
  ];
}

/**
 * Draw the curves.
 * @param {string} name of the parameter
 * @param {Curve} curve changed in place
 * @param {(setting: FilteredValue[]) => void} changed when a drag ends or a key is pressed
 */
export function drawCurve(name, curve, changed) {
  const numbers = [...curve.self_attn, ...curve.mlp];
  const top = Math.max(1, ...numbers);
  const low = Math.min(0, ...numbers);
  const slope = (CURVE_HEIGHT - 32) / (top - low);
  /**
   * @param {number} place
   * @param {number} count
   */
  const x = (place, count) =>
    CURVE_SIDE + (place / Math.max(1, count - 1)) * (CURVE_WIDTH - 2 * CURVE_SIDE);
  /** @param {number} value */
  const y = (value) => 10 + (top - value) * slope;
  const svg = s("svg", {
    class: "curve",
    viewBox: `0 0 ${CURVE_WIDTH} ${CURVE_HEIGHT}`,
    role: "group",
    "aria-label": `${name} over the layers`,
  });
  const draw = () => {
    const focus = /** @type {SVGElement | null} */ (document.activeElement)?.dataset.point;
    svg.replaceChildren(
      ...[low, top].flatMap((level) => [
        gridLine(CURVE_SIDE, CURVE_WIDTH - CURVE_SIDE, y(level)),
        axisLabel(13, y(level) + 4, "end", level),
      ]),
      ...CURVE_PARTS.map(([part], index) =>
        s("polyline", {
          class: `line series-${"ab"[index]}`,
          points: curve[part]
            .map((value, place) => `${x(place, curve[part].length)},${y(value)}`)
            .join(" "),
        }),
      ),
      ...CURVE_PARTS.flatMap(([part, label], index) =>
        curve[part].map((value, place) => point(part, label, index, place, value)),
      ),
      axisLabel(CURVE_SIDE, CURVE_HEIGHT - 3, "start", "first layer"),
      axisLabel(CURVE_WIDTH - CURVE_SIDE, CURVE_HEIGHT - 3, "end", "last layer"),
    );
    /** @type {SVGElement | null} */ (svg.querySelector(`[data-point="${focus}"]`))?.focus();
  };
  /**
   * @param {CurvePart} part
   * @param {number} place
   * @param {number} value
   */
  const move = (part, place, value) => {
    curve[part][place] = Math.round(100 * Math.max(low, Math.min(top, value))) / 100;
    draw();
  };
  /**
   * @param {CurvePart} part
   * @param {string} label
   * @param {number} index of the part
   * @param {number} place
   * @param {number} value
   */
  const point = (part, label, index, place, value) => {
    const common = {
      class: `point series-${"ab"[index]}`,
      tabindex: 0,
      role: "slider",
      "data-point": `${part}-${place}`,
      "aria-label": `${name}, ${label}, point ${place + 1} of ${curve[part].length}`,
      "aria-valuemin": low,
      "aria-valuemax": top,
      "aria-valuenow": value,
      onpointerdown: (/** @type {PointerEvent} */ press) => {
        press.preventDefault();
        const drag = (/** @type {PointerEvent} */ event) =>
          move(part, place, top - (pointerIn(svg, event).y - 10) / slope);
        const end = () => {
          window.removeEventListener("pointermove", drag);
          changed(settingOf(curve));
        };
        window.addEventListener("pointermove", drag);
        window.addEventListener("pointerup", end, { once: true });
      },
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        const step = CURVE_STEPS[event.key];
        if (!step) return;
        event.preventDefault();
        move(part, place, curve[part][place] + step * (top - low));
        changed(settingOf(curve));
      },
    };
    const [cx, cy] = [x(place, curve[part].length), y(value)];
    return index === 0
      ? s("circle", { ...common, cx, cy, r: 6 })
      : s("rect", { ...common, x: cx - 5.5, y: cy - 5.5, width: 11, height: 11 });
  };
  draw();
  const key = h(
    "div",
    { class: "curve-key" },
    h("span", { class: "swatch series-a" }),
    " attention ",
    h("span", { class: "swatch series-b" }),
    ` MLP; all else ${curve.rest}`,
  );
  return h("div", {}, svg, key);
}

/** What a key adds to a point, as a share of the axis. @type {Record<string, number>} */
const CURVE_STEPS = { ArrowUp: 0.05, ArrowDown: -0.05, PageUp: 0.25, PageDown: -0.25 };
