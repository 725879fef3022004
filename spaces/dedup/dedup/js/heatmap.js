// Every split against every split as a map of one hue.

import { axisLabel } from "../../../../shared/js/axes.js";
import { buttonLike, s } from "../../../../shared/js/dom.js";
import { percent, plural, whole } from "../../../../shared/js/numbers.js";

/** @import {Contamination} from "./data.js" */

const CELL = { width: 108, height: 64 };
const NAMES = { width: 90, height: 46 };
const DARKEST = 0.5; // opacity of the largest share: words on it stay readable

/**
 * @param {Contamination} data
 * @param {[number, number] | null} chosen
 * @param {(first: number, second: number) => void} choose
 */
export function drawHeatmap(data, chosen, choose) {
  const { splits, matrix } = data;
  const shares = matrix.flat().map((cell) => cell.share);
  const most = Math.max(...shares) || 1;
  const [width, height] = [
    NAMES.width + splits.length * CELL.width + 8,
    NAMES.height + splits.length * CELL.height + 62,
  ];
  const svg = s("svg", {
    class: "picture heatmap",
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: "group",
    "aria-label": "Shared rows of every split with every split",
  });
  const columnX = (/** @type {number} */ place) => NAMES.width + place * CELL.width;
  const rowY = (/** @type {number} */ place) => NAMES.height + place * CELL.height;
  svg.append(
    axisLabel(NAMES.width, 16, "start", "has a match in"),
    axisLabel(12, NAMES.height - 8, "start", "a row of"),
  );
  splits.forEach((name, place) => {
    svg.append(
      s(
        "text",
        {
          class: "split-name",
          x: columnX(place) + CELL.width / 2,
          y: NAMES.height - 10,
          "text-anchor": "middle",
        },
        shortName(name),
        s("title", {}, name),
      ),
      s(
        "text",
        { class: "split-name", x: 12, y: rowY(place) + CELL.height / 2 },
        shortName(name),
        s("title", {}, name),
      ),
      axisLabel(12, rowY(place) + CELL.height / 2 + 15, "start", `n = ${whole(data.rows[place])}`),
    );
  });
  matrix.forEach((line, first) =>
    line.forEach((_, second) => {
      const current = chosen?.[0] === first && chosen[1] === second;
      const corner = { x: columnX(second), y: rowY(first) };
      svg.append(
        drawMapCell(data, first, second, corner, most, current, () => choose(first, second)),
      );
    }),
  );
  drawScale(svg, most, NAMES.width, NAMES.height + splits.length * CELL.height + 18);
  return svg;
}

/**
 * @param {Contamination} data
 * @param {number} first
 * @param {number} second
 * @param {{x: number, y: number}} corner
 * @param {number} most the largest share
 * @param {boolean} chosen
 * @param {() => void} choose
 */
function drawMapCell(data, first, second, { x, y }, most, chosen, choose) {
  const cell = data.matrix[first][second];
  const box = { x: x + 1.5, y: y + 1.5, width: CELL.width - 3, height: CELL.height - 3, rx: 5 };
  const middle = x + CELL.width / 2;
  const word = (/** @type {number} */ dy, /** @type {string} */ name, /** @type {string} */ text) =>
    s("text", { class: name, x: middle, y: y + dy, "text-anchor": "middle" }, text);
  const other = first === second ? "the same split" : data.splits[second];
  const names = `rows of ${data.splits[first]} with a match in ${other}`;
  return s(
    "g",
    {
      class: `map-cell${chosen ? " chosen" : ""}${first === second ? " own" : ""}`,
      ...buttonLike(choose),
      "aria-pressed": String(chosen),
      "aria-label":
        cell.rows === null
          ? `${data.splits[first]} was not compared with itself`
          : `${whole(cell.rows)} ${names}, ${percent(cell.share)}`,
    },
    s("rect", {
      class: "cell-heat",
      ...box,
      style: { "fill-opacity": (DARKEST * cell.share) / most },
    }),
    s("rect", { class: "cell-edge", ...box }),
    word(30, "cell-count", cell.rows === null ? "not compared" : plural(cell.rows, "row")),
    word(48, "cell-share", cell.rows === null ? "" : percent(cell.share)),
  );
}

/**
 * A name that fits into a cell.
 * @param {string} name
 */
function shortName(name) {
  return name.length > 11 ? `${name.slice(0, 5)}…${name.slice(-5)}` : name;
}

/**
 * What a shade means, in steps: a gradient would not survive in every viewer of the exported
 * picture.
 * @param {SVGSVGElement} svg
 * @param {number} most
 * @param {number} x
 * @param {number} y
 */
function drawScale(svg, most, x, y) {
  const [steps, length] = [8, 128];
  svg.append(axisLabel(x, y + 4, "start", "share of the split’s rows"));
  for (let step = 0; step < steps; step += 1) {
    svg.append(
      s("rect", {
        class: "cell-heat",
        x: x + (step * length) / steps,
        y: y + 10,
        width: length / steps,
        height: 9,
        style: { "fill-opacity": (DARKEST * (step + 0.5)) / steps },
      }),
    );
  }
  svg.append(
    s("rect", { class: "cell-edge", x, y: y + 10, width: length, height: 9 }),
    axisLabel(x, y + 32, "start", percent(0)),
    axisLabel(x + length, y + 32, "end", percent(most)),
  );
}
