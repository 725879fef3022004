// The direction's component in the stream, token by layer; and how it is written again after it was removed
// at one layer.

import { axisLabel } from "../../../../shared/js/axes.js";
import { h, s, visible } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { choice } from "../../../../shared/js/shell.js";
import { block, drawInBox, layerChart, lineLegend, picture } from "./charts.js";

/** @import { Ablate, Ray } from "./data.js" */

const [RAY_LEFT, RAY_RIGHT, RAY_ROW] = [34, 34, 9]; // pixels
const RAY_COLUMN = 12; // pixels: narrower, the tokens below would run into each other
const RAY_PROMPT = 10; // tokens of the prompt that are drawn
const RETURN_COLOURS = ["ink", "a", "b", "c", "d"];

/**
 * Open the X-ray.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Ablate) => void}
 */
export function openXray(_figure, panel) {
  let place = 0;
  const bar = h("div", { class: "filters padded-row" });
  const box = h("div", { class: "padded" });
  panel.append(bar, box);
  const draw = drawInBox(box, (/** @type {Ablate} */ data, width) => {
    const pairs = data.pairs.flatMap(({ prompt, xray }) => (xray ? { prompt, xray } : []));
    if (!pairs.length) {
      box.replaceChildren(h("p", { class: "said" }, "Looking inside …"));
      return;
    }
    const { base, edited } = pairs[Math.min(place, pairs.length - 1)].xray;
    // The first token's norm is far from all others.
    const components = base.layers.slice(1).flatMap((row) => row.slice(1).map(Math.abs));
    const most = Math.max(1e-9, ...components);
    bar.replaceChildren(
      choice(
        "Prompt",
        pairs.map(({ prompt }, index) => [String(index), prompt.slice(0, 60)]),
        String(place),
        (value) => {
          place = Number(value);
          draw(data);
        },
      ),
    );
    box.replaceChildren(
      h(
        "p",
        { class: "said" },
        "r̂ᵀh at every token (across) and layer (up). Blue: along the direction, orange: against it. ",
        "Dashed line: where the answer begins.",
      ),
      block("The model as it is", null, rayMap("The model as it is", base, most, width)),
      block(data.mark, null, rayMap(data.mark, edited, most, width)),
      h(
        "p",
        { class: "said" },
        `Full colour is ${brief(most)}, the largest of the untouched model. The first token of the text is `,
        "left out of the scale: its norm is far from all others.",
      ),
    );
  });
  return draw;
}

/**
 * @param {string} name
 * @param {Ray} ray
 * @param {number} most component of the full colour
 * @param {number} width
 */
function rayMap(name, { tokens, prompt, layers }, most, width) {
  const from = Math.max(0, prompt - RAY_PROMPT);
  const columns = tokens.slice(from);
  const wide = Math.max(RAY_COLUMN, (width - RAY_LEFT - RAY_RIGHT) / columns.length);
  const high = layers.length * RAY_ROW;
  const full = RAY_LEFT + wide * columns.length + RAY_RIGHT;
  const cut = RAY_LEFT + (prompt - from) * wide;
  return h(
    "div",
    {
      class: "scroll",
      tabindex: 0,
      role: "region",
      "aria-label": `Component by token and layer: ${name}`,
    },
    picture(
      full,
      high + 62,
      {
        "aria-label": `Component of the direction over ${columns.length} tokens and ${layers.length} layers`,
      },
      layers.map((row, layer) =>
        row.slice(from).map((value, column) =>
          s("rect", {
            x: RAY_LEFT + column * wide,
            y: high - (layer + 1) * RAY_ROW,
            width: wide,
            height: RAY_ROW,
            class: value < 0 ? "against" : "along",
            style: { "fill-opacity": Math.min(1, Math.abs(value) / most).toFixed(3) },
          }),
        ),
      ),
      columns.map((token, column) =>
        tokenLabel(token, RAY_LEFT + (column + 0.62) * wide, high + 6),
      ),
      s("line", { class: "cut", x1: cut, x2: cut, y1: 0, y2: high }),
      rayTicks(layers.length).map((layer) =>
        axisLabel(RAY_LEFT - 6, high - (layer + 0.5) * RAY_ROW + 4, "end", layer),
      ),
    ),
  );
}

/**
 * @param {string} token
 * @param {number} x
 * @param {number} y
 */
function tokenLabel(token, x, y) {
  return s(
    "text",
    { class: "axis ray-token", transform: `translate(${x} ${y}) rotate(60)` },
    visible(token).slice(0, 9),
  );
}

/**
 * Layers that get a number: rows are low.
 * @param {number} count
 */
function rayTicks(count) {
  const step = count > 24 ? 10 : count > 6 ? 5 : 2;
  return Array.from({ length: Math.ceil(count / step) }, (_, index) => index * step);
}

/**
 * How a curve is drawn: the untouched model's first, then colours, then the same colours dashed.
 * @param {number} index
 */
function returnStyle(index) {
  const colours = RETURN_COLOURS.length;
  return index < colours
    ? { colour: RETURN_COLOURS[index], dashed: false }
    : { colour: RETURN_COLOURS[1 + ((index - colours) % (colours - 1))], dashed: true };
}

/** @param {number | null} layer */
function returnWords(layer) {
  return layer === null ? "untouched" : `removed entering layer ${layer}`;
}

/**
 * Open the view of what later layers write again.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Ablate) => void}
 */
export function openReturn(_figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return drawInBox(box, (/** @type {Ablate} */ data, width) => {
    const curves = data.re_emergence ?? [];
    if (!curves.length) return;
    box.replaceChildren(
      block(
        "The direction, removed at one layer's input alone",
        "Mean r̂ᵀh at the last token of three positive prompts, at every block's input. Where a curve " +
          "rises again, later blocks write the direction again: one cut is not enough.",
        layerChart({
          width,
          height: 240,
          count: curves[0].component.length,
          lines: curves.map(({ component, layer }, index) => ({
            values: component,
            ...returnStyle(index),
            label: returnWords(layer),
          })),
          label: "mean component",
        }),
        lineLegend(
          curves.map(({ layer }, index) => {
            const { colour, dashed } = returnStyle(index);
            return [colour, returnWords(layer), dashed];
          }),
        ),
      ),
    );
  });
}
