// Tables and lists of facts.

import { h, scrollBox } from "./dom.js";

/** @import {Child} from "./dom.js" */

/**
 * The head of a table.
 * @param {readonly Child[]} cells the columns' names; a cell stands as it is, an empty text is an
 *   empty cell
 * @param {readonly number[]} [numeric] places of columns of numbers
 */
export function tableHead(cells, numeric = []) {
  const cell = (/** @type {Child} */ item, /** @type {number} */ at) => {
    if (item instanceof HTMLTableCellElement) return item;
    if (item === "") return h("td", {});
    return h("th", { scope: "col", class: numeric.includes(at) ? "num" : null }, item);
  };
  return h("thead", {}, h("tr", {}, cells.map(cell)));
}

/**
 * A table in a region that scrolls by itself.
 * @param {string} label of the region, for a screen reader
 * @param {readonly Child[]} head a cell stands as it is, an empty text is an empty cell
 * @param {readonly HTMLElement[]} rows
 * @param {string} [kind] class of the table
 */
export function scrollTable(label, head, rows, kind = "numbers") {
  return scrollBox(
    label,
    "scroll",
    h("table", { class: kind }, tableHead(head), h("tbody", {}, rows)),
  );
}

/**
 * A row that begins with what it is about.
 * @param {Child} header
 * @param {readonly Child[]} cells
 */
export function headedRow(header, cells) {
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, header),
    cells.map((cell) => h("td", {}, cell)),
  );
}

/**
 * Terms and what is known of them.
 * @param {readonly (readonly Child[])[]} rows each a term and words
 */
export function factList(rows) {
  return h(
    "dl",
    { class: "facts" },
    rows.map(([term, words]) => [h("dt", {}, term), h("dd", {}, words)]),
  );
}
