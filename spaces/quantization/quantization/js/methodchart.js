// Every method at its defaults on the tensor: bits against noise, and the table.

import {
  axisLabel,
  baseAxis,
  scaleOf,
  setSize,
  valueAxis,
  watchWidth,
} from "../../../../shared/js/axes.js";
import { h, s, scrollBox } from "../../../../shared/js/dom.js";
import { brief, plural } from "../../../../shared/js/numbers.js";
import { placeLabel } from "./labels.js";

/** @import { Lab, MethodResult } from "./data.js" */
/** @import { Box, Offset } from "./labels.js" */

/** @typedef {{method: string, bits: number, sqnr: number}} MethodPoint */

const [CHART_LEFT, CHART_RIGHT, CHART_TOP, CHART_FLOOR, CHART_HEIGHT] = [56, 16, 14, 320, 360]; // pixels
/** @type {Offset[]} */
const NAME_OFFSETS = [
  [8, 4, "start"],
  [-8, 4, "end"],
  [6, -8, "start"],
  [6, 16, "start"],
  [-6, -8, "end"],
  [-6, 16, "end"],
  [8, -20, "start"],
  [8, 28, "start"],
];
const LETTER = 6.2; // pixels

/**
 * Open the view.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Lab) => void}
 */
export function openMethods(_figure, panel) {
  /** @type {Lab | null} */
  let lab = null;
  const svg = s("svg", { class: "picture", role: "img" });
  const frame = h("div", { class: "chart" }, svg);
  const table = scrollBox("Every method", "padded wide");
  panel.append(
    h(
      "p",
      { class: "said padded-row" },
      "Every method at its defaults on this tensor, in its own basis. Error of the weights alone: GPTQ and ",
      "AWQ accept more of it in exchange for less error of the outputs.",
    ),
    frame,
    table,
  );
  const draw = () => {
    if (lab?.methods) drawMethods(svg, lab.methods, lab.method, widthNow());
  };
  const widthNow = watchWidth(frame, draw);
  return (data) => {
    lab = data;
    draw();
    table.replaceChildren(methodTable(data.methods ?? [], data.method));
  };
}

/**
 * @param {SVGSVGElement} svg
 * @param {MethodResult[]} methods
 * @param {string} chosen
 * @param {number} width
 */
function drawMethods(svg, methods, chosen, width) {
  const points = methods.flatMap(({ method, bits, sqnr }) =>
    bits === null || sqnr === null ? [] : [{ method, bits, sqnr }],
  );
  const [bits, noise] = [points.map((point) => point.bits), points.map((point) => point.sqnr)];
  const right = width - CHART_RIGHT;
  const x = scaleOf(Math.min(...bits) - 0.4, Math.max(...bits) + 0.8, CHART_LEFT, right);
  const y = scaleOf(Math.min(...noise) - 2, Math.max(...noise) + 3, CHART_FLOOR, CHART_TOP);
  /** @type {Box[]} */
  const taken = [];
  setSize(svg, width, CHART_HEIGHT);
  svg.setAttribute(
    "aria-label",
    `SQNR against bits per weight of ${plural(points.length, "method")}.`,
  );
  svg.replaceChildren(
    ...valueAxis(y, y.ticks(6), [CHART_LEFT, right]),
    ...baseAxis(x, x.ticks(8), CHART_FLOOR + 16),
    ...points.map(({ method, bits: cost, sqnr }) =>
      s("circle", {
        class: method === chosen ? "mark series-b" : "mark series-a",
        cx: x(cost),
        cy: y(sqnr),
        r: method === chosen ? 6 : 4,
      }),
    ),
    ...points.flatMap((point) => methodName(point, x(point.bits), y(point.sqnr), taken, width)),
    axisLabel(right, CHART_HEIGHT - 6, "end", "bits per weight →"),
    axisLabel(4, 10, "start", "SQNR, dB ↑ better"),
  );
}

/**
 * A method's name beside its mark, where there is room.
 * @param {MethodPoint} point
 * @param {number} x
 * @param {number} y
 * @param {Box[]} taken
 * @param {number} right
 */
function methodName({ method }, x, y, taken, right) {
  const place = placeLabel(
    taken,
    { x, y },
    LETTER * method.length + 4,
    NAME_OFFSETS,
    (box) => box.x >= CHART_LEFT && box.x + box.width <= right,
  );
  return place
    ? [
        s(
          "text",
          { class: "point-name", x: place.x, y: place.y, "text-anchor": place.anchor },
          method,
        ),
      ]
    : [];
}

/**
 * @param {MethodResult[]} methods
 * @param {string} chosen
 */
function methodTable(methods, chosen) {
  return h(
    "table",
    {},
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ["method", "type", "bits", "SQNR, dB", "mean squared error", "why not"].map((title) =>
          h("th", { scope: "col" }, title),
        ),
      ),
    ),
    h(
      "tbody",
      {},
      methods
        .toSorted((one, other) => fidelity(other) - fidelity(one))
        .map(({ method, type, bits, sqnr, mse, reason }) =>
          h(
            "tr",
            { class: method === chosen ? "current" : null },
            h("th", { scope: "row" }, method),
            h("td", {}, type),
            h("td", { class: "num" }, bits === null ? "" : bits.toFixed(3)),
            h(
              "td",
              { class: "num" },
              bits === null ? "" : sqnr === null ? "lossless" : sqnr.toFixed(1),
            ),
            h("td", { class: "num" }, mse === null ? "" : brief(mse)),
            h("td", {}, reason),
          ),
        ),
    ),
  );
}

/**
 * For the order of the table: lossless first, then by SQNR, then those that could not hold the shape.
 * @param {MethodResult} method
 */
function fidelity({ sqnr, bits }) {
  return sqnr ?? (bits === null ? -1 : 1000 - bits);
}
