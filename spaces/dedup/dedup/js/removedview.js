// The view of the table: every removed row, what stays for it, and both texts below a chosen row.

import { h, keepFocus } from "../../../../shared/js/dom.js";
import { number, plural, whole } from "../../../../shared/js/numbers.js";
import { tableHead } from "../../../../shared/js/tables.js";
import { openPager } from "./foldlist.js";
import {
  diffOfRows,
  excerptOf,
  kindOf,
  rowName,
  sameWords,
  textOfRow,
  thresholdOf,
} from "./run.js";

/**
 * @import {Removal} from "./cluster.js"
 * @import {Run} from "./run.js"
 *
 * @typedef {Object} Column
 * @property {string} name
 * @property {string} label
 * @property {boolean} [number]
 * @property {(item: Removal, run: Run) => number | string} of what it is sorted by
 *
 * @typedef {Object} TableView
 * @property {Column} sort
 * @property {boolean} down
 * @property {string} search
 * @property {number | null} open row
 * @property {number | null} openAnswer row
 * @property {string} runId
 */

const ROWS_A_PAGE = 50;
const MOST_ANSWERS = 100;
/** @type {Column[]} */
const COLUMNS = [
  { name: "row", label: "row", number: true, of: (item) => item.row },
  { name: "keeper", label: "kept instead", number: true, of: (item) => item.keeperRow },
  { name: "jaccard", label: "similarity", number: true, of: (item) => item.jaccard ?? -1 },
  { name: "kind", label: "differs in", of: (item, run) => kindWord(run, item) },
  { name: "text", label: "text", of: (item, run) => excerptOf(run, item.row, 60).toLowerCase() },
];

/**
 * @param {HTMLElement} panel
 */
export function openRemovedView(panel) {
  /** @type {TableView} */
  const view = {
    sort: COLUMNS[0],
    down: false,
    search: "",
    open: null,
    openAnswer: null,
    runId: "",
  };
  /** @type {Run | null} */
  let run = null;
  const field = h("input", {
    type: "search",
    placeholder: "words or a row’s number",
    "aria-label": "Search removed rows",
    oninput: () => {
      view.search = field.value;
      pager.page = 0;
      draw();
    },
  });
  const count = h("span", { class: "said", role: "status" });
  const pager = openPager(() => draw());
  const heads = COLUMNS.map((column) => {
    const sort = h(
      "button",
      { type: "button", class: "plain", onclick: () => sortBy(column) },
      column.label,
    );
    return h("th", { scope: "col", class: column.number ? "num" : "text" }, sort);
  });
  const body = h("tbody", {});
  const table = h(
    "table",
    { class: "removed-rows" },
    h("caption", {}, "Removed rows. Press a row to compare its text with the one that stays."),
    tableHead(heads),
    body,
  );
  const answers = h("section", { class: "answers" });
  panel.append(
    h(
      "div",
      { class: "padded" },
      answers,
      h("div", { class: "filters" }, field, count),
      table,
      pager.element,
    ),
  );

  const sortBy = (/** @type {Column} */ column) => {
    view.down = view.sort === column ? !view.down : column.name === "jaccard";
    view.sort = column;
    pager.page = 0;
    draw();
  };
  const draw = () => {
    if (run) keepFocus(panel, () => run && drawRun(run));
  };
  const drawRun = (/** @type {Run} */ shown) => {
    if (view.runId !== shown.data.run_id)
      Object.assign(view, { runId: shown.data.run_id, open: null, openAnswer: null });
    const rows = sorted(shown, matchingRows(shown, view.search), view);
    const from = pager.clamp(rows.length, ROWS_A_PAGE);
    count.textContent = rows.length
      ? view.search
        ? `${whole(rows.length)} of ${plural(shown.outcome.removed.length, "removed row")}`
        : plural(rows.length, "removed row")
      : view.search
        ? "No removed row has these words."
        : "Nothing is removed at this threshold.";
    table.hidden = !rows.length;
    heads.forEach((head, place) => {
      const current = COLUMNS[place] === view.sort;
      if (current) head.setAttribute("aria-sort", view.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const page = rows.slice(from, from + ROWS_A_PAGE);
    body.replaceChildren(...page.flatMap((item) => rowElements(shown, item, view, draw)));
    drawAnswers(answers, shown, view, draw);
  };
  return (/** @type {Run} */ next) => {
    run = next;
    draw();
  };
}

/**
 * The removed rows of that number, or with these words.
 * @param {Run} run
 * @param {string} search
 */
function matchingRows(run, search) {
  const wanted = search.trim().toLowerCase();
  if (!wanted) return run.outcome.removed;
  const isRow = /^\d+$/.test(wanted);
  return run.outcome.removed.filter(
    (item) =>
      (isRow && [item.row, item.keeperRow].includes(Number(wanted))) ||
      (textOfRow(run, item.row) ?? "").toLowerCase().includes(wanted),
  );
}

/**
 * @param {Run} run
 * @param {Removal[]} items
 * @param {TableView} view
 */
function sorted(run, items, { sort, down }) {
  const keyed = items.map((item) => ({ key: sort.of(item, run), item }));
  const sign = down ? -1 : 1;
  keyed.sort((one, other) =>
    one.key < other.key ? -sign : one.key > other.key ? sign : one.item.row - other.item.row,
  );
  return keyed.map(({ item }) => item);
}

/**
 * @param {Run} run
 * @param {Removal} item
 * @param {TableView} view
 * @param {() => void} redraw
 */
function rowElements(run, item, view, redraw) {
  const open = view.open === item.row;
  const toggle = () => {
    view.open = open ? null : item.row;
    redraw();
  };
  const similar =
    item.jaccard === null ? "by others" : item.copy ? "copy" : number(item.jaccard, 3);
  const button = h(
    "button",
    {
      type: "button",
      class: "plain",
      "data-key": `removed-${item.row}`,
      "aria-expanded": String(open),
      "aria-label": `Compare row ${item.row} with row ${item.keeperRow}`,
      onclick: toggle,
    },
    placeCell(run, item.row),
  );
  const line = h(
    "tr",
    {
      class: open ? "current" : "",
      onclick: ({ target }) => {
        if (!(target instanceof Element && target.closest("button"))) toggle();
      },
    },
    h("th", { scope: "row", class: "num" }, button),
    h("td", { class: "num" }, placeCell(run, item.keeperRow)),
    h("td", { class: "num" }, similar),
    h("td", { class: "text said" }, kindWord(run, item)),
    h("td", { class: "text" }, h("bdi", { class: "excerpt" }, excerptOf(run, item.row))),
  );
  return open
    ? [
        line,
        h(
          "tr",
          { class: "opened" },
          h("td", { colspan: COLUMNS.length }, diffOfRows(run, item.keeperRow, item.row)),
        ),
      ]
    : [line];
}

/**
 * In what a removed row differs from its keeper, in a word; empty for copies.
 * @param {Run} run
 * @param {Removal} item
 */
function kindWord(run, item) {
  if (item.copy) return "";
  const same = sameWords(run, item.row, item.keeperRow) ? "same words" : "";
  return kindOf(run, item.row, item.keeperRow) ?? same;
}

/**
 * Rows that go for their prompt though their answer differs from the keeper's.
 * @param {HTMLElement} element
 * @param {Run} run
 * @param {TableView} view
 * @param {() => void} redraw
 */
function drawAnswers(element, run, view, redraw) {
  const { answers } = run.data;
  element.hidden = !answers;
  if (!answers) return;
  const at = thresholdOf(run);
  const differing = run.outcome.removed
    .flatMap((item) => {
      const [keeper, jaccard] = answers[String(item.row)] ?? [null, 0];
      return keeper === item.keeperRow && jaccard < at ? [{ item, jaccard }] : [];
    })
    .sort((one, other) => one.jaccard - other.jaccard || one.item.row - other.item.row);
  const title = h("h2", {}, "Same prompt, different answer");
  if (!differing.length) {
    element.replaceChildren(
      title,
      h("p", { class: "said" }, "Every removed row’s answer is like its keeper’s, too."),
    );
    return;
  }
  const entries = differing.slice(0, MOST_ANSWERS).map(({ item, jaccard }) => {
    const open = view.openAnswer === item.row;
    const toggle = () => {
      view.openAnswer = open ? null : item.row;
      redraw();
    };
    const button = h(
      "button",
      {
        type: "button",
        class: "plain fold",
        "data-key": `answer-${item.row}`,
        "aria-expanded": String(open),
        onclick: toggle,
      },
      h("b", { class: "value" }, number(jaccard, 2)),
      h("span", { class: "who" }, `${rowName(run, item.row)} for ${rowName(run, item.keeperRow)}`),
      h("bdi", { class: "excerpt" }, excerptOf(run, item.row)),
    );
    return h(
      "li",
      {},
      button,
      open ? h("div", { class: "fold-content" }, diffOfRows(run, item.keeperRow, item.row)) : null,
    );
  });
  const rest =
    differing.length > MOST_ANSWERS
      ? h("p", { class: "said" }, `and ${plural(differing.length - MOST_ANSWERS, "more row")}`)
      : null;
  element.replaceChildren(
    title,
    h(
      "p",
      { class: "said" },
      `${plural(differing.length, "removed row")} with answers less similar than ${number(at)} to ` +
        "the keeper’s (the number is the answers’ similarity). Only prompts were compared; " +
        "look before you drop them.",
    ),
    h("ul", { class: "fold-list short", "aria-label": "Same prompt, different answer" }, entries),
    ...(rest ? [rest] : []),
  );
}

/**
 * A row's number in the table; of several files with its own.
 * @param {Run} run
 * @param {number} row
 */
function placeCell(run, row) {
  return run.data.provenance.files ? rowName(run, row).replace("row ", "") : String(row);
}
