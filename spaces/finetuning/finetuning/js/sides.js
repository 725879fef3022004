// One row as five trainers see it: stretches of tokens against trainers.

import { h, scrollBox, visible } from "../../../../shared/js/dom.js";
import { whole } from "../../../../shared/js/numbers.js";
import { tableHead } from "../../../../shared/js/tables.js";
import { labelsOf } from "./labels.js";

/**
 * @import {Mask, MaskRow, Trainer} from "./data.js"
 * @import {MaskSession} from "./mask.js"
 */

/**
 * @param {HTMLElement} panel
 * @param {MaskSession} session
 * @returns {(data: Mask) => void}
 */
export function openSides(panel, session) {
  const body = h("div", {});
  panel.append(body);
  return (data) => body.replaceChildren(...sidesOf(data, data.rows[session.row], session));
}

/**
 * @param {Mask} data
 * @param {MaskRow} row
 * @param {MaskSession} session
 */
function sidesOf(data, row, session) {
  /** @type {Trainer[]} */
  const names = /** @type {Trainer[]} */ (Object.keys(data.trainers));
  const taken = names.filter((name) => !row.views[name].refused && !row.error);
  const labels = new Map(taken.map((name) => [name, labelsOf(row, name)]));
  const stretches = stretchesOf(row, [...labels.values()]);
  const head = names.map((name) =>
    h(
      "th",
      { scope: "col", class: name === session.trainer ? "mask-mine" : null },
      h(
        "button",
        {
          type: "button",
          class: "plain",
          title: "Look at the tokens as this trainer sees them",
          onclick: () => session.choose({ trainer: name }, "tokens"),
        },
        data.trainers[name],
      ),
    ),
  );
  const totals = names.map((name) => {
    const view = row.views[name];
    if (view.refused || row.error) return h("td", { class: "said" }, "not taken");
    if (view.dropped) return h("td", { class: "said" }, "left out");
    return h("td", { class: "num" }, whole(view.trained));
  });
  const rows = stretches.map(({ from, to }) => {
    const marks = names.map((name) => labels.get(name)?.[from] ?? null);
    const known = marks.filter((mark) => mark !== null);
    const differ = new Set(known.map((mark) => mark.trained)).size > 1;
    return h(
      "tr",
      { class: differ ? "mask-differ" : null },
      h(
        "th",
        { scope: "row" },
        h("bdi", { class: "token" }, visible(shorten(row.tokens.slice(from, to).join("")))),
        h("span", { class: "said" }, data.part_words[row.parts[from]]),
      ),
      marks.map((mark) =>
        h(
          "td",
          { class: "mask-cell", title: mark ? data.rules[mark.rule] : null },
          mark
            ? h(
                "span",
                { class: mark.trained ? "mask-dot on" : "mask-dot" },
                h("span", { class: "unseen" }, mark.trained ? "trained" : "not trained"),
              )
            : "–",
        ),
      ),
    );
  });
  const refused = names
    .map((name) => ({ name, why: row.error ?? row.views[name].refused ?? row.views[name].dropped }))
    .filter(({ why }) => why);
  return [
    h(
      "p",
      { class: "mask-intro" },
      `Row ${row.number}: `,
      h("span", { class: "mask-dot on" }),
      " trained on, ",
      h("span", { class: "mask-dot" }),
      " read only. A line at the left marks where trainers differ.",
    ),
    scrollBox(
      "Five trainers",
      "scroll mask-sides",
      h(
        "table",
        {},
        tableHead([h("th", { scope: "col" }, "tokens"), ...head]),
        h("tbody", {}, rows, h("tr", {}, h("th", { scope: "row" }, "trained tokens"), totals)),
      ),
    ),
    refused.length
      ? h(
          "ul",
          { class: "mask-refused" },
          refused.map(({ name, why }) => h("li", {}, h("b", {}, `${data.trainers[name]}: `), why)),
        )
      : h("span", {}),
  ];
}

/**
 * Runs of tokens in which neither part nor any label changes.
 * @param {MaskRow} row
 * @param {{trained: boolean, rule: string}[][]} labels
 */
function stretchesOf(row, labels) {
  /** @type {{from: number, to: number, mark: string}[]} */
  const found = [];
  row.tokens.forEach((_, at) => {
    const mark = [
      row.parts[at],
      row.messages[at],
      ...labels.map((one) => `${one[at].trained}${one[at].rule}`),
    ].join();
    const last = found.at(-1);
    if (last?.mark === mark) last.to = at + 1;
    else found.push({ from: at, to: at + 1, mark });
  });
  return found;
}

/** @param {string} text */
function shorten(text) {
  const letters = [...text];
  return letters.length > 90
    ? `${letters.slice(0, 60).join("")} … ${letters.slice(-24).join("")}`
    : text;
}
