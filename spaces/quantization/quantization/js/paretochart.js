// The chart of size against quality: axes, the front, every row's mark with its name.

import { axisLabel, baseAxis, gridLine, scaleOf, valueAxis } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { estimateWords } from "../../../../shared/js/estimates.js";
import { hintListeners } from "../../../../shared/js/hints.js";
import { brief, megabytes } from "../../../../shared/js/numbers.js";
import { placeLabel } from "./labels.js";
import { mark } from "./marks.js";
import { nameOfFormat, nameOfRow } from "./measures.js";

/** @import { Scale } from "../../../../shared/js/axes.js" */
/** @import { Shell } from "../../../../shared/js/shell.js" */
/** @import { Row } from "./data.js" */
/** @import { LabelPlace, Offset } from "./labels.js" */

/** @typedef {{row: Row, size: number, loss: [mean: number, low: number, high: number]}} Point */
/**
 * The plot: its scales, its left and right end, and the loss at its floor.
 * @typedef {{x: Scale, y: Scale, from: number, to: number, floor: number, width: number}} Plot
 */

const [SIZE_LEFT, SIZE_RIGHT] = [62, 24]; // pixels
export const SIZE_TOP = 18;
export const SIZE_HEIGHT = 380;
export const SIZE_FLOOR = 336;
const NARROW = 560; // pixels, below which names leave their engine out
const DISTANCES = [0, 14, 28, 42, 58, 74, 92, 112, 134]; // pixels of a name above or below its mark

/**
 * @param {Point[]} points
 * @param {number} width
 * @param {number[]} [others] losses beside those of the points
 * @returns {Plot}
 */
export function plotOf(points, width, others = []) {
  const sizes = points.map(({ size }) => size);
  const losses = [...points.flatMap((point) => point.loss), ...others].filter((value) => value > 0);
  const top = Math.max(...losses);
  const floor = losses.length
    ? Math.min(...losses.map((value) => Math.max(value, top / 1e5))) / 1.3
    : 0.001;
  const [least, most] = sizes.length ? [Math.min(...sizes), Math.max(...sizes)] : [1, 2];
  const pad = (most - least || most) * 0.08;
  const [from, to] = [SIZE_LEFT, width - SIZE_RIGHT];
  return {
    width,
    from,
    to,
    floor,
    x: scaleOf(Math.max(0, least - pad), most + pad * 1.6, from, to),
    y: scaleOf(floor, losses.length ? top * 1.35 : 1, SIZE_FLOOR, SIZE_TOP, true),
  };
}

/**
 * @param {Plot} plot
 * @param {string} size
 * @param {string} loss
 */
export function axes({ x, y, from, to, width }, size, loss) {
  return [
    ...valueAxis(y, y.ticks(6), [from, to]),
    ...baseAxis(x, x.ticks(width / 110), SIZE_FLOOR + 16),
    gridLine(from, to, SIZE_FLOOR),
    axisLabel(to, SIZE_HEIGHT - 8, "end", `${size} → smaller is left`),
    axisLabel(from - 54, 11, "start", `${loss} ↓ lower is better`),
  ];
}

/**
 * @param {Point} point
 * @param {Plot} plot
 */
function placeOf({ size, loss }, { x, y, floor }) {
  return { x: x(size), y: y(Math.max(floor, loss[0])) };
}

/**
 * The step line through the rows that no other beats in both.
 * @param {Point[]} points
 * @param {Plot} plot
 */
export function frontLine(points, plot) {
  const sorted = points.toSorted(
    (one, other) => one.size - other.size || one.loss[0] - other.loss[0],
  );
  let best = Infinity;
  const front = sorted.filter(({ loss: [mean] }) => {
    const isBetter = mean < best;
    if (isBetter) best = mean;
    return isBetter;
  });
  const steps = front.map((point, index) => {
    const { x, y } = placeOf(point, plot);
    return index ? `H${x.toFixed(1)}V${y.toFixed(1)}` : `M${x.toFixed(1)} ${y.toFixed(1)}`;
  });
  return s("path", { class: "front", d: steps.join("") });
}

const CAP = 7; // pixels, half the width of a whisker's ends, which show beside a mark
const APART = 11; // pixels between marks that would hide each other

/**
 * By how many pixels each mark is moved to the right, so that none hides another.
 * @param {{x: number, y: number}[]} places
 */
export function apart(places) {
  /** @type {{x: number, y: number}[]} */
  const taken = [];
  return places.map(({ x, y }) => {
    let shift = 0;
    const isHidden = () =>
      taken.some((other) => Math.hypot(other.x - x - shift, other.y - y) < APART - 1);
    while (isHidden()) shift += APART;
    taken.push({ x: x + shift, y });
    return shift;
  });
}

/**
 * Every row's mark with its whisker and its name.
 * @param {Shell} figure
 * @param {Point[]} points
 * @param {Plot} plot
 */
export function rowMarks(figure, points, plot) {
  const shifts = apart(points.map((point) => placeOf(point, plot)));
  const names = namesOf(points, plot.width);
  const labels = placeNames(points, names, plot, letterMeasure(figure.root), shifts);
  return points.map((point, index) => {
    const { row, loss } = point;
    const { x, y } = placeOf(point, plot);
    const [low, high] = loss.slice(1).map((value) => plot.y(Math.max(plot.floor, value)));
    const label = labels[index];
    return s(
      "g",
      {
        "data-row": row.format,
        tabindex: 0,
        role: "img",
        "aria-label": `${nameOfRow(row)}: ${megabytes(row.file_bytes)} MB, KLD ${brief(row.kld.mean)}`,
        ...hintListeners(figure, () =>
          rowHint(
            row,
            points.map((other) => other.row),
          ),
        ),
      },
      s("line", { class: "whisker", x1: x, x2: x, y1: low, y2: high }),
      s("path", {
        class: "whisker",
        d: `M${x - CAP} ${low}h${2 * CAP}M${x - CAP} ${high}h${2 * CAP}`,
      }),
      s("line", { class: "leader", x1: x + shifts[index], y1: y, x2: label.x, y2: label.y - 4 }),
      shifts[index]
        ? s("line", { class: "leader", x1: x, y1: y, x2: x + shifts[index], y2: y })
        : [],
      mark(row.engine, x + shifts[index], y),
      s(
        "text",
        { class: "point-name", x: label.x, y: label.y, "text-anchor": label.anchor },
        names[index],
      ),
    );
  });
}

/**
 * @param {Row} row
 * @param {Row[]} rows all of them
 */
function rowHint(row, rows) {
  const { file_bytes: bytes, bits, kld, ratio, rank, tied } = row;
  const like = tied.map((name) => nameOfFormat(rows, name));
  return [
    h("b", {}, nameOfRow(row)),
    h("div", {}, `${megabytes(bytes)} MB, ${brief(bits)} bits a weight`),
    h("div", {}, `KLD ${estimateWords(kld)} nats; perplexity × ${ratio.toFixed(4)}`),
    h(
      "div",
      {},
      rank === null
        ? "No rank: fewer than four windows"
        : `Rank ${rank}${like.length ? `, cannot be told apart from ${like.join(", ")}` : ""}`,
    ),
  ];
}

/**
 * The rows' names. GGUF's types are known by themselves; other engines share names, and where there is no
 * room their marks' shapes tell them apart. Whoever made all of the files need not be named at each.
 * @param {Point[]} points
 * @param {number} width
 */
function namesOf(points, width) {
  const [first = "", ...others] = points.map(({ row }) =>
    row.engine === "published" ? row.label.slice(0, row.label.indexOf(" ") + 1) : "",
  );
  const maker = others.every((one) => one === first) ? first : "";
  return points.map(({ row: { engine, label } }) =>
    engine === "gguf" || engine === "published" || width < NARROW
      ? label.slice(maker.length)
      : `${engine} ${label}`,
  );
}

/**
 * How wide a name is, in pixels.
 * @param {HTMLElement} root
 */
function letterMeasure(root) {
  const pen = h("canvas").getContext("2d");
  if (pen) pen.font = `600 11px ${getComputedStyle(root).getPropertyValue("--sans")}`; // .point-name's
  return (/** @type {string} */ text) => pen?.measureText(text).width ?? 7 * text.length;
}

/**
 * Places for the names inside the plot that lie on no other name or mark, the nearest first.
 * @param {Point[]} points
 * @param {string[]} names
 * @param {Plot} plot
 * @param {(text: string) => number} widthOf
 * @param {number[]} shifts of the marks to the right, pixels
 * @returns {LabelPlace[]}
 */
function placeNames(points, names, plot, widthOf, shifts) {
  const marks = points.map((point, index) => {
    const { x, y } = placeOf(point, plot);
    return { x: x + shifts[index], y };
  });
  const taken = marks.map(({ x, y }) => ({ x: x - 7, y: y - 7, width: 14, height: 14 }));
  /** @type {Offset[]} */
  const offsets = [
    [10, 4, "start"],
    [-10, 4, "end"],
    ...DISTANCES.flatMap((distance) => {
      /** @type {Offset[]} */
      const around = [
        [8, -9 - distance, "start"],
        [8, 18 + distance, "start"],
        [-8, -9 - distance, "end"],
        [-8, 18 + distance, "end"],
      ];
      return around;
    }),
  ];
  return names.map((name, index) => {
    const width = widthOf(name) + 2;
    const { x, y } = marks[index];
    const place = placeLabel(
      taken,
      marks[index],
      width,
      offsets,
      (box) =>
        box.x > plot.from &&
        box.x + box.width <= plot.to &&
        box.y > 12 &&
        box.y + box.height < SIZE_FLOOR,
    );
    // Where there is no room at all, a name is at least inside.
    const inside = Math.max(plot.from, Math.min(x + 10, plot.to - width));
    return place ?? { x: inside, y: y + 4, anchor: "start" };
  });
}

/** @param {Row[]} rows */
export function engineLegend(rows) {
  const engines = [...new Set(rows.map(({ engine }) => engine))];
  return [
    ...engines.map((engine) =>
      h(
        "span",
        { class: "run-label" },
        s("svg", { width: 16, height: 16, "aria-hidden": "true" }, mark(engine, 8, 8)),
        engine,
      ),
    ),
    h("span", {}, "whiskers: 95 % interval over windows"),
    h("span", {}, "step line: the front that no row beats in both"),
  ];
}
