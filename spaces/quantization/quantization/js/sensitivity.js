// One part of the model quantized at a time, and the mix of types that a budget buys.

import { axisLabel, heat, heatLegend, setSize, watchWidth } from "../../../../shared/js/axes.js";
import { h, s, scrollBox } from "../../../../shared/js/dom.js";
import { estimateWords } from "../../../../shared/js/estimates.js";
import { hintListeners } from "../../../../shared/js/hints.js";
import { brief, megabytes, plural } from "../../../../shared/js/numbers.js";
import { mixAfter, mixWithin } from "./mix.js";

/** @import { Shell } from "../../../../shared/js/shell.js" */
/** @import { Figure } from "../../../../shared/js/tabbed.js" */
/** @import { Budget, Compare, Sensitivity, Unit } from "./data.js" */
/** @import { Mix } from "./mix.js" */

const [MAP_LEFT, MAP_TOP, MAP_CELL] = [96, 10, 26]; // pixels

/**
 * Open the view.
 * @param {Figure<Compare>} figure
 * @param {HTMLElement} panel
 * @returns {(data: Compare) => void}
 */
export function openSensitivity(figure, panel) {
  /** @type {{run: string, megabytes: number | null}} */
  const state = { run: "", megabytes: null };
  /** @type {Sensitivity | null} */
  let sensitivity = null;
  const svg = s("svg", { class: "picture", role: "img" });
  const frame = scrollBox("Sensitivity map", "chart scroll", svg);
  const legend = h("div", { class: "padded-row" });
  const box = h("div", { class: "padded" });
  panel.append(
    h(
      "p",
      { class: "said padded-row" },
      "KLD of the model when this part alone is quantized and everything else stays exact.",
    ),
    frame,
    legend,
    box,
  );
  const draw = () => {
    if (!sensitivity) return;
    const { formats, tokens, kld } = sensitivity;
    const most = Math.max(...kld.flat(), 1e-12);
    drawUnits(figure, svg, sensitivity, most, widthNow());
    const unit = `nats; ${formats.join(", ")}; n = ${tokens} tokens`;
    legend.replaceChildren(heatLegend("0", brief(most, 2), unit));
  };
  const widthNow = watchWidth(frame, draw);
  return (data) => {
    if (state.run !== data.run_id) Object.assign(state, { run: data.run_id, megabytes: null });
    ({ sensitivity } = data);
    draw();
    box.replaceChildren(...(data.budget ? mixParts(figure, data.budget, state) : []));
  };
}

/**
 * Draw the map of parts × layers, one band a format.
 * @param {Shell} figure
 * @param {SVGSVGElement} svg
 * @param {Sensitivity} sensitivity
 * @param {number} most KLD of the full colour
 * @param {number} width
 */
function drawUnits(figure, svg, { units, formats, kld, sigma, tokens }, most, width) {
  const layers = Math.max(...units.map(({ layer }) => layer ?? 0)) + 1;
  const parts = [...new Set(units.map(({ part }) => part))];
  const rows = formats.flatMap((format, index) => parts.map((part) => ({ format, index, part })));
  const wide = Math.max(14, (width - MAP_LEFT - 12) / layers);
  const high = MAP_TOP + rows.length * MAP_CELL;
  const full = MAP_LEFT + wide * layers + 12;
  const step = layers < 12 ? 1 : 5;
  const numbers = Array.from({ length: Math.ceil(layers / step) }, (_, index) => index * step);
  setSize(svg, full, high + 34);
  svg.setAttribute(
    "aria-label",
    `Sensitivity of ${plural(units.length, "part")}, n = ${plural(tokens, "token")}`,
  );
  svg.replaceChildren(
    ...rows.map(({ format, part }, row) =>
      axisLabel(
        MAP_LEFT - 8,
        MAP_TOP + (row + 0.5) * MAP_CELL + 3,
        "end",
        formats.length > 1 ? `${part} ${format}` : part,
      ),
    ),
    ...rows.flatMap(({ format, index, part }, row) =>
      units.flatMap((unit, place) => {
        if (unit.part !== part) return [];
        const estimate = { mean: kld[index][place], sigma: sigma[index][place] };
        const words = `${unitWords(unit)} in ${format}: KLD ${estimateWords(estimate)} nats`;
        return s("rect", {
          class: "cell",
          x: MAP_LEFT + (unit.layer ?? 0) * wide,
          y: MAP_TOP + row * MAP_CELL,
          width: wide - 1.5,
          height: MAP_CELL - 2,
          rx: 2,
          tabindex: 0,
          role: "img",
          "aria-label": words,
          style: { fill: heat(Math.sqrt(estimate.mean / most)) },
          ...hintListeners(figure, () => [words]),
        });
      }),
    ),
    ...numbers.map((layer) =>
      axisLabel(MAP_LEFT + (layer + 0.5) * wide, high + 14, "middle", layer),
    ),
    axisLabel(full - 12, high + 29, "end", "layer →"),
  );
}

/** @param {Unit} unit */
function unitWords({ layer, part }) {
  return layer === null ? part : `Layer ${layer}, ${part}`;
}

/**
 * The slider of the budget, and the mix that it buys.
 * @param {Figure<Compare>} figure
 * @param {Budget} budget
 * @param {{megabytes: number | null}} state
 */
function mixParts({ host }, budget, state) {
  const [least, most] = [0, budget.path.length].map((steps) => mixAfter(budget, steps).bytes / 1e6);
  const start = state.megabytes ?? (least + most) / 2;
  const slider = h("input", {
    type: "range",
    min: least.toFixed(2),
    max: (most + 0.01).toFixed(2),
    step: "0.1",
    value: start,
    "aria-label": "Budget in megabytes",
    oninput: () => draw(Number(slider.value)),
  });
  const sentence = h("p", { role: "status" });
  const kinds = h("div", { class: "mix", role: "img" });
  /** @param {number} limit megabytes */
  const draw = (limit) => {
    state.megabytes = limit;
    const mix = mixWithin(budget, limit * 1e6);
    sentence.textContent =
      `${megabytes(mix.bytes)} MB of ${limit.toFixed(1)}: predicted KLD ${brief(mix.predicted)} nats ` +
      "(the sum of the parts; a prediction until the whole mix is measured).";
    drawKinds(kinds, budget, mix);
  };
  const measure = () =>
    host.emit("mix", { bytes: Math.ceil((state.megabytes ?? start) * 10) * 1e5 });
  draw(start);
  return [
    h("h2", {}, "A mix for a budget"),
    h("label", { class: "filters" }, "MB ", slider),
    sentence,
    kinds,
    h(
      "div",
      { class: "actions" },
      host.exported
        ? null
        : h("button", { type: "button", class: "action", onclick: measure }, "Measure this mix"),
    ),
  ];
}

const EACH = 5; // layers from one number of the axis to the next

/**
 * Boxes of the parts over the layers: what belongs to no layer first, then a line for each kind of part.
 * @param {Budget["units"]} units
 * @param {(unit: number) => HTMLElement} swatch
 */
function mixGrid(units, swatch) {
  const places = units.map(({ label }) => /^layer (\d+) (.+)$/.exec(label));
  const layers = 1 + Math.max(-1, ...places.map((place) => (place ? Number(place[1]) : -1)));
  const outside = units.flatMap(({ label }, unit) =>
    places[unit] ? [] : [h("span", { class: "mix-name" }, label), swatch(unit)],
  );
  const parts = [...new Set(places.flatMap((place) => (place ? [place[2]] : [])))];
  const lines = parts.flatMap((part) => [
    h("span", { class: "mix-name" }, part),
    ...Array.from({ length: layers }, (_, layer) => {
      const unit = places.findIndex((place) => place?.[2] === part && Number(place[1]) === layer);
      return unit < 0 ? h("span") : swatch(unit);
    }),
  ]);
  const axis = [
    h("span", { class: "mix-name" }, "layer"),
    ...Array.from({ length: layers }, (_, layer) =>
      h("span", { class: "mix-tick" }, layer % EACH ? "" : String(layer)),
    ),
  ];
  return scrollBox(
    "Types by layer",
    "mix-parts",
    h("div", { class: "mix-outside" }, outside),
    h("div", { class: "mix-grid", style: { "--layers": layers } }, lines, layers ? axis : []),
  );
}

/**
 * Every part of the model as a box in the colour of its type.
 * @param {HTMLElement} box
 * @param {Budget} budget
 * @param {Mix} mix
 */
function drawKinds(box, { units, types: options }, { types }) {
  const known = [...new Set(options.flat())].toSorted(); // a type keeps its swatch at every budget
  const kinds = known.filter((type) => types.includes(type));
  /** @param {string} type */
  const count = (type) => types.filter((other) => other === type).length;
  /** @param {string} type */
  const colour = (type) => {
    const place = known.indexOf(type);
    return `kind kind-${place % 4} fill-${Math.floor(place / 4) % 4}`; // sixteen that differ
  };
  /** @param {number} unit */
  const swatch = (unit) =>
    h("span", { class: colour(types[unit]), title: `${units[unit].label}: ${types[unit]}` });
  box.setAttribute("aria-label", kinds.map((type) => `${count(type)} parts in ${type}`).join(", "));
  box.replaceChildren(
    mixGrid(units, swatch),
    h(
      "span",
      { class: "mix-key" },
      kinds.map((type) =>
        h("span", {}, h("span", { class: colour(type) }), ` ${type} × ${count(type)}`),
      ),
    ),
  );
}
