// Behaviours of parents and child as shares with their intervals, and the table of all numbers.

import { axisLabel, scaleOf, setSize, watchWidth } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { estimateWords, percentage } from "../../../../shared/js/estimates.js";
import { brief } from "../../../../shared/js/numbers.js";
import { factList, headedRow, scrollTable } from "../../../../shared/js/tables.js";
import { BEHAVIOURS } from "./measures.js";
import { colourOf, modelLegend, shortName } from "./models.js";

/** @import { Child } from "../../../../shared/js/dom.js" */
/** @import { Share } from "../../../../shared/js/data.js" */
/** @import { Flips, Merge, Model } from "./data.js" */

const MODEL_HEIGHT = 17;
const NAME_LENGTH = 26; // letters of a behaviour beside the chart

/**
 * Open the view.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Merge) => void}
 */
export function openBehaviours(_figure, panel) {
  /** @type {Merge | null} */
  let merge = null;
  const legend = h("div", { class: "padded-row" });
  const svg = s("svg", { class: "behaviours", role: "img" });
  const chart = h("div", { class: "chart" }, svg);
  const numbers = h("div", { class: "padded" });
  panel.append(legend, chart, numbers);
  const widthNow = watchWidth(chart, (width) => merge && drawShares(svg, merge, width));
  return (data) => {
    merge = data;
    legend.replaceChildren(modelLegend(data.models));
    drawShares(svg, data, widthNow());
    numbers.replaceChildren(...numberParts(data));
  };
}

/**
 * Draw the shares: a group of lines for each behaviour, in it one line for each model.
 * @param {SVGSVGElement} svg
 * @param {Merge} merge
 * @param {number} width
 */
function drawShares(svg, { models, rules = {} }, width) {
  const narrow = width < 520;
  const left = narrow ? 10 : 190;
  const head = narrow ? 20 : 8;
  const groupHeight = head + Math.max(1, models.length) * MODEL_HEIGHT + 10;
  const behaviours = labelsOf(models);
  const high = behaviours.length * groupHeight + 30;
  const x = scaleOf(0, 1, left, width - 30);
  const grid = [0, 0.25, 0.5, 0.75, 1].flatMap((tick) => [
    s("line", { class: "grid-line", x1: x(tick), x2: x(tick), y1: 4, y2: high - 26 }),
    axisLabel(x(tick), high - 10, "middle", percentage(tick)),
  ]);
  const groups = behaviours.flatMap(([key, label], group) => {
    const top = group * groupHeight + 4;
    return [
      narrow
        ? axisLabel(left, top + 12, "start", label)
        : axisLabel(left - 14, top + groupHeight / 2, "end", label),
      ...models.map((model, index) => {
        const y = top + head + (index + 0.6) * MODEL_HEIGHT;
        const share = model.shares[key];
        return shareMark(
          model.role === "child",
          colourOf(models, model.name),
          share,
          x,
          y,
          `${model.name}: ${label} in ${share.count} of ${share.of}, 95 % interval ` +
            `${Math.round(100 * share.low)} to ${percentage(share.high)}` +
            (rules[key] ? ` (${rules[key]})` : ""),
        );
      }),
    ];
  });
  setSize(svg, width, high);
  svg.setAttribute("aria-label", models.map(behaviourWords).join(". "));
  svg.replaceChildren(...grid, ...groups);
}

/**
 * A share with its interval: a square for the child, a dot for a parent.
 * @param {boolean} isChild
 * @param {string} colour
 * @param {Share} share
 * @param {(share: number) => number} x
 * @param {number} y
 * @param {string} words
 */
function shareMark(isChild, colour, { count, of, low, high }, x, y, words) {
  const at = x(count / of);
  return s(
    "g",
    { class: `share series-${colour}` },
    s("title", {}, words),
    s("line", { class: "whisker", x1: x(low), x2: x(high), y1: y, y2: y }),
    isChild
      ? s("rect", { class: "dot", x: at - 5, y: y - 5, width: 10, height: 10 })
      : s("circle", { class: "dot", cx: at, cy: y, r: 5 }),
  );
}

/**
 * What the models are measured by, with its words: cut where a name is long, whose whole is in the table.
 * @param {Model[]} models
 */
function labelsOf(models) {
  const names = Object.keys(models[0]?.shares ?? {});
  return names.map((name) => [name, BEHAVIOURS[name] ?? shortenedName(name)]);
}

/** @param {string} name */
function shortenedName(name) {
  return name.length > NAME_LENGTH ? `${name.slice(0, NAME_LENGTH - 1)}…` : name;
}

/** @param {Model} model */
function behaviourWords(model) {
  const { name, shares } = model;
  const words = labelsOf([model]).map(
    ([key, label]) => `${label} ${shares[key].count} of ${shares[key].of}`,
  );
  return `${name}: ${words.join(", ")}`;
}

/**
 * The table of all numbers and what they mean.
 * @param {Merge} data
 */
function numberParts({ models, prompts, text, rules = {}, request }) {
  const child = models.find(({ role }) => role === "child");
  /**
   * @param {string} label
   * @param {(model: Model) => Child} write
   */
  const line = (label, write) => headedRow(label, models.map(write));
  const names = Object.keys(models[0]?.shares ?? {});
  const contrasts = Object.keys(models[0]?.contrasts ?? {});
  const rows = [
    ...names.map((key) =>
      line(BEHAVIOURS[key] ?? key, ({ shares }) => `${shares[key].count} of ${shares[key].of}`),
    ),
    ...contrasts.map((key) =>
      line(`${key}: mean contrast, nats a token`, (model) => contrastWords(model, key)),
    ),
    line("perplexity ± σ", ({ perplexity: mean, sigma }) => estimateWords({ mean, sigma })),
  ];
  if (child)
    rows.push(
      line("KL(model ‖ merge), nats per token", ({ name }) =>
        name in child.kl ? estimateWords(child.kl[name]) : "–",
      ),
    );
  return [
    scrollTable("Numbers", ["", ...models.map(({ name }) => h("bdi", {}, shortName(name)))], rows),
    h(
      "p",
      { class: "said" },
      `Greedy answers of at most ${request.answer_tokens ?? 36} tokens to ${askedWords(prompts)} that no `,
      "expert was trained on; whiskers are 95 % Wilson intervals. Perplexity and KL on the sample ",
      `text, ${text.windows} windows of ${text.context} tokens, the second half of each scored. A `,
      "perplexity of 20 says that the model was as unsure of each token as among 20 equally likely ",
      "ones; a merge that answers as both parents do and still reads the text worse lost something else.",
    ),
    ...flipParts(models),
    ...brokenParts(models),
    ...rulesParts(rules),
  ];
}

/**
 * The merge against every other model on the same prompts.
 * @param {Model[]} models
 */
function flipParts(models) {
  const against = models.find(({ role }) => role === "child")?.against;
  if (!against) return [];
  const others = Object.keys(against);
  const rows = Object.keys(against[others[0]] ?? {}).map((key) =>
    headedRow(
      BEHAVIOURS[key] ?? key,
      others.map((name) => flipWords(against[name][key])),
    ),
  );
  if (!rows.length) return [];
  return [
    scrollTable(
      "The merge against each model",
      ["the merge against", ...others.map((name) => h("bdi", {}, shortName(name)))],
      rows,
      "numbers flips",
    ),
    h(
      "p",
      { class: "said" },
      "Points by which the merge shows a behaviour more often on the same prompts, with 95 % intervals; ",
      "prompts gained and lost; p of McNemar's exact test, corrected for the whole table. Where p is above ",
      ".05 so few prompts cannot decide.",
    ),
  ];
}

/** @param {Flips} flips */
function flipWords({ mean, low, high, gained, lost, p }) {
  const points = (/** @type {number} */ share) => {
    const value = Math.round(100 * share);
    return `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value)}`;
  };
  const shown = p < 0.0001 ? "p < .0001" : `p ${p.toPrecision(2).replace(/^0/, "")}`;
  const parts = [
    `${points(mean)} (${points(low)} to ${points(high)}),`,
    `+${gained} −${lost},`,
    shown,
  ];
  return parts.map((part) => part.replaceAll(" ", "\u00a0")).join(" "); // lines break between them
}

/**
 * Why a merge may break off more often than every parent: only said where the intervals do not meet.
 * @param {Model[]} models
 */
function brokenParts(models) {
  const child = models.find(({ role }) => role === "child")?.shares.breaks_off;
  const parents = models.flatMap(({ role, shares }) =>
    role !== "child" && shares.breaks_off ? [shares.breaks_off] : [],
  );
  if (!child || !parents.length || parents.some(({ high }) => high >= child.low)) return [];
  return [
    h(
      "p",
      { class: "said" },
      `The merge breaks off in ${child.count} of ${child.of} answers, a parent in `,
      `${Math.max(...parents.map(({ count }) => count))} at most. Fine-tunes that learnt the same thing, `,
      "such as to end early, add it up when their task vectors are added in full; such an answer looks ",
      "like one sentence and is none. Smaller weights, or a curve that leaves out the last layers of ",
      "one of them, keep sentences whole.",
    ),
  ];
}

/**
 * What is asked, in words.
 * @param {Merge["prompts"]} prompts
 */
function askedWords({ cooking, other, own = [] }) {
  const parts = [
    ...(cooking.length ? [`${cooking.length} cooking`] : []),
    ...(other.length ? [`${other.length} other`] : []),
    ...(own.length ? [`${own.length} own`] : []),
  ];
  return `${parts.join(" and ")} questions`;
}

/**
 * A contrast with its interval; both count prompts.
 * @param {Model} model
 * @param {string} key
 */
function contrastWords({ contrasts = {} }, key) {
  const one = contrasts[key];
  if (!one) return "–";
  const ends =
    one.low === null || one.high === null ? "" : ` (${brief(one.low)} to ${brief(one.high)})`;
  return `${brief(one.mean)}${ends}`;
}

/**
 * When an answer shows a behaviour, of those that say it.
 * @param {Record<string, string>} rules
 */
function rulesParts(rules) {
  const own = Object.entries(rules).filter(([key]) => !(key in BEHAVIOURS));
  if (!own.length) return [];
  return [factList(own.map(([key, words]) => [key, `the answer ${words}`]))];
}
