// Below the tree of two models, step for step under its columns: how far apart their odds are, and
// the rank that the other model gives to the token.

import { s } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { keyAt, ownerOf, pairOdds } from "./pairforest.js";
import { fromLog } from "./paths.js";

/**
 * @import {Canvas} from "../../../../shared/js/canvas.js"
 * @import {PairText} from "./data.js"
 * @import {PairSession} from "./pairfigure.js"
 * @import {Layout} from "./treelayout.js"
 */

const BAND = 104; // height of one text's part
const BARS = 46;
const MARKS = [0.001, 0.01, 0.03, 0.1, 0.3, 1, 3, 10]; // nats that may get a line

/** @type {WeakMap<SVGSVGElement, {marks: SVGGElement, bands: SVGGElement}>} */
const layers = new WeakMap();

/**
 * Draw the strip, and into every pill of the tree a mark where the other model's odds end.
 * @param {Canvas} canvas
 * @param {Layout} layout
 * @param {PairSession} session
 */
export function drawStrip(canvas, layout, session) {
  const { svg } = canvas;
  let layer = layers.get(svg);
  if (!layer) {
    layer = {
      marks: s("g", { class: "other-odds", "aria-hidden": "true" }),
      bands: s("g", { class: "strip", "aria-hidden": "true" }),
    };
    layers.set(svg, layer);
    svg.append(layer.marks, layer.bands);
  }
  layer.marks.replaceChildren(...drawOtherOdds(layout, session));
  const top = layout.totalHeight;
  const { pair } = session;
  const bands = pair.texts.map((text, index) =>
    drawBand(layout, session, text, index, top + index * BAND),
  );
  if (!bands.length && session.running) {
    const words = "How far apart they are stands here once both texts are written.";
    bands.push([s("text", { class: "note", x: layout.left[1] ?? 12, y: top + 30 }, words)]);
  }
  layer.bands.replaceChildren(...bands.flat());
  const count = session.running ? 2 : pair.texts.length;
  canvas.resize(layout.totalWidth, top + count * BAND + (count ? 4 : 0));
}

/**
 * @param {Layout} layout
 * @param {PairSession} session
 */
function drawOtherOdds(layout, { pair }) {
  return layout.items.flatMap(({ place, x, y, width, height }) => {
    const odds = place.parent ? pairOdds(pair, place) : null;
    if (!odds) return [];
    const other = 1 - ownerOf(place);
    const at = x + Math.max(1, Math.min(width - 1, width * fromLog(odds[other])));
    return [
      s("path", {
        class: `other-tick series-${other}`,
        d: `M${at.toFixed(1)} ${y + height - 5}l3.5 6h-7z`,
      }),
    ];
  });
}

/**
 * One text's part of the strip.
 * @param {Layout} layout
 * @param {PairSession} session
 * @param {PairText} text
 * @param {number} index of the text
 * @param {number} top
 */
function drawBand(layout, session, text, index, top) {
  const { pair, names } = session;
  const own = text.of;
  const all = pair.texts.flatMap((one) => one.steps.map((step) => distanceOn(one, step)));
  const most = Math.max(0.001, ...all.filter(Number.isFinite));
  const from = index ? (pair.parting?.step ?? 1) - 1 : 0;
  const base = top + 30 + BARS;
  const height = (/** @type {number} */ value) => BARS * Math.sqrt(Math.min(1, value / most));
  const left = layout.left[from + 1] ?? 12;
  const right = layout.left[text.steps.length] + layout.width[text.steps.length];
  const direction = own === 0 ? "KL(first‖second)" : "KL(second‖first)";
  const title = s(
    "text",
    { class: "band-title", x: left, y: top + 10 },
    `${direction} in nats on the text of `,
    s("tspan", { class: `series-${own}` }, names[own]),
  );
  /** @type {number[]} */
  const lines = [];
  for (const mark of MARKS)
    if (mark <= most && height(mark) - height(lines.at(-1) ?? 0) > 9) lines.push(mark);
  const axis = [0, ...lines].flatMap((mark) => {
    const y = base - height(mark);
    return [
      s("line", { class: "grid-line", x1: left, x2: right, y1: y, y2: y }),
      s("text", { class: "axis", x: left - 6, y: y + 3.5, "text-anchor": "end" }, brief(mark)),
    ];
  });
  const ranks = s(
    "text",
    { class: "axis", x: left - 6, y: base + 15, "text-anchor": "end" },
    `rank in ${own === 0 ? "second" : "first"}`,
  );
  const columns = text.steps.slice(from).map((step, offset) => {
    const at = from + offset;
    const x = layout.left[at + 1];
    const width = layout.width[at + 1];
    const value = distanceOn(text, step);
    const tall = height(Number.isFinite(value) ? value : most);
    const rank = step.ranks[1 - own][0];
    const key = keyAt(pair, { text: index, step: at });
    const chosen = session.at?.text === index && session.at.step === at;
    return s(
      "g",
      { class: chosen ? "column chosen" : "column", "data-key": key },
      s("rect", { class: "hit", x, y: top + 15, width, height: BARS + 35, rx: 5 }),
      s("rect", {
        class: `bar series-${own}`,
        x: x + width / 2 - 9,
        y: base - tall,
        width: 18,
        height: tall,
      }),
      s(
        "text",
        { class: "note", x: x + width / 2, y: base - tall - 3, "text-anchor": "middle" },
        natsWords(value, 2),
      ),
      s(
        "text",
        {
          class: rank > 1 ? "rank other" : "rank",
          x: x + width / 2,
          y: base + 15,
          "text-anchor": "middle",
        },
        brief(rank),
      ),
    );
  });
  return [...axis, title, ranks, ...columns];
}

/**
 * The divergence from a text's own model to the other one at a step, in nats.
 * @param {PairText} text
 * @param {{forward: number | null, backward: number | null}} step
 */
export function distanceOn(text, step) {
  return (text.of === 0 ? step.forward : step.backward) ?? Infinity;
}

/**
 * A divergence in words; null where it is infinite.
 * @param {number | null} distance
 * @param {number} [digits]
 */
export function natsWords(distance, digits = 3) {
  return distance === null || distance === Infinity ? "∞" : brief(distance, digits);
}
