// A task of lm-eval with all its metrics: scores, every document with its answers, the numbers.

import { h } from "../../../../shared/js/dom.js";
import { brief, percent, plural } from "../../../../shared/js/numbers.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { headedRow, scrollTable } from "../../../../shared/js/tables.js";
import { choiceField, listedRow, openListed, otherField } from "./listed.js";
import { sample } from "./marks.js";
import { measured, measureLabel, openMeasures } from "./measures.js";
import { pNumber, shortened } from "./words.js";

/**
 * @import {TaskAnswer, TaskDocument, WholeTaskRun} from "./data.js"
 * @import {Figure} from "../../../../shared/js/tabbed.js"
 */

/**
 * What the view of documents shows.
 * @typedef {Object} Opened
 * @property {string} filter name of the documents that are listed
 * @property {number} other the model that is held against the first
 * @property {number} measure by which they are right
 * @property {number} document place of the open one
 * @property {(change: Partial<Opened>) => void} choose
 */

/** @type {[string, string][]} */
const DOCUMENT_FILTERS = [
  ["differ", "right by one, not by the other"],
  ["missed", "not right by the first"],
  ["cut", "an answer cut at its longest length"],
  ["apart", "another answer"],
  ["all", "all"],
];

/** Open the figure. */
export function openTask() {
  /** @type {Opened} */
  const session = { filter: "all", other: 1, measure: 0, document: -1, choose: () => {} };
  /** @type {Figure<WholeTaskRun>} */
  const figure = openTabbed(
    "evaluation",
    "A task of lm-eval with all its metrics",
    "Name two models and press Run the task.",
    [
      {
        name: "measures",
        label: "Scores and differences",
        picture: true,
        open: (_, panel) => openMeasures(panel),
      },
      {
        name: "documents",
        label: "Every item",
        open: (_, panel) => openDocuments(panel, session),
      },
      { name: "values", label: "Numbers", open: (_, panel) => openTaskNumbers(panel) },
    ],
    (data) => ({
      title: data.verdicts[0],
      key: data.models.map(({ name }, place) => sample(place, name)),
      provenance: taskProvenance(data),
      tags: data.example ? ["stored example"] : data.cancelled ? ["stopped"] : [],
      warnings: data.stopped ? [data.stopped] : [],
    }),
    {
      forget: () => {},
      take(data) {
        if (session.other >= data.models.length) session.other = 1; // there may be one again
        if (!data.measures[session.measure]?.share) session.measure = firstShare(data);
        if (!documentFilters(data).some(([name]) => name === session.filter))
          session.filter = "all";
      },
    },
  );
  session.choose = (change) => {
    Object.assign(session, change);
    figure.refresh();
  };
  return figure;
}

/** @param {WholeTaskRun} data */
function firstShare({ measures }) {
  return Math.max(
    0,
    measures.findIndex(({ share }) => share),
  );
}

/** @param {WholeTaskRun} data */
function taskProvenance({ task, models, provenance, documents, planned, seconds, done, example }) {
  const { kind, tokens, chat } = provenance;
  return [
    shortened(task, 40),
    documents.length < planned
      ? `${documents.length} of ${plural(planned, "document")}`
      : plural(planned, "document"),
    kind,
    ...(tokens ? [`greedy answers of at most ${plural(tokens, "token")}`] : []),
    ...(chat ? ["chat template"] : []),
    models[0].origin.source,
    `${models[0].origin.dtype} on ${models[0].device === "cuda" ? "a GPU" : "a processor"}`,
    ...(!example && done ? [`${brief(seconds, 2)} s`] : []),
  ].join(" · ");
}

/**
 * The filters that mean something for a run.
 * @param {WholeTaskRun} data
 */
function documentFilters({ measures, models, provenance }) {
  const share = measures.some((one) => one.share);
  return DOCUMENT_FILTERS.filter(([name]) => {
    if (name === "differ") return share && models.length > 1;
    if (name === "missed") return share;
    if (name === "cut") return provenance.kind === "generate_until";
    if (name === "apart") return provenance.kind === "generate_until" && models.length > 1;
    return true;
  });
}

/**
 * @param {WholeTaskRun} data
 * @param {Opened} session
 */
function listedDocuments(data, { filter, other, measure }) {
  return data.documents
    .map((document, at) => ({ document, at }))
    .filter(({ document: { answers } }) => {
      if (filter === "differ") return answers[0].right[measure] !== answers[other].right[measure];
      if (filter === "missed") return !answers[0].right[measure];
      if (filter === "cut") return answers.some(({ ended }) => ended === "length");
      if (filter === "apart") return answers[0].text !== answers[other].text;
      return true;
    });
}

/**
 * @param {HTMLElement} panel
 * @param {Opened} session
 * @returns {(data: WholeTaskRun) => void}
 */
function openDocuments(panel, session) {
  const draw = openListed(panel, {
    noun: "document",
    listed: (/** @type {WholeTaskRun} */ data) => listedDocuments(data, session),
    chosen: ({ at }) => at === session.document,
    controls: (data) => documentControls(data, session),
    table: (data, shown, open) => documentTable(data, session, shown, open?.at),
    detail: (data, { document }) => documentDetail(data, document),
  });
  return (data) => {
    draw(data);
    const prompt = panel.querySelector(".task-prompt");
    if (prompt) prompt.scrollTop = prompt.scrollHeight; // the question ends it
  };
}

/**
 * @param {WholeTaskRun} data
 * @param {Opened} session
 */
function documentControls(data, session) {
  /** @type {[string, string][]} */
  const shares = [];
  data.measures.forEach((one, at) => one.share && shares.push([String(at), measureLabel(one)]));
  return [
    choiceField("documents", "task-documents", session.filter, documentFilters(data), (filter) =>
      session.choose({ filter, document: -1 }),
    ),
    otherField("task-other", data.models, session.other, (other) =>
      session.choose({ other, document: -1 }),
    ),
    shares.length > 1
      ? choiceField("by", "task-by", String(session.measure), shares, (measure) =>
          session.choose({ measure: Number(measure), document: -1 }),
        )
      : "",
  ];
}

/**
 * @param {WholeTaskRun} data
 * @param {Opened} session
 * @param {{document: TaskDocument, at: number}[]} shown
 * @param {number} [open]
 */
function documentTable(data, session, shown, open) {
  const rows = shown.map(({ document, at }) =>
    listedRow(
      `task-document-${at}`,
      documentName(document),
      at === open,
      () => session.choose({ document: at }),
      document.answers.map((answer) => inBrief(answer, document, session.measure)),
    ),
  );
  const names = data.models.map(({ name }, at) => sample(at, shortened(name, 24)));
  return scrollTable("Documents", ["document", ...names], rows, "eval-table");
}

/**
 * The end of a prompt, where the question is, or the beginning of a text that is read whole.
 * @param {TaskDocument} document
 */
function documentName({ id, prompt, targets }) {
  const text = (prompt || targets[0]).trim();
  const last = (prompt && text.split("\n\n").pop()) || text;
  return `${id}: ${shortened(last.replace(/^(Question|Q):\s/u, "").replace(/\s+/gu, " "), 48)}`;
}

/**
 * @param {TaskAnswer} answer
 * @param {TaskDocument} document
 * @param {number} measure
 */
function inBrief(answer, { choices }, measure) {
  const right = answer.right[measure];
  const mark = right === null || right === undefined ? "" : right ? "✓ " : "✗ ";
  if (answer.text !== undefined)
    return [mark, h("bdi", {}, shortened(answer.text.trim().replace(/\s+/gu, " "), 26) || "–")];
  if (answer.choice !== undefined)
    return [mark, h("bdi", {}, shortened(choices?.[answer.choice] ?? "", 26))];
  return `${mark}${brief(answer.log)} nats`;
}

/**
 * @param {WholeTaskRun} data
 * @param {TaskDocument} document
 */
function documentDetail(data, document) {
  const { prompt, targets, choices, answers } = document;
  const whole = data.provenance.kind === "loglikelihood_rolling";
  const known = targets.length > 1 ? "right is any of" : "right is";
  return [
    h("h2", {}, whole ? `Text ${document.id}` : `Document ${document.id}: the prompt`),
    h(
      "pre",
      { class: whole ? "task-text" : "task-text task-prompt", tabindex: 0 },
      h("bdi", {}, whole ? targets[0] : prompt),
    ),
    whole
      ? ""
      : h(
          "p",
          {},
          `${known} `,
          targets
            .slice(0, 8)
            .map((one, at) => [at ? ", " : "", h("code", {}, h("bdi", {}, shortened(one, 400)))]),
          targets.length > 8 ? ` and ${targets.length - 8} more` : "",
        ),
    ...answers.flatMap((answer, model) => [
      h("p", {}, sample(model, data.models[model].name), " ", answerFacts(answer)),
      answer.text === undefined
        ? ""
        : h("blockquote", { class: "eval-answer" }, h("bdi", {}, answer.text || "(nothing)")),
      answer.logs && choices
        ? h(
            "ul",
            { class: "eval-checks" },
            choices.map((one, at) =>
              h(
                "li",
                {},
                at === answer.choice ? "→ " : "",
                h("bdi", {}, one),
                ` ${brief(answer.logs?.[at])} nats`,
              ),
            ),
          )
        : "",
      h(
        "ul",
        { class: "eval-checks" },
        data.measures.map((one, at) => measureLine(data, answer, at)),
      ),
    ]),
  ];
}

/** @param {TaskAnswer} answer */
function answerFacts({ tokens, ended, log, scored }) {
  const ends = {
    stop: "ended by a text of the task",
    end: "ended by the model",
    length: "cut there",
  };
  const said =
    tokens !== undefined
      ? `${plural(tokens, "token")}, ${ends[/** @type {"stop"} */ (ended)]}`
      : log !== undefined
        ? `${brief(log)} nats for ${plural(scored ?? 0, "token")}`
        : "";
  return h("span", { class: "said" }, said);
}

/**
 * What a metric makes of an answer, with what its filter took.
 * @param {WholeTaskRun} data
 * @param {TaskAnswer} answer
 * @param {number} at
 */
function measureLine({ measures }, answer, at) {
  const right = answer.right[at];
  if (right === null) return "";
  const names = [...new Set(measures.map(({ filter }) => filter))];
  const taken = answer.taken?.[names.indexOf(measures[at].filter)];
  return h(
    "li",
    {},
    right ? "✓ " : "✗ ",
    measureLabel(measures[at]),
    taken === undefined
      ? ""
      : [" takes ", h("code", {}, h("bdi", {}, shortened(taken, 120) || "–"))],
  );
}

/**
 * @param {HTMLElement} panel
 * @returns {(data: WholeTaskRun) => void}
 */
function openTaskNumbers(panel) {
  const body = h("div", { class: "eval-words" });
  panel.append(body);
  return (data) => {
    const rows = data.scores.map(({ model, measure, value, low, high, count, of }) => {
      const one = data.measures[measure];
      const against = data.differences.find(
        (each) => each.model === model && each.measure === measure,
      );
      const write = (/** @type {number | null} */ number_) => measured(one, number_);
      return headedRow(sample(model, data.models[model].name), [
        measureLabel(one),
        count === null ? `${of} together` : `${count} of ${of}`,
        `${one.share ? percent(value) : write(value)} (${write(low)} to ${write(high)})`,
        against
          ? `${measured(one, against.value, true)} ` +
            `(${measured(one, against.low, true)} to ${measured(one, against.high, true)})`
          : "–",
        against && against.gained !== null ? `+${against.gained} −${against.lost}` : "–",
        against ? String(against.changed) : "–",
        against ? pNumber(against.p) : "–",
      ]);
    });
    const head = ["model", "metric", "right", "value (95 %)", "to the first (95 %)"];
    body.replaceChildren(
      scrollTable("Scores and differences", [...head, "gained, lost", "other answers", "p"], rows),
    );
  };
}
