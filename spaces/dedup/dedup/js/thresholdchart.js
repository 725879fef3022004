// Kept rows, pairs and the pairs' similarities over the threshold, with a line to drag.

import {
  axisLabel,
  baseAxis,
  evenTicks,
  gridLine,
  hatchPattern,
  pathThrough,
  pointerIn,
  scaleOf,
  setSize,
  valueAxis,
  watchWidth,
} from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { number, plural, whole } from "../../../../shared/js/numbers.js";

/** @import {CurvePoint} from "./data.js" */

const LEFT = 58;
const RIGHT = 16;
const KEPT = { top: 44, height: 150 };
const PAIRS = { top: 232, height: 64 };
const STRIP = { top: 334, height: 52 };
const BOTTOM = STRIP.top + STRIP.height;
const BIN = 1; // hundredths: as fine as the line's steps, so that no bar lies on both sides

/**
 * @typedef {Object} ThresholdModel
 * @property {CurvePoint[]} curve
 * @property {number} floor
 * @property {number} asked the threshold of the request
 * @property {number} at where the line stands
 * @property {number} kept rows, there
 * @property {number} pairs there
 *
 * @typedef {typeof KEPT} Panel
 *
 * @typedef {ReturnType<typeof scalesOf>} Scales
 */

/**
 * @param {HTMLElement} element
 * @param {string} id unique in the page
 * @param {(threshold: number) => void} onMove
 */
export function openThresholdChart(element, id, onMove) {
  const svg = s("svg", { class: "picture threshold-chart", role: "img" });
  const frame = h("div", { class: "chart" }, svg);
  element.append(frame);
  /** @type {ThresholdModel | null} */
  let model = null;
  /** @type {Scales | null} */
  let scales = null;
  const line = s("g", { class: "cut", "aria-hidden": "true" });
  const redraw = () => {
    if (!model) return;
    scales = scalesOf(model, widthNow());
    setSize(svg, scales.width, BOTTOM + 38);
    svg.replaceChildren(
      s("defs", {}, hatchPattern(`${id}-hatch`)),
      ...drawGround(model, scales, `url(#${id}-hatch)`),
      ...drawSeries(model, scales),
      line,
    );
    moveLine(model, scales);
  };
  const moveLine = (/** @type {ThresholdModel} */ now, /** @type {Scales} */ places) => {
    svg.setAttribute(
      "aria-label",
      `At ${number(now.at)}: ${plural(now.kept, "row")} kept, ${plural(now.pairs, "pair")}. ` +
        "Kept rows, pairs and the pairs’ similarities against the threshold.",
    );
    line.replaceChildren(...drawLine(now, places));
    for (const bar of svg.querySelectorAll("[data-from]"))
      bar.classList.toggle("counted", Number(bar.getAttribute("data-from")) >= now.at - 1e-9);
  };
  const widthNow = watchWidth(frame, redraw);
  const moveTo = (/** @type {PointerEvent} */ event) => {
    if (!model || !scales) return;
    const wanted = scales.x.invert(pointerIn(svg, event).x);
    onMove(Math.round(100 * Math.min(1, Math.max(model.floor, wanted))) / 100);
  };
  let dragging = false;
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    dragging = true;
    svg.setPointerCapture(event.pointerId);
    moveTo(event);
    event.preventDefault();
  });
  svg.addEventListener("pointermove", (event) => dragging && moveTo(event));
  for (const end of ["pointerup", "pointercancel"])
    svg.addEventListener(end, () => (dragging = false));
  let drawn = "";
  return {
    /** @param {ThresholdModel} next */
    update(next) {
      const wanted = JSON.stringify([next.curve, next.floor, next.asked]);
      model = next;
      if (!scales || wanted !== drawn || scales.width !== widthNow()) redraw();
      else moveLine(model, scales);
      drawn = wanted;
    },
    /** Where the plot begins and ends, for a slider below it. */
    insets: [LEFT, RIGHT],
  };
}

/**
 * @param {ThresholdModel} model
 * @param {number} width
 */
function scalesOf({ curve, floor }, width) {
  const low = Math.max(0, Math.round(100 * floor - 10) / 100);
  const kept = curve.map((point) => point[1]);
  const [least, most] = [Math.min(...kept), Math.max(...kept)];
  const flat = least === most ? 1 : 0;
  const rough = evenTicks(least - flat, most + flat, 4, true);
  const step = rough.length > 1 ? rough[1] - rough[0] : 1;
  const bottom = Math.max(0, Math.floor(least / step) * step);
  const top = Math.max(Math.ceil(most / step) * step, bottom + 1);
  const mostPairs = Math.max(1, ...curve.map((point) => point[2]));
  const bins = binsOf(curve, floor);
  const mostInBin = Math.max(1, ...bins.map((bin) => bin.count));
  /**
   * @param {Panel} panel
   * @param {number} from
   * @param {number} to
   */
  const up = (panel, from, to) => scaleOf(from, to, panel.top + panel.height, panel.top);
  return {
    width,
    low,
    bins,
    mostPairs,
    mostInBin,
    keptTicks: evenTicks(bottom, top, 4, true),
    x: scaleOf(low, 1, LEFT, width - RIGHT),
    yKept: up(KEPT, bottom, top),
    yPairs: up(PAIRS, 0, mostPairs),
    yBin: up(STRIP, 0, mostInBin),
  };
}

/**
 * How many pairs lie in each stretch of similarity: differences of the curve, which counts all
 * pairs, sent or not.
 * @param {CurvePoint[]} curve
 * @param {number} floor
 */
function binsOf(curve, floor) {
  const pairsAt = new Map(
    curve.map(([threshold, , pairs]) => [Math.round(100 * threshold), pairs]),
  );
  const bins = [];
  for (let from = Math.round(100 * floor); from < 100; from += BIN) {
    const to = from + BIN;
    const beyond = to === 100 ? 0 : (pairsAt.get(to) ?? 0);
    bins.push({ from: from / 100, to: to / 100, count: (pairsAt.get(from) ?? 0) - beyond });
  }
  return bins;
}

/**
 * @param {ThresholdModel} model
 * @param {Scales} scales
 * @param {string} hatch for thresholds below the floor
 */
function drawGround(model, scales, hatch) {
  const { x, width, low } = scales;
  const right = width - RIGHT;
  const unknown = (/** @type {Panel} */ panel) =>
    s("rect", {
      class: "unknown",
      x: LEFT,
      y: panel.top,
      width: Math.max(0, x(model.floor) - LEFT),
      height: panel.height,
      fill: hatch,
    });
  const narrow = width < 520;
  const tenths = (/** @type {number} */ value) =>
    number(value, value * 10 === Math.round(value * 10) ? 1 : 2);
  const parts = [
    ...valueAxis(scales.yKept, scales.keptTicks, [LEFT, right], whole),
    ...drawFoot(PAIRS, scales.mostPairs, right),
    ...drawFoot(STRIP, scales.mostInBin, right),
    ...baseAxis(x, evenTicks(low, 1, width < 480 ? 4 : 8), BOTTOM + 16, tenths),
    axisLabel(right, BOTTOM + 32, "end", narrow ? "threshold" : "threshold (similarity)"),
  ];
  if (model.floor <= low) return parts;
  const words = narrow
    ? "hatched: not looked for"
    : `hatched: pairs below ${number(model.floor)}, not looked for`;
  return [
    ...[KEPT, PAIRS, STRIP].map(unknown),
    ...parts,
    axisLabel(LEFT, BOTTOM + 32, "start", words),
  ];
}

/**
 * The foot of a small panel, and its two ends.
 * @param {Panel} panel
 * @param {number} most
 * @param {number} right
 */
function drawFoot({ top, height }, most, right) {
  return [
    gridLine(LEFT, right, top + height),
    axisLabel(LEFT - 8, top + 8, "end", whole(most)),
    axisLabel(LEFT - 8, top + height + 1, "end", "0"),
  ];
}

/**
 * @param {ThresholdModel} model
 * @param {Scales} scales
 */
function drawSeries(model, scales) {
  const { x, yKept, yPairs, yBin } = scales;
  const title = (
    /** @type {Panel} */ panel,
    /** @type {string} */ name,
    /** @type {string} */ text,
  ) => s("text", { class: `series-name ${name}`, x: LEFT, y: panel.top - 9 }, text);
  const bars = scales.bins.map(({ from, to, count }) =>
    s("rect", {
      class: "bar",
      "data-from": from,
      x: x(from) + 0.5,
      width: Math.max(0.5, x(to) - x(from) - 1),
      y: yBin(count),
      height: Math.max(0, yBin(0) - yBin(count)),
    }),
  );
  return [
    s("path", {
      class: "stroke kept-line",
      d: pathThrough(model.curve.map(([threshold, kept]) => [x(threshold), yKept(kept)])),
    }),
    s("path", {
      class: "stroke pairs-line",
      d: pathThrough(model.curve.map(([threshold, , pairs]) => [x(threshold), yPairs(pairs)])),
    }),
    ...bars,
    title(KEPT, "kept-name", "rows kept"),
    title(PAIRS, "pairs-name", "pairs at or above the threshold"),
    title(STRIP, "", "verified pairs by similarity"),
  ];
}

/**
 * @param {ThresholdModel} model
 * @param {Scales} scales
 */
function drawLine(model, scales) {
  const { x, yKept, yPairs, width } = scales;
  const at = x(model.at);
  const left = at > width - 110; // where the labels stand
  const label = (/** @type {number} */ y, /** @type {string} */ text) =>
    s(
      "text",
      { class: "reading", x: at + (left ? -9 : 9), y, "text-anchor": left ? "end" : "start" },
      text,
    );
  const pill = Math.min(width - RIGHT - 22, Math.max(LEFT + 22, at));
  const asked = s("line", {
    class: "asked",
    x1: x(model.asked),
    x2: x(model.asked),
    y1: KEPT.top - 4,
    y2: BOTTOM,
  });
  return [
    ...(model.at === model.asked ? [] : [asked]),
    s("line", { class: "cut-line", x1: at, x2: at, y1: 26, y2: BOTTOM }),
    s("rect", { class: "handle", x: pill - 22, y: 4, width: 44, height: 22, rx: 11 }),
    s(
      "text",
      { class: "handle-text", x: pill, y: 19.5, "text-anchor": "middle" },
      number(model.at),
    ),
    s("circle", { class: "dot kept-dot", cx: at, cy: yKept(model.kept), r: 4 }),
    s("circle", { class: "dot pairs-dot", cx: at, cy: yPairs(model.pairs), r: 4 }),
    // Kept rows rise with the threshold: below the curve on its right and above it on its left is
    // room.
    label(
      left ? Math.max(KEPT.top + 12, yKept(model.kept) - 8) : yKept(model.kept) + 18,
      `${whole(model.kept)} kept`,
    ),
    label(Math.max(PAIRS.top + 12, yPairs(model.pairs) - 8), plural(model.pairs, "pair")),
  ];
}
