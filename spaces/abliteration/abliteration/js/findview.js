// Where the two sets separate: curves over the layers, and one layer's projections, plane and neighbours.

import { axisLabel, heat, heatLegend, layerTicks } from "../../../../shared/js/axes.js";
import { h, s, visible } from "../../../../shared/js/dom.js";
import { percentage } from "../../../../shared/js/estimates.js";
import { brief, whole } from "../../../../shared/js/numbers.js";
import { isPlace } from "../../../../shared/js/seen.js";
import { block, columnWidth, drawInBox, layerChart, lineLegend, picture } from "./charts.js";
import { projectionChart, scatterChart } from "./layercharts.js";

/** @import { Figure } from "../../../../shared/js/tabbed.js" */
/** @import { LayerChart } from "./charts.js" */
/** @import { Find, Layer } from "./data.js" */

/**
 * Open the view.
 * @param {Figure<Find>} figure
 * @param {HTMLElement} panel
 * @returns {(data: Find) => void}
 */
export function openLayers(figure, panel) {
  /** @type {{run: string, layer: number | null}} */
  const state = { run: "", layer: null };
  const curves = h("div", { class: "padded" });
  const inside = h("div", { class: "padded two" });
  panel.append(curves, inside);
  const draw = drawInBox(curves, (/** @type {Find} */ data, width) => {
    const layer = Math.min(state.layer ?? startOf(data), data.layers.length - 1);
    const column = columnWidth(width);
    curves.replaceChildren(
      ...layerCurves(data, layer, column, (next) => {
        const focus = [...curves.querySelectorAll("svg")].findIndex(
          (svg) => svg === document.activeElement,
        );
        state.layer = next;
        draw(data);
        curves.querySelectorAll("svg").item(focus)?.focus();
      }),
    );
    inside.replaceChildren(...layerParts(figure, data, layer, column));
  });
  /** @type {Find | null} */
  let shown = null;
  figure.hold(
    "layer",
    () => state.layer ?? undefined,
    (value) => {
      const fits = shown !== null && isPlace(value, shown.layers.length);
      if (fits) state.layer = value;
      if (shown) draw(shown);
      return fits;
    },
  );
  return (data) => {
    shown = data;
    if (state.run !== data.run_id) state.layer = null;
    state.run = data.run_id;
    draw(data);
  };
}

/**
 * The layer to begin with: the chosen one, or the one that separates best.
 * @param {Find} data
 */
function startOf({ choice, layers }) {
  if (choice) return choice.layer;
  const separations = layers.map((layer) => layer.d_prime);
  return separations.indexOf(Math.max(...separations));
}

/**
 * Curves over the layers.
 * @param {Find} data
 * @param {number} chosen layer
 * @param {number} width
 * @param {(layer: number) => void} choose
 */
function layerCurves({ layers, split, given, draws = 64 }, chosen, width, choose) {
  /**
   * @param {"d_prime" | "auc" | "relative_norm"} key
   * @param {string} name
   * @param {string} label
   * @param {Partial<LayerChart>} [extra]
   */
  const chart = (key, name, label, extra) =>
    layerChart({
      width,
      count: layers.length,
      chosen,
      choose,
      lines: [{ values: layers.map((layer) => layer[key]), colour: "a", label: name }],
      label,
      ...extra,
    });
  const sizes = [split.fit, split.select].map(
    ({ positive, negative }) => `${positive.length} + ${negative.length}`,
  );
  const shares = "‖μ⁺ − μ⁻‖ / mean ‖h‖; grey: 90 % of shuffled labels";
  return [
    h(
      "p",
      { class: "said" },
      `Directions are made from ${sizes[0]} prompts and tried on ${sizes[1]} others. `,
      `Grey: 90 % of ${whole(draws)} random directions.`,
    ),
    h(
      "div",
      { class: "two" },
      block(
        "Separation of prompts that played no part in making it",
        null,
        chart("d_prime", "d′", "d′, standard deviations", {
          ribbon: layers.map(({ random }) => random),
        }),
      ),
      block(
        "Chance that a positive lies above a negative (AUC)",
        null,
        chart("auc", "AUC", "AUC", {
          range: [0.4, 1],
          ribbon: layers.map((layer) => layer.random_auc),
        }),
      ),
      block(
        "Length of the difference, as a share of the stream",
        null,
        chart("relative_norm", "share", shares, {
          ribbon: layers.every((layer) => layer.permuted_norm)
            ? layers.map((layer) => layer.permuted_norm ?? [])
            : undefined,
        }),
      ),
      block(
        "The same with shuffled labels",
        null,
        chart("d_prime", "d′ of true labels", "d′; grey: 90 % of shuffled labels", {
          ribbon: layers.map(({ permuted }) => permuted),
        }),
      ),
      given
        ? block(
            "Cosine of the vector file's direction and the found one",
            null,
            layerChart({
              width,
              count: layers.length,
              chosen,
              choose,
              lines: [
                {
                  values: given.cosines.map((cosine) => cosine ?? NaN),
                  colour: "a",
                  label: "cosine",
                },
              ],
              label: "cosine; grey: 95 % of random directions",
              range: [-1, 1],
              ribbon: layers.map(() => [-given.chance, 0, given.chance]),
            }),
          )
        : null,
    ),
  ];
}

/**
 * What is inside one layer.
 * @param {Figure<Find>} figure
 * @param {Find} data
 * @param {number} chosen layer
 * @param {number} width
 */
function layerParts(figure, data, chosen, width) {
  const layer = data.layers[chosen];
  const shares = layer.plane.explained.map(percentage).join(" and ");
  return [
    block(
      `Layer ${chosen}: projection on its direction`,
      `d′ ${brief(layer.d_prime)}, AUC ${brief(layer.auc)}`,
      projectionChart(layer.projections, width),
      lineLegend([
        ["b", "positive prompts"],
        ["a", "negative prompts"],
      ]),
    ),
    block(
      `Layer ${chosen}: the two sets in a plane`,
      `First two principal components: ${shares} of the variance`,
      scatterChart(layer.plane, width),
    ),
    block(
      "Where to read the direction: d′ by layer and token",
      "The tokens that the chat template puts after every prompt, the last one below.",
      placesMap(figure, data, width),
    ),
    block(
      "Cosine between the layers' directions",
      null,
      cosineMap(data.layers, chosen, Math.min(width, 320)),
    ),
  ];
}

const [PLACES_LEFT, PLACES_ROW] = [96, 22]; // pixels

/**
 * d′ at every layer and position; where the page listens, a click takes the direction from there.
 * @param {Figure<Find>} figure
 * @param {Find} data
 * @param {number} width
 */
function placesMap({ host }, { places, positions, position, choice }, width) {
  const layers = places[0].length;
  const wide = (width - PLACES_LEFT - 4) / layers;
  const most = Math.max(1e-9, ...places.flat());
  const isLive = !host.exported;
  const height = places.length * PLACES_ROW + 20;
  /**
   * @param {number} layer
   * @param {number} row
   */
  const box = (layer, row) => ({
    x: PLACES_LEFT + layer * wide,
    y: row * PLACES_ROW,
    width: wide,
    height: PLACES_ROW - 2,
  });
  const cells = places.flatMap((values, row) =>
    values.map((value, layer) => {
      const place = { layer, position: row - places.length };
      const name = `layer ${layer}, position −${-place.position} (${visible(positions[row])})`;
      return s(
        "rect",
        {
          class: isLive ? "cell live" : "cell",
          ...box(layer, row),
          style: { fill: heat(Math.max(0, value / most)) },
          onclick: isLive ? () => host.emit("place", place) : null,
        },
        s("title", {}, `${name}: d′ ${brief(value)}`),
      );
    }),
  );
  return h(
    "div",
    {},
    picture(
      width,
      height,
      {
        "aria-label": `d′ at ${places.length} tokens and ${layers} layers, at most ${brief(most)}`,
      },
      cells,
      choice
        ? s("rect", { class: "chosen", ...box(choice.layer, places.length + position) })
        : null,
      positions.map((token, row) =>
        axisLabel(
          PLACES_LEFT - 6,
          row * PLACES_ROW + 14,
          "end",
          `${visible(token).slice(0, 9)} −${positions.length - row}`,
        ),
      ),
      layerTicks(layers).map((layer) =>
        axisLabel(PLACES_LEFT + (layer + 0.5) * wide, height - 4, "middle", layer),
      ),
    ),
    heatLegend("0", brief(most), isLive ? "d′; a click reads the direction there" : "d′"),
  );
}

const COSINES_LEFT = 26; // pixels

/**
 * Cosines between the directions of every two layers.
 * @param {Layer[]} layers
 * @param {number} chosen layer
 * @param {number} size pixels
 */
function cosineMap(layers, chosen, size) {
  const cell = (size - 30) / layers.length;
  return h(
    "div",
    {},
    picture(
      size,
      size,
      { "aria-label": "Cosine between the directions of every two layers" },
      layers.map(({ cosine }, row) =>
        cosine.map((value, column) =>
          s(
            "rect",
            {
              class: "cell",
              x: COSINES_LEFT + column * cell,
              y: row * cell,
              width: cell,
              height: cell,
              style: { fill: heat(Math.max(0, value)) },
            },
            s("title", {}, `layers ${row} and ${column}: ${brief(value, 2)}`),
          ),
        ),
      ),
      layerTicks(layers.length).flatMap((layer) => [
        axisLabel(COSINES_LEFT - 4, (layer + 0.5) * cell + 4, "end", layer),
        axisLabel(COSINES_LEFT + (layer + 0.5) * cell, size - 14, "middle", layer),
      ]),
      s("rect", {
        class: "chosen",
        x: COSINES_LEFT,
        y: chosen * cell,
        width: layers.length * cell,
        height: cell,
      }),
    ),
    heatLegend("0 or less", "1", "cosine"),
  );
}
