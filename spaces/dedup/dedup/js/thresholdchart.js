// Kept rows, pairs and the pairs' similarities over the threshold, with a line to drag.

import { h, s } from "../../../../shared/js/dom.js";
import { number } from "../../../../shared/js/numbers.js";
import {
  axisText,
  followWidth,
  hatchPattern,
  pathThrough,
  plural,
  roundTicks,
  whole,
} from "./axes.js";

const LEFT = 58;
const RIGHT = 16;
const KEPT = { top: 44, height: 150 };
const PAIRS = { top: 232, height: 64 };
const STRIP = { top: 334, height: 52 };
const BOTTOM = STRIP.top + STRIP.height;
const BIN = 1; // hundredths: as fine as the line's steps, so that no bar lies on both sides

/**
 * @typedef {Object} ThresholdModel
 * @property {[number, number, number][]} curve threshold, kept rows, pairs
 * @property {number} floor
 * @property {number} asked the threshold of the request
 * @property {number} at where the line stands
 * @property {number} kept rows, there
 * @property {number} pairs there
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
  let model = null;
  let scales = null;
  const line = s("g", { class: "cut", "aria-hidden": "true" });
  const redraw = () => {
    if (!model) return;
    scales = scalesOf(model, widthNow());
    svg.setAttribute("viewBox", `0 0 ${scales.width} ${BOTTOM + 38}`);
    svg.setAttribute("width", scales.width);
    svg.setAttribute("height", BOTTOM + 38);
    svg.replaceChildren(
      s("defs", {}, hatchPattern(`${id}-hatch`)),
      ...drawGround(model, scales, `url(#${id}-hatch)`),
      ...drawSeries(model, scales),
      line,
    );
    moveLine();
  };
  const moveLine = () => {
    svg.setAttribute(
      "aria-label",
      `At ${number(model.at)}: ${plural(model.kept, "row")} kept, ${plural(model.pairs, "pair")}. Kept rows, pairs and the pairs’ similarities against the threshold.`,
    );
    line.replaceChildren(...drawLine(model, scales));
    for (const bar of svg.querySelectorAll("[data-from]"))
      bar.classList.toggle("counted", Number(bar.dataset.from) >= model.at - 1e-9);
  };
  const widthNow = followWidth(frame, redraw);
  const moveTo = (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) * scales.width) / box.width;
    const wanted = scales.low + ((x - LEFT) / (scales.width - LEFT - RIGHT)) * (1 - scales.low);
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
  for (const name of ["pointerup", "pointercancel"])
    svg.addEventListener(name, () => (dragging = false));
  let mark = "";
  return {
    /** @param {ThresholdModel} next */
    update(next) {
      const same = JSON.stringify([next.curve, next.floor, next.asked]);
      model = next;
      if (same !== mark || !scales || scales.width !== widthNow()) redraw();
      else moveLine();
      mark = same;
    },
    /** Where the plot begins and ends, for a slider below it. */
    insets: [LEFT, RIGHT],
  };
}

function scalesOf({ curve, floor }, width) {
  const low = Math.max(0, Math.round(100 * floor - 10) / 100);
  const kept = curve.map((point) => point[1]);
  const [least, most] = [Math.min(...kept), Math.max(...kept)];
  const ticks = roundTicks(
    least === most ? least - 1 : least,
    least === most ? most + 1 : most,
    4,
    true,
  );
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1;
  const [bottom, top] = [
    Math.max(0, Math.floor(least / step) * step),
    Math.ceil(most / step) * step,
  ];
  const mostPairs = Math.max(1, ...curve.map((point) => point[2]));
  const bins = binsOf(curve, floor);
  const mostInBin = Math.max(1, ...bins.map((bin) => bin.count));
  const between = ({ top: start, height }, share) => start + height * (1 - share);
  return {
    width,
    low,
    bins,
    mostPairs,
    mostInBin,
    keptTicks: roundTicks(bottom, Math.max(top, bottom + 1), 4, true),
    x: (threshold) => LEFT + ((threshold - low) / (1 - low)) * (width - LEFT - RIGHT),
    yKept: (rows) => between(KEPT, (rows - bottom) / Math.max(1, top - bottom)),
    yPairs: (pairs) => between(PAIRS, pairs / mostPairs),
    yBin: (count) => between(STRIP, count / mostInBin),
  };
}

/** How many pairs lie in each stretch of similarity: differences of the curve, which counts all pairs, sent or not. */
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

function drawGround(model, scales, hatch) {
  const { x, width, low } = scales;
  const parts = [];
  const right = width - RIGHT;
  const unknown = (panel) =>
    s("rect", {
      class: "unknown",
      x: LEFT,
      y: panel.top,
      width: Math.max(0, x(model.floor) - LEFT),
      height: panel.height,
      fill: hatch,
    });
  if (model.floor > low) parts.push(unknown(KEPT), unknown(PAIRS), unknown(STRIP));
  for (const value of scales.keptTicks) {
    parts.push(
      s("line", {
        class: "grid-line",
        x1: LEFT,
        x2: right,
        y1: scales.yKept(value),
        y2: scales.yKept(value),
      }),
    );
    parts.push(axisText(LEFT - 8, scales.yKept(value) + 4, "end", whole(value)));
  }
  for (const [panel, y, most] of [
    [PAIRS, scales.yPairs, scales.mostPairs],
    [STRIP, scales.yBin, scales.mostInBin],
  ]) {
    parts.push(
      s("line", {
        class: "grid-line",
        x1: LEFT,
        x2: right,
        y1: panel.top + panel.height,
        y2: panel.top + panel.height,
      }),
    );
    parts.push(
      axisText(LEFT - 8, y(most) + 8, "end", whole(most)),
      axisText(LEFT - 8, y(0) + 1, "end", "0"),
    );
  }
  for (const value of roundTicks(low, 1, width < 480 ? 4 : 8))
    parts.push(
      axisText(
        x(value),
        BOTTOM + 16,
        "middle",
        number(value, value * 10 === Math.round(value * 10) ? 1 : 2),
      ),
    );
  parts.push(
    axisText(right, BOTTOM + 32, "end", width < 520 ? "threshold" : "threshold (similarity)"),
  );
  if (model.floor > low)
    parts.push(
      axisText(
        LEFT,
        BOTTOM + 32,
        "start",
        width < 520
          ? "hatched: not looked for"
          : `hatched: pairs below ${number(model.floor)}, not looked for`,
      ),
    );
  return parts;
}

function drawSeries(model, scales) {
  const { x, yKept, yPairs, yBin } = scales;
  const title = (panel, name, text) =>
    s("text", { class: `series-name ${name}`, x: LEFT, y: panel.top - 9 }, text);
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

function drawLine(model, scales) {
  const { x, yKept, yPairs, width } = scales;
  const at = x(model.at);
  const beside = at > width - 110 ? { anchor: "end", shift: -9 } : { anchor: "start", shift: 9 };
  const label = (y, text) =>
    s("text", { class: "reading", x: at + beside.shift, y, "text-anchor": beside.anchor }, text);
  const pill = Math.min(width - RIGHT - 22, Math.max(LEFT + 22, at));
  return [
    model.at === model.asked
      ? null
      : s("line", {
          class: "asked",
          x1: x(model.asked),
          x2: x(model.asked),
          y1: KEPT.top - 4,
          y2: BOTTOM,
        }),
    s("line", { class: "cut-line", x1: at, x2: at, y1: 26, y2: BOTTOM }),
    s("rect", { class: "handle", x: pill - 22, y: 4, width: 44, height: 22, rx: 11 }),
    s(
      "text",
      { class: "handle-text", x: pill, y: 19.5, "text-anchor": "middle" },
      number(model.at),
    ),
    s("circle", { class: "dot kept-dot", cx: at, cy: yKept(model.kept), r: 4 }),
    s("circle", { class: "dot pairs-dot", cx: at, cy: yPairs(model.pairs), r: 4 }),
    // Kept rows rise with the threshold: below the curve on its right and above it on its left is room.
    label(
      beside.shift > 0 ? yKept(model.kept) + 18 : Math.max(KEPT.top + 12, yKept(model.kept) - 8),
      `${whole(model.kept)} kept`,
    ),
    label(Math.max(PAIRS.top + 12, yPairs(model.pairs) - 8), plural(model.pairs, "pair")),
  ].filter(Boolean);
}
