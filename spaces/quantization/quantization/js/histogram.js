// Weights before and after, counted in the same bins.

import {
  axisLabel,
  baseAxis,
  scaleOf,
  setSize,
  valueAxis,
  watchWidth,
} from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";

/** @import { Histogram, Lab } from "./data.js" */

const [BINS_LEFT, BINS_RIGHT, BINS_TOP, BINS_FLOOR, BINS_HEIGHT] = [56, 16, 14, 260, 300]; // pixels

/**
 * Open the view.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Lab) => void}
 */
export function openHistogram(_figure, panel) {
  /** @type {Histogram | null} */
  let histogram = null;
  const svg = s("svg", { class: "picture", role: "img" });
  const frame = h("div", { class: "chart" }, svg);
  const log = h("input", { type: "checkbox", checked: true, onchange: () => draw() });
  panel.append(
    h(
      "div",
      { class: "filters padded-row" },
      h("label", {}, log, "log counts"),
      binSample("before", [0, 0, 18, 10], "weights before"),
      binSample("after", [1, 1, 16, 8], "after, in the same bins"),
    ),
    frame,
  );
  const draw = () => {
    if (histogram) drawBins(svg, histogram, log.checked, widthNow());
  };
  const widthNow = watchWidth(frame, draw);
  return (data) => {
    ({ histogram } = data);
    draw();
  };
}

/**
 * @param {string} kind
 * @param {[number, number, number, number]} box
 * @param {string} text
 */
function binSample(kind, [x, y, width, height], text) {
  return h(
    "span",
    { class: "run-label" },
    s(
      "svg",
      { width: 18, height: 10, "aria-hidden": "true" },
      s("rect", { class: kind, x, y, width, height }),
    ),
    text,
  );
}

/**
 * @param {SVGSVGElement} svg
 * @param {Histogram} histogram
 * @param {boolean} isLog
 * @param {number} width
 */
function drawBins(svg, { edges, before, after }, isLog, width) {
  const count = before.reduce((sum, value) => sum + value, 0);
  const most = Math.max(...before, ...after);
  const right = width - BINS_RIGHT;
  const x = scaleOf(edges[0], edges[edges.length - 1], BINS_LEFT, right);
  const y = isLog
    ? scaleOf(0.7, most * 1.2, BINS_FLOOR, BINS_TOP, true)
    : scaleOf(0, most * 1.05, BINS_FLOOR, BINS_TOP);
  /**
   * @param {number[]} counts
   * @param {string} kind
   * @param {number} gap between bars, pixels
   */
  const bars = (counts, kind, gap) =>
    counts.flatMap((value, index) =>
      value
        ? s("rect", {
            class: kind,
            x: x(edges[index]),
            width: Math.max(0.5, x(edges[index + 1]) - x(edges[index]) - gap),
            y: y(value),
            height: BINS_FLOOR - y(value),
          })
        : [],
    );
  setSize(svg, width, BINS_HEIGHT);
  svg.setAttribute(
    "aria-label",
    `Histogram of ${count} weights in ${before.length} bins, before and after.`,
  );
  svg.replaceChildren(
    ...valueAxis(y, y.ticks(5), [BINS_LEFT, right]),
    ...bars(before, "before", 0),
    ...bars(after, "after", 1),
    ...baseAxis(x, x.ticks(7), BINS_FLOOR + 15),
    axisLabel(
      right,
      BINS_HEIGHT - 6,
      "end",
      `weight; n = ${count.toLocaleString("en-GB")}, ${before.length} bins`,
    ),
    axisLabel(4, 10, "start", "weights in a bin"),
  );
}
