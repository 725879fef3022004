// A list that controls narrow, with what is opened of it below.

import { h, keepFocus } from "../../../../shared/js/dom.js";
import { plural } from "../../../../shared/js/numbers.js";
import { shortened } from "./words.js";

/**
 * A view of a list.
 * @template D
 * @template R
 * @typedef {Object} Listing
 * @property {string} noun what a row stands for
 * @property {(data: D) => R[]} listed the rows that the controls let through
 * @property {(row: R) => boolean} chosen whether a visitor opened it; the first row is open where none is
 * @property {(data: D) => (Node | string)[]} controls
 * @property {(data: D, shown: R[], open: R | undefined) => Node} table
 * @property {(data: D, open: R) => (Node | string)[]} detail
 */

/**
 * @template D
 * @template R
 * @param {HTMLElement} panel
 * @param {Listing<D, R>} listing
 * @returns {(data: D) => void}
 */
export function openListed(panel, { noun, listed, chosen, controls, table, detail }) {
  const filters = h("div", { class: "filters eval-filters" });
  const list = h("div", {});
  const below = h("div", { class: "eval-detail" });
  panel.append(filters, h("div", { class: "eval-items" }, list, below));
  return (data) =>
    keepFocus(panel, () => {
      const shown = listed(data);
      const open = shown.find(chosen) ?? shown[0];
      filters.replaceChildren(
        ...controls(data),
        h("span", { class: "said" }, plural(shown.length, noun)),
      );
      list.replaceChildren(table(data, shown, open));
      below.replaceChildren(
        ...(open ? detail(data, open) : [h("p", { class: "said" }, `No ${noun} is like that.`)]),
      );
    });
}

/**
 * A row's head, which opens it, and its cells.
 * @param {string} key
 * @param {string} text
 * @param {boolean} open
 * @param {() => void} press
 * @param {(Node | string | (Node | string)[])[]} cells
 */
export function listedRow(key, text, open, press, cells) {
  return h(
    "tr",
    { class: open ? "current" : null },
    h(
      "th",
      { scope: "row" },
      h(
        "button",
        {
          type: "button",
          class: "plain",
          "data-key": key,
          "aria-pressed": String(open),
          onclick: press,
        },
        h("bdi", {}, text),
      ),
    ),
    cells.map((cell) => h("td", {}, cell)),
  );
}

/**
 * @param {string} label
 * @param {string} key
 * @param {string} value
 * @param {[string, string][]} options value and words
 * @param {(value: string) => void} choose
 */
export function choiceField(label, key, value, options, choose) {
  return h(
    "label",
    {},
    label,
    h(
      "select",
      { "data-key": key, onchange: (event) => choose(event.currentTarget.value) },
      options.map(([name, words]) =>
        h("option", { value: name, selected: name === value }, shortened(words, 48)),
      ),
    ),
  );
}

/**
 * The field that names the model which is held against the first; "" where there is no choice.
 * @param {string} key
 * @param {{name: string}[]} models
 * @param {number} value its place
 * @param {(other: number) => void} choose
 */
export function otherField(key, models, value, choose) {
  if (models.length < 3) return "";
  /** @type {[string, string][]} */
  const others = models.map(({ name }, at) => [String(at), name]);
  return choiceField("other", key, String(value), others.slice(1), (at) => choose(Number(at)));
}
