// A task's metrics, each on a scale of its own: every model's value with its interval, and beside it the
// differences to the first model.

import { baseAxis, evenTicks, scaleOf } from "../../../../shared/js/axes.js";
import { openChart } from "../../../../shared/js/chart.js";
import { s } from "../../../../shared/js/dom.js";
import { briefest, percent } from "../../../../shared/js/numbers.js";
import { asPoints, whisker } from "./marks.js";
import { fitted, pWords, sentenceList, wrapped } from "./words.js";

/** @import {MeasureDifference, MeasureScore, TaskMeasure, WholeTaskRun} from "./data.js" */

const SIDE = 14;
const MEASURES_BESIDE = 660; // pixels in which values and differences fit side by side
const LINE = 15; // pixels of a line of a metric's name
const HEAD = 38; // pixels of a metric's name and scale

/**
 * A metric with its filter.
 * @param {TaskMeasure} measure
 */
export function measureLabel({ name, filter }) {
  return filter && filter !== "none" ? `${name} by ${filter}` : name;
}

/**
 * A value of a metric, or a difference of two.
 * @param {TaskMeasure} measure
 * @param {number | null} value
 * @param {boolean} [signed]
 */
export function measured({ share }, value, signed = false) {
  if (value === null) return "–";
  if (share) return signed ? asPoints(value) : percent(value);
  return `${signed && value > 0 ? "+" : ""}${briefest(value)}`;
}

/**
 * @param {HTMLElement} panel
 * @returns {(data: WholeTaskRun) => void}
 */
export function openMeasures(panel) {
  return openChart(panel, {
    name: "Scores and differences",
    kind: "eval-chart",
    words: "eval-words",
    draw: drawMeasures,
    say: (/** @type {WholeTaskRun} */ data) => [
      sentenceList([
        ...data.verdicts.slice(1),
        ...beforeWords(data),
        ...meaningWords(data),
        ...data.notes,
      ]),
    ],
  });
}

/**
 * What each metric counts.
 * @param {WholeTaskRun} data
 */
function meaningWords({ measures }) {
  return [...new Map(measures.map(({ name, says }) => [name, `${name}: ${says}.`])).values()];
}

/** @param {WholeTaskRun} data */
function beforeWords({ done, power }) {
  if (done) return [];
  return power
    .filter(({ smallest }) => smallest !== null)
    .map(
      ({ discordant, smallest }) =>
        `With ${percent(discordant)} of the documents changing sides, differences from ` +
        `${asPoints(smallest ?? 0).replace("+", "")} points will be seen.`,
    );
}

/**
 * @param {WholeTaskRun} data
 * @param {number} wide
 * @returns {import("../../../../shared/js/chart.js").Drawing}
 */
function drawMeasures(data, wide) {
  const several = data.models.length > 1;
  const beside = several && wide >= MEASURES_BESIDE;
  const width = Math.max(320, wide);
  const row = 15 * data.models.length + 8;
  const middle = beside ? width / 2 : width;
  const most = Math.max(...data.measures.map((one) => titleLines(one, middle - 2 * SIDE).length));
  const over = LINE * (most - 1); // pixels of what titles have above their last lines
  const block = over + (beside || !several ? HEAD + row + 10 : 2 * (HEAD + row) + 10);
  /** @type {SVGElement[]} */
  const parts = [];
  data.measures.forEach((measure, at) => {
    const top = at * block + over + 6;
    const scores = data.scores.filter((one) => one.measure === at);
    if (at)
      parts.push(
        s("line", {
          class: "eval-rule",
          x1: SIDE,
          x2: width - SIDE,
          y1: top - over - 3,
          y2: top - over - 3,
        }),
      );
    parts.push(
      ...valueStrip(data, measure, scores, { left: SIDE, right: middle - SIDE, top, row }),
    );
    if (!several) return;
    const moved = data.differences.filter((one) => one.measure === at);
    const place = beside
      ? { left: middle + SIDE, right: width - SIDE, top, row }
      : { left: SIDE, right: width - SIDE, top: top + HEAD + row, row };
    parts.push(...differenceStrip(data, measure, moved, place));
  });
  return { width, height: data.measures.length * block + 8, label: data.verdicts[0], parts };
}

/**
 * A metric's name and which way is better, in lines of a width.
 * @param {TaskMeasure} measure
 * @param {number} wide pixels
 */
function titleLines(measure, wide) {
  const words = `${measureLabel(measure)} (${measure.higher ? "more" : "less"} is better)`;
  return wrapped(words, wide / 12); // bold letters are as wide as that
}

/** @typedef {{left: number, right: number, top: number, row: number}} Strip */

/**
 * @param {WholeTaskRun} data
 * @param {TaskMeasure} measure
 * @param {MeasureScore[]} scores
 * @param {Strip} place
 */
function valueStrip(data, measure, scores, { left, right, top, row }) {
  const ends = scores.flatMap(({ value, low, high }) => [value, low ?? value, high ?? value]);
  const [low, high] = measure.share ? [0, 1] : around(ends);
  const lines = titleLines(measure, right - left);
  return [
    ...lines.map((line, at) =>
      s(
        "text",
        { class: "eval-task eval-whole", x: left, y: top + 13 - LINE * (lines.length - 1 - at) },
        line,
      ),
    ),
    ...strip({ left, right, top, row }, low, high, (value) => measured(measure, value)),
    ...scores.flatMap(({ model, value, low: from, high: to, of, count }) => {
      const x = scaleOf(low, high, left + 8, right - 30);
      const said = count === null ? `${of} documents` : `${count} of ${of}`;
      return whisker(
        model,
        { low: x(from ?? value), high: x(to ?? value), at: x(value), y: lineOf(data, model, top) },
        `${data.models[model].name}, ${measureLabel(measure)}: ${measured(measure, value)} ` +
          `(95 %: ${measured(measure, from)} to ${measured(measure, to)}), ${said}`,
      );
    }),
  ];
}

/**
 * @param {WholeTaskRun} data
 * @param {TaskMeasure} measure
 * @param {MeasureDifference[]} moved
 * @param {Strip} place
 */
function differenceStrip(data, measure, moved, { left, right, top, row }) {
  const ends = moved.flatMap(({ value, low, high }) => [value, low ?? value, high ?? value]);
  const [low, high] = around([...ends, 0]);
  const x = scaleOf(low, high, left + 8, right - 66);
  const title = `difference${measure.share ? " in points" : ""} to ${data.models[0].name}`;
  return [
    s(
      "text",
      { class: "eval-task", x: left, y: top + 13 },
      fitted(title, (right - left) / 10),
      s("title", {}, title),
    ),
    ...strip({ left, right: right - 36, top, row }, low, high, (value) =>
      measured(measure, value, true),
    ),
    s("line", {
      class: "eval-zero",
      x1: x(0),
      x2: x(0),
      y1: top + HEAD - 4,
      y2: top + HEAD + row - 4,
    }),
    ...moved.flatMap(({ model, value, low: from, high: to, gained, lost, p }) => {
      const y = lineOf(data, model, top);
      const flips = gained === null ? "" : `; ${gained} gained, ${lost} lost`;
      const sure = pWords(p);
      return [
        whisker(
          model,
          { low: x(from ?? value), high: x(to ?? value), at: x(value), y },
          `${data.models[model].name} to ${data.models[0].name}: ${measured(measure, value, true)} ` +
            `(95 %: ${measured(measure, from, true)} to ${measured(measure, to, true)})${flips}, p ${sure}`,
        ),
        s("text", { class: `eval-end series-${model}`, x: right - 56, y: y + 4 }, `p ${sure}`),
      ];
    }),
  ];
}

/**
 * The scale of a strip, with a line at every value.
 * @param {Strip} place
 * @param {number} low
 * @param {number} high
 * @param {(value: number) => string} write
 */
function strip({ left, right, top, row }, low, high, write) {
  const x = scaleOf(low, high, left + 8, right - 30);
  const ticks = evenTicks(low, high, right - left > 400 ? 5 : 3);
  return [
    ...baseAxis(x, ticks, top + 29, write),
    ...ticks.map((tick) =>
      s("line", {
        class: "grid-line",
        x1: x(tick),
        x2: x(tick),
        y1: top + HEAD - 4,
        y2: top + HEAD + row - 4,
      }),
    ),
  ];
}

/**
 * Where a model's line stands.
 * @param {WholeTaskRun} data
 * @param {number} model
 * @param {number} top of its metric
 */
function lineOf({ models }, model, top) {
  return top + HEAD + 15 * model + (models.length > 1 ? 4 : 6);
}

/**
 * The ends of a scale that holds some values.
 * @param {readonly number[]} values
 * @returns {[number, number]}
 */
function around(values) {
  const low = Math.min(...values, Infinity);
  const high = Math.max(...values, -Infinity);
  if (low > high) return [0, 1];
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - room, high + room];
}
