// The singular values of one difference, against the edge above which rounding cannot lift one.

import { axisLabel, scaleOf, valueAxis } from "../../../../shared/js/axes.js";
import { h, keepFocus, s } from "../../../../shared/js/dom.js";
import { brief, plural } from "../../../../shared/js/numbers.js";
import { block, drawInBox, picture } from "./charts.js";

/** @import { Difference, Forensics } from "./data.js" */

/**
 * Open the view.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Forensics) => void}
 */
export function openSpectrum(_figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  let chosen = "";
  const draw = drawInBox(box, (/** @type {Forensics} */ data, width) => {
    const rows = data.rows.filter(({ values }) => values?.length);
    const row = rows.find(({ name }) => name === chosen) ?? rows[0];
    if (!row) return;
    const choose = h(
      "select",
      {
        "aria-label": "Matrix",
        "data-key": "matrix",
        onchange: (event) => {
          chosen = event.currentTarget.value;
          draw(data);
        },
      },
      rows.map(({ name }) => h("option", { value: name, selected: name === row.name }, name)),
    );
    keepFocus(box, () =>
      box.replaceChildren(
        h("div", { class: "filters" }, choose),
        block("Singular values of W′ − W", spectrumWords(row), spectrumChart(row, width)),
      ),
    );
  });
  return draw;
}

/** @param {Difference} row */
function spectrumWords({ rank = 0, complete, edge, dtype, taken }) {
  const most = complete ? "" : " at least";
  const more = taken
    ? " What lies above it beside the first comes from the steps of the dtype or from kept lengths, " +
      "as the table says under “explained”."
    : "";
  return (
    `Rank${most} ${rank}: so many lie above ${brief(edge)}, the most that rounding ` +
    `to ${dtype} can lift one.` +
    (rank > 1 ? more : "")
  );
}

/**
 * Values as bars on a logarithmic axis, and the edge.
 * @param {Difference} row
 * @param {number} width
 */
function spectrumChart({ values = [], edge = 0, rank = 0 }, width) {
  const [left, right, height] = [64, Math.min(width, 560) - 14, 220];
  const shown = values.filter((value) => value > 0);
  const all = [...shown, ...(edge > 0 ? [edge] : [])];
  const y = scaleOf(Math.min(...all) / 2, Math.max(...all) * 2, height - 30, 10, true);
  const step = (right - left) / Math.max(1, values.length);
  return picture(
    right + 14,
    height,
    {
      "aria-label": `${plural(rank, "singular value")} above the edge of rounding ${brief(edge)}: ${shown
        .map((value) => brief(value))
        .join(", ")}`,
    },
    valueAxis(y, y.ticks(5), [left, right], (value) => brief(value, 2)),
    shown.map((value, place) => {
      const x = left + step * (place + 0.5);
      return [
        s("line", {
          class: value > edge ? "value-above" : "value-below",
          x1: x,
          x2: x,
          y1: height - 30,
          y2: y(value),
        }),
        s(
          "circle",
          { class: value > edge ? "dot-a" : "untouched", cx: x, cy: y(value), r: 4 },
          s("title", {}, brief(value, 4)),
        ),
        axisLabel(x, height - 12, "middle", `σ${place + 1}`),
      ];
    }),
    edge > 0
      ? [
          s("line", { class: "cut", x1: left, x2: right, y1: y(edge), y2: y(edge) }),
          axisLabel(right, y(edge) - 6, "end", "rounding"),
        ]
      : null,
  );
}
