// Curves of a run, one below the other on one axis of steps: loss, what DPO, ORPO and KTO do to both
// answers, step size and gradient.

import {
  axisLabel,
  baseAxis,
  evenTicks,
  pathThrough,
  scaleOf,
  valueAxis,
} from "../../../../shared/js/axes.js";
import { openChart } from "../../../../shared/js/chart.js";
import { h, s } from "../../../../shared/js/dom.js";
import { brief, briefest } from "../../../../shared/js/numbers.js";
import { marginWords, seedWords } from "./reasons.js";

/**
 * @import {Mark, Run, Spread, Train} from "./data.js"
 */

/**
 * A line of a chart.
 * @typedef {Object} Curve
 * @property {string} name
 * @property {string} kind class
 * @property {readonly (readonly [number, number])[]} points step and value
 * @property {readonly (readonly [number, number, number])[]} [ribbon] step, low and high
 * @property {boolean} [dots]
 */

const LEFT = 52;
const RIGHT = 118;
/** Letters of a line's name that the right margin has room for. */
const MOST_LABEL = 20;

/**
 * @param {HTMLElement} panel
 * @returns {(data: Train) => void}
 */
export function openCurves(panel) {
  return openChart(panel, {
    name: "Curves",
    kind: "train-charts",
    words: "train-why",
    draw: drawCurves,
    say: reasons,
  });
}

/**
 * @param {Train} data
 * @param {number} wide
 * @returns {import("../../../../shared/js/chart.js").Drawing}
 */
function drawCurves(data, wide) {
  return stackedCharts(chartsOf(data), Number(data.request.steps) || 1, wide);
}

/**
 * Charts below each other, on one axis of steps.
 * @param {{title: string, curves: Curve[], tall: number}[]} charts
 * @param {number} steps
 * @param {number} wide
 * @returns {import("../../../../shared/js/chart.js").Drawing}
 */
export function stackedCharts(charts, steps, wide) {
  const width = Math.max(360, wide);
  const x = scaleOf(0, steps, LEFT, width - RIGHT);
  let top = 8;
  /** @type {SVGElement[]} */
  const parts = [];
  for (const { title, curves, tall } of charts) {
    parts.push(...chart({ title, curves, x, top, tall, width }));
    top += tall + 40;
  }
  parts.push(
    ...baseAxis(x, evenTicks(0, steps, Math.max(2, (width - LEFT - RIGHT) / 70), true), top),
    axisLabel(width - RIGHT + 22, top, "start", "steps"),
  );
  return { width, height: top + 8, label: charts.map(({ title }) => title).join("; "), parts };
}

/**
 * @param {Train} data
 * @returns {{title: string, curves: Curve[], tall: number}[]}
 */
function chartsOf(data) {
  const two = data.runs.length > 1;
  // several runs: the thick line has the run's name, the thin and the dashed its colour
  const named = (/** @type {Run} */ run, /** @type {string} */ what, main = true) =>
    two ? (main ? run.name : "") : what;
  const { objective } = data;
  const [one, other] = objective === "kto" ? ["wanted", "unwanted"] : ["chosen", "rejected"];
  const loss = data.runs.flatMap((run, place) => [
    {
      name: named(run, "step’s rows", objective !== "sft"),
      kind: `train-thin series-${place}`,
      points: run.steps.map(({ step, loss: value }) => /** @type {const} */ ([step, value])),
    },
    ...(objective === "sft"
      ? [
          measuredCurve(
            run.marks,
            named(run, data.trained.separate ? "held out" : "the row"),
            "held_out",
            place,
          ),
        ]
      : []),
    ...(objective === "orpo"
      ? [
          {
            name: named(run, "its −ln p part", false),
            kind: `train-dashed series-${place}`,
            points: run.steps.map(({ step, nll }) => /** @type {const} */ ([step, nll ?? NaN])),
          },
        ]
      : []),
  ]);
  const charts = [
    {
      title: {
        sft: "Loss, nats a token",
        dpo: "DPO loss, nats (ln 2 at first)",
        orpo: "ORPO loss, nats (dashed: its −ln p part)",
        kto: "KTO loss (0.5 at first, with equal weights)",
      }[objective],
      curves: loss,
      tall: 210,
    },
  ];
  if (objective !== "sft") {
    charts.push({
      title:
        (objective === "orpo"
          ? "Held-out answers: ln p, nats a token"
          : "Held-out ln p: change, nats") + (two ? ` (dashed: ${other})` : ""),
      tall: 210,
      curves: data.runs.flatMap((run, place) => [
        measuredCurve(run.marks, named(run, one), "chosen", place),
        {
          ...measuredCurve(run.marks, named(run, other, false), "rejected", place),
          kind: `train-dashed series-${place}`,
        },
      ]),
    });
  }
  if (objective === "orpo" || objective === "dpo") {
    const [title, what] =
      objective === "orpo"
        ? ["Held-out log odds ratio, chosen over rejected", "log odds"]
        : ["Held-out margin: chosen minus rejected, nats", "margin"];
    charts.push({
      title,
      tall: 110,
      curves: data.runs.map((run, place) =>
        measuredCurve(run.marks, named(run, what), "margin", place),
      ),
    });
  }
  if (objective === "kto")
    charts.push({
      title: "Reference point z₀ of each step’s rows, nats",
      tall: 110,
      curves: data.runs.map((run, place) => ({
        name: named(run, "z₀"),
        kind: `train-thin series-${place}`,
        points: run.steps.map(({ step, z0 }) => /** @type {const} */ ([step, z0 ?? NaN])),
      })),
    });
  if (objective === "dpo" || objective === "kto") {
    charts.push({
      title: `Held-out loss of the ${one} answer, nats a token`,
      tall: 110,
      curves: data.runs.map((run, place) =>
        measuredCurve(run.marks, named(run, "held out"), "held_out", place),
      ),
    });
  }
  charts.push({
    title: "Gradient norm, before clipping to 1",
    tall: 80,
    curves: data.runs.map((run, place) => ({
      name: run.name,
      kind: `train-thin series-${place}`,
      points: run.steps.map(({ step, norm }) => /** @type {const} */ ([step, norm])),
    })),
  });
  charts.push({
    title: "Learning rate",
    tall: 56,
    curves: data.runs.map((run, place) => ({
      name: run.name,
      kind: `train-thin series-${place}`,
      points: run.steps.map(({ step, rate }) => /** @type {const} */ ([step, rate])),
    })),
  });
  return charts;
}

/**
 * What was measured at some steps: dots at the means, a ribbon of the intervals.
 * @template {string} Key
 * @param {({step: number} & {[key in Key]: Spread | null})[]} marks
 * @param {string} name
 * @param {Key} key of the measure
 * @param {number} place of its colour
 * @returns {Curve}
 */
export function measuredCurve(marks, name, key, place) {
  /** @type {{step: number, value: Spread}[]} */
  const known = marks.flatMap(({ step, [key]: value }) => (value ? [{ step, value }] : []));
  return {
    name,
    kind: `train-line series-${place}`,
    dots: true,
    points: known.map(({ step, value }) => /** @type {const} */ ([step, value.mean])),
    ribbon: known.flatMap(({ step, value: { low, high } }) =>
      low === null || high === null ? [] : [/** @type {const} */ ([step, low, high])],
    ),
  };
}

/**
 * @param {{title: string, curves: Curve[], x: (value: number) => number, top: number,
 *   tall: number, width: number}} asked
 */
function chart({ title, curves, x, top, tall, width }) {
  const lines = curves.flatMap(({ points }) => points.map(([, value]) => value));
  const spread = curves.flatMap(({ ribbon = [] }) =>
    ribbon.flatMap(([, low, high]) => [low, high]),
  );
  const finite = lines.filter(Number.isFinite);
  if (!finite.length) return [axisLabel(LEFT, top + 12, "start", `${title}: not measured yet`)];
  const [least, most] = [Math.min(...finite), Math.max(...finite)];
  const room = (most - least || Math.abs(most) || 1) * 0.6; // a wide interval must not flatten the lines
  const low = Math.min(least, Math.max(least - room, Math.min(...spread, least)), 0);
  const high = Math.max(most, Math.min(most + room, Math.max(...spread, most)), low + 1e-9);
  const y = scaleOf(low, high, top + 20 + tall, top + 20);
  const within = (/** @type {number} */ value) => y(Math.max(low, Math.min(high, value)));
  const ends = labelPlaces(
    curves
      .filter(({ name, points }) => name && points.length)
      .map(({ name, kind, points }) => ({
        name,
        kind,
        from: x(points[points.length - 1][0]),
        y: within(points[points.length - 1][1]),
      })),
    top + 20 + tall,
  );
  return [
    s("text", { class: "train-title", x: 4, y: top + 9 }, title),
    ...valueAxis(y, evenTicks(low, high, Math.max(2, tall / 46)), [LEFT, width - RIGHT], briefest),
    ...curves.flatMap(({ kind, points, ribbon = [], dots }) => [
      ...(ribbon.length > 1
        ? [
            s("path", {
              class: `train-ribbon ${kind}`,
              d: `${pathThrough([
                ...ribbon.map(([step, , top_]) => [x(step), within(top_)]),
                ...[...ribbon].reverse().map(([step, under]) => [x(step), within(under)]),
              ])}Z`,
            }),
          ]
        : []),
      s("path", {
        class: kind,
        d: pathThrough(points.map(([step, value]) => [x(step), within(value)])),
      }),
      ...(dots
        ? points.map(([step, value]) =>
            s(
              "circle",
              { class: `train-dot ${kind}`, cx: x(step), cy: within(value), r: 2.6 },
              s("title", {}, `after step ${step}: ${brief(value)}`),
            ),
          )
        : []),
    ]),
    ...ends.map(({ name, kind, from, at }) =>
      s(
        "text",
        { class: `train-label ${kind}`, x: from + 7, y: at + 4 },
        ...(name.length > MOST_LABEL
          ? [s("title", {}, name), `${name.slice(0, MOST_LABEL - 1).trimEnd()}…`]
          : [name]),
      ),
    ),
  ];
}

/**
 * Labels beside the ends of lines, apart from each other and above the foot of their chart.
 * @param {{name: string, kind: string, from: number, y: number}[]} ends
 * @param {number} foot
 */
function labelPlaces(ends, foot) {
  let last = -Infinity;
  const placed = [...ends]
    .sort((one, other) => one.y - other.y)
    .map((end) => {
      last = Math.max(end.y, last + 12);
      return { ...end, at: last };
    });
  let room = foot;
  for (const end of [...placed].reverse()) {
    end.at = Math.min(end.at, room);
    room = end.at - 12;
  }
  return placed;
}

/**
 * What the curves say, in words.
 * @param {Train} data
 */
function reasons(data) {
  const mark = data.runs[0]?.marks.at(-1);
  if (!mark) return [];
  const words = [
    h(
      "p",
      { class: "train-note" },
      "Dots and ribbons: mean over held-out rows with its 95 % interval (rows are independent).",
      " Thin: the rows of each step, before it.",
    ),
  ];
  const seeds = seedWords(data);
  if (seeds) words.push(h("p", {}, seeds));
  const { chosen, rejected, margin } = mark;
  if (data.objective === "kto" && chosen && rejected) {
    words.push(wantedWords(data, chosen, rejected));
  } else if (data.objective === "orpo" && chosen && rejected && margin) {
    words.push(oddsWords(data, mark, { chosen, rejected, margin }));
  } else if (chosen && rejected && margin) {
    words.push(marginWords(data, mark, { chosen, rejected, margin }));
  }
  return words;
}

/**
 * What ORPO follows, in words.
 * @param {Train} data
 * @param {Mark} mark
 * @param {{chosen: Spread, rejected: Spread, margin: Spread}} now
 */
function oddsWords(data, mark, { chosen, rejected, margin }) {
  const first = data.runs[0].marks[0];
  const went = (/** @type {Spread} */ one, /** @type {Spread | null} */ before) =>
    mark === first || !before ? brief(one.mean) : `${brief(before.mean)} → ${brief(one.mean)}`;
  const both = Boolean(first.rejected && mark !== first && rejected.mean > first.rejected.mean);
  return h(
    "p",
    {},
    h("b", {}, both ? "Why does the rejected answer rise as well? " : "What ORPO follows. "),
    `ln p a token, chosen: ${went(chosen, first.chosen)} nats; rejected: `,
    `${went(rejected, first.rejected)}; log odds ratio ${went(margin, first.margin)}. `,
    "No earlier model holds this one back: the loss learns the chosen texts, prompts too, as SFT does, ",
    "and λ weighs how much likelier the chosen answer is to be than the rejected one. ",
    both
      ? "What both answers share is learnt from the chosen; a larger λ presses the rejected down."
      : "Watch the odds: the first part alone can lower the loss.",
  );
}

/**
 * What KTO follows, in words.
 * @param {Train} data
 * @param {Spread} wanted
 * @param {Spread} unwanted
 */
function wantedWords(data, wanted, unwanted) {
  const z0 = data.runs[0].steps.at(-1)?.z0;
  const both = wanted.mean < 0 && unwanted.mean < 0;
  return h(
    "p",
    {},
    h("b", {}, both ? "Why do both fall? " : "What KTO follows. "),
    `The wanted answers changed by ${brief(wanted.mean)} nats, the unwanted by `,
    `${brief(unwanted.mean)}`,
    z0 === null || z0 === undefined ? ". " : `; z₀ of the last step is ${brief(z0)}. `,
    "A row is paid for being above z₀ where its answer is wanted, and below it where not; z₀ is what ",
    "the step’s answers gained after prompts that they do not answer, and stands for the KL divergence ",
    "from the model before training. ",
    both
      ? "Unwanted answers pull down what wanted ones share with them; a larger weight of wanted rows, or " +
          "more of them, holds those up."
      : "A rising z₀ says that all answers rise, whatever was asked.",
  );
}
