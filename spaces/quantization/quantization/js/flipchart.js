// Every question in a plane: how sure the base model is of the right answer, and how sure a format.

import {
  axisLabel,
  baseAxis,
  evenTicks,
  scaleOf,
  setSize,
  valueAxis,
  watchWidth,
} from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { number, plural } from "../../../../shared/js/numbers.js";
import { nameOfRow } from "./measures.js";

/** @import { Questions } from "./data.js" */
/** @import { FlippedRow } from "./flips.js" */

const [PLANE_LEFT, PLANE_TOP, PLANE_FOOT] = [44, 22, 40];

/**
 * Open the chart.
 * @param {HTMLElement} panel
 * @returns {(row: FlippedRow | null, questions: Questions) => void}
 */
export function openFlipChart(panel) {
  const svg = s("svg", { class: "picture flip-chart", role: "img" });
  const box = h("div", { class: "scroll flip-plane" }, svg);
  panel.append(box);
  /** @type {[FlippedRow | null, Questions] | null} */
  let shown = null;
  const draw = () => {
    const [row, questions] = shown ?? [];
    box.hidden = !row;
    if (row && questions) drawFlipChart(svg, row, questions, Math.min(520, width()));
  };
  const width = watchWidth(panel, draw);
  return (row, questions) => {
    shown = [row, questions];
    draw();
  };
}

/**
 * @param {SVGSVGElement} svg
 * @param {FlippedRow} row
 * @param {Questions} questions
 * @param {number} wide
 */
function drawFlipChart(svg, row, { margins, items, answers }, wide) {
  const { lost, gained } = row.flips;
  const tall = Math.round(0.72 * wide);
  const most = Math.max(1, ...[...margins, ...row.flips.margins].map(Math.abs));
  const x = scaleOf(-most, most, PLANE_LEFT, wide - 14);
  const y = scaleOf(-most, most, tall - PLANE_FOOT, PLANE_TOP);
  const ticks = evenTicks(-most, most, wide < 400 ? 4 : 8);
  const write = (/** @type {number} */ value) => number(value, most < 4 ? 1 : 0);
  const [left, right, top, bottom] = [x(-most), x(most), y(most), y(-most)];
  const points = items.map((item, at) => {
    const kind = flipOf(answers[at], row.flips.answers[at], item.gold);
    return { kind, mark: flipMark(kind, x(margins[at]), y(row.flips.margins[at])) };
  });
  setSize(svg, wide, tall);
  svg.setAttribute(
    "aria-label",
    `${plural(items.length, "question")} by the margin of the right answer, base against ` +
      `${nameOfRow(row)}: ${lost} lost, ${gained} gained`,
  );
  svg.replaceChildren(
    s("rect", {
      class: "flip-corner",
      x: x(0),
      y: y(0),
      width: right - x(0),
      height: bottom - y(0),
    }),
    s("rect", { class: "flip-corner", x: left, y: top, width: x(0) - left, height: y(0) - top }),
    ...valueAxis(y, ticks, [left, right], write),
    ...baseAxis(x, ticks, bottom + 14, write),
    s("line", { class: "flip-zero", x1: left, x2: right, y1: y(0), y2: y(0) }),
    s("line", { class: "flip-zero", x1: x(0), x2: x(0), y1: top, y2: bottom }),
    s("line", { class: "flip-same", x1: left, x2: right, y1: bottom, y2: top }),
    axisLabel(left, 12, "start", `${nameOfRow(row)}: margin, nats`),
    axisLabel(right, tall - 6, "end", "base: margin, nats"),
    axisLabel(left + 6, top + 14, "start", `gained: ${gained}`, { class: "flip-name" }),
    axisLabel(right - 6, bottom - 8, "end", `lost: ${lost}`, { class: "flip-name" }),
    // flips lie above the others
    ...points.filter(({ kind }) => kind === "same").map(({ mark }) => mark),
    ...points.filter(({ kind }) => kind !== "same").map(({ mark }) => mark),
  );
}

/**
 * Whether an answer is lost or gained.
 * @param {number} one answer of the base
 * @param {number} other of the format
 * @param {number} gold
 */
function flipOf(one, other, gold) {
  if ((one === gold) === (other === gold)) return "same";
  return one === gold ? "lost" : "gained";
}

/**
 * @param {string} kind
 * @param {number} x
 * @param {number} y
 */
function flipMark(kind, x, y) {
  if (kind === "same") return s("circle", { class: "flip-dot", cx: x, cy: y, r: 2.5 });
  const up = kind === "gained" ? -1 : 1;
  const points = [
    [-5, -4 * up],
    [5, -4 * up],
    [0, 5 * up],
  ];
  return s("polygon", {
    class: `flip-mark ${kind}`,
    points: points.map(([dx, dy]) => `${(x + dx).toFixed(1)},${(y + dy).toFixed(1)}`).join(" "),
  });
}
