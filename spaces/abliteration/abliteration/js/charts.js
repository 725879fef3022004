// Curves over the layers with the ribbon of chance behind them, and what several views stand in.

import {
  axisLabel,
  baseAxis,
  layerTicks,
  pointerIn,
  scaleOf,
  valueAxis,
  watchWidth,
} from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";

/** @import { Attributes, Child } from "../../../../shared/js/dom.js" */
/** @import { Quantiles } from "./data.js" */

/**
 * Curves over the layers.
 * @typedef {Object} LayerChart
 * @property {number} width
 * @property {number} [height]
 * @property {number} count layers
 * @property {{values: number[], colour: string, label: string, dashed?: boolean}[]} lines what is not finite
 *   is left out
 * @property {Quantiles[]} [ribbon] by layer
 * @property {number | null} [chosen] layer
 * @property {[number, number]} [range] of the values, where it is fixed
 * @property {string} label of the axis
 * @property {(layer: number) => void} [choose]
 */

const [CURVES_LEFT, CURVES_RIGHT, CURVES_TOP, CURVES_BOTTOM] = [52, 14, 12, 34]; // pixels

/** Layers that a key moves on by. @type {Record<string, number>} */
const LAYER_STEPS = { ArrowLeft: -1, ArrowRight: 1 };

/**
 * Draw curves over the layers.
 * @param {LayerChart} chart
 * @returns {SVGSVGElement}
 */
export function layerChart(chart) {
  const { width, height = 170, count, lines, ribbon, chosen = null, choose } = chart;
  const [low, top] = chart.range ?? rangeOf(lines, ribbon ?? []);
  const right = width - CURVES_RIGHT;
  const x = scaleOf(0, Math.max(1, count - 1), CURVES_LEFT, right);
  const y = scaleOf(low, top, height - CURVES_BOTTOM, CURVES_TOP);
  /** @param {number[]} values */
  const points = (values) =>
    values.flatMap((value, layer) => (Number.isFinite(value) ? `${x(layer)},${y(value)}` : []));
  const svg = picture(
    width,
    height,
    {
      class: "picture layer-chart",
      tabindex: choose ? 0 : null,
      "aria-label": chartWords(chart),
    },
    valueAxis(y, y.ticks(4), [CURVES_LEFT, right], (value) => brief(value, 2)),
    ribbon ? chanceRibbon(ribbon, points) : null,
    lines.map(({ values, colour, dashed = false }) =>
      s("polyline", {
        class: `line line-${colour}${dashed ? " line-dashed" : ""}`,
        points: points(values).join(" "),
      }),
    ),
    chosen === null
      ? null
      : [
          s("line", { class: "cut", x1: x(chosen), x2: x(chosen), y1: 8, y2: height - 30 }),
          lines
            .filter(({ values }) => Number.isFinite(values[chosen]))
            .map(({ values, colour }) =>
              s("circle", {
                class: `mark mark-${colour}`,
                cx: x(chosen),
                cy: y(values[chosen]),
                r: 4.5,
              }),
            ),
        ],
    baseAxis(x, layerTicks(count), height - 18, String),
    axisLabel(right, height - 3, "end", "layer →"),
  );
  if (choose) {
    /** @param {number} layer */
    const chooseWithin = (layer) => choose(Math.max(0, Math.min(count - 1, layer)));
    svg.addEventListener("click", (event) =>
      chooseWithin(Math.round(x.invert(pointerIn(svg, event).x))),
    );
    svg.addEventListener("keydown", (event) => {
      const step = LAYER_STEPS[event.key];
      if (!step) return;
      event.preventDefault();
      chooseWithin((chosen ?? 0) + step);
    });
  }
  return svg;
}

/**
 * @param {LayerChart["lines"]} lines
 * @param {Quantiles[]} ribbon
 * @returns {[number, number]}
 */
function rangeOf(lines, ribbon) {
  const values = [...lines.flatMap((line) => line.values), ...ribbon.flat()].filter(
    Number.isFinite,
  );
  return [Math.min(0, ...values), Math.max(1e-9, ...values)];
}

/** @param {LayerChart} chart */
function chartWords({ label, lines, count, choose }) {
  const curves = lines.map(({ label: name, values }) => {
    const known = values.filter(Number.isFinite);
    return `${name} from ${brief(Math.min(...known))} to ${brief(Math.max(...known))}`;
  });
  const keys = choose ? ". Arrow keys move the chosen layer" : "";
  return `${label}: ${curves.join("; ")} over ${count} layers${keys}`;
}

/**
 * @param {Quantiles[]} ribbon
 * @param {(values: number[]) => string[]} points
 */
function chanceRibbon(ribbon, points) {
  const [low, middle, high] = [0, 1, 2].map((place) => points(ribbon.map((row) => row[place])));
  return [
    s("polygon", { class: "ribbon", points: [...high, ...low.toReversed()].join(" ") }),
    s("polyline", { class: "ribbon-middle", points: middle.join(" ") }),
  ];
}

/**
 * An SVG that can be saved; it has as many units as pixels.
 * @param {number} width
 * @param {number} height
 * @param {Attributes<SVGSVGElement>} attributes its "aria-label" above all
 * @param {...Child} content
 */
export function picture(width, height, attributes, ...content) {
  const viewBox = `0 0 ${width} ${height}`;
  return s(
    "svg",
    { class: "picture", width, height, viewBox, role: "img", ...attributes },
    content,
  );
}

/**
 * A heading, words and a picture.
 * @param {string} title
 * @param {string | null} words
 * @param {...Child} content
 */
export function block(title, words, ...content) {
  return h(
    "section",
    { class: "block" },
    h("h2", {}, title),
    words ? h("p", { class: "said" }, words) : null,
    content,
  );
}

/**
 * A legend of lines.
 * @param {readonly (readonly [colour: string, text: string, dashed?: boolean])[]} entries
 */
export function lineLegend(entries) {
  return h(
    "ul",
    { class: "models", "aria-label": "Legend" },
    entries.map(([colour, text, dashed = false]) => {
      const look = dashed ? `swatch swatch-${colour} swatch-dashed` : `swatch swatch-${colour}`;
      return h("li", {}, h("span", { class: look, "aria-hidden": "true" }), text);
    }),
  );
}

/**
 * Draw what fills a padded box, again whenever its width changes.
 * @template D
 * @param {HTMLElement} box
 * @param {(data: D, width: number) => void} draw
 * @returns {(data: D) => void} takes new data
 */
export function drawInBox(box, draw) {
  /** @type {(() => void) | null} */
  let again = null;
  const widthNow = watchWidth(box, () => again?.());
  return (data) => {
    again = () => draw(data, Math.max(280, widthNow() - 28));
    again();
  };
}

/**
 * The width of a block, where two stand side by side if there is room.
 * @param {number} width of the box
 */
export function columnWidth(width) {
  return width > 940 ? Math.floor((width - 20) / 2) : width;
}
