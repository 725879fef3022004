// Instructions followed: scores and differences, every answer with what was checked, the numbers.

import { h } from "../../../../shared/js/dom.js";
import { brief, percent, plural } from "../../../../shared/js/numbers.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { headedRow, scrollTable } from "../../../../shared/js/tables.js";
import { choiceField, listedRow, openListed, otherField } from "./listed.js";
import { asPoints, sample } from "./marks.js";
import { openScores } from "./scores.js";
import { pNumber, shortened } from "./words.js";

/**
 * @import {Checked, Follow, FollowPrompt} from "./data.js"
 * @import {Figure} from "../../../../shared/js/tabbed.js"
 */

/**
 * What the view of answers shows.
 * @typedef {Object} Followed
 * @property {string} filter name of the prompts that are listed
 * @property {number} other the model that is held against the first
 * @property {string} task a group of instructions, "" for all
 * @property {number} prompt place of the open one
 * @property {(change: Partial<Followed>) => void} choose
 */

/** @type {[string, string][]} */
const FOLLOW_FILTERS = [
  ["differ", "followed by one, not by the other"],
  ["missed", "not followed by the first"],
  ["readings", "strict and loose differ"],
  ["all", "all"],
];

/** Open the figure. */
export function openFollow() {
  /** @type {Followed} */
  const session = { filter: "all", other: 1, task: "", prompt: -1, choose: () => {} };
  /** @type {Figure<Follow>} */
  const figure = openTabbed(
    "evaluation",
    "Instructions that a program checks",
    "Name two models and press Give instructions.",
    [
      {
        name: "followed",
        label: "Scores and differences",
        picture: true,
        open: (_, panel) =>
          openScores(panel, (pressed) => {
            session.choose({ ...pressed, filter: "differ", prompt: -1 });
            figure.open("checked");
          }),
      },
      {
        name: "checked",
        label: "Every answer",
        open: (_, panel) => openChecked(panel, session),
      },
      { name: "shares", label: "Numbers", open: (_, panel) => openFollowNumbers(panel) },
    ],
    (data) => ({
      title: data.verdicts[0],
      key: data.models.map(({ name }, place) => sample(place, name)),
      provenance: followProvenance(data),
      tags: data.example ? ["stored example"] : data.cancelled ? ["stopped"] : [],
      warnings: data.stopped ? [data.stopped] : [],
    }),
    {
      forget: () => {},
      take(data) {
        if (session.other >= data.models.length) session.other = 1; // there may be one again
        if (!data.tasks.some(({ name }) => name === session.task)) session.task = "";
        if (data.models.length < 2 && session.filter === "differ") session.filter = "all";
      },
    },
  );
  session.choose = (change) => {
    Object.assign(session, change);
    figure.refresh();
  };
  return figure;
}

/** @param {Follow} data */
function followProvenance({ models, provenance, prompts, planned, seconds, done, example }) {
  const { reading, tokens } = provenance;
  return [
    prompts.length < planned
      ? `${prompts.length} of ${plural(planned, "prompt")}`
      : plural(planned, "prompt"),
    `checked by the ${reading} reading`,
    `greedy answers of at most ${tokens} tokens`,
    models[0].origin.source,
    `${models[0].origin.dtype} on ${models[0].device === "cuda" ? "a GPU" : "a processor"}`,
    ...(!example && done ? [`${brief(seconds, 2)} s`] : []),
  ].join(" · ");
}

/**
 * Whether an answer does all that is asked, of a group or of all.
 * @param {FollowPrompt} prompt
 * @param {number} model
 * @param {string} task
 * @param {string} reading
 */
function doesAll({ groups, answers }, model, task, reading) {
  const checks = reading === "strict" ? answers[model].strict : answers[model].loose;
  return checks.every((yes, at) => yes || (task && groups[at] !== task));
}

/**
 * @param {Follow} data
 * @param {Followed} session
 */
function listedPrompts(data, { filter, other, task }) {
  const { reading } = data.provenance;
  return data.prompts
    .map((prompt, at) => ({ prompt, at }))
    .filter(({ prompt }) => {
      if (task && !prompt.groups.includes(task)) return false;
      const does = (/** @type {number} */ model, how = reading) =>
        doesAll(prompt, model, task, how);
      if (filter === "differ") return does(0) !== does(other);
      if (filter === "missed") return !does(0);
      if (filter === "readings")
        return data.models.some((_, model) => does(model, "strict") !== does(model, "loose"));
      return true;
    });
}

/**
 * @param {HTMLElement} panel
 * @param {Followed} session
 * @returns {(data: Follow) => void}
 */
function openChecked(panel, session) {
  return openListed(panel, {
    noun: "prompt",
    listed: (/** @type {Follow} */ data) => listedPrompts(data, session),
    chosen: ({ at }) => at === session.prompt,
    controls: (data) => followControls(data, session),
    table: (data, shown, open) => promptTable(data, session, shown, open?.at),
    detail: (data, { prompt }) => promptDetail(data, prompt),
  });
}

/**
 * @param {Follow} data
 * @param {Followed} session
 */
function followControls(data, session) {
  const filters = FOLLOW_FILTERS.filter(([name]) => name !== "differ" || data.models.length > 1);
  /** @type {[string, string][]} */
  const groups = [["", "all instructions"]];
  for (const { name } of data.tasks) groups.push([name, name]);
  return [
    choiceField("prompts", "follow-prompts", session.filter, filters, (filter) =>
      session.choose({ filter, prompt: -1 }),
    ),
    otherField("follow-other", data.models, session.other, (other) =>
      session.choose({ other, prompt: -1 }),
    ),
    choiceField("of", "follow-of", session.task, groups, (task) =>
      session.choose({ task, prompt: -1 }),
    ),
  ];
}

/**
 * @param {Follow} data
 * @param {Followed} session
 * @param {{prompt: FollowPrompt, at: number}[]} shown
 * @param {number} [open]
 */
function promptTable(data, session, shown, open) {
  const { reading } = data.provenance;
  const rows = shown.map(({ prompt, at }) =>
    listedRow(
      `follow-prompt-${at}`,
      shortened(prompt.prompt, 46),
      at === open,
      () => session.choose({ prompt: at }),
      data.models.map((_, model) =>
        doesAll(prompt, model, session.task, reading) ? "✓ all" : "✗ not all",
      ),
    ),
  );
  const names = data.models.map(({ name }, at) => sample(at, shortened(name, 24)));
  return scrollTable("Prompts", ["prompt", ...names], rows, "eval-table");
}

/**
 * @param {Follow} data
 * @param {FollowPrompt} prompt
 */
function promptDetail(data, prompt) {
  return [
    h("h2", {}, h("bdi", {}, prompt.prompt)),
    ...data.models.flatMap(({ name }, model) => {
      const answer = prompt.answers[model];
      return [
        h(
          "p",
          {},
          sample(model, name),
          h(
            "span",
            { class: "said" },
            ` ${plural(answer.tokens, "token")}${answer.ended ? "" : ", cut there"}`,
          ),
        ),
        h("blockquote", { class: "eval-answer" }, h("bdi", {}, answer.text || "(nothing)")),
        h(
          "ul",
          { class: "eval-checks" },
          prompt.instructions.map((text, at) =>
            h("li", {}, checkWords(answer, at), h("bdi", {}, text)),
          ),
        ),
      ];
    }),
  ];
}

/**
 * @param {Checked} answer
 * @param {number} at
 */
function checkWords({ strict, loose }, at) {
  if (strict[at]) return "✓ ";
  return loose[at] ? "✗ strictly, ✓ loosely: " : "✗ ";
}

/**
 * @param {HTMLElement} panel
 * @returns {(data: Follow) => void}
 */
function openFollowNumbers(panel) {
  const body = h("div", { class: "eval-words" });
  panel.append(body);
  return (data) => {
    const other = data.provenance.reading === "strict" ? "loosely" : "strictly";
    const rows = data.scores.map((score) => {
      const { model, task, count, of, low, high } = score;
      const against = data.differences.find((one) => one.model === model && one.task === task);
      return headedRow(sample(model, data.models[model].name), [
        task || "all instructions",
        `${count} of ${of}`,
        `${percent(count / of)} (${percent(low)} to ${percent(high)})`,
        String(score.other),
        against
          ? `${asPoints(against.mean)} (${asPoints(against.low)} to ${asPoints(against.high)})`
          : "–",
        against ? `+${against.gained} −${against.lost}` : "–",
        against ? pNumber(against.p) : "–",
      ]);
    });
    const head = ["model", "instructions", "prompts followed", "share (95 %)", other];
    body.replaceChildren(
      scrollTable(
        "Scores and differences",
        [...head, "to the first, points (95 %)", "gained, lost", "p"],
        rows,
      ),
    );
  };
}
