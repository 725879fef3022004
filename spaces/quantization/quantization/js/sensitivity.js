// One part of the model quantized at a time, and the mix of types that a budget buys.

import { axisLabel, heat, heatLegend, watchWidth } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { brief, megabytes } from "../../../../shared/js/numbers.js";
import { showHint } from "../../../../shared/js/shell.js";

const MAP_LEFT = 96,
  MAP_TOP = 10,
  MAP_CELL = 26;

/** Open the view. */
export function openSensitivity(figure, panel) {
  const state = { megabytes: null, run: null };
  let data = null;
  const svg = s("svg", { class: "picture", role: "img" });
  const frame = h(
    "div",
    { class: "chart scroll", tabindex: 0, role: "region", "aria-label": "Sensitivity map" },
    svg,
  );
  const legend = h("div", { class: "padded-row" });
  const budget = h("div", { class: "padded" });
  panel.append(
    h(
      "p",
      { class: "said padded-row" },
      "KLD of the model when this part alone is quantized; all else stays exact.",
    ),
    frame,
    legend,
    budget,
  );
  const draw = () => {
    const found = data.sensitivity;
    const layers = Math.max(...found.units.map(({ layer }) => layer ?? 0)) + 1;
    const parts = [...new Set(found.units.map(({ part }) => part))];
    const lines = found.formats.flatMap((format, index) =>
      parts.map((part) => ({ format, index, part })),
    );
    const width = widthNow();
    const wide = Math.max(14, (width - MAP_LEFT - 12) / layers);
    const high = MAP_TOP + lines.length * MAP_CELL;
    const most = Math.max(...found.kld.flat(), 1e-12);
    const full = MAP_LEFT + wide * layers + 12;
    svg.setAttribute("viewBox", `0 0 ${full} ${high + 34}`);
    svg.setAttribute("width", full);
    svg.setAttribute("height", high + 34);
    svg.setAttribute(
      "aria-label",
      `Sensitivity of ${found.units.length} parts, n = ${found.tokens} tokens`,
    );
    const cells = lines.flatMap(({ format, index, part }, line) =>
      found.units.map((unit, place) =>
        unit.part !== part
          ? null
          : cell(
              unit,
              found,
              index,
              place,
              MAP_LEFT + (unit.layer ?? 0) * wide,
              MAP_TOP + line * MAP_CELL,
              wide,
              most,
              format,
            ),
      ),
    );
    svg.replaceChildren(
      ...lines.map(({ format, part }, line) =>
        axisLabel(
          MAP_LEFT - 8,
          MAP_TOP + line * MAP_CELL + MAP_CELL / 2 + 3,
          "end",
          found.formats.length > 1 ? `${part} ${format}` : part,
        ),
      ),
      ...cells.filter(Boolean),
      ...Array.from({ length: layers }, (_, layer) =>
        layer % 5 === 0 || layers < 12
          ? axisLabel(MAP_LEFT + (layer + 0.5) * wide, high + 14, "middle", layer)
          : null,
      ).filter(Boolean),
      axisLabel(full - 12, high + 29, "end", "layer →"),
    );
    legend.replaceChildren(
      heatLegend(
        "0",
        brief(most, 2),
        `nats; ${found.formats.join(", ")}; n = ${found.tokens} tokens`,
      ),
    );
    drawBudget();
  };
  const cell = (unit, found, index, place, x, y, wide, most, format) => {
    const [mean, sigma] = [found.kld[index][place], found.sigma[index][place]];
    const text = `${unit.layer === null ? unit.part : `Layer ${unit.layer}, ${unit.part}`} in ${format}: KLD ${brief(mean)} ± ${brief(sigma, 2)} nats`;
    const hint = () => showHint(figure, node, [text]);
    const node = s("rect", {
      class: "cell",
      x,
      y,
      width: wide - 1.5,
      height: MAP_CELL - 2,
      rx: 2,
      tabindex: 0,
      role: "img",
      "aria-label": text,
      style: { fill: heat(Math.sqrt(mean / most)) },
      onpointerenter: hint,
      onfocus: hint,
      onpointerleave: () => (figure.parts.hint.hidden = true),
      onblur: () => (figure.parts.hint.hidden = true),
    });
    return node;
  };
  const drawBudget = () => {
    if (!data.budget) {
      budget.replaceChildren();
      return;
    }
    const ends = [0, data.budget.path.length].map(
      (steps) => mixAfter(data.budget, steps).bytes / 1e6,
    );
    state.megabytes ??= (ends[0] + ends[1]) / 2;
    const slider = h("input", {
      type: "range",
      min: ends[0].toFixed(2),
      max: (ends[1] + 0.01).toFixed(2),
      step: "0.1",
      value: state.megabytes,
      "aria-label": "Budget in megabytes",
      oninput: () => {
        state.megabytes = Number(slider.value);
        show();
      },
    });
    const said = h("p", { role: "status" });
    const kinds = h("div", { class: "mix", role: "img" });
    const button =
      figure.host.emit && !figure.host.exported
        ? h(
            "button",
            {
              type: "button",
              class: "action",
              onclick: () =>
                figure.host.emit("mix", { bytes: Math.ceil(state.megabytes * 10) * 1e5 }),
            },
            "Measure this mix",
          )
        : null;
    const show = () => {
      const mix = mixWithin(data.budget, state.megabytes * 1e6);
      said.textContent = `${megabytes(mix.bytes)} MB of ${state.megabytes.toFixed(1)}: predicted KLD ${brief(mix.predicted)} nats (the sum of the parts; a prediction until the whole mix is measured).`;
      const used = [...new Set(mix.types)].toSorted();
      kinds.setAttribute(
        "aria-label",
        used
          .map((type) => `${mix.types.filter((other) => other === type).length} parts in ${type}`)
          .join(", "),
      );
      kinds.replaceChildren(
        ...mix.types.map((type, index) =>
          h("span", {
            class: `kind kind-${used.indexOf(type) % 4}`,
            title: `${data.budget.units[index].label}: ${type}`,
          }),
        ),
        h(
          "span",
          { class: "mix-key" },
          used.map((type) =>
            h(
              "span",
              {},
              h("span", { class: `kind kind-${used.indexOf(type) % 4}` }),
              ` ${type} × ${mix.types.filter((other) => other === type).length}`,
            ),
          ),
        ),
      );
    };
    budget.replaceChildren(
      h("h2", {}, "A mix for a budget"),
      h("label", { class: "filters" }, "MB ", slider),
      said,
      kinds,
      h("div", { class: "actions" }, button),
    );
    show();
  };
  const widthNow = watchWidth(frame, () => data && draw());
  return (next) => {
    if (state.run !== next.run_id) Object.assign(state, { run: next.run_id, megabytes: null });
    data = next;
    draw();
  };
}

/** The mix after a number of steps of the path. */
export function mixAfter(budget, steps) {
  const chosen = [...budget.start];
  for (const [unit, type] of budget.path.slice(0, steps)) chosen[unit] = type;
  const sum = (table) => chosen.reduce((total, type, unit) => total + table[unit][type], 0);
  return {
    bytes: budget.fixed_bytes + sum(budget.bytes),
    predicted: sum(budget.predicted),
    types: chosen.map((type, unit) => budget.types[unit][type]),
  };
}

/** The last mix on the path that fits. */
export function mixWithin(budget, bytes) {
  let steps = 0;
  while (steps < budget.path.length && mixAfter(budget, steps + 1).bytes <= bytes) steps += 1;
  return mixAfter(budget, steps);
}
