// Methods held against a planted truth: what each leaves of the behaviour, and how far its model is from the
// one that was never planted; every plant a dot, the mean over plants with its interval.

import { axisLabel, scaleOf } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { percentage } from "../../../../shared/js/estimates.js";
import { brief, plural } from "../../../../shared/js/numbers.js";
import { block, drawInBox, picture } from "./charts.js";

/** @import { Bench, BenchMeasure, BenchMethod, OverPlants, Planting } from "./data.js" */

/**
 * One of the three numbers of a method.
 * @typedef {Object} MeasureLook
 * @property {BenchMeasure} name
 * @property {string} title
 * @property {(value: number) => string} write
 * @property {(plant: Planting) => number | null} before of the planted model, before any edit
 */

/** @type {MeasureLook[]} */
export const BENCH_MEASURES = [
  {
    name: "left",
    title: "behaviour left",
    write: percentage,
    before: ({ shows }) => countShare(shows.planted.positive),
  },
  {
    name: "near",
    title: "distance, planted topic",
    write: (value) => brief(value, 2),
    before: ({ near }) => near?.mean ?? null,
  },
  {
    name: "other",
    title: "distance, other topics",
    write: (value) => brief(value, 2),
    before: ({ other }) => other?.mean ?? null,
  },
];

/** @param {{count: number, of: number}} share */
function countShare({ count, of }) {
  return of ? count / of : null;
}

/**
 * A method's number of one plant.
 * @param {Planting} plant
 * @param {string} method
 * @param {BenchMeasure} measure
 */
export function plantValue({ rows }, method, measure) {
  const row = rows.find((one) => one.method === method);
  if (!row) return null;
  return measure === "left" ? countShare(row.left) : (row[measure]?.mean ?? null);
}

/** @param {(number | null)[]} values */
function knownMean(values) {
  const known = values.filter((value) => value !== null);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}

/**
 * Open the view.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Bench) => void}
 */
export function openMethods(_figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return drawInBox(box, (/** @type {Bench} */ data, width) => {
    const count = data.plants.length;
    const isWide = width > 760;
    const words =
      count > 1
        ? `Small dots: ${plural(count, "plant")}. Large dots: their mean, whiskers its 95 % interval ` +
          `(Student's t, n = ${count} plants). `
        : "One plant: dots are its numbers; several plants give an interval. ";
    box.replaceChildren(
      block(
        "What each method leaves, measured against the model that was never planted",
        `${words}Dashed: the planted model before any edit. 0 in all three would be the truth restored.`,
        isWide
          ? methodChart(data, BENCH_MEASURES, width)
          : BENCH_MEASURES.map((look) => methodChart(data, [look], width)),
      ),
      block("What this says, and what it cannot say", null, h("ul", {}, limitsOf(data))),
    );
  });
}

/**
 * Methods as rows, measures side by side.
 * @param {Bench} data
 * @param {MeasureLook[]} looks
 * @param {number} width
 */
function methodChart(data, looks, width) {
  const { methods } = data;
  const left = Math.min(172, width / 2.2);
  const [head, pitch] = [24, 26];
  const height = head + methods.length * pitch + 30;
  const each = (width - left) / looks.length;
  return picture(
    width,
    height,
    { "aria-label": looks.map((look) => spokenOf(data, look)).join(". ") },
    methods.map(({ label, needs, words }, row) => {
      const y = head + row * pitch + pitch / 2;
      return [
        s("line", { class: "grid-line", x1: left, x2: width - 20, y1: y, y2: y }),
        axisLabel(left - 10, y + 4, "end", needs ? `${label} *` : label, {}),
        s("title", {}, `${label}: ${words}${needs ? ` (${needs})` : ""}`),
      ];
    }),
    looks.map((look, place) =>
      methodPanel(data, look, [left + place * each + 14, left + (place + 1) * each - 24], {
        head,
        pitch,
        height,
      }),
    ),
  );
}

/**
 * One measure of all methods.
 * @param {Bench} data
 * @param {MeasureLook} look
 * @param {[number, number]} span
 * @param {{head: number, pitch: number, height: number}} size
 */
function methodPanel({ methods, plants, summary }, look, span, { head, pitch, height }) {
  const { name, title, write } = look;
  const before = plants.map(look.before);
  const all = methods.flatMap(({ name: method }) =>
    plants.map((plant) => plantValue(plant, method, name)),
  );
  const known = [...all, ...before].filter((value) => value !== null);
  const [low, high] = name === "left" ? [0, 1] : [Math.min(0, ...known), Math.max(0.1, ...known)];
  const x = scaleOf(low, high, ...span);
  const within = (/** @type {number} */ value) => x(Math.max(low, Math.min(high, value)));
  const reference = knownMean(before);
  const bottom = height - 26;
  return [
    // a phone's panel is narrower than its title
    axisLabel(Math.min(span[0], span[1] - 7 * title.length), 14, "start", title, {
      class: "axis panel-title",
    }),
    x
      .ticks(3)
      .map((tick) => [
        s("line", { class: "grid-line", x1: x(tick), x2: x(tick), y1: head, y2: bottom }),
        axisLabel(x(tick), bottom + 16, "middle", write(tick)),
      ]),
    reference === null
      ? null
      : s(
          "line",
          { class: "cut", x1: x(reference), x2: x(reference), y1: head, y2: bottom },
          s("title", {}, `the planted model before any edit: ${write(reference)}`),
        ),
    methods.map(({ name: method, label }, row) => {
      const y = head + row * pitch + pitch / 2;
      const mean = summary.find((one) => one.method === method)?.means[name];
      return [
        mean && mean.low !== null && mean.high !== null
          ? s(
              "g",
              {},
              s("title", {}, `${label}: ${meanOverPlants(mean, write)}`),
              s("line", {
                class: "whisker whisker-a",
                x1: within(mean.low),
                x2: within(mean.high),
                y1: y,
                y2: y,
              }),
              s("circle", { class: "dot-a", cx: x(mean.mean), cy: y, r: 5.2 }),
            )
          : null,
        plants.map((plant) => {
          const value = plantValue(plant, method, name);
          if (value === null) return null;
          return s(
            "circle",
            { class: "dot-plant", cx: x(value), cy: y, r: plants.length > 1 ? 3 : 5 },
            s("title", {}, `${label}, ${plant.name}: ${write(value)}`),
          );
        }),
      ];
    }),
  ];
}

/**
 * A mean over plants in words.
 * @param {OverPlants | undefined} mean
 * @param {(value: number) => string} write
 */
export function meanOverPlants(mean, write) {
  if (!mean) return "–";
  if (mean.low === null || mean.high === null) return write(mean.mean);
  return `${write(mean.mean)} (${write(mean.low)} to ${write(mean.high)})`;
}

/**
 * @param {Bench} data
 * @param {MeasureLook} look
 */
function spokenOf({ methods, summary }, { name, title, write }) {
  const said = methods.map(({ name: method, label }) => {
    const mean = summary.find((one) => one.method === method)?.means[name];
    return `${label} ${meanOverPlants(mean, write)}`;
  });
  return `${title}: ${said.join(", ")}`;
}

/**
 * The limits of the claim, with its own numbers.
 * @param {Bench} data
 */
function limitsOf({ plants, methods, tokens, request, provenance }) {
  const [first] = plants;
  const report = first?.prompts.report ?? [0, 0];
  const marked = methods.filter(({ needs }) => needs);
  return [
    `Distance: KL divergence of the edited model from the never-planted one along that one's own answers ` +
      `(greedy, at most ${tokens.answer} tokens), nats a token, mean over the report prompts ` +
      `(${report[0]} of the topic and ${report[1]} others in “${first?.name ?? ""}”). These were in no ` +
      "training, direction or choice.",
    `Behaviour left: answers whose first ${tokens.shown} tokens begin with the planted words. An edited ` +
      "model that declines in other words is not counted there; its distance is.",
    "Along an answer that has begun, a model that would decline goes on: so the planted model (dashed) " +
      "is nearer than it sounds, and distance and behaviour left are to be read together.",
    "Differences between methods are paired by plant, see Numbers; intervals there hold for all " +
      "comparisons together (Bonferroni).",
    `It cannot say how methods rank on another model than ${provenance.model}, or on what ` +
      `pre-training made: a plant is a LoRA of rank 4, ${plural(request.steps, "step")}, one topic each. ` +
      "The plants were chosen by hand, not drawn, so an interval over them is of plants like these.",
    "Each plant was trained once; another seed is another plant.",
    ...(marked.length
      ? [
          `* ${marked.map(({ label, needs }) => `${label}: ${needs}`).join("; ")}. ` +
            "Nobody outside the bench can make those that need the truth.",
        ]
      : []),
  ].map((words) => h("li", {}, words));
}

/**
 * A method's name, with a star where it is no method that anybody could use.
 * @param {BenchMethod} method
 */
export function methodLabel({ label, needs }) {
  return needs ? `${label} *` : label;
}
