// The run as it came in: gained less lost after every item, and the boundaries of the planned looks.

import {
  axisLabel,
  baseAxis,
  evenTicks,
  pathThrough,
  scaleOf,
  valueAxis,
} from "../../../../shared/js/axes.js";
import { openChart } from "../../../../shared/js/chart.js";
import { s } from "../../../../shared/js/dom.js";
import { percent, plural } from "../../../../shared/js/numbers.js";
import { sentenceList } from "./words.js";

/** @import {Compare, Looked} from "./data.js" */

const LOOKS_LEFT = 46;
const LOOKS_RIGHT = 150;

/**
 * @param {HTMLElement} panel
 * @returns {(data: Compare) => void}
 */
export function openLooks(panel) {
  return openChart(panel, {
    name: "The run as it came in",
    kind: "eval-chart",
    words: "eval-words",
    draw: drawLooks,
    say: (data) => [
      sentenceList([
        "Each step is an item that one model has right and the other wrong.",
        "At a planned look (bars) the run may be called decided where the line is at or beyond the bar. " +
          "The bars are far out early, so that all looks together call equal models different in at most " +
          "5 % of runs. Looking at an ordinary p-value after every item would not keep that promise. " +
          "Where a bar is missing, no total could be enough.",
        ...data.looks.map((looked) => lookedWords(data, looked)),
      ]),
    ],
  });
}

/**
 * @param {Compare} data
 * @param {Looked} looked
 */
function lookedWords(data, { model, looks }) {
  const name = data.models[model].name;
  const crossed = looks.find(({ stops }) => stops);
  if (crossed) return `${name}: decided at the look after ${plural(crossed.items, "item")}.`;
  const last = looks.at(-1);
  if (!last) return `${name}: no look yet.`;
  return `${name}: undecided at all ${looks.length} looks so far (${percent(last.spent)} of alarms spent).`;
}

/**
 * Gained less lost after every item, from the beginning.
 * @param {Compare} data
 * @param {number} model
 */
export function totals(data, model) {
  const sums = [0];
  data.items.forEach(({ gold }, at) => {
    const first = Number(data.answers[0][at].answer === gold);
    const other = Number(data.answers[model][at].answer === gold);
    sums.push(sums[at] + other - first);
  });
  return sums;
}

/**
 * @param {Compare} data
 * @param {number} wide
 * @returns {import("../../../../shared/js/chart.js").Drawing}
 */
function drawLooks(data, wide) {
  const width = Math.max(420, wide);
  const others = data.models.slice(1).map((_, at) => at + 1);
  const tall = others.length > 1 ? 170 : 260;
  const x = scaleOf(0, data.planned, LOOKS_LEFT, width - LOOKS_RIGHT);
  /** @type {SVGElement[]} */
  const parts = [];
  others.forEach((model, at) => {
    const top = 24 + at * (tall + 30);
    const path = totals(data, model);
    const looks = data.looks.find((one) => one.model === model)?.looks ?? [];
    const bars = looks.flatMap(({ boundary }) => (boundary === null ? [] : [boundary]));
    const most = Math.max(5, ...path.map(Math.abs), ...bars) + 1;
    const y = scaleOf(-most, most, top + tall, top);
    parts.push(
      ...valueAxis(
        y,
        evenTicks(-most, most, 5, true),
        [LOOKS_LEFT, width - LOOKS_RIGHT],
        (value) => (value > 0 ? `+${value}` : String(value).replace("-", "−")),
      ),
      s("line", {
        class: "eval-zero",
        x1: LOOKS_LEFT,
        x2: width - LOOKS_RIGHT,
        y1: y(0),
        y2: y(0),
      }),
      axisLabel(LOOKS_LEFT, top - 8, "start", `gained less lost: ${data.models[model].name}`),
      ...looks.flatMap(({ boundary, items, groups, spent }) =>
        boundary === null
          ? []
          : [1, -1].map((sign) =>
              s(
                "line",
                {
                  class: "eval-bar",
                  x1: x(items) - 9,
                  x2: x(items) + 9,
                  y1: y(sign * boundary),
                  y2: y(sign * boundary),
                },
                s(
                  "title",
                  {},
                  `Look after ${plural(items, "item")} (${plural(groups, "group")}): ±${boundary}; ` +
                    `${percent(spent)} of alarms spent`,
                ),
              ),
            ),
      ),
      s("path", {
        class: `eval-line eval-dash-${model} series-${model}`,
        d: pathThrough(path.map((value, place) => [x(place), y(value)])),
      }),
      s(
        "text",
        {
          class: `eval-end series-${model}`,
          x: x(path.length - 1) + 8,
          y: y(path.at(-1) ?? 0) + 4,
        },
        data.models[model].name.length > 18
          ? `${data.models[model].name.slice(0, 17)}…`
          : data.models[model].name,
      ),
    );
  });
  const bottom = 24 + others.length * (tall + 30) - 8;
  parts.push(
    ...baseAxis(x, evenTicks(0, data.planned, Math.max(2, width / 140), true), bottom),
    axisLabel(width - LOOKS_RIGHT + 14, bottom, "start", "items"),
  );
  const label = data.looks.map((looked) => lookedWords(data, looked)).join(" ");
  return { width, height: bottom + 8, label, parts };
}
