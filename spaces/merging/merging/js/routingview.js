// Which expert every token of a text goes to, layer by layer.

import { plural } from "../../../../shared/js/numbers.js";
import { axisLabel, layerTicks, setSize, watchWidth } from "../../../../shared/js/axes.js";
import { h, s, visible } from "../../../../shared/js/dom.js";
import { percentage } from "../../../../shared/js/estimates.js";
import { hintListeners } from "../../../../shared/js/hints.js";
import { choice } from "../../../../shared/js/shell.js";
import { shortName } from "./models.js";

/** @import { Shell } from "../../../../shared/js/shell.js" */
/** @import { Mixture, RoutedMode } from "./data.js" */

const TOKEN_LEFT = 96;
const LANE = 5;
const TEXT_GAP = 12;

/**
 * Open the view.
 * @param {Shell} figure
 * @param {HTMLElement} panel
 * @returns {(data: Mixture) => void}
 */
export function openRouting(figure, panel) {
  /** @type {Mixture | null} */
  let data = null;
  const state = { mode: "", run: "" };
  const bar = h("div", { class: "filters padded-row" });
  const svg = s("svg", { class: "routing", role: "group" });
  const chart = h("div", { class: "chart" }, svg);
  const words = h("p", { class: "said padded-row" });
  panel.append(bar, chart, words);
  /** @param {number} width */
  const draw = (width) => {
    if (!data) return;
    const { routed, gates } = data;
    const mode = routed.find((one) => one.mode === state.mode) ?? routed[0];
    if (!mode) {
      bar.replaceChildren(
        h(
          "p",
          { class: "said", role: "status" },
          data.done
            ? "The mixture could not be run here, so that nothing was routed."
            : "The tokens are routed once mergekit has written the mixture.",
        ),
      );
      svg.replaceChildren();
      setSize(svg, 1, 1);
      words.replaceChildren();
      return;
    }
    bar.replaceChildren(
      choice(
        "Gates",
        routed.map(({ mode: name }) => [name, name === gates.own ? `${name}, this recipe` : name]),
        mode.mode,
        (name) => {
          state.mode = name;
          draw(widthNow());
        },
      ),
      expertKey(data),
    );
    drawRouting(figure, svg, data, mode, width);
    words.replaceChildren(
      `A token has a lane for every expert; a bar's length is the expert's weight. ${data.per_token} of `,
      `${plural(gates.routed, "expert")} a token; ${plural(data.tokens.length, "token")}, ` +
        `${plural(gates.layers, "layer")}.`,
    );
  };
  const widthNow = watchWidth(chart, draw);
  return (next) => {
    data = next;
    if (state.run !== next.run_id) Object.assign(state, { run: next.run_id, mode: "" });
    draw(widthNow());
  };
}

/**
 * The experts with their colours, in the order of the lanes.
 * @param {Mixture} data
 */
export function expertKey({ gates }) {
  return h(
    "ul",
    { class: "models", "aria-label": "Experts, in the order of the lanes" },
    gates.experts
      .slice(0, gates.routed)
      .map((name, place) =>
        h(
          "li",
          {},
          h("span", { class: `swatch series-${"abcd"[place % 4]}`, "aria-hidden": "true" }),
          `${place + 1} `,
          h("bdi", {}, shortName(name)),
        ),
      ),
  );
}

/**
 * @param {Shell} figure
 * @param {SVGSVGElement} svg
 * @param {Mixture} data
 * @param {RoutedMode} mode
 * @param {number} width
 */
function drawRouting(figure, svg, { gates, tokens }, mode, width) {
  const { layers, routed } = gates;
  const wide = Math.max(14, (width - TOKEN_LEFT - 8) / layers);
  const high = Math.max(16, routed * LANE + 3);
  const full = TOKEN_LEFT + layers * wide + 8;
  let y = 4;
  /** @type {SVGElement[]} */
  const parts = [];
  tokens.forEach(({ text, of }, place) => {
    if (place && tokens[place - 1].of !== of) y += TEXT_GAP;
    const shown = visible(text);
    parts.push(
      s(
        "text",
        { class: "routed-token", x: TOKEN_LEFT - 8, y: y + high / 2 + 3, "text-anchor": "end" },
        shown.length > 12 ? `${shown.slice(0, 11)}…` : shown,
      ),
    );
    for (let layer = 0; layer < layers; layer += 1) {
      const weights = mode.weights[place]?.[layer] ?? [];
      const x = TOKEN_LEFT + layer * wide;
      const sentence = placeWords(gates.experts, shown, layer, weights);
      parts.push(
        s(
          "g",
          {
            class: "place-group",
            role: "img",
            "aria-label": sentence,
            ...hintListeners(figure, () => [sentence]),
          },
          s("rect", { class: "place", x, y, width: wide - 2, height: high - 2, rx: 2 }),
          weights.map((weight, expert) =>
            weight > 0
              ? s("rect", {
                  class: `lane series-${"abcd"[expert % 4]}`,
                  x,
                  y: y + 1 + (expert * (high - 4)) / routed,
                  width: Math.max(1, (wide - 2) * weight),
                  height: Math.max(1.5, (high - 4) / routed - 1),
                })
              : null,
          ),
        ),
      );
    }
    y += high;
  });
  parts.push(
    ...layerTicks(layers).map((layer) =>
      axisLabel(TOKEN_LEFT + (layer + 0.5) * wide, y + 14, "middle", layer),
    ),
    axisLabel(full - 8, y + 30, "end", "layer →"),
  );
  setSize(svg, full, y + 36);
  svg.setAttribute(
    "aria-label",
    `${mode.mode}: the experts of ${plural(tokens.length, "token")} in ${plural(layers, "layer")}`,
  );
  svg.replaceChildren(...parts);
}

/**
 * @param {readonly string[]} experts
 * @param {string} token
 * @param {number} layer
 * @param {readonly number[]} weights
 */
function placeWords(experts, token, layer, weights) {
  const taken = weights
    .map((weight, place) => ({ weight, name: shortName(experts[place] ?? "") }))
    .filter(({ weight }) => weight > 0)
    .toSorted((a, b) => b.weight - a.weight)
    .map(({ weight, name }) => `${name} ${percentage(weight)}`);
  return `“${token}”, layer ${layer}: ${taken.join(", ")}`;
}
