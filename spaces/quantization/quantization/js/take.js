// A model to take home: what was measured of its file, its types, its card; or a program to run elsewhere.

import { h, scrollBox } from "../../../../shared/js/dom.js";
import { brief, megabytes } from "../../../../shared/js/numbers.js";
import { headedRow, scrollTable } from "../../../../shared/js/tables.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { COLUMNS, baseCells } from "./columns.js";
import { tensorTable } from "./comparetable.js";

/** @import { Facts } from "../../../../shared/js/tabbed.js" */
/** @import { Base, File, Row, Take } from "./data.js" */

/** Columns of the comparison that say nothing of a single file. */
const AMONG_ROWS = ["rank"];

/** Open the figure. */
export function openTake() {
  return openTabbed(
    "quantization",
    "A quantized model to take home",
    "Choose a format and press Quantize.",
    [
      { name: "file", label: "Result", open: openFile },
      { name: "tensors", label: "Tensors", hidden: ({ row }) => !row, open: openTensors },
      { name: "card", label: "Model card", hidden: ({ card }) => !card, open: openCard },
    ],
    takeFacts,
  );
}

/**
 * What stands above the views.
 * @param {Take} data
 * @returns {Facts}
 */
function takeFacts({ title, files, row, model, provenance, warnings, example }) {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const key = [`${files.length} ${files.length === 1 ? "file" : "files"}, ${megabytes(bytes)} MB`];
  if (row) key.push(`KLD ${brief(row.kld.mean)} nats`, `${row.bits.toFixed(2)} bits per weight`);
  const origin =
    model && provenance
      ? [
          model.id,
          model.source,
          `${model.scored} scored tokens in ${model.windows} windows of ${model.context}`,
          `text: ${provenance.text}`,
        ]
      : [];
  const tags = example ? ["stored example: press Quantize for the file"] : [];
  return { title, key, provenance: origin.join(" · "), tags, warnings };
}

/**
 * The file's numbers beside the base's, or the program.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Take) => void}
 */
function openFile(_figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return ({ row, base, script, files }) => {
    if (row && base) box.replaceChildren(measuredTable(row, base), fileTable(files), notes(row));
    else box.replaceChildren(h("pre", { class: "program", tabindex: 0 }, script));
  };
}

/**
 * @param {Row} row
 * @param {Base} base
 */
function measuredTable(row, base) {
  const cells = baseCells(base);
  return scrollTable(
    "What was measured",
    ["", "base as published, measured in float32", row.label],
    COLUMNS.filter(({ key }) => !AMONG_ROWS.includes(key)).map(({ title, key, write }) =>
      headedRow(`${key.startsWith("kld_") ? "KLD " : ""}${title}`, [cells[key] ?? "", write(row)]),
    ),
    "numbers measured",
  );
}

/** @param {File[]} files */
function fileTable(files) {
  return scrollTable(
    "Files",
    ["file", "MB"],
    files.map(({ name, bytes }) => headedRow(name, [megabytes(bytes)])),
  );
}

/** @param {Row} row */
function notes({ version, runtime, notes: lines }) {
  return h(
    "div",
    { class: "detail" },
    h("p", {}, `${version}. ${runtime}.`),
    h(
      "ul",
      {},
      lines.map((line) => h("li", {}, line)),
    ),
  );
}

/**
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Take) => void}
 */
function openTensors(_figure, panel) {
  const box = scrollBox("Tensors", "wide scroll");
  panel.append(box);
  return ({ row }) => box.replaceChildren(tensorTable(row?.tensors ?? []));
}

/**
 * The card as it is pushed.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Take) => void}
 */
function openCard(_figure, panel) {
  const text = h("pre", { class: "program", tabindex: 0, "aria-label": "Model card" });
  panel.append(h("div", { class: "padded" }, text));
  return ({ card }) => text.replaceChildren(card);
}
