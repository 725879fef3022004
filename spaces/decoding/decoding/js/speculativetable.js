// Every decision of a speculative run as a table.

import { h, visible } from "../../../../shared/js/dom.js";
import { brief, number, percent } from "../../../../shared/js/numbers.js";
import { tableHead } from "../../../../shared/js/tables.js";

/**
 * @import {Speculative, SpeculativePlace} from "./data.js"
 * @import {Guesses} from "./speculative.js"
 */

/**
 * @param {HTMLElement} panel
 * @param {Guesses} guesses
 * @returns {(data: Speculative) => void}
 */
export function openGuessTable(panel, guesses) {
  const body = h("tbody", {});
  const columns = [
    "round",
    "place",
    "proposed",
    "q",
    "p",
    "chance",
    "number",
    "fate",
    "written",
    "1 − TV",
    "error",
  ];
  panel.append(
    h(
      "div",
      { class: "wide", tabindex: 0, role: "region", "aria-label": "Every decision" },
      h(
        "table",
        {},
        h(
          "caption",
          {},
          "Every proposed token. q and p: its probability under draft and model; it is kept where the " +
            "number is below the chance. Error: how far both ways to a token are " +
            "from p, over the vocabulary.",
        ),
        tableHead(columns, [0, 1, 3, 4, 5, 6, 9, 10]),
        body,
      ),
    ),
  );
  return ({ rounds }) => {
    body.replaceChildren(
      ...rounds.flatMap(({ places }, round) =>
        places.map((place, at) => guessRow(place, round, () => guesses.select(round, at))),
      ),
    );
  };
}

/**
 * @param {SpeculativePlace} place
 * @param {number} round
 * @param {() => void} choose
 */
function guessRow(place, round, choose) {
  const {
    proposed,
    text,
    q,
    p,
    chance,
    number: by,
    tested,
    accepted,
    written,
    overlap,
    error,
  } = place;
  const fate = proposed === null ? "" : !tested ? "not reached" : accepted ? "kept" : "refused";
  const num = (/** @type {string} */ words) => h("td", { class: "num" }, words);
  const token = (/** @type {string} */ words) => h("bdi", { class: "token" }, visible(words));
  return h(
    "tr",
    { class: fate === "not reached" ? "pruned" : null },
    num(String(round + 1)),
    num(String(place.at + 1)),
    h(
      "th",
      { scope: "row" },
      h(
        "button",
        { type: "button", class: "plain", onclick: choose },
        proposed === null ? "nothing" : token(text),
      ),
    ),
    num(proposed === null ? "" : percent(q)),
    num(proposed === null ? "" : percent(p)),
    num(chance === null ? "" : number(chance, 3)),
    num(by === null ? "" : number(by, 3)),
    h("td", {}, fate),
    h("td", {}, written ? token(written.text) : ""),
    num(overlap === null ? "" : percent(overlap)),
    num(error === null ? "" : brief(error, 1)),
  );
}
