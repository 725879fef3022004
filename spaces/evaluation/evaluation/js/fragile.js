// The same items in several forms: scores form by form, the range beside the claimed difference.

import { axisLabel, baseAxis, evenTicks, scaleOf } from "../../../../shared/js/axes.js";
import { openChart } from "../../../../shared/js/chart.js";
import { s } from "../../../../shared/js/dom.js";
import { brief, percent, plural } from "../../../../shared/js/numbers.js";
import { saveFile } from "../../../../shared/js/picture.js";
import { toolButton } from "../../../../shared/js/shell.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { openFormItems, openFormNumbers } from "./forms.js";
import { asPoints, mark, sample, whisker } from "./marks.js";
import { pWords, sentenceList, shortened } from "./words.js";

/**
 * @import {FormDifference, FormScore, Fragile} from "./data.js"
 * @import {Figure} from "../../../../shared/js/tabbed.js"
 */

const FORM_LEFT = 92;
const FORM_TOP = 36;
const FORM_BESIDE = 660; // pixels in which scores and differences fit side by side
export const ALL_FORMS = -1;

/** Open the figure. */
export function openFragile() {
  /** @type {Figure<Fragile>} */
  const figure = openTabbed(
    "evaluation",
    "The same items in several forms",
    "Name two models and press Try forms.",
    [
      {
        name: "forms",
        label: "Form by form",
        picture: true,
        open: (_, panel) => openForms(panel),
      },
      { name: "asked", label: "Every item", open: (_, panel) => openFormItems(panel) },
      { name: "counted", label: "Numbers", open: (_, panel) => openFormNumbers(panel) },
    ],
    (data) => ({
      title: data.verdicts[0],
      key: data.models.map(({ name }, place) => sample(place, name)),
      provenance: fragileProvenance(data),
      tags: data.example ? ["stored example"] : data.cancelled ? ["stopped"] : [],
      warnings: data.stopped ? [data.stopped] : [],
    }),
    {
      forget: () => {},
      tools: () => ({
        mark: String(Boolean(figure.data?.forms.length)),
        buttons: () =>
          figure.data?.forms.length
            ? [
                toolButton("Items", "Download the items in every form as JSON Lines", () =>
                  saveFile(figure.root, "items.jsonl", "application/jsonl", formLines(figure.data)),
                ),
              ]
            : [],
      }),
    },
  );
  return figure;
}

/**
 * The items in every form, a line each; the form stands as their task.
 * @param {Fragile | null} data
 */
function formLines(data) {
  if (!data) return "";
  const lines = data.forms.flatMap(({ name, kind, asked }) =>
    asked.map((one, at) => {
      const item = { ...data.items[at], ...one, task: name };
      return JSON.stringify(kind === "chat" ? item : { ...item, turns: undefined });
    }),
  );
  return `${lines.join("\n")}\n`;
}

/** @param {Fragile} data */
function fragileProvenance({ models, provenance, items, planned, seconds, done, example }) {
  const took = !example && done ? [`${brief(seconds, 2)} s`] : [];
  return [
    `${plural(items.length, "item")} in ${plural(planned.length, "form")}`,
    `seed ${provenance.seed}`,
    models[0].origin.source,
    `${models[0].origin.dtype} on ${models[0].device === "cuda" ? "a GPU" : "a processor"}`,
    ...took,
  ].join(" · ");
}

/**
 * @param {HTMLElement} panel
 * @returns {(data: Fragile) => void}
 */
function openForms(panel) {
  return openChart(panel, {
    name: "Scores by form",
    kind: "eval-chart",
    words: "eval-words",
    draw: drawForms,
    say: (data) => [
      sentenceList([
        ...(data.done ? data.verdicts.slice(1) : []),
        ...data.notes,
        "Bands: from the lowest to the highest form; the bracket below them is the difference that the " +
          `form ${data.planned[0]} alone would claim. Bars: 95 % intervals of single forms, not corrected ` +
          "for how many there are.",
      ]),
    ],
  });
}

/**
 * @param {Fragile} data
 * @param {number} wide
 * @returns {import("../../../../shared/js/chart.js").Drawing}
 */
function drawForms(data, wide) {
  const models = data.models.length;
  const below = models > 1 && wide < FORM_BESIDE;
  const beside = models > 1 && !below;
  const width = Math.max(below ? 320 : 360, wide);
  const tall = Math.max(24, 13 * models + 6);
  const whole = 16 * (2 * models - 1) + 12;
  const rowTop = (/** @type {number} */ row) =>
    FORM_TOP + (row === 0 ? 0 : whole + 6 + (row - 1) * tall);
  const rowTall = (/** @type {number} */ row) => (row ? tall : whole);
  const rows = data.planned.length + 1;
  const height = rowTop(rows) + 6;
  const split = beside ? FORM_LEFT + (width - FORM_LEFT) * 0.5 : width - 20;
  const x = scaleOf(0, 1, FORM_LEFT, split - (beside ? 23 : 0));
  const names = ["all forms", ...data.planned];
  const labels = () =>
    names.map((name, row) =>
      s(
        "text",
        {
          class: row ? "eval-task" : "eval-task eval-whole",
          x: 10,
          y: rowTop(row) + rowTall(row) / 2 + 4,
        },
        shortened(name, 13),
      ),
    );
  const rule = () =>
    s("line", { class: "eval-rule", x1: 10, x2: width - 10, y1: rowTop(1) - 4, y2: rowTop(1) - 4 });
  const ticks = evenTicks(0, 1, 4);
  const parts = [
    axisLabel(
      below ? 10 : FORM_LEFT,
      12,
      "start",
      "right answers, 95 % intervals; dotted: guessing",
    ),
    ...baseAxis(x, ticks, FORM_TOP - 8, percent),
    ...ticks.map((tick) =>
      s("line", { class: "grid-line", x1: x(tick), x2: x(tick), y1: FORM_TOP, y2: height - 4 }),
    ),
    s("line", {
      class: "eval-chance",
      x1: x(data.chance),
      x2: x(data.chance),
      y1: FORM_TOP,
      y2: height - 4,
    }),
    ...labels(),
    rule(),
    ...rangeRow(data, x, FORM_TOP),
    ...data.scores.map((score) => scoreMark(data, score, x, rowTop(score.form + 1), tall)),
  ];
  const label = data.verdicts.join(" ");
  if (models < 2) return { width, height, label, parts };
  const differences = formDifferences(data, {
    left: beside ? split + 23 : FORM_LEFT,
    right: width - 84,
    bottom: height - 4,
    rowTop,
    rowTall,
    below,
  });
  if (beside) return { width, height, label, parts: [...parts, ...differences] };
  parts.push(
    s("g", { transform: `translate(0 ${height + 10})` }, ...differences, ...labels(), rule()),
  );
  return { width, height: 2 * height + 10, label, parts };
}

/** @param {FormScore} score */
function shareOf({ count, of }) {
  return count / of;
}

/**
 * @param {Fragile} data
 * @param {FormScore} score
 * @param {(value: number) => number} x
 * @param {number} top
 * @param {number} tall
 */
function scoreMark(data, score, x, top, tall) {
  const { model, form, count, of, low, high } = score;
  const y = top + (tall * (model + 0.5)) / data.models.length;
  const words =
    `${data.models[model].name}, ${data.forms[form].name}: ${count} of ${of}, ${percent(count / of)} ` +
    `(95 %: ${percent(low)} to ${percent(high)})`;
  return whisker(model, { low: x(low), high: x(high), at: x(count / of), y }, words);
}

/**
 * Every model's range over the forms, and below it the claimed differences.
 * @param {Fragile} data
 * @param {(value: number) => number} x
 * @param {number} top
 * @returns {SVGElement[]}
 */
function rangeRow(data, x, top) {
  const parts = [];
  data.models.forEach(({ name }, model) => {
    const shares = data.scores.filter((one) => one.model === model).map(shareOf);
    if (!shares.length) return;
    const [low, high] = [Math.min(...shares), Math.max(...shares)];
    const mean = shares.reduce((sum, one) => sum + one, 0) / shares.length;
    const y = top + 16 * model + 12;
    parts.push(
      s(
        "g",
        { class: `series-${model}` },
        s("title", {}, `${name}: ${percent(low)} to ${percent(high)}, mean ${percent(mean)}`),
        s("rect", {
          class: "eval-range",
          x: x(low),
          y: y - 4,
          width: Math.max(2, x(high) - x(low)),
          height: 8,
        }),
        mark(model, x(mean), y),
      ),
    );
  });
  const claimed = data.scores.filter(({ form }) => form === 0);
  const base = claimed.find(({ model }) => model === 0);
  for (const other of claimed) {
    if (!base || other.model === 0) continue;
    const y = top + 16 * (data.models.length + other.model - 1) + 12;
    const [from, to] = [x(shareOf(base)), x(shareOf(other))];
    const right = Math.max(from, to);
    const room = right + 90 < x(1);
    parts.push(
      s(
        "g",
        {},
        s("line", { class: "eval-claim", x1: from, x2: to, y1: y, y2: y }),
        ...[from, to].map((at) =>
          s("line", { class: "eval-claim", x1: at, x2: at, y1: y - 4, y2: y + 4 }),
        ),
        axisLabel(
          room ? right + 6 : Math.min(from, to) - 6,
          y + 4,
          room ? "start" : "end",
          `claimed: ${asPoints(shareOf(other) - shareOf(base))}`,
        ),
      ),
    );
  }
  return parts;
}

/**
 * @param {Fragile} data
 * @param {{left: number, right: number, bottom: number, rowTop: (row: number) => number,
 *   rowTall: (row: number) => number, below: boolean}} place
 * @returns {SVGElement[]}
 */
function formDifferences(data, { left, right, bottom, rowTop, rowTall, below }) {
  const known = data.differences;
  const most = Math.min(1, Math.max(0.05, ...known.flatMap(({ low, high }) => [-low, high])));
  const x = scaleOf(-most, most, left, right);
  const ticks = evenTicks(-most, most, below ? 4 : 6);
  const others = data.models.length - 1;
  return [
    axisLabel(below ? 10 : left, 12, "start", "points against the first; gained, lost"),
    ...baseAxis(x, ticks, FORM_TOP - 8, asPoints),
    ...ticks.map((tick) =>
      s("line", { class: "grid-line", x1: x(tick), x2: x(tick), y1: FORM_TOP, y2: bottom }),
    ),
    s("line", { class: "eval-zero", x1: x(0), x2: x(0), y1: FORM_TOP, y2: bottom }),
    ...known.flatMap((one) => {
      const row = one.form + 1;
      const y = rowTop(row) + (rowTall(row) * (one.model - 0.5)) / others;
      const words = formDifferenceWords(data, one);
      return [
        whisker(one.model, { low: x(one.low), high: x(one.high), at: x(one.mean), y }, words),
        s(
          "text",
          {
            class: `eval-counts series-${one.model}`,
            x: right + 78,
            y: y + 4,
            "text-anchor": "end",
          },
          `+${one.gained} −${one.lost}`,
        ),
      ];
    }),
  ];
}

/**
 * @param {Fragile} data
 * @param {FormDifference} one
 */
function formDifferenceWords(data, one) {
  const form = one.form === ALL_FORMS ? "all forms" : data.forms[one.form].name;
  return (
    `${data.models[one.model].name}, ${form}: ${asPoints(one.mean)} points (95 %: ` +
    `${asPoints(one.low)} to ${asPoints(one.high)}), ${one.gained} gained, ${one.lost} lost of ` +
    `${one.of}, p ${pWords(one.p)}`
  );
}
