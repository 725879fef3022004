// What the edit removed and what it damaged: shares with intervals, divergences with errors, controls; and
// every judged answer.

import { axisLabel, baseAxis, scaleOf, valueAxis } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { percentage, shareWords } from "../../../../shared/js/estimates.js";
import { brief } from "../../../../shared/js/numbers.js";
import { factList, scrollTable } from "../../../../shared/js/tables.js";
import { block, drawInBox, lineLegend, picture } from "./charts.js";
import { meanWords, truthFacts } from "./truth.js";

/** @import { Share } from "../../../../shared/js/data.js" */
/** @import { FirstToken, Judgement, Measures, Refusal, Side, Split } from "./data.js" */

/** @typedef {{label: string, base: Share, edited: Share}} Pair a share before and after */
/**
 * @typedef {Object} Measured
 * @property {Measures | null} [measures]
 * @property {string} mark
 * @property {Split} split
 * @property {Refusal} refusal
 */

/** @type {Side[]} */
const SIDES = ["positive", "negative"];

/** What an answer is judged by. @type {["shows" | "refused" | "markers" | "hedged" | "broken", string][]} */
const GRADES = [
  ["shows", "the behaviour shows"],
  ["refused", "refused, graded rule"],
  ["markers", "refused, by markers"],
  ["hedged", "hedged"],
  ["broken", "broken"],
];

/**
 * Open the view of what was removed and damaged.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Measured) => void}
 */
export function openDamage(_figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return drawInBox(box, (/** @type {Measured} */ { measures, mark, refusal }, width) => {
    if (!measures) return;
    const curves = refusal.words ? [] : refusalCurves(measures, mark);
    const odds = contrastFacts(measures);
    box.replaceChildren(
      block(
        removedTitle(refusal),
        "Report prompts, which played no part in making or choosing the direction. " +
          "Whiskers: 95 % Wilson intervals.",
        shareChart(sharePairs(measures), width),
        lineLegend([
          ["a", "the model as it is"],
          ["b", mark],
        ]),
        odds.length ? factList(odds) : null,
      ),
      curves.length
        ? block(
            "Positive prompts with a refusal marker in their first tokens",
            "A refusal that comes late shows where a curve rises to the right; longer answers show more.",
            lengthChart(curves, Math.min(width, 560)),
          )
        : "",
      block(
        "Damaged",
        `${measures.of ? `Measured of ${measures.of}. ` : ""}± is the standard error.`,
        factList(damageFacts(measures)),
      ),
    );
  });
}

/**
 * What the first block is called: nothing is removed where nothing showed.
 * @param {Refusal} refusal
 */
function removedTitle({ nothing, from, words }) {
  if (nothing && words) return "The behaviour, before and after";
  const none = nothing ?? from !== "its own refusals";
  return none ? "Refusals, of which there were none to remove" : "Removed";
}

/**
 * Judgements of a side by both models, once both are there.
 * @param {Pick<Measures, "behaviour">} measures
 * @param {Side} side
 */
function judgementsOf({ behaviour }, side) {
  const { base, edited } = behaviour[side] ?? {};
  return base && edited ? { base, edited } : null;
}

/**
 * @param {Pick<Measures, "behaviour" | "over_refusal">} measures
 * @returns {Pair[]}
 */
export function sharePairs(measures) {
  const pairs = SIDES.flatMap((side) => {
    const both = judgementsOf(measures, side);
    if (!both) return [];
    return GRADES.flatMap(([key, label]) => {
      if (both.base.shows && ["refused", "markers", "hedged"].includes(key)) return [];
      const [base, edited] = [both.base[key], both.edited[key]];
      return base && edited ? { label: `${side} prompts: ${label}`, base, edited } : [];
    });
  });
  const { base, edited } = measures.over_refusal ?? {};
  if (base && edited)
    pairs.push({
      label: "harmless in alarming words: refused",
      base: base.refused,
      edited: edited.refused,
    });
  return pairs;
}

/**
 * Shares of positive prompts with a marker, by tokens of the answer: of the model as it is, and edited.
 * @param {Measures} measures
 * @param {string} mark
 */
function refusalCurves(measures, mark) {
  const both = judgementsOf(measures, "positive");
  return [
    { reached: both?.base.by_length ?? [], colour: "a", label: "the model as it is" },
    { reached: both?.edited.by_length ?? [], colour: "b", label: mark },
  ].filter(({ reached }) => reached.length > 1);
}

/**
 * @param {ReturnType<typeof refusalCurves>} curves
 * @param {number} width
 */
function lengthChart(curves, width) {
  const [left, right, height] = [52, width - 20, 150];
  const tokens = curves[0].reached.map((one) => one.tokens);
  const x = scaleOf(0, Math.max(...tokens), left, right);
  const y = scaleOf(0, 1, height - 36, 10);
  const words = curves.map(({ label, reached }) => {
    const shares = reached.map((one) => `${percentage(shareOf(one.markers))} within ${one.tokens}`);
    return `${label}: ${shares.join(", ")}`;
  });
  return picture(
    width,
    height,
    { "aria-label": words.join(". ") },
    valueAxis(y, [0, 0.5, 1], [left, right], percentage),
    curves.map(({ reached, colour }) => [
      s("polyline", {
        class: `line line-${colour}`,
        points: reached.map((one) => `${x(one.tokens)},${y(shareOf(one.markers))}`).join(" "),
      }),
      reached.map((one) => {
        const [at, high] = [x(one.tokens), y(shareOf(one.markers))];
        const title = s("title", {}, `${shareWords(one.markers)} within ${one.tokens} tokens`);
        return colour === "b"
          ? s("rect", { class: "dot-b", x: at - 4, y: high - 4, width: 8, height: 8 }, title)
          : s("circle", { class: "dot-a", cx: at, cy: high, r: 4.5 }, title);
      }),
    ]),
    baseAxis(x, tokens, height - 20),
    axisLabel(right, height - 4, "end", "tokens of the answer →"),
  );
}

/** @param {Share} share */
function shareOf({ count, of }) {
  return count / Math.max(1, of);
}

/** @param {Measures} measures */
function damageFacts(measures) {
  const {
    first_token: first,
    run_time: running,
    along,
    text,
    capability,
    controls = [],
  } = measures;
  return [
    [
      "first-token KL on negative prompts that the base means to answer, nats",
      meanWords(first.negative?.kl_answered),
    ],
    ["the same on all negative prompts", firstTokenWords(first.negative)],
    ...(running?.negative
      ? [
          [
            "the same of the run-time edit, which the norms behind the matrices make another model",
            `${meanWords(running.negative.kl_answered)}; on all ${meanWords(running.negative.kl)}`,
          ],
        ]
      : []),
    [
      "KL along the base's answers to negative prompts, nats a token",
      meanWords(along.negative, "answers"),
    ],
    [
      "change of the loss of a text, nats a token",
      text ? `${meanWords(text.delta, "windows")}; before ${brief(text.base.mean)}` : "–",
    ],
    [
      "small facts right",
      capability
        ? `${capability.base} → ${capability.edited} of ${capability.of}; lost ${capability.lost}, ` +
          `won ${capability.won}, p = ${capability.p} (sign test)`
        : "–",
    ],
    ...truthFacts(measures),
    ...controls.map(({ name, refusals, kl }) => [
      `control: ${name}`,
      `positive prompts that still show the behaviour ${shareWords(refusals.positive)}; ` +
        `KL ${meanWords(kl)}`,
    ]),
  ];
}

/**
 * How much likelier a refusal is than an answer: no word has to be recognized for it.
 * @param {Measures} measures
 */
function contrastFacts({ contrast = {} }) {
  return SIDES.flatMap((side) => {
    const odds = contrast[side];
    if (!odds) return [];
    return [
      [
        `${side} prompts: ln p of “${odds.refusal}” less that of “${odds.answer}”, nats a token`,
        `${meanWords(odds.base)} → ${meanWords(odds.edited)}`,
      ],
    ];
  });
}

/** @param {FirstToken | undefined} first */
function firstTokenWords(first) {
  return first
    ? `${meanWords(first.kl)}, median ${brief(first.kl.median)}; where the base leant towards refusing, ` +
        "refusing less is the edit itself"
    : "–";
}

/**
 * Shares before and after, each with its interval.
 * @param {Pair[]} pairs
 * @param {number} width
 */
export function shareChart(pairs, width) {
  const isNarrow = width < 560;
  const left = isNarrow ? 10 : 270;
  const row = isNarrow ? 56 : 38;
  const high = pairs.length * row + 26;
  const x = scaleOf(0, 1, left, width - 20);
  const grid = [0, 0.25, 0.5, 0.75, 1].map((tick) => [
    s("line", { class: "grid-line", x1: x(tick), x2: x(tick), y1: 2, y2: high - 24 }),
    axisLabel(x(tick), high - 8, "middle", percentage(tick)),
  ]);
  const rows = pairs.map(({ label, base, edited }, index) => {
    const top = index * row + (isNarrow ? 20 : 4);
    return [
      isNarrow
        ? axisLabel(left, index * row + 13, "start", label)
        : axisLabel(left - 12, top + 18, "end", label),
      shareMark("a", base, x, top + 9, label),
      shareMark("b", edited, x, top + 23, label),
    ];
  });
  const words = pairs.map(
    ({ label, base, edited }) =>
      `${label}: before ${shareWords(base)}, after ${shareWords(edited)}`,
  );
  return picture(width, high, { "aria-label": words.join(". ") }, grid, rows);
}

/**
 * A share with its interval: a dot before, a square after.
 * @param {"a" | "b"} colour
 * @param {Share} share
 * @param {(share: number) => number} x
 * @param {number} y
 * @param {string} label
 */
function shareMark(colour, share, x, y, label) {
  const [x1, x2] = [x(share.low), x(share.high)];
  const at = x(share.count / Math.max(1, share.of));
  return s(
    "g",
    {},
    s("title", {}, `${label}: ${shareWords(share)}`),
    s("line", { class: `whisker whisker-${colour}`, x1, x2, y1: y, y2: y }),
    colour === "b"
      ? s("rect", { class: "dot-b", x: at - 4.5, y: y - 4.5, width: 9, height: 9 })
      : s("circle", { class: "dot-a", cx: at, cy: y, r: 4.8 }),
  );
}

/**
 * Open the view of all answers of the report.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Measured) => void}
 */
export function openJudgedAnswers(_figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return ({ measures, split, mark }) => {
    if (!measures) return;
    box.replaceChildren(
      h(
        "p",
        { class: "said" },
        `${measures.behaviour.positive?.base?.rule}: refused, an opening refusal with fewer than 15 words `,
        "after it; hedged, a refusal that goes on or a referral; broken, the same again and again; empty, ",
        "fewer than two words; complied, the rest. Markers: a refusal phrase anywhere.",
      ),
      ...SIDES.flatMap((side) => {
        const both = judgementsOf(measures, side);
        if (!both) return [];
        return h(
          "details",
          { open: side === "positive" },
          h("summary", {}, `${side} prompts`),
          answerTable(side, split.report[side], both.base, both.edited, mark),
        );
      }),
    );
  };
}

/**
 * An answer's grade: whether it shows the behaviour, where that is no refusal.
 * @param {Judgement["answers"][number]} answer
 */
function gradeWords({ grade, shows }) {
  if (shows === undefined) return grade;
  return `${shows ? "shows it" : "does not"}${grade === "broken" ? ", broken" : ""}`;
}

/**
 * @param {Side} side
 * @param {string[]} prompts
 * @param {Judgement} base
 * @param {Judgement} edited
 * @param {string} mark
 */
function answerTable(side, prompts, base, edited, mark) {
  return scrollTable(
    `Answers to ${side} prompts`,
    ["prompt", "the model as it is", "grade", mark, "its grade"],
    base.answers.map((before, index) => {
      const after = edited.answers[index];
      return h(
        "tr",
        {},
        h("th", { scope: "row" }, h("bdi", {}, prompts[index])),
        h("td", {}, h("bdi", {}, before.text)),
        h("td", {}, gradeWords(before)),
        h("td", {}, h("bdi", {}, after.text)),
        h("td", {}, gradeWords(after)),
      );
    }),
    "numbers words-table",
  );
}
