// Every number of every row, and a row's tensors.

import { plural } from "../../../../shared/js/numbers.js";
import { h, scrollBox } from "../../../../shared/js/dom.js";
import { saveFile } from "../../../../shared/js/picture.js";
import { COLUMNS, baseCells, csvOf, worthOf } from "./columns.js";
import { measuredRows, nameOfRow } from "./measures.js";
import { runtimeFigure } from "./runtime.js";

/** @import { Figure } from "../../../../shared/js/tabbed.js" */
/** @import { Base, Compare, FailedRow, OpenRow, Row, Tensor } from "./data.js" */

/** @typedef {{by: number, up: boolean}} Order column and direction */

/**
 * Open the view.
 * @param {Figure<Compare>} figure
 * @param {HTMLElement} panel
 * @returns {(data: Compare) => void}
 */
export function openTable(figure, panel) {
  const order = { by: 0, up: true };
  /** @type {Set<string>} */
  const unfolded = new Set();
  /** @type {Row[]} */
  let rows = [];
  const box = scrollBox("Table of formats", "wide scroll");
  const save = h(
    "button",
    {
      type: "button",
      onclick: () => saveFile(figure.root, "quantization.csv", "text/csv", csvOf(rows)),
    },
    "CSV",
  );
  const several = h(
    "button",
    { type: "button", onclick: () => takeSeveral(figure, rows) },
    "Write these as one set",
  );
  panel.append(
    box,
    h(
      "div",
      { class: "filters padded-row" },
      save,
      several,
      h(
        "span",
        {},
        "MB are 10⁶ bytes, of a file its weights. ± is the standard error over the windows of the text; ",
        "one window has none. Rank is 1 + the rows that are better beyond doubt; ",
        "= marks a tie: rows that cannot be told apart. Bold is the best of a column. ",
        "Open a row for its tensors.",
      ),
    ),
  );
  /** @param {Compare} data */
  const draw = (data) => {
    rows = measuredRows(data);
    several.hidden = figure.host.exported || !rows.some(hasFiles);
    const best = COLUMNS.map((of) => Math.max(...rows.map((row) => worthOf(of, row))));
    /** @param {number} by */
    const sort = (by) => {
      order.up = order.by === by ? !order.up : true;
      order.by = by;
      draw(data);
    };
    /** @param {string} format */
    const fold = (format) => {
      if (!unfolded.delete(format)) unfolded.add(format);
      draw(data);
      /** @type {HTMLElement | null} */ (
        box.querySelector(`[data-format="${CSS.escape(format)}"]`)
      )?.focus();
    };
    const lines = data.rows
      .toSorted((one, other) => compareRows(one, other, order))
      .flatMap((row) =>
        row.status === "done"
          ? measuredLines(figure, row, best, unfolded.has(row.format), () => fold(row.format))
          : [openLine(row)],
      );
    box.replaceChildren(
      h(
        "table",
        { class: "rows" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "format"), headers(order, sort))),
        h("tbody", {}, data.base ? baseLine(data.base) : null, lines),
      ),
    );
  };
  return draw;
}

/**
 * Measured rows first, in the order of a column.
 * @param {Compare["rows"][number]} one
 * @param {Compare["rows"][number]} other
 * @param {Order} order
 */
function compareRows(one, other, { by, up }) {
  if (one.status !== "done" || other.status !== "done")
    return Number(other.status === "done") - Number(one.status === "done");
  const { value } = COLUMNS[by];
  return (up ? 1 : -1) * ((value(one) ?? Infinity) - (value(other) ?? Infinity));
}

/**
 * @param {Order} order
 * @param {(by: number) => void} sort
 */
function headers({ by, up }, sort) {
  return COLUMNS.map(({ title }, index) =>
    h(
      "th",
      {
        scope: "col",
        class: "num",
        "aria-sort": by === index ? (up ? "ascending" : "descending") : "none",
      },
      h(
        "button",
        { type: "button", class: "plain", onclick: () => sort(index) },
        title,
        by === index ? (up ? " ↑" : " ↓") : "",
      ),
    ),
  );
}

/** @param {Base} base */
function baseLine(base) {
  const cells = baseCells(base);
  return h(
    "tr",
    { class: "current" },
    h("th", { scope: "row" }, "base"),
    COLUMNS.map(({ key }) => h("td", { class: "num" }, cells[key] ?? "")),
  );
}

/** @param {OpenRow | FailedRow} row */
function openLine(row) {
  const words =
    row.status === "failed"
      ? [h("b", {}, row.error.what), " ", row.error.remedy]
      : { running: "measuring …", waiting: "waiting" }[row.status];
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, nameOfRow(row)),
    h("td", { colspan: COLUMNS.length, class: "said" }, words),
  );
}

/**
 * @param {Figure<Compare>} figure
 * @param {Row} row
 * @param {number[]} best by column
 * @param {boolean} isUnfolded
 * @param {() => void} fold
 */
function measuredLines(figure, row, best, isUnfolded, fold) {
  const toggle = h(
    "button",
    {
      type: "button",
      class: "plain",
      "aria-expanded": String(isUnfolded),
      onclick: fold,
      "data-format": row.format,
    },
    isUnfolded ? "▾ " : "▸ ",
    nameOfRow(row),
  );
  const cells = COLUMNS.map((of, index) => {
    const worth = worthOf(of, row);
    const isBest = index > 0 && worth === best[index] && Number.isFinite(worth);
    return h("td", { class: isBest ? "num best" : "num" }, of.write(row));
  });
  const line = h("tr", {}, h("th", { scope: "row" }, toggle), cells);
  return isUnfolded
    ? [line, h("tr", {}, h("td", { colspan: COLUMNS.length + 1 }, detailsOf(figure, row)))]
    : [line];
}

/** Engines whose models something opens. */
const TAKEN_HOME = ["gguf", "bitsandbytes", "autoround", "gptq", "awq"];

/**
 * Whether something opens the files of a row's format; a mix is none that a name says.
 * @param {Row} row
 */
function hasFiles({ engine, format }) {
  return TAKEN_HOME.includes(engine) && !format.startsWith("gguf:mix-");
}

/**
 * Go on with all rows that have files in Several files.
 * @param {Figure<Compare>} figure
 * @param {Row[]} rows
 */
function takeSeveral({ host, data }, rows) {
  const request = data?.request ?? {};
  const { model = "", text = "", calibration = "", rotated = false, imatrix = "" } = request;
  const formats = rows.filter(hasFiles).map(({ format }) => format);
  host.emit("several", { formats, model, text, calibration, rotated, imatrix });
}

/**
 * The button that goes on with a row in Take home; none where there is no page around, or no file.
 * @param {Figure<Compare>} figure
 * @param {Row} row
 */
function takeButton({ host, data }, { engine, format }) {
  if (host.exported || !TAKEN_HOME.includes(engine)) return [];
  const wanted = format.replace(/^gguf:mix-(.+)MB$/, "mix:$1");
  const request = data?.request ?? {};
  const { model = "", text = "", calibration = "", rotated = false, imatrix = "" } = request;
  const take = () =>
    host.emit("take", { format: wanted, model, text, calibration, rotated, imatrix });
  return h(
    "div",
    { class: "actions" },
    h("button", { type: "button", class: "action", onclick: take }, "Take this home"),
  );
}

/**
 * @param {Figure<Compare>} figure
 * @param {Row} row
 */
function detailsOf(figure, row) {
  const { version, runtime, notes, tensors, llama_cpp: inLlama } = row;
  /** @type {Map<string, number>} */
  const types = new Map();
  for (const { type } of tensors) types.set(type, (types.get(type) ?? 0) + 1);
  return h(
    "div",
    { class: "detail" },
    takeButton(figure, row),
    h("p", {}, `${version}. ${runtime}.`),
    h(
      "ul",
      {},
      notes.map((note) => h("li", {}, note)),
    ),
    inLlama ? runtimeFigure(inLlama) : [],
    h("p", {}, [...types].map(([type, count]) => `${count} × ${type}`).join(", ")),
    h("details", {}, h("summary", {}, plural(tensors.length, "tensor")), tensorTable(tensors)),
  );
}

/**
 * A row's tensors, those first that hold another type than the format asks for.
 * @param {Tensor[]} tensors
 */
export function tensorTable(tensors) {
  const titles = ["tensor", "shape", "asked", "used", "why", "bits", "codes", "SQNR, dB"];
  return h(
    "table",
    {},
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        titles.map((title) => h("th", { scope: "col" }, title)),
      ),
    ),
    h(
      "tbody",
      {},
      tensors
        .toSorted((one, other) => Number(Boolean(other.reason)) - Number(Boolean(one.reason)))
        .map(tensorLine),
    ),
  );
}

/** @param {Tensor} tensor */
function tensorLine({ name, shape, asked, type, reason, bits, distinct_codes: codes, sqnr }) {
  return h(
    "tr",
    {},
    h("th", { scope: "row", class: "token" }, name),
    h("td", {}, shape.join(" × ")),
    h("td", {}, asked),
    h("td", {}, type),
    h("td", {}, reason),
    h("td", { class: "num" }, bits.toFixed(3)),
    h("td", { class: "num" }, codes),
    h("td", { class: "num" }, sqnr === null ? "lossless" : sqnr.toFixed(1)),
  );
}
