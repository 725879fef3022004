// How often an answer is right, against how probable the model finds it among the choices.

import {
  axisLabel,
  baseAxis,
  evenTicks,
  pathThrough,
  scaleOf,
  valueAxis,
} from "../../../../shared/js/axes.js";
import { openChart } from "../../../../shared/js/chart.js";
import { h, keepFocus, s } from "../../../../shared/js/dom.js";
import { brief, percent } from "../../../../shared/js/numbers.js";
import { headedRow, scrollTable } from "../../../../shared/js/tables.js";
import { choiceField } from "./listed.js";
import { mark, sample } from "./marks.js";
import { sentenceList } from "./words.js";

/**
 * @import {Compare} from "./data.js"
 * @import {Session} from "./compare.js"
 */

/**
 * @param {HTMLElement} panel
 * @param {Session} session
 * @returns {(data: Compare) => void}
 */
export function openCalibration(panel, session) {
  const filters = h("div", { class: "filters eval-filters" });
  panel.append(filters);
  const chart = openChart(panel, {
    name: "Calibration",
    kind: "eval-chart",
    words: "eval-words",
    most: 560,
    draw: drawCalibration,
    say: calibrationWords,
  });
  return (data) => {
    const known = new Set(data.calibration.map(({ task }) => task));
    const task = known.has(session.task) ? session.task : "";
    /** @type {[string, string][]} */
    const sets = [["", "all sets"]];
    for (const { name } of data.tasks) if (known.has(name)) sets.push([name, name]);
    keepFocus(panel, () =>
      filters.replaceChildren(
        sets.length > 2
          ? choiceField("of", "calibrated", task, sets, (chosen) =>
              session.choose({ task: chosen, item: "" }),
            )
          : "",
      ),
    );
    chart({
      ...data,
      calibration: data.calibration.filter((one) => one.task === task),
      tasks: data.tasks.filter(({ name }) => !task || name === task),
    });
  };
}

/**
 * @param {Compare} data
 * @param {number} width
 * @returns {import("../../../../shared/js/chart.js").Drawing}
 */
function drawCalibration(data, width) {
  const tall = Math.min(380, width - 80);
  const x = scaleOf(0, 1, 54, width - 20);
  const y = scaleOf(0, 1, 24 + tall, 24);
  const ticks = evenTicks(0, 1, 5);
  const parts = [
    axisLabel(54, 12, "start", "answers that are right, 95 % intervals"),
    ...valueAxis(y, ticks, [54, width - 20], percent),
    ...baseAxis(x, ticks, tall + 42, percent),
    axisLabel((34 + width) / 2, tall + 60, "middle", "probability of the likeliest choice"),
    s("line", { class: "eval-chance", x1: x(0), y1: y(0), x2: x(1), y2: y(1) }),
  ];
  data.calibration.forEach(({ model, bins }) => {
    const at = bins.map(({ mean, right, of }) => /** @type {const} */ ([x(mean), y(right / of)]));
    parts.push(
      s("path", { class: `eval-line eval-dash-${model} series-${model}`, d: pathThrough(at) }),
      ...bins.map(({ low, high }, place) =>
        s("line", {
          class: `eval-whisker series-${model}`,
          x1: at[place][0],
          x2: at[place][0],
          y1: y(low),
          y2: y(high),
        }),
      ),
      ...bins.map(({ mean, right, of }, place) =>
        s(
          "g",
          {},
          s("title", {}, `${data.models[model].name}: ${right} of ${of} right at ${percent(mean)}`),
          mark(model, at[place][0], at[place][1]),
        ),
      ),
    );
  });
  return {
    width,
    height: tall + 70,
    label: "Share of right answers against their probability",
    parts,
  };
}

/** @param {number} value */
function signed(value) {
  return `${value > 0 ? "+" : ""}${brief(value, 2)}`;
}

/** @param {Compare} data */
function calibrationWords(data) {
  const uniform =
    data.tasks.reduce((sum, one) => sum + one.planned * (1 - one.chance), 0) /
    Math.max(
      1,
      data.tasks.reduce((sum, one) => sum + one.planned, 0),
    );
  const rows = data.calibration.map(({ model, brier, bins, against }) =>
    headedRow(sample(model, data.models[model].name), [
      brief(brier),
      against
        ? `${signed(against[0])} (95 %: ${signed(against[1])} to ${signed(against[2])})`
        : "–",
      bins.map(({ right, of }) => `${right}/${of}`).join(", "),
    ]),
  );
  const list = sentenceList([
    "On the dotted line a model is as sure as it is right; below it, too sure. Bins hold equally many items.",
    `Brier score: 0 is perfect, 2 the worst; the same probability for every choice gives ` +
      `${brief(uniform)}. ` +
      "Its difference to the first model: paired bootstrap, 2,000 draws of the independent groups.",
  ]);
  return [
    scrollTable(
      "Brier scores",
      ["model", "Brier score", "to the first", "right answers in each bin"],
      rows,
    ),
    list,
  ];
}
