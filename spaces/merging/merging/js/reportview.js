// The report at a glance: a line for each part, the map of the tensors, and the shares of the roots.

import {
  axisLabel,
  hatchPattern,
  layerTicks,
  setSize,
  watchWidth,
} from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { hintListeners } from "../../../../shared/js/hints.js";
import { plural } from "../../../../shared/js/numbers.js";
import { shareText } from "./treecards.js";

/** @import { Shell } from "../../../../shared/js/shell.js" */
/** @import { ModelReport, ReplayMap, TensorState, Verdict } from "./data.js" */

/** What a verdict is called, and how its mark is drawn in a square of 16. */
const REPORT_MARKS = /** @type {Record<Verdict, [string, string]>} */ ({
  good: ["holds", "M3 8.5L6.5 12L13 4.5"],
  mixed: ["worth a look", "M8 3V9M8 12V12.6"],
  bad: ["does not hold", "M4 4L12 12M12 4L4 12"],
  open: ["not decided", "M4 8H12"],
});

/** @type {Record<string, string>} */
const REPORT_CHAPTERS = {
  recipe: "Recipe",
  replay: "Replay",
  parents: "Parents",
  licences: "Licences",
  shares: "Shares",
  unread: "Not read",
};

/** @type {Record<TensorState, string>} */
const TENSOR_STATES = {
  same: "the same bytes",
  rounded: "equal values, other bytes",
  different: "other values",
  shape: "another shape",
  missing: "missing in the model",
  extra: "not in the recipe",
  open: "not compared",
};

/**
 * A tensor's state in words.
 * @param {TensorState} state
 */
export const stateWords = (state) => TENSOR_STATES[state] ?? TENSOR_STATES.open;

const [TENSOR_ROW, TENSOR_GAP, MOST_ROOTS, SHARE_ROW] = [15, 8, 12, 28];

/**
 * Open the view.
 * @param {Shell} figure
 * @param {HTMLElement} panel
 * @returns {(data: ModelReport) => void}
 */
export function openReportView(figure, panel) {
  /** @type {ModelReport | null} */
  let report = null;
  const lines = h("ul", { class: "report-lines" });
  const svg = s("svg", { class: "picture report-picture", role: "group" });
  const chart = h("div", { class: "chart" }, svg);
  panel.append(lines, chart);
  /** @param {number} width */
  const draw = (width) => {
    if (!report) return;
    const hatch = `${figure.id}-report-hatch`;
    /** @type {SVGElement[]} */
    const parts = [s("defs", {}, hatchPattern(hatch, 5))];
    let top = 4;
    if (report.replay?.map) {
      const [drawn, bottom] = tensorMap(figure, report.replay.map, hatch, top, width);
      parts.push(...drawn);
      top = bottom + 14;
    }
    if (report.roots.length) {
      const [drawn, bottom] = shareRows(report, hatch, top, width);
      parts.push(...drawn);
      top = bottom;
    }
    setSize(svg, width, top + 6);
    svg.setAttribute("aria-label", pictureWords(report));
    svg.replaceChildren(...parts);
    chart.hidden = parts.length === 1;
  };
  const widthNow = watchWidth(chart, draw);
  return (data) => {
    report = data;
    lines.replaceChildren(
      ...data.lines.map(({ chapter, verdict, says }) => reportLine(chapter, verdict, says)),
    );
    chart.hidden = false;
    draw(widthNow());
  };
}

/**
 * @param {ModelReport} report
 */
function pictureWords({ replay, roots }) {
  const counts = Object.entries(replay?.counts ?? {}).map(
    ([state, count]) => `${count} ${stateWords(/** @type {TensorState} */ (state))}`,
  );
  const parts = [];
  if (counts.length) parts.push(`Tensors after the replay: ${counts.join(", ")}`);
  if (roots.length)
    parts.push(
      `Shares of ${plural(roots.length, "root")}: ${roots
        .slice(0, MOST_ROOTS)
        .map(({ id, share }) => `${id} ${shareText(share)}`)
        .join(", ")}`,
    );
  return parts.join(". ");
}

/**
 * @param {string} chapter
 * @param {Verdict} verdict
 * @param {string} says
 */
function reportLine(chapter, verdict, says) {
  const [words, path] = REPORT_MARKS[verdict] ?? REPORT_MARKS.open;
  return h(
    "li",
    { class: `report-line report-${verdict}` },
    s(
      "svg",
      { class: "report-mark", viewBox: "0 0 16 16", "aria-hidden": "true" },
      s("path", { d: path }),
    ),
    h("b", {}, REPORT_CHAPTERS[chapter] ?? "Part"),
    h("span", { class: "report-verdict" }, words),
    h("span", { class: "report-says" }, h("bdi", {}, says)),
  );
}

/**
 * Every tensor as a cell, layers from left to right; those outside of the layers stand behind them.
 * @param {Shell} figure
 * @param {ReplayMap} map
 * @param {string} hatch
 * @param {number} top
 * @param {number} width
 * @returns {[SVGElement[], number]} what is drawn, and where it ends
 */
function tensorMap(figure, { modules, layers, outside }, hatch, top, width) {
  const left = Math.min(170, width * 0.42);
  const wide = Math.min(26, (width - left - 8) / Math.max(1, layers.length));
  /** @type {SVGElement[]} */
  const parts = [
    s("text", { class: "heading", x: 2, y: top + 13 }, "Every tensor after the replay"),
  ];
  const first = top + 24;
  modules.forEach((module, row) => {
    const y = first + row * TENSOR_ROW;
    parts.push(axisLabel(left - 8, y + 10, "end", lastLetters(module, left - 12)));
    layers.forEach((states, layer) => {
      const state = states[row];
      if (!state) return;
      const words = `layer ${layer}, ${module}: ${stateWords(state)}`;
      parts.push(tensorCell(figure, state, words, hatch, left + layer * wide, y, wide - 1.5));
    });
  });
  let bottom = first + modules.length * TENSOR_ROW;
  if (layers.length) {
    for (const layer of layerTicks(layers.length))
      parts.push(axisLabel(left + (layer + 0.5) * wide, bottom + 12, "middle", layer));
    bottom += 16;
  }
  if (outside.length) {
    parts.push(axisLabel(left - 8, bottom + 10, "end", "outside of the layers"));
    outside.slice(0, 24).forEach(([name, state], index) => {
      const words = `${name}: ${stateWords(state)}`;
      parts.push(tensorCell(figure, state, words, hatch, left + index * 14, bottom, 12));
    });
    bottom += TENSOR_ROW;
  }
  const found = new Set([...layers.flat(), ...outside.map(([, state]) => state)]);
  let [x, y] = [2, bottom + TENSOR_GAP];
  for (const [state, words] of Object.entries(TENSOR_STATES)) {
    if (!found.has(/** @type {TensorState} */ (state))) continue;
    const length = 24 + 6.4 * words.length;
    if (x + length > width) [x, y] = [2, y + 18];
    parts.push(
      tensorMark(/** @type {TensorState} */ (state), hatch, x, y, 12),
      axisLabel(x + 18, y + 10, "start", words),
    );
    x += length + 14;
  }
  return [parts, y + 18];
}

/**
 * @param {string} text
 * @param {number} room pixels
 */
function lastLetters(text, room) {
  const most = Math.max(6, Math.floor(room / 6.4));
  return text.length <= most ? text : `…${text.slice(text.length - most + 1)}`;
}

/**
 * @param {Shell} figure
 * @param {TensorState} state
 * @param {string} words
 * @param {string} hatch
 * @param {number} x
 * @param {number} y
 * @param {number} wide
 */
function tensorCell(figure, state, words, hatch, x, y, wide) {
  return s(
    "g",
    {
      class: "tensor-cell",
      role: "img",
      "aria-label": words,
      ...hintListeners(figure, () => [words]),
    },
    tensorMark(state, hatch, x, y, wide),
  );
}

/**
 * A state as a shape: told apart without its colour, too.
 * @param {TensorState} state
 * @param {string} hatch
 * @param {number} x
 * @param {number} y
 * @param {number} wide
 */
function tensorMark(state, hatch, x, y, wide) {
  const high = TENSOR_ROW - 3;
  const box = { x, y, width: Math.max(1, wide), height: high, rx: 1.5 };
  const known = TENSOR_STATES[state] ? state : "open";
  /** @type {SVGElement[]} */
  const marks = [s("rect", { class: `tensor-${known}`, ...box })];
  if (known === "rounded") marks.push(s("rect", { ...box, fill: `url(#${hatch})` }));
  if (["different", "shape", "missing", "extra"].includes(known) && wide > 5)
    marks.push(
      s("path", {
        class: "tensor-cross",
        d: `M${x + wide / 2 - 2.5} ${y + high / 2 - 2.5}l5 5m0 -5l-5 5`,
      }),
    );
  return s("g", {}, marks);
}

/**
 * A row for each root: its share as a length, hatched as far as it is a range.
 * @param {ModelReport} report
 * @param {string} hatch
 * @param {number} top
 * @param {number} width
 * @returns {[SVGElement[], number]} what is drawn, and where it ends
 */
function shareRows({ roots, total }, hatch, top, width) {
  const shown = roots.slice(0, MOST_ROOTS);
  const other = total && total[0] === total[1] && Math.abs(total[0] - 1) > 1e-4;
  const heading = `Shares of the roots, ${other ? shareText(total) : "100 %"} together`;
  const low = Math.max(-1, Math.min(0, ...shown.map(({ share }) => share[0])));
  const high = Math.min(2, Math.max(1, ...shown.map(({ share }) => share[1])));
  const [from, to] = [8, width - 110];
  const place = (/** @type {number} */ value) =>
    from + ((Math.max(low, Math.min(high, value)) - low) / (high - low)) * (to - from);
  /** @type {SVGElement[]} */
  const parts = [s("text", { class: "heading", x: 2, y: top + 13 }, heading)];
  let y = top + 22;
  for (const { id, share, licence, status } of shown) {
    const [least, most] = share;
    const [a, b] = least >= 0 ? [place(0), place(least)] : [place(most), place(0)];
    const ghost = !["ok", "here"].includes(status);
    const tell = `${id}${licence ? `, ${licence}` : ""}${ghost ? ", not read" : ""}`;
    parts.push(
      axisLabel(from, y + 10, "start", lastLetters(tell, width - 20)),
      s("rect", { class: "share-rail", x: from, y: y + 14, width: to - from, height: 7, rx: 3 }),
      s("rect", {
        class: "share-sure",
        x: a,
        y: y + 14,
        width: Math.max(0, b - a),
        height: 7,
        rx: 2,
      }),
    );
    if (most > least)
      parts.push(
        s("rect", {
          class: "share-range",
          x: place(least),
          y: y + 14,
          width: place(most) - place(least),
          height: 7,
          fill: `url(#${hatch})`,
        }),
      );
    parts.push(axisLabel(to + 8, y + 21, "start", shareText(share)));
    y += SHARE_ROW;
  }
  if (low < 0)
    parts.push(s("line", { class: "share-zero", x1: place(0), x2: place(0), y1: top + 22, y2: y }));
  if (roots.length > shown.length) {
    parts.push(axisLabel(from, y + 10, "start", `and ${roots.length - shown.length} more`));
    y += 16;
  }
  return [parts, y + 4];
}
