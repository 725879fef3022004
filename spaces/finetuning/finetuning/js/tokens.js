// A row's tokens, message by message: trained on or not, and why.

import { focusOn, h, keepFocus, visible } from "../../../../shared/js/dom.js";
import { plural, whole } from "../../../../shared/js/numbers.js";
import { choice, toolButton } from "../../../../shared/js/shell.js";
import { scrollTable } from "../../../../shared/js/tables.js";
import { labelsOf } from "./labels.js";

/**
 * @import {Mask, MaskRow, Part, Rule, Trainer} from "./data.js"
 * @import {MaskSession} from "./mask.js"
 */

/** @typedef {{trained: boolean, rule: Rule}} Label */

/** Parts that are of the conversation and not of its template. */
const SAID = new Set(["system", "user", "tool", "answer", "thinking", "text", "completion"]);

/**
 * @param {HTMLElement} panel
 * @param {MaskSession} session
 * @returns {(data: Mask) => void}
 */
export function openTokens(panel, session) {
  const bar = h("div", { class: "mask-bar" });
  const key = h(
    "p",
    { class: "mask-key" },
    h("span", { class: "mask-token trained" }, "trained on"),
    " ",
    h("span", { class: "mask-token" }, "read, not trained on"),
    " ",
    h("span", { class: "mask-token cut" }, "cut off"),
    h("span", { class: "said" }, " Press a token for its reason."),
  );
  const said = h("p", { class: "mask-said", role: "status" });
  const talk = h("div", { class: "mask-talk" });
  const why = h("div", { class: "mask-why" });
  panel.append(bar, key, said, talk, why);
  talk.addEventListener("click", ({ target }) => {
    const token = tokenIn(target);
    if (token) session.choose({ token: Number(token.dataset.token) });
  });
  talk.addEventListener("keydown", (event) => {
    const token = tokenIn(event.target);
    if (!token) return;
    const all = [...talk.querySelectorAll("[data-token]")];
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const next = step ? all[all.indexOf(token) + step] : null;
    if (event.key === "Enter" || event.key === " ")
      session.choose({ token: Number(token.dataset.token) });
    else if (next) {
      token.tabIndex = -1;
      next.setAttribute("tabindex", "0");
      focusOn(next);
    } else return;
    event.preventDefault();
  });
  return (data) => {
    const row = data.rows[session.row];
    keepFocus(bar, () => bar.replaceChildren(...barOf(data, session)));
    const view = row.views[session.trainer];
    const none = row.error ? `The template refuses the row: ${row.error}` : view.refused;
    if (row.error || view.refused) {
      said.replaceChildren(h("b", {}, "Not taken. "), none ?? "");
    } else if (view.dropped) said.replaceChildren(h("b", {}, "Left out. "), view.dropped);
    const labels = labelsOf(row, session.trainer);
    const at = session.token < 0 ? firstStop(row) : session.token;
    if (!none && !view.dropped) said.replaceChildren(...sentenceOf(data, row, labels, at));
    keepFocus(talk, () => talk.replaceChildren(...turnsOf(data, row, labels, at)));
    why.replaceChildren(...(labels.length ? [reasonsOf(data, row, labels)] : []));
  };
}

/** @param {EventTarget | null} target */
function tokenIn(target) {
  /** @type {HTMLElement | null} */
  const token = target instanceof Element ? target.closest("[data-token]") : null;
  return token;
}

/**
 * The controls above the tokens: which row, whose labels.
 * @param {Mask} data
 * @param {MaskSession} session
 */
function barOf(data, session) {
  const names = data.rows.map(
    (row, at) => /** @type {const} */ ([String(at), `row ${row.number}`]),
  );
  /** @type {Trainer[]} */
  const trainers = /** @type {Trainer[]} */ (Object.keys(data.trainers));
  const count = data.rows.length;
  const move = (/** @type {number} */ step) =>
    session.choose({ row: (session.row + step + count) % count });
  const before = toolButton("‹", "Row before", () => move(-1));
  const after = toolButton("›", "Next row", () => move(1));
  before.dataset.key = "row-before";
  after.dataset.key = "row-after";
  const select = choice("Row", names, String(session.row), (at) =>
    session.choose({ row: Number(at) }),
  );
  const whose = choice(
    "as",
    trainers.map((name) => /** @type {const} */ ([name, data.trainers[name]])),
    session.trainer,
    (trainer) => session.choose({ trainer }),
  );
  select.querySelector("select")?.setAttribute("data-key", "row");
  whose.querySelector("select")?.setAttribute("data-key", "trainer");
  const view = data.rows[session.row].views[session.trainer];
  const counts = view.refused
    ? "not taken"
    : view.dropped
      ? "left out"
      : `${whole(view.trained)} of ${plural(view.kept, "token")} trained on`;
  const found = data.findings.length;
  const findings = h(
    "button",
    { type: "button", class: "mask-open", onclick: () => session.choose({}, "findings") },
    `${plural(found, "finding")} ›`,
  );
  return [
    count > 1 ? [before, select, after] : null,
    whose,
    h("span", { class: "said" }, counts),
    found ? findings : null,
  ]
    .flat()
    .filter((part) => part !== null);
}

/** @param {MaskRow} row */
function firstStop(row) {
  const at = row.parts.lastIndexOf("stop");
  return at < 0 ? row.parts.lastIndexOf("answer") : at;
}

/**
 * @param {Mask} data
 * @param {MaskRow} row
 * @param {Label[]} labels
 * @param {number} at
 */
function sentenceOf(data, row, labels, at) {
  const label = labels[at];
  if (!label) return ["Press a token for its reason."];
  const place = row.messages[at];
  const of = place < 0 ? "" : ` of message ${place + 1} (${row.roles[place]})`;
  return [
    h("bdi", { class: `mask-token${label.trained ? " trained" : ""}` }, visible(row.tokens[at])),
    ` id ${row.ids[at]}, ${data.part_words[row.parts[at]]}${of}: `,
    h("b", {}, label.trained ? "trained on" : "not trained on"),
    `, because ${data.rules[label.rule]}.`,
  ];
}

/**
 * @param {Mask} data
 * @param {MaskRow} row
 * @param {Label[]} labels
 * @param {number} chosen
 */
function turnsOf(data, row, labels, chosen) {
  /** @type {{place: number, from: number, to: number}[]} */
  const turns = [];
  row.tokens.forEach((_, at) => {
    const last = turns.at(-1);
    if (last && last.place === row.messages[at]) last.to = at + 1;
    else turns.push({ place: row.messages[at], from: at, to: at + 1 });
  });
  const active = chosen < 0 ? 0 : chosen;
  return turns.map(({ place, from, to }) =>
    h(
      "div",
      { class: "mask-turn" },
      h("div", { class: "mask-role" }, place < 0 ? partOf(data, row, from) : row.roles[place]),
      h(
        "div",
        { class: "mask-tokens", dir: "auto" },
        row.tokens
          .slice(from, to)
          .map((text, index) => tokenOf(data, row, labels, from + index, text, chosen, active)),
      ),
    ),
  );
}

/**
 * @param {Mask} data
 * @param {MaskRow} row
 * @param {number} at
 */
function partOf(data, row, at) {
  return row.form.startsWith("text") ? "text" : data.part_words[row.parts[at]];
}

/**
 * @param {Mask} data
 * @param {MaskRow} row
 * @param {Label[]} labels
 * @param {number} at
 * @param {string} text
 * @param {number} chosen
 * @param {number} active
 */
function tokenOf(data, row, labels, at, text, chosen, active) {
  const label = labels[at];
  const part = row.parts[at];
  const classes = [
    "mask-token",
    label?.trained && "trained",
    label && ["cut", "dropped"].includes(label.rule) && "cut",
    !SAID.has(part) && "written",
    part === "stop" && "stops",
    at === chosen && "selected",
  ];
  const state = label ? (label.trained ? "trained on" : "not trained on") : "no label";
  const token = h(
    "bdi",
    {
      class: classes.filter(Boolean).join(" "),
      role: "button",
      tabindex: at === active ? "0" : "-1",
      "data-token": at,
      "data-key": `token-${at}`,
      "aria-pressed": String(at === chosen),
      "aria-label": `${visible(text)}, ${data.part_words[part]}, ${state}`,
    },
    visible(text),
  );
  return text.includes("\n") ? [token, h("br", {})] : token;
}

/**
 * Every part of the row with its label and the reason.
 * @param {Mask} data
 * @param {MaskRow} row
 * @param {Label[]} labels
 */
function reasonsOf(data, row, labels) {
  /** @type {Map<string, {part: Part, label: Label, count: number}>} */
  const groups = new Map();
  labels.forEach((label, at) => {
    const part = row.parts[at];
    const key = [part, label.trained, label.rule].join();
    const group = groups.get(key) ?? { part, label, count: 0 };
    group.count += 1;
    groups.set(key, group);
  });
  const rows = [...groups.values()].map(({ part, label, count }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, data.part_words[part]),
      h("td", { class: "num" }, whole(count)),
      h("td", {}, label.trained ? h("b", {}, "trained on") : "not trained on"),
      h("td", { class: "mask-reason" }, data.rules[label.rule]),
    ),
  );
  return scrollTable("Why", ["part", "tokens", "label", "because"], rows);
}
