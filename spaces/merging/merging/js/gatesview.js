// How alike the gates of a mixture's experts are, layer by layer, in every mode.

import {
  axisLabel,
  heat,
  heatLegend,
  layerTicks,
  setSize,
  watchWidth,
} from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { number, plural } from "../../../../shared/js/numbers.js";
import { shortName } from "./models.js";
import { shadedCell } from "./shadedcell.js";

/** @import { Shell } from "../../../../shared/js/shell.js" */
/** @import { GateMode, GatePair, GateVectors } from "./data.js" */

const GATE_LEFT = 150;
const GATE_CELL = 20;
/** Pairs that are drawn; of more the closest. */
const MOST_PAIRS = 6;

/**
 * Open the view.
 * @param {Shell} figure
 * @param {HTMLElement} panel
 * @returns {(data: {gates: GateVectors}) => void}
 */
export function openGates(figure, panel) {
  /** @type {GateVectors | null} */
  let gates = null;
  const svg = s("svg", { class: "gates", role: "group" });
  const chart = h("div", { class: "chart" }, svg);
  const legend = h("div", { class: "padded-row" });
  const sentences = h("div", { class: "padded" });
  panel.append(
    h(
      "p",
      { class: "said padded-row" },
      "A router sends a token where the product of gate and state is largest. Gates that are nearly equal ",
      "leave it to small differences which expert that is: the usual mistake of a mixture.",
    ),
    chart,
    legend,
    sentences,
  );
  /** @param {number} width */
  const draw = (width) => {
    if (!gates) return;
    const { modes, layers } = gates;
    const left = Math.min(GATE_LEFT, width * 0.36);
    const wide = Math.max(9, (width - left - 8) / layers);
    let top = 4;
    const parts = modes.flatMap((mode) => {
      const [map, bottom] = gateMap(
        figure,
        /** @type {GateVectors} */ (gates),
        mode,
        top,
        left,
        wide,
      );
      top = bottom;
      return map;
    });
    parts.push(
      ...layerTicks(layers).map((layer) =>
        axisLabel(left + (layer + 0.5) * wide, top + 12, "middle", layer),
      ),
      axisLabel(left + layers * wide, top + 28, "end", "layer →"),
    );
    setSize(svg, left + layers * wide + 8, top + 34);
    svg.setAttribute(
      "aria-label",
      `Cosine of the experts' gates by layer, ${modes.map(({ mode }) => mode).join(", ")}`,
    );
    svg.replaceChildren(...parts);
    legend.replaceChildren(heatLegend("0", "1", "cosine of two gates; orange below 0"));
    sentences.replaceChildren(
      ...modes.map((mode) => gateSentence(/** @type {GateVectors} */ (gates), mode)),
    );
  };
  const widthNow = watchWidth(chart, draw);
  return (data) => {
    ({ gates } = data);
    draw(widthNow());
  };
}

/**
 * The closest pairs of a mode, and how many more there are.
 * @param {GateMode} mode
 * @returns {[GatePair[], number]}
 */
function closestPairs({ pairs }) {
  const sorted = pairs.toSorted((one, other) => meanOf(other.cosine) - meanOf(one.cosine));
  return [sorted.slice(0, MOST_PAIRS), Math.max(0, sorted.length - MOST_PAIRS)];
}

/** @param {readonly number[]} values */
export function meanOf(values) {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

/**
 * @param {GateVectors} gates
 * @param {GatePair} pair
 */
function pairName({ experts }, { first, second }) {
  return `${shortName(experts[first])} · ${shortName(experts[second])}`;
}

/**
 * A mode's map, and where it ends.
 * @param {Shell} figure
 * @param {GateVectors} gates
 * @param {GateMode} mode
 * @param {number} top
 * @param {number} left
 * @param {number} wide
 * @returns {[SVGElement[], number]}
 */
function gateMap(figure, gates, mode, top, left, wide) {
  const own = mode.mode === gates.own ? ", this recipe" : "";
  /** @type {SVGElement[]} */
  const parts = [s("text", { class: "heading", x: 2, y: top + 13 }, `${mode.mode}${own}`)];
  let y = top + 22;
  const letters = Math.floor((left - 10) / 6.4);
  for (const pair of closestPairs(mode)[0]) {
    const name = pairName(gates, pair);
    const short = name.length > letters ? `experts ${pair.first + 1} · ${pair.second + 1}` : name;
    parts.push(axisLabel(left - 8, y + 14, "end", short));
    pair.cosine.forEach((value, layer) => {
      const words = `${mode.mode}, layer ${layer}, ${name}: cosine ${number(value, 3)}`;
      const box = { x: left + layer * wide, y, width: wide - 1.5, height: GATE_CELL - 2 };
      const text = wide > (value < 0 ? 34 : 27) ? number(value) : null;
      parts.push(shadedCell(figure, words, box, likeness(value), text, Math.abs(value) > 0.68));
    });
    y += GATE_CELL;
  }
  if (mode.degenerate.length) {
    parts.push(axisLabel(left - 8, y + 11, "end", "mergekit warns"));
    for (const layer of mode.degenerate)
      parts.push(
        s("rect", {
          class: "warned",
          x: left + layer * wide,
          y: y + 5,
          width: wide - 1.5,
          height: 4,
        }),
      );
    y += 16;
  }
  return [parts, y + 12];
}

/**
 * The colour of a cosine: one hue above 0, where gates are alike, another below, where they part best.
 * @param {number} cosine
 */
function likeness(cosine) {
  return cosine < 0
    ? `color-mix(in srgb, var(--b) ${Math.round(-92 * cosine)}%, var(--paper))`
    : heat(cosine);
}

/**
 * What a mode's gates say in words.
 * @param {GateVectors} gates
 * @param {GateMode} mode
 */
function gateSentence(gates, mode) {
  const [pairs, more] = closestPairs(mode);
  if (!pairs.length) return h("p", {}, h("b", {}, mode.mode), ": one gate alone.");
  const [closest] = pairs;
  const sorted = closest.cosine.toSorted((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  const count = mode.degenerate.length;
  const warning = `mergekit warns of ${count} of ${plural(gates.layers, "layer")} (condition number above 5)`;
  const verdict = !count
    ? "mergekit warns of no layer."
    : middle > 0
      ? `${warning}: there small differences decide between the experts. Prompts that have less in common,
         or negative prompts, separate them.`
      : `${warning}: that number is large for opposite gates too, which separate experts best.`;
  const same =
    mode.mode === "hidden" && closest.cosine[0] > 0.999
      ? " In layer 0 a hidden gate is the embedding of the prompts' last tokens, which are the same."
      : "";
  return h(
    "p",
    {},
    h("b", {}, mode.mode),
    `: the closest are ${pairName(gates, closest)}, cosine ${number(middle)}`,
    sorted[0] === sorted[sorted.length - 1]
      ? " in every layer. "
      : ` at the median (${number(sorted[0])} to ${number(sorted[sorted.length - 1])}). `,
    verdict.replace(/\s+/g, " "),
    same,
    more ? ` ${plural(more, "pair")} further apart not drawn.` : "",
  );
}
