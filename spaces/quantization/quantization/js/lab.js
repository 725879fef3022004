// The weight lab: one tensor, one method.

import { axisLabel, heat, heatLegend, scaleOf, watchWidth } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { canAsk, openBlock } from "./block.js";

/** @returns the figure */
export function openLab() {
  return openTabbed(
    "quantization",
    "A weight before and after quantization",
    "Choose a tensor and a method.",
    [
      { name: "block", label: "One block", picture: true, open: openBlock },
      { name: "histogram", label: "Histogram", picture: true, open: openHistogram },
      { name: "map", label: "Error map", picture: true, open: openMap },
      {
        name: "methods",
        label: "All methods",
        picture: true,
        hidden: (data) => !data.methods,
        open: openMethods,
      },
      { name: "rotation", label: "Rotation", hidden: (data) => !data.rotation, open: openRotation },
      { name: "facts", label: "Table", open: openFacts },
    ],
    factsOfLab,
  );
}

/** A model's KLD in words. */
export function kldText(kld) {
  return kld
    ? `model KLD ${brief(kld.mean)} ± ${brief(kld.sigma, 2)} nats, n = ${kld.tokens} tokens`
    : "";
}

function factsOfLab({ title, summary, provenance, type, example, warnings }) {
  const key = [
    type,
    `${summary.bits.toFixed(3)} bits per weight`,
    summary.sqnr === null
      ? "lossless: every weight lies on the grid"
      : `SQNR ${summary.sqnr.toFixed(1)} dB`,
    `${summary.distinct_codes} codes in use`,
  ];
  if (summary.kld) key.push(kldText(summary.kld));
  return {
    title,
    key,
    provenance: provenance
      ? `${provenance.model} · ${provenance.source} · torch ${provenance.torch}`
      : "",
    tags: example ? ["stored example"] : [],
    warnings,
  };
}

const LAB_LEFT = 56,
  LAB_RIGHT = 16,
  LAB_TOP = 14,
  LAB_HEIGHT = 300,
  LAB_BOTTOM = 40;

function openHistogram(figure, panel) {
  const state = { log: true };
  let data = null;
  const svg = s("svg", { class: "picture", role: "img" });
  const frame = h("div", { class: "chart" }, svg);
  const log = h("input", {
    type: "checkbox",
    checked: true,
    onchange: () => {
      state.log = log.checked;
      draw();
    },
  });
  panel.append(
    h(
      "div",
      { class: "filters padded-row" },
      h("label", {}, log, "log counts"),
      h(
        "span",
        { class: "run-label" },
        s(
          "svg",
          { width: 18, height: 10, "aria-hidden": "true" },
          s("rect", { class: "before", width: 18, height: 10 }),
        ),
        "weights before",
      ),
      h(
        "span",
        { class: "run-label" },
        s(
          "svg",
          { width: 18, height: 10, "aria-hidden": "true" },
          s("rect", { class: "after", x: 1, y: 1, width: 16, height: 8 }),
        ),
        "after, in the same bins",
      ),
    ),
    frame,
  );
  const draw = () => {
    const { edges, before, after } = data.histogram;
    const width = widthNow();
    const count = before.reduce((sum, value) => sum + value, 0);
    const most = Math.max(...before, ...after);
    const x = scaleOf(edges[0], edges.at(-1), LAB_LEFT, width - LAB_RIGHT);
    const y = state.log
      ? scaleOf(0.7, most * 1.2, LAB_HEIGHT - LAB_BOTTOM, LAB_TOP, true)
      : scaleOf(0, most * 1.05, LAB_HEIGHT - LAB_BOTTOM, LAB_TOP);
    const bottom = LAB_HEIGHT - LAB_BOTTOM;
    const bars = (counts, name) =>
      counts
        .map((value, index) =>
          value
            ? s("rect", {
                class: name,
                x: x(edges[index]),
                width: Math.max(
                  0.5,
                  x(edges[index + 1]) - x(edges[index]) - (name === "after" ? 1 : 0),
                ),
                y: y(value),
                height: bottom - y(value),
              })
            : null,
        )
        .filter(Boolean);
    svg.setAttribute("viewBox", `0 0 ${width} ${LAB_HEIGHT}`);
    svg.setAttribute("width", width);
    svg.setAttribute("height", LAB_HEIGHT);
    svg.setAttribute(
      "aria-label",
      `Histogram of ${count} weights in ${before.length} bins, before and after.`,
    );
    svg.replaceChildren(
      ...y.ticks(5).map((tick) =>
        s(
          "g",
          {},
          s("line", {
            class: "grid-line",
            x1: LAB_LEFT,
            x2: width - LAB_RIGHT,
            y1: y(tick),
            y2: y(tick),
          }),
          axisLabel(LAB_LEFT - 7, y(tick) + 3.5, "end", brief(tick)),
        ),
      ),
      ...bars(before, "before"),
      ...bars(after, "after"),
      ...x.ticks(7).map((tick) => axisLabel(x(tick), bottom + 15, "middle", brief(tick))),
      axisLabel(
        width - LAB_RIGHT,
        LAB_HEIGHT - 6,
        "end",
        `weight; n = ${count.toLocaleString("en-GB")}, ${before.length} bins`,
      ),
      axisLabel(4, 10, "start", "weights in a bin"),
    );
  };
  const widthNow = watchWidth(frame, () => data && draw());
  return (next) => {
    data = next;
    draw();
  };
}

function openMap(figure, panel) {
  const state = { relative: false };
  let data = null;
  const svg = s("svg", { class: "picture map", role: "img" });
  const frame = h("div", { class: "chart" }, svg);
  const legend = h("div", { class: "padded-row" });
  const said = h(
    "p",
    { class: "picture-caption", role: "status" },
    `Point at a cell${canAsk(figure) ? "; click it to open its block" : ""}.`,
  );
  const relative = h("input", {
    type: "checkbox",
    onchange: () => {
      state.relative = relative.checked;
      draw();
    },
  });
  panel.append(
    h(
      "div",
      { class: "filters padded-row" },
      h("label", {}, relative, "relative to the weights of the cell"),
    ),
    frame,
    legend,
    said,
  );
  const draw = () => {
    const map = data.error_map;
    const width = widthNow();
    const size = Math.max(
      3,
      Math.min(14, (width - LAB_LEFT - LAB_RIGHT) / map.columns, 520 / map.rows),
    );
    const cells = map.values.map((row, r) =>
      row.map((value, c) => (state.relative ? value / (map.weights[r][c] || 1) : value)),
    );
    const most = Math.max(...cells.flat(), 1e-30);
    svg.setAttribute(
      "viewBox",
      `0 0 ${LAB_LEFT + size * map.columns + LAB_RIGHT} ${LAB_TOP + size * map.rows + 34}`,
    );
    svg.setAttribute("width", LAB_LEFT + size * map.columns + LAB_RIGHT);
    svg.setAttribute("height", LAB_TOP + size * map.rows + 34);
    svg.setAttribute("aria-label", `Root mean square error in ${map.rows} × ${map.columns} cells.`);
    const rects = cells.flatMap((row, r) =>
      row.map((value, c) =>
        s("rect", {
          x: LAB_LEFT + c * size,
          y: LAB_TOP + r * size,
          width: size,
          height: size,
          "data-r": r,
          "data-c": c,
          style: { fill: heat(value / most) },
        }),
      ),
    );
    svg.replaceChildren(
      s("g", { class: "cells" }, rects),
      axisLabel(
        LAB_LEFT,
        LAB_TOP + size * map.rows + 16,
        "start",
        `input columns 0 … ${data.shape[1] - 1}`,
      ),
      axisLabel(LAB_LEFT - 6, LAB_TOP + 10, "end", "row 0"),
      axisLabel(LAB_LEFT - 6, LAB_TOP + size * map.rows, "end", data.shape[0] - 1),
    );
    legend.replaceChildren(
      heatLegend(
        "0",
        brief(most, 2),
        state.relative
          ? "of the cell's root mean square weight"
          : "root mean square error, weight units",
      ),
    );
  };
  const cellAt = (event) => event.target.closest?.("rect[data-r]");
  svg.addEventListener("pointerover", (event) => {
    const cell = cellAt(event);
    if (!cell) return;
    const [r, c] = [Number(cell.dataset.r), Number(cell.dataset.c)];
    const map = data.error_map;
    said.textContent = `Rows ${r * map.row_step} to ${Math.min(data.shape[0], (r + 1) * map.row_step) - 1}, columns ${c * map.column_step} to ${Math.min(data.shape[1], (c + 1) * map.column_step) - 1}: error ${brief(map.values[r][c])}, weights ${brief(map.weights[r][c])} (root mean squares).`;
  });
  svg.addEventListener("click", (event) => {
    const cell = cellAt(event);
    if (!cell || !canAsk(figure)) return;
    const map = data.error_map;
    const length = data.blocks[0].weights.length;
    figure.wanted = {
      row: Number(cell.dataset.r) * map.row_step,
      block: Math.min(
        data.blocks_per_row - 1,
        Math.floor((Number(cell.dataset.c) * map.column_step) / length),
      ),
    };
    figure.open("block");
  });
  const widthNow = watchWidth(frame, () => data && draw());
  return (next) => {
    data = next;
    draw();
  };
}

/** Best first: lossless, then by SQNR, then those that could not hold the shape. */
function order({ sqnr, bits }) {
  return sqnr ?? (bits === null ? -1 : 1000 - bits);
}

function openMethods(figure, panel) {
  let data = null;
  const svg = s("svg", { class: "picture", role: "img" });
  const frame = h("div", { class: "chart" }, svg);
  const table = h("div", {
    class: "padded wide",
    tabindex: 0,
    role: "region",
    "aria-label": "Every method",
  });
  panel.append(
    h(
      "p",
      { class: "said padded-row" },
      "Every method at its defaults on this tensor, in its own basis. Error of the weights alone: GPTQ and AWQ give some of it up for less error of the outputs.",
    ),
    frame,
    table,
  );
  const draw = () => {
    const points = data.methods.filter(({ sqnr }) => sqnr !== null);
    const width = widthNow();
    const [bits, noise] = [points.map((point) => point.bits), points.map((point) => point.sqnr)];
    const x = scaleOf(
      Math.min(...bits) - 0.4,
      Math.max(...bits) + 0.8,
      LAB_LEFT,
      width - LAB_RIGHT,
    );
    const y = scaleOf(
      Math.min(...noise) - 2,
      Math.max(...noise) + 3,
      LAB_HEIGHT + 60 - LAB_BOTTOM,
      LAB_TOP,
    );
    svg.setAttribute("viewBox", `0 0 ${width} ${LAB_HEIGHT + 60}`);
    svg.setAttribute("width", width);
    svg.setAttribute("height", LAB_HEIGHT + 60);
    svg.setAttribute("aria-label", `SQNR against bits per weight of ${points.length} methods.`);
    const taken = [];
    const names = points.map((point) => {
      const w = 6.2 * point.method.length + 4;
      for (const [dx, dy, anchor] of [
        [8, 4, "start"],
        [-8, 4, "end"],
        [6, -8, "start"],
        [6, 16, "start"],
        [-6, -8, "end"],
        [-6, 16, "end"],
        [8, -20, "start"],
        [8, 28, "start"],
      ]) {
        const [cx, cy] = [x(point.bits) + dx, y(point.sqnr) + dy];
        const box = { x: anchor === "end" ? cx - w : cx, y: cy - 9, w, h: 12 };
        if (
          box.x < LAB_LEFT ||
          box.x + w > width ||
          taken.some(
            (other) =>
              box.x < other.x + other.w &&
              other.x < box.x + box.w &&
              box.y < other.y + other.h &&
              other.y < box.y + box.h,
          )
        )
          continue;
        taken.push(box);
        return s(
          "text",
          { class: "point-name", x: cx, y: cy, "text-anchor": anchor },
          point.method,
        );
      }
      return null;
    });
    svg.replaceChildren(
      ...y.ticks(6).map((tick) =>
        s(
          "g",
          {},
          s("line", {
            class: "grid-line",
            x1: LAB_LEFT,
            x2: width - LAB_RIGHT,
            y1: y(tick),
            y2: y(tick),
          }),
          axisLabel(LAB_LEFT - 7, y(tick) + 3.5, "end", brief(tick)),
        ),
      ),
      ...x
        .ticks(8)
        .map((tick) =>
          axisLabel(x(tick), LAB_HEIGHT + 60 - LAB_BOTTOM + 16, "middle", brief(tick)),
        ),
      ...points.map((point) =>
        s("circle", {
          class: `mark ${point.method === data.method ? "mark-b" : "mark-a"}`,
          cx: x(point.bits),
          cy: y(point.sqnr),
          r: point.method === data.method ? 6 : 4,
        }),
      ),
      ...names.filter(Boolean),
      axisLabel(width - LAB_RIGHT, LAB_HEIGHT + 54, "end", "bits per weight →"),
      axisLabel(4, 10, "start", "SQNR, dB ↑ better"),
    );
    table.replaceChildren(
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["method", "type", "bits", "SQNR, dB", "mean squared error", "why not"].map((name) =>
              h("th", { scope: "col" }, name),
            ),
          ),
        ),
        h(
          "tbody",
          {},
          data.methods
            .toSorted((one, other) => order(other) - order(one))
            .map((item) =>
              h(
                "tr",
                { class: item.method === data.method ? "current" : null },
                h("th", { scope: "row" }, item.method),
                h("td", {}, item.type),
                h("td", { class: "num" }, item.bits === null ? "" : item.bits.toFixed(3)),
                h(
                  "td",
                  { class: "num" },
                  item.bits === null ? "" : item.sqnr === null ? "lossless" : item.sqnr.toFixed(1),
                ),
                h("td", { class: "num" }, item.mse === null ? "" : brief(item.mse)),
                h("td", {}, item.reason),
              ),
            ),
        ),
      ),
    );
  };
  const widthNow = watchWidth(frame, () => data && draw());
  return (next) => {
    data = next;
    draw();
  };
}

function openRotation(figure, panel) {
  const body = h("div", { class: "padded" });
  panel.append(body);
  return ({ rotation }) => {
    const pair = (name, before, after, unit) => {
      const most = Math.max(before ?? 0, after ?? 0, 1e-9);
      return h(
        "div",
        { class: "pair" },
        h("h2", {}, name),
        [
          ["as it is", before],
          ["rotated", after],
        ].map(([label, value], index) =>
          h(
            "div",
            { class: "pair-line" },
            h("span", {}, label),
            h(
              "span",
              {
                class: `bar-cell bar-${index}`,
                style: { "--share": ((value ?? most) / most).toFixed(4) },
              },
              value === null ? "lossless" : `${brief(value)} ${unit}`,
            ),
          ),
        ),
      );
    };
    body.replaceChildren(
      h(
        "p",
        {},
        "An orthogonal turn of the input basis mixes every column with all others: outliers are spread out, the weights look more like a normal distribution (kurtosis 3), and a grid wastes fewer levels. In a model the turn is undone by the layer before, so that the function stays the same (QuaRot).",
      ),
      pair("Kurtosis", rotation.kurtosis_before, rotation.kurtosis_after, ""),
      pair("SQNR", rotation.sqnr_before, rotation.sqnr_after, "dB"),
      h("p", { class: "said" }, "The other views show the turned weight."),
    );
  };
}

function openFacts(figure, panel) {
  const body = h("div", {
    class: "padded wide",
    tabindex: 0,
    role: "region",
    "aria-label": "Facts",
  });
  panel.append(body);
  return ({ summary, shape, type, method_title: title, sentence, settings, provenance }) => {
    const rows = [
      ["method", `${title}: ${sentence}`],
      ["settings", JSON.stringify(settings)],
      ["type", type],
      ["shape", shape.join(" × ")],
      ["weights", summary.elements.toLocaleString("en-GB")],
      ["bits per weight, scales included", summary.bits.toFixed(4)],
      ["stored bytes", summary.stored_bytes.toLocaleString("en-GB")],
      ["different codes in use", summary.distinct_codes],
      ["mean squared error", brief(summary.mse)],
      ["SQNR", summary.sqnr === null ? "lossless" : `${summary.sqnr.toFixed(2)} dB`],
      ["largest error", brief(summary.max_error)],
      ["root mean square weight", brief(summary.weight_rms)],
      ["error weighted by E[x²] of the inputs", brief(summary.weighted_mse)],
      ["kurtosis", brief(summary.kurtosis)],
      ["model", kldText(summary.kld) || "–"],
      ["copy", `${provenance.model}, ${provenance.source}, revision ${provenance.revision}`],
    ];
    body.replaceChildren(
      h(
        "table",
        {},
        h(
          "tbody",
          {},
          rows.map(([name, value]) =>
            h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value)),
          ),
        ),
      ),
    );
  };
}
