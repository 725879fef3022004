// The atlas: maps of layer × module, and one tensor's task vectors under the microscope.

import { axisLabel, heat, heatLegend, scaleOf, watchWidth } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { choice, showHint } from "../../../../shared/js/shell.js";
import { shortName } from "./mergefigure.js";
import { tiesOf } from "./ties.js";

const ATLAS_LEFT = 104;
const ATLAS_CELL = 20;
const BINS = 61;

/** Open the view. */
export function openAtlas(figure, panel) {
  const state = { run: null, map: 0, chosen: null, density: 0.5 };
  let data = null;
  const bar = h("div", { class: "filters padded-row" });
  const svg = s("svg", { class: "atlas", role: "group" });
  const chart = h("div", { class: "chart" }, svg);
  const legend = h("div", { class: "padded-row" });
  const lens = h("div", { class: "padded lens" });
  panel.append(bar, chart, legend, lens);
  const maps = () => {
    const { atlas } = data;
    const norms = atlas.parents.map((parent) => ({
      label: `${shortName(parent)}: ‖task vector‖ / ‖base‖`,
      unit: "of the base's norm",
      values: atlas.norm[parent],
      signed: false,
    }));
    const pairs = atlas.pairs.flatMap(({ first, second, cosine, conflict }) => {
      const names = `${shortName(first)} and ${shortName(second)}`;
      return [
        {
          label: `${names}: cosine of the task vectors`,
          unit: "cosine (absolute value shaded)",
          values: cosine,
          signed: true,
        },
        {
          label: `${names}: entries whose signs disagree`,
          unit: "of the entries that both changed",
          values: conflict,
          signed: false,
          half: true,
        },
      ];
    });
    return [...norms, ...pairs];
  };
  const draw = () => {
    const { atlas } = data;
    const all = maps();
    const map = all[Math.min(state.map, all.length - 1)];
    bar.replaceChildren(
      choice(
        "Map",
        all.map(({ label }, index) => [String(index), label]),
        String(state.map),
        (value) => {
          state.map = Number(value);
          draw();
        },
      ),
    );
    const width = widthNow();
    const wide = Math.max(9, (width - ATLAS_LEFT - 10) / atlas.layers);
    const full = ATLAS_LEFT + wide * atlas.layers + 10;
    const most = map.half
      ? 1
      : Math.max(
          1e-9,
          ...map.values
            .flat()
            .filter((value) => value !== null)
            .map(Math.abs),
        );
    const high = atlas.modules.length * ATLAS_CELL + 38;
    svg.setAttribute("viewBox", `0 0 ${full} ${high}`);
    svg.setAttribute("width", full);
    svg.setAttribute("height", high);
    svg.setAttribute(
      "aria-label",
      `${map.label}; ${atlas.layers} layers × ${atlas.modules.length} modules`,
    );
    svg.replaceChildren(
      ...atlas.modules.map((module, row) =>
        axisLabel(
          ATLAS_LEFT - 8,
          row * ATLAS_CELL + 15,
          "end",
          module.replace(/^(self_attn|mlp|attn)\./, ""),
        ),
      ),
      ...map.values
        .flatMap((row, layer) =>
          row.map((value, column) =>
            value === null
              ? null
              : atlasCell(figure, map, atlas, layer, column, value, most, wide, state, open),
          ),
        )
        .filter(Boolean),
      ...Array.from({ length: atlas.layers }, (_, layer) =>
        layer % 5 === 0
          ? axisLabel(ATLAS_LEFT + (layer + 0.5) * wide, high - 22, "middle", layer)
          : null,
      ).filter(Boolean),
      axisLabel(full - 10, high - 5, "end", "layer →"),
    );
    legend.replaceChildren(
      heatLegend("0", brief(most, 2), map.unit),
      h(
        "p",
        { class: "said" },
        `Of ${shortName(atlas.base)}; every entry of every tensor counted. Choose a cell to look inside.`,
      ),
    );
    showLens();
  };
  const open = async (name) => {
    state.chosen = { name, sample: null, error: null };
    draw();
    const found = figure.host.fetch
      ? await figure.host
          .fetch("tensor_sample", { base: data.atlas.base, parents: data.atlas.parents, name })
          .catch(() => null)
      : null;
    if (state.chosen?.name !== name) return;
    if (!found || found.error)
      state.chosen.error = found?.error
        ? `${found.error.what} ${found.error.remedy}`
        : "The entries of a tensor can be seen on the page, not in this file.";
    else state.chosen.sample = found;
    showLens();
  };
  const showLens = () => {
    const { chosen } = state;
    if (!chosen) lens.replaceChildren();
    else if (chosen.error)
      lens.replaceChildren(h("h2", {}, chosen.name), h("p", { role: "alert" }, chosen.error));
    else if (!chosen.sample)
      lens.replaceChildren(
        h("h2", {}, chosen.name),
        h("p", { class: "said", role: "status" }, "Reading the tensor …"),
      );
    else drawLens(lens, chosen.sample, state, widthNow());
  };
  const widthNow = watchWidth(chart, () => data && draw());
  return (next) => {
    if (state.run !== next.run_id) Object.assign(state, { run: next.run_id, chosen: null, map: 0 });
    data = next;
    if (data.atlas) draw();
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

function atlasCell(figure, map, atlas, layer, column, value, most, wide, state, open) {
  const name = atlas.names[layer][column];
  const text = `Layer ${layer}, ${atlas.modules[column]}: ${brief(value)}`;
  const hint = () => showHint(figure, node, [text]);
  const hide = () => (figure.parts.hint.hidden = true);
  const node = s("rect", {
    class: `cell${state.chosen?.name === name ? " chosen" : ""}`,
    x: ATLAS_LEFT + layer * wide,
    y: column * ATLAS_CELL,
    width: wide - 1.5,
    height: ATLAS_CELL - 2,
    rx: 2,
    tabindex: 0,
    role: "button",
    "aria-label": text,
    style: { fill: heat(Math.abs(value) / most) },
    onpointerenter: hint,
    onfocus: hint,
    onpointerleave: hide,
    onblur: hide,
    onclick: () => open(name),
    onkeydown: (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      open(name);
    },
  });
  return node;
}

function drawLens(lens, sample, state, width) {
  const names = Object.keys(sample.values);
  const vectors = Object.values(sample.values);
  const held = h("div", { class: "lens-result" });
  const slider = h("input", {
    type: "range",
    min: "0.02",
    max: "1",
    step: "0.02",
    value: state.density,
    "aria-label": "Density",
    oninput: () => {
      state.density = Number(slider.value);
      show();
    },
  });
  const show = () => {
    const { kept, sign, merged } = tiesOf(
      vectors,
      vectors.map(() => 1),
      state.density,
    );
    const count = merged.length;
    const share = (test) => brief((100 * merged.filter((_, at) => test(at)).length) / count, 3);
    const many = vectors.length > 1;
    held.replaceChildren(
      h(
        "p",
        { role: "status" },
        `density ${state.density.toFixed(2)}: `,
        many
          ? `${share((at) => kept.every((mask) => mask[at]))} % of the entries are kept by all, ${share((at) => kept.some((mask) => mask[at]) && !kept.every((mask) => mask[at]))} % by some, ${share((at) => kept.every((mask) => !mask[at]))} % by none; ${share((at) => vectors.filter((vector, index) => kept[index][at]).length > 1 && new Set(vectors.map((vector, index) => (kept[index][at] ? Math.sign(vector[at]) : 0)).filter(Boolean)).size > 1)} % had to be elected, ${share((at) => sign[at] > 0 && merged[at] !== 0)} % went up.`
          : `${share((at) => kept[0][at])} % of the entries are kept.`,
      ),
      lensHistogram(names, vectors, kept, Math.min(width, 760)),
    );
  };
  lens.replaceChildren(
    h("h2", {}, sample.name),
    h(
      "p",
      { class: "said" },
      `${sample.sampled.toLocaleString("en-GB")} of ${sample.entries.toLocaleString("en-GB")} entries, drawn evenly. TIES trims each task vector to its largest entries and elects signs; here with weight 1 each, on the sample, so the cut is an estimate of the tensor's.`,
    ),
    h("label", { class: "filters" }, "density ", slider),
    held,
  );
  show();
}

/** Histograms of task vectors, one below the other: what is kept stands out from what is trimmed. */
function lensHistogram(names, vectors, kept, width) {
  const most = Math.max(1e-12, ...vectors.flat().map(Math.abs));
  const place = scaleOf(-most, most, 8, width - 8);
  const each = 74;
  const high = names.length * each + 22;
  const svg = s("svg", {
    class: "lens-chart",
    width,
    height: high,
    viewBox: `0 0 ${width} ${high}`,
    role: "img",
    "aria-label": `Histograms of the task vectors of ${names.join(", ")}`,
  });
  vectors.forEach((vector, row) => {
    const counts = Array.from({ length: BINS }, () => [0, 0]);
    vector.forEach(
      (value, at) =>
        (counts[Math.min(BINS - 1, Math.floor(((value + most) / (2 * most)) * BINS))][
          kept[row][at] ? 1 : 0
        ] += 1),
    );
    const top = Math.sqrt(Math.max(...counts.map(([one, other]) => one + other)));
    const floor = (row + 1) * each - 6;
    svg.append(axisLabel(8, floor - each + 18, "start", names[row].split("/").at(-1)));
    counts.forEach(([trimmed, stays], bin) => {
      const [x, wide] = [8 + (bin / BINS) * (width - 16), (width - 16) / BINS - 1];
      const all = ((each - 22) * Math.sqrt(trimmed + stays)) / top;
      const part = trimmed + stays ? (all * stays) / (trimmed + stays) : 0;
      svg.append(
        s("rect", {
          class: "trimmed",
          x,
          y: floor - all,
          width: wide,
          height: Math.max(0, all - part),
        }),
        s("rect", {
          class: `kept kept-${"abcd"[row % 4]}`,
          x,
          y: floor - part,
          width: wide,
          height: part,
        }),
      );
    });
  });
  svg.append(
    axisLabel(place(-most), high - 4, "start", brief(-most, 2)),
    axisLabel(place(0), high - 4, "middle", "0"),
    axisLabel(place(most), high - 4, "end", brief(most, 2)),
  );
  return h(
    "div",
    {},
    svg,
    h("p", { class: "said" }, "Solid: kept. Pale: trimmed. Heights are square roots of counts."),
  );
}
