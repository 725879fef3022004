// What each gate mode changes: the load of every expert by layer, the routers' entropy, and whether an
// expert's own prompts find it.

import {
  axisLabel,
  heat,
  heatLegend,
  layerTicks,
  setSize,
  watchWidth,
} from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { percentage } from "../../../../shared/js/estimates.js";
import { hintListeners } from "../../../../shared/js/hints.js";
import { number } from "../../../../shared/js/numbers.js";
import { headedRow, scrollTable } from "../../../../shared/js/tables.js";
import { meanOf } from "./gatesview.js";
import { expertName } from "./models.js";

/** @import { Shell } from "../../../../shared/js/shell.js" */
/** @import { Mixture, RoutedMode } from "./data.js" */

const LOAD_LEFT = 104;
const LOAD_RIGHT = 62;
const LOAD_CELL = 19;

/**
 * Open the view.
 * @param {Shell} figure
 * @param {HTMLElement} panel
 * @returns {(data: Mixture) => void}
 */
export function openModes(figure, panel) {
  /** @type {Mixture | null} */
  let data = null;
  const svg = s("svg", { class: "loads", role: "group" });
  const chart = h("div", { class: "chart" }, svg);
  const legend = h("div", { class: "padded-row" });
  const below = h("div", { class: "padded" });
  panel.append(chart, legend, below);
  /** @param {number} width */
  const draw = (width) => {
    if (!data) return;
    const { routed, gates } = data;
    const wide = Math.max(9, (width - LOAD_LEFT - LOAD_RIGHT) / gates.layers);
    let top = 4;
    const parts = routed.flatMap((mode) => {
      const [map, bottom] = loadMap(figure, /** @type {Mixture} */ (data), mode, top, wide);
      top = bottom;
      return map;
    });
    parts.push(
      ...layerTicks(gates.layers).map((layer) =>
        axisLabel(LOAD_LEFT + (layer + 0.5) * wide, top + 10, "middle", layer),
      ),
      axisLabel(LOAD_LEFT + gates.layers * wide, top + 26, "end", "layer →"),
    );
    setSize(svg, LOAD_LEFT + gates.layers * wide + LOAD_RIGHT, top + 32);
    svg.setAttribute("aria-label", "Load of every expert by layer and gate mode");
    svg.replaceChildren(...(routed.length ? parts : []));
    legend.replaceChildren(
      routed.length
        ? heatLegend(
            "0 %",
            "100 %",
            `of a layer's places; of ln ${gates.routed}, the most that entropy can be`,
          )
        : h("p", { class: "said", role: "status" }, "The tokens are not routed yet."),
    );
    below.replaceChildren(...(routed.length ? [modesTable(data), modesWords(data)] : []));
  };
  const widthNow = watchWidth(chart, draw);
  return (next) => {
    data = next;
    draw(widthNow());
  };
}

/**
 * A mode's maps, and where they end.
 * @param {Shell} figure
 * @param {Mixture} data
 * @param {RoutedMode} mode
 * @param {number} top
 * @param {number} wide
 * @returns {[SVGElement[], number]}
 */
function loadMap(figure, { gates }, mode, top, wide) {
  const { layers, routed, experts, own } = gates;
  /** @type {SVGElement[]} */
  const parts = [
    s(
      "text",
      { class: "heading", x: 2, y: top + 13 },
      `${mode.mode}${mode.mode === own ? ", this recipe" : ""}`,
    ),
  ];
  let y = top + 20;
  /**
   * @param {string} name
   * @param {number[]} shares
   * @param {string} what
   */
  const row = (name, shares, what) => {
    const total = shares.reduce((sum, share) => sum + share, 0) / layers;
    parts.push(axisLabel(LOAD_LEFT - 8, y + 13, "end", name));
    shares.forEach((share, layer) => {
      const words = `${mode.mode}, layer ${layer}, ${name}: ${percentage(share)} ${what}`;
      parts.push(loadCell(figure, words, share, LOAD_LEFT + layer * wide, y, wide));
    });
    parts.push(axisLabel(LOAD_LEFT + layers * wide + 8, y + 13, "start", percentage(total)));
    y += LOAD_CELL;
  };
  for (let expert = 0; expert < routed; expert += 1)
    row(
      expertName(experts, expert, 14),
      mode.load.map((layer) => layer[expert]),
      "of the tokens' places",
    );
  const most = Math.log(Math.max(2, routed));
  row(
    "entropy",
    mode.entropy.map((value) => value / most),
    `of ln ${routed}`,
  );
  return [parts, y + 12];
}

/**
 * @param {Shell} figure
 * @param {string} words
 * @param {number} share
 * @param {number} x
 * @param {number} y
 * @param {number} wide
 */
function loadCell(figure, words, share, x, y, wide) {
  return s("rect", {
    class: "cell",
    x,
    y,
    width: wide - 1.5,
    height: LOAD_CELL - 2,
    rx: 2,
    role: "img",
    "aria-label": words,
    style: { fill: heat(share) },
    ...hintListeners(figure, () => [words]),
  });
}

/** @param {Mixture} data */
function modesTable({ routed, gates }) {
  const names = gates.experts
    .slice(0, gates.routed)
    .map((_, place) => expertName(gates.experts, place, 14));
  const most = Math.log(Math.max(2, gates.routed));
  return scrollTable(
    "Gate modes",
    [
      "gates",
      ...names.map((name) => `${name}'s own prompts`),
      "entropy, nats",
      "same first expert",
    ],
    routed.map((mode) =>
      headedRow(mode.mode, [
        ...names.map((_, expert) => {
          const found = mode.own.find((row) => row.expert === expert);
          return found ? `${percentage(found.load[expert])}, n = ${found.tokens}` : "–";
        }),
        `${number(meanOf(mode.entropy), 2)} of ${number(most, 2)}`,
        mode.mode === gates.own ? "–" : percentage(mode.agreement),
      ]),
    ),
  );
}

/** @param {Mixture} data */
function modesWords({ gates }) {
  return h(
    "p",
    { class: "said" },
    "An expert's own prompts are those in the recipe: the share of their tokens' places, n tokens in each ",
    `of ${gates.layers} layers, that the expert gets; by chance it would be `,
    `${percentage(1 / gates.routed)}. Entropy is of the router's probabilities of all experts: at its most, `,
    "every expert is as likely as any. The last column compares each token's first expert with the one that ",
    "the recipe's own mode gives it.",
  );
}
