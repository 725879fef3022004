// Below the picture: what each run did with the selected token, and the sampler panel of the step
// that chose it.

import { h, keepFocus } from "../../../../shared/js/dom.js";
import { number, percent, whole } from "../../../../shared/js/numbers.js";
import { tableHead } from "../../../../shared/js/tables.js";
import { oneIn } from "./chances.js";
import { runLabel } from "./lines.js";
import { oddsAt, showSampler } from "./origin.js";
import { fateOf, fromLog, textOf } from "./paths.js";
import { spoken, tailOf, tokenElement, tokenLabel } from "./pill.js";
import { settingWords } from "./stages.js";
import { constraintWords } from "./structured.js";
import { showWhy } from "./why.js";

/**
 * @import {Node, Part, Prompt, Run} from "./data.js"
 * @import {Session} from "./figure.js"
 * @import {Entry, Place} from "./paths.js"
 */

/**
 * The entry of the selected place whose run the details speak of: the visitor's choice, else one
 * that stored the odds.
 * @param {Session} session
 * @param {Place} place
 */
function entryOf({ trace, selected }, place) {
  const chosen = place.entries.find(({ run }) => run === selected.run);
  if (chosen) return chosen;
  const stored = (/** @type {Entry} */ { run, node }) =>
    String(node.parent ?? node.id) in trace.runs[run].distributions;
  const users = place.entries.filter(({ run }) => place.users.includes(run));
  return users.find(stored) ?? place.entries.find(stored) ?? users[0] ?? place.entries[0] ?? null;
}

/**
 * Draw the details of the selected place.
 * @param {HTMLElement} element
 * @param {Session} session
 */
export function drawDetails(element, session) {
  const { trace, forest, selected } = session;
  const place = forest.places.get(selected.key) ?? forest.root;
  const entry = entryOf(session, place);
  if (!entry) {
    element.replaceChildren();
    return;
  }
  const [facts, why, sampler] = partsOf(element);
  const odds = oddsAt(trace, trace.runs[entry.run], entry.node);
  const parts = factsOf(session, place, entry).filter((part) => part !== null);
  const wanted = /** @type {HTMLElement} */ (facts.cloneNode(false));
  wanted.append(...parts);
  if (!wanted.isEqualNode(facts))
    keepFocus(facts, () => facts.replaceChildren(...wanted.childNodes));
  showWhy(why, session, entry, odds);
  showSampler(sampler, session, place, entry, odds);
}

/**
 * The parts of the details.
 * @param {HTMLElement} element
 * @returns {[facts: HTMLElement, why: HTMLElement, sampler: HTMLElement]}
 */
function partsOf(element) {
  const parts = [...element.children].filter((part) => part instanceof HTMLElement);
  if (parts.length === 3) return [parts[0], parts[1], parts[2]];
  element.replaceChildren(
    h("section", { class: "facts", "aria-label": "Selected token" }),
    h("section", { class: "why-card", "aria-label": "Why this token" }),
    h("div", { class: "sampler" }),
  );
  return partsOf(element);
}

/**
 * @param {Session} session
 * @param {Place} place
 * @param {Entry} entry
 */
function factsOf(session, place, entry) {
  const { trace } = session;
  const before = place.parent ? trace.prompt.text + textOf(place.parent) : trace.prompt.text;
  const heading = place.parent
    ? h("h2", {}, "Token ", String(place.depth), ": ", tokenElement(place))
    : h("h2", {}, "The end of the prompt");
  const context = h(
    "p",
    { class: "context" },
    place.parent ? "after " : "",
    h("bdi", { class: "said-text" }, `“${tailOf(before, 70)}”`),
  );
  if (!place.parent) {
    const hint = "Select any token: what every strategy did with it, and why, appears here.";
    return [
      heading,
      h("p", { class: "said" }, hint),
      ...promptRead(trace.prompt),
      decisionLine(trace.runs[entry.run], "0"),
      othersLine(trace.runs[entry.run]),
    ];
  }
  const rows = place.entries.map(({ run, node }) => factRow(session, place, entry, run, node));
  const columns = ["strategy", "model", "with settings", "log p so far", "fate and reason"];
  const table = h("table", {}, tableHead(columns, [1, 2, 3]), h("tbody", {}, rows));
  const story =
    place.depth > 1
      ? h(
          "p",
          { class: "said" },
          `The model gives these ${place.depth} tokens together ${oneIn(place.joint)}.`,
        )
      : null;
  return [
    heading,
    context,
    h("div", { class: "wide" }, table),
    decisionLine(trace.runs[entry.run], String(entry.node.parent)),
    othersLine(trace.runs[entry.run]),
    place.bytes
      ? h(
          "p",
          { class: "said" },
          "A part of a character, which stands at the token that completes it.",
        )
      : null,
    story,
    actionsOf(session, place),
  ];
}

/**
 * What a run made of a place.
 * @param {Session} session
 * @param {Place} place
 * @param {Entry} entry the one that the details speak of
 * @param {number} index of the run
 * @param {Node} node
 */
function factRow(session, place, entry, index, node) {
  const run = session.trace.runs[index];
  const many = new Set(place.entries.map((other) => other.run)).size > 1;
  const name = many
    ? h(
        "button",
        {
          type: "button",
          class: "plain",
          "data-key": `run-${index}`,
          "data-own": true,
          "aria-pressed": String(entry.run === index),
          title: "Show the odds below under this strategy's settings",
          onclick: () => session.select(place.key, index),
        },
        runLabel(run),
      )
    : runLabel(run);
  const score =
    node.score !== null && node.score !== node.cumulative_logprob
      ? `, score ${number(node.score, 3)}`
      : "";
  return h(
    "tr",
    { class: many && entry.run === index ? "current" : null },
    h("th", { scope: "row" }, name),
    h("td", { class: "num" }, percent(fromLog(node.logprob_raw))),
    h(
      "td",
      { class: "num" },
      node.status === "filtered" ? "removed" : percent(fromLog(node.logprob_processed)),
    ),
    h(
      "td",
      { class: "num", title: `sum of log-probabilities, nats${score}` },
      number(node.cumulative_logprob, 2),
    ),
    h(
      "td",
      {},
      h("b", {}, fateOf(run, node)),
      node.reason ? `. ${node.reason}` : "",
      stagesLine(run, node),
    ),
  );
}

/**
 * The token's odds after each processor, where a run has any.
 * @param {Run} run
 * @param {Node} node
 */
function stagesLine(run, node) {
  if (!run.processors.length || !node.stages.length) return null;
  const steps = run.processors.map((name, index) => {
    const value = node.stages[index] ?? null;
    return ` → ${name} ${value === null ? "removed" : percent(Math.exp(value))}`;
  });
  return h("span", { class: "stages" }, `model ${percent(fromLog(node.logprob_raw))}`, steps);
}

/**
 * How unsure the model was after a node, and what the settings left.
 * @param {Run} run
 * @param {string} parentId
 */
function decisionLine(run, parentId) {
  const decision = run.decisions[parentId];
  if (!decision || decision.entropy === null) return null;
  const { allowed, entropy, kept, kept_mass: mass } = decision;
  const equal = Math.max(1, Math.exp(entropy)).toFixed(1);
  const cut =
    mass !== null && mass > 0.99999
      ? "removes nothing"
      : `leaves ${kept === 1 ? "one token" : `${whole(kept)} tokens`} with ${percent(mass)} of its odds`;
  return h(
    "p",
    { class: "said" },
    `Here the model is as unsure as among ${equal} equally likely tokens (${number(entropy / Math.LN2, 2)} ` +
      `bits).${kept === allowed ? "" : ` ${run.name} ${cut}.`}${constraintWords(run, parentId)}`,
  );
}

/**
 * The settings of a run that its strategy does not say.
 * @param {Run} run
 */
function othersLine(run) {
  const others = Object.keys(run.settings).filter(
    (name) => run.settings[name].origin !== "strategy",
  );
  if (!others.length) return null;
  const words = others.map((name) => settingWords(run, name)).join(", ");
  return h("p", { class: "said" }, `Settings that ${run.name} leaves open: ${words}.`);
}

/** @type {[part: Part, words: string][]} */
const PARTS = [
  ["special", "special tokens"],
  ["template", "the chat template's words"],
  ["hidden", "a system prompt that the template adds"],
  ["system", "your system prompt"],
  ["prompt", "your prompt"],
];

/**
 * The prompt as the model read it.
 * @param {Prompt} prompt
 */
function promptRead({ tokens, bytes, parts }) {
  const present = PARTS.filter(([part]) => parts.includes(part));
  const key = present.map(([part, words], index) => [
    index ? " " : "",
    h("span", { class: `read ${part}` }, words),
  ]);
  const words = tokens.map((text, at) => [
    h("bdi", { class: `token read ${parts[at]}` }, tokenLabel({ text, bytes: bytes[at] })),
    /\n/.test(text) ? h("br", {}) : " ",
  ]);
  const count = tokens.length === 1 ? "one token" : `${whole(tokens.length)} tokens`;
  return [
    h("p", { class: "said" }, `The model read ${count}: `, key),
    h(
      "p",
      {
        class: "prompt-tokens",
        dir: "auto",
        tabindex: "0",
        role: "group",
        "aria-label": "Prompt as tokens",
      },
      words,
    ),
  ];
}

/**
 * @param {Session} session
 * @param {Place} place
 */
function actionsOf(session, place) {
  if (!session.canBranch(place)) return null;
  const button = h(
    "button",
    { type: "button", class: "action", "data-key": "branch", onclick: () => session.branch(place) },
    "Continue from here",
  );
  return h(
    "p",
    { class: "actions" },
    button,
    h("span", { class: "said" }, " grows a new line from this token"),
  );
}

/**
 * What is said when the selection moves.
 * @param {Session} session
 * @param {Place} place
 */
export function announcement({ trace }, place) {
  if (!place.parent) return "The end of the prompt is selected.";
  const users = place.users.map((index) => trace.runs[index].name).join(" and ");
  const odds = percent(fromLog(place.logprob));
  const taken = users ? `, taken by ${users}` : "";
  return `Selected ${spoken(place)}, token ${place.depth}, ${odds}${taken}.`;
}
