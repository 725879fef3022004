// The atlas: maps of layer × module, and one tensor's task vectors under the microscope.

import { axisLabel, heat, heatLegend, setSize, watchWidth } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { hintListeners } from "../../../../shared/js/hints.js";
import { brief } from "../../../../shared/js/numbers.js";
import { isWithin } from "../../../../shared/js/seen.js";
import { choice } from "../../../../shared/js/shell.js";
import { drawLens } from "./lens.js";
import { shortName } from "./models.js";

/** @import { Failed } from "../../../../shared/js/data.js" */
/** @import { Shell } from "../../../../shared/js/shell.js" */
/** @import { Figure } from "../../../../shared/js/tabbed.js" */
/** @import { Atlas, LayerMap, Merge, TensorSample } from "./data.js" */
/** @import { Lens } from "./lens.js" */

const ATLAS_LEFT = 104;
const ATLAS_CELL = 20;

/**
 * One of the maps.
 * @typedef {{label: string, unit: string, values: LayerMap, most: number}} AtlasMap
 */

/**
 * Open the view.
 * @param {Figure<Merge>} figure
 * @param {HTMLElement} panel
 * @returns {(data: Merge) => void}
 */
export function openAtlas(figure, panel) {
  const state = { run: "", map: 0, density: 0.5 };
  /** @type {Atlas | null} */
  let atlas = null;
  /** @type {Lens | null} */
  let lens = null;
  const bar = h("div", { class: "filters padded-row" });
  const svg = s("svg", { class: "atlas", role: "group" });
  const chart = h("div", { class: "chart" }, svg);
  const legend = h("div", { class: "padded-row" });
  const box = h("div", { class: "padded lens", "data-own": true });
  panel.append(bar, chart, legend, box);
  const draw = () => {
    if (!atlas) return;
    const maps = mapsOf(atlas);
    const map = maps[state.map];
    bar.replaceChildren(
      choice(
        "Map",
        maps.map(({ label }, index) => [String(index), label]),
        String(state.map),
        (value) => {
          state.map = Number(value);
          draw();
        },
      ),
    );
    drawMap(figure, svg, atlas, map, widthNow(), lens?.name ?? "", open);
    legend.replaceChildren(
      heatLegend("0", brief(map.most, 2), map.unit),
      h(
        "p",
        { class: "said" },
        `Of ${shortName(atlas.base)}; every entry of every tensor counted. Choose a cell to look inside.`,
      ),
    );
    drawLens(box, lens, state, widthNow());
  };
  /** @param {string} name of a tensor */
  const open = async (name) => {
    if (!atlas) return;
    const mine = { name, sample: null, problem: "" };
    lens = mine;
    draw();
    const answer = await sampleOf(figure, atlas, name);
    if (lens !== mine) return;
    lens =
      "error" in answer
        ? { name, sample: null, problem: `${answer.error.what} ${answer.error.remedy}` }
        : { name, sample: answer, problem: "" };
    drawLens(box, lens, state, widthNow());
  };
  figure.hold(
    "tensor",
    () => (lens ? [lens.name, state.density] : undefined),
    (value) => {
      const [name, density] = Array.isArray(value) ? value : [];
      const fits = typeof name === "string" && name.length < 200 && isWithin(density, 0.02, 1);
      if (!fits) return false;
      state.density = density;
      open(name);
      return true;
    },
  );
  const widthNow = watchWidth(chart, draw);
  return (data) => {
    if (state.run !== data.run_id) {
      Object.assign(state, { run: data.run_id, map: 0 });
      lens = null;
    }
    ({ atlas } = data);
    if (atlas) draw();
    else
      bar.replaceChildren(
        h(
          "p",
          { class: "said", role: "status" },
          "The task vectors are compared after the answers.",
        ),
      );
  };
}

/**
 * Ask the page for some entries of a tensor.
 * @param {Figure<Merge>} figure
 * @param {Atlas} atlas
 * @param {string} name
 * @returns {Promise<TensorSample | Failed>}
 */
async function sampleOf({ host }, { base, parents }, name) {
  const answer = host.fetch
    ? await host.fetch("tensor_sample", { base, parents, name }).catch(() => null)
    : null;
  const what = "The entries of a tensor can be seen on the page, not in this file.";
  return /** @type {TensorSample | Failed | null} */ (answer) ?? { error: { what, remedy: "" } };
}

/**
 * The maps of an atlas: how long each task vector is, then how every two of them agree.
 * @param {Atlas} atlas
 * @returns {AtlasMap[]}
 */
function mapsOf({ parents, norm, pairs }) {
  const lengths = parents.map((parent) => ({
    label: `${shortName(parent)}: ‖task vector‖ / ‖base‖`,
    unit: "of the base's norm",
    values: norm[parent],
    most: largest(norm[parent]),
  }));
  const agreements = pairs.flatMap(({ first, second, cosine, conflict }) => {
    const names = `${shortName(first)} and ${shortName(second)}`;
    return [
      {
        label: `${names}: cosine of the task vectors`,
        unit: "cosine (absolute value shaded)",
        values: cosine,
        most: largest(cosine),
      },
      {
        label: `${names}: entries whose signs disagree`,
        unit: "of the entries that both changed",
        values: conflict,
        most: 1,
      },
    ];
  });
  return [...lengths, ...agreements];
}

/** @param {LayerMap} values */
function largest(values) {
  return Math.max(1e-9, ...values.flat().map((value) => Math.abs(value ?? 0)));
}

/**
 * Draw a map.
 * @param {Shell} figure
 * @param {SVGSVGElement} svg
 * @param {Atlas} atlas
 * @param {AtlasMap} map
 * @param {number} width
 * @param {string} chosen name of a tensor
 * @param {(name: string) => void} open
 */
function drawMap(figure, svg, { layers, modules, names }, map, width, chosen, open) {
  const wide = Math.max(9, (width - ATLAS_LEFT - 10) / layers);
  const full = ATLAS_LEFT + wide * layers + 10;
  const high = modules.length * ATLAS_CELL + 38;
  setSize(svg, full, high);
  svg.setAttribute("aria-label", `${map.label}; ${layers} layers × ${modules.length} modules`);
  const cells = map.values.flatMap((row, layer) =>
    row.flatMap((value, column) => {
      if (value === null) return [];
      const name = names[layer][column];
      const words = `Layer ${layer}, ${modules[column]}: ${brief(value)}`;
      const shade = Math.abs(value) / map.most;
      const cell = atlasCell(figure, words, shade, name === chosen, () => open(name));
      cell.setAttribute("x", String(ATLAS_LEFT + layer * wide));
      cell.setAttribute("y", String(column * ATLAS_CELL));
      cell.setAttribute("width", String(wide - 1.5));
      return [cell];
    }),
  );
  const numbers = Array.from({ length: Math.ceil(layers / 5) }, (_, index) => 5 * index);
  svg.replaceChildren(
    ...modules.map((module, row) =>
      axisLabel(
        ATLAS_LEFT - 8,
        row * ATLAS_CELL + 15,
        "end",
        module.replace(/^(self_attn|mlp|attn)\./, ""),
      ),
    ),
    ...cells,
    ...numbers.map((layer) =>
      axisLabel(ATLAS_LEFT + (layer + 0.5) * wide, high - 22, "middle", layer),
    ),
    axisLabel(full - 10, high - 5, "end", "layer →"),
  );
}

/**
 * A cell of a map, to be put in its place.
 * @param {Shell} figure
 * @param {string} words
 * @param {number} shade 0 to 1
 * @param {boolean} isChosen
 * @param {() => void} open
 */
function atlasCell(figure, words, shade, isChosen, open) {
  return s("rect", {
    class: isChosen ? "cell chosen" : "cell",
    height: ATLAS_CELL - 2,
    rx: 2,
    tabindex: 0,
    role: "button",
    "aria-label": words,
    style: { fill: heat(shade) },
    ...hintListeners(figure, () => [words]),
    onclick: open,
    onkeydown: (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      open();
    },
  });
}
