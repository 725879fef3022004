// Every item: the prompt as it was sent, what each model makes of each choice, and filters.

import { h, scrollBox, visible } from "../../../../shared/js/dom.js";
import { brief, number, percent, plural } from "../../../../shared/js/numbers.js";
import { scrollTable } from "../../../../shared/js/tables.js";
import { sample } from "./marks.js";
import { heldWords } from "./contamination.js";
import { MORE_METRICS, byCharacter, softmax, sums } from "./likelihoods.js";
import { choiceField, listedRow, openListed, otherField } from "./listed.js";
import { apart, shortened } from "./words.js";

/**
 * @import {Answered, Asked, Compare} from "./data.js"
 * @import {Session} from "./compare.js"
 */

const MOST_LISTED = 200;
const CLOSE = 0.5; // nats between the two likeliest choices

/** @type {Record<string, {label: string, two: boolean, keep: (asked: Place) => boolean}>} */
const FILTERS = {
  differ: {
    label: "right in one, wrong in the other",
    two: true,
    keep: ({ first, other, gold }) => (first.answer === gold) !== (other.answer === gold),
  },
  lost: {
    label: "lost: right in the first, wrong in the other",
    two: true,
    keep: ({ first, other, gold }) => first.answer === gold && other.answer !== gold,
  },
  gained: {
    label: "gained: wrong in the first, right in the other",
    two: true,
    keep: ({ first, other, gold }) => first.answer !== gold && other.answer === gold,
  },
  changed: {
    label: "another answer",
    two: true,
    keep: ({ first, other }) => first.answer !== other.answer,
  },
  wrong: {
    label: "wrong in the first",
    two: false,
    keep: ({ first, gold }) => first.answer !== gold,
  },
  close: {
    label: "close: under ½ nat between two choices",
    two: false,
    keep: ({ first }) => closeness(first) < CLOSE,
  },
  apart: {
    label: "another answer by character (acc, acc_norm)",
    two: false,
    keep: ({ first, item }) => best(sums(first)) !== best(byCharacter(first, item)),
  },
  long: {
    label: "long: the longest quarter of the prompts",
    two: false,
    keep: ({ length, longest }) => length >= longest,
  },
  held: {
    label: "held by the corpus",
    two: false,
    keep: ({ held }) => held,
  },
  all: { label: "all", two: false, keep: () => true },
};

/**
 * An item with what two models make of it.
 * @typedef {Object} Place
 * @property {number} at
 * @property {Asked} item
 * @property {number} gold
 * @property {Answered} first
 * @property {Answered} other
 * @property {boolean} held
 * @property {number} length of the prompt as the first model reads it, tokens
 * @property {number} longest the length from which a quarter of all prompts is
 */

/**
 * Whether a filter needs a second model.
 * @param {string} filter
 */
export function ofTwo(filter) {
  return FILTERS[filter].two;
}

/**
 * @param {HTMLElement} panel
 * @param {Session} session
 * @returns {(data: Compare) => void}
 */
export function openItems(panel, session) {
  return openListed(panel, {
    noun: "item",
    listed: (/** @type {Compare} */ data) => listedItems(data, session),
    chosen: ({ item }) => itemKey(item) === session.item,
    controls: (data) => filterControls(data, session),
    table: (data, shown, open) => itemTable(data, session, shown, open?.at),
    detail: (data, { at }) => itemDetail(data, at),
  });
}

/** @param {Asked} item */
function itemKey(item) {
  return `${item.task}/${item.id}`;
}

/**
 * @param {Compare} data
 * @param {Session} session
 * @returns {Place[]}
 */
function listedItems(data, session) {
  const { keep } = FILTERS[session.filter];
  const lengths = data.items.map(
    (_, at) => data.reads[at][data.answers[0][at].read].context.length,
  );
  const longest = lengths.toSorted((one, other) => other - one)[Math.floor(lengths.length / 4)];
  return data.items
    .map((item, at) => ({
      at,
      item,
      length: lengths[at],
      longest,
      gold: item.gold,
      first: data.answers[0][at],
      other: data.answers[session.other]?.[at] ?? data.answers[0][at],
      held: Boolean(data.contamination?.held[at]),
    }))
    .filter((one) => (!session.task || data.items[one.at].task === session.task) && keep(one));
}

/**
 * @param {Compare} data
 * @param {Session} session
 */
function filterControls(data, session) {
  const two = data.models.length > 1;
  /** @type {[string, string][]} */
  const kinds = [];
  for (const [name, one] of Object.entries(FILTERS))
    if ((two || !one.two) && (name !== "held" || data.contamination)) kinds.push([name, one.label]);
  /** @type {[string, string][]} */
  const tasks = [["", "all sets"]];
  for (const { name } of data.tasks) tasks.push([name, name]);
  return [
    choiceField("items", "filter", session.filter, kinds, (filter) =>
      session.choose({ filter, item: "" }),
    ),
    otherField("other", data.models, session.other, (other) => session.choose({ other, item: "" })),
    choiceField("of", "task", session.task, tasks, (task) => session.choose({ task, item: "" })),
  ];
}

/**
 * @param {Compare} data
 * @param {Session} session
 * @param {Place[]} shown
 * @param {number} [open]
 */
function itemTable(data, session, shown, open) {
  const rows = shown.slice(0, MOST_LISTED).map(({ at, item }) => {
    const { prompt, choices, gold } = item;
    const key = itemKey(item);
    return listedRow(
      key,
      shortened(`…${prompt.slice(-60)}`.replace(/^…(?=.{0,59}$)/su, ""), 61),
      at === open,
      () => session.choose({ item: key }),
      [
        h("bdi", {}, apart(choices[gold], choices, 24)),
        ...data.answers.map((answers) => {
          const { answer } = answers[at];
          return answer === gold
            ? "✓ right"
            : ["✗ ", h("bdi", {}, apart(choices[answer], choices, 20))];
        }),
      ],
    );
  });
  const names = data.models.map(({ name }, at) => sample(at, shortened(name, 24)));
  const more = shown.length - MOST_LISTED;
  return h(
    "div",
    {},
    scrollTable("Items", ["the prompt ends", "right", ...names], rows, "eval-table"),
    more > 0 ? h("p", { class: "said" }, `and ${plural(more, "item")} more`) : null,
  );
}

/**
 * @param {Compare} data
 * @param {number} at
 */
function itemDetail(data, at) {
  const item = data.items[at];
  const reads = data.reads[at];
  const alike = reads.length === 1;
  return [
    h(
      "h2",
      {},
      h("bdi", {}, `${item.task}, item ${item.id}`),
      item.cluster ? h("span", { class: "said" }, ` · ${item.cluster}`) : null,
    ),
    ...reads.map(({ context }, read) => {
      const whose = data.models.filter((_, model) => data.answers[model][at].read === read);
      return h(
        "div",
        {},
        h(
          "p",
          { class: "said" },
          `The prompt as sent, ${plural(context.length, "token")}`,
          alike ? null : `, to ${whose.map(({ name }) => name).join(", ")}`,
        ),
        scrollBox(
          "The prompt's tokens",
          "eval-tokens",
          context.map((piece) => h("span", { class: "token" }, visible(piece))),
        ),
      );
    }),
    data.contamination
      ? h("p", { class: "said" }, h("bdi", {}, heldWords(data.contamination.overlaps[at])))
      : "",
    choiceTable(data, at),
  ];
}

/**
 * Log-likelihood of every choice under every model.
 * @param {Compare} data
 * @param {number} at
 */
function choiceTable(data, at) {
  const item = data.items[at];
  const metric = data.provenance.metric;
  const [more, valued] = MORE_METRICS[metric] ?? [];
  const rows = data.models.flatMap(({ name }, model) => {
    const answered = data.answers[model][at];
    const all = sums(answered);
    const odds = softmax(all);
    const read = data.reads[at][answered.read];
    return item.choices.map((choice, place) =>
      h(
        "tr",
        { class: place === answered.answer ? "current" : null },
        place ? h("td", {}) : h("th", { scope: "row" }, sample(model, shortened(name, 26))),
        h(
          "td",
          {},
          place === item.gold ? "✓ " : "",
          h("bdi", {}, apart(choice, item.choices, 40)),
          place === answered.answer ? h("span", { class: "unseen" }, " (its answer)") : null,
        ),
        h(
          "td",
          {},
          h(
            "span",
            { class: `eval-odds series-${model}` },
            h("span", {
              class: "eval-fill",
              style: { width: `${(100 * odds[place]).toFixed(1)}%` },
            }),
          ),
          ` ${percent(odds[place])}`,
        ),
        h("td", { class: "num" }, number(all[place])),
        h("td", { class: "num" }, number(all[place] / [...choice].length, 3)),
        valued ? h("td", { class: "num" }, number(valued(answered, item)[place], 3)) : null,
        h(
          "td",
          { class: "eval-pieces" },
          read.choices[place].map((piece, token) =>
            h(
              "span",
              { class: "token" },
              visible(piece),
              h("sub", {}, brief(answered.logs[place][token], 3)),
            ),
          ),
        ),
      ),
    );
  });
  return scrollTable(
    "Choices",
    [
      "",
      "choice",
      "probability among them",
      "ln p",
      "by character",
      ...(more ? [more] : []),
      "its tokens, ln p of each",
    ],
    rows,
    "eval-choices",
  );
}

/** @param {readonly number[]} values */
function best(values) {
  return values.indexOf(Math.max(...values));
}

/** @param {Answered} answered */
function closeness(answered) {
  const [first, second] = sums(answered).sort((one, other) => other - one);
  return first - second;
}
