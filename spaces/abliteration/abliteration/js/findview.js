// Where the two sets part: curves over the layers, and one layer's histogram and plane.

import { axisLabel, heat, heatLegend, scaleOf, watchWidth } from "../../../../shared/js/axes.js";
import { h, s, visible } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { block, layerChart, lineLegend } from "./charts.js";

/** Open the view. */
export function openFind(figure, panel) {
  const state = { data: null, layer: null, run: null };
  const curves = h("div", { class: "padded" });
  const inside = h("div", { class: "padded two" });
  panel.append(curves, inside);
  const choose = (layer) => {
    const focused = curves.contains(document.activeElement)
      ? [...curves.querySelectorAll("svg")].indexOf(document.activeElement)
      : -1;
    state.layer = layer;
    draw();
    if (focused >= 0) curves.querySelectorAll("svg")[focused]?.focus();
  };
  const draw = () => {
    const { layers, split } = state.data;
    const width = Math.max(280, widthNow() - 28);
    const part = width > 940 ? Math.floor((width - 20) / 2) : width;
    const column = (key) => layers.map((layer) => layer[key]);
    const common = { width: part, count: layers.length, chosen: state.layer, choose };
    curves.replaceChildren(
      h(
        "p",
        { class: "said" },
        `Directions are made from ${split.fit.positive.length} + ${split.fit.negative.length} prompts and tried on ${split.select.positive.length} + ${split.select.negative.length} others. Grey: 90 % of 64 random directions.`,
      ),
      h(
        "div",
        { class: "two" },
        block(
          "Separation of prompts it was not made from",
          null,
          layerChart({
            ...common,
            lines: [{ values: column("d_prime"), colour: "a", label: "d′" }],
            ribbon: column("random"),
            label: "d′, standard deviations",
          }),
        ),
        block(
          "Chance that a positive lies above a negative (AUC)",
          null,
          layerChart({
            ...common,
            range: [0.4, 1],
            lines: [{ values: column("auc"), colour: "a", label: "AUC" }],
            ribbon: column("random_auc"),
            label: "AUC",
          }),
        ),
        block(
          "Length of the difference, as a share of the stream",
          null,
          layerChart({
            ...common,
            lines: [{ values: column("relative_norm"), colour: "a", label: "share" }],
            label: "‖μ⁺ − μ⁻‖ / mean ‖h‖",
          }),
        ),
        block(
          "The same with shuffled labels",
          null,
          layerChart({
            ...common,
            lines: [{ values: column("d_prime"), colour: "a", label: "d′ of true labels" }],
            ribbon: column("permuted"),
            label: "d′; grey: 90 % of shuffled labels",
          }),
        ),
      ),
    );
    const chosen = layers[state.layer];
    inside.replaceChildren(
      block(
        `Layer ${state.layer}: projection on its direction`,
        `d′ ${brief(chosen.d_prime)}, AUC ${brief(chosen.auc)}`,
        projections(chosen, part),
        lineLegend([
          ["b", "positive prompts"],
          ["a", "negative prompts"],
        ]),
      ),
      block(
        `Layer ${state.layer}: the two sets in a plane`,
        `First two principal components: ${chosen.plane.explained.map((share) => `${Math.round(100 * share)} %`).join(" and ")} of the variance`,
        scatter(chosen, part),
      ),
      block(
        "Where to read: d′ by layer and token",
        "The tokens that the chat template puts after every prompt, the last one below.",
        placesMap(figure, state.data, part),
      ),
      block("Cosine between the layers' directions", null, cosines(layers, state.layer, part)),
    );
  };
  const widthNow = watchWidth(curves, () => state.data && draw());
  return (data) => {
    if (state.run !== data.run_id) state.layer = null;
    state.run = data.run_id;
    state.data = data;
    state.layer = Math.min(
      state.layer ?? data.choice?.layer ?? bestLayer(data.layers),
      data.layers.length - 1,
    );
    draw();
  };
}

/** d′ at every layer and position; where the page listens, a click takes the direction from there. */
function placesMap(figure, { places, positions, position, choice }, width) {
  const left = 96,
    row = 22;
  const cell = (width - left - 4) / places[0].length;
  const most = Math.max(1e-9, ...places.flat());
  const live = figure.host.emit && !figure.host.exported;
  const cells = places.flatMap((values, place) =>
    values.map((value, layer) => {
      const at = place - places.length;
      const words = `layer ${layer}, position −${-at} (${visible(positions[place])}): d′ ${brief(value)}`;
      const take = () => figure.host.emit("place", { layer, position: at });
      return s(
        "rect",
        {
          class: live ? "cell live" : "cell",
          x: left + layer * cell,
          y: place * row,
          width: cell,
          height: row - 2,
          style: { fill: heat(Math.max(0, value / most)) },
          onclick: live ? take : null,
        },
        s("title", {}, words),
      );
    }),
  );
  const high = places.length * row + 20;
  const mark = choice
    ? s("rect", {
        class: "chosen",
        x: left + choice.layer * cell,
        y: (places.length + position) * row,
        width: cell,
        height: row - 2,
      })
    : null;
  const step = places[0].length > 12 ? 5 : 1;
  return h(
    "div",
    {},
    s(
      "svg",
      {
        class: "picture",
        width,
        height: high,
        viewBox: `0 0 ${width} ${high}`,
        role: "img",
        "aria-label": `d′ at ${places.length} tokens and ${places[0].length} layers, at most ${brief(most)}`,
      },
      cells,
      mark,
      positions.map((token, place) =>
        axisLabel(
          left - 6,
          place * row + 14,
          "end",
          `${visible(token).slice(0, 9)} −${positions.length - place}`,
        ),
      ),
      places[0].flatMap((_, layer) =>
        layer % step ? [] : [axisLabel(left + (layer + 0.5) * cell, high - 4, "middle", layer)],
      ),
    ),
    heatLegend("0", brief(most), `d′${live ? "; a click reads the direction there" : ""}`),
  );
}

function bestLayer(layers) {
  return layers.reduce(
    (best, { d_prime: value }, layer) => (value > layers[best].d_prime ? layer : best),
    0,
  );
}

/** Both sets' projections as dots on two lines, and their means. */
function projections({ projections: { positive, negative } }, width) {
  const all = [...positive, ...negative];
  const x = scaleOf(Math.min(...all), Math.max(...all), 16, width - 16);
  const high = 110;
  const row = (values, y, colour) => [
    ...values.map((value) => s("circle", { class: `dot-${colour}`, cx: x(value), cy: y, r: 4.5 })),
    s("line", {
      class: `mean-${colour}`,
      x1: x(mean(values)),
      x2: x(mean(values)),
      y1: y - 16,
      y2: y + 16,
    }),
  ];
  return s(
    "svg",
    {
      class: "picture",
      width,
      height: high,
      viewBox: `0 0 ${width} ${high}`,
      role: "img",
      "aria-label": `Projections: positive mean ${brief(mean(positive))}, negative mean ${brief(mean(negative))}`,
    },
    row(positive, 26, "b"),
    row(negative, 64, "a"),
    x.ticks(5).map((tick) => axisLabel(x(tick), high - 8, "middle", brief(tick, 2))),
  );
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

function scatter({ plane: { positive, negative } }, width) {
  const high = 200;
  const all = [...positive, ...negative];
  const x = scaleOf(
    Math.min(...all.map(([value]) => value)),
    Math.max(...all.map(([value]) => value)),
    14,
    width - 14,
  );
  const y = scaleOf(
    Math.min(...all.map(([, value]) => value)),
    Math.max(...all.map(([, value]) => value)),
    high - 14,
    14,
  );
  return s(
    "svg",
    {
      class: "picture",
      width,
      height: high,
      viewBox: `0 0 ${width} ${high}`,
      role: "img",
      "aria-label": `${positive.length} positive and ${negative.length} negative prompts in the plane of the first two principal components`,
    },
    negative.map(([one, other]) =>
      s("circle", { class: "dot-a", cx: x(one), cy: y(other), r: 4.5 }),
    ),
    positive.map(([one, other]) =>
      s("rect", { class: "dot-b", x: x(one) - 4, y: y(other) - 4, width: 8, height: 8 }),
    ),
  );
}

function cosines(layers, chosen, width) {
  const size = Math.min(width, 320);
  const cell = (size - 30) / layers.length;
  const parts = layers.flatMap(({ cosine }, row) =>
    cosine.map((value, column) =>
      s(
        "rect",
        {
          class: "cell",
          x: 26 + column * cell,
          y: row * cell,
          width: cell,
          height: cell,
          style: { fill: heat(Math.max(0, value)) },
        },
        s("title", {}, `layers ${row} and ${column}: ${brief(value, 2)}`),
      ),
    ),
  );
  const step = layers.length > 12 ? 5 : 1;
  const labels = layers.flatMap((_, layer) =>
    layer % step
      ? []
      : [
          axisLabel(22, (layer + 0.5) * cell + 4, "end", layer),
          axisLabel(26 + (layer + 0.5) * cell, size - 14, "middle", layer),
        ],
  );
  const frame = s("rect", {
    class: "chosen",
    x: 26,
    y: chosen * cell,
    width: layers.length * cell,
    height: cell,
  });
  return h(
    "div",
    {},
    s(
      "svg",
      {
        class: "picture",
        width: size,
        height: size,
        viewBox: `0 0 ${size} ${size}`,
        role: "img",
        "aria-label": "Cosine between the directions of every two layers",
      },
      parts,
      labels,
      frame,
    ),
    heatLegend("0 or less", "1", "cosine"),
  );
}
