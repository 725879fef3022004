// Size against quality: every row with its interval, the front that no other row beats in both, and a budget
// to drag.

import { pointerIn, setSize, watchWidth } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { estimateWords } from "../../../../shared/js/estimates.js";
import { brief, plural } from "../../../../shared/js/numbers.js";
import { choice } from "../../../../shared/js/shell.js";
import { measuredRows, nameOfFormat, nameOfRow } from "./measures.js";
import { loudest, noiseLine, noiseParagraph, noiseWords } from "./noise.js";
import {
  SIZE_FLOOR,
  SIZE_HEIGHT,
  SIZE_TOP,
  axes,
  engineLegend,
  frontLine,
  plotOf,
  rowMarks,
} from "./paretochart.js";

/** @import { Shell } from "../../../../shared/js/shell.js" */
/** @import { Compare, Noise, Quality, Row } from "./data.js" */
/** @import { Point } from "./paretochart.js" */

/** @typedef {"file" | "bits"} Size */
/** @typedef {"kld" | "ratio" | "top"} Loss */
/** @type {Record<Size, {label: string, unit: string, of: (row: Row) => number}>} */
const SIZES = {
  file: { label: "file size, MB", unit: "MB", of: (row) => row.file_bytes / 1e6 },
  bits: {
    label: "bits per weight, whole model",
    unit: "bits per weight",
    of: ({ bits }) => bits,
  },
};
/** @type {Record<Loss, {label: string, of: (row: Quality) => Point["loss"]}>} */
const LOSSES = {
  kld: {
    label: "mean KL divergence, nats",
    of: ({ kld }) => interval(kld.mean, kld.low, kld.high),
  },
  ratio: {
    label: "perplexity over the base's, − 1",
    of: (row) => interval(row.ratio, row.ratio_low, row.ratio_high, (ratio) => ratio - 1),
  },
  top: {
    label: "share of tokens with another top choice",
    of: (row) => interval(row.same_top, row.same_top_high, row.same_top_low, (share) => 1 - share),
  },
};

const SLIDER_STEPS = 1000;

/**
 * Open the view.
 * @param {Shell} figure
 * @param {HTMLElement} panel
 * @returns {(data: Compare) => void}
 */
export function openPareto(figure, panel) {
  /** @type {{run: string, size: Size, loss: Loss, budget: number | null}} */
  const state = { run: "", size: "file", loss: "kld", budget: null };
  /** @type {Row[]} */
  let rows = [];
  /** @type {Noise | null} */
  let noise = null;
  let plot = plotOf([], 0);
  const svg = s("svg", { class: "picture pareto", role: "img" });
  const frame = h(
    "div",
    { class: "chart", tabindex: 0, role: "group", "aria-label": "Chart of size against quality" },
    svg,
  );
  const verdict = h("p", { class: "picture-caption verdict", role: "status" });
  const slider = h("input", {
    type: "range",
    min: 0,
    max: SLIDER_STEPS,
    step: 1,
    value: SLIDER_STEPS,
    "aria-label": "Budget",
    oninput: () => moveTo(Number(slider.value) / SLIDER_STEPS),
  });
  const filters = h(
    "div",
    { class: "filters padded-row" },
    choice("Across", labelsOf(SIZES), state.size, (size) => {
      state.size = size;
      draw();
    }),
    choice("Up", labelsOf(LOSSES), state.loss, (loss) => {
      state.loss = loss;
      draw();
    }),
  );
  const budget = h(
    "div",
    { class: "filters padded-row" },
    h("label", { class: "grow" }, "Budget ", slider),
  );
  const legend = h("div", { class: "filters padded-row quiet-row" });
  const noiseSaid = noiseParagraph();
  panel.append(filters, frame, budget, verdict, legend, noiseSaid);
  /** @param {number} share of the slider */
  const moveTo = (share) => {
    const { x, from, to } = plot;
    state.budget = share >= 1 ? null : x.invert(from + share * (to - from));
    drawBudget();
  };
  const budgetLayer = s("g", { class: "budget" });
  const draw = () => {
    const width = widthNow();
    const points = rows.map((row) => ({
      row,
      size: SIZES[state.size].of(row),
      loss: LOSSES[state.loss].of(row),
    }));
    const least = noise ? Math.abs(LOSSES[state.loss].of(noise)[0]) : 0;
    plot = plotOf(points, width, [least]);
    const [size, loss] = [SIZES[state.size].label, LOSSES[state.loss].label];
    setSize(svg, width, SIZE_HEIGHT);
    svg.setAttribute("aria-label", `${plural(rows.length, "format")}: ${size} against ${loss}.`);
    svg.replaceChildren(
      ...axes(plot, size, loss),
      ...noiseLine(noise, least, plot),
      frontLine(points, plot),
      ...rowMarks(figure, points, plot),
      budgetLayer,
    );
    legend.replaceChildren(...engineLegend(rows));
    drawBudget();
  };
  const drawBudget = () => {
    if (state.budget === null || !rows.length) {
      budgetLayer.replaceChildren();
      verdict.textContent = rows.length
        ? "Drag the budget to see what fits."
        : "No format has been measured yet.";
      return;
    }
    const x = plot.x(state.budget);
    budgetLayer.replaceChildren(
      s("rect", {
        class: "over",
        x,
        y: SIZE_TOP,
        width: Math.max(0, plot.to - x),
        height: SIZE_FLOOR - SIZE_TOP,
      }),
      s("line", { class: "cut-line", x1: x, x2: x, y1: SIZE_TOP, y2: SIZE_FLOOR }),
    );
    verdict.textContent = budgetSentence(rows, state.budget, SIZES[state.size]);
  };
  dragAlong(svg, (x) => {
    const share = (x - plot.from) / (plot.to - plot.from);
    slider.value = String(Math.round(SLIDER_STEPS * Math.max(0, Math.min(1, share))));
    moveTo(Number(slider.value) / SLIDER_STEPS);
  });
  const widthNow = watchWidth(frame, draw);
  return (data) => {
    if (state.run !== data.run_id) Object.assign(state, { run: data.run_id, budget: null });
    rows = measuredRows(data);
    noise = rows.length ? loudest(data) : null;
    noiseSaid.textContent = noise ? noiseWords(data, rows) : "";
    noiseSaid.hidden = !noiseSaid.textContent;
    draw();
  };
}

/**
 * A mean with the ends of its 95 % interval, of no width where that is not known.
 * @param {number} mean
 * @param {number | null} low
 * @param {number | null} high
 * @param {(value: number) => number} [loss] of each
 * @returns {Point["loss"]}
 */
function interval(mean, low, high, loss = (value) => value) {
  return [loss(mean), loss(low ?? mean), loss(high ?? mean)];
}

/**
 * @template {string} K
 * @param {Record<K, {label: string}>} measures
 * @returns {[K, string][]}
 */
function labelsOf(measures) {
  const names = /** @type {K[]} */ (Object.keys(measures));
  return names.map((name) => [name, measures[name].label]);
}

/**
 * Tell where the pointer is while it is pressed on a picture, but not on one of its rows.
 * @param {SVGSVGElement} svg
 * @param {(x: number) => void} move
 */
function dragAlong(svg, move) {
  let isDragging = false;
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || /** @type {Element} */ (event.target).closest("[data-row]")) return;
    isDragging = true;
    svg.setPointerCapture(event.pointerId);
    move(pointerIn(svg, event).x);
  });
  svg.addEventListener("pointermove", (event) => {
    if (isDragging) move(pointerIn(svg, event).x);
  });
  const end = () => {
    isDragging = false;
  };
  svg.addEventListener("pointerup", end);
  svg.addEventListener("pointercancel", end);
}

/**
 * The best row within a budget, in words.
 * @param {Row[]} rows
 * @param {number} budget
 * @param {{unit: string, of: (row: Row) => number}} size
 */
function budgetSentence(rows, budget, { unit, of }) {
  const within = rows.filter((row) => of(row) <= budget);
  if (!within.length) return `Nothing measured fits in ${brief(budget)} ${unit}.`;
  const best = within.reduce((one, other) => (other.kld.mean < one.kld.mean ? other : one));
  const tied = best.tied.filter((name) => within.some(({ format }) => format === name));
  return (
    `Within ${brief(budget)} ${unit}: ${nameOfRow(best)}, KLD ${estimateWords(best.kld)} nats, ` +
    `the same top token ${(100 * best.same_top).toFixed(1)} % of the time.` +
    (tied.length
      ? ` It cannot be told apart from ${tied.map((name) => nameOfFormat(rows, name)).join(", ")}.`
      : "")
  );
}
