// A parameter as curves over the layers, for attention and MLP apart: drag the points, or move them with arrow keys.

import { h, s } from "../../../../shared/js/dom.js";

const CURVE_WIDE = 300;
const CURVE_HIGH = 110;
const PARTS = [
  ["self_attn", "attention"],
  ["mlp", "MLP"],
];

/** Whether a setting is one that the curves can show: lists of numbers, for all tensors or for attention and MLP. */
export function isCurve(value) {
  if (!Array.isArray(value) || value.length === 0) return false;
  if (value.every((item) => typeof item === "number")) return true;
  return value.every(
    (item) =>
      item &&
      typeof item === "object" &&
      ["self_attn", "mlp", undefined, null].includes(item.filter) &&
      (typeof item.value === "number" ||
        (Array.isArray(item.value) &&
          item.value.length > 0 &&
          item.value.every((number) => typeof number === "number"))),
  );
}

/** A setting as curves: points of attention and MLP, and the value of all other tensors. */
export function curveOf(value) {
  const list = (item) => (Array.isArray(item) ? [...item] : [item, item]);
  if (value.every((item) => typeof item === "number"))
    return { self_attn: list(value), mlp: list(value), rest: value[0] };
  const found = (filter) => value.find((item) => (item.filter ?? null) === filter)?.value;
  const rest = found(null) ?? 1;
  return { self_attn: list(found("self_attn") ?? rest), mlp: list(found("mlp") ?? rest), rest };
}

/** Curves as a setting of the recipe. */
export function settingOf(curve) {
  return [
    { filter: "self_attn", value: curve.self_attn },
    { filter: "mlp", value: curve.mlp },
    { value: curve.rest },
  ];
}

/**
 * Draw the curves.
 * @param {{name: string}} parameter
 * @param {{self_attn: number[], mlp: number[], rest: number}} curve changed in place
 * @param {(setting: Object[]) => void} changed when a drag ends or a key is pressed
 */
export function drawCurve(parameter, curve, changed) {
  const numbers = [...curve.self_attn, ...curve.mlp];
  const top = Math.max(1, ...numbers);
  const low = Math.min(0, ...numbers);
  const x = (index, count) => 16 + (index / Math.max(1, count - 1)) * (CURVE_WIDE - 32);
  const y = (value) => 10 + ((top - value) / (top - low)) * (CURVE_HIGH - 32);
  const svg = s("svg", {
    class: "curve",
    viewBox: `0 0 ${CURVE_WIDE} ${CURVE_HIGH}`,
    role: "group",
    "aria-label": `${parameter.name} over the layers`,
  });
  const draw = () => {
    const kept = document.activeElement?.dataset?.point;
    svg.replaceChildren(
      ...[low, top].flatMap((level) => [
        s("line", { class: "grid", x1: 16, x2: CURVE_WIDE - 16, y1: y(level), y2: y(level) }),
        s("text", { class: "axis", x: 13, y: y(level) + 4, "text-anchor": "end" }, level),
      ]),
      ...PARTS.map(([filter], index) =>
        s("polyline", {
          class: `line line-${"ab"[index]}`,
          points: curve[filter]
            .map((value, at) => `${x(at, curve[filter].length)},${y(value)}`)
            .join(" "),
        }),
      ),
      ...PARTS.flatMap(([filter, label], index) =>
        curve[filter].map((value, at) => point(filter, label, index, at, value)),
      ),
      s("text", { class: "axis", x: 16, y: CURVE_HIGH - 3, "text-anchor": "start" }, "first layer"),
      s(
        "text",
        { class: "axis", x: CURVE_WIDE - 16, y: CURVE_HIGH - 3, "text-anchor": "end" },
        "last layer",
      ),
    );
    if (kept) svg.querySelector(`[data-point="${kept}"]`)?.focus();
  };
  const move = (filter, at, value) => {
    curve[filter][at] = Math.round(100 * Math.max(low, Math.min(top, value))) / 100;
    draw();
  };
  const point = (filter, label, index, at, value) => {
    const common = {
      class: `point point-${"ab"[index]}`,
      tabindex: 0,
      role: "slider",
      "data-point": `${filter}-${at}`,
      "aria-label": `${parameter.name}, ${label}, point ${at + 1} of ${curve[filter].length}`,
      "aria-valuemin": low,
      "aria-valuemax": top,
      "aria-valuenow": value,
      onpointerdown: (event) => {
        event.preventDefault();
        const drag = (next) => {
          const box = svg.getBoundingClientRect();
          const inside = ((next.clientY - box.top) / box.height) * CURVE_HIGH;
          move(filter, at, top - ((inside - 10) / (CURVE_HIGH - 32)) * (top - low));
        };
        const end = () => {
          window.removeEventListener("pointermove", drag);
          changed(settingOf(curve));
        };
        window.addEventListener("pointermove", drag);
        window.addEventListener("pointerup", end, { once: true });
      },
      onkeydown: (event) => {
        const step = { ArrowUp: 0.05, ArrowDown: -0.05, PageUp: 0.25, PageDown: -0.25 }[event.key];
        if (!step) return;
        event.preventDefault();
        move(filter, at, curve[filter][at] + step * (top - low));
        changed(settingOf(curve));
      },
    };
    const [cx, cy] = [x(at, curve[filter].length), y(value)];
    return index === 0
      ? s("circle", { ...common, cx, cy, r: 6 })
      : s("rect", { ...common, x: cx - 5.5, y: cy - 5.5, width: 11, height: 11 });
  };
  draw();
  const key = h(
    "div",
    { class: "curve-key" },
    h("span", { class: "swatch swatch-a round" }),
    " attention ",
    h("span", { class: "swatch swatch-b" }),
    ` MLP; all else ${curve.rest}`,
  );
  return h("div", {}, svg, key);
}
